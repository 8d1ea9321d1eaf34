/* The driver of a batch against a database in memory that fails as told: what is loaded,
 * what is rejected, what is tried again. */
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
static const char cluster[] = "test-cluster";

struct fixture {
    struct fake_sink sink;
    struct stream stream;
    struct pipeline pipeline;
    unsigned pauses;
    unsigned pauses_allowed; /* then the work is given up */
    unsigned released;
};

static void release_message(void *context, void *message)
{
    struct fixture *f = context;
    f->released++;
    free(message);
}

/* Time does not pass in these tests: a pause returns at once. */
static bool pause_at_once(void *context, uint64_t ms)
{
    struct fixture *f = context;
    (void)ms;
    return ++f->pauses <= f->pauses_allowed;
}

static int set_up(void **state)
{
    static const char *const none[] = { NULL };
    struct mapping_options options = { .ignore_paths = none, .integration_names = none };
    struct fixture *f = mem_calloc(1, sizeof *f);
    fake_sink_init(&f->sink);
    f->pauses_allowed = 1000;
    f->stream = (struct stream){ .context = f, .release = release_message };
    f->pipeline = (struct pipeline){
        .sink = &f->sink.sink,
        .stream = &f->stream,
        .context = { .catalogue = catalogue_new(),
                     .mapper = mapper_new(&options),
                     .max_columns = 800 },
        .metrics = loader_metrics_new(),
        .cluster_id = cluster,
        .pause = pause_at_once,
        .pause_context = f,
    };
    backoff_init(&f->pipeline.backoff, 1, 1, 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mapper_free(f->pipeline.context.mapper);
    catalogue_free(f->pipeline.context.catalogue);
    loader_metrics_free(f->pipeline.metrics);
    fake_sink_release(&f->sink);
    free(f);
    return 0;
}

/* A track event as the stream would hand it on; `properties` is JSON. */
static struct stream_record record_at(int32_t partition, int64_t offset,
                                      const char *properties)
{
    char *value = mem_alloc(512);
    int len = snprintf(
        value, 512, "{\"type\":\"track\",\"messageId\":\"m-%d-%lld\",\"properties\":%s}",
        partition, (long long)offset, properties);
    struct stream_record r = {
        .record = { .topic = EVENT_TRACK,
                    .value = view_of(value, (size_t)len),
                    .source = VIEW_LITERAL("shop"),
                    .schema = VIEW_LITERAL("shop"),
                    .received_at_ms = 1764842400000,
                    .via = VIA_WEBHOOK,
                    .auth = AUTH_TOKEN },
        .topic = topic,
        .partition = partition,
        .offset = offset,
        .headers_are_valid = true,
        .message = value,
    };
    return r;
}

static struct batch *batch_of(struct fixture *f, int64_t from, int64_t count)
{
    struct batch *b = batch_new();
    for (int64_t i = 0; i < count; i++) {
        struct stream_record r = record_at(0, from + i, "{\"a\":1}");
        batch_add(b, &f->pipeline.context, &r, from + i);
    }
    return b;
}

static void start_at(struct fixture *f, int32_t partition, int64_t offset)
{
    struct sink_position p = { topic, partition, offset };
    struct error err;
    assert_true(f->sink.sink.set_position(&f->sink, cluster, &p, -1, &err));
}

/* Loads and frees the batch; returns the outcome. */
static enum pipeline_outcome load(struct fixture *f, struct batch *b,
                                  struct pipeline_result *result)
{
    enum pipeline_outcome outcome = pipeline_load(&f->pipeline, b, result);
    batch_free(b, &f->stream);
    return outcome;
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
    struct pipeline_result result;
    start_at(f, 0, 7);
    assert_int_equal(load(f, batch_of(f, 7, 3), &result), PIPELINE_DONE);
    assert_loaded_once_in_order(f, 7, 3);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 10);
    assert_int_equal(f->sink.extends, 1);
    assert_int_equal(result.loaded_count, 1);
    assert_int_equal(result.loaded[0].to, 10);
    assert_int_equal(f->released, 3);
    pipeline_result_release(&result);
}

static void test_a_second_batch_needs_no_ddl(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 0);
    load(f, batch_of(f, 0, 2), &result);
    pipeline_result_release(&result);
    unsigned extends = f->sink.extends;
    assert_int_equal(load(f, batch_of(f, 2, 2), &result), PIPELINE_DONE);
    assert_int_equal(f->sink.extends, extends);
    pipeline_result_release(&result);
}

static void test_a_batch_mapped_before_the_table_changed_is_mapped_again(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 0);
    load(f, batch_of(f, 0, 1), &result);
    pipeline_result_release(&result);
    struct batch *b = batch_of(f, 1, 1);
    /* Meanwhile another loader adds a column. */
    struct stream_record other = record_at(5, 0, "{\"b\":true}");
    struct batch *theirs = batch_new();
    start_at(f, 5, 0);
    struct batch_context context = f->pipeline.context;
    batch_add(theirs, &context, &other, 0);
    struct table *changed = NULL;
    struct error err;
    assert_true(f->sink.sink.extend(&f->sink, theirs->tables[0].plan, &changed, &err));
    table_unref(changed);
    batch_free(theirs, &f->stream);
    assert_int_equal(load(f, b, &result), PIPELINE_DONE);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 2);
    pipeline_result_release(&result);
}

