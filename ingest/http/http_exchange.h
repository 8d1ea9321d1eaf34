/* http_exchange: one request under way, as its handler sees it: read its head and body,
 * answer once.
 *
 * Knows no events. Everything here belongs to the worker thread that runs the handler and
 * is valid during the handler's call only; views of the head borrow from the connection.
 * The body is read against its announced length, so that a torn body is never taken for a
 * whole one (civetweb's mg_read returns 0 for both: reliability.md, 2.2).
 */
#ifndef INGEST_HTTP_HTTP_EXCHANGE_H
#define INGEST_HTTP_HTTP_EXCHANGE_H

#include "common/base/error.h"
#include "common/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_exchange;

#define HTTP_REQUEST_ID_BYTES 65

struct http_request {
    struct view method;
    struct view path;  /* raw, as sent, without the query */
    struct view query; /* raw, without '?' */
    struct view peer_ip;
    int64_t content_length; /* -1: none announced */
    bool is_chunked;
    /* Of X-Request-Id when it is sane, else ours; in every answer. */
    char request_id[HTTP_REQUEST_ID_BYTES];
    int64_t received_at_ms; /* real clock, when the head was read */
};

struct http_reply {
    int status;
    const char *content_type; /* NULL: application/json */
    struct view body;         /* 204 has none */
    struct view headers;      /* further header lines, each ended by CRLF */
    bool must_close;          /* close the connection after this answer */
};

/* The worker's own memory, from http_server_setup's new_worker. */
void *http_worker(const struct http_exchange *e);

/* Requests other than this one that are read whole and not yet answered, in per cent of
 * the workers: above 95 a handler should refuse with 503. Those that are still reading do
 * not count: under pressure the slowest of them make room (connection_watch.h). */
unsigned http_load(const struct http_exchange *e);

/* True once the server drains: a request that begins now must be refused with 503. */
bool http_is_draining(const struct http_exchange *e);

/* The value of a request header without white space around it (the name's ASCII case is
 * ignored; the first of several); false when absent. */
bool http_header(const struct http_exchange *e, const char *name, struct view *out);

/* The values of all headers of this name, in the order they came; of more than `max` (at
 * least 1) the last ones. How many there are in `out`. */
size_t http_headers(const struct http_exchange *e, const char *name, struct view *out,
                    size_t max);

/* Reads up to `size` body bytes (chunks undone, not inflated), waiting until
 * `deadline_mono_ms` (and up to 250 ms longer); 100 Continue is sent first when the
 * client waits for it. Returns the number of bytes, 0 at the body's true end, -1 with
 * *err: RETRY = too slow (503 and close), STOPPED = the client ended before its announced
 * length, INVALID = chunks that are malformed or end too early (400 and close). */
MUST_CHECK int64_t http_read(struct http_exchange *e, char *into, size_t size,
                             int64_t deadline_mono_ms, struct error *err);

/* Writes the answer, status line to body, in one write; once an exchange. The connection
 * is kept unless the reply, the client, a drain or the load (above 80 % of the workers
 * own a connection) is against it. Unread body bytes are then read and thrown away,
 * bounded (32 MiB, 2 s), and the connection is closed: else most clients see a broken
 * pipe and never the answer. */
void http_reply(struct http_exchange *e, const struct http_reply *reply);

#endif
