/* The HTTP server on the wire: connections, framing that is in doubt, load and end. */
#include "tests/support/http_bed.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- connections ---- */

static void test_many_requests_share_a_connection_without_stalls(void **state)
{
    struct http_bed *f = *state;
    struct http_client c;
    http_client_open(&c, http_bed_port(f));
    int64_t start = clock_mono_ms();
    for (int i = 0; i < 50; i++) {
        http_bed_exchange(
            &c, "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200,
            false);
    }
    /* With Nagle's algorithm against delayed acknowledgements each answer written in two
     * parts takes 40 ms: 2,000 ms. Without: about 10 ms; under sanitizers more. */
    assert_true(clock_mono_ms() - start < 1000);
    assert_int_equal(atomic_load(&f->seen), 50);
    http_client_close(&c);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    static const char *const bodies[] = { "1", "3", "0", "5" };
    struct http_bed *f = *state;
    struct http_client c;
    http_client_open(&c, http_bed_port(f));
    http_client_send(
        &c,
        "POST /read HTTP/1.1\r\nContent-Length: 1\r\n\r\na"
        "POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        "POST /read HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
        "POST /read HTTP/1.1\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    for (size_t i = 0; i < 4; i++) {
        struct http_answer a;
        assert_true(http_client_receive(&c, true, &a));
        assert_int_equal(a.status, 200);
        assert_string_equal(buf_cstr(&a.body), bodies[i]);
        http_bed_assert_header(&a, "Connection", i == 3 ? "close" : "keep-alive");
        http_answer_release(&a);
    }
    assert_true(http_client_sees_end(&c, HTTP_CLIENT_PATIENCE_MS));
    http_client_close(&c);
}

static void test_the_clients_wish_and_version_decide_on_keeping_alive(void **state)
{
    static const struct {
        const char *head;
        bool closes;
    } cases[] = {
        { "POST /read HTTP/1.1\r\n", false },
        { "POST /read HTTP/1.1\r\nConnection: keep-alive\r\n", false },
        { "POST /read HTTP/1.1\r\nConnection: Close\r\n", true },
        { "POST /read HTTP/1.0\r\n", true },
        { "POST /read HTTP/1.0\r\nConnection: Keep-Alive\r\n", false },
    };
    struct http_bed *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char request[200];
        struct http_client c;
        snprintf(request, sizeof request, "%sContent-Length: 2\r\n\r\nok", cases[i].head);
        http_client_open(&c, http_bed_port(f));
        http_bed_exchange(&c, request, 200, cases[i].closes);
        if (cases[i].closes) {
            assert_true(http_client_sees_end(&c, HTTP_CLIENT_PATIENCE_MS));
        } else {
            http_bed_exchange(&c, request, 200, false);
        }
        http_client_close(&c);
    }
}

static void test_an_answer_has_length_type_id_and_further_headers(void **state)
{
    static const struct {
        const char *given;
        bool is_taken;
    } ids[] = {
        { "abc-DEF_1.2", true },
        { "has space", false },
        { "a<b>", false },
        { "1234567890123456789012345678901234567890123456789012345678901234", true },
        { "12345678901234567890123456789012345678901234567890123456789012345", false }
    };
    struct http_bed *f = *state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char request[300];
        struct http_answer a;
        struct view id;
        int len = snprintf(request, sizeof request,
                           "POST /read HTTP/1.1\r\nX-Request-Id: %s\r\nContent-Length: "
                           "2\r\n\r\nok",
                           ids[i].given);
        assert_int_equal(
            http_client_exchange(http_bed_port(f), view_of(request, (size_t)len), &a),
            200);
        http_bed_assert_header(&a, "Content-Type", "application/json");
        http_bed_assert_header(&a, "Content-Length", "1");
        http_bed_assert_header(&a, "X-Extra", "yes");
        assert_true(http_answer_header(&a, "X-Request-Id", &id));
        assert_int_equal(view_equal_cstr(id, ids[i].given), ids[i].is_taken);
        assert_true(id.len > 0);
        http_answer_release(&a);
    }
}

