/* Requests that two servers could cut differently are refused (reliability.md, 2.2;
 * performance.md, 4.3). What civetweb hides is tested on sockets: test_http_server.c. */
#include "ingest/http/framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define MAX_LINES 4

struct header_case {
    const char *lines[MAX_LINES]; /* "Name: value" */
    enum { REFUSED, LENGTH, CHUNKED } expected;
    int64_t content_length; /* LENGTH */
};

/* The first ':' ends the name; the value keeps its white space. */
static size_t split_lines(const char *const lines[MAX_LINES],
                          struct framing_header headers[MAX_LINES])
{
    size_t count = 0;
    while (count < MAX_LINES && lines[count] != NULL) {
        const char *line = lines[count];
        size_t name_len = strcspn(line, ":");
        headers[count].name = view_of(line, name_len);
        headers[count].value = view_cstr(line + name_len + 1);
        count++;
    }
    return count;
}

static void check(const struct header_case *c)
{
    struct framing_header headers[MAX_LINES];
    struct framing out = { 4711, true };
    size_t count = split_lines(c->lines, headers);
    const char *fault = framing_judge(headers, count, view_cstr("/v1/track"), &out);
    if ((fault == NULL) != (c->expected != REFUSED)) {
        fail_msg("'%s': %s", c->lines[0], fault == NULL ? "accepted" : fault);
    }
    assert_int_equal(out.content_length, c->expected == LENGTH ? c->content_length : -1);
    assert_int_equal(out.is_chunked, c->expected == CHUNKED);
}

static void test_headers(void **state)
{
    (void)state;
    static const struct header_case cases[] = {
        { { "Host: h" }, LENGTH, -1 },
        { { "Content-Length: 0" }, LENGTH, 0 },
        { { "content-length:12" }, LENGTH, 12 },
        { { "CONTENT-LENGTH: \t12 \t" }, LENGTH, 12 },
        { { "Content-Length: 007" }, LENGTH, 7 },
        { { "Content-Length: 9223372036854775807" }, LENGTH, INT64_MAX },
        { { "Content-Length: 9223372036854775808" }, REFUSED, 0 },
        { { "Content-Length: 18446744073709551617" }, REFUSED, 0 },
        { { "Content-Length: 99999999999999999999" }, REFUSED, 0 },
        { { "Content-Length: " }, REFUSED, 0 },
        { { "Content-Length: +5" }, REFUSED, 0 },
        { { "Content-Length: -5" }, REFUSED, 0 },
        { { "Content-Length: 5abc" }, REFUSED, 0 },
        { { "Content-Length: 5, 5" }, REFUSED, 0 },
        { { "Content-Length: 5 5" }, REFUSED, 0 },
        { { "Content-Length: 0x5" }, REFUSED, 0 },
        { { "Content-Length: 5.0" }, REFUSED, 0 },
        { { "Content-Length: 5", "Content-Length: 5" }, REFUSED, 0 },
        { { "Content-Length: 5", "Host: h", "content-length: 6" }, REFUSED, 0 },
        { { "Transfer-Encoding: chunked" }, CHUNKED, -1 },
        { { "transfer-encoding: CHUNKED " }, CHUNKED, -1 },
        { { "Transfer-Encoding: identity" }, REFUSED, 0 },
        { { "Transfer-Encoding: gzip" }, REFUSED, 0 },
        { { "Transfer-Encoding: gzip, chunked" }, REFUSED, 0 },
        { { "Transfer-Encoding: chunked, chunked" }, REFUSED, 0 },
        { { "Transfer-Encoding: xchunked" }, REFUSED, 0 },
        { { "Transfer-Encoding: " }, REFUSED, 0 },
        { { "Transfer-Encoding: chunked", "Transfer-Encoding: chunked" }, REFUSED, 0 },
        { { "Transfer-Encoding: identity", "Transfer-Encoding: chunked" }, REFUSED, 0 },
        { { "Transfer-Encoding: chunked", "Content-Length: 5" }, REFUSED, 0 },
        { { "Content-Length: 5", "Transfer-Encoding: chunked" }, REFUSED, 0 },
        { { "Content-Length : 5" }, REFUSED, 0 },
        { { "Content Length: 5" }, REFUSED, 0 },
        { { "Content-Length\t: 5" }, REFUSED, 0 },
        { { " Content-Length: 5" }, REFUSED, 0 },
        { { ": 5" }, REFUSED, 0 },
        { { "X\x01: 5" }, REFUSED, 0 },
        { { "X\xc3\xa9: 5" }, REFUSED, 0 },
        { { "X\"y: 5" }, REFUSED, 0 },
        { { "!#$%&'*+-.^_`|~09azAZ: 5" }, LENGTH, -1 },
        { { "X-Content-Length: 5abc", "Content-Lengthy: x" }, LENGTH, -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check(&cases[i]);
    }
}

static void test_a_nul_in_a_value_is_no_number(void **state)
{
    (void)state;
    struct framing out;
    struct framing_header header = { view_cstr("Content-Length"), view_of("5\0", 2) };
    assert_non_null(framing_judge(&header, 1, view_cstr("/"), &out));
    header.name = view_of("X\0Y", 3);
    assert_non_null(framing_judge(&header, 1, view_cstr("/"), &out));
}

static void test_64_headers_are_the_most(void **state)
{
    (void)state;
    struct framing_header headers[FRAMING_MAX_HEADERS + 1];
    struct framing out;
    for (size_t i = 0; i <= FRAMING_MAX_HEADERS; i++) {
        headers[i] = (struct framing_header){ view_cstr("X-A"), view_cstr("b") };
    }
    headers[63] = (struct framing_header){ view_cstr("Content-Length"), view_cstr("9") };
    assert_null(framing_judge(headers, 64, view_cstr("/"), &out));
    assert_int_equal(out.content_length, 9);
    assert_non_null(framing_judge(headers, 65, view_cstr("/"), &out));
    assert_int_equal(out.content_length, -1);
    assert_null(framing_judge(NULL, 0, view_cstr("/"), &out));
}

static void test_an_encoded_nul_in_the_path_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool is_accepted;
    } cases[] = {
        { "/v1/track", true },     { "/v1/a%00b", false }, { "/%00", false },
        { "/v1/track%00", false }, { "/%0", true },        { "/%0%00", false },
        { "/%01%10", true },       { "/%2500", true },     { "", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct framing out;
        const char *fault = framing_judge(NULL, 0, view_cstr(cases[i].path), &out);
        assert_int_equal(fault == NULL, cases[i].is_accepted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_a_nul_in_a_value_is_no_number),
        cmocka_unit_test(test_64_headers_are_the_most),
        cmocka_unit_test(test_an_encoded_nul_in_the_path_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
