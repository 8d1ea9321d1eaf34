#include "ingest/request/accept.h"

#include "ingest/events/loose_key.h"
#include "ingest/http/body.h"
#include "ingest/request/pixel.h"
#include "ingest/request/proxies.h"
#include "ingest/request/publish.h"
#include "ingest/request/request.h"
#include "ingest/request/sender.h"
#include "ingest/request/settings.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Above this share of busy workers a request is refused before its body is read. */
#define REFUSE_LOAD_PERCENT 95
/* Who has not shown who he is may send this much (SDK batches are at most 500 KB:
 * senders.md, 2.1). */
#define STRANGER_BODY_BYTES (1u << 20)
#define MESSAGE_BYTES (ERROR_TEXT_BYTES + 64) /* a reason and where it was found */

struct accept {
    struct accept_setup setup;
    struct proxies proxies;
    struct rate_limit *limits;
    _Atomic uint32_t seq;
};

/* ---- what is not stored, and what is no event ---- */

static void answer_not_durable(struct visit *v)
{
    visit_busy(
        v, "unavailable",
        "the events could not be stored now: send them again later; if this lasts, Kafka "
        "does not acknowledge in time (see ingest's log)");
}

/* Keeps bytes that are no event as rejected, and answers with `status`; 503 when not even
 * that can be kept now. */
static void keep_and_fail(struct visit *v, struct view bytes, enum reject_reason reason,
                          const char *detail, int status, const char *message)
{
    struct publishing p;
    publishing_begin(v, NULL, &p);
    publishing_add_rejected(v, &p, bytes, reason, detail);
    if (!publishing_end(v, &p)) {
        answer_not_durable(v);
        return;
    }
    visit_fail(v, status, status == 413 ? "too_large" : "invalid_body", message);
}

/* ---- the body ---- */

/* The beginning of a body that is too large, from a sender whose source is known. */
static void keep_too_large(struct visit *v)
{
    uint64_t limit = v->setup->options->max_body_bytes;
    struct view beginning = buf_view(&v->memory->body);
    char message[160];
    char detail[BODY_EVENT_DETAIL_BYTES];
    if (v->request->content_length > (int64_t)limit) { /* else it was compressed */
        snprintf(message, sizeof message, "the body has %lld bytes, the limit is %llu",
                 (long long)v->request->content_length, (unsigned long long)limit);
    } else {
        snprintf(message, sizeof message, "the body has more than %llu bytes",
                 (unsigned long long)limit);
    }
    event_record_describe_cut(message, beginning, detail);
    keep_and_fail(v, beginning, REJECT_BODY_TOO_LARGE, detail, 413, message);
}

/* On a webhook the credential is judged first, by what can be judged: a missing or wrong
 * one is never a status that ends the event (promise P2), and leaves no record. */
static void answer_too_large(struct visit *v)
{
    struct view beginning = buf_view(&v->memory->body);
    if (v->route.is_sdk && v->source == NULL) {
        visit_fail(v, 413, "too_large",
                   "the body is larger than a sender may send who is not known by the "
                   "request's head: put the write key into the Authorization header");
    } else if (v->route.is_sdk ||
               sender_judge_beginning(v, body_split_first_of(beginning))) {
        keep_too_large(v);
    }
}

/* Reads the body into the worker's buffer; false: answered, or nobody is there to answer.
 */
