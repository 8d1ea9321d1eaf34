#include "loader/consume/log_bounds.h"

#include "loader/consume/log_ends.h"

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

/* Whether the topic is one of ours, and there. */
static bool is_ours(const struct log_bounds_setup *setup,
                    const struct rd_kafka_metadata_topic *t, enum event_type *type)
{
    return topic_name_parse(setup->topic_prefix, view_cstr(t->topic), type) &&
           t->err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void add_topic(const struct rd_kafka_metadata_topic *t, enum event_type type,
                      rd_kafka_topic_partition_list_t *list, struct log_bounds *out)
{
    out->has_topic[type] = true;
    out->partitions = mem_resize(out->partitions, out->count + (size_t)t->partition_cnt,
                                 sizeof *out->partitions);
    for (int i = 0; i < t->partition_cnt; i++) {
        int32_t number = t->partitions[i].id;
        out->partitions[out->count++] =
            (struct log_partition){ .topic = type, .partition = number };
        rd_kafka_topic_partition_list_add(list, t->topic, number);
    }
}

/* The list has the partitions of `out`, in the same order. */
static bool read_ends(rd_kafka_t *client, const struct log_bounds_setup *setup,
                      rd_kafka_topic_partition_list_t *list, struct log_bounds *out,
                      struct error *err)
{
    if (out->count == 0) {
        return true;
    }
    if (!log_ends_read(client, LOG_START, list, setup->timeout_ms, err)) {
        return false;
    }
    for (size_t i = 0; i < out->count; i++) {
        out->partitions[i].start = list->elems[i].offset;
    }
    if (!log_ends_read(client, LOG_END, list, setup->timeout_ms, err)) {
        return false;
    }
    for (size_t i = 0; i < out->count; i++) {
        out->partitions[i].end = list->elems[i].offset;
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
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(0);
    for (int i = 0; i < metadata->topic_cnt; i++) {
        enum event_type type;
        if (is_ours(setup, &metadata->topics[i], &type)) {
            add_topic(&metadata->topics[i], type, list, out);
        }
    }
    rd_kafka_metadata_destroy(metadata);
    bool done = read_ends(client, setup, list, out, err);
    rd_kafka_topic_partition_list_destroy(list);
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

static rd_kafka_topic_partition_list_t *list_at(const struct log_bounds_setup *setup,
                                                const struct log_partition *partitions,
                                                size_t count, int64_t time_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        char topic[TOPIC_NAME_BYTES];
        topic_name_format(setup->topic_prefix, partitions[i].topic, topic);
        rd_kafka_topic_partition_list_add(list, topic, partitions[i].partition)->offset =
            time_ms;
    }
    return list;
}

bool log_bounds_at(const struct log_bounds_setup *setup, const struct log_bounds *log,
                   int64_t time_ms, int64_t *out, struct error *err)
{
    rd_kafka_t *client = new_client(setup, err);
    if (client == NULL) {
        return false;
    }
    rd_kafka_topic_partition_list_t *list =
        list_at(setup, log->partitions, log->count, time_ms);
    rd_kafka_resp_err_t code =
        log->count == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR
                        : rd_kafka_offsets_for_times(client, list, setup->timeout_ms);
    for (size_t i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < log->count; i++) {
        code = list->elems[i].err;
        /* RD_KAFKA_OFFSET_END: every record is older. */
        out[i] =
            list->elems[i].offset < 0 ? log->partitions[i].end : list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           kafka_error_set(err, code, "asking Kafka for the offsets of a time");
}

/* ---- retention ---- */

static void note_retention(const rd_kafka_ConfigResource_t *topic, int64_t *longest_ms)
{
    size_t count = 0;
    const rd_kafka_ConfigEntry_t **entries =
        rd_kafka_ConfigResource_configs(topic, &count);
    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "retention.ms") == 0 &&
            value != NULL) {
            int64_t ms = strtoll(value, NULL, 10);
            bool is_longer = ms < 0 || (*longest_ms >= 0 && ms > *longest_ms);
            *longest_ms = is_longer ? ms : *longest_ms;
        }
    }
}

static bool read_retention(rd_kafka_event_t *event, int64_t *out_ms, struct error *err)
{
    size_t count = 0;
    rd_kafka_resp_err_t code =
        event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    *out_ms = 0;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const rd_kafka_ConfigResource_t **topics =
            rd_kafka_DescribeConfigs_result_resources(
                rd_kafka_event_DescribeConfigs_result(event), &count);
        for (size_t i = 0; i < count && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
            code = rd_kafka_ConfigResource_error(topics[i]);
            if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
                code = RD_KAFKA_RESP_ERR_NO_ERROR; /* nothing was sent there yet */
            } else {
                note_retention(topics[i], out_ms);
            }
        }
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           kafka_error_set(err, code, "asking Kafka for the topics' retention");
}

bool log_bounds_retention(const struct log_bounds_setup *setup, int64_t *out_ms,
                          struct error *err)
{
    rd_kafka_ConfigResource_t *topics[EVENT_TYPES];
    rd_kafka_t *client = new_client(setup, err);
    if (client == NULL) {
        return false;
    }
    for (int i = 0; i < EVENT_TYPES; i++) {
        char name[TOPIC_NAME_BYTES];
        topic_name_format(setup->topic_prefix, (enum event_type)i, name);
        topics[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    }
    rd_kafka_queue_t *answers = rd_kafka_queue_new(client);
    rd_kafka_DescribeConfigs(client, topics, EVENT_TYPES, NULL, answers);
    rd_kafka_event_t *event = rd_kafka_queue_poll(answers, setup->timeout_ms);
    bool done = read_retention(event, out_ms, err);
    if (event != NULL) {
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(answers);
    rd_kafka_ConfigResource_destroy_array(topics, EVENT_TYPES);
    rd_kafka_destroy(client);
    return done;
}

void log_bounds_release(struct log_bounds *b)
{
    free(b->cluster_id);
    free(b->partitions);
    *b = (struct log_bounds){ .count = 0 };
}
