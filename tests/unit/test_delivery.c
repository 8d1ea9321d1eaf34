/* A request's wait for its records, and its life beyond a wait that timed out. */
#include "ingest/durable/delivery.h"

#include "common/base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FAR_MS 30000

static int64_t far_away(void)
{
    return clock_mono_ms() + FAR_MS;
}

static void test_nothing_started_is_durable_at_once(void **state)
{
    (void)state;
    struct delivery *d = delivery_new();
    assert_int_equal(delivery_wait(d, far_away()), DELIVERY_DURABLE);
    delivery_release(d);
}

static void test_all_durable_is_durable_and_one_failure_is_a_failure(void **state)
{
    (void)state;
    for (int failing = 0; failing < 4; failing++) {
        struct delivery *d = delivery_new();
        for (int i = 1; i <= 3; i++) {
            delivery_started(d);
            delivery_ended(d, i != failing);
        }
        assert_int_equal(delivery_wait(d, far_away()),
                         failing == 0 ? DELIVERY_DURABLE : DELIVERY_FAILED);
        delivery_release(d);
    }
}

static void
test_it_is_pending_when_the_deadline_passes_and_outlives_its_wait(void **state)
{
    (void)state;
    struct delivery *d = delivery_new();
    delivery_started(d);
    int64_t deadline = clock_mono_ms() + 20;
    assert_int_equal(delivery_wait(d, deadline), DELIVERY_PENDING);
    assert_true(clock_mono_ms() >= deadline);
    delivery_release(d);
    delivery_ended(d, true); /* the report that came too late; it frees d */
}

static void
test_what_ended_before_the_deadline_counts_even_when_it_has_passed(void **state)
{
    (void)state;
    struct delivery *d = delivery_new();
    delivery_started(d);
    delivery_ended(d, true);
    assert_int_equal(delivery_wait(d, clock_mono_ms() - 1), DELIVERY_DURABLE);
    delivery_release(d);
}

#define RECORDS 20000

static void *end_all(void *context)
{
    struct delivery *d = context;
    for (int i = 0; i < RECORDS; i++) {
        delivery_ended(d, true);
    }
    return NULL;
}

static void test_the_wait_ends_when_another_thread_ends_the_last_record(void **state)
{
    (void)state;
    pthread_t thread;
    struct delivery *d = delivery_new();
    for (int i = 0; i < RECORDS; i++) {
        delivery_started(d);
    }
    assert_int_equal(pthread_create(&thread, NULL, end_all, d), 0);
    int64_t start = clock_mono_ms();
    assert_true(delivery_wait_room(d, RECORDS / 2, far_away()));
    assert_true(delivery_wait_room(d, 7, far_away()));
    assert_int_equal(delivery_wait(d, far_away()), DELIVERY_DURABLE);
    assert_true(clock_mono_ms() - start < FAR_MS / 2);
    delivery_release(d);
    pthread_join(thread, NULL);
}

static void test_there_is_no_room_while_too_many_are_under_way(void **state)
{
    (void)state;
    struct delivery *d = delivery_new();
    delivery_started(d);
    delivery_started(d);
    assert_true(delivery_wait_room(d, 2, clock_mono_ms()));
    assert_false(delivery_wait_room(d, 1, clock_mono_ms() + 5));
    delivery_ended(d, true);
    assert_true(delivery_wait_room(d, 1, clock_mono_ms()));
    delivery_ended(d, true);
    assert_int_equal(delivery_wait(d, far_away()), DELIVERY_DURABLE);
    delivery_release(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_started_is_durable_at_once),
        cmocka_unit_test(test_all_durable_is_durable_and_one_failure_is_a_failure),
        cmocka_unit_test(
            test_it_is_pending_when_the_deadline_passes_and_outlives_its_wait),
        cmocka_unit_test(
            test_what_ended_before_the_deadline_counts_even_when_it_has_passed),
        cmocka_unit_test(test_the_wait_ends_when_another_thread_ends_the_last_record),
        cmocka_unit_test(test_there_is_no_room_while_too_many_are_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
