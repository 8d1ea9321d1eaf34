/* The ack rule over real librdkafka and its mock cluster: what is acknowledged, what is
 * moved to <prefix>.rejected, and what happens while Kafka is away. */
#include "ingest/durable/ack_rule.h"

#include "tests/support/delivery_bed.h"
#include "tests/support/mock_kafka.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/contract/reject_reason.h"
#include "common/service/log.h"

#include <librdkafka/rdkafka.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LONG_MS 30000
#define MAX_EVENT_BYTES (1u << 20)
#define EVENT "{\"type\":\"track\"}"
#define QUEUE_RECORDS 10 /* as the test's file of properties says */

struct bench {
    struct mock_kafka *kafka;
    struct kafka_publisher *publisher;
    struct ack_rule *rule;
    struct durable port;
    struct delivery_bed bed;
    struct arena arena;
};

static void open_bench(struct bench *b, struct mock_kafka *kafka, uint64_t ack_timeout_ms,
                       const char *config_file)
{
    struct error err;
    b->kafka = kafka;
    delivery_bed_open(&b->bed);
    struct kafka_publisher_setup setup = { .brokers = mock_kafka_brokers(b->kafka),
                                           .config_file = config_file,
                                           .topic_prefix = MOCK_KAFKA_PREFIX,
                                           .max_event_bytes = MAX_EVENT_BYTES };
    assert_true(kafka_publisher_open(&setup, &b->publisher, &err));
    struct ack_rule_setup rule = { .publisher = b->publisher,
                                   .ack_timeout_ms = ack_timeout_ms };
    b->rule = ack_rule_new(&rule);
    b->port = ack_rule_port(b->rule);
}

/* Whatever a test did, nothing stays charged. */
static void close_bench(struct bench *b)
{
    delivery_bed_close(&b->bed);
    ack_rule_free(b->rule);
    mock_kafka_stop(b->kafka);
    arena_release(&b->arena);
}

static int set_up(void **state)
{
    *state = mem_calloc(1, sizeof(struct bench));
    open_bench(*state, mock_kafka_start(), 50, NULL);
    return 0;
}

static int set_up_without_topics(void **state)
{
    *state = mem_calloc(1, sizeof(struct bench));
    struct mock_kafka *kafka = mock_kafka_start();
    mock_kafka_hide_topics(kafka);
    open_bench(*state, kafka, 50, NULL);
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    (void)kafka_publisher_close(b->publisher, 5000);
    close_bench(b);
    free(b);
    return 0;
}

/* Publishes `count` records k0, k1, .. */
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

static struct mock_record read_one(struct bench *b, enum event_type topic)
{
    struct mock_record r;
    mock_kafka_read(b->kafka, topic, 1, &b->arena, &r);
    return r;
}

static void read_none(struct bench *b, enum event_type topic)
{
    mock_kafka_read(b->kafka, topic, 0, &b->arena, NULL);
}

static void test_a_record_arrives_with_key_value_and_headers(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    struct mock_record r = read_one(b, EVENT_TRACK);
    assert_true(view_equal_cstr(r.key, "k0"));
    assert_true(view_equal_cstr(r.value, "{\"type\":\"track\"}"));
    assert_int_equal(r.header_count, 1);
}

static void test_it_is_durable_only_once_kafka_has_acknowledged(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_set_delay(b->kafka, 400);
    int64_t start = clock_mono_ms();
    assert_int_equal(publish(b, 1, 100), DELIVERY_LATE);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    assert_true(clock_mono_ms() - start >= 400);
}

static void test_errors_that_pass_by_themselves_are_not_seen(void **state)
{
    struct bench *b = *state;
    static const int codes[] = { RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                 RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
                                 RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                 RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        mock_kafka_fail_produce(b->kafka, codes[i], 1);
        assert_int_equal(publish(b, 3, LONG_MS), DELIVERY_IN_KAFKA);
    }
    read_none(b, EVENT_REJECTED);
}

