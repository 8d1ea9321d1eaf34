#include "ingest/http/http_server.h"

#include "ingest/http/answer_text.h"
#include "ingest/http/http_connection.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/parse.h"

#include <civetweb.h>

#include <stdio.h>
#include <stdlib.h>

#define HANDLED 1 /* begin_request's answer: civetweb has nothing left to do */
#define WORKER 1  /* init_thread's type of thread */
#define MAX_HEAD_BYTES "16384"
#define QUEUE_LENGTH "1024" /* connections no worker has taken yet */

/* ---- requests ---- */

/* From now on the next head is awaited on this connection. */
static void await_head(struct http_worker *w, uint64_t timeout_ms)
{
    w->head_since_ms = clock_mono_ms();
    w->head_timeout_ms = (int64_t)timeout_ms;
}

static void handle(struct mg_connection *connection, const struct mg_request_info *info,
                   bool is_last)
{
    struct http_exchange e = { .connection = connection,
                               .info = info,
                               .worker = mg_get_thread_pointer(connection),
                               .is_last = is_last,
                               .began_mono_ms = clock_mono_ms() };
    struct http_server *s = e.worker->server;
    /* First of all: an answer that is outstanding goes before this request's. */
    connection_slot_enter(&e.worker->slot, CONNECTION_BUSY);
    /* What begins during a drain is refused: it must not keep the drain from ending. */
    bool is_counted = !atomic_load(&s->is_draining);
    atomic_fetch_add(&s->busy, is_counted);
    const char *fault = http_exchange_open(&e);
    if (fault != NULL) {
        http_exchange_refuse(&e, fault);
    } else {
        s->setup.handle(s->setup.context, &e, &e.request);
    }
    if (!e.is_answered_later) {
        atomic_fetch_sub(&s->busy, is_counted);
    }
    await_head(e.worker, s->setup.keep_alive_ms);
    connection_slot_enter(&e.worker->slot, CONNECTION_IDLE);
}

static int on_request(struct mg_connection *connection)
{
    handle(connection, mg_get_request_info(connection), false);
    return HANDLED;
}

/* civetweb 1.15 ends a connection without a word when the target is "*", or absolute with
 * another port than ours (as behind a proxy), which a server must take (RFC 9112, 3.2.2).
 * It has read such a head, and given it no local_uri_raw: so the request is handled when
 * its connection is about to end, as the last one. */
static void handle_left_out(struct mg_connection *connection)
{
    const struct http_worker *w = mg_get_thread_pointer(connection);
    const struct mg_request_info *info = mg_get_request_info(connection);
    if (info != NULL && info->request_uri != NULL && info->local_uri_raw == NULL &&
        !w->had_bad_head) {
        struct mg_request_info whole = *info;
        whole.local_uri_raw = info->request_uri;
        whole.query_string = NULL; /* of an earlier request */
        handle(connection, &whole, true);
    }
}

/* What civetweb refuses before it calls on_request: a head that cannot be read, whose
 * parts must not be looked at. A head that came too slowly is "malformed" to civetweb;
 * here it is a 503, which senders try again. */
static int on_bad_head(struct mg_connection *connection, int status, const char *message)
{
    struct http_worker *w = mg_get_thread_pointer(connection);
    (void)message; /* may quote the client */
    w->had_bad_head = true;
    connection_slot_enter(&w->slot, CONNECTION_BUSY); /* an outstanding answer first */
    bool is_late = clock_mono_ms() - w->head_since_ms >= w->head_timeout_ms ||
                   connection_slot_was_shut(&w->slot);
    const char *code = is_late ? "too_slow" : "bad_request";
    const char *text = is_late ? "the request's head did not come in time: send it again"
                       : status == 413 ? "the request's head is larger than 16 KiB"
                       : status == 505 ? "this server speaks HTTP/1.0 and HTTP/1.1"
                                       : "the request's head is malformed";
    char id[HTTP_REQUEST_ID_BYTES];
    char body[256];
    int len = snprintf(
        body, sizeof body,
        "{\"success\":false,\"code\":\"%s\",\"message\":\"%s\",\"error\":\"%s\"}", code,
        text, code);
    struct http_reply reply = {
        .status = is_late ? 503 : 400,
        .body = view_of(body, (size_t)len),
        .headers =
            view_cstr(is_late ? "Retry-After: 5\r\n" HTTP_ANY_ORIGIN : HTTP_ANY_ORIGIN)
    };
    struct answer_facts facts = { .request_id = id, .closes = true };
    http_exchange_new_id(w->server, id);
    buf_clear(&w->answer);
    answer_text_add(&w->answer, &reply, &facts);
    mg_write(connection, w->answer.data, w->answer.len);
    return 0;
}

