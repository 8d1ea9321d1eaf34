/* request: one request under way, as accept and its answers see it.
 */
#ifndef INGEST_REQUEST_REQUEST_H
#define INGEST_REQUEST_REQUEST_H

#include "ingest/events/body_split.h"
#include "ingest/request/accept.h"
#include "ingest/request/credentials.h"
#include "ingest/request/rate_limit.h"
#include "ingest/request/reply.h"

/* Memory of a worker thread, reused from request to request. */
struct visit_memory {
    struct buf body;
    struct arena request; /* texts that live as long as the request */
    struct arena event;   /* texts of one event */
    struct json_doc doc;
};

struct visit {
    const struct accept_setup *setup;
    struct rate_limit *limits;
    _Atomic uint32_t *seq; /* the process's counter of records */
    struct http_exchange *exchange;
    const struct http_request *request;
    struct visit_memory *memory;
    struct route route;
    struct credentials credentials;
    const struct registry_snapshot *snapshot;
    const struct source *source; /* NULL: not known (yet) */
    enum record_auth auth;
    struct view sender_ip;
    uint64_t charged; /* bytes taken from the budget for the body */
    int64_t started_us;
    int64_t body_ended_ms; /* monotonic: the answer's deadline counts from here */
    int status;            /* of the answer, for metrics */
};

/* Gives the body's memory and its share of the budget back; a second call changes
 * nothing. */
void visit_forget_body(struct visit *v);

/* Answers; `code` and `message` as reply_setup has them. Each sends the one answer of the
 * visit, and forgets the body first: a client that goes on sending what nobody reads any
 * more must not hold the budget. */
void visit_succeed(struct visit *v);
void visit_answer(struct visit *v, const struct reply_setup *setup);
void visit_fail(struct visit *v, int status, const char *code, const char *message);

/* 503 with Retry-After: the sender keeps the event and comes again. */
void visit_busy(struct visit *v, const char *code, const char *message);

/* A refused credential: counted, logged once a minute; 503 for webhooks (Segment retries
 * for four hours: a mistyped secret loses nothing), 401 for SDK routes. */
void visit_refuse_credential(struct visit *v, const char *code, const char *reason,
                             const char *message);

#endif
