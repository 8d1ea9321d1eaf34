/* Reading and writing times: accepted and refused spellings, both ends of the range,
 * every day. */
#include "loader/mapping/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

struct time_case {
    const char *text;
    const char *written; /* NULL: refused */
};

static const struct time_case cases[] = {
    { "2026-12-04T10:00:00.123Z", "2026-12-04 10:00:00.123+00" },
    { "2026-12-04T10:00:00Z", "2026-12-04 10:00:00+00" },
    { "2026-12-04t10:00:00z", "2026-12-04 10:00:00+00" },
    { "2026-12-04T10:00:00", "2026-12-04 10:00:00+00" },
    { "2026-12-04", "2026-12-04 00:00:00+00" },
    { "2026-12-04T10:00:00+02:00", "2026-12-04 08:00:00+00" },
    { "2026-12-04T10:00:00-05:30", "2026-12-04 15:30:00+00" },
    { "2026-12-04T10:00:00-00:00", "2026-12-04 10:00:00+00" },
    { "2026-12-04T10:00:00+23:59", "2026-12-03 10:01:00+00" },
    { "2026-12-04T10:00:00.1Z", "2026-12-04 10:00:00.1+00" },
    { "2026-12-04T10:00:00.000001Z", "2026-12-04 10:00:00.000001+00" },
    { "2026-12-04T10:00:00.1234567Z", "2026-12-04 10:00:00.123456+00" },
    { "2026-12-04T10:00:00.999999999Z", "2026-12-04 10:00:00.999999+00" },
    { "2026-12-04T10:00:00.000000001", "2026-12-04 10:00:00+00" },
    { "1969-12-31T23:59:59.999999999Z", "1969-12-31 23:59:59.999999+00" },
    { "2024-02-29T00:00:00Z", "2024-02-29 00:00:00+00" },
    { "2000-02-29", "2000-02-29 00:00:00+00" },
    { "0001-01-01T00:00:00Z", "0001-01-01 00:00:00+00" },
    { "9999-12-31T23:59:59.999999Z", "9999-12-31 23:59:59.999999+00" },
    { "9999-12-31T23:59:59.999999999Z", "9999-12-31 23:59:59.999999+00" },
    { "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.29",
      "2020-05-09 23:54:49.209808+00" },
    { "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.298768264",
      "2020-05-09 23:54:49.209808+00" },
    { "2020-05-09 23:54:49.209808489 +0000 UTC m=-0.5", "2020-05-09 23:54:49.209808+00" },
    { "2020-05-09 23:54:49 +0000 UTC", "2020-05-09 23:54:49+00" },
    { "2020-05-09 23:54:49.2 +0200 CEST", "2020-05-09 21:54:49.2+00" },
    { "2020-05-09 23:54:49.2 -0300 -03", "2020-05-10 02:54:49.2+00" },
    /* refused */
    { "", NULL },
    { "now", NULL },
    { "infinity", NULL },
    { "-infinity", NULL },
    { "today", NULL },
    { "epoch", NULL },
    { " 2026-12-04", NULL },
    { "2026-12-04 ", NULL },
    { "2026-12-04T10:00:00Z ", NULL },
    { "2026-12-04T10:00:00 Z", NULL },
    { "2026-12-04 10:00:00Z", NULL },
    { "2026-12-04 10:00:00", NULL },
    { "2026-12-04 10:00:00+00", NULL },
    { "2026-12-04T10:00Z", NULL },
    { "2026-12-04T10Z", NULL },
    { "2026-12-04T", NULL },
    { "2026-12-04Z", NULL },
    { "2026-12", NULL },
    { "2026-1-4", NULL },
    { "20261204T100000Z", NULL },
    { "2026-12-04T10:00:00.Z", NULL },
    { "2026-12-04T10:00:00,5Z", NULL },
    { "2026-12-04T10:00:00.1234567890Z", NULL },
    { "2026-12-04T10:00:00+0200", "2026-12-04 08:00:00+00" },
    { "2026-12-04T10:00:00.25-0530", "2026-12-04 15:30:00.25+00" },
    { "2026-12-04T10:00:00+08", "2026-12-04 02:00:00+00" },
    { "2026-12-04T10:00:00-08", "2026-12-04 18:00:00+00" },
    { "2026-12-04T10:00:00+8", NULL },
    { "2026-12-04T10:00:00+080", NULL },
    { "2026-12-04T10:00:00+08:", NULL },
    { "2026-12-04T10:00:00+08:0", NULL },
    { "2026-12-04T10:00:00+08::00", NULL },
    { "2026-12-04T10:00:00+08000", NULL },
    { "2026-12-04T10:00:00+2400", NULL },
    { "2026-12-04T10:00:00+24", NULL },
    { "2026-12-04T10:00:00+0860", NULL },
    { "2026-12-04T10:00:00+24:00", NULL },
    { "2026-12-04T10:00:00+02:60", NULL },
    { "2026-12-04T10:00:00ZZ", NULL },
    { "2026-12-04T10:00:00 UTC", NULL },
    { "2026-12-04T24:00:00Z", NULL },
    { "2026-12-04T23:60:00Z", NULL },
    { "2016-12-31T23:59:60Z", NULL },
    { "2026-02-29T00:00:00Z", NULL },
    { "1900-02-29T00:00:00Z", NULL },
    { "2026-02-30", NULL },
    { "2026-04-31", NULL },
    { "2026-00-10", NULL },
    { "2026-13-10", NULL },
    { "2026-12-00", NULL },
    { "2026-12-32", NULL },
    { "0000-01-01T00:00:00Z", NULL },
    { "10000-01-01T00:00:00Z", NULL },
    { "+010000-01-01T00:00:00Z", NULL },
    { "-2026-12-04T10:00:00Z", NULL },
    { "0001-01-01T00:00:00+00:01", NULL },
    { "9999-12-31T23:59:59-00:01", NULL },
    { "1796378405", NULL },
    { "1796378405000", NULL },
    { "12/04/2026", NULL },
    { "Fri Dec 04 2026 10:00:00 GMT+0100", NULL },
    { "2020-05-09 23:54:49.2 +0000", NULL },
    { "2020-05-09 23:54:49.2 +00:00 UTC", NULL },
    { "2020-05-09 23:54:49.2 +0000 UTC ", NULL },
    { "2020-05-09 23:54:49.2 +0000 UTC m=+", NULL },
    { "2020-05-09 23:54:49.2 +0000 UTC m=+70366", NULL },
    { "2020-05-09 23:54:49.2 +0000 UTC m=+70366.29 x", NULL },
    { "2020-05-09 23:54:49.2 +2500 UTC", NULL },
    { "2020-05-09T23:54:49.2 +0000 UTC", NULL },
};

