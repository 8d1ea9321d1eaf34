/* The driver of the database's side against a database in memory that fails as told: what
 * is loaded, what is rejected, what waits, what is tried again. */
#include "loader/load/pipeline.h"

#include "tests/support/fake_sink.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char topic[] = "segment.track";
static const char page_topic[] = "segment.page";
static const char cluster[] = "test-cluster";

struct fixture {
    struct fake_sink sink;
    struct pipeline *pipeline;
    struct batch_context context; /* as the consumer has it */
    struct loader_metrics *metrics;
    unsigned waits;
    unsigned waits_allowed; /* then the work is given up */
    unsigned mappings;      /* how often batches came back to be mapped again */
    unsigned released;
};

static void release_message(void *context, void *message)
{
    struct fixture *f = context;
    f->released++;
    free(message);
}

static int set_up(void **state)
{
    static const char *const none[] = { NULL };
    struct mapping_options options = { .ignore_paths = none, .integration_names = none };
    struct fixture *f = mem_calloc(1, sizeof *f);
    fake_sink_init(&f->sink);
    f->waits_allowed = 1000;
    f->metrics = loader_metrics_new();
    f->context = (struct batch_context){ .catalogue = catalogue_new(),
                                         .mapper = mapper_new(&options),
                                         .max_columns = 800 };
    struct pipeline_setup setup = { .sink = &f->sink.sink,
                                    .metrics = f->metrics,
                                    .backoff_first_ms = 1,
                                    .backoff_max_ms = 1,
                                    .seed = 1 };
    f->pipeline = pipeline_new(&setup);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    pipeline_free(f->pipeline);
    mapper_free(f->context.mapper);
    catalogue_free(f->context.catalogue);
    loader_metrics_free(f->metrics);
    fake_sink_release(&f->sink);
    free(f);
    return 0;
}

/* An event as the stream would hand it on; `properties` is JSON. */
static struct log_record event_at(enum event_type type, int32_t partition, int64_t offset,
                                  const char *properties)
{
    char *value = mem_alloc(512);
    int len = snprintf(value, 512,
                       "{\"type\":\"%s\",\"messageId\":\"m-%d-%lld\",\"properties\":%s}",
                       event_type_name(type), partition, (long long)offset, properties);
    struct log_record r = {
        .record = { .topic = type,
                    .value = view_of(value, (size_t)len),
                    .source = VIEW_LITERAL("shop"),
                    .schema = VIEW_LITERAL("shop"),
                    .received_at_ms = 1764842400000,
                    .via = VIA_WEBHOOK,
                    .auth = AUTH_TOKEN },
        .topic = type == EVENT_PAGE ? page_topic : topic,
        .partition = partition,
        .offset = offset,
        .headers_are_valid = true,
        .message = value,
    };
    return r;
}

static struct log_record record_at(int32_t partition, int64_t offset,
                                   const char *properties)
{
    return event_at(EVENT_TRACK, partition, offset, properties);
}

static void add(struct fixture *f, struct batch *b, struct log_record r)
{
    batch_add(b, &f->context, &r, r.offset, 0);
}

static struct batch *batch_of(struct fixture *f, int64_t from, int64_t count)
{
    struct batch *b = batch_new();
    for (int64_t i = 0; i < count; i++) {
        add(f, b, record_at(0, from + i, "{\"a\":1}"));
    }
    return b;
}

static void start_at(struct fixture *f, int32_t partition, int64_t offset)
{
    fake_sink_place(&f->sink, topic, partition, offset);
}

/* Drives a task to its end; time passes only where the pipeline waits. */
static struct task_result drive(struct fixture *f, const struct task *task)
{
    uint64_t wait_ms = 0;
    enum pipeline_step step;
    pipeline_begin(f->pipeline, task);
    while ((step = pipeline_step(f->pipeline, &wait_ms)) != PIPELINE_ENDED) {
        if (step == PIPELINE_WAITS) {
            f->sink.now_ms += (int64_t)wait_ms;
            if (++f->waits > f->waits_allowed) {
                pipeline_give_up(f->pipeline);
                break;
            }
        }
    }
    return pipeline_take_result(f->pipeline);
}