static bool read_body(struct visit *v)
{
    const struct ingest_options *o = v->setup->options;
    struct error err = { .text = "" };
    struct body_limits limits = { .max_bytes = o->max_body_bytes,
                                  .budget = v->setup->budget };
    limits.deadline_mono_ms = clock_mono_ms() + (int64_t)o->body_timeout_ms;
    if (!sender_is_known_by_head(v) && limits.max_bytes > STRANGER_BODY_BYTES) {
        limits.max_bytes = STRANGER_BODY_BYTES;
    }
    enum body_result result =
        body_read(v->exchange, v->request, &limits, &v->memory->body, &v->charged, &err);
    v->body_ended_ms = clock_mono_ms();
    switch (result) {
    case BODY_READ:
        return true;
    case BODY_TOO_LARGE:
        answer_too_large(v);
        return false;
    case BODY_TOO_SLOW:
        visit_busy(v, "too_slow", "the body did not come in time: send it again");
        return false;
    case BODY_NO_ROOM:
        visit_busy(v, "busy", "too many bytes are under way: send it again later");
        return false;
    case BODY_MALFORMED:
        visit_fail(v, 400, "malformed", err.text);
        return false;
    case BODY_BAD_ENCODING:
        visit_fail(v, 415, "unsupported_encoding",
                   "the Content-Encoding is not known: send gzip, or none");
        return false;
    case BODY_CLIENT_GONE:
        visit_fail(v, 400, "incomplete", "the body ended before its announced length");
        return false;
    }
    return false;
}

/* A form's text begins with neither brace nor bracket: those are percent-encoded. What
 * does is JSON in spite of its header, as batches of such a mapping are (senders.md,
 * 1.5). */
static bool is_form(const struct visit *v, struct view body)
{
    struct view type;
    enum json_kind kind = JSON_NULL;
    bool is_json =
        json_split_kind(body, &kind) && (kind == JSON_OBJECT || kind == JSON_ARRAY);
    return !is_json && http_header(v->exchange, "Content-Type", &type) &&
           type.len >= 33 &&
           view_equal_ignore_case(view_of(type.data, 33),
                                  "application/x-www-form-urlencoded");
}

/* ---- events ---- */

/* A single event that is no JSON or no UTF-8 cannot be called an event: 400, though it is
 * kept. */
static bool is_bad_single(const struct body_split *split, const struct body_event *event)
{
    return split->shape == BODY_SINGLE && event->doc == NULL &&
           (event->reason == REJECT_NOT_JSON || event->reason == REJECT_INVALID_UTF8);
}

/* What the sender is told of a body that is no event. */
static void describe_body(char out[MESSAGE_BYTES], enum reject_reason reason,
                          const char *detail)
{
    snprintf(out, MESSAGE_BYTES, "the body is %s: %s", reject_reason_text(reason),
             detail);
}

static void accept_events(struct visit *v, struct body_split *split)
{
    struct publishing p;
    struct body_event event;
    bool is_bad = false;
    publishing_begin(v, split, &p);
    while (!p.is_refused && body_split_next(split, &v->memory->doc,
                                            v->setup->options->max_event_bytes, &event)) {
        publishing_add_event(v, &p, &event);
        is_bad = is_bad_single(split, &event);
        arena_reset(&v->memory->event);
    }
    if (!publishing_end(v, &p)) {
        answer_not_durable(v);
    } else if (is_bad) {
        char message[MESSAGE_BYTES];
        describe_body(message, event.reason, event.detail);
        visit_fail(v, 400, "invalid_body", message);
    } else {
        visit_succeed(v);
    }
}

/* The outer structure is broken: kept whole, once it is known whose it is. */
static void accept_unsplittable(struct visit *v, enum reject_reason reason,
                                const struct error *err)
{
    struct view body = buf_view(&v->memory->body);
    char message[MESSAGE_BYTES];
    describe_body(message, reason, err->text);
    if (v->source == NULL) {
        v->source = registry_by_write_key(v->snapshot, loose_key_find(body));
        v->auth = AUTH_KEY;
    }
    if (v->source == NULL) {
        visit_fail(v, 400, "invalid_body", message);
    } else if (v->route.is_sdk || sender_judge_webhook(v, body, view_of(NULL, 0))) {
        keep_and_fail(v, body, reason, err->text, 400, message);
    }
}

static bool passes_rate_limit(struct visit *v, const struct body_split *split)
{
    if (rate_limit_takes(v->limits, v->source->slug, v->source->rate_per_second,
                         split->count, clock_mono_ms())) {
        return true;
    }
    struct reply_setup setup = { .status = 429,
                                 .code = "rate_limited",
                                 .message =
                                     "this source sends more events a second than its "
                                     "limit allows: send them again later",
                                 .retry_after_s = 1 };
    visit_answer(v, &setup);
    return false;
}

