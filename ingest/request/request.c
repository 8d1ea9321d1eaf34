#include "ingest/request/request.h"

#include "ingest/request/rate_limit.h"
#include "ingest/request/refusals.h"

#include "common/base/clock.h"
#include "common/service/log.h"

static const char *source_label(const struct request *r)
{
    return r->source == NULL ? "unknown" : r->source->slug;
}

void request_forget_body(struct request *r)
{
    budget_give(r->setup->budget, r->charged);
    r->charged = 0;
    buf_shrink(&r->worker->body, WORKER_KEPT_BODY_BYTES);
}

void request_succeed(struct request *r)
{
    struct http_reply reply = reply_of_success(&r->route);
    r->status = 200;
    request_forget_body(r);
    http_reply(r->exchange, &reply);
}

void request_answer(struct request *r, const struct reply_setup *setup)
{
    struct buf memory = { 0 };
    struct http_reply reply = reply_of_failure(&r->route, setup, &memory);
    r->status = setup->status;
    request_forget_body(r);
    http_reply(r->exchange, &reply);
    buf_release(&memory);
}

void request_fail(struct request *r, int status, const char *code, const char *message)
{
    struct reply_setup setup = { .status = status,
                                 .code = code,
                                 .message = message,
                                 .must_close = status >= 400 && status != 404 };
    request_answer(r, &setup);
}

void request_busy(struct request *r, const char *code, const char *message)
{
    struct reply_setup setup = reply_busy(code, message);
    request_answer(r, &setup);
}

void request_not_durable(struct request *r)
{
    struct reply_setup setup = reply_not_durable();
    request_answer(r, &setup);
}

/* A clock runs for it. Not for who names no source of ours and shows nothing either: the
 * internet is full of those. */
static void note_refusal(const struct request *r)
{
    bool shows_something = r->credentials.token_count > 0 ||
                           r->credentials.signature.len > 0 ||
                           r->credentials.backstitch_signature.len > 0;
    if (r->source != NULL || shows_something) {
        refusals_refused(r->refusals, source_label(r), clock_mono_ms());
    }
}

void request_refuse_credential(struct request *r, const char *code, const char *reason,
                               const char *message)
{
    uint64_t refusals = 0;
    ingest_metrics_auth_failure(r->setup->metrics, source_label(r), reason);
    if (rate_limit_logs(r->limits, source_label(r), reason, clock_mono_ms(), &refusals)) {
        log_warn("request_refused", log_text("source", source_label(r)),
                 log_text("reason", reason), log_uint("count", refusals),
                 log_text("request_id", r->http->request_id));
    }
    if (r->route.is_sdk) {
        request_fail(r, 401, code, message);
    } else {
        note_refusal(r);
        request_busy(r, code, message);
    }
}
