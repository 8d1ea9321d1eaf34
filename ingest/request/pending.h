/* pending: a request that has handed its records over: an object of its own, with neither
 * body nor worker (README.md has the table of owners).
 *
 * It lives in its delivery's memory, so it is there until the last record has ended, long
 * after it was answered. It is answered once, by whoever ends the delivery; or, when the
 * answer must be the worker's own (http_answer_later says so), the worker waits for the
 * end here.
 */
#ifndef INGEST_REQUEST_PENDING_H
#define INGEST_REQUEST_PENDING_H

#include "ingest/request/request.h"

/* A delivery for up to `records` records of the request, which must be added and handed
 * over by one of the following. */
struct delivery *pending_new(struct request *r, size_t records);

/* Hands the records over, and answers when they have ended: with 200 when they are
 * durable, else 503. The request is then no longer the worker's: r->status is 0 when
 * somebody else answers. */
void pending_answer(struct request *r, struct delivery *d);

/* Hands the records over and waits; true when they are durable. The answer is the
 * caller's. */
bool pending_wait(struct request *r, struct delivery *d);

#endif
