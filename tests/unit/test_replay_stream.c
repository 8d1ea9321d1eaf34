/* A replay's records: ranges that end where they were frozen, what is not wanted passed
 * over, and the pace beside live loading, in virtual time.
 */
#include "loader/consume/replay_stream.h"

#include "tests/support/fake_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define BITE 800 /* as replay_stream.c has it */

static struct fake_cluster cluster;
static struct fake_stream under;
static struct selection selection;
static struct stream stream;

/* One partition of which [from, to) is read, started at `from`. */
static void open_range(int64_t log_end, int64_t from, int64_t to)
{
    struct stream_poll polled;
    struct error err;
    cluster = (struct fake_cluster){ .now_ms = 1000 };
    (void)fake_cluster_add(&cluster, EVENT_TRACK, 0, 0, log_end);
    fake_stream_init(&under, &cluster);
    struct replay_range range = { .partition = 0, .from = from, .to = to };
    snprintf(range.topic, sizeof range.topic, "%s", fake_topic(EVENT_TRACK));
    const struct replay_stream_setup setup = {
        .under = under.stream, .ranges = &range, .range_count = 1, .selection = &selection
    };
    replay_stream_open(&setup, &stream);
    assert_int_equal(stream.poll(stream.context, 0, &polled, &err), STREAM_ASSIGNED);
    assert_int_equal(polled.partition_count, 1);
    struct stream_partition start = { .topic = polled.partitions[0].topic,
                                      .partition = 0,
                                      .offset = from };
    assert_true(stream.start(stream.context, &start, 1, &err));
}

/* Five bites of it, while others load live. */
static void open_yielding(void)
{
    open_range(5 * BITE, 0, 5 * BITE);
    replay_stream_set_yields(&stream, true);
}

static void close_range(void)
{
    stream.close(stream.context);
    selection_release(&selection);
    assert_int_equal(cluster.messages, 0);
}

/* Records until there is none now; how many of them are wanted. */
static unsigned read_all(unsigned *out_wanted)
{
    struct stream_poll polled;
    struct error err;
    unsigned count = 0;
    *out_wanted = 0;
    while (stream.poll(stream.context, 0, &polled, &err) == STREAM_RECORD) {
        count++;
        *out_wanted += polled.record.is_skipped ? 0 : 1;
        stream.release(stream.context, polled.record.message);
    }
    return count;
}

static void commit(int64_t offset)
{
    struct error err;
    struct stream_partition at = { .topic = fake_topic(EVENT_TRACK), .offset = offset };
    assert_true(stream.commit(stream.context, &at, 1, false, &err));
}

static void a_range_ends_where_it_was_frozen(void **state)
{
    (void)state;
    unsigned wanted = 0;
    open_range(100, 10, 30);
    assert_int_equal(read_all(&wanted), 20);
    assert_int_equal(wanted, 20);
    assert_false(replay_stream_is_done(&stream));
    commit(29);
    assert_false(replay_stream_is_done(&stream));
    commit(30);
    assert_true(replay_stream_is_done(&stream));
    close_range();
}

static void alone_it_takes_what_there_is(void **state)
{
    (void)state;
    unsigned wanted = 0;
    open_range(5 * BITE, 0, 5 * BITE);
    assert_int_equal(read_all(&wanted), 5 * BITE);
    close_range();
}

static void beside_live_loading_it_rests_after_each_bite(void **state)
{
    (void)state;
    unsigned wanted = 0;
    open_yielding();
    assert_int_equal(read_all(&wanted), BITE);
    cluster.now_ms += 40; /* the load of a part */
    commit(BITE - 500);
    assert_int_equal(read_all(&wanted), 0);
    cluster.now_ms += 10;
    commit(BITE);
    cluster.now_ms += 3 * 50 - 1;
    assert_int_equal(read_all(&wanted), 0); /* rests three times as long as it took */
    cluster.now_ms += 1;
    assert_int_equal(read_all(&wanted), BITE);
    close_range();
}

/* What was handed out is read again after a start, and nobody commits it: to wait for
 * that would be for ever. */
static void started_again_it_reads_on(void **state)
{
    (void)state;
    unsigned wanted = 0;
    struct error err;
    open_yielding();
    assert_int_equal(read_all(&wanted), BITE);
    struct stream_partition start = { .topic = fake_topic(EVENT_TRACK), .offset = 0 };
    assert_true(stream.start(stream.context, &start, 1, &err));
    assert_int_equal(read_all(&wanted), BITE);
    close_range();
}

static void what_is_passed_over_is_no_work(void **state)
{
    (void)state;
    unsigned wanted = 0;
    selection_add(&selection, SELECTION_PLACE, view_cstr("segment.track:0:3000"));
    selection_seal(&selection);
    open_yielding();
    assert_int_equal(read_all(&wanted), 5 * BITE);
    assert_int_equal(wanted, 1);
    close_range();
}

static void no_rest_is_longer_than_a_second(void **state)
{
    (void)state;
    unsigned wanted = 0;
    open_yielding();
    assert_int_equal(read_all(&wanted), BITE);
    cluster.now_ms += 60000;
    commit(BITE);
    cluster.now_ms += 999;
    assert_int_equal(read_all(&wanted), 0);
    cluster.now_ms += 1;
    assert_int_equal(read_all(&wanted), BITE);
    close_range();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_ends_where_it_was_frozen),
        cmocka_unit_test(alone_it_takes_what_there_is),
        cmocka_unit_test(beside_live_loading_it_rests_after_each_bite),
        cmocka_unit_test(started_again_it_reads_on),
        cmocka_unit_test(what_is_passed_over_is_no_work),
        cmocka_unit_test(no_rest_is_longer_than_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
