/* The durable port over real librdkafka and its mock cluster: what is acknowledged, what
 * is moved to <prefix>.rejected, and what happens while Kafka is away. */
#include "ingest/durable/kafka_publisher.h"

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

#include <cmocka.h>

#define LONG_MS 30000
#define BUDGET_BYTES (64u << 20)

struct bench {
    struct mock_kafka *kafka;
    struct ingest_metrics *metrics;
    struct budget budget;
    struct kafka_publisher *publisher;
    struct durable port;
    struct arena arena;
};

static void open_bench(struct bench *b, struct mock_kafka *kafka)
{
    struct error err;
    b->kafka = kafka;
    b->metrics = ingest_metrics_new();
    budget_init(&b->budget, BUDGET_BYTES);
    struct kafka_publisher_setup setup = { .brokers = mock_kafka_brokers(b->kafka),
                                           .topic_prefix = MOCK_KAFKA_PREFIX,
                                           .budget = &b->budget,
                                           .metrics = b->metrics };
    assert_true(kafka_publisher_open(&setup, &b->publisher, &err));
    b->port = kafka_publisher_port(b->publisher);
}

static int set_up(void **state)
{
    *state = mem_calloc(1, sizeof(struct bench));
    open_bench(*state, mock_kafka_start());
    return 0;
}

static int set_up_without_topics(void **state)
{
    *state = mem_calloc(1, sizeof(struct bench));
    struct mock_kafka *kafka = mock_kafka_start();
    mock_kafka_hide_topics(kafka);
    open_bench(*state, kafka);
    return 0;
}

/* Whatever a test did, nothing stays charged. */
static int tear_down(void **state)
{
    struct bench *b = *state;
    (void)kafka_publisher_close(b->publisher, 5000);
    assert_int_equal(budget_used(&b->budget), 0);
    ingest_metrics_free(b->metrics);
    mock_kafka_stop(b->kafka);
    arena_release(&b->arena);
    free(b);
    return 0;
}

static struct record record_of(const char *key, struct view value)
{
    struct record r = { .topic = EVENT_TRACK,
                        .key = view_cstr(key),
                        .value = value,
                        .source = view_cstr("shop"),
                        .schema = view_cstr("shop"),
                        .received_at_ms = 1796378405000,
                        .request_id = view_cstr("r1") };
    return r;
}

/* Puts `count` records k0, k1, .. and waits. */
static enum delivery_state publish(struct bench *b, int count, int64_t wait_ms)
{
    struct delivery *d = delivery_new();
    struct error err;
    for (int i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        struct record r = record_of(key, view_cstr("{\"type\":\"track\"}"));
        assert_true(b->port.put(b->port.context, &r, d, &err));
    }
    enum delivery_state result = delivery_wait(d, clock_mono_ms() + wait_ms);
    b->port.waited(b->port.context, result);
    delivery_release(d);
    return result;
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
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_DURABLE);
    struct mock_record r = read_one(b, EVENT_TRACK);
    assert_true(view_equal_cstr(r.key, "k0"));
    assert_true(view_equal_cstr(r.value, "{\"type\":\"track\"}"));
    assert_int_equal(r.header_count, 1);
}

static void test_it_is_durable_only_once_kafka_has_acknowledged(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_DURABLE);
    mock_kafka_set_delay(b->kafka, 400);
    int64_t start = clock_mono_ms();
    assert_int_equal(publish(b, 1, 100), DELIVERY_PENDING);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_DURABLE);
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
        assert_int_equal(publish(b, 3, LONG_MS), DELIVERY_DURABLE);
    }
    read_none(b, EVENT_REJECTED);
}

static void test_a_refused_batch_is_sent_again_record_by_record(void **state)
{
    struct bench *b = *state;
    struct mock_record r[20];
    mock_kafka_fail_produce(b->kafka, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1);
    assert_int_equal(publish(b, 20, LONG_MS), DELIVERY_DURABLE);
    mock_kafka_read(b->kafka, EVENT_TRACK, 20, &b->arena, r);
    read_none(b, EVENT_REJECTED);
}

static void test_a_record_refused_alone_is_kept_as_rejected(void **state)
{
    struct bench *b = *state;
    mock_kafka_fail_produce(b->kafka, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 2);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_DURABLE);
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
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_FAILED);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_DURABLE);
}

static void test_a_record_too_large_for_the_client_is_cut_and_rejected(void **state)
{
    struct bench *b = *state;
    size_t size = 2u << 20;
    char *bytes = mem_alloc(size);
    struct delivery *d = delivery_new();
    struct error err;
    memset(bytes, 'x', size);
    struct record large = record_of("large", view_of(bytes, size));
    assert_true(b->port.put(b->port.context, &large, d, &err));
    assert_int_equal(delivery_wait(d, clock_mono_ms() + LONG_MS), DELIVERY_DURABLE);
    delivery_release(d);
    free(bytes);
    struct mock_record r = read_one(b, EVENT_REJECTED);
    assert_int_equal(r.value.len, REJECT_KEPT_BYTES);
    assert_true(view_starts_with(r.detail, view_cstr("2097152 bytes, sha256 ")));
}

