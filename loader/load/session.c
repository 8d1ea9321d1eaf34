#include "loader/load/session.h"

/* What is tried again this often without success is told, and after as many failures that
 * look like tables which changed a new session is tried: behind a pooler a temporary
 * table may be gone. */
#define TOLD_AFTER_ROUNDS 5
/* What only a person can mend is tried again slowly. */
#define CONFIG_RETRY_MS 15000
#define RESOURCE_RETRY_MS 5000

static enum session_next wait_for(uint64_t ms, uint64_t *wait_ms)
{
    *wait_ms = ms;
    return SESSION_WAITS;
}

enum session_next session_back_off(struct session *s, uint64_t *wait_ms)
{
    return wait_for(backoff_next_ms(&s->backoff), wait_ms);
}

static void trouble_begins(struct session *s, const struct error *err)
{
    log_outage_begin(&s->outage, "postgres", err);
}

void session_succeeded(struct session *s)
{
    backoff_reset(&s->backoff);
    log_outage_end(&s->outage, "postgres");
    s->rounds = 0;
}

void session_close(struct session *s)
{
    s->sink->disconnect(s->sink->context);
    s->is_connected = false;
}

enum session_next session_connect(struct session *s, uint64_t *wait_ms, struct error *err)
{
    if (s->sink->connect(s->sink->context, err)) {
        s->is_connected = true;
        s->connections++;
        return SESSION_GOES_ON;
    }
    if (err->class != ERROR_RETRY) { /* no waiting helps */
        return SESSION_IMPOSSIBLE;
    }
    loader_metrics_retry(s->metrics, sink_failure_name(sink_failure_of(err)));
    trouble_begins(s, err);
    return session_back_off(s, wait_ms);
}

enum session_next session_after_failure(struct session *s, const struct error *err,
                                        uint64_t *wait_ms)
{
    switch (sink_failure_of(err)) {
    case SINK_FENCED:
        log_failure(LOG_WARN, "position_fenced", err);
        loader_metrics_fenced(s->metrics);
        return SESSION_FENCED;
    case SINK_RECONNECT:
        trouble_begins(s, err);
        session_close(s);
        break;
    case SINK_RESOURCE:
        trouble_begins(s, err);
        return wait_for(RESOURCE_RETRY_MS, wait_ms);
    case SINK_RETRY:
    case SINK_TOO_SLOW:
        log_failure(LOG_DEBUG, "load_retried", err);
        if (++s->rounds >= TOLD_AFTER_ROUNDS) {
            trouble_begins(s, err);
        }
        break;
    case SINK_STALE:
    case SINK_DDL_RACE:
        if (++s->rounds >= TOLD_AFTER_ROUNDS) {
            trouble_begins(s, err);
            session_close(s);
        }
        break;
    case SINK_POISON:
    case SINK_CONFIG:
    case SINK_TABLE:
    case SINK_UNKNOWN:
        trouble_begins(s, err);
        return wait_for(CONFIG_RETRY_MS, wait_ms);
    }
    return session_back_off(s, wait_ms);
}
