#include "ingest/durable/kafka_producer.h"

#include "common/base/mem.h"
#include "common/service/kafka_conf.h"

#include <librdkafka/rdkafka.h>

#include <stdlib.h>

/* librdkafka's own of a record (184 measured), the allocator's of its parts. */
#define RECORD_OVERHEAD_BYTES 512
#define HEADER_OVERHEAD_BYTES 64
#define PURGE_MS 1000 /* purged records report at once */

struct kafka_producer {
    struct kafka_producer_setup setup;
    rd_kafka_t *client;
    rd_kafka_topic_t *topics[EVENT_TYPES];
};

/* ---- records ---- */

struct rd_kafka_headers_s *kafka_producer_headers(const struct record *r)
{
    struct record_facts facts;
    char scratch[RECORD_FACTS_BYTES];
    struct record_header headers[RECORD_HEADERS_MAX];
    record_facts_format(r, &facts);
    size_t count = record_encode_headers(r, &facts, scratch, headers);
    rd_kafka_headers_t *list = rd_kafka_headers_new(count);
    for (size_t i = 0; i < count; i++) {
        struct view value = headers[i].value;
        rd_kafka_header_add(list, headers[i].name.data, (ssize_t)headers[i].name.len,
                            value.len == 0 ? "" : value.data, (ssize_t)value.len);
    }
    return list;
}

uint64_t kafka_producer_bytes_of(struct view key, struct view value,
                                 const struct rd_kafka_headers_s *headers)
{
    uint64_t bytes = RECORD_OVERHEAD_BYTES + key.len + value.len;
    const char *name = NULL;
    const void *text = NULL;
    size_t size = 0;
    for (size_t i = 0;
         headers != NULL && rd_kafka_header_get_all(headers, i, &name, &text, &size) == 0;
         i++) {
        bytes += HEADER_OVERHEAD_BYTES + size;
    }
    return bytes;
}

int kafka_producer_send(struct kafka_producer *p, const struct kafka_outgoing *record)
{
    struct view key = record->key;
    struct view value = record->value;
    rd_kafka_vu_t fields[] = {
        { .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = p->topics[record->topic] },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = RD_KAFKA_PARTITION_UA },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_KEY,
          .u.mem = { (void *)(uintptr_t)key.data, key.len } },
        { .vtype = RD_KAFKA_VTYPE_VALUE,
          .u.mem = { (void *)(uintptr_t)value.data, value.len } },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = record->headers },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = record->opaque },
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

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_producer *p = opaque;
    (void)client;
    p->setup.on_report(p->setup.context, p->setup.is_solo, message);
}

static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    struct kafka_producer *p = opaque;
    (void)client;
    p->setup.on_error(p->setup.context, p->setup.is_solo, code, reason);
}

void kafka_producer_poll(struct kafka_producer *p, int timeout_ms)
{
    rd_kafka_poll(p->client, timeout_ms);
}

unsigned kafka_producer_queued(const struct kafka_producer *p)
{
    /* The library only reads through its pointer here, but does not say so. */
    int queued = rd_kafka_outq_len(p->client);
    return queued > 0 ? (unsigned)queued : 0;
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
    struct kafka_conf_settings settings = { .role = KAFKA_PRODUCER,
                                            .brokers = p->setup.brokers,
                                            .config_file = p->setup.config_file };
    rd_kafka_conf_t *conf = NULL;
    char why[256];
    if (!kafka_conf_new(&settings, &conf, err)) {
        return false;
    }
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

bool kafka_producer_open(const struct kafka_producer_setup *setup,
                         struct kafka_producer **out, struct error *err)
{
    struct kafka_producer *p = mem_calloc(1, sizeof *p);
    p->setup = *setup;
    if (!start_client(p, err)) {
        free(p);
        return false;
    }
    /* Opened now: the first record of a topic does not wait for its metadata. */
    for (int i = 0; i < EVENT_TYPES; i++) {
        char name[TOPIC_NAME_BYTES];
        topic_name_format(setup->topic_prefix, (enum event_type)i, name);
        p->topics[i] = rd_kafka_topic_new(p->client, name, NULL);
        REQUIRE(p->topics[i] != NULL);
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
        rd_kafka_topic_destroy(p->topics[i]);
    }
    rd_kafka_destroy(p->client);
    free(p);
}