/* ---- threads and connections ---- */

static void *on_thread_start(const struct mg_context *context, int type)
{
    struct http_server *s = mg_get_user_data(context);
    if (type != WORKER) {
        return NULL;
    }
    struct http_worker *w = mem_calloc(1, sizeof *w);
    w->server = s;
    w->of_handler =
        s->setup.new_worker == NULL ? NULL : s->setup.new_worker(s->setup.context);
    connection_watch_add(s->watch, &w->slot);
    return w;
}

static void on_thread_end(const struct mg_context *context, int type, void *pointer)
{
    struct http_worker *w = pointer;
    (void)context;
    if (type != WORKER) {
        return;
    }
    connection_watch_remove(w->server->watch, &w->slot);
    if (w->server->setup.free_worker != NULL) {
        w->server->setup.free_worker(w->of_handler);
    }
    buf_release(&w->answer);
    free(w);
}

static int on_connection(const struct mg_connection *connection, void **data)
{
    struct http_worker *w = mg_get_thread_pointer(connection);
    (void)data;
    atomic_fetch_add(&w->server->owned, 1);
    w->had_bad_head = false;
    await_head(w, w->server->setup.read_timeout_ms);
    connection_slot_open(&w->slot, connection);
    return 0;
}

static void on_connection_end(const struct mg_connection *connection)
{
    struct http_worker *w = mg_get_thread_pointer(connection);
    /* It is still open, and ours to write to: const is only the callback's type. */
    handle_left_out((struct mg_connection *)(uintptr_t)connection);
    connection_slot_close(&w->slot);
    atomic_fetch_sub(&w->server->owned, 1);
}

static int on_log(const struct mg_connection *connection, const char *message)
{
    (void)connection;
    (void)message;
    return 1; /* what matters is told by our answers and metrics */
}

/* ---- life ---- */

#define FEATURE_IPV6 8u /* of mg_check_feature */

/* One address in civetweb's spelling, which is ours but for an 's' behind it: that would
 * mean TLS and must not come through. */
static bool spell_address(struct view listen, struct buf *out, struct error *err)
{
    struct view host;
    uint16_t port = 0;
    if (!parse_host_port(listen, &host, &port, err)) {
        return error_prefix(err, "cannot listen on %.*s", VIEW_ARG(listen));
    }
    bool is_ipv6 = host.len > 0 && memchr(host.data, ':', host.len) != NULL;
    if (is_ipv6 && mg_check_feature(FEATURE_IPV6) == 0) {
        return error_set(err, ERROR_FATAL, ERROR_FROM_HTTP, NULL,
                         "cannot listen on %.*s: this civetweb was built without IPv6, "
                         "as Debian's is; listen on an IPv4 address and let the proxy in "
                         "front listen on IPv6",
                         VIEW_ARG(listen));
    }
    buf_add_cstr(out, out->len > 0 ? "," : "");
    buf_printf(out, "%s%.*s%s%s%u", is_ipv6 ? "[" : "", VIEW_ARG(host),
               is_ipv6 ? "]" : "", host.len == 0 ? "" : ":", port);
    return true;
}

