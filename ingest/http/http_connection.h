/* http_connection: what http_server and http_exchange share; private to this folder.
 *
 * A worker is a thread of civetweb's; it owns at most one connection at a time, and
 * handles at most one exchange of it.
 */
#ifndef INGEST_HTTP_HTTP_CONNECTION_H
#define INGEST_HTTP_HTTP_CONNECTION_H

#include "ingest/http/connection_watch.h"
#include "ingest/http/http_server.h"

#include "common/base/buf.h"

#include <stdatomic.h>

struct mg_connection;
struct mg_context;
struct mg_request_info;

struct http_server {
    struct mg_context *civetweb;
    struct http_server_setup setup;
    struct connection_watch *watch;
    _Atomic unsigned busy;    /* requests that have begun and are not answered */
    _Atomic unsigned reading; /* of them: those whose body is being read */
    _Atomic unsigned owned;   /* workers that own a connection */
    _Atomic bool is_draining;
    _Atomic uint64_t next_request;
    uint64_t process_number; /* of its start: request ids of two processes differ */
};

struct http_worker {
    struct http_server *server;
    void *of_handler;
    struct connection_slot slot;
    struct buf answer; /* each answer is put together here */
    /* Since when a request's head is awaited on this connection, and how long at most:
     * tells a head that came too slowly from a malformed one. */
    int64_t head_since_ms;
    int64_t head_timeout_ms;
    bool had_bad_head; /* on this connection, which is then at its end */
};

/* On answers that are given before the route is known: a page of another origin must be
 * able to read that its request was bad, or its library takes that for a network error
 * and sends it again. Segment's servers do not mind. */
#define HTTP_ANY_ORIGIN "Access-Control-Allow-Origin: *\r\n"

struct http_exchange {
    struct mg_connection *connection;
    const struct mg_request_info *info;
    struct http_worker *worker;
    struct http_request request;
    int64_t body_bytes_read;
    bool is_body_over; /* nothing is left to read, or nothing can be read any more */
    bool was_continued;
    bool is_answered_later; /* by http_late_answer */
    bool is_last;           /* the connection ends behind it */
    int64_t began_mono_ms;
};

/* `owned` workers in per cent of all. */
static inline unsigned http_share(const struct http_server *s, unsigned owned)
{
    return owned * 100 / s->setup.threads;
}

/* Would an answer have to close the connection? */
bool http_exchange_must_close(const struct http_exchange *e, bool reply_must_close);

/* A request id that no other request of any process is likely to have. */
void http_exchange_new_id(struct http_server *s, char out[HTTP_REQUEST_ID_BYTES]);

/* Fills e->request and names it, from e->info; NULL, or (static text) why its framing
 * cannot be trusted. */
const char *http_exchange_open(struct http_exchange *e);

/* Answers 400 with {"success":false,..} and closes, whatever is left unread. */
void http_exchange_refuse(struct http_exchange *e, const char *fault);

#endif
