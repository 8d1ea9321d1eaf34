/* The whole loader but its servers and its thread: consumer and pipeline over a log and a
 * database in memory, turn by turn, in virtual time. */
#include "loader/consume/consumer.h"

#include "tests/support/contains.h"
#include "tests/support/fake_sink.h"
#include "tests/support/fake_stream.h"
#include "tests/support/step_writer.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TURNS_MAX 20000

static const char *const accepted[] = { "segment.track:0", NULL };

struct fixture {
    struct fake_cluster cluster;
    struct fake_stream stream;
    struct fake_sink sink;
    struct step_writer writer;
    struct loader_metrics *metrics;
    struct catalogue *catalogue;
    struct mapper *mapper;
    struct consumer *consumer;
};

static int64_t sink_mono_ms(void *context);
static struct fixture *running; /* whose clock the sink shows */

static int set_up(void **state)
{
    static const char *const none[] = { NULL };
    struct mapping_options options = { .ignore_paths = none, .integration_names = none };
    struct fixture *f = mem_calloc(1, sizeof *f);
    running = f;
    fake_stream_init(&f->stream, &f->cluster);
    fake_sink_init(&f->sink);
    f->sink.sink.mono_ms = sink_mono_ms;
    f->metrics = loader_metrics_new();
    f->catalogue = catalogue_new();
    f->mapper = mapper_new(&options);
    struct pipeline_setup pipeline = { .sink = &f->sink.sink,
                                       .metrics = f->metrics,
                                       .backoff_first_ms = 50,
                                       .backoff_max_ms = 2000,
                                       .seed = 1 };
    step_writer_init(&f->writer, pipeline_new(&pipeline), &f->cluster.now_ms);
    *state = f;
    return 0;
}

static void start(struct fixture *f, const char *const *accept_gap)
{
    struct consumer_setup setup = {
        .stream = &f->stream.stream,
        .writer = &f->writer.writer,
        .context = { .catalogue = f->catalogue, .mapper = f->mapper, .max_columns = 800 },
        .limits = { .batch_rows = 50, .batch_bytes = 1000000, .batch_age_ms = 5 },
        .accept_gap = accept_gap,
        .metrics = f->metrics,
        .open_again = fake_stream_open_again,
        .open_context = &f->cluster,
    };
    f->consumer = consumer_new(&setup);
    fake_stream_assign(&f->stream);
}

static void finish(struct fixture *f)
{
    assert_int_equal(consumer_finish(f->consumer), CONSUMER_STOPPED);
    f->consumer = NULL;
    assert_int_equal(f->cluster.messages, 0); /* every record was given back */
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->consumer != NULL) {
        finish(f);
    }
    pipeline_free(f->writer.pipeline);
    mapper_free(f->mapper);
    catalogue_free(f->catalogue);
    loader_metrics_free(f->metrics);
    fake_sink_release(&f->sink);
    free(f);
    return 0;
}

static int64_t sink_mono_ms(void *context)
{
    (void)context;
    return running->cluster.now_ms;
}

static void turn(struct fixture *f, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++) {
        assert_true(consumer_turn(f->consumer));
    }
}

static void turn_until(struct fixture *f, bool (*is_so)(struct fixture *f))
{
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        if (is_so(f)) {
            return;
        }
        assert_true(consumer_turn(f->consumer));
    }
    fail_msg("it was not so within %d turns", TURNS_MAX);
}

static void wait_ms(struct fixture *f, int64_t ms)
{
    int64_t until = f->cluster.now_ms + ms;
    while (f->cluster.now_ms < until) {
        turn(f, 1);
    }
}

static int64_t position(struct fixture *f, size_t log)
{
    return fake_sink_position(&f->sink, fake_topic(f->cluster.logs[log].type),
                              f->cluster.logs[log].partition);
}

static bool all_passed(struct fixture *f)
{
    bool done = true;
    for (size_t i = 0; i < f->cluster.count; i++) {
        done = done && position(f, i) == f->cluster.logs[i].end;
    }
    return done;
}

static bool nothing_waits(struct fixture *f)
{
    return f->sink.held_count == 0;
}

static void assert_metric(struct fixture *f, const char *line, bool is_there)
{
    struct buf text = { 0 };
    metrics_write(loader_metrics_registry(f->metrics), &text);
    assert_int_equal(strstr(buf_cstr(&text), line) != NULL, is_there);
    buf_release(&text);
}

