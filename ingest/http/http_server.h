/* http_server: civetweb in one begin_request hook: strict framing in, one write out.
 *
 * Why a hook and one mg_write: 74,000 requests/s against 729 with civetweb's defaults
 * (performance.md, 0). The server knows no routes and no events: it checks framing
 * (reliability.md, 2.2), calls the handler on the connection's worker thread, and counts
 * who owns a worker. Requests whose framing is doubtful are answered 400 and closed
 * before the handler sees them. Worker stacks are 100 KB: large buffers belong into the
 * worker's memory. TLS ends in front of us: Debian's civetweb 1.15 crashes on its first
 * handshake, so an address that would turn it on is refused.
 */
#ifndef INGEST_HTTP_HTTP_SERVER_H
#define INGEST_HTTP_HTTP_SERVER_H

#include "ingest/http/http_exchange.h"

struct http_server;

struct http_server_setup {
    const char *listen; /* "host:port" or ":port", several joined by ','; port 0: any */
    unsigned threads;   /* at least 1: how many connections are served at a time */
    /* How long a client may take for a head, or be silent in a body. */
    uint64_t read_timeout_ms;
    uint64_t keep_alive_ms; /* how long an idle connection is kept */
    /* Must call http_reply exactly once, or http_answer_later. May block its worker. */
    void (*handle)(void *context, struct http_exchange *exchange,
                   const struct http_request *request);
    void *context;
    /* What each worker thread keeps between requests: scratch memory of the handler's.
     * Both may be NULL. */
    void *(*new_worker)(void *context);
    void (*free_worker)(void *worker);
};

/* Listens and serves; `setup` is copied, its strings too. FATAL when the address cannot
 * be had; the text names it. */
MUST_CHECK bool http_server_start(const struct http_server_setup *setup,
                                  struct http_server **out, struct error *err);

/* The port in force (when 0 was asked for). */
uint16_t http_server_port(const struct http_server *s);

/* From now on each answer closes its connection, and http_is_draining is true for what
 * begins. Any thread. */
void http_server_drain(struct http_server *s);

/* Requests that have begun before a drain and are not answered yet. Any thread. */
unsigned http_server_busy(const struct http_server *s);

/* Workers that own a connection, idle keep-alive ones included, in per cent of all. Any
 * thread. */
unsigned http_server_load(const struct http_server *s);

/* Ends all connections and frees; call it when http_server_busy is 0 or the deadline has
 * passed (civetweb drops answers not yet written). Takes up to 2 s. NULL is allowed. */
void http_server_stop(struct http_server *s);

#endif