static const char form_encoded[] =
    "the body is form-encoded, which loses nested values: remove the Content-Type header "
    "from the mapping in Segment, or set it to application/json";

/* What a batch says for all of its events travels with each of them. NULL: it is small
 * enough. */
static const char *find_oversized(const struct body_split *split)
{
    if (split->context.len > RECORD_CONTEXT_MAX_BYTES) {
        return "the batch's context is larger than 32 KiB";
    }
    if (split->integrations.len > RECORD_CONTEXT_MAX_BYTES) {
        return "the batch's integrations are larger than 32 KiB";
    }
    return split->sent_at.len > RECORD_CONTEXT_MAX_BYTES
               ? "the batch's sentAt is larger than 32 KiB"
               : NULL;
}

static void accept_body(struct visit *v)
{
    struct view body = buf_view(&v->memory->body);
    struct body_split split;
    enum reject_reason reason = REJECT_NOT_JSON;
    struct error err;
    if (!v->route.is_sdk && is_form(v, body)) {
        if (sender_judge_webhook(v, body, view_of(NULL, 0))) {
            keep_and_fail(v, body, REJECT_FORM_ENCODED_BODY, "", 400, form_encoded);
        }
        return;
    }
    if (!body_split_open(&split, body, &v->memory->doc, &v->memory->request, &reason,
                         &err)) {
        accept_unsplittable(v, reason, &err);
        return;
    }
    if (v->route.is_sdk ? v->source == NULL && !sender_find_sdk(v, split.write_key, true)
                        : !sender_judge_webhook(v, body, split.first)) {
        return;
    }
    if (!passes_rate_limit(v, &split)) {
        return;
    }
    const char *oversized = find_oversized(&split);
    if (oversized != NULL) {
        keep_and_fail(v, body, REJECT_CONTEXT_TOO_LARGE, oversized, 413, oversized);
        return;
    }
    accept_events(v, &split);
}

/* ---- a request ---- */

static bool is_too_busy(struct visit *v)
{
    bool is_busy = http_load(v->exchange) > REFUSE_LOAD_PERCENT;
    if (is_busy) {
        visit_busy(v, "busy", "too many connections at once: send it again later");
    }
    return is_busy;
}

static bool is_refused_at_once(struct visit *v)
{
    if (is_too_busy(v)) {
        return true;
    }
    if (!v->setup->durable.would_admit(v->setup->durable.context)) {
        answer_not_durable(v);
        return true;
    }
    bool has_body = v->route.kind != ROUTE_PIXEL;
    if (has_body && v->request->content_length < 0 && !v->request->is_chunked) {
        visit_fail(v, 411, "length_required",
                   "the body's length is not known: send Content-Length or chunks");
        return true;
    }
    return false;
}

/* The event out of a pixel's query stands in for a body. */
static bool decode_pixel(struct visit *v)
{
    struct error err;
    buf_clear(&v->memory->body);
    bool is_decoded = pixel_decode(v->request->query, &v->memory->body, &err);
    if (!is_decoded) {
        visit_fail(v, 400, "invalid_body", err.text);
    }
    return is_decoded;
}

static void accept_request(struct accept *a, struct visit *v)
{
    struct view forwarded[PROXIES_MAX_LINES];
    credentials_read(v->exchange, v->request, &v->route, &v->credentials);
    size_t lines =
        http_headers(v->exchange, "X-Forwarded-For", forwarded, PROXIES_MAX_LINES);
    v->sender_ip = proxies_sender(&a->proxies, v->request->peer_ip, forwarded, lines);
    bool is_found = v->route.is_sdk
                        ? sender_find_sdk(v, view_cstr(v->credentials.write_key), false)
                        : sender_find_webhook(v);
    if (is_found && !is_refused_at_once(v) &&
        (v->route.kind == ROUTE_PIXEL ? decode_pixel(v) : read_body(v))) {
        accept_body(v);
    }
}