static void take_tables(struct fixture *f, const struct task_result *r)
{
    for (size_t i = 0; i < r->table_count; i++) {
        catalogue_put(f->context.catalogue, r->tables[i]);
    }
}

/* Does what the consumer does with a batch: hands it over, maps it again, frees it. */
static struct task_result load(struct fixture *f, struct batch *b)
{
    struct task task = { .kind = TASK_LOAD, .cluster_id = cluster, .batch = b };
    struct task_result r = drive(f, &task);
    struct log_release release = { f, release_message };
    take_tables(f, &r);
    while (r.outcome == TASK_MAP_AGAIN) {
        f->mappings++;
        assert_true(f->mappings < 20);
        batch_map(b, &f->context);
        task_result_release(&r);
        r = drive(f, &task);
        take_tables(f, &r);
    }
    batch_free(b, &release);
    return r;
}

static void load_done(struct fixture *f, struct batch *b)
{
    struct task_result r = load(f, b);
    assert_int_equal(r.outcome, TASK_DONE);
    task_result_release(&r);
}

static void load_ended(struct fixture *f, struct batch *b, enum task_outcome outcome)
{
    struct task_result r = load(f, b);
    assert_int_equal(r.outcome, outcome);
    task_result_release(&r);
}

static void look_at_held(struct fixture *f)
{
    struct task task = { .kind = TASK_LOOK, .cluster_id = cluster };
    struct task_result r = drive(f, &task);
    assert_int_equal(r.outcome, TASK_DONE);
    task_result_release(&r);
}

static void assert_loaded_once_in_order(const struct fixture *f, int64_t from,
                                        size_t count)
{
    assert_int_equal(f->sink.loaded_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(f->sink.loaded_offsets[i], from + (int64_t)i);
    }
}

static void test_a_new_table_is_created_and_the_batch_loaded(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 7);
    struct task_result r = load(f, batch_of(f, 7, 3));
    assert_int_equal(r.outcome, TASK_DONE);
    assert_loaded_once_in_order(f, 7, 3);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 10);
    assert_int_equal(f->sink.extends, 1);
    assert_int_equal(f->mappings, 0); /* a new table's batch is mapped once */
    assert_int_equal(r.loaded_count, 1);
    assert_int_equal(r.loaded[0].to, 10);
    assert_int_equal(f->released, 3);
    task_result_release(&r);
}

static void test_a_second_batch_needs_no_ddl(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 0);
    load_done(f, batch_of(f, 0, 2));
    unsigned extends = f->sink.extends;
    load_done(f, batch_of(f, 2, 2));
    assert_int_equal(f->sink.extends, extends);
    assert_int_equal(f->mappings, 0);
}

static void test_a_batch_mapped_before_the_table_changed_is_loaded(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 0);
    start_at(f, 5, 0);
    load_done(f, batch_of(f, 0, 1));
    struct batch *b = batch_of(f, 1, 1);
    /* Meanwhile another loader adds a column. */
    struct batch *theirs = batch_new();
    add(f, theirs, record_at(5, 0, "{\"b\":true}"));
    struct table *changed = NULL;
    struct error err;
    assert_true(f->sink.sink.extend(&f->sink, theirs->tables[0].plan, &changed, &err));
    table_unref(changed);
    struct log_release release = { f, release_message };
    batch_free(theirs, &release);
    load_done(f, b);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 2);
}

static void test_transient_failures_are_retried_with_the_same_batch(void **state)
{
    static const char *const codes[] = { "40001", "40P01", "55P03", "08006", "57P01",
                                         "53300", "25006", "53100", "42501", "57014" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        void *one = NULL;
        set_up(&one);
        struct fixture *f = one;
        start_at(f, 0, 0);
        f->sink.load_failures[0] = codes[i];
        f->sink.load_failure_count = 1;
        load_done(f, batch_of(f, 0, 4));
        assert_loaded_once_in_order(f, 0, 4);
        assert_int_equal(f->sink.rejected_count, 0);
        assert_int_equal(f->sink.held_count, 0);
        tear_down(&one);
    }
    (void)state;
}

