/* What people type: all of it is the value, or it is refused. */
#include "common/base/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct number_case {
    const char *text;
    bool is_accepted;
    uint64_t value;
};

typedef bool (*parse_fn)(struct view text, uint64_t *out, struct error *err);

static void assert_accepted(const char *text, bool is_accepted, bool expected)
{
    if (is_accepted != expected) {
        fail_msg("'%s' was %s", text, is_accepted ? "accepted" : "refused");
    }
}

static void check_all(parse_fn parse, const struct number_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 4711;
        struct error err = { .class = ERROR_FATAL };
        bool is_accepted = parse(view_cstr(cases[i].text), &value, &err);
        assert_accepted(cases[i].text, is_accepted, cases[i].is_accepted);
        assert_int_equal(value, is_accepted ? cases[i].value : 4711);
        assert_true(is_accepted || (err.class == ERROR_INVALID && err.text[0] != '\0'));
    }
}

#define CHECK_ALL(parse, cases) check_all(parse, cases, sizeof(cases) / sizeof(cases)[0])

static void test_whole_numbers(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        { "0", true, 0 },
        { "007", true, 7 },
        { "18446744073709551615", true, UINT64_MAX },
        { "18446744073709551616", false, 0 },
        { "99999999999999999999999", false, 0 },
        { "", false, 0 },
        { "-1", false, 0 },
        { "+1", false, 0 },
        { " 1", false, 0 },
        { "1 ", false, 0 },
        { "0x10", false, 0 },
        { "1e3", false, 0 },
        { "1_000", false, 0 },
    };
    CHECK_ALL(parse_u64, cases);
    uint64_t value = 0;
    struct error err;
    assert_false(parse_u64(view_of("1\0", 2), &value, &err));
    assert_false(parse_u64(view_of(NULL, 0), &value, &err));
}

static void test_signed_numbers_reach_both_limits(void **state)
{
    (void)state;
    int64_t value = 0;
    struct error err;
    assert_true(parse_i64(view_cstr("-9223372036854775808"), &value, &err));
    assert_true(value == INT64_MIN);
    assert_true(parse_i64(view_cstr("9223372036854775807"), &value, &err));
    assert_true(value == INT64_MAX);
    assert_true(parse_i64(view_cstr("-0"), &value, &err));
    assert_int_equal(value, 0);
    assert_false(parse_i64(view_cstr("-9223372036854775809"), &value, &err));
    assert_false(parse_i64(view_cstr("9223372036854775808"), &value, &err));
    assert_false(parse_i64(view_cstr("-"), &value, &err));
    assert_false(parse_i64(view_cstr("--1"), &value, &err));
    assert_false(parse_i64(view_of(NULL, 0), &value, &err));
}

static void test_durations_carry_a_unit(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        { "0s", true, 0 },
        { "500ms", true, 500 },
        { "20s", true, 20000 },
        { "5m", true, 300000 },
        { "4h", true, 14400000 },
        { "14d", true, 1209600000 },
        { "18446744073709551615ms", true, UINT64_MAX },
        { "18446744073709551615s", false, 0 },
        { "0", false, 0 },
        { "20", false, 0 },
        { "1.5s", false, 0 },
        { "-1s", false, 0 },
        { "s", false, 0 },
        { "20 s", false, 0 },
        { "20S", false, 0 },
        { "1h30m", false, 0 },
        { "", false, 0 },
    };
    CHECK_ALL(parse_duration_ms, cases);
}

static void test_sizes_carry_a_unit(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        { "0B", true, 0 },
        { "512B", true, 512 },
        { "64KiB", true, 65536 },
        { "20MiB", true, 20971520 },
        { "1GiB", true, 1073741824 },
        { "1kB", true, 1000 },
        { "1MB", true, 1000000 },
        { "1GB", true, 1000000000 },
        { "17179869184GiB", false, 0 },
        { "1024", false, 0 },
        { "1KB", false, 0 },
        { "1mib", false, 0 },
        { "MiB", false, 0 },
        { "", false, 0 },
    };
    CHECK_ALL(parse_size_bytes, cases);
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        uint16_t port;
    } cases[] = {
        { "127.0.0.1:8080", "127.0.0.1", 8080 },
        { "localhost:1", "localhost", 1 },
        { ":8080", "", 8080 },
        { "[::1]:65535", "::1", 65535 },
        { "0.0.0.0:0", "0.0.0.0", 0 },
        { "127.0.0.1:65536", NULL, 0 },
        { "127.0.0.1:", NULL, 0 },
        { "127.0.0.1", NULL, 0 },
        { "8080", NULL, 0 },
        { "", NULL, 0 },
        { "::1:8080", NULL, 0 },
        { "[::1:8080", NULL, 0 },
        { "[]:8080", NULL, 0 },
        { "http://a:80", NULL, 0 },
        { "a b:80", NULL, 0 },
        { "a:-1", NULL, 0 },
        { "a:80,b:81", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct view host = { 0 };
        uint16_t port = 0;
        struct error err;
        bool is_accepted = parse_host_port(view_cstr(cases[i].text), &host, &port, &err);
        assert_accepted(cases[i].text, is_accepted, cases[i].host != NULL);
        assert_true(!is_accepted || view_equal_cstr(host, cases[i].host));
        assert_int_equal(port, cases[i].port);
    }
}

static void test_values_are_shown_in_the_largest_unit_that_divides_them(void **state)
{
    (void)state;
    char text[32];
    static const struct {
        uint64_t value;
        const char *duration;
        const char *size;
    } cases[] = {
        { 0, "0s", "0B" },
        { 1500, "1500ms", "1500B" },
        { 60000, "1m", "60000B" },
        { 86400000, "1d", "84375KiB" },
        { 20971520, "20971520ms", "20MiB" },
        { UINT64_MAX, "18446744073709551615ms", "18446744073709551615B" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        parse_format_duration(cases[i].value, text);
        assert_string_equal(text, cases[i].duration);
        parse_format_size(cases[i].value, text);
        assert_string_equal(text, cases[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_signed_numbers_reach_both_limits),
        cmocka_unit_test(test_durations_carry_a_unit),
        cmocka_unit_test(test_sizes_carry_a_unit),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_values_are_shown_in_the_largest_unit_that_divides_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
