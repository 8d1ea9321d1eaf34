/* Heads on the wire: what civetweb hides or refuses by itself, and what it may not. */
#include "tests/support/http_bed.h"

#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SMUGGLED "POST /read HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"

/* The answer is one that senders can read, and nothing behind it is answered. */
static void check_refused(struct http_bed *f, struct view request, int status)
{
    struct http_client c;
    struct http_answer a;
    struct view id = { NULL, 0 };
    http_client_open(&c, http_bed_port(f));
    assert_true(http_client_try_send(&c, request));
    if (!http_client_receive(&c, true, &a) || a.status != status) {
        fail_msg("'%.*s': answered %d", VIEW_ARG(request), a.status);
    }
    http_bed_assert_header(&a, "Content-Type", "application/json");
    http_bed_assert_header(&a, "Connection", "close");
    http_bed_assert_header(&a, "Access-Control-Allow-Origin", "*");
    assert_true(http_answer_header(&a, "X-Request-Id", &id) && id.len > 0);
    assert_non_null(strstr(buf_cstr(&a.body), "{\"success\":false,\"code\":\""));
    assert_non_null(strstr(buf_cstr(&a.body), "\"message\":\""));
    assert_non_null(strstr(buf_cstr(&a.body), "\"error\":\""));
    http_answer_release(&a);
    assert_true(http_client_sees_end(&c, HTTP_CLIENT_PATIENCE_MS));
    http_client_close(&c);
}

static void test_heads_that_two_servers_could_read_differently(void **state)
{
    static const char *const requests[] = {
        "POST  /read HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST /read  HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST /read?a  HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST \r\n/read HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST /read \r\nHTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST /read HTTP/1.1\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST /read HTTP/1.1\nContent-Length: 5\n\nhello" SMUGGLED,
        "POST /read HTTP/1.1\r\nContent-Length: 5\r\nX-A: b\n\nhello" SMUGGLED,
        "POST /read HTTP/1.1\r\n\tX-A: b\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST /read HTTP/1.1\r\n \r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST /read HTTP/1.1\r\nX-A:\r\n b\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST /read HTTP/1.1\r\nX-A :\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST /read HTTP/1.1\r\nX\xc3\xa9: b\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
        "POST /read HTTP/1.1\r\nContent-Length: 0\r\n:\r\n\r\n" SMUGGLED,
        "POST /read HTTP/1.1\r\n\r\n" SMUGGLED,
        "POST /read HTTP/1.1\r\n: a\r\n\r\n" SMUGGLED,
        "POST /read HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
        "POST /read%00 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED,
    };
    struct http_bed *f = *state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        check_refused(f, view_cstr(requests[i]), 400);
    }
    assert_int_equal(atomic_load(&f->seen), 0);
}

static void test_heads_that_nobody_can_read(void **state)
{
    static const struct view requests[] = {
        VIEW_LITERAL("hello\r\n\r\n"),
        VIEW_LITERAL("\r\n\r\n"),
        VIEW_LITERAL("POST /read\r\n\r\n"),
        VIEW_LITERAL("BREW /read HTTP/1.1\r\nHost: x\r\n\r\n"),
        VIEW_LITERAL("post /read HTTP/1.1\r\nHost: x\r\n\r\n"),
        VIEW_LITERAL("POST /read FTP/1.1\r\nHost: x\r\n\r\n"),
        VIEW_LITERAL("POST /read HTTP/2.0\r\nHost: x\r\n\r\n"),
        VIEW_LITERAL("POST /read HTTP/1.1\"},{\r\nHost: x\r\n\r\n"),
        VIEW_LITERAL("POST read HTTP/1.1\r\nHost: x\r\n\r\n"),
        VIEW_LITERAL("POST /read HTTP/1.1\r\nX: a\0b\r\n\r\n"),
        VIEW_LITERAL("POST /re\x01"
                     "d HTTP/1.1\r\nHost: x\r\n\r\n"),
        VIEW_LITERAL("POST /read HTTP/1.1\r\nContent-Length: -5\r\n\r\n"),
        VIEW_LITERAL("POST /read HTTP/1.1\r\nContent-Length:\r\n\r\n"),
        VIEW_LITERAL("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), /* TLS */
    };
    struct http_bed *f = *state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        check_refused(f, requests[i], 400);
    }
    assert_int_equal(atomic_load(&f->seen), 0);
}

static struct buf with_headers(unsigned count, size_t value_len)
{
    struct buf out = { 0 };
    buf_add_cstr(&out, "POST /read HTTP/1.1\r\n");
    for (unsigned i = 1; i < count; i++) {
        buf_printf(&out, "X-%u: ", i);
        for (size_t k = 0; k < value_len; k++) {
            buf_add_char(&out, 'v');
        }
        buf_add_cstr(&out, "\r\n");
    }
    buf_add_cstr(&out, "Content-Length: 5\r\n\r\nhello");
    return out;
}

