/* session: the writer's connection to the database: opened again for as long as it takes,
 * and what a failure of no single table leads to (reliability.md, 3.3).
 *
 * It never sleeps: it says how long to wait. Trouble is told once when it begins and once
 * when it ends (postgres_away, postgres_back). One thread.
 */
#ifndef LOADER_LOAD_SESSION_H
#define LOADER_LOAD_SESSION_H

#include "loader/load/loader_metrics.h"
#include "loader/postgres/sink.h"

#include "common/base/backoff.h"
#include "common/service/log.h"

struct session {
    const struct sink *sink;
    struct loader_metrics *metrics;
    struct backoff backoff;
    struct log_outage outage; /* is_on: the database is away or unwell */
    bool is_connected;
    unsigned connections; /* how often it was opened */
    unsigned rounds;      /* failures in a row that are no table's */
};

enum session_next {
    SESSION_GOES_ON,
    SESSION_WAITS,      /* *wait_ms */
    SESSION_FENCED,     /* the positions are another's */
    SESSION_IMPOSSIBLE, /* the database cannot be used at all: *err */
};

/* One attempt to connect. */
enum session_next session_connect(struct session *s, uint64_t *wait_ms,
                                  struct error *err);

/* Ends the session; the next step connects again. */
void session_close(struct session *s);

/* What a failure that concerns all tables leads to. */
enum session_next session_after_failure(struct session *s, const struct error *err,
                                        uint64_t *wait_ms);

/* The next wait before trying the same again. */
enum session_next session_back_off(struct session *s, uint64_t *wait_ms);

/* Something was committed: no trouble is left. */
void session_succeeded(struct session *s);

#endif