static void test_a_refused_batch_is_sent_again_record_by_record(void **state)
{
    struct bench *b = *state;
    struct mock_record r[20];
    mock_kafka_fail_produce(b->kafka, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1);
    assert_int_equal(publish(b, 20, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_read(b->kafka, EVENT_TRACK, 20, &b->arena, r);
    read_none(b, EVENT_REJECTED);
}

static void test_a_record_refused_alone_is_kept_as_rejected(void **state)
{
    struct bench *b = *state;
    mock_kafka_fail_produce(b->kafka, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 2);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    struct mock_record r = read_one(b, EVENT_REJECTED);
    assert_true(view_equal_cstr(r.key, "k0"));
    assert_true(view_equal_cstr(r.value, "{\"type\":\"track\"}"));
    assert_true(view_equal_cstr(r.reason, "event too large"));
    assert_true(view_equal_cstr(r.detail, "refused by Kafka: MSG_SIZE_TOO_LARGE"));
    assert_int_equal(r.header_count, 3);
    read_none(b, EVENT_TRACK);
}

static void test_a_record_that_cannot_even_be_rejected_is_not_durable(void **state)
{
    struct bench *b = *state;
    mock_kafka_fail_produce(b->kafka, RD_KAFKA_RESP_ERR_INVALID_RECORD, 4);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_REFUSED);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
}

static struct mock_record publish_large(struct bench *b, size_t size)
{
    struct buf bytes = { 0 };
    memset(buf_reserve(&bytes, size), 'x', size);
    bytes.len = size;
    struct delivery *d = delivery_bed_new(&b->bed, 1);
    delivery_bed_add(d, "large", buf_view(&bytes));
    assert_int_equal(delivery_bed_publish(&b->bed, &b->port, LONG_MS), DELIVERY_IN_KAFKA);
    buf_release(&bytes);
    return read_one(b, size > MAX_EVENT_BYTES ? EVENT_REJECTED : EVENT_TRACK);
}

/* What ingest lets through the client takes, with any headers: an event that was
 * acknowledged is never cut. */
static void test_an_event_of_the_largest_size_is_kept_whole(void **state)
{
    struct mock_record r = publish_large(*state, MAX_EVENT_BYTES);
    assert_int_equal(r.value.len, MAX_EVENT_BYTES);
}

static void test_a_record_too_large_for_the_client_is_cut_and_rejected(void **state)
{
    struct mock_record r = publish_large(*state, 2 * MAX_EVENT_BYTES);
    assert_int_equal(r.value.len, REJECT_KEPT_BYTES);
    assert_true(view_starts_with(r.detail, view_cstr("2097152 bytes, sha256 ")));
}

static void test_a_missing_topic_is_kafka_being_away(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, 300), DELIVERY_LATE);
}

static void test_after_three_time_outs_requests_are_refused_until_one_passes(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_set_down(b->kafka);
    for (int i = 0; i < 3; i++) {
        assert_true(b->port.would_take(b->port.context));
        assert_int_equal(publish(b, 1, 50), DELIVERY_LATE);
    }
    assert_true(circuit_is_open(ack_rule_circuit(b->rule)));
    assert_true(b->port.would_take(b->port.context));
    assert_int_equal(publish(b, 1, 50), DELIVERY_LATE); /* the one of this second */
    assert_false(b->port.would_take(b->port.context));
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_REFUSED); /* at once */
    mock_kafka_set_up(b->kafka);
    /* What was under way arrives, but only a request that is tried closes the circuit. */
    int64_t deadline = clock_mono_ms() + LONG_MS;
    while (circuit_is_open(ack_rule_circuit(b->rule)) && clock_mono_ms() < deadline) {
        (void)publish(b, 1, LONG_MS);
    }
    assert_false(circuit_is_open(ack_rule_circuit(b->rule)));
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
}

/* So large that its own time was over: that says nothing of Kafka. */
static void test_a_request_late_by_its_own_size_does_not_open_the_circuit(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_set_down(b->kafka);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(publish(b, 1, 1), DELIVERY_LATE);
    }
    assert_false(circuit_is_open(ack_rule_circuit(b->rule)));
}

/* After an outage that nobody's request saw the end of. */
static void test_an_outage_ends_without_traffic(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_set_down(b->kafka);
    int64_t deadline = clock_mono_ms() + LONG_MS;
    while (!kafka_publisher_is_away(b->publisher) && clock_mono_ms() < deadline) {
        const struct timespec pause = { 0, 10000000 };
        nanosleep(&pause, NULL);
    }
    assert_true(kafka_publisher_is_away(b->publisher));
    mock_kafka_set_up(b->kafka);
    while (kafka_publisher_is_away(b->publisher) && clock_mono_ms() < deadline) {
        const struct timespec pause = { 0, 10000000 };
        nanosleep(&pause, NULL);
    }
    assert_false(kafka_publisher_is_away(b->publisher));
}

static void test_after_a_fatal_error_a_new_producer_goes_on(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_fail_produce(b->kafka, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_REFUSED);
    int64_t deadline = clock_mono_ms() + LONG_MS;
    enum delivery_outcome result = DELIVERY_REFUSED;
    while (result != DELIVERY_IN_KAFKA && clock_mono_ms() < deadline) {
        result = publish(b, 1, LONG_MS); /* refused until it is replaced */
    }
    assert_int_equal(result, DELIVERY_IN_KAFKA);
}

#define CONFIG_PATH "/tmp/test_ingest_ack_rule.XXXXXX"

