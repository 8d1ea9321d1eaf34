/* Times as people and names have them. */
#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_time_has_its_day_in_utc(void **state)
{
    (void)state;
    char day[CLOCK_DAY_BYTES];
    clock_format_day(INT64_C(1796378406000), day);
    assert_string_equal(day, "2026-12-04");
    clock_format_day(INT64_C(86399999), day);
    assert_string_equal(day, "1970-01-01");
    clock_format_day(INT64_C(86400000), day);
    assert_string_equal(day, "1970-01-02");
}

static void a_stamp_sorts_as_its_time(void **state)
{
    (void)state;
    char stamp[CLOCK_STAMP_BYTES];
    clock_format_stamp(INT64_C(1796378406999), stamp);
    assert_string_equal(stamp, "20261204100006");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_has_its_day_in_utc),
        cmocka_unit_test(a_stamp_sorts_as_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