static void test_head_gets_the_length_but_no_body(void **state)
{
    struct http_bed *f = *state;
    struct http_client c;
    struct http_answer a;
    http_client_open(&c, http_bed_port(f));
    http_client_send(&c, "HEAD /read HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(http_client_receive(&c, false, &a));
    assert_int_equal(a.status, 200);
    http_bed_assert_header(&a, "Content-Length", "1");
    http_answer_release(&a);
    http_bed_exchange(&c, "POST /read HTTP/1.1\r\nContent-Length: 2\r\n\r\nok", 200,
                      false);
    http_client_close(&c);
}

static void test_continue_is_sent_to_who_waits_for_it(void **state)
{
    struct http_bed *f = *state;
    struct http_client c;
    struct http_answer a;
    http_client_open(&c, http_bed_port(f));
    http_client_send(
        &c, "POST /read HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n");
    assert_true(http_client_receive(&c, false, &a));
    assert_int_equal(a.status, 100);
    http_answer_release(&a);
    http_bed_exchange(&c, "hello", 200, false);
    http_bed_assert_body(f, view_cstr("hello"));
    /* Not when the answer comes without reading. */
    http_client_send(
        &c, "POST /early HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_true(http_client_receive(&c, true, &a));
    assert_int_equal(a.status, 413);
    http_answer_release(&a);
    http_client_close(&c);
    /* HTTP/1.0 knows no 100: it would be taken for the answer. */
    http_client_open(&c, http_bed_port(f));
    http_bed_exchange(&c,
                      "POST /read HTTP/1.0\r\nContent-Length: 5\r\n"
                      "Expect: 100-continue\r\n\r\nhello",
                      200, true);
    http_client_close(&c);
}

/* ---- framing on the wire ---- */

/* The second request must never be seen: a proxy in front would take it for the body of
 * the first, or the other way round. */
static void test_doubtful_framing_is_answered_400_and_ends_the_connection(void **state)
{
    static const char *const heads[] = {
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 50\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5abc\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        /* The library stops reading headers here, so a length behind it is not seen. */
        "X-A: b\r\n folded: c\r\nContent-Length: 5\r\n",
        "X-A: b\r\n: no name\r\nContent-Length: 5\r\n",
        "X-A: b\r\n\x80name: c\r\nContent-Length: 5\r\n",
        " X-A: b\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\n X-A: b\r\nTransfer-Encoding: chunked\r\n",
        "X-A: b\r\nno colon\r\nContent-Length: 5\r\n",
        "X-A: b\rContent-Length: 5\r\n",
        "Content-Length : 5\r\n",
        "Content-Length\t: 5\r\n",
        "X-A: b\nContent-Length: 5\r\n",
        "Content-Length: 5\n",
    };
    struct http_bed *f = *state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char request[400];
        struct http_client c;
        struct http_answer a;
        http_client_open(&c, http_bed_port(f));
        snprintf(request, sizeof request,
                 "POST /read HTTP/1.1\r\nHost: x\r\n%s\r\nhelloPOST /read "
                 "HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
                 heads[i]);
        http_client_send(&c, request);
        bool is_answered = http_client_receive(&c, true, &a);
        if (!is_answered || a.status != 400) {
            print_error("'%s': answered %d\n", heads[i], a.status);
        }
        assert_true(is_answered && a.status == 400);
        http_answer_release(&a);
        assert_true(http_client_sees_end(&c, HTTP_CLIENT_PATIENCE_MS));
        http_client_close(&c);
    }
    assert_int_equal(atomic_load(&f->seen), 0);
}

static void test_seventy_headers_are_refused_sixty_three_are_not(void **state)
{
    struct http_bed *f = *state;
    for (int count = 62; count <= 69; count += 7) {
        struct buf request = { 0 };
        struct http_answer a;
        buf_add_cstr(&request, "POST /read HTTP/1.1\r\n");
        for (int i = 0; i < count; i++) {
            buf_printf(&request, "X-%d: a\r\n", i);
        }
        buf_add_cstr(&request, "Content-Length: 2\r\n\r\nok");
        assert_int_equal(http_client_exchange(http_bed_port(f), buf_view(&request), &a),
                         count == 62 ? 200 : 400);
        http_answer_release(&a);
        buf_release(&request);
    }
    assert_int_equal(atomic_load(&f->seen), 1);
}

/* ---- load and end ---- */

static void wait_for_load(const struct http_bed *f, unsigned load)
{
    int64_t deadline = clock_mono_ms() + HTTP_CLIENT_PATIENCE_MS;
    while (http_server_load(f->server) != load) {
        if (clock_mono_ms() > deadline) {
            fail_msg("the load stays %u, expected %u", http_server_load(f->server), load);
        }
        struct timespec pause = { 0, 1000000 };
        nanosleep(&pause, NULL);
    }
}

static void test_load_counts_open_connections_and_falls_back_to_none(void **state)
{
    struct http_bed *f = *state; /* with 8 threads */
    struct http_client clients[4];
    static const char request[] = "POST /read HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(http_server_load(f->server), 0);
    for (unsigned i = 0; i < 4; i++) {
        http_client_open(&clients[i], http_bed_port(f));
        http_bed_exchange(&clients[i], request, 200, false);
    }
    assert_int_equal(http_server_load(f->server), 50);
    for (unsigned i = 0; i < 4; i++) {
        http_client_close(&clients[i]);
    }
    wait_for_load(f, 0);
    assert_int_equal(http_server_busy(f->server), 0);
}

static void test_above_four_fifths_connections_are_not_kept(void **state)
{
    struct http_bed *f = *state;
    struct http_client clients[7];
    static const char request[] = "POST /read HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    for (unsigned i = 0; i < 6; i++) {
        http_client_open(&clients[i], http_bed_port(f));
        http_bed_exchange(&clients[i], request, 200, false);
    }
    http_client_open(&clients[6], http_bed_port(f));
    http_bed_exchange(&clients[6], request, 200, true); /* 7 of 8 */
    assert_true(http_client_sees_end(&clients[6], HTTP_CLIENT_PATIENCE_MS));
    for (unsigned i = 0; i < 7; i++) {
        http_client_close(&clients[i]);
    }
}

