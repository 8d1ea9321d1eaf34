/* late_answer: an answer that is given by somebody else than the worker that read its
 * request.
 *
 * A request that has handed its records over needs its worker no more: the worker goes
 * back to its socket, and whoever ends the request (Kafka's report, the spool's commit,
 * a deadline) writes the one answer. Waiting for it cost a third of a single event's CPU
 * (performance.md, section 10).
 *
 * One rule makes it safe: the worker passes an outstanding answer nowhere. It waits for
 * it before the connection's next request is handled (so answers keep their order),
 * before a malformed head is answered, and before the connection is closed (civetweb
 * calls back before it closes the socket, so the descriptor cannot be another's by then).
 * Only an answer that keeps the connection is given this way, and only from a
 * connection's second request on: the first would pay for looking its socket up.
 *
 * The answer is one send() that does not wait, on the connection's socket, not civetweb's
 * mg_write: that one waits for a client that does not read, and one such client would
 * stop all answers. What the socket does not take at once shuts the connection.
 */
#ifndef INGEST_HTTP_LATE_ANSWER_H
#define INGEST_HTTP_LATE_ANSWER_H

#include "ingest/http/http_exchange.h"

#include "common/base/buf.h"

struct http_late;

/* Whose answer it is. While the answer is outstanding the context must be there. */
struct http_late_owner {
    void *context;
    /* Keeps the context alive beyond the answer, and lets it go again. */
    void (*hold)(void *context);
    void (*let_go)(void *context);
    /* The deadline has passed, and the context is held. On the watch's thread; up to 100
     * ms late. Returns the next deadline. */
    int64_t (*on_deadline)(void *context, int64_t now_mono_ms);
};

/* In each worker's slot. */
struct http_late {
    struct http_late_owner owner;
    int64_t deadline_mono_ms;
    _Atomic unsigned *busy; /* the server's: counts down with the answer */
    bool is_open;           /* outstanding */
    struct buf text;        /* each answer is put together here */
    char request_id[HTTP_REQUEST_ID_BYTES];
};

/* Instead of http_reply: the exchange will be answered by http_late_answer, once, by any
 * thread, from now on. NULL: not this one (it closes its connection, is its first, has no
 * body, or its socket was not found): the handler must wait and call http_reply itself.
 */
struct http_late *http_answer_later(struct http_exchange *e,
                                    const struct http_late_owner *owner,
                                    int64_t deadline_mono_ms);

/* Answers; reply->must_close is not allowed. Afterwards `late` is no longer the
 * caller's. */
void http_late_answer(struct http_late *late, const struct http_reply *reply);

#endif
