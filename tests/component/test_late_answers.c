/* Answers that somebody else gives than the worker that read the request: each on its own
 * connection, once, in order, whatever the client does (ingest/README.md, owners). */
#include "tests/support/ingest_bed.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#define EVENT "{\"type\":\"track\"}" /* 16 bytes */
#define POST "POST /v1/track HTTP/1.1\r\nHost: x\r\n" KEY
#define REQUEST POST "Content-Length: 16\r\n\r\n" EVENT
#define PIPELINED 50
#define CLIENTS 3
#define ROUNDS 200

static struct http_client open_client(struct ingest_bed *b)
{
    struct http_client c;
    http_client_open(&c, http_server_port(b->server));
    return c;
}

/* The next answer's status; its id goes to `id` when that is not NULL. */
static int receive(struct http_client *c, char id[HTTP_REQUEST_ID_BYTES], bool *closes)
{
    struct http_answer a;
    struct view value;
    int status = http_client_receive(c, true, &a) ? a.status : 0;
    if (id != NULL && status != 0) {
        assert_true(http_answer_header(&a, "X-Request-Id", &value));
        snprintf(id, HTTP_REQUEST_ID_BYTES, "%.*s", VIEW_ARG(value));
    }
    if (closes != NULL && status != 0) {
        assert_true(http_answer_header(&a, "Connection", &value));
        *closes = view_equal_cstr(value, "close");
    }
    http_answer_release(&a);
    return status;
}

/* The first request of a connection is always answered by its worker. */
static void send_first(struct http_client *c)
{
    http_client_send(c, REQUEST);
    assert_int_equal(receive(c, NULL, NULL), 200);
}

/* A connection with a request under way, whose worker has gone back to it. */
static struct http_client open_with_one_under_way(struct ingest_bed *b)
{
    struct http_client c = open_client(b);
    fake_durable_reset(b->durable, FAKE_KEEPS);
    send_first(&c);
    fake_durable_reset(b->durable, FAKE_IS_LATE);
    http_client_send(&c, REQUEST);
    fake_durable_wait_open(b->durable, 1);
    return c;
}

static void test_whoever_ends_the_request_answers_it(void **state)
{
    struct ingest_bed *b = *state;
    bool closes = true;
    struct http_client c = open_with_one_under_way(b);
    assert_int_equal(http_server_busy(b->server), 1);
    fake_durable_end_all(b->durable, true); /* from here it is in the socket */
    assert_int_equal(http_server_busy(b->server), 0);
    assert_int_equal(receive(&c, NULL, &closes), 200);
    assert_false(closes);
    fake_durable_reset(b->durable, FAKE_KEEPS);
    send_first(&c); /* the connection goes on */
    http_client_close(&c);
}

static void test_what_is_not_durable_is_refused_and_the_connection_kept(void **state)
{
    struct ingest_bed *b = *state;
    bool closes = true;
    struct http_client c = open_with_one_under_way(b);
    fake_durable_end_all(b->durable, false);
    assert_int_equal(receive(&c, NULL, &closes), 503);
    assert_false(closes);
    fake_durable_reset(b->durable, FAKE_KEEPS);
    send_first(&c);
    http_client_close(&c);
}

static void test_pipelined_requests_are_answered_in_their_order(void **state)
{
    struct ingest_bed *b = *state;
    struct http_client c = open_client(b);
    struct buf all = { 0 };
    for (int i = 0; i < PIPELINED; i++) {
        buf_printf(&all, "%sX-Request-Id: p%d\r\nContent-Length: 16\r\n\r\n%s", POST, i,
                   EVENT);
    }
    assert_true(http_client_try_send(&c, buf_view(&all)));
    for (int i = 0; i < PIPELINED; i++) {
        char id[HTTP_REQUEST_ID_BYTES];
        char wanted[HTTP_REQUEST_ID_BYTES];
        snprintf(wanted, sizeof wanted, "p%d", i);
        assert_int_equal(receive(&c, id, NULL), 200);
        assert_string_equal(id, wanted);
    }
    assert_int_equal(b->durable->count, PIPELINED);
    buf_release(&all);
    http_client_close(&c);
}

