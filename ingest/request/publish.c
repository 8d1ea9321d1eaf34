#include "ingest/request/publish.h"

#include "common/base/clock.h"

#include <stdatomic.h>
#include <stdio.h>

/* Records of one request under way at once: enough to keep Kafka busy, few enough that a
 * request with the largest headers (3 x 32 KiB each) stays below the budget. */
#define WINDOW_RECORDS 2048

static uint32_t next_seq(const struct visit *v)
{
    return atomic_fetch_add(v->seq, 1) % RECORD_SEQ_LIMIT;
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

void publishing_begin(const struct visit *v, const struct body_split *split,
                      struct publishing *out)
{
    struct view traceparent;
    *out = (struct publishing){ .delivery = delivery_new() };
    out->scratch.arena = &v->memory->event;
    out->facts.max_event_bytes = v->setup->options->max_event_bytes;
    out->facts.has_path_type =
        v->route.kind == ROUTE_EVENT || v->route.kind == ROUTE_PIXEL;
    out->facts.path_type = v->route.type;
    struct record *common = &out->facts.common;
    common->source = view_cstr(v->source->slug);
    common->schema = view_cstr(v->source->schema);
    common->received_at_ms = v->request->received_at_ms;
    common->via = v->route.kind == ROUTE_PIXEL ? VIA_PIXEL
                  : v->route.is_sdk            ? VIA_API
                                               : VIA_WEBHOOK;
    common->auth = v->auth;
    common->request_id = view_cstr(v->request->request_id);
    common->ip = v->sender_ip;
    if (http_header(v->exchange, "traceparent", &traceparent) &&
        is_sane_traceparent(traceparent)) {
        common->traceparent = traceparent;
    }
    if (split != NULL) {
        common->context = object_or_nothing(split->context);
        common->integrations = object_or_nothing(split->integrations);
        common->sent_at = split->sent_at;
    }
}

/* The ack timeout from now on, but never beyond the answer's deadline. */
static int64_t wait_deadline(const struct visit *v)
{
    const struct ingest_options *o = v->setup->options;
    int64_t by_ack = clock_mono_ms() + (int64_t)o->kafka_ack_timeout_ms;
    int64_t by_answer = v->body_ended_ms + (int64_t)o->request_deadline_ms;
    return by_ack < by_answer ? by_ack : by_answer;
}

static void publish(const struct visit *v, struct publishing *p, const struct record *r)
{
    struct error err;
    const struct durable *durable = &v->setup->durable;
    if (p->total++ == 0 && !durable->admit(durable->context, &err)) {
        p->is_refused = true;
        return;
    }
    if (p->total % WINDOW_RECORDS == 0 &&
        !delivery_wait_room(p->delivery, WINDOW_RECORDS / 2, wait_deadline(v))) {
        p->is_late = true;
        p->is_refused = true;
        return;
    }
    if (durable->put(durable->context, r, p->delivery, &err)) {
        p->counts[r->topic]++;
    } else {
        p->is_refused = true;
    }
}

static void count_events(const struct visit *v, const struct publishing *p,
                         bool is_durable)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        const char *outcome = !is_durable           ? "busy"
                              : i == EVENT_REJECTED ? "rejected"
                                                    : "kafka";
        ingest_metrics_events(v->setup->metrics, v->source->slug, (enum event_type)i,
                              outcome, p->counts[i]);
    }
}

/* An empty batch tells nothing of Kafka; nor does a request so large that its time was
 * over although Kafka did acknowledge. */
static bool tells_of_kafka(const struct visit *v, const struct publishing *p,
                           enum delivery_state state)
{
    bool has_used_up_its_time =
        p->total >= WINDOW_RECORDS &&
        clock_mono_ms() >=
            v->body_ended_ms + (int64_t)v->setup->options->request_deadline_ms;
    return p->total > 0 && !(state == DELIVERY_PENDING && has_used_up_its_time);
}

bool publishing_end(const struct visit *v, struct publishing *p)
{
    enum delivery_state state = p->is_late ? DELIVERY_PENDING : DELIVERY_FAILED;
    if (!p->is_refused) {
        state = delivery_wait(p->delivery, wait_deadline(v));
    }
    if (tells_of_kafka(v, p, state)) {
        v->setup->durable.waited(v->setup->durable.context, state);
    }
    count_events(v, p, state == DELIVERY_DURABLE);
    delivery_release(p->delivery);
    return state == DELIVERY_DURABLE;
}

void publishing_add_event(const struct visit *v, struct publishing *p,
                          const struct body_event *event)
{
    struct record record;
    event_record_make(&p->facts, event, next_seq(v), &p->scratch, &record);
    publish(v, p, &record);
}

void publishing_add_rejected(const struct visit *v, struct publishing *p,
                             struct view bytes, enum reject_reason reason,
                             const char *detail)
{
    struct body_event event = { .bytes = bytes, .reason = reason };
    snprintf(event.detail, sizeof event.detail, "%s", detail);
    publishing_add_event(v, p, &event);
}