static void test_everything_is_loaded_once_and_committed_with_our_mark(void **state)
{
    struct fixture *f = *state;
    fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 3, 203);
    fake_cluster_add(&f->cluster, EVENT_TRACK, 1, 0, 100);
    fake_cluster_add(&f->cluster, EVENT_PAGE, 0, 0, 0);
    start(f, NULL);
    turn_until(f, all_passed);
    turn(f, 10);
    assert_int_equal(f->sink.loaded_count, 300);
    assert_int_equal(f->cluster.logs[0].committed, 203);
    assert_true(f->cluster.logs[0].is_committed_by_us);
    assert_int_equal(f->sink.gaps, 0);
}

static bool (*read_positions)(void *, const char *, struct sink_position *, size_t,
                              struct error *);

/* The loader that had the partition before commits its last batch just before. */
static bool read_after_a_last_commit(void *context, const char *cluster_id,
                                     struct sink_position *list, size_t count,
                                     struct error *err)
{
    if (running->sink.position_reads == 0) {
        running->cluster.logs[0].end = 10;
        fake_sink_place(&running->sink, fake_topic(EVENT_TRACK), 0, 10);
    }
    return read_positions(context, cluster_id, list, count, err);
}

/* Bounds that are older than the position would make it look as if it were beyond the
 * log. */
static void test_the_database_is_asked_before_the_logs_bounds(void **state)
{
    struct fixture *f = *state;
    fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 0, 8);
    fake_sink_place(&f->sink, fake_topic(EVENT_TRACK), 0, 8);
    read_positions = f->sink.sink.read_positions;
    f->sink.sink.read_positions = read_after_a_last_commit;
    start(f, NULL);
    wait_ms(f, 1000);
    assert_metric(f, "loader_stopped_partitions 0\n", true);
    f->cluster.logs[0].end = 30;
    turn_until(f, all_passed);
    assert_int_equal(f->sink.loaded_count, 20);
}

static void test_an_operators_offset_wins_in_both_directions(void **state)
{
    struct fixture *f = *state;
    struct fake_log *log = fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 0, 100);
    fake_sink_place(&f->sink, fake_topic(EVENT_TRACK), 0, 40);
    log->committed = 70; /* without our mark */
    start(f, NULL);
    turn_until(f, all_passed);
    assert_int_equal(f->sink.loaded_count, 30);
    assert_int_equal(f->sink.gaps, 1);
    finish(f);
    log->committed = 20;
    log->is_committed_by_us = false;
    start(f, NULL);
    turn(f, 20);
    turn_until(f, all_passed);
    assert_int_equal(f->sink.loaded_count, 30 + 80);
    assert_int_equal(f->sink.gaps, 1);
}

static void test_a_gap_that_is_tried_again_is_noted_once(void **state)
{
    struct fixture *f = *state;
    fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 50, 60);
    fake_sink_place(&f->sink, fake_topic(EVENT_TRACK), 0, 10);
    f->sink.move_failures[0] = "08006";
    f->sink.move_failures[1] = "40001";
    f->sink.move_failure_count = 2;
    start(f, accepted);
    turn_until(f, all_passed);
    assert_int_equal(f->sink.gaps, 1);
    assert_metric(f, "loader_offset_gap_total 40\n", true);
}

static void test_a_position_outside_the_log_stops_its_partition_only(void **state)
{
    struct fixture *f = *state;
    fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 50, 60);
    fake_cluster_add(&f->cluster, EVENT_TRACK, 1, 0, 20);
    fake_sink_place(&f->sink, fake_topic(EVENT_TRACK), 0, 10);
    start(f, NULL);
    wait_ms(f, 6000);
    assert_int_equal(position(f, 0), 10);
    assert_int_equal(position(f, 1), 20);
    assert_metric(f, "loader_stopped_partitions 1\n", true);
    assert_metric(f, "loader_lag_records{topic=\"segment.track\",partition=\"1\"} 0",
                  true);
    /* The log is mended: it is tried again each minute. */
    f->cluster.logs[0].start = 0;
    wait_ms(f, 61000);
    assert_int_equal(position(f, 0), 60);
    assert_metric(f, "loader_stopped_partitions 0\n", true);
    /* What another loader has now is not ours to tell. */
    fake_stream_revoke(&f->stream);
    turn(f, 3);
    assert_metric(f, "loader_lag_records{", false);
}

static void test_a_lost_connection_reads_the_positions_again(void **state)
{
    struct fixture *f = *state;
    fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 0, 100);
    f->sink.load_failures[0] = "57P01";
    f->sink.load_failure_count = 1;
    start(f, NULL);
    turn_until(f, all_passed);
    turn(f, 50);
    assert_int_equal(f->sink.loaded_count, 100);
    assert_int_equal(f->sink.position_reads, 2);
}