static void times_are_read_strictly_and_written_as_postgresql_prints_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t us = 12345;
        bool is_time = timestamp_parse(view_cstr(cases[i].text), &us);
        if (is_time != (cases[i].written != NULL)) {
            fail_msg("'%s' is %s", cases[i].text, is_time ? "accepted" : "refused");
        }
        if (!is_time) {
            assert_int_equal(us, 12345); /* untouched */
            continue;
        }
        char out[TIMESTAMP_TEXT_BYTES];
        assert_int_equal(timestamp_format(us, out), strlen(cases[i].written));
        assert_string_equal(out, cases[i].written);
    }
}

static void no_prefix_and_no_suffix_of_a_time_is_read_beyond_its_end(void **state)
{
    (void)state;
    static const char text[] =
        "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.298768264";
    size_t accepted = 0;
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char copy[sizeof(text)];
        memcpy(copy, text, len); /* the sanitizer sees what is read behind it */
        int64_t us;
        accepted += timestamp_parse(view_of(copy, len), &us) ? 1 : 0;
    }
    /* the date alone; "+0000 U", "UT", "UTC"; and eight lengths of the monotonic fraction
     */
    assert_int_equal(accepted, 1 + 3 + 8);
}

static void what_is_cut_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_exact;
    } exact[] = {
        { "2026-12-04T10:00:00Z", true },
        { "2026-12-04T10:00:00.123456Z", true },
        { "2026-12-04T10:00:00.123456000Z", true },
        { "2026-12-04T10:00:00.1234560Z", true },
        { "2026-12-04T10:00:00.1234561Z", false },
        { "2026-12-04T10:00:00.000000001Z", false },
    };
    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
        int64_t us;
        bool is_exact;
        assert_true(timestamp_parse_exactly(view_cstr(exact[i].text), &us, &is_exact));
        assert_int_equal(is_exact, exact[i].is_exact);
    }
}

static void every_day_of_the_range_survives_the_round_trip(void **state)
{
    (void)state;
    const int64_t day_us = INT64_C(86400000000);
    char before[TIMESTAMP_TEXT_BYTES] = "";
    for (int64_t us = TIMESTAMP_MIN_US; us <= TIMESTAMP_MAX_US; us += day_us) {
        char text[TIMESTAMP_TEXT_BYTES];
        int64_t again = 0;
        size_t len = timestamp_write(us + 1, TIMESTAMP_RFC3339, text);
        assert_true(len > 0 && timestamp_parse(view_of(text, len), &again));
        assert_true(again == us + 1);
        assert_true(strcmp(before, text) < 0);
        memcpy(before, text, sizeof(before));
    }
}

static void days_agree_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t us = TIMESTAMP_MIN_US; us <= TIMESTAMP_MAX_US;
         us += INT64_C(86400000000) * 37 + 12345000000) {
        time_t seconds =
            (time_t)((us - TIMESTAMP_MIN_US) / 1000000 + TIMESTAMP_MIN_US / 1000000);
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        char expected[TIMESTAMP_TEXT_BYTES];
        (void)snprintf(expected, sizeof(expected), "%04d-%02d-%02d %02d:%02d:%02d",
                       (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100,
                       tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100,
                       tm.tm_sec % 100);
        char text[TIMESTAMP_TEXT_BYTES];
        size_t len = timestamp_write((us - TIMESTAMP_MIN_US) / 1000000 * 1000000 +
                                         TIMESTAMP_MIN_US,
                                     TIMESTAMP_WITHOUT_ZONE, text);
        assert_int_equal(len, 19);
        assert_string_equal(text, expected);
    }
}

static void times_out_of_range_are_not_written(void **state)
{
    (void)state;
    static const int64_t out_of_range[] = { INT64_MIN, TIMESTAMP_MIN_US - 1,
                                            TIMESTAMP_MAX_US + 1, INT64_MAX };
    for (size_t i = 0; i < 4; i++) {
        char text[TIMESTAMP_TEXT_BYTES] = "x";
        assert_int_equal(timestamp_format(out_of_range[i], text), 0);
        assert_string_equal(text, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_strictly_and_written_as_postgresql_prints_them),
        cmocka_unit_test(no_prefix_and_no_suffix_of_a_time_is_read_beyond_its_end),
        cmocka_unit_test(what_is_cut_is_known),
        cmocka_unit_test(every_day_of_the_range_survives_the_round_trip),
        cmocka_unit_test(days_agree_with_the_c_library),
        cmocka_unit_test(times_out_of_range_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
