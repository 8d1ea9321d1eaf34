/* The spool against a model of it: whatever happens in whatever order, what was
 * acknowledged is delivered, and the folder never takes more than its quota.
 *
 * The model is one array: the numbers that were acknowledged. Kafka refuses topics, holds
 * its answers and gives them in any order, has no room; the disk is full or writes short;
 * the process restarts.
 */
#include "tests/support/fault_io.h"
#include "tests/support/spool_bed.h"

#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS 12
#define STEPS 150
#define QUOTA ((uint64_t)3 << 20)

struct model {
    uint32_t random;
    char path[256];
    struct spool *spool;
    struct fake_port *port;
    struct spool_drain *drain;
    bool acknowledged[SPOOL_BED_RECORDS];
    unsigned counts[SPOOL_BED_RECORDS]; /* delivered in earlier lives */
    unsigned number;
    unsigned refused, restarts, failures;
};

static uint32_t pick(struct model *m, uint32_t below)
{
    m->random = m->random * 1664525u + 1013904223u;
    return (m->random >> 8) % below;
}

static void start(struct model *m)
{
    struct error err;
    m->spool = spool_bed_open(m->path, QUOTA, NULL);
    m->port = fake_port_new();
    struct spool_port port = fake_port_port(m->port);
    assert_true(spool_drain_start(spool_log_of(m->spool), &port, &m->drain, &err));
}

static void stop(struct model *m)
{
    spool_drain_stop(m->drain);
    fake_port_release(m->port, pick(m, 2) == 0, m->random);
    spool_drain_free(m->drain);
    spool_close(m->spool);
    for (unsigned i = 0; i < m->number; i++) {
        m->counts[i] += m->port->counts[i];
    }
    fake_port_free(m->port);
}

static void put(struct model *m)
{
    enum event_type topic = (enum event_type)pick(m, EVENT_TYPES);
    size_t size = pick(m, pick(m, 12) == 0 ? 200000 : 6000);
    unsigned number = m->number++;
    m->acknowledged[number] = spool_bed_put(m->spool, number, topic, size);
    m->refused += m->acknowledged[number] ? 0 : 1;
}

static void set_kafka(struct model *m)
{
    uint32_t topic = pick(m, EVENT_TYPES);
    uint32_t rooms[] = { 0, 1, 5, UINT32_MAX };
    pthread_mutex_lock(&m->port->lock);
    m->port->refuses[topic] = !m->port->refuses[topic];
    m->port->room = rooms[pick(m, 4)];
    m->port->takes_nothing = pick(m, 8) == 0;
    m->port->fail_next = pick(m, 4) == 0 ? pick(m, 20) : 0;
    m->port->is_held = pick(m, 4) == 0;
    m->failures += m->port->fail_next;
    pthread_mutex_unlock(&m->port->lock);
}

static void set_disk(struct model *m)
{
    static const char *const disks[] = { "", "short", "enospc_after=9000", "" };
    char words[512];
    snprintf(words, sizeof words, "dir=%s %s", m->path, disks[pick(m, 4)]);
    fault_io_set(words);
}

static void step(struct model *m)
{
    switch (pick(m, 20)) {
    case 0:
        set_kafka(m);
        break;
    case 1:
        set_disk(m);
        break;
    case 2:
        fake_port_release(m->port, pick(m, 3) > 0, m->random);
        break;
    case 3:
        if (pick(m, 5) == 0) {
            stop(m);
            start(m);
            m->restarts++;
        }
        break;
    default:
        put(m);
        break;
    }
    struct spool_figures figures;
    spool_figures(m->spool, &figures);
    assert_true(figures.disk_bytes <= QUOTA);
}

static void settle(struct model *m)
{
    struct spool_figures figures = { .segments = 1 };
    int64_t deadline = clock_mono_ms() + 30000;
    fault_io_set("");
    pthread_mutex_lock(&m->port->lock);
    memset(m->port->refuses, 0, sizeof m->port->refuses);
    m->port->room = UINT32_MAX;
    m->port->takes_nothing = false;
    m->port->fail_next = 0;
    m->port->is_held = false;
    pthread_mutex_unlock(&m->port->lock);
    while (figures.segments > 0) {
        assert_true(clock_mono_ms() < deadline);
        fake_port_release(m->port, true, 1);
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        spool_figures(m->spool, &figures);
    }
    assert_int_equal(figures.records, 0);
    assert_int_equal(figures.corrupt_records, 0);
    assert_int_equal(figures.disk_bytes, 0);
}

static void run_seed(struct model *m, uint32_t seed)
{
    *m = (struct model){ .random = seed };
    spool_bed_make(m->path);
    start(m);
    for (unsigned i = 0; i < STEPS; i++) {
        step(m);
    }
    settle(m);
    stop(m);
    for (unsigned i = 0; i < m->number; i++) {
        if (m->acknowledged[i] && m->counts[i] == 0) {
            fail_msg("seed %u: record %u was acknowledged and never delivered", seed, i);
        }
    }
    spool_bed_remove(m->path);
}

static void test_what_was_acknowledged_is_delivered_whatever_happens(void **state)
{
    (void)state;
    static struct model m;
    unsigned refused = 0;
    unsigned restarts = 0;
    unsigned failures = 0;
    uint32_t seed = (uint32_t)clock_real_ms();
    for (unsigned i = 0; i < SEEDS; i++) {
        print_message("seed %u\n", seed + i);
        run_seed(&m, seed + i);
        refused += m.refused;
        restarts += m.restarts;
        failures += m.failures;
    }
    assert_true(refused > 0 && restarts > 0 && failures > 0); /* they did happen */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_acknowledged_is_delivered_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