/* The next request waits for the answer of the one before, whose end is up to others. */
static void test_a_request_does_not_overtake_the_one_under_way(void **state)
{
    struct ingest_bed *b = *state;
    struct http_client c = open_with_one_under_way(b);
    http_client_send(&c, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    fake_durable_end_all(b->durable, true);
    assert_int_equal(receive(&c, NULL, NULL), 200);
    assert_int_equal(receive(&c, NULL, NULL), 404);
    http_client_close(&c);
}

static void test_a_malformed_head_behind_it_is_answered_after_it(void **state)
{
    struct ingest_bed *b = *state;
    struct http_client c = open_with_one_under_way(b);
    http_client_send(&c, "what is this\r\n\r\n");
    fake_durable_end_all(b->durable, true);
    assert_int_equal(receive(&c, NULL, NULL), 200);
    assert_int_equal(receive(&c, NULL, NULL), 400);
    assert_true(http_client_sees_end(&c, HTTP_CLIENT_PATIENCE_MS));
    http_client_close(&c);
}

static void test_who_sends_no_more_still_gets_the_answer(void **state)
{
    struct ingest_bed *b = *state;
    struct http_client c = open_with_one_under_way(b);
    http_client_finish(&c);
    fake_durable_end_all(b->durable, true);
    assert_int_equal(receive(&c, NULL, NULL), 200);
    assert_true(http_client_sees_end(&c, HTTP_CLIENT_PATIENCE_MS));
    http_client_close(&c);
}

/* With a reset, half of them; the worker must be there for others afterwards. */
static void test_who_has_left_harms_nobody(void **state)
{
    struct ingest_bed *b = *state;
    for (int i = 0; i < 2 * INGEST_BED_THREADS; i++) {
        struct http_client c = open_with_one_under_way(b);
        if (i % 2 == 0) {
            struct linger reset = { .l_onoff = 1 };
            setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
        http_client_close(&c);
        fake_durable_end_all(b->durable, true);
    }
    fake_durable_reset(b->durable, FAKE_KEEPS);
    struct http_client c = open_client(b);
    send_first(&c);
    http_client_close(&c);
}

static void test_answers_that_close_are_the_workers(void **state)
{
    static const char *const requests[] = {
        POST "Connection: close\r\nContent-Length: 16\r\n\r\n" EVENT,
        "POST /v1/track HTTP/1.0\r\n" KEY "Content-Length: 16\r\n\r\n" EVENT,
    };
    struct ingest_bed *b = *state;
    for (size_t i = 0; i < 2; i++) {
        bool closes = false;
        struct http_client c = open_client(b);
        fake_durable_reset(b->durable, FAKE_KEEPS);
        send_first(&c);
        fake_durable_reset(b->durable, FAKE_IS_LATE);
        http_client_send(&c, requests[i]);
        fake_durable_wait_open(b->durable, 1);
        fake_durable_end_all(b->durable, true);
        assert_int_equal(receive(&c, NULL, &closes), 200);
        assert_true(closes);
        assert_true(http_client_sees_end(&c, HTTP_CLIENT_PATIENCE_MS));
        http_client_close(&c);
    }
}

static void
test_past_its_deadline_it_is_refused_and_the_late_end_changes_nothing(void **state)
{
    struct ingest_bed *b = *state;
    int64_t start = clock_mono_ms();
    struct http_client c = open_with_one_under_way(b);
    assert_int_equal(receive(&c, NULL, NULL), 503);
    assert_true(clock_mono_ms() - start >= INGEST_BED_ACK_TIMEOUT_MS);
    fake_durable_end_all(b->durable, true); /* too late: nothing may come of it */
    fake_durable_reset(b->durable, FAKE_KEEPS);
    http_client_send(&c, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(receive(&c, NULL, NULL), 404); /* not a second answer of the first */
    http_client_close(&c);
}

static void test_a_drain_answers_what_is_under_way_and_refuses_what_comes(void **state)
{
    struct ingest_bed *b = *state;
    bool closes = false;
    struct http_client c = open_with_one_under_way(b);
    http_server_drain(b->server);
    struct http_client other = open_client(b);
    http_client_send(&other, REQUEST);
    assert_int_equal(receive(&other, NULL, &closes), 503);
    assert_true(closes);
    assert_int_equal(http_server_busy(b->server), 1);
    fake_durable_end_all(b->durable, true);
    assert_int_equal(receive(&c, NULL, NULL), 200);
    assert_int_equal(http_server_busy(b->server), 0);
    http_client_close(&other);
    http_client_close(&c);
}

/* A server that stops with requests under way waits for their ends: each has a deadline.
 */
static void test_a_stop_waits_for_answers_under_way(void **state)
{
    struct ingest_bed *b = *state;
    struct http_client c = open_with_one_under_way(b);
    http_server_stop(b->server);
    b->server = NULL;
    assert_int_equal(receive(&c, NULL, NULL), 503);
    http_client_close(&c);
}

/* Its answers fill its socket. It is cut off; others are not kept waiting by it. */
static void test_a_client_that_never_reads_is_cut_off(void **state)
{
    struct ingest_bed *b = *state;
    struct http_client c = { .fd = socket(AF_INET, SOCK_STREAM, 0) };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(http_server_port(b->server)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int least = 1;
    setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    assert_int_equal(connect(c.fd, (struct sockaddr *)&address, sizeof address), 0);
    struct buf some = { 0 };
    for (int i = 0; i < 64; i++) {
        buf_add_cstr(&some, REQUEST);
    }
    int64_t deadline = clock_mono_ms() + HTTP_CLIENT_PATIENCE_MS;
    bool is_open = true;
    while (is_open && clock_mono_ms() < deadline) {
        is_open = http_client_try_send(&c, buf_view(&some));
    }
    assert_false(is_open);
    fake_durable_reset(b->durable, FAKE_KEEPS);
    struct http_client other = open_client(b);
    send_first(&other);
    send_first(&other);
    http_client_close(&other);
    http_client_close(&c);
    buf_release(&some);
}

/* ---- many at once ---- */

struct checker {
    pthread_t thread;
    uint16_t port;
    int number;
    int wrong; /* answers that are not to what was asked */
};

static void *check_answers(void *context)
{
    struct checker *k = context;
    struct http_client c;
    http_client_open(&c, k->port);
    for (int i = 0; i < ROUNDS; i++) {
        char request[512];
        char id[HTTP_REQUEST_ID_BYTES] = "";
        char wanted[HTTP_REQUEST_ID_BYTES];
        snprintf(wanted, sizeof wanted, "c%d-%d", k->number, i);
        snprintf(request, sizeof request,
                 "%sX-Request-Id: %s\r\nContent-Length: 16\r\n\r\n%s", POST, wanted,
                 EVENT);
        http_client_send(&c, request);
        k->wrong += receive(&c, id, NULL) != 200 || strcmp(id, wanted) != 0;
    }
    http_client_close(&c);
    return NULL;
}

/* Ends what is under way, again and again, as reports come. */
static void *end_again_and_again(void *context)
{
    struct ingest_bed *b = context;
    while (b->durable->taken < CLIENTS * ROUNDS) {
        fake_durable_end_all(b->durable, true);
    }
    fake_durable_end_all(b->durable, true);
    return NULL;
}

static void test_every_answer_is_to_its_own_request(void **state)
{
    struct ingest_bed *b = *state;
    struct checker checkers[CLIENTS];
    pthread_t reports;
    fake_durable_reset(b->durable, FAKE_IS_LATE);
    assert_int_equal(pthread_create(&reports, NULL, end_again_and_again, b), 0);
    for (int i = 0; i < CLIENTS; i++) {
        checkers[i] =
            (struct checker){ .port = http_server_port(b->server), .number = i };
        assert_int_equal(
            pthread_create(&checkers[i].thread, NULL, check_answers, &checkers[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(checkers[i].thread, NULL);
        assert_int_equal(checkers[i].wrong, 0);
    }
    pthread_join(reports, NULL);
}

#define WITH_BED(test)                                                                   \
    cmocka_unit_test_setup_teardown(test, ingest_bed_start, ingest_bed_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BED(test_whoever_ends_the_request_answers_it),
        WITH_BED(test_what_is_not_durable_is_refused_and_the_connection_kept),
        WITH_BED(test_pipelined_requests_are_answered_in_their_order),
        WITH_BED(test_a_request_does_not_overtake_the_one_under_way),
        WITH_BED(test_a_malformed_head_behind_it_is_answered_after_it),
        WITH_BED(test_who_sends_no_more_still_gets_the_answer),
        WITH_BED(test_who_has_left_harms_nobody),
        WITH_BED(test_answers_that_close_are_the_workers),
        WITH_BED(test_past_its_deadline_it_is_refused_and_the_late_end_changes_nothing),
        WITH_BED(test_a_drain_answers_what_is_under_way_and_refuses_what_comes),
        WITH_BED(test_a_stop_waits_for_answers_under_way),
        WITH_BED(test_a_client_that_never_reads_is_cut_off),
        WITH_BED(test_every_answer_is_to_its_own_request),
    };
    log_configure(LOG_ERROR, LOG_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
