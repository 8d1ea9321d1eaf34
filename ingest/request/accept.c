#include "ingest/request/accept.h"

#include "ingest/events/loose_key.h"
#include "ingest/http/body.h"
#include "ingest/request/pixel.h"
#include "ingest/request/proxies.h"
#include "ingest/request/publish.h"
#include "ingest/request/rate_limit.h"
#include "ingest/request/refusals.h"
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
/* How long the beginning of a body that is announced too large is awaited. */
#define TOO_LARGE_MS 500
#define MESSAGE_BYTES (ERROR_TEXT_BYTES + 64) /* a reason and where it was found */

struct accept {
    struct accept_setup setup;
    struct proxies proxies;
    struct rate_limit *limits;
    struct refusals *refusals;
    _Atomic uint32_t seq;
};

/* ---- what is no event ---- */

/* The word for a body that is answered so. */
static const char *code_of(int status)
{
    return status == 413   ? "too_large"
           : status == 415 ? "unsupported_encoding"
                           : "invalid_body";
}

/* Keeps bytes that are no event as rejected, and answers with `status`; 503 when not even
 * that can be kept now. */
static void keep_and_fail(struct request *r, struct view bytes, enum reject_reason reason,
                          const char *detail, int status, const char *message)
{
    if (publish_rejected(r, bytes, reason, detail)) {
        request_fail(r, status, code_of(status), message);
    } else {
        request_not_durable(r);
    }
}

/* ---- the body ---- */

/* The beginning of a body that is too large, from a sender whose source is known. */
static void keep_too_large(struct request *r)
{
    uint64_t limit = r->setup->max_body_bytes;
    struct view beginning = buf_view(&r->worker->body);
    char message[160];
    char detail[REJECT_DETAIL_BYTES];
    if (r->http->content_length > (int64_t)limit) { /* else it was compressed */
        snprintf(message, sizeof message, "the body has %lld bytes, the limit is %llu",
                 (long long)r->http->content_length, (unsigned long long)limit);
    } else {
        snprintf(message, sizeof message, "the body has more than %llu bytes",
                 (unsigned long long)limit);
    }
    reject_reason_describe_cut(message, beginning, detail);
    keep_and_fail(r, beginning, REJECT_BODY_TOO_LARGE, detail, 413, message);
}

/* On a webhook the credential is judged first, by what can be judged: a missing or wrong
 * one is never a status that ends the event (promise P2), and leaves no record. */
static void answer_too_large(struct request *r)
{
    struct view beginning = buf_view(&r->worker->body);
    if (r->route.is_sdk && r->source == NULL) {
        request_fail(r, 413, "too_large",
                     "the body is larger than a sender may send who is not known by the "
                     "request's head: put the write key into the Authorization header");
    } else if (r->route.is_sdk ||
               sender_judge_beginning(r, body_split_first_of(beginning))) {
        keep_too_large(r);
    }
}

/* A body that cannot be decoded is kept as it was sent, once it is known whose it is. */
static void answer_encoded(struct request *r, int status, const char *message)
{
    struct view body = buf_view(&r->worker->body);
    if (r->source == NULL) {
        request_fail(r, status, code_of(status), message);
    } else if (r->route.is_sdk || sender_judge_webhook(r, body, view_of(NULL, 0))) {
        keep_and_fail(r, body, REJECT_NOT_JSON, message, status, message);
    }
}

/* Reads the body into the worker's buffer; false: answered, or nobody is there to answer.
 */
static bool read_body(struct request *r)
{
    const struct accept_setup *o = r->setup;
    struct error err = { .text = "" };
    struct body_limits limits = { .max_bytes = o->max_body_bytes,
                                  .budget = r->setup->budget,
                                  .kept_bytes = REJECT_KEPT_BYTES };
    limits.deadline_mono_ms = clock_mono_ms() + (int64_t)o->body_timeout_ms;
    limits.too_large_deadline_mono_ms = clock_mono_ms() + TOO_LARGE_MS;
    if (!sender_is_known_by_head(r) && limits.max_bytes > STRANGER_BODY_BYTES) {
        limits.max_bytes = STRANGER_BODY_BYTES;
    }
    enum body_result result =
        body_read(r->exchange, r->http, &limits, &r->worker->body, &r->charged, &err);
    r->body_ended_ms = clock_mono_ms();
    switch (result) {
    case BODY_READ:
        buf_fit(&r->worker->body); /* it may outlive the request, with its events */
        return true;
    case BODY_TOO_LARGE:
        answer_too_large(r);
        return false;
    case BODY_TOO_SLOW:
        request_busy(r, "too_slow", "the body did not come in time: send it again");
        return false;
    case BODY_NO_ROOM:
        request_busy(r, "busy", "too many bytes are under way: send it again later");
        return false;
    case BODY_MALFORMED:
        request_fail(r, 400, "malformed", err.text);
        return false;
    case BODY_BAD_GZIP:
        answer_encoded(r, 400, err.text);
        return false;
    case BODY_BAD_ENCODING:
        answer_encoded(r, 415, "the Content-Encoding is not known: send gzip, or none");
        return false;
    case BODY_CLIENT_GONE:
        request_fail(r, 400, "incomplete", "the body ended before its announced length");
        return false;
    }
    return false;
}

