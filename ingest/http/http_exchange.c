#include "ingest/http/http_exchange.h"

#include "ingest/http/answer_text.h"
#include "ingest/http/framing.h"
#include "ingest/http/http_connection.h"
#include "ingest/http/request_head.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <civetweb.h>

#include <stdio.h>
#include <stdlib.h>

/* Connections above this share of the workers are not kept alive, so that idle ones
 * cannot hold the threads. */
#define KEEP_ALIVE_LOAD_PERCENT 80
#define DISCARD_MAX_BYTES (32u << 20)
#define DISCARD_MAX_MS 2000
#define DISCARD_PIECE_BYTES 65536

/* ---- the head ---- */

void *http_worker(const struct http_exchange *e)
{
    return e->worker->of_handler;
}

unsigned http_load(const struct http_exchange *e)
{
    const struct http_server *s = e->worker->server;
    unsigned reading = atomic_load(&s->reading);
    unsigned busy = atomic_load(&s->busy);
    return http_share(s, busy > reading + 1 ? busy - reading - 1 : 0);
}

bool http_is_draining(const struct http_exchange *e)
{
    return atomic_load(&e->worker->server->is_draining);
}

bool http_header(const struct http_exchange *e, const char *name, struct view *out)
{
    for (int i = 0; i < e->info->num_headers; i++) {
        if (view_equal_ignore_case(view_cstr(e->info->http_headers[i].name), name)) {
            *out = view_trim(view_cstr(e->info->http_headers[i].value));
            return true;
        }
    }
    return false;
}

size_t http_headers(const struct http_exchange *e, const char *name, struct view *out,
                    size_t max)
{
    size_t count = 0;
    for (int i = 0; i < e->info->num_headers; i++) {
        if (!view_equal_ignore_case(view_cstr(e->info->http_headers[i].name), name)) {
            continue;
        }
        if (count == max) {
            memmove(out, out + 1, (max - 1) * sizeof *out);
            count--;
        }
        out[count++] = view_trim(view_cstr(e->info->http_headers[i].value));
    }
    return count;
}

static bool is_sane_id(struct view id)
{
    if (id.len == 0 || id.len >= HTTP_REQUEST_ID_BYTES) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        char c = id.data[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (!is_fine) {
            return false;
        }
    }
    return true;
}

