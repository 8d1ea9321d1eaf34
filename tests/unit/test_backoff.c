/* Waits grow, are spread, and stay within their limits; the clocks they are measured
 * with. */
#include "common/base/backoff.h"
#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_waits_double_up_to_the_maximum_with_jitter(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct backoff b;
        backoff_init(&b, 100, 5000, seed);
        uint64_t whole = 100;
        for (int i = 0; i < 100; i++) {
            uint64_t wait = backoff_next_ms(&b);
            assert_in_range(wait, whole / 2, whole);
            whole = whole * 2 > 5000 ? 5000 : whole * 2;
        }
    }
}

static void test_seeds_spread_the_waits(void **state)
{
    (void)state;
    bool seen[51] = { false };
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct backoff b;
        backoff_init(&b, 100, 5000, seed);
        seen[backoff_next_ms(&b) - 50] = true;
    }
    for (size_t i = 0; i < sizeof seen; i++) {
        assert_true(seen[i]);
    }
}

static void test_a_success_begins_again(void **state)
{
    (void)state;
    struct backoff b;
    backoff_init(&b, 100, 5000, 1);
    for (int i = 0; i < 10; i++) {
        (void)backoff_next_ms(&b);
    }
    backoff_reset(&b);
    assert_in_range(backoff_next_ms(&b), 50, 100);
}

static void test_extreme_limits_do_not_overflow(void **state)
{
    (void)state;
    struct backoff b;
    backoff_init(&b, 1, UINT64_MAX, 1);
    for (int i = 0; i < 100; i++) {
        (void)backoff_next_ms(&b);
    }
    assert_true(backoff_next_ms(&b) >= UINT64_MAX / 2);
    backoff_init(&b, 0, 0, 1);
    assert_int_equal(backoff_next_ms(&b), 0);
    backoff_init(&b, 500, 100, 1);
    assert_in_range(backoff_next_ms(&b), 50, 100);
}

static void test_the_monotonic_clock_does_not_go_back(void **state)
{
    (void)state;
    int64_t last = clock_mono_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_mono_us();
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_mono_ms() >= last / 1000);
}

static void test_the_real_clock_is_in_milliseconds_since_1970(void **state)
{
    (void)state;
    int64_t seconds = (int64_t)time(NULL);
    assert_true(clock_real_ms() / 1000 - seconds <= 1);
    assert_true(clock_real_ms() / 1000 - seconds >= -1);
}

static void test_a_deadline_keeps_its_milliseconds(void **state)
{
    (void)state;
    struct timespec at = clock_timespec(1234567);
    assert_int_equal(at.tv_sec, 1234);
    assert_int_equal(at.tv_nsec, 567000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_double_up_to_the_maximum_with_jitter),
        cmocka_unit_test(test_seeds_spread_the_waits),
        cmocka_unit_test(test_a_success_begins_again),
        cmocka_unit_test(test_extreme_limits_do_not_overflow),
        cmocka_unit_test(test_the_monotonic_clock_does_not_go_back),
        cmocka_unit_test(test_the_real_clock_is_in_milliseconds_since_1970),
        cmocka_unit_test(test_a_deadline_keeps_its_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
