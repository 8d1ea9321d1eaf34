/* The ack rule's second step over real librdkafka, its mock cluster and a real disk: what
 * Kafka does not take goes to the spool, and from there to Kafka.
 */
#include "ingest/durable/ack_rule.h"
#include "ingest/durable/spool_to_kafka.h"

#include "tests/support/delivery_bed.h"
#include "tests/support/fault_io.h"
#include "tests/support/mock_kafka.h"
#include "tests/support/spool_bed.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"

#include <librdkafka/rdkafka.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define ACK_MS 50
#define LONG_MS 30000
#define EVENT "{\"type\":\"track\"}"

struct bench {
    char path[256];
    struct mock_kafka *kafka;
    struct kafka_publisher *publisher;
    struct spool *spool;
    struct ack_rule *rule;
    struct durable port;
    struct spool_to_kafka to_kafka;
    struct spool_drain *drain;
    struct delivery_bed bed;
    _Atomic unsigned failures;
};

static void start_drain(struct bench *b)
{
    struct error err;
    struct spool_port port = spool_to_kafka_port(&b->to_kafka);
    assert_true(spool_drain_start(spool_log_of(b->spool), &port, &b->drain, &err));
}

static int set_up(void **state)
{
    struct bench *b = mem_calloc(1, sizeof *b);
    struct error err;
    *state = b;
    spool_bed_make(b->path);
    b->kafka = mock_kafka_start();
    b->spool = spool_bed_open(b->path, SPOOL_BED_QUOTA, &b->failures);
    delivery_bed_open(&b->bed);
    struct kafka_publisher_setup setup = { .brokers = mock_kafka_brokers(b->kafka),
                                           .topic_prefix = MOCK_KAFKA_PREFIX,
                                           .max_event_bytes = 1u << 20 };
    assert_true(kafka_publisher_open(&setup, &b->publisher, &err));
    struct ack_rule_setup rule = { .publisher = b->publisher,
                                   .spool = b->spool,
                                   .ack_timeout_ms = ACK_MS };
    b->rule = ack_rule_new(&rule);
    b->port = ack_rule_port(b->rule);
    b->to_kafka = (struct spool_to_kafka){ b->publisher, ack_rule_circuit(b->rule) };
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    fault_io_set("");
    spool_drain_stop(b->drain);
    (void)kafka_publisher_close(b->publisher, 2000);
    spool_drain_free(b->drain);
    spool_close(b->spool);
    delivery_bed_close(&b->bed); /* fails unless the budget is back */
    ack_rule_free(b->rule);
    mock_kafka_stop(b->kafka);
    spool_bed_remove(b->path);
    free(b);
    return 0;
}

static enum delivery_outcome publish(struct bench *b, int count, int64_t ack_ms)
{
    struct delivery *d = delivery_bed_new(&b->bed, (size_t)count);
    for (int i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        delivery_bed_add(d, key, view_cstr(EVENT));
    }
    return delivery_bed_publish(&b->bed, &b->port, ack_ms);
}

static uint64_t records_in(const struct bench *b)
{
    struct spool_figures figures;
    spool_figures(b->spool, &figures);
    return figures.records;
}

static void wait_empty(const struct bench *b)
{
    struct spool_figures figures;
    int64_t deadline = clock_mono_ms() + LONG_MS;
    do {
        assert_true(clock_mono_ms() < deadline);
        nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
        spool_figures(b->spool, &figures);
    } while (figures.segments > 0);
}

static void open_circuit(struct bench *b)
{
    mock_kafka_set_down(b->kafka);
    while (!circuit_is_open(ack_rule_circuit(b->rule))) {
        assert_int_equal(publish(b, 1, ACK_MS), DELIVERY_IN_SPOOL);
    }
}

/* ---- to the spool ---- */

static void test_while_kafka_acknowledges_the_spool_stays_empty(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 5, LONG_MS), DELIVERY_IN_KAFKA);
    assert_int_equal(records_in(b), 0);
}

static void test_what_kafka_does_not_acknowledge_in_time_goes_to_the_spool(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_set_delay(b->kafka, 1000);
    assert_int_equal(publish(b, 5, ACK_MS), DELIVERY_IN_SPOOL);
    assert_int_equal(records_in(b), 5);
}

static void test_with_the_circuit_open_it_goes_there_at_once(void **state)
{
    struct bench *b = *state;
    open_circuit(b);
    uint64_t before = records_in(b);
    (void)publish(b, 1, ACK_MS); /* may be the one try of this second */
    assert_true(b->port.would_take(b->port.context));
    for (int i = 0; i < 20; i++) {
        int64_t start = clock_mono_ms();
        assert_int_equal(publish(b, 3, LONG_MS), DELIVERY_IN_SPOOL);
        if (clock_mono_ms() - start > 900) {
            break; /* a slow machine: the next second's try may have begun */
        }
    }
    assert_true(records_in(b) > before + 3);
}

