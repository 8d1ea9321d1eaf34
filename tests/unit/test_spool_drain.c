/* The drain: each topic in order and on its own, nothing removed before it is delivered.
 */
#include "ingest/durable/spool_drain.h"

#include "tests/support/spool_bed.h"

#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct spool_contents contents;

struct bed {
    char path[256];
    struct spool *spool;
    struct fake_port *port;
    struct spool_drain *drain;
};

static int make(void **state)
{
    struct bed *b = calloc(1, sizeof *b);
    spool_bed_make(b->path);
    b->spool = spool_bed_open(b->path, SPOOL_BED_QUOTA, NULL);
    b->port = fake_port_new();
    *state = b;
    return 0;
}

static void start(struct bed *b)
{
    struct spool_port port = fake_port_port(b->port);
    struct error err;
    assert_true(spool_drain_start(spool_log_of(b->spool), &port, &b->drain, &err));
}

static void stop(struct bed *b)
{
    spool_drain_stop(b->drain);
    fake_port_release(b->port, false, 1);
    spool_drain_free(b->drain);
    b->drain = NULL;
}

/* As after a crash: the same folder, a new process, a new Kafka. */
static void restart(struct bed *b)
{
    stop(b);
    spool_close(b->spool);
    fake_port_free(b->port);
    b->spool = spool_bed_open(b->path, SPOOL_BED_QUOTA, NULL);
    b->port = fake_port_new();
    start(b);
}

static int drop(void **state)
{
    struct bed *b = *state;
    stop(b);
    spool_close(b->spool);
    fake_port_free(b->port);
    spool_bed_remove(b->path);
    free(b);
    return 0;
}

/* ---- conditions ---- */

static unsigned delivered(const struct fake_port *p)
{
    unsigned sum = 0;
    for (int i = 0; i < EVENT_TYPES; i++) {
        sum += p->delivered[i];
    }
    return sum;
}

static bool has_delivered(const struct fake_port *p, unsigned number)
{
    return delivered(p) >= number;
}

static bool has_sent(const struct fake_port *p, unsigned number)
{
    return p->sent >= number;
}

static bool holds(const struct fake_port *p, unsigned number)
{
    return p->held_count >= number;
}

static void wait_delivered(struct bed *b, unsigned number)
{
    assert_true(fake_port_wait(b->port, has_delivered, number));
}

/* Until so many segments are left. */
static void wait_segments(struct bed *b, uint64_t wanted)
{
    struct spool_figures figures;
    int64_t deadline = clock_mono_ms() + 10000;
    spool_figures(b->spool, &figures);
    while (figures.segments != wanted && clock_mono_ms() < deadline) {
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        spool_figures(b->spool, &figures);
    }
    assert_int_equal(figures.segments, wanted);
}

static void put(struct bed *b, unsigned number, enum event_type topic, size_t size)
{
    assert_true(spool_bed_put(b->spool, number, topic, size));
}

static void set(struct bed *b, void (*change)(struct fake_port *p))
{
    pthread_mutex_lock(&b->port->lock);
    change(b->port);
    pthread_mutex_unlock(&b->port->lock);
}

static void refuse_track(struct fake_port *p)
{
    p->refuses[EVENT_TRACK] = true;
}

static void take_track(struct fake_port *p)
{
    p->refuses[EVENT_TRACK] = false;
}

static void hold(struct fake_port *p)
{
    p->is_held = true;
}

static void no_room(struct fake_port *p)
{
    p->room = 0;
}

static void room_for_one(struct fake_port *p)
{
    p->room = 1;
}

static void take_nothing(struct fake_port *p)
{
    p->takes_nothing = true;
}

static void take_all(struct fake_port *p)
{
    p->takes_nothing = false;
    p->is_held = false;
    p->room = UINT32_MAX;
}

/* ---- tests ---- */

static void test_all_is_delivered_once_and_the_folder_is_empty_then(void **state)
{
    struct bed *b = *state;
    struct spool_figures figures;
    for (unsigned i = 0; i < 60; i++) {
        put(b, i, (enum event_type)(i % EVENT_TYPES), 10000);
    }
    start(b);
    wait_delivered(b, 60);
    wait_segments(b, 0);
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(b->port->counts[i], 1);
    }
    spool_figures(b->spool, &figures);
    assert_int_equal(figures.records, 0);
    assert_int_equal(figures.disk_bytes, 0);
}