static void test_a_lost_connection_is_opened_again(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 0);
    f->sink.connect_failures[0] = "08006";
    f->sink.connect_failures[1] = "57P03";
    f->sink.connect_failure_count = 2;
    f->sink.load_failures[0] = "57P01";
    f->sink.load_failure_count = 1;
    struct task_result r = load(f, batch_of(f, 0, 1));
    assert_int_equal(r.outcome, TASK_DONE);
    assert_int_equal(f->sink.connects, 4);
    assert_int_equal(r.connection, 2);
    assert_false(pipeline_is_in_trouble(f->pipeline));
    task_result_release(&r);
}

static void test_work_is_given_up_when_the_owner_says_so(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 0);
    f->waits_allowed = 3;
    for (size_t i = 0; i < 8; i++) {
        f->sink.connect_failures[i] = "08006";
    }
    f->sink.connect_failure_count = 8;
    load_ended(f, batch_of(f, 0, 2), TASK_GIVEN_UP);
    assert_true(pipeline_is_in_trouble(f->pipeline));
    assert_int_equal(f->sink.loaded_count, 0);
    assert_int_equal(f->released, 2);
}

static void test_a_fence_is_reported_and_nothing_loaded(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 5);
    load_ended(f, batch_of(f, 3, 2), TASK_FENCED);
    assert_int_equal(f->sink.loaded_count, 0);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 5);
}

static void test_one_refused_event_is_rejected_alone_at_any_place(void **state)
{
    static const int64_t places[] = { 0, 1, 7, 49, 98, 99 };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        void *one = NULL;
        set_up(&one);
        struct fixture *f = one;
        start_at(f, 0, 0);
        f->sink.poison_offsets[0] = places[i];
        f->sink.poison_count = 1;
        load_done(f, batch_of(f, 0, 100));
        assert_loaded_once_in_order(f, 0, 100);
        assert_int_equal(f->sink.rejected_count, 1);
        assert_int_equal(f->sink.rejected_offsets[0], places[i]);
        assert_int_equal(fake_sink_position(&f->sink, topic, 0), 100);
        assert_non_null(strstr(buf_cstr(&f->sink.reasons), "refused by database: 22P02"));
        tear_down(&one);
    }
    (void)state;
}

static void test_scattered_refused_events_take_three_transactions(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 0);
    f->sink.poison_code = "23514";
    for (int64_t i = 0; i < 50; i++) {
        f->sink.poison_offsets[f->sink.poison_count++] = i * 4 + 1;
    }
    load_done(f, batch_of(f, 0, 200));
    assert_loaded_once_in_order(f, 0, 200);
    assert_int_equal(f->sink.rejected_count, 50);
    assert_int_equal(f->sink.loads, 2);
    assert_int_equal(f->sink.trials, 1);
    assert_non_null(strstr(buf_cstr(&f->sink.reasons), "constraint: 23514"));
}

static void test_a_row_too_wide_is_first_made_narrow(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 0);
    f->sink.poison_code = "54000"; /* it stays: narrow or not */
    f->sink.poison_offsets[f->sink.poison_count++] = 3;
    load_done(f, batch_of(f, 0, 10));
    assert_int_equal(f->mappings, 2); /* narrow, then rejected */
    assert_int_equal(f->sink.rejected_count, 1);
    assert_loaded_once_in_order(f, 0, 10);
}

/* ---- held ---- */

/* Ten events each of track and page, at offsets 0 to 9 of their partitions 0. */
static struct batch *mixed_batch(struct fixture *f)
{
    struct batch *b = batch_new();
    fake_sink_place(&f->sink, topic, 0, 0);
    fake_sink_place(&f->sink, page_topic, 0, 0);
    for (int64_t i = 0; i < 10; i++) {
        add(f, b, event_at(EVENT_TRACK, 0, i, "{\"a\":1}"));
        add(f, b, event_at(EVENT_PAGE, 0, i, "{\"a\":1}"));
    }
    return b;
}

