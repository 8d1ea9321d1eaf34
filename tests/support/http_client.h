/* http_client: a raw HTTP client for tests: sends exactly the bytes it is given, also
 * those that no decent client sends.
 *
 * Loopback only. Whatever takes longer than HTTP_CLIENT_PATIENCE_MS fails the test. The
 * functions that cannot go on fail the test; those that say false leave it to the caller.
 */
#ifndef TESTS_SUPPORT_HTTP_CLIENT_H
#define TESTS_SUPPORT_HTTP_CLIENT_H

#include "common/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define HTTP_CLIENT_PATIENCE_MS 20000

struct http_client {
    int fd;
    struct buf in; /* received, not yet taken */
};

struct http_answer {
    int status;
    struct buf head; /* with its empty line */
    struct buf body;
};

/* Connects to loopback, or fails the test; close may be called after the server closed.
 */
void http_client_open(struct http_client *c, uint16_t port);
void http_client_close(struct http_client *c);

/* Sends all of it; false when the server closed meanwhile. */
bool http_client_try_send(struct http_client *c, struct view bytes);
void http_client_send(struct http_client *c, const char *text);

/* No more will be sent; answers can still come. */
void http_client_finish(struct http_client *c);

/* Receives one answer; false when the connection ended before a whole one. `has_body`
 * false: an answer to HEAD. Release *out in both cases. */
bool http_client_receive(struct http_client *c, bool has_body, struct http_answer *out);

/* True when the server closes the connection without sending another byte; waits for it.
 * False: there was another byte, or it stays open for `patience_ms`. */
bool http_client_sees_end(struct http_client *c, int patience_ms);

/* Frees its bytes. */
void http_answer_release(struct http_answer *a);

/* The value of a header; false when it is not there. */
bool http_answer_header(const struct http_answer *a, const char *name, struct view *out);

/* One request on a connection of its own. Returns the status, 0 when no answer came;
 * fails the test when anything follows the answer. */
int http_client_exchange(uint16_t port, struct view request, struct http_answer *out);

#endif