static void test_what_comes_while_it_drains_is_drained_as_well(void **state)
{
    struct bed *b = *state;
    start(b);
    for (unsigned i = 0; i < 100; i++) {
        put(b, i, EVENT_TRACK, 5000);
    }
    wait_delivered(b, 100);
    wait_segments(b, 0);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(b->port->order[EVENT_TRACK][i], i);
    }
    put(b, 100, EVENT_TRACK, 10); /* a new segment after all were removed */
    wait_delivered(b, 101);
    wait_segments(b, 0);
}

static void test_each_topic_is_in_order_over_segments(void **state)
{
    struct bed *b = *state;
    unsigned next[EVENT_TYPES] = { 0 };
    for (unsigned i = 0; i < 150; i++) {
        put(b, i, (enum event_type)(i * i % 5), 7000);
    }
    start(b);
    wait_delivered(b, 150);
    for (unsigned i = 0; i < 150; i++) {
        unsigned topic = i * i % 5;
        assert_int_equal(b->port->order[topic][next[topic]++], i);
    }
}

static void test_a_refused_topic_holds_no_other(void **state)
{
    struct bed *b = *state;
    set(b, refuse_track);
    for (unsigned i = 0; i < 40; i++) {
        put(b, i, i == 3 ? EVENT_TRACK : EVENT_PAGE, 20000);
    }
    start(b);
    wait_delivered(b, 39);
    assert_int_equal(b->port->delivered[EVENT_TRACK], 0);
    wait_segments(b, 1); /* the others are given back */
    set(b, take_track);
    wait_delivered(b, 40);
    wait_segments(b, 0);
}

/* What is left of a segment is written anew: a few records do not hold its space. */
static void test_a_refused_topic_holds_only_the_space_of_its_records(void **state)
{
    struct bed *b = *state;
    struct spool_figures figures;
    set(b, refuse_track);
    for (unsigned i = 0; i < 200; i++) {
        put(b, i, i % 10 == 3 ? EVENT_TRACK : EVENT_PAGE, 10000);
    }
    start(b);
    wait_delivered(b, 180);
    int64_t deadline = clock_mono_ms() + 15000;
    do {
        assert_true(clock_mono_ms() < deadline);
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
        spool_figures(b->spool, &figures);
    } while (figures.disk_bytes > 20 * 10200 + 20 * 4096 + 131072);
    assert_int_equal(figures.records, 20);
    restart(b); /* what was written anew is what is read */
    wait_delivered(b, 20);
    wait_segments(b, 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(b->port->order[EVENT_TRACK][i], 10 * i + 3);
        assert_int_equal(b->port->counts[10 * i + 3], 1);
    }
}

static void
test_after_a_failure_it_goes_on_with_the_first_that_was_not_delivered(void **state)
{
    struct bed *b = *state;
    b->port->fail_next = 3;
    for (unsigned i = 0; i < 50; i++) {
        put(b, i, EVENT_TRACK, 3000);
    }
    start(b);
    wait_delivered(b, 50);
    wait_segments(b, 0);
    for (unsigned i = 0; i < 50; i++) {
        assert_true(b->port->counts[i] >= 1);
    }
}

static void test_nothing_is_removed_before_its_end_whatever_the_order(void **state)
{
    struct bed *b = *state;
    struct spool_figures figures;
    set(b, hold);
    for (unsigned i = 0; i < 60; i++) {
        put(b, i, (enum event_type)(i % 3), 10000);
    }
    spool_figures(b->spool, &figures);
    uint64_t segments = figures.segments;
    start(b);
    assert_true(fake_port_wait(b->port, holds, 60));
    spool_figures(b->spool, &figures);
    assert_int_equal(figures.segments, segments);
    assert_int_equal(figures.records, 60);
    fake_port_release(b->port, true, 7);
    wait_segments(b, 0);
}