static void assert_track_waits(const struct fixture *f, int64_t from, int64_t to)
{
    assert_int_equal(f->sink.held_count, 1);
    assert_string_equal(f->sink.held[0].table, "track");
    assert_string_equal(f->sink.held[0].topic, topic);
    assert_int_equal(f->sink.held[0].from, from);
    assert_int_equal(f->sink.held[0].to, to);
}

/* Whatever is wrong with one table: its records wait, the position goes on, the other
 * table is loaded, nothing is rejected. */
static void test_a_broken_table_holds_no_other(void **state)
{
    static const char *const codes[] = {
        "42501", "3F000",                            /* rights */
        "XX000", "42883", "42P10", "21000", "42601", /* not listed */
        "42P01", "42703", "42804", "0A000", "BS002", /* "changed", and never does */
        "55P03",                                     /* held by others for too long */
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        void *one = NULL;
        set_up(&one);
        struct fixture *f = one;
        f->sink.broken_table = "track";
        f->sink.broken_code = codes[i];
        struct task_result r = load(f, mixed_batch(f));
        assert_int_equal(r.outcome, TASK_DONE);
        assert_loaded_once_in_order(f, 0, 10); /* the pages */
        assert_int_equal(fake_sink_position(&f->sink, topic, 0), 10);
        assert_int_equal(fake_sink_position(&f->sink, page_topic, 0), 10);
        assert_int_equal(f->sink.rejected_count, 0);
        assert_track_waits(f, 0, 10);
        assert_int_equal(r.hold_count, 1);
        assert_int_equal(r.held_count, 1);
        assert_string_equal(r.held[0].table, "track");
        assert_true(f->sink.loads <= 8);
        task_result_release(&r);
        tear_down(&one);
    }
    (void)state;
}

static void test_nothing_is_rejected_when_the_table_refuses_our_own_row(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 0);
    f->sink.poison_offsets[0] = 2;
    f->sink.poison_count = 1;
    f->sink.refuses_probe = true;
    load_done(f, batch_of(f, 0, 4));
    assert_int_equal(f->sink.rejected_count, 0);
    assert_int_equal(f->sink.loaded_count, 0);
    assert_track_waits(f, 0, 4);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 4);
}

static void test_a_held_table_is_left_out_until_it_takes_a_row_of_ours(void **state)
{
    struct fixture *f = *state;
    f->sink.broken_table = "track";
    f->sink.broken_code = "42883";
    load_done(f, mixed_batch(f));
    unsigned loads = f->sink.loads;
    load_done(f, batch_of(f, 10, 5)); /* not even tried */
    assert_int_equal(f->sink.loads, loads + 1);
    assert_track_waits(f, 0, 15);
    look_at_held(f); /* its minute is not over, and it has not changed */
    assert_int_equal(f->sink.probes, 0);
    f->sink.now_ms += 60000;
    look_at_held(f); /* still broken */
    assert_int_equal(f->sink.probes, 1);
    load_done(f, batch_of(f, 15, 5));
    assert_track_waits(f, 0, 20);
    f->sink.broken_table = NULL;
    f->sink.now_ms += 60000;
    look_at_held(f);
    f->sink.loaded_count = 0;
    load_done(f, batch_of(f, 20, 5)); /* new ones are loaded; the old ones still wait */
    assert_loaded_once_in_order(f, 20, 5);
    assert_track_waits(f, 0, 20);
}

static struct batch *slice_of(struct fixture *f, int64_t from, int64_t to)
{
    struct sink_range range = f->sink.held[0];
    range.from = from;
    struct batch *b = batch_new_slice(&range);
    for (int64_t i = from; i < to; i++) {
        add(f, b, record_at(0, i, "{\"a\":1}"));
    }
    return b;
}

