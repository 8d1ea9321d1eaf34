/* The assigned partitions: which record is taken, skipped, or looked back for. */
#include "loader/consume/partitions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char track[] = "segment.track";
static const char page[] = "segment.page";

static struct partitions assigned(void)
{
    struct partitions p = { 0 };
    const struct stream_partition list[] = {
        { .topic = track, .partition = 0 },
        { .topic = track, .partition = 1 },
        { .topic = page, .partition = 0 },
    };
    partitions_assign(&p, list, 3);
    return p;
}

static void test_an_assignment_waits_for_its_positions(void **state)
{
    (void)state;
    struct partitions p = assigned();
    assert_int_equal(partitions_in_state(&p, PARTITION_WAITING), 3);
    struct partition *one = partitions_find(&p, track, 1);
    assert_non_null(one);
    assert_int_equal(partition_judge(one, 0), PARTITION_SKIP);
    assert_null(partitions_find(&p, page, 1));
    partitions_clear(&p);
    assert_null(partitions_find(&p, track, 0));
}

static void test_expected_offsets_are_taken_and_old_ones_skipped(void **state)
{
    (void)state;
    struct partitions p = assigned();
    struct partition *one = partitions_find(&p, track, 0);
    one->state = PARTITION_RUNNING;
    one->next = 10;
    assert_int_equal(partition_judge(one, 9), PARTITION_SKIP);
    assert_int_equal(partition_judge(one, 10), PARTITION_TAKE);
    partitions_clear(&p);
}

static void test_a_hole_is_taken_only_after_looking_back_once(void **state)
{
    (void)state;
    struct partitions p = assigned();
    struct partition *one = partitions_find(&p, track, 0);
    one->state = PARTITION_RUNNING;
    one->next = 10;
    assert_int_equal(partition_judge(one, 12), PARTITION_LOOK_BACK);
    /* The positions are read again, and the log gives the same record: the hole is real.
     */
    partitions_await_positions(&p, 0);
    assert_int_equal(partition_judge(one, 12), PARTITION_SKIP);
    one->state = PARTITION_RUNNING;
    assert_int_equal(partition_judge(one, 12), PARTITION_TAKE);
    one->next = 13;
    assert_int_equal(partition_judge(one, 15), PARTITION_LOOK_BACK);
    partitions_clear(&p);
}

static void test_a_stopped_partition_waits_for_its_time(void **state)
{
    (void)state;
    struct partitions p = assigned();
    struct partition *one = partitions_find(&p, page, 0);
    partition_stop(one, 1000, 60000, "its table is wrong");
    assert_string_equal(one->reason, "its table is wrong");
    assert_int_equal(partition_judge(one, 0), PARTITION_SKIP);
    partitions_await_positions(&p, 60999);
    assert_int_equal(one->state, PARTITION_STOPPED);
    partitions_await_positions(&p, 61000);
    assert_int_equal(one->state, PARTITION_WAITING);
    partitions_clear(&p);
}

static void test_a_long_reason_is_cut_not_overrun(void **state)
{
    (void)state;
    struct partitions p = assigned();
    char reason[1000];
    memset(reason, 'r', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    partition_stop(&p.list[0], 0, 1, reason);
    assert_int_equal(strlen(p.list[0].reason), PARTITION_REASON_BYTES - 1);
    partitions_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_assignment_waits_for_its_positions),
        cmocka_unit_test(test_expected_offsets_are_taken_and_old_ones_skipped),
        cmocka_unit_test(test_a_hole_is_taken_only_after_looking_back_once),
        cmocka_unit_test(test_a_stopped_partition_waits_for_its_time),
        cmocka_unit_test(test_a_long_reason_is_cut_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