static void test_draining_closes_each_connection_with_its_next_answer(void **state)
{
    struct http_bed *f = *state;
    static const char request[] = "POST /read HTTP/1.1\r\nContent-Length: 2\r\n\r\nok";
    struct http_client c;
    http_client_open(&c, http_bed_port(f));
    http_bed_exchange(&c, request, 200, false);
    http_server_drain(f->server);
    http_bed_exchange(&c, request, 200, true);
    assert_true(http_client_sees_end(&c, HTTP_CLIENT_PATIENCE_MS));
    http_client_close(&c);
}

static void test_requests_in_the_handler_are_busy(void **state)
{
    struct http_bed *f = *state;
    struct http_client c;
    struct http_answer a;
    http_client_open(&c, http_bed_port(f));
    http_client_send(&c, "POST /hold HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    int64_t deadline = clock_mono_ms() + HTTP_CLIENT_PATIENCE_MS;
    while (http_server_busy(f->server) != 1) {
        assert_true(clock_mono_ms() < deadline);
    }
    atomic_store(&f->is_let_go, true);
    assert_true(http_client_receive(&c, true, &a));
    http_answer_release(&a);
    http_client_close(&c);
}

static void test_stopping_ends_connections_idle_and_half_sent(void **state)
{
    struct http_bed *f = *state;
    struct http_client idle;
    struct http_client half;
    http_client_open(&idle, http_bed_port(f));
    http_bed_exchange(&idle, "POST /read HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 200,
                      false);
    http_client_open(&half, http_bed_port(f));
    http_client_send(&half, "POST /re");
    int64_t start = clock_mono_ms();
    http_server_stop(f->server);
    assert_true(clock_mono_ms() - start < 10000);
    f->server = NULL; /* stopping nothing is allowed, too */
    assert_true(http_client_sees_end(&idle, HTTP_CLIENT_PATIENCE_MS));
    http_client_close(&idle);
    http_client_close(&half);
}

static void never(void *context, struct http_exchange *e,
                  const struct http_request *request)
{
    (void)context;
    (void)e;
    (void)request;
    mem_panic(__FILE__, __LINE__, "a server that did not start handles a request");
}

static void test_an_address_that_is_taken_is_named(void **state)
{
    struct http_bed *f = *state;
    char listen[40];
    struct http_server *second = NULL;
    struct error err;
    snprintf(listen, sizeof listen, "127.0.0.1:%u", http_bed_port(f));
    struct http_server_setup setup = { .listen = listen,
                                       .threads = 1,
                                       .read_timeout_ms = 1000,
                                       .handle = never,
                                       .context = f };
    assert_false(http_server_start(&setup, &second, &err));
    assert_int_equal(err.class, ERROR_FATAL);
    assert_non_null(strstr(err.text, listen));
}

int main(void)
{
#define SERVER_TEST(name) cmocka_unit_test_setup(name, http_bed_begin)
#define OWN_SERVER_TEST(name, start)                                                     \
    cmocka_unit_test_setup_teardown(name, start, http_bed_stop)
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_many_requests_share_a_connection_without_stalls),
        SERVER_TEST(test_pipelined_requests_are_answered_in_order),
        SERVER_TEST(test_the_clients_wish_and_version_decide_on_keeping_alive),
        SERVER_TEST(test_an_answer_has_length_type_id_and_further_headers),
        SERVER_TEST(test_head_gets_the_length_but_no_body),
        SERVER_TEST(test_continue_is_sent_to_who_waits_for_it),
        SERVER_TEST(test_doubtful_framing_is_answered_400_and_ends_the_connection),
        SERVER_TEST(test_seventy_headers_are_refused_sixty_three_are_not),
        SERVER_TEST(test_load_counts_open_connections_and_falls_back_to_none),
        SERVER_TEST(test_above_four_fifths_connections_are_not_kept),
        OWN_SERVER_TEST(test_draining_closes_each_connection_with_its_next_answer,
                        http_bed_start),
        SERVER_TEST(test_requests_in_the_handler_are_busy),
        OWN_SERVER_TEST(test_stopping_ends_connections_idle_and_half_sent,
                        http_bed_start),
        SERVER_TEST(test_an_address_that_is_taken_is_named),
    };
    return cmocka_run_group_tests(tests, http_bed_start, http_bed_stop);
}
