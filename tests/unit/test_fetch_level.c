/* What was fetched ahead: when is it told that it has fallen below what stops fetching?
 */
#include "loader/consume/fetch_level.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RECORD_BYTES 1500

static struct fetch_level level_of(uint64_t max_messages, uint64_t max_bytes)
{
    struct fetch_level l = { .max_messages = max_messages, .max_bytes = max_bytes };
    return l;
}

/* Takes records of a size until it is time for a look, and looks. */
static bool look(struct fetch_level *l, size_t bytes, uint64_t queued)
{
    while (!fetch_level_count(l, bytes)) {
    }
    return fetch_level_fell(l, queued);
}

static void test_a_queue_that_was_full_is_told_once_when_it_has_fallen(void **state)
{
    (void)state;
    struct fetch_level l = level_of(4000, UINT64_MAX);
    assert_false(look(&l, RECORD_BYTES, 12000));
    assert_false(look(&l, RECORD_BYTES, 4000));
    assert_true(look(&l, RECORD_BYTES, 3500));
    assert_false(look(&l, RECORD_BYTES, 3400));
    assert_false(look(&l, RECORD_BYTES, 9000));
    assert_true(look(&l, RECORD_BYTES, 10));
}

static void test_a_short_queue_is_never_told(void **state)
{
    (void)state;
    struct fetch_level l = level_of(4000, UINT64_MAX);
    for (uint64_t queued = 0; queued < 3500; queued += 7) {
        assert_false(look(&l, RECORD_BYTES, queued));
    }
    assert_false(fetch_level_fell(&l, 0));
}

/* The queue may have been just full after the last look: a step less is seen now. */
static void test_a_queue_that_was_full_between_two_looks_is_seen(void **state)
{
    (void)state;
    struct fetch_level l = level_of(4000, UINT64_MAX);
    assert_false(look(&l, RECORD_BYTES, 4000 - FETCH_LEVEL_STEP));
    assert_true(look(&l, RECORD_BYTES, 4000 - 3 * FETCH_LEVEL_STEP));
}

/* 100 records of 1 MiB fill 64 MiB long before 4,000 records are there. */
static void test_large_records_are_limited_by_their_bytes(void **state)
{
    (void)state;
    const size_t mib = 1024 * 1024;
    struct fetch_level l = level_of(4000, 64 * mib);
    assert_false(look(&l, mib, 100));
    assert_true(look(&l, mib, 2));
}

/* The estimate is taken from other records than those in the queue. */
static void test_an_empty_queue_has_fallen_whatever_was_estimated(void **state)
{
    (void)state;
    const size_t mib = 1024 * 1024;
    struct fetch_level l = level_of(4000, 64 * mib);
    assert_false(look(&l, 64 * mib, 20));
    assert_true(fetch_level_fell(&l, 0));
    assert_false(fetch_level_fell(&l, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_queue_that_was_full_is_told_once_when_it_has_fallen),
        cmocka_unit_test(test_a_short_queue_is_never_told),
        cmocka_unit_test(test_a_queue_that_was_full_between_two_looks_is_seen),
        cmocka_unit_test(test_large_records_are_limited_by_their_bytes),
        cmocka_unit_test(test_an_empty_queue_has_fallen_whatever_was_estimated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