static void test_a_slice_moves_the_start_of_its_range_and_no_position(void **state)
{
    struct fixture *f = *state;
    f->sink.broken_table = "track";
    f->sink.broken_code = "42501";
    load_done(f, mixed_batch(f));
    load_ended(f, slice_of(f, 0, 4), TASK_HELD); /* not yet */
    assert_track_waits(f, 0, 10);
    f->sink.broken_table = NULL;
    f->sink.now_ms += 60000;
    look_at_held(f);
    f->sink.loaded_count = 0;
    struct task_result r = load(f, slice_of(f, 0, 4));
    assert_int_equal(r.outcome, TASK_DONE);
    assert_int_equal(r.slice_from, 4);
    assert_int_equal(r.loaded_count, 0);
    task_result_release(&r);
    assert_track_waits(f, 4, 10);
    load_ended(f, slice_of(f, 0, 4), TASK_FENCED); /* another's, or an old one */
    load_done(f, slice_of(f, 4, 10));
    assert_int_equal(f->sink.held_count, 0);
    assert_loaded_once_in_order(f, 0, 10);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 10);
}

static void test_a_slice_that_becomes_unloadable_loads_nothing(void **state)
{
    struct fixture *f = *state;
    f->sink.broken_table = "track";
    f->sink.broken_code = "42501";
    load_done(f, mixed_batch(f));
    f->sink.broken_table = NULL;
    f->sink.now_ms += 60000;
    look_at_held(f);
    f->sink.broken_table = "track";
    f->sink.loaded_count = 0;
    load_ended(f, slice_of(f, 0, 4), TASK_HELD);
    assert_int_equal(f->sink.loaded_count, 0);
    assert_track_waits(f, 0, 10);
}

static void test_a_failure_that_is_no_tables_holds_none_and_is_told(void **state)
{
    static const char *const codes[] = { "XX000", "28P01", "53100", "22P02", "42P01" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        void *one = NULL;
        set_up(&one);
        struct fixture *f = one;
        start_at(f, 0, 0);
        for (size_t j = 0; j < 6; j++) {
            f->sink.load_failures[j] = codes[i];
        }
        f->sink.load_failure_count = 6;
        load_done(f, batch_of(f, 0, 3));
        assert_int_equal(f->sink.held_count, 0);
        assert_int_equal(f->sink.rejected_count, 0);
        assert_true(f->waits >= 6); /* never a hot loop */
        tear_down(&one);
    }
    (void)state;
}

static void test_a_batch_that_is_too_slow_is_loaded_in_halves(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 0);
    f->sink.load_failures[0] = "57014";
    f->sink.load_failures[1] = "57014";
    f->sink.load_failure_count = 2;
    struct task_result r = load(f, batch_of(f, 0, 8));
    assert_int_equal(r.outcome, TASK_DONE);
    assert_loaded_once_in_order(f, 0, 8);
    assert_int_equal(f->sink.loads, 2 + 3); /* 0 to 2, 2 to 4, 4 to 8 */
    assert_int_equal(r.loaded_count, 3);
    assert_int_equal(r.loaded[2].to, 8);
    task_result_release(&r);
}

static void test_a_locked_table_is_loaded_without_its_new_columns(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 0);
    load_done(f, batch_of(f, 0, 1));
    size_t columns = table_column_count(f->sink.tables[0]);
    f->sink.extend_failure_next = 0;
    for (size_t i = 0; i < 4; i++) {
        f->sink.extend_failures[i] = "55P03";
    }
    f->sink.extend_failure_count = 4;
    struct batch *b = batch_new();
    add(f, b, record_at(0, 1, "{\"brand_new\":1}"));
    load_done(f, b);
    assert_int_equal(table_column_count(f->sink.tables[0]), columns);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 2);
    /* A minute later it is tried again. */
    f->sink.now_ms += 60000;
    b = batch_new();
    add(f, b, record_at(0, 2, "{\"brand_new\":1}"));
    load_done(f, b);
    assert_int_equal(table_column_count(f->sink.tables[0]), columns + 1);
}

static void test_two_partitions_keep_their_intervals_when_divided(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 10);
    start_at(f, 1, 90);
    struct batch *b = batch_new();
    for (int64_t i = 0; i < 20; i++) {
        add(f, b, record_at(0, 10 + i, "{}"));
        add(f, b, record_at(1, 90 + i, "{}"));
    }
    f->sink.load_failures[0] = "57014";
    f->sink.load_failure_count = 1;
    f->sink.poison_offsets[0] = 17;
    f->sink.poison_offsets[1] = 101;
    f->sink.poison_count = 2;
    load_done(f, b);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 30);
    assert_int_equal(fake_sink_position(&f->sink, topic, 1), 110);
    assert_int_equal(f->sink.loaded_count, 40);
    assert_int_equal(f->sink.rejected_count, 2);
}

