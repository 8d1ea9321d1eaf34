/* The window of records that are on their way from the spool to Kafka. */

#include "ingest/durable/spool_window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct spool_window w;

static int clear(void **state)
{
    (void)state;
    w = (struct spool_window){ 0 };
    return 0;
}

static struct spool_flight *add(uint64_t behind)
{
    return spool_window_add(&w, (struct spool_place){ 1, behind }, 10);
}

static void test_only_what_has_nothing_undelivered_before_it_counts(void **state)
{
    (void)state;
    struct spool_place base = { 1, 0 };
    struct spool_flight *first = add(100);
    struct spool_flight *second = add(200);
    spool_window_end(&w, second, true);
    assert_int_equal(spool_window_advance(&w, &base), 0);
    spool_window_end(&w, first, true);
    assert_int_equal(spool_window_advance(&w, &base), 2);
    assert_int_equal(base.offset, 200);
}

/* The drain's thread looks for room, reads the next record, and then adds it: meanwhile
 * another one's report may come. */
static void test_one_that_fails_between_looking_and_adding_is_no_error(void **state)
{
    (void)state;
    struct spool_place base = { 1, 0 };
    struct spool_flight *first = add(100);
    assert_true(spool_window_has_room(&w));
    spool_window_end(&w, first, false);
    struct spool_flight *second = add(200);
    assert_false(spool_window_rewind(&w)); /* not while one is under way */
    spool_window_end(&w, second, true);
    assert_int_equal(spool_window_advance(&w, &base), 0);
    assert_true(spool_window_rewind(&w));
    assert_int_equal(base.offset, 0);
    assert_true(spool_window_has_room(&w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_only_what_has_nothing_undelivered_before_it_counts,
                               clear),
        cmocka_unit_test_setup(test_one_that_fails_between_looking_and_adding_is_no_error,
                               clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