void http_exchange_new_id(struct http_server *s, char out[HTTP_REQUEST_ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t parts[2] = { s->process_number, atomic_fetch_add(&s->next_request, 1) };
    for (unsigned i = 0; i < 32; i++) {
        out[i] = digits[parts[i / 16] >> (60 - i % 16 * 4) & 15];
    }
    out[32] = '\0';
}

static void name_request(struct http_exchange *e)
{
    struct view given;
    if (http_header(e, "X-Request-Id", &given) && is_sane_id(given)) {
        memcpy(e->request.request_id, given.data, given.len);
        e->request.request_id[given.len] = '\0';
    } else {
        http_exchange_new_id(e->worker->server, e->request.request_id);
    }
}

/* civetweb has cut the query off, but not of a target that it leaves to others. */
static void split_target(struct http_exchange *e)
{
    struct view target = view_cstr(e->info->local_uri_raw);
    const char *mark = e->info->query_string != NULL || target.len == 0
                           ? NULL
                           : memchr(target.data, '?', target.len);
    e->request.path = target;
    e->request.query = view_cstr(e->info->query_string);
    if (mark != NULL) {
        e->request.path.len = (size_t)(mark - target.data);
        e->request.query = view_skip(target, e->request.path.len + 1);
    }
}

const char *http_exchange_open(struct http_exchange *e)
{
    struct framing_header headers[FRAMING_MAX_HEADERS];
    struct framing framing = { .content_length = -1 };
    size_t count = (size_t)e->info->num_headers;
    e->request.method = view_cstr(e->info->request_method);
    split_target(e);
    e->request.peer_ip = view_cstr(e->info->remote_addr);
    e->request.received_at_ms = clock_real_ms();
    name_request(e);
    const char *fault = request_head_fault(e->info);
    if (fault == NULL) {
        for (size_t i = 0; i < count; i++) {
            headers[i].name = view_cstr(e->info->http_headers[i].name);
            headers[i].value = view_cstr(e->info->http_headers[i].value);
        }
        fault = framing_judge(headers, count, e->request.path, &framing);
    }
    if (fault == NULL && framing.is_chunked && strcmp(e->info->http_version, "1.1") < 0) {
        fault = "Transfer-Encoding in a request of HTTP/1.0";
    }
    e->request.content_length = framing.content_length;
    e->request.is_chunked = framing.is_chunked;
    e->is_body_over = !framing.is_chunked && framing.content_length <= 0;
    return fault;
}

/* ---- reading ---- */

static void continue_once(struct http_exchange *e)
{
    struct view expect;
    bool is_old = strcmp(e->info->http_version, "1.1") < 0; /* knows no 100 */
    if (!e->was_continued && !is_old && http_header(e, "Expect", &expect) &&
        view_equal_ignore_case(expect, "100-continue")) {
        static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
        mg_write(e->connection, line, sizeof line - 1);
    }
    e->was_continued = true;
}

/* One mg_read, which the watch ends at the deadline. */
static int watched_read(struct http_exchange *e, char *into, size_t size,
                        int64_t deadline)
{
    struct http_worker *w = e->worker;
    connection_slot_read_body(&w->slot, e->began_mono_ms, deadline);
    atomic_fetch_add(&w->server->reading, 1);
    int n = mg_read(e->connection, into, size);
    atomic_fetch_sub(&w->server->reading, 1);
    connection_slot_enter(&w->slot, CONNECTION_BUSY);
    return n;
}

/* `n` is what mg_read returned: 0 is a silence as long as civetweb's time-out, below 0
 * the connection's end or a chunk that it cannot read. */
static int64_t read_failed(struct http_exchange *e, int n, int64_t deadline,
                           struct error *err)
{
    e->is_body_over = true;
    if (n == 0 || clock_mono_ms() >= deadline ||
        connection_slot_was_shut(&e->worker->slot)) {
        error_set(err, ERROR_RETRY, ERROR_FROM_HTTP, NULL, "the body came too slowly");
    } else if (e->request.is_chunked) {
        error_set(err, ERROR_INVALID, ERROR_FROM_HTTP, NULL,
                  "the body's chunks are malformed, or end before the last one");
    } else {
        error_set(err, ERROR_STOPPED, ERROR_FROM_HTTP, NULL,
                  "the body ended before its announced length");
    }
    return -1;
}

static size_t wanted(const struct http_exchange *e, size_t size)
{
    if (e->request.is_chunked) {
        return size;
    }
    uint64_t left = (uint64_t)(e->request.content_length - e->body_bytes_read);
    return left < size ? (size_t)left : size;
}

int64_t http_read(struct http_exchange *e, char *into, size_t size,
                  int64_t deadline_mono_ms, struct error *err)
{
    if (e->is_body_over) {
        return 0;
    }
    if (clock_mono_ms() >= deadline_mono_ms) {
        return read_failed(e, -1, deadline_mono_ms, err);
    }
    continue_once(e);
    int n = watched_read(e, into, wanted(e, size), deadline_mono_ms);
    if (n > 0) {
        e->body_bytes_read += n;
        e->is_body_over =
            !e->request.is_chunked && e->body_bytes_read == e->request.content_length;
        return n;
    }
    if (n == 0 && e->request.is_chunked) { /* behind the last chunk */
        e->is_body_over = true;
        return 0;
    }
    return read_failed(e, n, deadline_mono_ms, err);
}

/* Reads what mg_read still gives, bounded, for no other purpose than to have it read. */
static void discard_body(struct http_exchange *e)
{
    char *bytes = mem_alloc(DISCARD_PIECE_BYTES);
    int64_t deadline = clock_mono_ms() + DISCARD_MAX_MS;
    uint64_t total = 0;
    int n = 1;
    while (n > 0 && total < DISCARD_MAX_BYTES && clock_mono_ms() < deadline) {
        n = watched_read(e, bytes, DISCARD_PIECE_BYTES, deadline);
        total += n > 0 ? (uint64_t)n : 0;
    }
    e->is_body_over = true;
    free(bytes);
}

/* ---- answering ---- */

static bool client_closes(const struct http_exchange *e)
{
    struct view connection;
    if (http_header(e, "Connection", &connection)) {
        return !view_equal_ignore_case(connection, "keep-alive");
    }
    return strcmp(e->info->http_version, "1.1") != 0;
}

bool http_exchange_must_close(const struct http_exchange *e, bool reply_must_close)
{
    const struct http_server *s = e->worker->server;
    return reply_must_close || e->is_last || !e->is_body_over || client_closes(e) ||
           atomic_load(&s->is_draining) ||
           http_share(s, atomic_load(&s->owned)) > KEEP_ALIVE_LOAD_PERCENT;
}

void http_reply(struct http_exchange *e, const struct http_reply *reply)
{
    struct buf *text = &e->worker->answer;
    struct answer_facts facts = { .request_id = e->request.request_id,
                                  .closes =
                                      http_exchange_must_close(e, reply->must_close),
                                  .is_head = view_equal_cstr(e->request.method, "HEAD") };
    if (facts.closes) {
        mg_disable_connection_keep_alive(e->connection);
    }
    buf_clear(text);
    answer_text_add(text, reply, &facts);
    mg_write(e->connection, text->data, text->len);
    if (!e->is_body_over) {
        discard_body(e);
    }
}

void http_exchange_refuse(struct http_exchange *e, const char *fault)
{
    char body[384];
    int len = snprintf(body, sizeof body,
                       "{\"success\":false,\"code\":\"bad_framing\",\"message\":\"%s: "
                       "where the request ends is not certain; send it with one "
                       "plain Content-Length, or chunked\",\"error\":\"bad_framing\"}",
                       fault);
    struct http_reply reply = { .status = 400,
                                .body = view_of(body, (size_t)len),
                                .headers = view_cstr(HTTP_ANY_ORIGIN),
                                .must_close = true };
    e->is_body_over = false; /* what civetweb takes for the body may be waiting */
    http_reply(e, &reply);
}
