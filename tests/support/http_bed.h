/* http_bed: a real HTTP server with a handler that does what the path says, for tests of
 * what it makes of clients.
 *
 * /read     reads the body with body_read, answers its size
 * /bytes    the same in reads of 7 bytes with http_read
 * /hurry    as /read, with a deadline of HTTP_BED_HURRY_MS
 * /early    answers 413 without reading
 * /hold     waits until is_let_go
 *
 * The functions of cmocka's kind take the bed as *state. Stopping a server takes civetweb
 * two seconds, so most tests share one.
 */
#ifndef TESTS_SUPPORT_HTTP_BED_H
#define TESTS_SUPPORT_HTTP_BED_H

#include "ingest/http/http_server.h"

#include "tests/support/http_client.h"

#include "common/base/budget.h"

#include <pthread.h>
#include <stdatomic.h>

#define HTTP_BED_MAX_BODY (2u << 20)
#define HTTP_BED_READ_TIMEOUT_MS 1000
#define HTTP_BED_HURRY_MS 400
#define HTTP_BED_THREADS 8

struct http_bed {
    struct http_server *server;
    struct budget budget;
    _Atomic unsigned seen;        /* requests that came to the handler */
    _Atomic unsigned handled;     /* that left it again */
    _Atomic int last_result;      /* enum body_result of the last body_read */
    _Atomic int last_error_class; /* of the last http_read that failed; -1: none did */
    _Atomic bool is_let_go;
    _Atomic unsigned workers;
    pthread_mutex_t lock; /* of `body` */
    struct buf body;      /* the last one read */
};

/* Starts a server, with room for 64 MiB or for 200,000 bytes under way. */
int http_bed_start(void **state);
int http_bed_start_small(void **state);

/* Stops it; fails unless the budget is back and each worker's memory was given back. */
int http_bed_stop(void **state);

/* Before each test on a shared server: waits until nothing is left of the one before. */
int http_bed_begin(void **state);

/* On loopback. */
uint16_t http_bed_port(const struct http_bed *bed);

/* Waits until a counter has this value. */
void http_bed_wait_for(const _Atomic unsigned *counter, unsigned value);

/* The handler last read exactly these bytes. */
void http_bed_assert_body(struct http_bed *bed, struct view expected);

/* The answer has this header with this value. */
void http_bed_assert_header(const struct http_answer *a, const char *name,
                            const char *value);

/* Sends on `c` and receives one answer with this status, which keeps the connection or
 * closes it. */
void http_bed_exchange(struct http_client *c, const char *request, int status,
                       bool closes);

#endif
