#include "ingest/events/event_record.h"

#include "common/contract/json_text.h"

#include <stdio.h>

/* What Kafka adds to a record beside our texts: names of headers, lengths; rounded up. */
#define OVERHEAD_BYTES 512

static size_t header_bytes(const struct record *r)
{
    return OVERHEAD_BYTES + r->key.len + r->source.len + r->schema.len + r->context.len +
           r->integrations.len + r->sent_at.len + r->ip.len + r->traceparent.len;
}

static void to_rejected(struct record *r, enum reject_reason reason, const char *detail,
                        uint64_t max_event_bytes, struct event_scratch *scratch)
{
    r->topic = EVENT_REJECTED;
    r->reason = view_cstr(reject_reason_text(reason));
    if (r->value.len > REJECT_KEPT_BYTES &&
        r->value.len + header_bytes(r) > max_event_bytes) {
        reject_reason_describe_cut(detail, r->value, scratch->detail);
        r->value.len = REJECT_KEPT_BYTES;
    } else {
        snprintf(scratch->detail, sizeof scratch->detail, "%s", detail);
    }
    r->detail = view_cstr(scratch->detail);
}

/* The event's own type, else the path's. False: it has none that we know. */
static bool find_type(const struct event_facts *facts, const struct json_doc *doc,
                      struct arena *arena, struct record *out)
{
    const struct json_node *type =
        json_doc_member(doc, &doc->nodes[0], view_cstr("type"));
    if (type != NULL && type->kind != JSON_NULL) {
        return type->kind == JSON_STRING &&
               event_type_parse(json_text_decode(type->text, arena), &out->topic);
    }
    if (facts->has_path_type) {
        out->topic = facts->path_type;
        out->type = view_cstr(event_type_name(facts->path_type));
    }
    return facts->has_path_type;
}

void event_record_make(const struct event_facts *facts, const struct body_event *event,
                       uint32_t seq, struct event_scratch *scratch, struct record *out)
{
    *out = facts->common;
    out->value = event->bytes;
    out->seq = seq;
    if (event->doc == NULL) {
        message_id_derive(out->source, event->bytes, scratch->id.hash);
        out->key = view_cstr(scratch->id.hash);
        to_rejected(out, event->reason, event->detail, facts->max_event_bytes, scratch);
        return;
    }
    message_id_of_event(event->doc, out->source, scratch->arena, &scratch->id);
    out->key = scratch->id.text;
    if (!find_type(facts, event->doc, scratch->arena, out)) {
        to_rejected(out, REJECT_UNKNOWN_EVENT_TYPE, "", facts->max_event_bytes, scratch);
    } else if (out->value.len + header_bytes(out) > facts->max_event_bytes) {
        to_rejected(out, REJECT_EVENT_TOO_LARGE, "", facts->max_event_bytes, scratch);
    }
}

bool event_record_fits(const struct event_facts *facts, struct view key,
                       struct view value)
{
    struct record r = facts->common;
    r.key = key;
    return value.len + header_bytes(&r) <= facts->max_event_bytes;
}
