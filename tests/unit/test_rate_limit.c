/* Events a second by source, and lines a minute by refusal. */
#include "ingest/request/rate_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = rate_limit_new();
    return 0;
}

static int tear_down(void **state)
{
    rate_limit_free(*state);
    return 0;
}

/* How many single events of `source` pass between two times, one tried each ms. */
static unsigned passing(struct rate_limit *r, const char *source, uint64_t per_second,
                        int64_t from_ms, int64_t to_ms)
{
    unsigned passed = 0;
    for (int64_t now = from_ms; now < to_ms; now++) {
        passed += rate_limit_takes(r, source, per_second, 1, now) ? 1 : 0;
    }
    return passed;
}

static void test_the_rate_holds_over_time(void **state)
{
    unsigned passed = passing(*state, "shop", 100, 1000, 11000);
    assert_in_range(passed, 1000, 1101); /* 10 s, and the bucket that was full */
}

static void test_without_a_limit_everything_passes(void **state)
{
    assert_int_equal(passing(*state, "shop", 0, 1000, 2000), 1000);
}

static void test_sources_do_not_share_their_limit(void **state)
{
    assert_int_equal(passing(*state, "one", 5, 1000, 1100), 5);
    assert_int_equal(passing(*state, "two", 5, 1000, 1100), 5);
}

static void test_a_batch_above_the_limit_passes_once_and_is_paid_back(void **state)
{
    struct rate_limit *r = *state;
    assert_true(rate_limit_takes(r, "shop", 10, 100, 1000));
    assert_false(rate_limit_takes(r, "shop", 10, 1, 2000));
    assert_false(rate_limit_takes(r, "shop", 10, 1, 9900));
    assert_true(rate_limit_takes(r, "shop", 10, 1, 10200));
}

static void test_a_refusal_is_logged_once_a_minute_with_its_count(void **state)
{
    struct rate_limit *r = *state;
    uint64_t count = 0;
    assert_true(rate_limit_logs(r, "shop", "missing", 1000, &count));
    assert_int_equal(count, 1);
    for (int i = 0; i < 10; i++) {
        assert_false(rate_limit_logs(r, "shop", "missing", 2000, &count));
    }
    assert_true(rate_limit_logs(r, "shop", "wrong_token", 2000, &count));
    assert_true(rate_limit_logs(r, "other", "missing", 2000, &count));
    assert_true(rate_limit_logs(r, "shop", "missing", 61000, &count));
    assert_int_equal(count, 11);
}

static void test_very_many_keys_do_not_grow_the_table_without_end(void **state)
{
    struct rate_limit *r = *state;
    uint64_t count = 0;
    for (int i = 0; i < 5000; i++) {
        char source[32];
        snprintf(source, sizeof source, "source-%d", i);
        (void)rate_limit_logs(r, source, "missing", 1000, &count);
    }
    assert_true(rate_limit_takes(r, "late", 1, 1, 100000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_rate_holds_over_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_limit_everything_passes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_sources_do_not_share_their_limit, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_batch_above_the_limit_passes_once_and_is_paid_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_refusal_is_logged_once_a_minute_with_its_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_very_many_keys_do_not_grow_the_table_without_end, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
