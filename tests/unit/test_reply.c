/* The answers are what each sender can read (senders.md, 2.2), and nothing of a request
 * gets into their head unexamined. */
#include "ingest/request/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct route sdk = { .is_sdk = true, .allow = "POST, OPTIONS" };
static const struct route webhook = { .allow = "POST, PUT, PATCH" };
static const struct route unknown = { .kind = ROUTE_NOT_FOUND };

static void check_text(struct buf *out, const char *expected)
{
    assert_string_equal(buf_cstr(out), expected);
    buf_release(out);
}

static void test_a_failure_says_it_three_times(void **state)
{
    (void)state;
    struct buf out = { 0 };
    struct reply_setup setup = { .status = 503,
                                 .code = "unauthorized",
                                 .message = "compare \"it\"\n\xc3\xa9" };
    struct http_reply reply = reply_of_failure(&webhook, &setup, &out);
    assert_int_equal(reply.status, 503);
    assert_int_equal(reply.headers.len, 0);
    check_text(&out, "{\"success\":false,\"code\":\"unauthorized\","
                     "\"message\":\"compare \\\"it\\\"\\n\xc3\xa9\","
                     "\"error\":\"unauthorized\"}");
}

static void test_header_lines_of_a_failure(void **state)
{
    (void)state;
    static const struct {
        const struct route *route;
        int status;
        unsigned retry_after_s;
        const char *expected;
    } cases[] = {
        { &webhook, 503, 5, "Retry-After: 5\r\n" },
        { &webhook, 400, 0, "" },
        { &webhook, 405, 0, "Allow: POST, PUT, PATCH\r\n" },
        { &unknown, 404, 0, "" },
        { &unknown, 405, 0, "" },
        { &sdk, 401, 0, "Access-Control-Allow-Origin: *\r\n" },
        { &sdk, 405, 0, "Access-Control-Allow-Origin: *\r\nAllow: POST, OPTIONS\r\n" },
        { &sdk, 429, 17, "Access-Control-Allow-Origin: *\r\nRetry-After: 17\r\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = { 0 };
        struct reply_setup setup = { .status = cases[i].status,
                                     .code = "c",
                                     .message = "m",
                                     .retry_after_s = cases[i].retry_after_s };
        struct http_reply reply = reply_of_failure(cases[i].route, &setup, &out);
        assert_true(view_equal_cstr(reply.headers, cases[i].expected));
        assert_true(view_starts_with(reply.body, view_cstr("{\"success\":false,")));
        buf_release(&out);
    }
}

#define PREFLIGHT                                                                        \
    "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: POST, OPTIONS\r\n"  \
    "Access-Control-Max-Age: 86400\r\n"

static void test_a_preflight_reflects_what_is_a_list_of_names(void **state)
{
    (void)state;
    static const struct {
        struct view requested;
        const char *expected;
    } cases[] = {
        { VIEW_LITERAL("content-type,x-retry-count"),
          PREFLIGHT "Access-Control-Allow-Headers: content-type,x-retry-count\r\n" },
        { VIEW_LITERAL("Authorization, X_y.z"),
          PREFLIGHT "Access-Control-Allow-Headers: Authorization, X_y.z\r\n" },
        { VIEW_LITERAL(""), PREFLIGHT },
        { VIEW_LITERAL("a\r\nSet-Cookie: b"), PREFLIGHT },
        { VIEW_LITERAL("a\nb"), PREFLIGHT },
        { VIEW_LITERAL("a:b"), PREFLIGHT },
        { VIEW_LITERAL("a\0b"), PREFLIGHT },
        { VIEW_LITERAL("\xc3\xa9"), PREFLIGHT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = { 0 };
        reply_add_preflight_headers(&out, &sdk, cases[i].requested);
        check_text(&out, cases[i].expected);
    }
}

static void test_a_preflight_does_not_reflect_endlessly(void **state)
{
    (void)state;
    char names[1001];
    memset(names, 'a', sizeof names);
    struct buf out = { 0 };
    reply_add_preflight_headers(&out, &sdk, view_of(names, sizeof names));
    check_text(&out, PREFLIGHT);
    reply_add_preflight_headers(&out, &sdk, view_of(names, 1000));
    assert_true(out.len > sizeof PREFLIGHT + 1000);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_says_it_three_times),
        cmocka_unit_test(test_header_lines_of_a_failure),
        cmocka_unit_test(test_a_preflight_reflects_what_is_a_list_of_names),
        cmocka_unit_test(test_a_preflight_does_not_reflect_endlessly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
