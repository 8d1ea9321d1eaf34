#include "loader/kafka/log_bounds.h"

#include "common/base/mem.h"
#include "common/service/kafka_conf.h"

#include <librdkafka/rdkafka.h>

#include <stdlib.h>
#include <string.h>

static rd_kafka_t *new_client(const struct log_bounds_setup *setup, struct error *err)
{
    struct kafka_conf_settings settings = { .role = KAFKA_ADMIN,
                                            .brokers = setup->brokers,
                                            .config_file = setup->config_file };
    rd_kafka_conf_t *conf = NULL;
    char text[256];
    if (!kafka_conf_new(&settings, &conf, err)) {
        return NULL;
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (client == NULL) {
        rd_kafka_conf_destroy(conf);
        error_set(err, ERROR_INVALID, ERROR_FROM_KAFKA, NULL, "Kafka's client: %s", text);
    }
    return client;
}

static bool read_partition(rd_kafka_t *client, const char *topic, int timeout_ms,
                           struct log_partition *p, struct error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        client, topic, p->partition, &p->start, &p->end, timeout_ms);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || kafka_error_set(err, code, topic);
}

static bool read_topic(rd_kafka_t *client, const struct log_bounds_setup *setup,
                       const struct rd_kafka_metadata_topic *t, struct log_bounds *out,
                       struct error *err)
{
    enum event_type type;
    if (!topic_name_parse(setup->topic_prefix, view_cstr(t->topic), &type) ||
        t->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return true; /* not ours, or not there */
    }
    out->has_topic[type] = true;
    out->partitions = mem_resize(out->partitions, out->count + (size_t)t->partition_cnt,
                                 sizeof *out->partitions);
    for (int i = 0; i < t->partition_cnt; i++) {
        struct log_partition *p = &out->partitions[out->count];
        *p = (struct log_partition){ .topic = type, .partition = t->partitions[i].id };
        if (!read_partition(client, t->topic, setup->timeout_ms, p, err)) {
            return false;
        }
        out->count++;
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct log_partition *x = a;
    const struct log_partition *y = b;
    int by_topic = (x->topic > y->topic) - (x->topic < y->topic);
    return by_topic != 0 ? by_topic
                         : (x->partition > y->partition) - (x->partition < y->partition);
}

static bool read_all(rd_kafka_t *client, const struct log_bounds_setup *setup,
                     struct log_bounds *out, struct error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(client, 1, NULL, &metadata, setup->timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error_set(err, code, "asking Kafka for its topics");
    }
    bool done = true;
    for (int i = 0; done && i < metadata->topic_cnt; i++) {
        done = read_topic(client, setup, &metadata->topics[i], out, err);
    }
    rd_kafka_metadata_destroy(metadata);
    char *id = rd_kafka_clusterid(client, setup->timeout_ms);
    if (id != NULL) {
        out->cluster_id = mem_strdup(id);
        rd_kafka_mem_free(client, id);
    }
    if (out->count > 0) {
        qsort(out->partitions, out->count, sizeof *out->partitions, compare);
    }
    return done;
}

bool log_bounds_read(const struct log_bounds_setup *setup, struct log_bounds *out,
                     struct error *err)
{
    rd_kafka_t *client = new_client(setup, err);
    if (client == NULL) {
        return false;
    }
    *out = (struct log_bounds){ .count = 0 };
    bool done = read_all(client, setup, out, err);
    rd_kafka_destroy(client);
    if (!done) {
        log_bounds_release(out);
    }
    return done;
}

void log_bounds_release(struct log_bounds *b)
{
    free(b->cluster_id);
    free(b->partitions);
    *b = (struct log_bounds){ .count = 0 };
}
