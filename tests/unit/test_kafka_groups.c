/* Which partition a record goes to. */
#include "ingest/durable/kafka_groups.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define PARTITIONS 12
#define LIMIT 4

struct leaders { /* what the partitioner is told of a topic */
    bool is_away[PARTITIONS];
};

static bool has_leader(const void *topic, int32_t partition)
{
    const struct leaders *l = topic;
    return !l->is_away[partition];
}

struct bed {
    struct kafka_groups *groups;
    struct leaders leaders;
    int64_t now_us;
};

static int set_up(void **state)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    b->groups = mem_calloc(1, sizeof *b->groups);
    b->now_us = 5000000;
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    free(b->groups);
    free(b);
    return 0;
}

static int32_t choose(struct bed *b)
{
    return kafka_groups_choose(b->groups, b->now_us, PARTITIONS, LIMIT, has_leader,
                               &b->leaders);
}

static void end(struct bed *b, int32_t partition)
{
    kafka_groups_ended(b->groups, partition, b->now_us);
}

/* The next group's first record. */
static int32_t choose_next(struct bed *b)
{
    b->now_us += KAFKA_GROUPS_LASTS_US;
    return choose(b);
}

static void test_what_comes_within_a_millisecond_goes_to_one_partition(void **state)
{
    struct bed *b = *state;
    int32_t first = choose(b);
    for (int i = 0; i < 9; i++) {
        b->now_us += KAFKA_GROUPS_LASTS_US / 10;
        assert_int_equal(choose(b), first);
    }
    b->now_us += KAFKA_GROUPS_LASTS_US / 10;
    assert_int_not_equal(choose(b), first);
}

static void test_a_partition_with_something_under_way_is_passed_over(void **state)
{
    struct bed *b = *state;
    int32_t first = choose(b);
    int32_t second = choose_next(b);
    end(b, first);
    for (int i = 0; i < 3 * PARTITIONS; i++) {
        int32_t next = choose_next(b);
        assert_int_not_equal(next, second);
        end(b, next);
    }
    end(b, second);
    bool was_second = false;
    for (int i = 0; i < PARTITIONS; i++) {
        int32_t next = choose_next(b);
        was_second = was_second || next == second;
        end(b, next);
    }
    assert_true(was_second);
}

static void test_beyond_the_limit_of_busy_ones_the_group_stays_open(void **state)
{
    struct bed *b = *state;
    int32_t busy[LIMIT];
    for (int i = 0; i < LIMIT; i++) {
        busy[i] = choose_next(b);
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(busy[i], busy[j]);
        }
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(choose_next(b), busy[LIMIT - 1]);
    }
    end(b, busy[0]);
    assert_int_not_equal(choose_next(b), busy[LIMIT - 1]);
}

static void test_every_partition_gets_its_turn(void **state)
{
    struct bed *b = *state;
    unsigned seen = 0;
    for (int i = 0; i < PARTITIONS; i++) {
        int32_t partition = choose_next(b);
        seen |= 1u << partition;
        end(b, partition);
    }
    assert_int_equal(seen, (1u << PARTITIONS) - 1);
}

static void test_a_partition_without_a_leader_gets_nothing(void **state)
{
    struct bed *b = *state;
    for (int i = 0; i < PARTITIONS; i++) {
        b->leaders.is_away[i] = i != 7;
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(choose_next(b), 7); /* busy or not: it is the only one */
    }
    b->leaders.is_away[7] = true; /* no leader anywhere: any, and Kafka's client waits */
    int32_t any = choose_next(b);
    assert_true(any >= 0 && any < PARTITIONS);
}

static void test_fewer_partitions_than_before_are_respected(void **state)
{
    struct bed *b = *state;
    for (int i = 0; i < PARTITIONS; i++) {
        end(b, choose_next(b));
    }
    for (int i = 0; i < 10; i++) {
        int32_t partition =
            kafka_groups_choose(b->groups, b->now_us, 2, LIMIT, has_leader, &b->leaders);
        assert_true(partition < 2);
        b->now_us += i % 2 == 0 ? 0 : KAFKA_GROUPS_LASTS_US;
    }
}

/* Frozen brokers lead their partitions until others notice. Their groups wait; all others
 * must not join them. */
static void test_partitions_that_are_stuck_get_nothing_more(void **state)
{
    struct bed *b = *state;
    int32_t stuck[LIMIT];
    for (int i = 0; i < LIMIT; i++) {
        stuck[i] = choose_next(b);
    }
    b->now_us += KAFKA_GROUPS_STUCK_US;
    for (int i = 0; i < 5 * PARTITIONS; i++) {
        int32_t next = choose_next(b);
        for (int j = 0; j < LIMIT; j++) {
            assert_int_not_equal(next, stuck[j]);
        }
        end(b, next);
    }
    end(b, stuck[0]); /* it thaws */
    bool was_chosen = false;
    for (int i = 0; i < PARTITIONS; i++) {
        int32_t next = choose_next(b);
        was_chosen = was_chosen || next == stuck[0];
        end(b, next);
    }
    assert_true(was_chosen);
}

/* Under load a partition may never be free, but its records end: it is not stuck. */
static void test_a_busy_partition_that_moves_is_not_stuck(void **state)
{
    struct bed *b = *state;
    int32_t first = choose(b);
    for (int64_t us = 0; us < 3 * KAFKA_GROUPS_STUCK_US; us += KAFKA_GROUPS_LASTS_US) {
        b->now_us += KAFKA_GROUPS_LASTS_US;
        assert_int_equal(kafka_groups_choose(b->groups, b->now_us, PARTITIONS, 1,
                                             has_leader, &b->leaders),
                         first);
        end(b, first);
    }
}

/* After a purge or any other end, all counts are back: else a partition would never be
 * free again. */
static void test_all_that_has_ended_leaves_nothing_busy(void **state)
{
    struct bed *b = *state;
    int32_t under_way[1000];
    for (int i = 0; i < 1000; i++) {
        b->now_us += 300;
        under_way[i] = choose(b);
    }
    for (int i = 0; i < 1000; i++) {
        end(b, under_way[i]);
    }
    end(b, -1); /* never had a partition */
    assert_int_equal(atomic_load(&b->groups->busy), 0);
    for (int i = 0; i < PARTITIONS; i++) {
        assert_int_equal(atomic_load(&b->groups->under_way[i]), 0);
    }
}

#define WITH_BED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BED(test_what_comes_within_a_millisecond_goes_to_one_partition),
        WITH_BED(test_a_partition_with_something_under_way_is_passed_over),
        WITH_BED(test_beyond_the_limit_of_busy_ones_the_group_stays_open),
        WITH_BED(test_every_partition_gets_its_turn),
        WITH_BED(test_a_partition_without_a_leader_gets_nothing),
        WITH_BED(test_fewer_partitions_than_before_are_respected),
        WITH_BED(test_partitions_that_are_stuck_get_nothing_more),
        WITH_BED(test_a_busy_partition_that_moves_is_not_stuck),
        WITH_BED(test_all_that_has_ended_leaves_nothing_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