static void test_transient_failures_are_retried_with_the_same_batch(void **state)
{
    static const char *const codes[] = { "40001", "40P01", "55P03", "08006", "57P01",
                                         "53300", "25006", "53100", "42501", "57014" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        void *one = NULL;
        set_up(&one);
        struct fixture *f = one;
        struct pipeline_result result;
        start_at(f, 0, 0);
        f->sink.load_failures[0] = codes[i];
        f->sink.load_failure_count = 1;
        assert_int_equal(load(f, batch_of(f, 0, 4), &result), PIPELINE_DONE);
        assert_loaded_once_in_order(f, 0, 4);
        assert_int_equal(f->sink.rejected_count, 0);
        pipeline_result_release(&result);
        tear_down(&one);
    }
    (void)state;
}

static void test_a_lost_connection_is_opened_again(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 0);
    f->sink.connect_failures[0] = "08006";
    f->sink.connect_failures[1] = "57P03";
    f->sink.connect_failure_count = 2;
    f->sink.load_failures[0] = "57P01";
    f->sink.load_failure_count = 1;
    assert_int_equal(load(f, batch_of(f, 0, 1), &result), PIPELINE_DONE);
    assert_int_equal(f->sink.connects, 4);
    assert_int_equal(atomic_load(&f->pipeline.connections), 2);
    assert_false(atomic_load(&f->pipeline.is_in_trouble));
    pipeline_result_release(&result);
}

static void test_work_is_given_up_when_the_owner_says_so(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 0);
    f->pauses_allowed = 3;
    for (size_t i = 0; i < 8; i++) {
        f->sink.connect_failures[i] = "08006";
    }
    f->sink.connect_failure_count = 8;
    assert_int_equal(load(f, batch_of(f, 0, 2), &result), PIPELINE_GIVEN_UP);
    assert_int_equal(f->sink.loaded_count, 0);
    assert_int_equal(f->released, 2);
    pipeline_result_release(&result);
}

static void test_a_fence_is_reported_and_nothing_loaded(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 5);
    assert_int_equal(load(f, batch_of(f, 3, 2), &result), PIPELINE_FENCED);
    assert_int_equal(f->sink.loaded_count, 0);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 5);
    pipeline_result_release(&result);
}

static void test_one_refused_event_is_rejected_alone_at_any_place(void **state)
{
    static const int64_t places[] = { 0, 1, 7, 49, 98, 99 };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        void *one = NULL;
        set_up(&one);
        struct fixture *f = one;
        struct pipeline_result result;
        start_at(f, 0, 0);
        f->sink.poison_offsets[0] = places[i];
        f->sink.poison_count = 1;
        assert_int_equal(load(f, batch_of(f, 0, 100), &result), PIPELINE_DONE);
        assert_loaded_once_in_order(f, 0, 100);
        assert_int_equal(f->sink.rejected_count, 1);
        assert_int_equal(f->sink.rejected_offsets[0], places[i]);
        assert_int_equal(fake_sink_position(&f->sink, topic, 0), 100);
        assert_non_null(strstr(buf_cstr(&f->sink.reasons), "refused by database: 22P02"));
        pipeline_result_release(&result);
        tear_down(&one);
    }
    (void)state;
}

static void test_scattered_refused_events_are_all_rejected(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 0);
    f->sink.poison_code = "23514";
    for (int64_t i = 0; i < 50; i++) {
        f->sink.poison_offsets[f->sink.poison_count++] = i * 4 + 1;
    }
    assert_int_equal(load(f, batch_of(f, 0, 200), &result), PIPELINE_DONE);
    assert_loaded_once_in_order(f, 0, 200);
    assert_int_equal(f->sink.rejected_count, 50);
    assert_non_null(strstr(buf_cstr(&f->sink.reasons), "constraint: 23514"));
    pipeline_result_release(&result);
}

static void test_nothing_is_rejected_when_the_table_refuses_our_own_row(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 0);
    f->sink.poison_offsets[0] = 2;
    f->sink.poison_count = 1;
    f->sink.refuses_probe = true;
    assert_int_equal(load(f, batch_of(f, 0, 4), &result), PIPELINE_STOPPED);
    assert_int_equal(f->sink.rejected_count, 0);
    assert_ptr_equal(result.stopped_topic, topic);
    assert_int_equal(result.stopped_partition, 0);
    assert_non_null(strstr(result.reason, "our own"));
    /* What came before the refused event is loaded; it and what follows is not. */
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 2);
    pipeline_result_release(&result);
}