static void test_64_headers_are_read_and_65_refused(void **state)
{
    struct http_bed *f = *state;
    struct http_client c;
    struct buf request = with_headers(64, 3);
    http_client_open(&c, http_bed_port(f));
    http_bed_exchange(&c, buf_cstr(&request), 200, false);
    http_bed_assert_body(f, view_cstr("hello"));
    http_bed_exchange(&c, buf_cstr(&request), 200, false);
    http_client_close(&c);
    buf_release(&request);
    request = with_headers(65, 3);
    check_refused(f, buf_view(&request), 400);
    buf_release(&request);
    assert_int_equal(atomic_load(&f->seen), 2);
}

static void test_a_head_of_more_than_16_kib_is_refused(void **state)
{
    struct http_bed *f = *state;
    struct buf request = with_headers(17, 1000); /* about 16,100 bytes */
    struct http_client c;
    http_client_open(&c, http_bed_port(f));
    http_bed_exchange(&c, buf_cstr(&request), 200, false);
    http_client_close(&c);
    buf_release(&request);
    request = with_headers(18, 1000);
    check_refused(f, buf_view(&request), 400);
    buf_release(&request);
    assert_int_equal(atomic_load(&f->seen), 1);
}

static void test_unusual_heads_that_are_clear(void **state)
{
    static const char *const requests[] = {
        "POST /read HTTP/1.1\r\nContent-Length:5\r\n\r\nhello",
        "POST /read HTTP/1.1\r\nX-A:\r\nContent-Length:   5   \r\n\r\nhello",
        "POST /read HTTP/1.1\r\nX-A:   \r\ncontent-length: 005\r\n\r\nhello",
        "POST /read HTTP/1.1\r\nX-A: caf\xc3\xa9:\"b\r\nContent-Length: 5\r\n\r\nhello",
        "POST /read HTTP/1.1\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
        "POST /read HTTP/1.1\r\nContent-Length: 5\r\nX-A:\r\n\r\nhello",
        "POST /read? HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        "POST /read?a=b?c%00 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        "POST http://any.example/read HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        /* RFC 9112, 2.2: old clients send an empty line behind a body. */
        "\r\nPOST /read HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    };
    struct http_bed *f = *state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct http_client c;
        char request[200];
        snprintf(request, sizeof request, "%s", requests[i]);
        char *host = strstr(request, "any.example");
        if (host != NULL) { /* an absolute target names the port it came to */
            snprintf(request, sizeof request,
                     "POST http://any.example:%u/read HTTP/1.1\r\nContent-Length: 5\r\n"
                     "\r\nhello",
                     http_bed_port(f));
        }
        http_client_open(&c, http_bed_port(f));
        http_bed_exchange(&c, request, 200, false);
        http_bed_assert_body(f, view_cstr("hello"));
        http_bed_exchange(&c, request, 200, false);
        http_client_close(&c);
    }
}

/* civetweb calls it malformed; but 400 is final for Segment, and 503 is not. */
static void test_a_head_that_does_not_come_in_time_is_503(void **state)
{
    struct http_bed *f = *state;
    int64_t start = clock_mono_ms();
    check_refused(f, view_cstr("POST /read HTTP/1.1\r\nContent-Le"), 503);
    assert_true(clock_mono_ms() - start >= HTTP_BED_READ_TIMEOUT_MS);
    assert_int_equal(atomic_load(&f->seen), 0);
}

/* ---- what only other servers show ---- */

static void reply_by_path(void *context, struct http_exchange *e,
                          const struct http_request *request)
{
    char text[16];
    (void)context;
    int len = snprintf(text, sizeof text, "%u", http_load(e));
    bool is_empty = view_equal_cstr(request->path, "/nothing");
    struct http_reply reply = { .status = is_empty ? 204 : 200,
                                .content_type = "text/plain",
                                .body = view_of(text, (size_t)len) };
    http_reply(e, &reply);
}

static struct http_server *start_with(unsigned threads)
{
    struct http_server *s = NULL;
    struct error err;
    struct http_server_setup setup = { .listen = "127.0.0.1:0",
                                       .threads = threads,
                                       .read_timeout_ms = 1000,
                                       .keep_alive_ms = 15000,
                                       .handle = reply_by_path };
    assert_true(http_server_start(&setup, &s, &err));
    return s;
}