/* ---- held ---- */

static void test_what_waited_is_read_again_when_its_table_is_mended(void **state)
{
    struct fixture *f = *state;
    fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 0, 170);
    fake_cluster_add(&f->cluster, EVENT_PAGE, 1, 0, 130);
    f->sink.broken_table = "track";
    f->sink.broken_code = "42883";
    start(f, NULL);
    turn_until(f, all_passed);
    assert_int_equal(f->sink.loaded_count, 130);
    assert_int_equal(f->sink.held_count, 1);
    assert_metric(f, "loader_table_held{table=\"shop.track\"} 1\n", true);
    assert_metric(f, "loader_held_ranges 1\n", true);
    f->cluster.logs[0].end = 200; /* more of it comes, and waits too */
    wait_ms(f, 70000);
    assert_int_equal(f->sink.held[0].from, 0);
    assert_int_equal(f->sink.held[0].to, 200);
    assert_int_equal(f->cluster.held_streams_opened, 0); /* not read in vain */
    f->sink.broken_table = NULL;
    turn_until(f, nothing_waits);
    turn(f, 10);
    assert_int_equal(f->sink.loaded_count, 130 + 200);
    assert_int_equal(f->cluster.held_streams_opened, 1);
    assert_metric(f, "loader_table_held{", false);
    assert_metric(f, "loader_held_ranges 0\n", true);
}

static void test_whoever_gets_the_partition_reads_what_waits(void **state)
{
    struct fixture *f = *state;
    struct sink_range range = {
        .topic = "segment.track", .schema = "shop", .table = "track", .from = 10, .to = 90
    };
    fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 0, 100);
    fake_sink_place(&f->sink, fake_topic(EVENT_TRACK), 0, 95);
    f->sink.held[f->sink.held_count++] = range;
    start(f, NULL);
    turn_until(f, nothing_waits);
    turn_until(f, all_passed);
    turn(f, 10);
    assert_int_equal(f->sink.loaded_count, 80 + 5);
}

static void test_what_retention_took_while_it_waited_is_named(void **state)
{
    struct fixture *f = *state;
    struct sink_range range = {
        .topic = "segment.track", .schema = "shop", .table = "track", .from = 10, .to = 90
    };
    fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 60, 100);
    fake_sink_place(&f->sink, fake_topic(EVENT_TRACK), 0, 100);
    f->sink.held[f->sink.held_count++] = range;
    start(f, NULL);
    turn_until(f, nothing_waits);
    assert_int_equal(f->sink.loaded_count, 30);
    assert_int_equal(f->sink.lost, 50);
    assert_metric(f, "loader_offset_gap_total 50\n", true);
}

static void test_a_range_of_a_revoked_partition_is_another_loaders(void **state)
{
    struct fixture *f = *state;
    fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 0, 100);
    f->sink.broken_table = "track";
    f->sink.broken_code = "42501";
    start(f, NULL);
    turn_until(f, all_passed);
    fake_stream_revoke(&f->stream);
    turn(f, 3);
    f->sink.broken_table = NULL;
    wait_ms(f, 130000);
    assert_int_equal(f->sink.held_count, 1); /* not by us */
    assert_int_equal(f->cluster.held_streams_opened, 0);
    fake_stream_assign(&f->stream);
    turn_until(f, nothing_waits);
    assert_int_equal(f->sink.loaded_count, 100);
}

static void test_a_stop_loads_what_was_taken(void **state)
{
    struct fixture *f = *state;
    fake_cluster_add(&f->cluster, EVENT_TRACK, 0, 0, 20);
    start(f, NULL);
    for (unsigned i = 0; f->stream.position[0] < 20; i++) {
        turn(f, 1);
        assert_true(i < TURNS_MAX);
    }
    finish(f);
    assert_int_equal(position(f, 0), 20);
    assert_int_equal(f->sink.loaded_count, 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_everything_is_loaded_once_and_committed_with_our_mark),
        TEST(test_the_database_is_asked_before_the_logs_bounds),
        TEST(test_an_operators_offset_wins_in_both_directions),
        TEST(test_a_gap_that_is_tried_again_is_noted_once),
        TEST(test_a_position_outside_the_log_stops_its_partition_only),
        TEST(test_a_lost_connection_reads_the_positions_again),
        TEST(test_what_waited_is_read_again_when_its_table_is_mended),
        TEST(test_whoever_gets_the_partition_reads_what_waits),
        TEST(test_what_retention_took_while_it_waited_is_named),
        TEST(test_a_range_of_a_revoked_partition_is_another_loaders),
        TEST(test_a_stop_loads_what_was_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