static void test_an_unlisted_failure_stops_and_rejects_nothing(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 0);
    f->sink.poison_offsets[0] = 1;
    f->sink.poison_count = 1;
    f->sink.poison_code = "XX000";
    assert_int_equal(load(f, batch_of(f, 0, 3), &result), PIPELINE_STOPPED);
    assert_int_equal(f->sink.rejected_count, 0);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 1);
    pipeline_result_release(&result);
}

static void test_a_locked_table_is_loaded_without_its_new_columns(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 0);
    load(f, batch_of(f, 0, 1), &result);
    pipeline_result_release(&result);
    size_t columns = table_column_count(f->sink.tables[0]);
    f->sink.extend_failure_next = 0;
    for (size_t i = 0; i < 4; i++) {
        f->sink.extend_failures[i] = "55P03";
    }
    f->sink.extend_failure_count = 4;
    struct stream_record r = record_at(0, 1, "{\"brand_new\":1}");
    struct batch *b = batch_new();
    batch_add(b, &f->pipeline.context, &r, 1);
    assert_int_equal(load(f, b, &result), PIPELINE_DONE);
    assert_int_equal(table_column_count(f->sink.tables[0]), columns);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 2);
    assert_int_not_equal(f->pipeline.reopen_at_mono_ms, 0);
    pipeline_result_release(&result);
}

static void test_two_partitions_keep_their_intervals_when_divided(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 10);
    start_at(f, 1, 90);
    struct batch *b = batch_new();
    for (int64_t i = 0; i < 20; i++) {
        struct stream_record even = record_at(0, 10 + i, "{}");
        struct stream_record odd = record_at(1, 90 + i, "{}");
        batch_add(b, &f->pipeline.context, &even, 10 + i);
        batch_add(b, &f->pipeline.context, &odd, 90 + i);
    }
    f->sink.poison_offsets[0] = 17;
    f->sink.poison_offsets[1] = 101;
    f->sink.poison_count = 2;
    assert_int_equal(load(f, b, &result), PIPELINE_DONE);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 30);
    assert_int_equal(fake_sink_position(&f->sink, topic, 1), 110);
    assert_int_equal(f->sink.loaded_count, 40);
    assert_int_equal(f->sink.rejected_count, 2);
    pipeline_result_release(&result);
}

static void test_a_record_of_an_impossible_schema_is_kept_as_rejected(void **state)
{
    struct fixture *f = *state;
    struct pipeline_result result;
    start_at(f, 0, 0);
    struct stream_record r = record_at(0, 0, "{}");
    r.record.schema = view_cstr("pg_catalog");
    struct batch *b = batch_new();
    batch_add(b, &f->pipeline.context, &r, 0);
    assert_int_equal(b->rejected_count, 1);
    assert_int_equal(b->rejected[0].schema.len, 0);
    assert_int_equal(load(f, b, &result), PIPELINE_DONE);
    assert_non_null(strstr(buf_cstr(&f->sink.reasons), "invalid record"));
    pipeline_result_release(&result);
}

static void test_positions_are_found_and_first_ones_made(void **state)
{
    struct fixture *f = *state;
    struct pipeline_position asked[] = {
        { .topic = topic,
          .partition = 0,
          .facts = { .log_start = 4, .log_end = 9, .committed = -1 } },
        { .topic = topic,
          .partition = 1,
          .facts = { .log_start = 0, .log_end = 50, .committed = -1 } },
    };
    start_at(f, 1, 33);
    assert_int_equal(pipeline_find_positions(&f->pipeline, asked, 2), PIPELINE_DONE);
    assert_int_equal(asked[0].choice.verdict, POSITION_FIRST);
    assert_int_equal(fake_sink_position(&f->sink, topic, 0), 4);
    assert_int_equal(asked[1].choice.verdict, POSITION_START);
    assert_int_equal(asked[1].choice.offset, 33);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_table_is_created_and_the_batch_loaded),
        TEST(test_a_second_batch_needs_no_ddl),
        TEST(test_a_batch_mapped_before_the_table_changed_is_mapped_again),
        cmocka_unit_test(test_transient_failures_are_retried_with_the_same_batch),
        TEST(test_a_lost_connection_is_opened_again),
        TEST(test_work_is_given_up_when_the_owner_says_so),
        TEST(test_a_fence_is_reported_and_nothing_loaded),
        cmocka_unit_test(test_one_refused_event_is_rejected_alone_at_any_place),
        TEST(test_scattered_refused_events_are_all_rejected),
        TEST(test_nothing_is_rejected_when_the_table_refuses_our_own_row),
        TEST(test_an_unlisted_failure_stops_and_rejects_nothing),
        TEST(test_a_locked_table_is_loaded_without_its_new_columns),
        TEST(test_two_partitions_keep_their_intervals_when_divided),
        TEST(test_a_record_of_an_impossible_schema_is_kept_as_rejected),
        TEST(test_positions_are_found_and_first_ones_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