/* One worker: it may not refuse for its own connection, nor wait for it. */
static void test_a_server_of_one_thread_serves_one_after_the_other(void **state)
{
    (void)state;
    struct http_server *s = start_with(1);
    struct http_client clients[3];
    for (unsigned i = 0; i < 3; i++) {
        http_client_open(&clients[i], http_server_port(s));
        http_client_send(&clients[i], "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    }
    for (unsigned i = 0; i < 3; i++) {
        struct http_answer a;
        assert_true(http_client_receive(&clients[i], true, &a));
        assert_string_equal(buf_cstr(&a.body), "0");
        http_bed_assert_header(&a, "Connection", "close");
        http_bed_assert_header(&a, "Content-Type", "text/plain");
        http_answer_release(&a);
        http_client_close(&clients[i]);
    }
    http_server_stop(s);
}

static void test_204_has_neither_body_nor_length(void **state)
{
    (void)state;
    struct http_server *s = start_with(4);
    struct http_client c;
    struct view value;
    http_client_open(&c, http_server_port(s));
    for (unsigned i = 0; i < 2; i++) {
        struct http_answer a;
        http_client_send(&c, "OPTIONS /nothing HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
        assert_true(http_client_receive(&c, false, &a));
        assert_int_equal(a.status, 204);
        assert_false(http_answer_header(&a, "Content-Length", &value));
        assert_false(http_answer_header(&a, "Content-Type", &value));
        http_answer_release(&a);
    }
    http_client_close(&c);
    http_server_stop(s);
}

static void assert_refused(const char *address)
{
    struct http_server *s = NULL;
    struct error err = { .text = "" };
    struct http_server_setup setup = {
        .listen = address, .threads = 1, .read_timeout_ms = 1000, .handle = reply_by_path
    };
    if (http_server_start(&setup, &s, &err)) {
        fail_msg("'%s' is listened on", address);
    }
    assert_true(err.text[0] != '\0');
    assert_null(s);
}

/* Two of this machine's addresses on one port: each is served. */
static void test_several_addresses_are_listened_on(void **state)
{
    (void)state;
    struct http_server *first = start_with(1); /* for a port that is free */
    unsigned port = http_server_port(first);
    char listen[64];
    struct http_server *s = NULL;
    struct error err;
    http_server_stop(first);
    snprintf(listen, sizeof listen, "127.0.0.2:%u, 127.0.0.1:%u", port, port);
    struct http_server_setup setup = {
        .listen = listen, .threads = 2, .read_timeout_ms = 1000, .handle = reply_by_path
    };
    assert_true(http_server_start(&setup, &s, &err));
    struct http_answer a = { .status = 0 };
    assert_int_equal(
        http_client_exchange((uint16_t)port,
                             view_cstr("POST /nothing HTTP/1.1\r\nContent-Length: "
                                       "0\r\n\r\n"),
                             &a),
        204);
    http_answer_release(&a);
    http_server_stop(s);
}

/* Debian's civetweb has no IPv6; one that has takes it. */
static void test_ipv6_is_listened_on_or_refused_with_words(void **state)
{
    (void)state;
    struct http_server *s = NULL;
    struct error err = { .text = "" };
    struct http_server_setup setup = { .listen = "[::1]:0",
                                       .threads = 1,
                                       .read_timeout_ms = 1000,
                                       .handle = reply_by_path };
    if (http_server_start(&setup, &s, &err)) {
        assert_true(http_server_port(s) > 0);
        http_server_stop(s);
    } else {
        assert_non_null(strstr(err.text, "proxy in front"));
    }
}

static void test_addresses_that_are_not_plain_are_refused(void **state)
{
    static const char *const addresses[] = {
        "",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0s",
        "0s",
        "0,127.0.0.1:0",
        "0s,127.0.0.1:0",
        "127.0.0.1:0,",
        "127.0.0.1:0,,127.0.0.1:0",
        "127.0.0.1:0,127.0.0.1:0s",
        "+8080",
        "127.0.0.1:99999",
        "256.0.0.1:0",
        "no-such-host.invalid:0",
    };
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        assert_refused(addresses[i]);
    }
}

int main(void)
{
#define SERVER_TEST(name) cmocka_unit_test_setup(name, http_bed_begin)
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_heads_that_two_servers_could_read_differently),
        SERVER_TEST(test_heads_that_nobody_can_read),
        SERVER_TEST(test_64_headers_are_read_and_65_refused),
        SERVER_TEST(test_a_head_of_more_than_16_kib_is_refused),
        SERVER_TEST(test_unusual_heads_that_are_clear),
        SERVER_TEST(test_a_head_that_does_not_come_in_time_is_503),
        cmocka_unit_test(test_a_server_of_one_thread_serves_one_after_the_other),
        cmocka_unit_test(test_204_has_neither_body_nor_length),
        cmocka_unit_test(test_several_addresses_are_listened_on),
        cmocka_unit_test(test_ipv6_is_listened_on_or_refused_with_words),
        cmocka_unit_test(test_addresses_that_are_not_plain_are_refused),
    };
    return cmocka_run_group_tests(tests, http_bed_start, http_bed_stop);
}
