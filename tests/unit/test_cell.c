/* A cell as text: what the staged load hands to PostgreSQL's input functions. */
#include "loader/mapping/cell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_is(const struct cell *cell, enum column_type type, const char *text)
{
    struct cell_scratch scratch;
    struct view written = cell_text(cell, type, &scratch);
    if (!view_equal_cstr(written, text)) {
        fail_msg("'%.*s', not '%s'", VIEW_ARG(written), text);
    }
}

static void test_a_time_has_a_zone_where_its_column_has_one(void **state)
{
    (void)state;
    const struct cell cell = { .kind = CELL_TIME, .us = INT64_C(1796378400123000) };
    assert_is(&cell, COLUMN_TIMESTAMPTZ, "2026-12-04 10:00:00.123+00");
    assert_is(&cell, COLUMN_TIMESTAMP, "2026-12-04 10:00:00.123");
    const struct cell first = { .kind = CELL_TIME, .us = TIMESTAMP_MIN_US };
    assert_is(&first, COLUMN_TIMESTAMPTZ, "0001-01-01 00:00:00+00");
    const struct cell last = { .kind = CELL_TIME, .us = TIMESTAMP_MAX_US };
    assert_is(&last, COLUMN_TIMESTAMP, "9999-12-31 23:59:59.999999");
}

static void test_an_integer_has_its_digits(void **state)
{
    (void)state;
    const struct cell greatest = { .kind = CELL_INTEGER, .integer = INT64_MAX };
    assert_is(&greatest, COLUMN_BIGINT, "9223372036854775807");
    const struct cell least = { .kind = CELL_INTEGER, .integer = INT64_MIN };
    assert_is(&least, COLUMN_BIGINT, "-9223372036854775808");
}

static void test_text_stays_as_it_is(void **state)
{
    (void)state;
    const struct cell empty = { .kind = CELL_TEXT, .text = VIEW_LITERAL("") };
    assert_is(&empty, COLUMN_TEXT, "");
    const struct cell number = { .kind = CELL_TEXT, .text = VIEW_LITERAL("1.10") };
    assert_is(&number, COLUMN_NUMERIC, "1.10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_time_has_a_zone_where_its_column_has_one),
        cmocka_unit_test(test_an_integer_has_its_digits),
        cmocka_unit_test(test_text_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
