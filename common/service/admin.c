#include "common/service/admin.h"

#include "common/base/mem.h"
#include "common/base/parse.h"
#include "common/service/log.h"

#include <civetweb.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES 256

struct admin {
    struct admin_setup setup;
    struct mg_context *server;
    atomic_bool is_starting; /* messages of civetweb say why it does not start */
    char start_message[MESSAGE_BYTES]; /* the first of them */
};

struct reply {
    int status;
    const char *content_type;
    struct buf body;
};

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Status";
    }
}

static void reply_text(struct reply *reply, int status, const char *text)
{
    reply->status = status;
    buf_add_cstr(&reply->body, text);
    buf_add_char(&reply->body, '\n');
}

static void reply_readiness(const struct admin *a, struct reply *reply)
{
    const char *reason = "not ready";
    if (a->setup.is_ready(a->setup.ready_context, &reason)) {
        reply_text(reply, 200, "ready");
    } else {
        reply_text(reply, 503, reason);
    }
}

static const struct admin_page *find_page(const struct admin *a, const char *path)
{
    for (size_t i = 0; i < a->setup.page_count; i++) {
        if (strcmp(a->setup.pages[i].path, path) == 0) {
            return &a->setup.pages[i];
        }
    }
    return NULL;
}

static void answer(const struct admin *a, const char *path, bool is_read,
                   struct reply *reply)
{
    const struct admin_page *page = find_page(a, path);
    bool is_health = strcmp(path, "/healthz") == 0;
    bool is_readiness = strcmp(path, "/readyz") == 0;
    bool is_metrics = strcmp(path, "/metrics") == 0;
    if (!is_health && !is_readiness && !is_metrics && page == NULL) {
        reply_text(reply, 404, "not found");
    } else if (!is_read) {
        reply_text(reply, 405, "only GET and HEAD");
    } else if (is_health) {
        reply_text(reply, 200, "ok");
    } else if (is_readiness) {
        reply_readiness(a, reply);
    } else if (is_metrics) {
        reply->status = 200;
        reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
        metrics_write(a->setup.metrics, &reply->body);
    } else {
        reply->content_type = page->content_type;
        reply->status = page->write(page->context, &reply->body);
    }
}

/* Head and body in one write: civetweb would send each piece as a packet of its own. */
static void send_reply(struct mg_connection *connection, const struct reply *reply,
                       bool has_body)
{
    struct buf message = { 0 };
    buf_printf(&message,
               "HTTP/1.1 %d %s\r\n"
               "Content-Type: %s\r\n"
               "Content-Length: %zu\r\n"
               "Cache-Control: no-store\r\n"
               "X-Content-Type-Options: nosniff\r\n"
               "%s"
               "Connection: close\r\n\r\n",
               reply->status, status_text(reply->status), reply->content_type,
               reply->body.len, reply->status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (has_body) {
        buf_add_view(&message, buf_view(&reply->body));
    }
    (void)mg_write(connection, message.data,
                   message.len); /* a client that left is no error */
    buf_release(&message);
}

static int on_request(struct mg_connection *connection)
{
    const struct mg_request_info *request = mg_get_request_info(connection);
    const struct admin *a = mg_get_user_data(mg_get_context(connection));
    bool is_head = strcmp(request->request_method, "HEAD") == 0;
    bool is_get = strcmp(request->request_method, "GET") == 0;
    struct reply reply = { .content_type = "text/plain; charset=utf-8" };
    answer(a, request->local_uri, is_get || is_head, &reply);
    send_reply(connection, &reply, !is_head);
    buf_release(&reply.body);
    return reply.status; /* not 0: the request is done with */
}

static int on_message(const struct mg_connection *connection, const char *message)
{
    struct admin *a = mg_get_user_data(mg_get_context(connection));
    if (!atomic_load(&a->is_starting)) {
        log_debug("civetweb", log_text("text", message));
    } else if (a->start_message[0] == '\0') {
        snprintf(a->start_message, sizeof a->start_message, "%s", message);
    }
    return 1; /* handled */
}

/* civetweb has no ":port": it takes the port alone as all IPv4 addresses. */
static const char *civetweb_address(const char *listen)
{
    return listen[0] == ':' ? listen + 1 : listen;
}

static bool refuse(struct error *err, const char *listen, const char *why)
{
    return error_set(err, ERROR_FATAL, ERROR_FROM_HTTP, NULL,
                     "cannot listen on '%s' for health and metrics: %s", listen, why);
}

bool admin_start(const struct admin_setup *setup, struct admin **out, struct error *err)
{
    struct view host;
    uint16_t port = 0;
    if (!parse_host_port(view_cstr(setup->listen), &host, &port, err)) {
        return refuse(err, setup->listen, err->text);
    }
    struct admin *a = mem_calloc(1, sizeof *a);
    a->setup = *setup;
    atomic_store(&a->is_starting, true);
    const char *options[] = { "listening_ports",
                              civetweb_address(setup->listen),
                              "num_threads",
                              "4",
                              "tcp_nodelay",
                              "1",
                              "enable_keep_alive",
                              "no",
                              "request_timeout_ms",
                              "5000",
                              NULL };
    const struct mg_callbacks callbacks = { .begin_request = on_request,
                                            .log_message = on_message };
    a->server = mg_start(&callbacks, a, options);
    atomic_store(&a->is_starting, false);
    if (a->server == NULL) {
        refuse(err, setup->listen, a->start_message);
        free(a);
        return false;
    }
    *out = a;
    return true;
}

uint16_t admin_port(const struct admin *a)
{
    struct mg_server_port port = { 0 };
    REQUIRE(mg_get_server_ports(a->server, 1, &port) == 1);
    return (uint16_t)port.port;
}

void admin_stop(struct admin *a)
{
    if (a != NULL) {
        mg_stop(a->server);
        free(a);
    }
}
