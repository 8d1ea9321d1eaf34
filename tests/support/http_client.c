#include "tests/support/http_client.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

void http_client_open(struct http_client *c, uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct timeval patience = { HTTP_CLIENT_PATIENCE_MS / 1000, 0 };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *c = (struct http_client){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
    assert_true(c->fd >= 0);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&address, sizeof address), 0);
}

void http_client_close(struct http_client *c)
{
    close(c->fd);
    buf_release(&c->in);
}

bool http_client_try_send(struct http_client *c, struct view bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(c->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        bytes = view_skip(bytes, (size_t)n);
    }
    return true;
}

void http_client_send(struct http_client *c, const char *text)
{
    assert_true(http_client_try_send(c, view_cstr(text)));
}

void http_client_finish(struct http_client *c)
{
    shutdown(c->fd, SHUT_WR);
}

/* More bytes into c->in; false at the end or after too long. */
static bool receive_more(struct http_client *c)
{
    ssize_t n = recv(c->fd, buf_reserve(&c->in, 65536), 65536, 0);
    if (n > 0) {
        c->in.len += (size_t)n;
    }
    return n > 0;
}

static void take(struct http_client *c, size_t len, struct buf *out)
{
    buf_add(out, c->in.data, len);
    memmove(c->in.data, c->in.data + len, c->in.len - len);
    c->in.len -= len;
}

bool http_answer_header(const struct http_answer *a, const char *name, struct view *out)
{
    struct view rest = buf_view(&a->head);
    while (rest.len > 0) {
        const char *end = memchr(rest.data, '\r', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);
        const char *colon = memchr(rest.data, ':', len);
        if (colon != NULL && view_equal_ignore_case(
                                 view_of(rest.data, (size_t)(colon - rest.data)), name)) {
            struct view value =
                view_skip(view_of(rest.data, len), (size_t)(colon + 1 - rest.data));
            *out = view_trim(value);
            return true;
        }
        rest = view_skip(rest, len + 2 > rest.len ? rest.len : len + 2);
    }
    return false;
}

static size_t find_head_end(const struct buf *in)
{
    for (size_t i = 0; i + 4 <= in->len; i++) {
        if (memcmp(in->data + i, "\r\n\r\n", 4) == 0) {
            return i + 4;
        }
    }
    return 0;
}

bool http_client_receive(struct http_client *c, bool has_body, struct http_answer *out)
{
    struct view length = { NULL, 0 };
    size_t head_end;
    *out = (struct http_answer){ .status = 0 };
    while ((head_end = find_head_end(&c->in)) == 0) {
        if (!receive_more(c)) {
            return false;
        }
    }
    take(c, head_end, &out->head);
    size_t body_len = 0;
    if (has_body && http_answer_header(out, "Content-Length", &length)) {
        body_len = strtoul(length.data, NULL, 10);
    }
    while (c->in.len < body_len) {
        if (!receive_more(c)) {
            return false;
        }
    }
    take(c, body_len, &out->body);
    out->status = out->head.len > 12 ? atoi(buf_cstr(&out->head) + 9) : 0;
    return true;
}

bool http_client_sees_end(struct http_client *c, int patience_ms)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    char byte;
    if (c->in.len > 0) {
        return false;
    }
    /* A reset is an end, too. */
    return poll(&p, 1, patience_ms) == 1 && recv(c->fd, &byte, 1, 0) <= 0;
}

void http_answer_release(struct http_answer *a)
{
    buf_release(&a->head);
    buf_release(&a->body);
}

int http_client_exchange(uint16_t port, struct view request, struct http_answer *out)
{
    struct http_client c;
    http_client_open(&c, port);
    http_client_try_send(&c,
                         request); /* the server may answer and close before the end */
    bool is_answered = http_client_receive(&c, true, out);
    http_client_finish(&c);
    if (is_answered && !http_client_sees_end(&c, HTTP_CLIENT_PATIENCE_MS)) {
        fail_msg("behind the answer %d there is more, or no end", out->status);
    }
    http_client_close(&c);
    return is_answered ? out->status : 0;
}
