/* reply: the answers senders understand (senders.md, 2.2): exactly 200 with
 * {"success":true}, or a JSON body that says what is wrong and what to do.
 *
 * Segment shows `message` to its user; analytics-python reads `code`, analytics-ruby
 * takes a present `error` for a failure. CORS lines stand on every answer of an SDK
 * route, errors too: without them a browser takes a refusal for a network error and sends
 * again. All are pure but reply_preflight, which sends.
 */
#ifndef INGEST_REQUEST_REPLY_H
#define INGEST_REQUEST_REPLY_H

#include "ingest/http/http_exchange.h"
#include "ingest/request/route.h"

#include "common/base/buf.h"

struct reply_setup {
    int status;
    const char *code;       /* static: "unauthorized" */
    const char *message;    /* what is wrong and what to do; escaped here */
    unsigned retry_after_s; /* 0: no Retry-After */
    bool must_close;
};

/* {"success":true}; a picture to the pixel's route, as reply_of_failure does. Borrows
 * from static text. */
struct http_reply reply_of_success(const struct route *route);

/* {"success":false,..}; 405 gets the route's Allow. Borrows from `memory`, which it adds
 * to. */
struct http_reply reply_of_failure(const struct route *route,
                                   const struct reply_setup *setup, struct buf *memory);

/* 503 with Retry-After, closing: come again later. The second: because the events could
 * not be stored. */
struct reply_setup reply_busy(const char *code, const char *message);
struct reply_setup reply_not_durable(void);
/* Sends a JSON document that may be kept for some minutes. */
void reply_document(struct http_exchange *e, const struct route *route,
                    struct view document);

/* Answers a CORS preflight: 204, any origin, the route's methods, the requested headers
 * reflected, no credentials, a day. */
void reply_preflight(struct http_exchange *e, const struct route *route);

/* Appends a preflight's header lines. `requested` is Access-Control-Request-Headers; it
 * is left out when it holds anything that no list of header names does. */
void reply_add_preflight_headers(struct buf *out, const struct route *route,
                                 struct view requested);

#endif