/* A form's text begins with neither brace nor bracket: those are percent-encoded. What
 * does is JSON in spite of its header, as batches of such a mapping are (senders.md,
 * 1.5). */
static bool is_form(const struct request *r, struct view body)
{
    struct view type;
    enum json_kind kind = JSON_NULL;
    bool is_json =
        json_split_kind(body, &kind) && (kind == JSON_OBJECT || kind == JSON_ARRAY);
    return !is_json && http_header(r->exchange, "Content-Type", &type) &&
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

/* One by one: at least one of them is not plain. */
static void accept_split(struct request *r, struct body_split *split)
{
    struct body_event last = { .doc = NULL };
    if (!publish_split(r, split, &last)) {
        request_not_durable(r);
    } else if (split->count > 0 && is_bad_single(split, &last)) {
        char message[MESSAGE_BYTES];
        describe_body(message, last.reason, last.detail);
        request_fail(r, 400, "invalid_body", message);
    } else {
        request_succeed(r);
    }
}

/* The outer structure is broken: kept whole, once it is known whose it is. */
static void accept_unsplittable(struct request *r, enum reject_reason reason,
                                const struct error *err)
{
    struct view body = buf_view(&r->worker->body);
    char message[MESSAGE_BYTES];
    describe_body(message, reason, err->text);
    if (r->source == NULL) {
        r->source = registry_by_write_key(r->worker->snapshot, loose_key_find(body));
        r->auth = AUTH_KEY;
    }
    if (r->source == NULL) {
        request_fail(r, 400, "invalid_body", message);
    } else if (r->route.is_sdk || sender_judge_webhook(r, body, view_of(NULL, 0))) {
        keep_and_fail(r, body, reason, err->text, 400, message);
    }
}

static bool passes_rate_limit(struct request *r, const struct body_split *split)
{
    if (rate_limit_takes(r->limits, r->source->slug, r->source->rate_per_second,
                         split->count, clock_mono_ms())) {
        return true;
    }
    struct reply_setup setup = { .status = 429,
                                 .code = "rate_limited",
                                 .message =
                                     "this source sends more events a second than its "
                                     "limit allows: send them again later",
                                 .retry_after_s = 1 };
    request_answer(r, &setup);
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

/* True when the sender is known and may send this; false: answered. */
static bool may_send(struct request *r, const struct body_split *split)
{
    struct view body = buf_view(&r->worker->body);
    bool is_known = r->route.is_sdk
                        ? r->source != NULL || sender_find_sdk(r, split->write_key, true)
                        : sender_judge_webhook(r, body, split->first);
    return is_known && passes_rate_limit(r, split);
}

static bool scan_body(struct request *r, struct view body, struct body_split *split)
{
    struct worker *w = r->worker;
    struct body_scan_setup scan = { .doc = &w->doc,
                                    .arena = &w->request,
                                    .max_event_bytes = r->setup->max_event_bytes,
                                    .has_path_type = r->route.kind == ROUTE_EVENT,
                                    .path_type = r->route.type };
    return body_scan(body, &scan, split, &w->elements);
}

static void accept_body(struct request *r)
{
    struct view body = buf_view(&r->worker->body);
    struct body_split split;
    enum reject_reason reason = REJECT_NOT_JSON;
    struct error err;
    if (!r->route.is_sdk && is_form(r, body)) {
        if (sender_judge_webhook(r, body, view_of(NULL, 0))) {
            keep_and_fail(r, body, REJECT_FORM_ENCODED_BODY, "", 400, form_encoded);
        }
        return;
    }
    bool is_plain = scan_body(r, body, &split);
    if (!is_plain && !body_split_open(&split, body, &r->worker->doc, &r->worker->request,
                                      &reason, &err)) {
        accept_unsplittable(r, reason, &err);
        return;
    }
    if (!may_send(r, &split)) {
        return;
    }
    const char *oversized = find_oversized(&split);
    if (oversized != NULL) {
        keep_and_fail(r, body, REJECT_CONTEXT_TOO_LARGE, oversized, 413, oversized);
    } else if (split.count == 0) {
        request_succeed(r);
    } else if (is_plain && publish_has_room(r, &split)) {
        publish_elements(r, &split);
    } else if (!is_plain || body_split_open(&split, body, &r->worker->doc,
                                            &r->worker->request, &reason, &err)) {
        accept_split(r, &split);
    } else {
        accept_unsplittable(r, reason, &err);
    }
}

/* ---- a request ---- */

static bool is_too_busy(struct request *r)
{
    bool is_draining = http_is_draining(r->exchange);
    bool is_busy = is_draining || http_load(r->exchange) > REFUSE_LOAD_PERCENT;
    if (is_busy) {
        request_busy(r, "busy",
                     is_draining ? "this server is stopping: send it again"
                                 : "too many requests at once: send it again later");
    }
    return is_busy;
}

static bool is_refused_at_once(struct request *r)
{
    const struct durable *durable = &r->setup->durable;
    if (is_too_busy(r)) {
        return true;
    }
    if (!durable->would_take(durable->context)) {
        request_not_durable(r);
        return true;
    }
    bool has_body = r->route.kind != ROUTE_PIXEL;
    if (has_body && r->http->content_length < 0 && !r->http->is_chunked) {
        request_fail(r, 411, "length_required",
                     "the body's length is not known: send Content-Length or chunks");
        return true;
    }
    return false;
}

/* The event out of a pixel's query stands in for a body. */
static bool decode_pixel(struct request *r)
{
    struct error err;
    buf_clear(&r->worker->body);
    bool is_decoded = pixel_decode(r->http->query, &r->worker->body, &err);
    if (!is_decoded) {
        request_fail(r, 400, "invalid_body", err.text);
    }
    return is_decoded;
}

static void accept_request(struct accept *a, struct request *r)
{
    struct view forwarded[PROXIES_MAX_LINES];
    credentials_read(r->exchange, r->http, &r->route, &r->credentials);
    size_t lines =
        http_headers(r->exchange, "X-Forwarded-For", forwarded, PROXIES_MAX_LINES);
    r->sender_ip = proxies_sender(&a->proxies, r->http->peer_ip, forwarded, lines);
    bool is_found = r->route.is_sdk
                        ? sender_find_sdk(r, view_cstr(r->credentials.write_key), false)
                        : sender_find_webhook(r);
    if (is_found && !is_refused_at_once(r) &&
        (r->route.kind == ROUTE_PIXEL ? decode_pixel(r) : read_body(r))) {
        accept_body(r);
    }
}

/* Where clients of this write key are to send. */
static void answer_settings(struct request *r)
{
    const char *url = r->setup->public_url;
    struct buf document = { 0 };
    r->source = registry_by_write_key(r->worker->snapshot, r->route.key);
    if (r->source == NULL || url == NULL) {
        request_fail(r, 404, "not_found",
                     r->source == NULL
                         ? "this write key belongs to no source: take it from "
                           "backstitch-ingest source show"
                         : "INGEST_PUBLIC_URL is not set: without it ingest cannot tell "
                           "where clients are to send");
        return;
    }
    r->status = 200;
    settings_add(url, r->route.key, &document);
    reply_document(r->exchange, &r->route, buf_view(&document));
    buf_release(&document);
}

/* analytics.js' own metrics: accepted, dropped; read whole, so that the connection stays.
 */
static void accept_metrics(struct request *r)
{
    if (!is_too_busy(r) && read_body(r)) {
        request_succeed(r);
    }
}

static void answer_by_route(struct accept *a, struct request *r)
{
    switch (r->route.kind) {
    case ROUTE_WEBHOOK:
    case ROUTE_EVENT:
    case ROUTE_BATCH:
    case ROUTE_PIXEL:
        accept_request(a, r);
        return;
    case ROUTE_SETTINGS:
        answer_settings(r);
        return;
    case ROUTE_METRICS:
        accept_metrics(r);
        return;
    case ROUTE_OPTIONS:
        r->status = 204;
        reply_preflight(r->exchange, &r->route);
        return;
    case ROUTE_WRONG_METHOD:
        request_fail(r, 405, "wrong_method", "this route takes other methods: see Allow");
        return;
    case ROUTE_NOT_FOUND:
        request_fail(
            r, 404, "not_found",
            "no such route: events go to /webhook/<source>, /v1/batch, /v1/track, ..");
        return;
    }
}

void accept_handle(void *context, struct http_exchange *exchange,
                   const struct http_request *http)
{
    struct accept *a = context;
    struct request r = { .setup = &a->setup,
                         .limits = a->limits,
                         .refusals = a->refusals,
                         .seq = &a->seq,
                         .exchange = exchange,
                         .http = http,
                         .worker = http_worker(exchange),
                         .started_us = clock_mono_us() };
    worker_begin(r.worker);
    r.route = route_find(http->method, route_normalise(http->path, &r.worker->request));
    r.body_ended_ms = clock_mono_ms();
    answer_by_route(a, &r);
    if (r.status != 0) {
        ingest_metrics_request(a->setup.metrics,
                               worker_series(r.worker, a->setup.metrics, r.source),
                               r.status, clock_mono_us() - r.started_us);
    }
    request_forget_body(&r);
    worker_end(r.worker);
}

/* ---- life ---- */

struct accept *accept_new(const struct accept_setup *setup)
{
    struct accept *a = mem_calloc(1, sizeof *a);
    struct error err;
    a->setup = *setup;
    a->limits = rate_limit_new();
    a->refusals = refusals_new();
    bool is_parsed = proxies_parse(setup->trusted_proxies, &a->proxies, &err);
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
        refusals_free(a->refusals);
        free(a);
    }
}

void *accept_new_worker(void *context)
{
    const struct accept *a = context;
    return worker_new(a->setup.registry, a->setup.metrics);
}

void accept_free_worker(void *worker)
{
    worker_free(worker);
}

void accept_tell_refusals(struct accept *a,
                          void (*tell)(void *context, const char *source,
                                       int64_t seconds),
                          void *context)
{
    refusals_tell(a->refusals, clock_mono_ms(), tell, context);
}