static void test_what_was_under_way_at_a_stop_is_sent_again(void **state)
{
    struct bed *b = *state;
    set(b, hold);
    for (unsigned i = 0; i < 30; i++) {
        put(b, i, EVENT_TRACK, 10000);
    }
    start(b);
    assert_true(fake_port_wait(b->port, holds, 30));
    restart(b); /* ends them as not durable */
    wait_delivered(b, 30);
    wait_segments(b, 0);
}

static void test_no_more_is_under_way_than_the_window(void **state)
{
    struct bed *b = *state;
    set(b, hold);
    for (unsigned i = 0; i < SPOOL_WINDOW_RECORDS + 10; i++) {
        put(b, i, EVENT_TRACK, 10);
    }
    start(b);
    assert_true(fake_port_wait(b->port, holds, SPOOL_WINDOW_RECORDS));
    put(b, 9000, EVENT_PAGE, 10); /* another topic has a window of its own */
    assert_true(fake_port_wait(b->port, holds, SPOOL_WINDOW_RECORDS + 1));
    assert_int_equal(b->port->held_count, SPOOL_WINDOW_RECORDS + 1);
    set(b, take_all);
    fake_port_release(b->port, true, 3);
    wait_delivered(b, SPOOL_WINDOW_RECORDS + 11);
    wait_segments(b, 0);
}

static void test_it_sends_only_what_there_is_room_for(void **state)
{
    struct bed *b = *state;
    set(b, no_room);
    put(b, 0, EVENT_TRACK, 10);
    put(b, 1, EVENT_TRACK, 10);
    start(b);
    nanosleep(&(struct timespec){ 0, 200000000 }, NULL); /* some looks */
    assert_int_equal(b->port->sent, 0);
    set(b, hold);
    set(b, room_for_one);
    assert_true(fake_port_wait(b->port, has_sent, 1));
    set(b, no_room);
    fake_port_release(b->port, true, 1);
    set(b, take_all);
    wait_delivered(b, 2);
    wait_segments(b, 0);
}

static void test_what_the_port_does_not_take_is_offered_again(void **state)
{
    struct bed *b = *state;
    set(b, take_nothing);
    for (unsigned i = 0; i < 5; i++) {
        put(b, i, EVENT_TRACK, 10);
    }
    start(b);
    nanosleep(&(struct timespec){ 0, 200000000 }, NULL);
    set(b, take_all);
    wait_delivered(b, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(b->port->order[EVENT_TRACK][i], i);
        assert_int_equal(b->port->counts[i], 1);
    }
    wait_segments(b, 0);
}

static void test_what_an_earlier_process_left_is_drained_first(void **state)
{
    struct bed *b = *state;
    set(b, no_room);
    for (unsigned i = 0; i < 40; i++) {
        put(b, i, EVENT_TRACK, 10000);
    }
    start(b);
    restart(b);
    for (unsigned i = 40; i < 60; i++) {
        put(b, i, EVENT_TRACK, 10000);
    }
    wait_delivered(b, 60);
    wait_segments(b, 0);
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(b->port->order[EVENT_TRACK][i], i);
    }
    stop(b);
    spool_close(b->spool);
    spool_bed_read(b->path, &contents);
    assert_int_equal(contents.total, 0);
    b->spool = spool_bed_open(b->path, SPOOL_BED_QUOTA, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_is_delivered_once_and_the_folder_is_empty_then),
        TEST(test_what_comes_while_it_drains_is_drained_as_well),
        TEST(test_each_topic_is_in_order_over_segments),
        TEST(test_a_refused_topic_holds_no_other),
        TEST(test_a_refused_topic_holds_only_the_space_of_its_records),
        TEST(test_after_a_failure_it_goes_on_with_the_first_that_was_not_delivered),
        TEST(test_nothing_is_removed_before_its_end_whatever_the_order),
        TEST(test_what_was_under_way_at_a_stop_is_sent_again),
        TEST(test_no_more_is_under_way_than_the_window),
        TEST(test_it_sends_only_what_there_is_room_for),
        TEST(test_what_the_port_does_not_take_is_offered_again),
        TEST(test_what_an_earlier_process_left_is_drained_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
