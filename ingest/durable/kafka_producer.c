#include "ingest/durable/kafka_producer.h"

#include "ingest/durable/kafka_groups.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/kafka_conf.h"

#include <librdkafka/rdkafka.h>

#include <stdlib.h>

#define PURGE_MS 1000 /* purged records report at once */
/* Requests that a broker may have under way (max.in.flight), and the least number of busy
 * partitions: one broker alone keeps four busy without a longer tail. */
#define REQUESTS_PER_BROKER 2
#define LEAST_BUSY 4

/* What librdkafka hands to the partitioner. */
struct topic {
    rd_kafka_topic_t *handle;
    struct kafka_producer *producer;
    struct kafka_groups groups;
};

struct kafka_producer {
    struct kafka_producer_setup setup;
    rd_kafka_t *client;
    struct topic topics[EVENT_TYPES];
    _Atomic uint64_t brokers; /* that have acknowledged records: a bit for each id */
};

/* ---- partitions ---- */

static bool is_available(const void *topic, int32_t partition)
{
    return rd_kafka_topic_partition_available(topic, partition) != 0;
}

static unsigned busy_limit(const struct kafka_producer *p)
{
    unsigned brokers = 0;
    for (uint64_t seen = atomic_load(&p->brokers); seen != 0; seen &= seen - 1) {
        brokers++;
    }
    unsigned limit = brokers * REQUESTS_PER_BROKER;
    return limit > LEAST_BUSY ? limit : LEAST_BUSY;
}

/* Called by whoever sends, or by librdkafka once it knows the topic. */
static int32_t choose_partition(const rd_kafka_topic_t *handle, const void *key,
                                size_t key_len, int32_t partitions, void *opaque,
                                void *message_opaque)
{
    struct topic *topic = opaque;
    (void)key;
    (void)key_len;
    (void)message_opaque;
    return kafka_groups_choose(&topic->groups, clock_mono_us(), partitions,
                               busy_limit(topic->producer), is_available, handle);
}

/* ---- records ---- */

struct rd_kafka_headers_s *kafka_producer_headers(const struct record_header *headers,
                                                  size_t count)
{
    rd_kafka_headers_t *list = rd_kafka_headers_new(count);
    for (size_t i = 0; i < count; i++) {
        struct view value = headers[i].value;
        rd_kafka_header_add(list, headers[i].name.data, (ssize_t)headers[i].name.len,
                            value.len == 0 ? "" : value.data, (ssize_t)value.len);
    }
    return list;
}

int kafka_producer_send(struct kafka_producer *p, const struct kafka_outgoing *record)
{
    struct view key = record->key;
    struct view value = record->value;
    rd_kafka_vu_t fields[] = {
        { .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = p->topics[record->topic].handle },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = RD_KAFKA_PARTITION_UA },
        { .vtype = RD_KAFKA_VTYPE_KEY,
          .u.mem = { (void *)(uintptr_t)key.data, key.len } },
        { .vtype = RD_KAFKA_VTYPE_VALUE,
          .u.mem = { (void *)(uintptr_t)value.data, value.len } },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = record->headers },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = record->ticket },
    };
    rd_kafka_error_t *error =
        rd_kafka_produceva(p->client, fields, sizeof fields / sizeof fields[0]);
    if (error == NULL) {
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    int code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    rd_kafka_headers_destroy(record->headers);
    return code;
}

/* ---- callbacks ---- */

enum event_type kafka_producer_topic(const struct rd_kafka_message_s *message)
{
    const struct topic *topic = rd_kafka_topic_opaque(message->rkt);
    return (enum event_type)(topic - topic->producer->topics);
}

static void note_broker(struct kafka_producer *p, const rd_kafka_message_t *message)
{
    int32_t id = rd_kafka_message_broker_id(message);
    uint64_t bit = id < 0 ? 0 : 1ULL << (id % 64);
    if ((atomic_load(&p->brokers) & bit) != bit) {
        atomic_fetch_or(&p->brokers, bit);
    }
}

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_producer *p = opaque;
    (void)client;
    kafka_groups_ended(&p->topics[kafka_producer_topic(message)].groups,
                       message->partition, clock_mono_us());
    note_broker(p, message);
    p->setup.on_report(p->setup.context, p->setup.is_solo, message);
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    struct kafka_producer *p = opaque;
    kafka_conf_renew_credentials(client, code, p->setup.config_file);
    p->setup.on_error(p->setup.context, p->setup.is_solo, code, reason);
}

void kafka_producer_poll(struct kafka_producer *p, int timeout_ms)
{
    rd_kafka_poll(p->client, timeout_ms);
}

unsigned kafka_producer_queued(const struct kafka_producer *p)
{
    int queued = rd_kafka_outq_len(p->client);
    return queued > 0 ? (unsigned)queued : 0;
}

bool kafka_producer_reaches_kafka(struct kafka_producer *p, int timeout_ms)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *one = p->topics[EVENT_TRACK].handle;
    if (rd_kafka_metadata(p->client, 0, one, &metadata, timeout_ms) !=
        RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    rd_kafka_metadata_destroy(metadata);
    return true;
}

/* ---- life ---- */

static void set_own(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[128];
    bool is_set =
        rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK;
    REQUIRE(is_set);
}

static bool start_client(struct kafka_producer *p, struct error *err)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(p->setup.conf);
    if (p->setup.is_solo) {
        set_own(conf, "batch.num.messages", "1");
    }
    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    p->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (p->client == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_set(err, ERROR_INVALID, ERROR_FROM_KAFKA, NULL,
                         "Kafka's producer: %s", why);
    }
    return true;
}

/* Opened now: the first record of a topic does not wait for its metadata. */
static void open_topic(struct kafka_producer *p, enum event_type type)
{
    char name[TOPIC_NAME_BYTES];
    struct topic *topic = &p->topics[type];
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(p->client);
    rd_kafka_topic_conf_set_opaque(conf, topic);
    rd_kafka_topic_conf_set_partitioner_cb(conf, choose_partition);
    topic_name_format(p->setup.topic_prefix, type, name);
    topic->producer = p;
    topic->handle = rd_kafka_topic_new(p->client, name, conf);
    REQUIRE(topic->handle != NULL);
}

bool kafka_producer_open(const struct kafka_producer_setup *setup,
                         struct kafka_producer **out, struct error *err)
{
    struct kafka_producer *p = mem_calloc(1, sizeof *p);
    p->setup = *setup;
    if (!start_client(p, err)) {
        free(p);
        return false;
    }
    for (int i = 0; i < EVENT_TYPES; i++) {
        open_topic(p, (enum event_type)i);
    }
    *out = p;
    return true;
}

bool kafka_producer_flush(struct kafka_producer *p, int timeout_ms)
{
    return rd_kafka_flush(p->client, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

void kafka_producer_close(struct kafka_producer *p)
{
    if (p == NULL) {
        return;
    }
    rd_kafka_purge(p->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(p->client, PURGE_MS);
    for (int i = 0; i < EVENT_TYPES; i++) {
        rd_kafka_topic_destroy(p->topics[i].handle);
    }
    rd_kafka_destroy(p->client);
    free(p);
}
