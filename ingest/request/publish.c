#include "ingest/request/publish.h"

#include "ingest/request/pending.h"

#include "common/base/mem.h"

#include <stdatomic.h>
#include <stdio.h>

/* Events of one portion: enough to keep Kafka busy, few enough that those with the
 * largest headers (3 x 32 KiB each) stay below the budget. */
#define PORTION_RECORDS 1024

static uint32_t next_seq(const struct request *r)
{
    return atomic_fetch_add(r->seq, 1) % RECORD_SEQ_LIMIT;
}

/* W3C Trace Context: 2-32-16-2 lower-case hex digits with dashes. */
static bool is_sane_traceparent(struct view value)
{
    if (value.len != 55) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        bool is_dash = i == 2 || i == 35 || i == 52;
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (is_dash ? c != '-' : !is_hex) {
            return false;
        }
    }
    return true;
}

/* Of a batch only objects are passed on: anything else is as if absent. */
static struct view object_or_nothing(struct view value)
{
    return value.len > 0 && value.data[0] == '{' ? value : view_of(NULL, 0);
}

/* What all records of the request share; `split` NULL: there is no envelope. */
static struct event_facts facts_of(const struct request *r,
                                   const struct body_split *split)
{
    struct event_facts facts = { .max_event_bytes = r->setup->max_event_bytes,
                                 .has_path_type = r->route.kind == ROUTE_EVENT ||
                                                  r->route.kind == ROUTE_PIXEL,
                                 .path_type = r->route.type };
    struct record *common = &facts.common;
    struct view traceparent;
    common->source = view_cstr(r->source->slug);
    common->schema = view_cstr(r->source->schema);
    common->received_at_ms = r->http->received_at_ms;
    common->via = r->route.kind == ROUTE_PIXEL ? VIA_PIXEL
                  : r->route.is_sdk            ? VIA_API
                                               : VIA_WEBHOOK;
    common->auth = r->auth;
    common->request_id = view_cstr(r->http->request_id);
    common->ip = r->sender_ip;
    if (http_header(r->exchange, "traceparent", &traceparent) &&
        is_sane_traceparent(traceparent)) {
        common->traceparent = traceparent;
    }
    if (split != NULL) {
        common->context = object_or_nothing(split->context);
        common->integrations = object_or_nothing(split->integrations);
        common->sent_at = split->sent_at;
    }
    return facts;
}

/* ---- plain events ---- */

/* A derived id has always the same length. */
static const char any_derived[MESSAGE_ID_HASH_BYTES + 1];

bool publish_has_room(const struct request *r, const struct body_split *split)
{
    const struct body_elements *elements = &r->worker->elements;
    struct event_facts facts = facts_of(r, split);
    for (size_t i = 0; i < elements->count; i++) {
        struct view id = elements->items[i].id;
        struct view key = id.len > 0 ? id : view_of(any_derived, MESSAGE_ID_HASH_BYTES);
        if (!event_record_fits(&facts, key, elements->items[i].bytes)) {
            return false;
        }
    }
    return true;
}

static void add_element(const struct request *r, struct delivery *d,
                        const struct body_element *e)
{
    char derived[MESSAGE_ID_HASH_BYTES + 1];
    struct record record = {
        .topic = e->type, .key = e->id, .value = e->bytes, .seq = next_seq(r)
    };
    if (!e->has_type) {
        record.type = view_cstr(event_type_name(e->type));
    }
    if (e->id.len == 0) {
        message_id_derive(view_cstr(r->source->slug), e->bytes, derived);
        record.key = view_cstr(derived);
    }
    delivery_add(d, &record, false);
}

void publish_elements(struct request *r, const struct body_split *split)
{
    struct worker *w = r->worker;
    struct event_facts facts = facts_of(r, split);
    struct delivery *d = pending_new(r, w->elements.count);
    delivery_take_body(d, &w->body, &r->charged);
    delivery_set_common(d, &facts.common);
    for (size_t i = 0; i < w->elements.count; i++) {
        add_element(r, d, &w->elements.items[i]);
    }
    pending_answer(r, d);
}

/* ---- portions ---- */

static struct delivery *new_portion(struct request *r, const struct event_facts *facts,
                                    size_t records)
{
    struct delivery *d =
        pending_new(r, records < PORTION_RECORDS ? records : PORTION_RECORDS);
    delivery_set_common(d, &facts->common);
    return d;
}

static void add_event(struct request *r, struct delivery *d,
                      const struct event_facts *facts, const struct body_event *event)
{
    struct event_scratch scratch = { .arena = &r->worker->event };
    struct record record;
    event_record_make(facts, event, next_seq(r), &scratch, &record);
    delivery_add(d, &record, true);
    arena_reset(&r->worker->event);
}

bool publish_split(struct request *r, struct body_split *split,
                   struct body_event *out_last)
{
    struct event_facts facts = facts_of(r, split);
    size_t left = split->count;
    bool is_durable = true;
    while (left > 0 && is_durable) {
        struct delivery *d = new_portion(r, &facts, left);
        for (size_t i = 0; i < d->setup.records; i++) {
            bool is_there = body_split_next(split, &r->worker->doc,
                                            r->setup->max_event_bytes, out_last);
            REQUIRE(is_there); /* they were counted */
            add_event(r, d, &facts, out_last);
        }
        left -= d->setup.records;
        is_durable = pending_wait(r, d);
    }
    return is_durable;
}

bool publish_rejected(struct request *r, struct view bytes, enum reject_reason reason,
                      const char *detail)
{
    struct event_facts facts = facts_of(r, NULL);
    struct body_event event = { .bytes = bytes, .reason = reason };
    snprintf(event.detail, sizeof event.detail, "%s", detail);
    struct delivery *d = new_portion(r, &facts, 1);
    add_event(r, d, &facts, &event);
    return pending_wait(r, d);
}
