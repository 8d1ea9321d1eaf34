/* The writer as a thread: what is handed over comes back, waiting ends when it is given
 * up, and a stop frees what nobody has taken. */
#include "loader/load/writer_thread.h"

#include "tests/support/fake_sink.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_MS 10000

static const char topic[] = "segment.track";

struct fixture {
    struct fake_sink sink;
    struct loader_metrics *metrics;
    struct batch_context context;
    struct pipeline *pipeline;
    struct writer writer;
    unsigned released;
    atomic_bool is_interrupted; /* set by the thread that gives up */
};

static struct fixture *running;

static void release_message(void *context, void *message)
{
    struct fixture *f = context;
    f->released++;
    free(message);
}

static int64_t mono_ms(void *context)
{
    (void)context;
    return clock_mono_ms();
}

static void interrupt(void *context, bool is_on)
{
    (void)context;
    atomic_store(&running->is_interrupted, is_on);
}

static int set_up(void **state)
{
    static const char *const none[] = { NULL };
    struct mapping_options options = { .ignore_paths = none, .integration_names = none };
    struct fixture *f = mem_calloc(1, sizeof *f);
    struct error err;
    running = f;
    fake_sink_init(&f->sink);
    f->sink.sink.mono_ms = mono_ms;
    f->sink.sink.interrupt = interrupt;
    f->metrics = loader_metrics_new();
    f->context = (struct batch_context){ .catalogue = catalogue_new(),
                                         .mapper = mapper_new(&options),
                                         .max_columns = 800 };
    struct pipeline_setup setup = { .sink = &f->sink.sink,
                                    .metrics = f->metrics,
                                    .backoff_first_ms = 60000,
                                    .backoff_max_ms = 60000,
                                    .seed = 1 };
    f->pipeline = pipeline_new(&setup);
    fake_sink_place(&f->sink, topic, 0, 0);
    assert_true(writer_thread_start(f->pipeline, &f->sink.sink, &f->writer, &err));
    *state = f;
    return 0;
}

static void stop(struct fixture *f)
{
    struct log_release release = { f, release_message };
    writer_thread_stop(&f->writer, &release);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    stop(f);
    pipeline_free(f->pipeline);
    mapper_free(f->context.mapper);
    catalogue_free(f->context.catalogue);
    loader_metrics_free(f->metrics);
    fake_sink_release(&f->sink);
    free(f);
    return 0;
}

static void give_batch(struct fixture *f, int64_t from, int64_t count)
{
    struct batch *b = batch_new();
    for (int64_t i = from; i < from + count; i++) {
        char *value = mem_alloc(100);
        int len = snprintf(value, 100, "{\"type\":\"track\",\"messageId\":\"m-0-%lld\"}",
                           (long long)i);
        struct log_record r = { .record = { .topic = EVENT_TRACK,
                                            .value = view_of(value, (size_t)len),
                                            .source = VIEW_LITERAL("shop"),
                                            .schema = VIEW_LITERAL("shop"),
                                            .received_at_ms = 1,
                                            .via = VIA_WEBHOOK,
                                            .auth = AUTH_TOKEN },
                                .topic = topic,
                                .offset = i,
                                .headers_are_valid = true,
                                .message = value };
        batch_add(b, &f->context, &r, i, 0);
    }
    struct task task = { .kind = TASK_LOAD, .cluster_id = "c", .batch = b };
    f->writer.give(f->writer.context, &task);
}

static void take(struct fixture *f, enum task_outcome expected)
{
    struct log_release release = { f, release_message };
    struct task_result r;
    assert_true(f->writer.take(f->writer.context, WAIT_MS, &r));
    assert_int_equal(r.outcome, expected);
    batch_free(r.task.batch, &release);
    task_result_release(&r);
    assert_true(f->writer.is_idle(f->writer.context));
}

static void be_away(struct fixture *f)
{
    f->sink.connect_failures[0] = "08006";
    f->sink.connect_failure_count = 1;
}

/* Until the thread waits for the database. */
static void wait_for_trouble(struct fixture *f)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    while (!f->writer.is_in_trouble(f->writer.context)) {
        struct timespec moment = { 0, 1000000 };
        assert_true(clock_mono_ms() < deadline);
        nanosleep(&moment, NULL);
    }
}

static void test_batches_come_back_one_after_the_other(void **state)
{
    struct fixture *f = *state;
    struct task_result r;
    assert_false(f->writer.take(f->writer.context, 0, &r)); /* nothing was given */
    for (int64_t i = 0; i < 20; i++) {
        give_batch(f, i * 5, 5);
        assert_false(f->writer.is_idle(f->writer.context));
        take(f, TASK_DONE);
    }
    assert_int_equal(f->sink.loaded_count, 100);
    assert_int_equal(f->released, 100);
}

static void test_who_gives_up_gets_the_batch_back_at_once(void **state)
{
    struct fixture *f = *state;
    be_away(f);
    give_batch(f, 0, 3);
    wait_for_trouble(f);
    f->writer.give_up(f->writer.context);
    take(f, TASK_GIVEN_UP);
    assert_true(atomic_load(&f->is_interrupted));
    give_batch(f, 0, 3); /* the next task is a new beginning */
    take(f, TASK_DONE);
    assert_false(atomic_load(&f->is_interrupted));
    assert_int_equal(f->sink.loaded_count, 3);
}

static void test_a_stop_ends_what_waits(void **state)
{
    struct fixture *f = *state;
    be_away(f);
    give_batch(f, 0, 3);
    wait_for_trouble(f);
    stop(f);
    assert_int_equal(f->released, 3);
    assert_int_equal(f->sink.loaded_count, 0);
}

static void test_a_stop_frees_a_result_that_nobody_took(void **state)
{
    struct fixture *f = *state;
    give_batch(f, 0, 3);
    stop(f); /* begun or not, ended or not */
    assert_int_equal(f->released, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_batches_come_back_one_after_the_other),
        TEST(test_who_gives_up_gets_the_batch_back_at_once),
        TEST(test_a_stop_ends_what_waits),
        TEST(test_a_stop_frees_a_result_that_nobody_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
