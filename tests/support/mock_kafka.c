#include "tests/support/mock_kafka.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define PRODUCE_API 0
#define READ_MS 10000
#define BROKER 1

struct mock_kafka {
    rd_kafka_t *owner;
    rd_kafka_mock_cluster_t *cluster;
};

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "2", why, sizeof why);
    if (brokers != NULL) {
        rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why);
        rd_kafka_conf_set(conf, "group.id", "mock_kafka", why, sizeof why);
        rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof why);
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    REQUIRE(rk != NULL);
    return rk;
}

static void create_topics(struct mock_kafka *k)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        char name[TOPIC_NAME_BYTES];
        topic_name_format(MOCK_KAFKA_PREFIX, (enum event_type)i, name);
        rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(k->cluster, name, 1, 1);
        REQUIRE(code == RD_KAFKA_RESP_ERR_NO_ERROR);
    }
}

struct mock_kafka *mock_kafka_start(void)
{
    struct mock_kafka *k = mem_calloc(1, sizeof *k);
    k->owner = client(RD_KAFKA_PRODUCER, NULL);
    k->cluster = rd_kafka_mock_cluster_new(k->owner, 1);
    REQUIRE(k->cluster != NULL);
    create_topics(k);
    return k;
}

void mock_kafka_stop(struct mock_kafka *k)
{
    rd_kafka_mock_cluster_destroy(k->cluster);
    rd_kafka_destroy(k->owner);
    free(k);
}

const char *mock_kafka_brokers(const struct mock_kafka *k)
{
    return rd_kafka_mock_cluster_bootstraps(k->cluster);
}

void mock_kafka_hide_topics(struct mock_kafka *k)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        char name[TOPIC_NAME_BYTES];
        topic_name_format(MOCK_KAFKA_PREFIX, (enum event_type)i, name);
        rd_kafka_mock_topic_set_error(k->cluster, name,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    }
}

void mock_kafka_fail_produce(struct mock_kafka *k, int code, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_mock_push_request_errors(k->cluster, PRODUCE_API, 1, code);
    }
}

void mock_kafka_set_delay(struct mock_kafka *k, int ms)
{
    rd_kafka_mock_broker_set_rtt(k->cluster, BROKER, ms);
}

void mock_kafka_set_down(struct mock_kafka *k)
{
    rd_kafka_mock_broker_set_down(k->cluster, BROKER);
}

void mock_kafka_set_up(struct mock_kafka *k)
{
    rd_kafka_mock_broker_set_up(k->cluster, BROKER);
}

/* ---- reading back ---- */

static struct view header_of(const rd_kafka_headers_t *headers, const char *name,
                             struct arena *arena)
{
    const void *value = NULL;
    size_t size = 0;
    if (headers == NULL || rd_kafka_header_get_last(headers, name, &value, &size) != 0) {
        return view_of(NULL, 0);
    }
    return arena_copy(arena, view_of(value, size));
}

static void copy_record(const rd_kafka_message_t *m, struct arena *arena,
                        struct mock_record *out)
{
    rd_kafka_headers_t *headers = NULL;
    (void)rd_kafka_message_headers(m, &headers);
    out->key = arena_copy(arena, view_of(m->key, m->key_len));
    out->value = arena_copy(arena, view_of(m->payload, m->len));
    out->reason = header_of(headers, "reason", arena);
    out->detail = header_of(headers, "detail", arena);
    out->header_count = headers == NULL ? 0 : rd_kafka_header_cnt(headers);
}

static rd_kafka_t *open_consumer(const struct mock_kafka *k, enum event_type topic)
{
    char name[TOPIC_NAME_BYTES];
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, mock_kafka_brokers(k));
    rd_kafka_topic_partition_list_t *from = rd_kafka_topic_partition_list_new(1);
    topic_name_format(MOCK_KAFKA_PREFIX, topic, name);
    rd_kafka_topic_partition_list_add(from, name, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t code = rd_kafka_assign(consumer, from);
    REQUIRE(code == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(from);
    return consumer;
}

void mock_kafka_read(struct mock_kafka *k, enum event_type topic, size_t count,
                     struct arena *arena, struct mock_record *out)
{
    rd_kafka_t *consumer = open_consumer(k, topic);
    int64_t deadline = clock_mono_ms() + READ_MS;
    size_t found = 0;
    bool at_end = false;
    while (!at_end && clock_mono_ms() < deadline) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 100);
        if (m == NULL) {
            continue;
        }
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            assert_true(found < count);
            copy_record(m, arena, &out[found++]);
        }
        at_end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        rd_kafka_message_destroy(m);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    assert_true(at_end);
    assert_int_equal(found, count);
}
