/* The thread that keeps librdkafka 2.0.2 fetching, over librdkafka's mock cluster of
 * three brokers: it asks when the queue was full and has fallen, and not at rest. With a
 * librdkafka that has fetch.queue.backoff.ms there is no thread, and everything is read
 * all the same. How long the pauses are is for tests/bench to measure. */
#include "loader/consume/fetch_waker.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/kafka_conf.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOPIC "segment.track"
#define BROKERS 3
#define PARTITIONS 6
#define RECORDS 30000
#define QUEUED_MIN "1000"
#define WAIT_MS 60000

struct bed {
    rd_kafka_t *producer;
    rd_kafka_mock_cluster_t *cluster;
    rd_kafka_t *consumer;
    struct fetch_waker *waker;
    bool needs_waker;
};

static rd_kafka_t *new_client(struct kafka_conf_settings *settings, const char *queued)
{
    rd_kafka_conf_t *conf = NULL;
    struct error err;
    char why[256];
    assert_true(kafka_conf_new(settings, &conf, &err));
    rd_kafka_type_t type = RD_KAFKA_PRODUCER;
    if (settings->role == KAFKA_CONSUMER) {
        type = RD_KAFKA_CONSUMER;
        rd_kafka_conf_set(conf, "queued.min.messages", queued, why, sizeof why);
    }
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    assert_non_null(client);
    return client;
}

static void produce(struct bed *bed, int count)
{
    static const char value[300] = "a record";
    for (int i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__QUEUE_FULL;
        while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            code = rd_kafka_producev(bed->producer, RD_KAFKA_V_TOPIC(TOPIC),
                                     RD_KAFKA_V_PARTITION(i % PARTITIONS),
                                     RD_KAFKA_V_VALUE((void *)(uintptr_t)value, 300),
                                     RD_KAFKA_V_END);
            rd_kafka_poll(bed->producer, 0);
        }
        assert_int_equal(code, RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    assert_int_equal(rd_kafka_flush(bed->producer, WAIT_MS), 0);
}

static void assign_all(rd_kafka_t *consumer)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++) {
        rd_kafka_topic_partition_list_add(list, TOPIC, i)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    }
    assert_int_equal(rd_kafka_assign(consumer, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

static int set_up(void **state)
{
    struct bed *bed = mem_calloc(1, sizeof *bed);
    struct kafka_conf_settings settings = { .role = KAFKA_PRODUCER,
                                            .brokers = "localhost:1" };
    struct error err;
    rd_kafka_t *owner = new_client(&settings, NULL);
    bed->cluster = rd_kafka_mock_cluster_new(owner, BROKERS);
    assert_int_equal(rd_kafka_mock_topic_create(bed->cluster, TOPIC, PARTITIONS, BROKERS),
                     0);
    settings.brokers = rd_kafka_mock_cluster_bootstraps(bed->cluster);
    bed->producer = new_client(&settings, NULL);
    settings.role = KAFKA_CONSUMER;
    settings.group = "bench";
    bed->consumer = new_client(&settings, QUEUED_MIN);
    rd_kafka_poll_set_consumer(bed->consumer);
    assert_true(fetch_waker_start(bed->consumer, &bed->waker, &err));
    bed->needs_waker = bed->waker != NULL;
    *state = bed;
    return 0;
}

/* In the order that the loader has: the thread must be gone before the consumer. */
static int tear_down(void **state)
{
    struct bed *bed = *state;
    rd_kafka_t *owner = rd_kafka_mock_cluster_handle(bed->cluster);
    fetch_waker_stop(bed->waker);
    rd_kafka_consumer_close(bed->consumer);
    rd_kafka_destroy(bed->consumer);
    rd_kafka_destroy(bed->producer);
    rd_kafka_mock_cluster_destroy(bed->cluster);
    rd_kafka_destroy(owner);
    free(bed);
    return 0;
}

/* Takes `count` records; fails when they do not come in time. */
static void take(struct bed *bed, int count)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    for (int taken = 0; taken < count;) {
        assert_true(clock_mono_ms() < deadline);
        rd_kafka_message_t *m = rd_kafka_consumer_poll(bed->consumer, 10);
        if (m == NULL) {
            fetch_waker_found_nothing(bed->waker);
            continue;
        }
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            taken++;
            fetch_waker_took(bed->waker, m->len);
        }
        rd_kafka_message_destroy(m);
    }
}

static void test_a_drain_is_woken(void **state)
{
    struct bed *bed = *state;
    produce(bed, RECORDS);
    assign_all(bed->consumer);
    take(bed, RECORDS);
    if (bed->needs_waker) {
        assert_true(fetch_waker_count(bed->waker) > 0);
    } else {
        assert_int_equal(fetch_waker_count(bed->waker), 0);
    }
}

static void test_at_rest_nothing_is_asked(void **state)
{
    struct bed *bed = *state;
    assign_all(bed->consumer);
    for (int i = 0; i < 30; i++) {
        produce(bed, 3);
        take(bed, 3);
    }
    assert_int_equal(fetch_waker_count(bed->waker), 0);
}

static void test_it_ends_in_the_middle_of_a_drain(void **state)
{
    struct bed *bed = *state;
    produce(bed, RECORDS);
    assign_all(bed->consumer);
    take(bed, RECORDS / 2);
    fetch_waker_stop(bed->waker);
    bed->waker = NULL;
    take(bed, 1); /* the consumer lives on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_drain_is_woken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_at_rest_nothing_is_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_ends_in_the_middle_of_a_drain, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
