/* request: one request under way on its worker, as accept and its answers see it.
 *
 * Lives on the worker's stack, until it is answered or handed over (pending.h): nothing
 * of it may be needed by who answers later.
 */
#ifndef INGEST_REQUEST_REQUEST_H
#define INGEST_REQUEST_REQUEST_H

#include "ingest/events/body_scan.h"
#include "ingest/request/accept_setup.h"
#include "ingest/request/credentials.h"
#include "ingest/request/reply.h"
#include "ingest/request/worker.h"

struct request {
    const struct accept_setup *setup;
    struct rate_limit *limits;
    struct refusals *refusals;
    _Atomic uint32_t *seq; /* the process's counter of records */
    struct http_exchange *exchange;
    const struct http_request *http;
    struct worker *worker;
    struct route route;
    struct credentials credentials;
    const struct source *source; /* NULL: not known (yet) */
    enum record_auth auth;
    struct view sender_ip;
    uint64_t charged; /* bytes taken from the budget for the body */
    int64_t started_us;
    int64_t body_ended_ms; /* monotonic: the answer's deadline counts from here */
    int status;            /* of the answer, for metrics; 0: it was handed over */
};

/* Gives the body's memory and its share of the budget back; a second call changes
 * nothing. */
void request_forget_body(struct request *r);

/* Answers; `code` and `message` as reply_setup has them. Each sends the one answer of the
 * request, and forgets the body first: a client that goes on sending what nobody reads
 * any more must not hold the budget. */
void request_succeed(struct request *r);
void request_answer(struct request *r, const struct reply_setup *setup);
void request_fail(struct request *r, int status, const char *code, const char *message);

/* 503 with Retry-After: the sender keeps the event and comes again. */
void request_busy(struct request *r, const char *code, const char *message);

/* The same for events that could not be stored. */
void request_not_durable(struct request *r);

/* A refused credential: counted, logged once a minute; 503 for webhooks (Segment retries
 * for four hours: a mistyped secret loses nothing), 401 for SDK routes. */
void request_refuse_credential(struct request *r, const char *code, const char *reason,
                               const char *message);

#endif