/* Where clients of this write key are to send. */
static void answer_settings(struct visit *v)
{
    const char *url = v->setup->options->public_url;
    struct buf document = { 0 };
    v->source = registry_by_write_key(v->snapshot, v->route.key);
    if (v->source == NULL || url == NULL) {
        visit_fail(v, 404, "not_found",
                   v->source == NULL
                       ? "this write key belongs to no source: take it from "
                         "backstitch-ingest source show"
                       : "INGEST_PUBLIC_URL is not set: without it ingest cannot tell "
                         "where clients are to send");
        return;
    }
    v->status = 200;
    settings_add(url, v->route.key, &document);
    reply_document(v->exchange, &v->route, buf_view(&document));
    buf_release(&document);
}

/* analytics.js' own metrics: accepted, dropped; read whole, so that the connection stays.
 */
static void accept_metrics(struct visit *v)
{
    if (!is_too_busy(v) && read_body(v)) {
        visit_succeed(v);
    }
}

static void answer_by_route(struct accept *a, struct visit *v)
{
    switch (v->route.kind) {
    case ROUTE_WEBHOOK:
    case ROUTE_EVENT:
    case ROUTE_BATCH:
    case ROUTE_PIXEL:
        accept_request(a, v);
        return;
    case ROUTE_SETTINGS:
        answer_settings(v);
        return;
    case ROUTE_METRICS:
        accept_metrics(v);
        return;
    case ROUTE_OPTIONS:
        v->status = 204;
        reply_preflight(v->exchange, &v->route);
        return;
    case ROUTE_WRONG_METHOD:
        visit_fail(v, 405, "wrong_method", "this route takes other methods: see Allow");
        return;
    case ROUTE_NOT_FOUND:
        visit_fail(
            v, 404, "not_found",
            "no such route: events go to /webhook/<source>, /v1/batch, /v1/track, ..");
        return;
    }
}

static void forget_request(struct visit *v)
{
    struct visit_memory *m = v->memory;
    registry_release(v->setup->registry, v->snapshot);
    visit_forget_body(v);
    arena_reset(&m->request);
    arena_reset(&m->event);
}

void accept_handle(void *context, struct http_exchange *exchange,
                   const struct http_request *request)
{
    struct accept *a = context;
    struct visit v = { .setup = &a->setup,
                       .limits = a->limits,
                       .seq = &a->seq,
                       .exchange = exchange,
                       .request = request,
                       .memory = http_worker(exchange),
                       .started_us = clock_mono_us() };
    v.route =
        route_find(request->method, route_normalise(request->path, &v.memory->request));
    v.snapshot = registry_acquire(a->setup.registry);
    v.body_ended_ms = clock_mono_ms();
    answer_by_route(a, &v);
    ingest_metrics_request(a->setup.metrics,
                           v.source == NULL ? "unknown" : v.source->slug, v.status,
                           clock_mono_us() - v.started_us);
    forget_request(&v);
}

/* ---- life ---- */

struct accept *accept_new(const struct accept_setup *setup)
{
    struct accept *a = mem_calloc(1, sizeof *a);
    struct error err;
    a->setup = *setup;
    a->limits = rate_limit_new();
    bool is_parsed = proxies_parse(setup->options->trusted_proxies, &a->proxies, &err);
    REQUIRE(is_parsed); /* checked with the options */
    /* A random start: copies received in the same millisecond by two processes get
     * different sequences. */
    atomic_init(&a->seq, (uint32_t)(clock_mono_us() ^ clock_real_ms() * 2654435761) %
                             RECORD_SEQ_LIMIT);
    return a;
}

void accept_free(struct accept *a)
{
    if (a != NULL) {
        rate_limit_free(a->limits);
        free(a);
    }
}

void *accept_new_worker(void *context)
{
    (void)context;
    return mem_calloc(1, sizeof(struct visit_memory));
}

void accept_free_worker(void *worker)
{
    struct visit_memory *m = worker;
    buf_release(&m->body);
    arena_release(&m->request);
    arena_release(&m->event);
    json_doc_release(&m->doc);
    free(m);
}