static void test_a_missing_topic_is_kafka_being_away(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, 300), DELIVERY_PENDING);
}

static void test_after_three_time_outs_requests_are_refused_until_one_passes(void **state)
{
    struct bench *b = *state;
    struct error err;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_DURABLE);
    mock_kafka_set_down(b->kafka);
    for (int i = 0; i < 3; i++) {
        assert_true(b->port.admit(b->port.context, &err));
        assert_int_equal(publish(b, 1, 50), DELIVERY_PENDING);
    }
    assert_true(b->port.would_admit(b->port.context));
    assert_true(b->port.admit(b->port.context, &err)); /* the one of this second */
    assert_false(b->port.would_admit(b->port.context));
    assert_false(b->port.admit(b->port.context, &err));
    assert_int_equal(err.class, ERROR_BUSY);
    mock_kafka_set_up(b->kafka);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_DURABLE);
    assert_true(b->port.admit(b->port.context, &err));
    assert_true(b->port.admit(b->port.context, &err));
}

static void test_after_a_fatal_error_a_new_producer_goes_on(void **state)
{
    struct bench *b = *state;
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_DURABLE);
    mock_kafka_fail_produce(b->kafka, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
    assert_int_equal(publish(b, 1, LONG_MS), DELIVERY_FAILED);
    int64_t deadline = clock_mono_ms() + LONG_MS;
    enum delivery_state result = DELIVERY_FAILED;
    while (result != DELIVERY_DURABLE && clock_mono_ms() < deadline) {
        struct delivery *d = delivery_new();
        struct error err;
        struct record r = record_of("later", view_cstr("{}"));
        (void)b->port.put(b->port.context, &r, d,
                          &err); /* refused until it is replaced */
        result = delivery_wait(d, clock_mono_ms() + LONG_MS);
        delivery_release(d);
    }
    assert_int_equal(result, DELIVERY_DURABLE);
}

static void test_above_the_budget_a_record_is_refused_at_once(void **state)
{
    struct bench *b = *state;
    struct error err;
    struct delivery *d = delivery_new();
    struct record r = record_of("k", view_cstr("{}"));
    assert_true(budget_take(&b->budget, BUDGET_BYTES));
    assert_false(b->port.put(b->port.context, &r, d, &err));
    assert_int_equal(err.class, ERROR_BUSY);
    budget_give(&b->budget, BUDGET_BYTES);
    assert_int_equal(delivery_wait(d, clock_mono_ms()), DELIVERY_FAILED);
    delivery_release(d);
}

static void test_closing_waits_for_what_is_under_way(void **state)
{
    struct bench b = { .kafka = NULL };
    (void)state;
    open_bench(&b, mock_kafka_start());
    assert_int_equal(publish(&b, 1, LONG_MS), DELIVERY_DURABLE);
    mock_kafka_set_delay(b.kafka, 200);
    assert_int_equal(publish(&b, 5, 0), DELIVERY_PENDING);
    /* A time-out counts as an outage, and the flush is left out while there is one. */
    mock_kafka_set_delay(b.kafka, 0);
    assert_int_equal(publish(&b, 1, LONG_MS), DELIVERY_DURABLE);
    assert_true(kafka_publisher_close(b.publisher, 10000));
    assert_int_equal(budget_used(&b.budget), 0);
    ingest_metrics_free(b.metrics);
    mock_kafka_stop(b.kafka);
}

static void test_closing_does_not_wait_for_a_kafka_that_is_away(void **state)
{
    struct bench b = { .kafka = NULL };
    (void)state;
    open_bench(&b, mock_kafka_start());
    assert_int_equal(publish(&b, 1, LONG_MS), DELIVERY_DURABLE);
    mock_kafka_set_down(b.kafka);
    assert_int_equal(publish(&b, 1, 50), DELIVERY_PENDING);
    int64_t start = clock_mono_ms();
    assert_false(kafka_publisher_close(b.publisher, LONG_MS));
    assert_true(clock_mono_ms() - start < LONG_MS / 3);
    assert_int_equal(budget_used(&b.budget), 0);
    ingest_metrics_free(b.metrics);
    mock_kafka_stop(b.kafka);
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
        WITH_TOPICS(test_a_record_too_large_for_the_client_is_cut_and_rejected),
        cmocka_unit_test_setup_teardown(test_a_missing_topic_is_kafka_being_away,
                                        set_up_without_topics, tear_down),
        WITH_TOPICS(test_after_three_time_outs_requests_are_refused_until_one_passes),
        WITH_TOPICS(test_after_a_fatal_error_a_new_producer_goes_on),
        WITH_TOPICS(test_above_the_budget_a_record_is_refused_at_once),
        cmocka_unit_test(test_closing_waits_for_what_is_under_way),
        cmocka_unit_test(test_closing_does_not_wait_for_a_kafka_that_is_away),
    };
    log_configure(LOG_ERROR, LOG_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
