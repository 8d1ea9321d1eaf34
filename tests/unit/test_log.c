/* Log lines: hostile values stay values, in both formats. */
#include "tests/support/capture.h"

#include "common/service/log.h"

#include <math.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What a child logs: one event with one value, in one format. */
struct written {
    enum log_format format;
    struct view value;
};

static int write_value(const void *context)
{
    const struct written *w = context;
    log_configure(LOG_INFO, w->format);
    log_info("tried", log_view("value", w->value), log_int("next", -1));
    return 0;
}

/* The line without its time. */
static void check_line(enum log_format format, struct view value, const char *expected)
{
    struct written w = { format, value };
    struct capture c;
    capture_run(write_value, &w, &c);
    const char *line =
        strstr(buf_cstr(&c.err), format == LOG_JSON ? "\"level\"" : "level=");
    assert_non_null(line);
    assert_string_equal(line, expected);
    capture_release(&c);
}

static void check_values(enum log_format format, const char *before,
                         const char *const (*cases)[2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf expected = { 0 };
        buf_printf(&expected, "%s%s%s", before, cases[i][1],
                   format == LOG_JSON ? ",\"next\":-1}\n" : " next=-1\n");
        check_line(format, view_cstr(cases[i][0]), buf_cstr(&expected));
        buf_release(&expected);
    }
}

static void test_logfmt_quotes_what_could_be_read_as_something_else(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "plain", "plain" },
        { "a/b:c,d", "a/b:c,d" },
        { "\xc3\xa4", "\xc3\xa4" },
        { "", "\"\"" },
        { "two words", "\"two words\"" },
        { "a=b", "\"a=b\"" },
        { "say \"hi\"", "\"say \\\"hi\\\"\"" },
        { "back\\slash", "\"back\\\\slash\"" },
        { "x\nts=1 level=error event=forged", "\"x\\nts=1 level=error event=forged\"" },
        { "\x1b[2J", "\"\\u001b[2J\"" },
        { "\xff\xfe", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
    };
    check_values(LOG_LOGFMT, "level=info event=tried value=", cases,
                 sizeof cases / sizeof cases[0]);
    check_line(LOG_LOGFMT, view_of("a\0b", 3),
               "level=info event=tried value=\"a\\u0000b\" next=-1\n");
}

static void test_json_values_are_json_strings(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "plain", "\"plain\"" },
        { "", "\"\"" },
        { "say \"hi\"", "\"say \\\"hi\\\"\"" },
        { "x\"}\n{\"level\":\"error\"", "\"x\\\"}\\n{\\\"level\\\":\\\"error\\\"\"" },
        { "\t\r\b", "\"\\t\\r\\u0008\"" },
        { "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
    };
    check_values(LOG_JSON, "\"level\":\"info\",\"event\":\"tried\",\"value\":", cases,
                 sizeof cases / sizeof cases[0]);
}

static void test_a_long_value_is_cut(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'a', sizeof text);
    struct written w = { LOG_LOGFMT, view_of(text, sizeof text) };
    struct capture c;
    capture_run(write_value, &w, &c);
    assert_in_range(c.err.len, 1024, 1200);
    assert_non_null(strstr(buf_cstr(&c.err), "a\xe2\x80\xa6\" next=-1\n"));
    capture_release(&c);
}

static int write_numbers(const void *context)
{
    log_configure(LOG_DEBUG, *(const enum log_format *)context);
    log_debug("numbers", log_uint("uint", UINT64_MAX), log_int("int", INT64_MIN),
              log_real("real", 0.25), log_real("nan", (double)NAN),
              log_text("none", NULL));
    return 0;
}

static void check_numbers(enum log_format format, const char *pattern)
{
    struct capture c;
    capture_run(write_numbers, &format, &c);
    regex_t compiled;
    assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&compiled, buf_cstr(&c.err), 0, NULL, 0) != 0) {
        fail_msg("not as expected: %s", buf_cstr(&c.err));
    }
    regfree(&compiled);
    capture_release(&c);
}

