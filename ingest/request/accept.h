/* accept: takes a request to its answer: the driver of ingest.
 *
 * It steers and holds no data of its own: route, source, body, credentials, split,
 * publish, answer. 200 only after every event of the request is durable, those that
 * are no events included (they go to <prefix>.rejected). What cannot be stored now is
 * answered 503 with Retry-After, never by a status that makes Segment throw the event
 * away (promises P1, P2). Runs on civetweb's worker threads.
 */
#ifndef INGEST_REQUEST_ACCEPT_H
#define INGEST_REQUEST_ACCEPT_H

#include "ingest/http/http_server.h"
#include "ingest/request/accept_setup.h"

struct accept;

/* Copies the setup; what it points to must outlive the accept. No request may be under
 * way when it is freed (NULL is allowed). */
struct accept *accept_new(const struct accept_setup *setup);
void accept_free(struct accept *a);

/* The handler and the worker memory of http_server_setup; `context` is the accept. */
void accept_handle(void *context, struct http_exchange *exchange,
                   const struct http_request *http);
void *accept_new_worker(void *context);
void accept_free_worker(void *worker);

/* Tells each source of which a webhook was refused for its credential how many seconds
 * are left until Segment throws its events away (refusals.h). Any thread. */
void accept_tell_refusals(struct accept *a,
                          void (*tell)(void *context, const char *source,
                                       int64_t seconds),
                          void *context);

#endif