/* "127.0.0.1:8080,10.0.0.7:8080" */
static bool spell_addresses(const char *listen, struct buf *out, struct error *err)
{
    struct view rest = view_cstr(listen);
    for (;;) {
        const char *comma = rest.len == 0 ? NULL : memchr(rest.data, ',', rest.len);
        size_t len = comma == NULL ? rest.len : (size_t)(comma - rest.data);
        if (!spell_address(view_trim(view_of(rest.data, len)), out, err)) {
            return false;
        }
        if (comma == NULL) {
            return true;
        }
        rest = view_skip(rest, len + 1);
    }
}

static struct mg_context *start_civetweb(struct http_server *s, const char *addresses)
{
    char threads[16];
    char read_timeout[24];
    char keep_alive_timeout[24];
    snprintf(threads, sizeof threads, "%u", s->setup.threads);
    snprintf(read_timeout, sizeof read_timeout, "%llu",
             (unsigned long long)s->setup.read_timeout_ms);
    snprintf(keep_alive_timeout, sizeof keep_alive_timeout, "%llu",
             (unsigned long long)s->setup.keep_alive_ms);
    /* No document_root: nothing is ever served from the file system. */
    const char *options[] = {
        "listening_ports",
        addresses,
        "num_threads",
        threads,
        "tcp_nodelay",
        "1",
        "enable_keep_alive",
        "yes",
        "keep_alive_timeout_ms",
        keep_alive_timeout,
        "request_timeout_ms",
        read_timeout,
        "connection_queue",
        QUEUE_LENGTH,
        "listen_backlog",
        QUEUE_LENGTH,
        "max_request_size",
        MAX_HEAD_BYTES,
        "decode_url",
        "no", /* paths are compared as sent */
        "decode_query_string",
        "no",
        "enable_directory_listing",
        "no",
        "enable_auth_domain_check",
        "no", /* any Host in an absolute target */
        NULL,
    };
    struct mg_callbacks callbacks = { .begin_request = on_request,
                                      .http_error = on_bad_head,
                                      .log_message = on_log,
                                      .init_thread = on_thread_start,
                                      .exit_thread = on_thread_end,
                                      .init_connection = on_connection,
                                      .connection_close = on_connection_end };
    return mg_start(&callbacks, s, options);
}

static void free_server(struct http_server *s)
{
    connection_watch_stop(s->watch);
    mg_exit_library();
    free(s);
}

bool http_server_start(const struct http_server_setup *setup, struct http_server **out,
                       struct error *err)
{
    struct buf addresses = { 0 };
    struct connection_watch *watch = NULL;
    REQUIRE(setup->threads > 0);
    if (!spell_addresses(setup->listen, &addresses, err) ||
        !connection_watch_start(setup->threads, &watch, err)) {
        buf_release(&addresses);
        return false;
    }
    struct http_server *s = mem_calloc(1, sizeof *s);
    s->setup = *setup;
    s->setup.listen = NULL; /* the caller's; no longer needed */
    s->watch = watch;
    s->process_number = (uint64_t)clock_real_ms() << 20 ^ (uint64_t)clock_mono_us();
    mg_init_library(0);
    s->civetweb = start_civetweb(s, buf_cstr(&addresses));
    buf_release(&addresses);
    if (s->civetweb == NULL) {
        free_server(s);
        return error_set(
            err, ERROR_FATAL, ERROR_FROM_HTTP, NULL,
            "cannot listen on %s: a port is taken, or an address is not ours; "
            "choose another with INGEST_LISTEN",
            setup->listen);
    }
    *out = s;
    return true;
}

uint16_t http_server_port(const struct http_server *s)
{
    struct mg_server_port port;
    return mg_get_server_ports(s->civetweb, 1, &port) == 1 ? (uint16_t)port.port : 0;
}

void http_server_drain(struct http_server *s)
{
    atomic_store(&s->is_draining, true);
}

unsigned http_server_busy(const struct http_server *s)
{
    return atomic_load(&s->busy);
}

unsigned http_server_load(const struct http_server *s)
{
    return http_share(s, atomic_load(&s->owned));
}

void http_server_stop(struct http_server *s)
{
    if (s != NULL) {
        mg_stop(s->civetweb);
        free_server(s);
    }
}