/* A file of properties for Kafka's client, open to be written on. */
static int make_config(char path[], const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

/* What the queue of Kafka's client has no room for is nowhere: without a spool the
 * request is refused, though its beginning arrives. */
static void test_what_the_clients_queue_does_not_take_is_not_acknowledged(void **state)
{
    char path[] = CONFIG_PATH;
    struct bench b = { .kafka = NULL };
    struct mock_record taken[1 + QUEUE_RECORDS];
    (void)state;
    close(make_config(path, "queue.buffering.max.messages=10\n"));
    open_bench(&b, mock_kafka_start(), LONG_MS, path);
    unlink(path);
    assert_int_equal(publish(&b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_set_delay(b.kafka, 500); /* none ends before all are handed over */
    assert_int_equal(publish(&b, 2 * QUEUE_RECORDS, LONG_MS), DELIVERY_REFUSED);
    mock_kafka_set_delay(b.kafka, 0);
    mock_kafka_read(b.kafka, EVENT_TRACK, 1 + QUEUE_RECORDS, &b.arena, taken);
    assert_true(kafka_publisher_close(b.publisher, LONG_MS));
    close_bench(&b);
}

/* The file of properties was read at the start: what became of it since is no reason to
 * end, nor not to go on. */
static void test_a_configuration_that_went_bad_does_not_matter(void **state)
{
    char path[] = CONFIG_PATH;
    struct bench b = { .kafka = NULL };
    (void)state;
    int fd = make_config(path, "socket.timeout.ms=20000\n");
    open_bench(&b, mock_kafka_start(), 50, path);
    assert_int_equal(write(fd, "half a li", 9), 9);
    close(fd);
    mock_kafka_fail_produce(b.kafka, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 2);
    assert_int_equal(publish(&b, 1, LONG_MS),
                     DELIVERY_IN_KAFKA); /* a client of its own */
    mock_kafka_fail_produce(b.kafka, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
    (void)publish(&b, 1, LONG_MS);
    int64_t deadline = clock_mono_ms() + LONG_MS;
    enum delivery_outcome result = DELIVERY_REFUSED;
    while (result != DELIVERY_IN_KAFKA && clock_mono_ms() < deadline) {
        result = publish(&b, 1, LONG_MS);
    }
    assert_int_equal(result, DELIVERY_IN_KAFKA);
    unlink(path);
    (void)kafka_publisher_close(b.publisher, 5000);
    close_bench(&b);
}

static void test_closing_waits_for_what_is_under_way(void **state)
{
    struct bench b = { .kafka = NULL };
    (void)state;
    open_bench(&b, mock_kafka_start(), 1000, NULL);
    assert_int_equal(publish(&b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_set_delay(b.kafka, 200);
    assert_int_equal(publish(&b, 5, 1), DELIVERY_LATE);
    mock_kafka_set_delay(b.kafka, 0);
    assert_true(kafka_publisher_close(b.publisher, 10000));
    close_bench(&b);
}

static void test_closing_does_not_wait_for_a_kafka_that_is_away(void **state)
{
    struct bench b = { .kafka = NULL };
    (void)state;
    open_bench(&b, mock_kafka_start(), 50, NULL);
    assert_int_equal(publish(&b, 1, LONG_MS), DELIVERY_IN_KAFKA);
    mock_kafka_set_down(b.kafka);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(publish(&b, 1, 50), DELIVERY_LATE);
    }
    int64_t start = clock_mono_ms();
    assert_false(kafka_publisher_close(b.publisher, LONG_MS));
    assert_true(clock_mono_ms() - start < LONG_MS / 3);
    close_bench(&b);
}

#define WITH_TOPICS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TOPICS(test_a_record_arrives_with_key_value_and_headers),
        WITH_TOPICS(test_it_is_durable_only_once_kafka_has_acknowledged),
        WITH_TOPICS(test_errors_that_pass_by_themselves_are_not_seen),
        WITH_TOPICS(test_a_refused_batch_is_sent_again_record_by_record),
        WITH_TOPICS(test_a_record_refused_alone_is_kept_as_rejected),
        WITH_TOPICS(test_a_record_that_cannot_even_be_rejected_is_not_durable),
        WITH_TOPICS(test_an_event_of_the_largest_size_is_kept_whole),
        WITH_TOPICS(test_a_record_too_large_for_the_client_is_cut_and_rejected),
        cmocka_unit_test_setup_teardown(test_a_missing_topic_is_kafka_being_away,
                                        set_up_without_topics, tear_down),
        WITH_TOPICS(test_after_three_time_outs_requests_are_refused_until_one_passes),
        WITH_TOPICS(test_after_a_fatal_error_a_new_producer_goes_on),
        WITH_TOPICS(test_a_request_late_by_its_own_size_does_not_open_the_circuit),
        WITH_TOPICS(test_an_outage_ends_without_traffic),
        cmocka_unit_test(test_what_the_clients_queue_does_not_take_is_not_acknowledged),
        cmocka_unit_test(test_a_configuration_that_went_bad_does_not_matter),
        cmocka_unit_test(test_closing_waits_for_what_is_under_way),
        cmocka_unit_test(test_closing_does_not_wait_for_a_kafka_that_is_away),
    };
    log_configure(LOG_ERROR, LOG_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