/* Neither in its topic nor in that of the rejected: it is not lost either. */
static void test_what_kafka_refuses_for_good_is_kept(void **state)
{
    struct bench *b = *state;
    mock_kafka_fail_produce(b->kafka, RD_KAFKA_RESP_ERR_INVALID_RECORD, 4);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_SPOOL);
    assert_int_equal(records_in(b), 1);
}

static void
test_what_is_under_way_when_the_client_is_closed_goes_to_the_spool(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_set_down(b->kafka);
    struct delivery *d = delivery_bed_new(&b->bed, 1);
    delivery_bed_add(d, "k", view_cstr(EVENT));
    assert_true(delivery_charge(d));
    b->port.take(b->port.context, d);
    assert_false(delivery_bed_wait(&b->bed, 20));
    (void)kafka_publisher_close(b->publisher, 100);
    b->publisher = NULL;
    assert_true(delivery_bed_wait(&b->bed, LONG_MS));
    assert_int_equal(b->bed.outcome, DELIVERY_IN_SPOOL);
}

/* ---- not even there ---- */

static void test_a_full_spool_refuses_and_says_so_before_a_body_is_read(void **state)
{
    struct bench *b = *state;
    unsigned number = 0;
    open_circuit(b);
    while (spool_bed_put(b->spool, number, EVENT_TRACK, 60000)) {
        number++;
    }
    (void)publish(b, 1, ACK_MS); /* the one try of this second */
    assert_false(b->port.would_take(b->port.context));
    while (spool_bed_put(b->spool, number, EVENT_TRACK, 10)) {
        number++;
    }
    enum delivery_outcome outcome = publish(b, 1, ACK_MS);
    assert_int_equal(outcome, DELIVERY_REFUSED);
}

static void test_a_broken_disk_refuses_for_good(void **state)
{
    struct bench *b = *state;
    char words[320];
    open_circuit(b);
    snprintf(words, sizeof words, "dir=%s eio_sync=1", b->path);
    fault_io_set(words);
    assert_int_equal(publish(b, 1, ACK_MS), DELIVERY_REFUSED);
    fault_io_set("");
    assert_int_equal(b->failures, 1);
    assert_int_equal(publish(b, 1, ACK_MS), DELIVERY_REFUSED);
}

/* The sender is told to come again; what the disk then still writes is a copy. */
static void test_a_disk_slower_than_the_request_may_wait_is_late(void **state)
{
    struct bench *b = *state;
    char words[320];
    open_circuit(b);
    (void)publish(b, 1, ACK_MS); /* the one try of this second */
    snprintf(words, sizeof words, "dir=%s slow_sync=400", b->path);
    fault_io_set(words);
    struct delivery *d = delivery_bed_new(&b->bed, 1);
    d->setup.answer_by_mono_ms = clock_mono_ms() + 100;
    delivery_bed_add(d, "k", view_cstr(EVENT));
    assert_int_equal(delivery_bed_publish(&b->bed, &b->port, ACK_MS), DELIVERY_LATE);
    assert_int_equal(b->bed.ends, 1);
}

/* ---- to Kafka ---- */

static void test_an_outage_ends_and_the_spool_is_drained_without_a_request(void **state)
{
    struct bench *b = *state;
    start_drain(b);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    open_circuit(b);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(publish(b, 10, ACK_MS), DELIVERY_IN_SPOOL);
    }
    assert_true(records_in(b) >= 500);
    mock_kafka_set_up(b->kafka);
    wait_empty(b);
    assert_int_equal(records_in(b), 0);
    assert_false(circuit_is_open(ack_rule_circuit(b->rule)));
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
}

static void test_a_spooled_record_arrives_as_it_was(void **state)
{
    struct bench *b = *state;
    struct arena arena = { 0 };
    struct mock_record r;
    mock_kafka_fail_produce(b->kafka, RD_KAFKA_RESP_ERR_INVALID_RECORD, 4);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_SPOOL);
    start_drain(b);
    wait_empty(b);
    mock_kafka_read(b->kafka, EVENT_TRACK, 1, &arena, &r);
    assert_true(view_equal_cstr(r.key, "k0"));
    assert_true(view_equal_cstr(r.value, EVENT));
    assert_int_equal(r.header_count, 1);
    arena_release(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_while_kafka_acknowledges_the_spool_stays_empty),
        TEST(test_what_kafka_does_not_acknowledge_in_time_goes_to_the_spool),
        TEST(test_with_the_circuit_open_it_goes_there_at_once),
        TEST(test_what_kafka_refuses_for_good_is_kept),
        TEST(test_what_is_under_way_when_the_client_is_closed_goes_to_the_spool),
        TEST(test_a_full_spool_refuses_and_says_so_before_a_body_is_read),
        TEST(test_a_broken_disk_refuses_for_good),
        TEST(test_a_disk_slower_than_the_request_may_wait_is_late),
        TEST(test_an_outage_ends_and_the_spool_is_drained_without_a_request),
        TEST(test_a_spooled_record_arrives_as_it_was),
    };
    log_configure(LOG_ERROR, LOG_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