#define TIME "20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z"

static void test_a_line_begins_with_the_time_in_utc(void **state)
{
    (void)state;
    check_numbers(LOG_LOGFMT,
                  "^ts=" TIME " level=debug event=numbers uint=18446744073709551615 "
                  "int=-9223372036854775808 real=0.25 nan=null none=\"\"\n$");
    check_numbers(LOG_JSON,
                  "^[{]\"ts\":\"" TIME "\",\"level\":\"debug\",\"event\":\"numbers\","
                  "\"uint\":18446744073709551615,\"int\":-9223372036854775808,"
                  "\"real\":0.25,\"nan\":null,\"none\":\"\"[}]\n$");
}

static int write_levels(const void *unused)
{
    (void)unused;
    log_configure(LOG_WARN, LOG_LOGFMT);
    log_debug("a", log_int("x", 1));
    log_info("b", log_int("x", 1));
    log_warn("c", log_int("x", 1));
    log_error("d", log_int("x", 1));
    return log_enabled(LOG_INFO) || !log_enabled(LOG_WARN);
}

static void test_lower_levels_are_left_out(void **state)
{
    (void)state;
    struct capture c;
    capture_run(write_levels, NULL, &c);
    assert_int_equal(c.exit_code, 0);
    assert_null(strstr(buf_cstr(&c.err), "event=a"));
    assert_null(strstr(buf_cstr(&c.err), "event=b"));
    assert_non_null(strstr(buf_cstr(&c.err), "level=warn event=c"));
    assert_non_null(strstr(buf_cstr(&c.err), "level=error event=d"));
    assert_int_equal(c.out.len, 0);
    capture_release(&c);
}

static int have_an_outage(const void *unused)
{
    (void)unused;
    struct log_outage o = { 0 };
    struct error err;
    error_set(&err, ERROR_RETRY, ERROR_FROM_KAFKA, "_TRANSPORT", "broker 1 away");
    log_outage_end(&o, "kafka"); /* nothing was wrong */
    for (int i = 0; i < 5; i++) {
        log_outage_begin(&o, "kafka", &err);
    }
    log_outage_end(&o, "kafka");
    log_outage_end(&o, "kafka");
    return o.is_on;
}

static void test_an_outage_is_one_line_at_its_start_and_one_at_its_end(void **state)
{
    (void)state;
    struct capture c;
    capture_run(have_an_outage, NULL, &c);
    assert_int_equal(c.exit_code, 0);
    char *line = strtok(c.err.data, "\n");
    assert_non_null(strstr(line, "level=warn event=kafka_away class=retry origin=kafka "
                                 "code=_TRANSPORT error=\"broker 1 away\""));
    line = strtok(NULL, "\n");
    assert_non_null(strstr(line, "level=info event=kafka_back duration_ms="));
    assert_non_null(strstr(line, " failures=5"));
    capture_release(&c);
}

#define THREADS 4
#define LINES 200

static void *write_lines(void *unused)
{
    char text[2000];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < LINES; i++) {
        log_info("line", log_view("value", view_of(text, sizeof text)));
    }
    return unused;
}

static int write_from_threads(const void *unused)
{
    (void)unused;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_create(&threads[i], NULL, write_lines, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    return 0;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    struct capture c;
    capture_run(write_from_threads, NULL, &c);
    size_t lines = 0;
    for (char *line = strtok(c.err.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_int_equal(strncmp(line, "ts=", 3), 0);
        assert_int_equal(line[strlen(line) - 1], '"');
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
    capture_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt_quotes_what_could_be_read_as_something_else),
        cmocka_unit_test(test_json_values_are_json_strings),
        cmocka_unit_test(test_a_long_value_is_cut),
        cmocka_unit_test(test_a_line_begins_with_the_time_in_utc),
        cmocka_unit_test(test_lower_levels_are_left_out),
        cmocka_unit_test(test_an_outage_is_one_line_at_its_start_and_one_at_its_end),
        cmocka_unit_test(test_lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