static void test_a_record_of_an_impossible_schema_is_kept_as_rejected(void **state)
{
    struct fixture *f = *state;
    start_at(f, 0, 0);
    struct log_record r = record_at(0, 0, "{}");
    r.record.schema = view_cstr("pg_catalog");
    struct batch *b = batch_new();
    add(f, b, r);
    assert_int_equal(b->rejected_count, 1);
    assert_int_equal(b->rejected[0].schema.len, 0);
    load_done(f, b);
    assert_non_null(strstr(buf_cstr(&f->sink.reasons), "invalid record"));
}

static void test_positions_are_read_and_moved_together(void **state)
{
    struct fixture *f = *state;
    struct sink_position asked[] = { { .topic = topic, .partition = 0 },
                                     { .topic = topic, .partition = 1 } };
    struct sink_move moves[] = {
        { .topic = topic, .partition = 0, .expected = -1, .next = 4 },
        { .topic = topic, .partition = 1, .expected = 33, .next = 50, .missing = 17 },
    };
    struct task read = { .kind = TASK_READ_POSITIONS,
                         .cluster_id = cluster,
                         .positions = asked,
                         .position_count = 2 };
    struct task move = { .kind = TASK_MOVE_POSITIONS,
                         .cluster_id = cluster,
                         .moves = moves,
                         .move_count = 2 };
    start_at(f, 1, 33);
    struct task_result r = drive(f, &read);
    assert_int_equal(r.outcome, TASK_DONE);
    assert_int_equal(asked[0].next_offset, -1);
    assert_int_equal(asked[1].next_offset, 33);
    task_result_release(&r);
    f->sink.move_failures[0] = "40001"; /* a round that is tried again forgets no gap */
    f->sink.move_failure_count = 1;
    r = drive(f, &move);
    assert_int_equal(r.outcome, TASK_DONE);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 4);
    assert_int_equal(fake_sink_position(&f->sink, topic, 1), 50);
    assert_int_equal(f->sink.gaps, 1);
    task_result_release(&r);
    r = drive(f, &move);
    assert_int_equal(r.outcome, TASK_FENCED);
    task_result_release(&r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_table_is_created_and_the_batch_loaded),
        TEST(test_a_second_batch_needs_no_ddl),
        TEST(test_a_batch_mapped_before_the_table_changed_is_loaded),
        cmocka_unit_test(test_transient_failures_are_retried_with_the_same_batch),
        TEST(test_a_lost_connection_is_opened_again),
        TEST(test_work_is_given_up_when_the_owner_says_so),
        TEST(test_a_fence_is_reported_and_nothing_loaded),
        cmocka_unit_test(test_one_refused_event_is_rejected_alone_at_any_place),
        TEST(test_scattered_refused_events_take_three_transactions),
        TEST(test_a_row_too_wide_is_first_made_narrow),
        cmocka_unit_test(test_a_broken_table_holds_no_other),
        TEST(test_nothing_is_rejected_when_the_table_refuses_our_own_row),
        TEST(test_a_held_table_is_left_out_until_it_takes_a_row_of_ours),
        TEST(test_a_slice_moves_the_start_of_its_range_and_no_position),
        TEST(test_a_slice_that_becomes_unloadable_loads_nothing),
        cmocka_unit_test(test_a_failure_that_is_no_tables_holds_none_and_is_told),
        TEST(test_a_batch_that_is_too_slow_is_loaded_in_halves),
        TEST(test_a_locked_table_is_loaded_without_its_new_columns),
        TEST(test_two_partitions_keep_their_intervals_when_divided),
        TEST(test_a_record_of_an_impossible_schema_is_kept_as_rejected),
        TEST(test_positions_are_read_and_moved_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
