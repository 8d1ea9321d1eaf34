#include "ingest/request/request.h"

#include "common/base/clock.h"
#include "common/service/log.h"

/* Segment's own back-off is longer; SDKs that read the header wait at least this. */
#define RETRY_AFTER_S 5
/* A worker's buffer that one large body made longer than this is given back. */
#define KEEP_BODY_BYTES (1u << 20)

static const char *source_label(const struct visit *v)
{
    return v->source == NULL ? "unknown" : v->source->slug;
}

void visit_forget_body(struct visit *v)
{
    budget_give(v->setup->budget, v->charged);
    v->charged = 0;
    buf_shrink(&v->memory->body, KEEP_BODY_BYTES);
}

void visit_succeed(struct visit *v)
{
    v->status = 200;
    visit_forget_body(v);
    reply_success(v->exchange, &v->route);
}

void visit_answer(struct visit *v, const struct reply_setup *setup)
{
    v->status = setup->status;
    visit_forget_body(v);
    reply_failure(v->exchange, &v->route, setup);
}

void visit_fail(struct visit *v, int status, const char *code, const char *message)
{
    struct reply_setup setup = { .status = status,
                                 .code = code,
                                 .message = message,
                                 .must_close = status >= 400 && status != 404 };
    visit_answer(v, &setup);
}

void visit_busy(struct visit *v, const char *code, const char *message)
{
    struct reply_setup setup = { .status = 503,
                                 .code = code,
                                 .message = message,
                                 .retry_after_s = RETRY_AFTER_S,
                                 .must_close = true };
    visit_answer(v, &setup);
}

void visit_refuse_credential(struct visit *v, const char *code, const char *reason,
                             const char *message)
{
    uint64_t refusals = 0;
    ingest_metrics_auth_failure(v->setup->metrics, source_label(v), reason);
    if (rate_limit_logs(v->limits, source_label(v), reason, clock_mono_ms(), &refusals)) {
        log_warn("request_refused", log_text("source", source_label(v)),
                 log_text("reason", reason), log_uint("count", refusals),
                 log_text("request_id", v->request->request_id));
    }
    if (v->route.is_sdk) {
        visit_fail(v, 401, code, message);
    } else {
        visit_busy(v, code, message);
    }
}
