#include "ingest/commands/topic_facts.h"

#include "common/base/mem.h"
#include "common/base/parse.h"
#include "common/service/kafka_conf.h"

#include <librdkafka/rdkafka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATE_TIMEOUT_MS 10000
#define CLOSE_TIMEOUT_MS 1000

struct topic_admin {
    rd_kafka_t *client;
    rd_kafka_queue_t *answers;
    char last_reason[256]; /* why a broker could not be reached; "" when none was said */
};

/* ---- life ---- */

/* Runs inside of rd_kafka_poll. Keeps what says more than the code of a failed call:
 * "connection refused", "SASL authentication failed". */
static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    (void)client;
    struct topic_admin *a = opaque;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        snprintf(a->last_reason, sizeof a->last_reason, "%s", reason);
    }
}

bool topic_admin_open(const char *brokers, const char *config_file,
                      struct topic_admin **out, struct error *err)
{
    struct kafka_conf_settings settings = { .role = KAFKA_ADMIN,
                                            .brokers = brokers,
                                            .config_file = config_file };
    rd_kafka_conf_t *conf = NULL;
    char text[256];
    if (!kafka_conf_new(&settings, &conf, err)) {
        return false;
    }
    struct topic_admin *a = mem_calloc(1, sizeof *a);
    rd_kafka_conf_set_opaque(conf, a);
    rd_kafka_conf_set_error_cb(conf, on_error);
    a->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (a->client == NULL) {
        rd_kafka_conf_destroy(conf);
        free(a);
        return error_set(err, ERROR_INVALID, ERROR_FROM_KAFKA, NULL,
                         "Kafka's admin client: %s", text);
    }
    a->answers = rd_kafka_queue_new(a->client);
    *out = a;
    return true;
}

void topic_admin_close(struct topic_admin *a)
{
    if (a == NULL) {
        return;
    }
    rd_kafka_queue_destroy(a->answers);
    rd_kafka_destroy(a->client);
    free(a);
}

/* Fills *err from the code and what the brokers' connections said. */
static bool fail(struct topic_admin *a, rd_kafka_resp_err_t code, const char *what,
                 struct error *err)
{
    rd_kafka_poll(a->client, 0);
    kafka_error_set(err, code, what);
    if (a->last_reason[0] != '\0') {
        error_set(err, err->class, ERROR_FROM_KAFKA, rd_kafka_err2name(code),
                  "%s: %s (%s)", what, rd_kafka_err2str(code), a->last_reason);
    }
    a->last_reason[0] = '\0';
    return false;
}

/* The answer to an admin request; NULL with *err when there is none. The caller destroys
 * it. */
static rd_kafka_event_t *wait_answer(struct topic_admin *a, int timeout_ms,
                                     const char *what, struct error *err)
{
    /* The request has its own, shorter time-out: an answer always comes. */
    rd_kafka_event_t *event =
        rd_kafka_queue_poll(a->answers, timeout_ms + CLOSE_TIMEOUT_MS);
    if (event == NULL) {
        fail(a, RD_KAFKA_RESP_ERR__TIMED_OUT, what, err);
        return NULL;
    }
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail(a, rd_kafka_event_error(event), what, err);
        rd_kafka_event_destroy(event);
        return NULL;
    }
    return event;
}

static rd_kafka_AdminOptions_t *new_options(struct topic_admin *a, rd_kafka_admin_op_t op,
                                            int timeout_ms)
{
    char text[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(a->client, op);
    if (rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text,
                                                  sizeof text) != 0) {
        mem_panic(__FILE__, __LINE__, text);
    }
    return options;
}

/* ---- reading ---- */

static void read_metadata_topic(const struct rd_kafka_metadata_topic *from,
                                struct topic_facts *out)
{
    out->exists = from->partition_cnt > 0;
    out->partitions = from->partition_cnt;
    for (int i = 0; i < from->partition_cnt; i++) {
        int replicas = from->partitions[i].replica_cnt;
        if (i == 0 || replicas < out->replication) {
            out->replication = replicas;
        }
    }
}

static bool read_metadata(struct topic_admin *a, const char *prefix, int timeout_ms,
                          struct kafka_facts *out, struct error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    /* All topics: asking for one by name could make it. */
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(a->client, 1, NULL, &metadata, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return fail(a, code, "reading Kafka's topics", err);
    }
    out->brokers = metadata->broker_cnt;
    for (int i = 0; i < metadata->topic_cnt; i++) {
        enum event_type type;
        if (topic_name_parse(prefix, view_cstr(metadata->topics[i].topic), &type)) {
            read_metadata_topic(&metadata->topics[i], &out->topics[type]);
        }
    }
    rd_kafka_metadata_destroy(metadata);
    return true;
}

static int64_t number_of(const char *value)
{
    int64_t number = -1;
    struct error ignored;
    return parse_i64(view_cstr(value), &number, &ignored) ? number : -1;
}

static void read_setting(const rd_kafka_ConfigEntry_t *entry, struct topic_facts *out)
{
    const char *name = rd_kafka_ConfigEntry_name(entry);
    const char *value = rd_kafka_ConfigEntry_value(entry);
    value = value == NULL ? "" : value;
    if (strcmp(name, "min.insync.replicas") == 0) {
        out->min_insync = number_of(value);
    } else if (strcmp(name, "max.message.bytes") == 0) {
        out->max_message_bytes = number_of(value);
    } else if (strcmp(name, "cleanup.policy") == 0) {
        snprintf(out->cleanup_policy, sizeof out->cleanup_policy, "%s", value);
    }
}

static bool read_answer(struct topic_admin *a, const char *prefix,
                        rd_kafka_event_t *event, struct kafka_facts *out,
                        struct error *err)
{
    size_t count = 0;
    const rd_kafka_ConfigResource_t **topics = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event), &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(topics[i]);
        enum event_type type;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return fail(a, code, "reading the topics' settings", err);
        }
        if (!topic_name_parse(prefix, view_cstr(rd_kafka_ConfigResource_name(topics[i])),
                              &type)) {
            continue;
        }
        size_t entries = 0;
        const rd_kafka_ConfigEntry_t **entry =
            rd_kafka_ConfigResource_configs(topics[i], &entries);
        for (size_t k = 0; k < entries; k++) {
            read_setting(entry[k], &out->topics[type]);
        }
    }
    return true;
}

static bool read_settings(struct topic_admin *a, const char *prefix, int timeout_ms,
                          struct kafka_facts *out, struct error *err)
{
    rd_kafka_ConfigResource_t *resources[EVENT_TYPES];
    size_t count = 0;
    for (size_t i = 0; i < EVENT_TYPES; i++) {
        if (out->topics[i].exists) {
            resources[count++] =
                rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, out->topics[i].name);
        }
    }
    if (count == 0) {
        return true;
    }
    rd_kafka_AdminOptions_t *options =
        new_options(a, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms);
    rd_kafka_DescribeConfigs(a->client, resources, count, options, a->answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy_array(resources, count);
    rd_kafka_event_t *event =
        wait_answer(a, timeout_ms, "reading the topics' settings", err);
    if (event == NULL) {
        return false;
    }
    bool is_read = read_answer(a, prefix, event, out, err);
    rd_kafka_event_destroy(event);
    return is_read;
}

bool topic_admin_read(struct topic_admin *a, const char *prefix, int timeout_ms,
                      struct kafka_facts *out, struct error *err)
{
    struct kafka_facts facts = { 0 };
    for (int i = 0; i < EVENT_TYPES; i++) {
        topic_name_format(prefix, (enum event_type)i, facts.topics[i].name);
    }
    bool is_read = read_metadata(a, prefix, timeout_ms, &facts, err) &&
                   read_settings(a, prefix, timeout_ms, &facts, err);
    if (is_read) {
        *out = facts;
    }
    return is_read;
}

/* ---- creating ---- */

static void set_number(rd_kafka_NewTopic_t *topic, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    rd_kafka_NewTopic_set_config(topic, name, text);
}

static rd_kafka_NewTopic_t *
new_topic(const char *name, const struct topic_settings *settings, struct error *err)
{
    char text[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        name, (int)settings->partitions, (int)settings->replication, text, sizeof text);
    if (topic == NULL) {
        error_set(err, ERROR_INVALID, ERROR_FROM_KAFKA, NULL, "creating %s: %s", name,
                  text);
        return NULL;
    }
    rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "delete");
    set_number(topic, "min.insync.replicas", settings->min_insync);
    set_number(topic, "retention.ms", settings->retention_ms);
    set_number(topic, "max.message.bytes", settings->max_message_bytes);
    return topic;
}

/* Of a refusal, Kafka's own words; of what passes by itself, RETRY. */
static bool fail_creation(struct topic_admin *a, const rd_kafka_topic_result_t *result,
                          struct error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(result);
    const char *words = rd_kafka_topic_result_error_string(result);
    struct buf what = { 0 };
    buf_printf(&what, "creating %s", rd_kafka_topic_result_name(result));
    if (code == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT ||
        code == RD_KAFKA_RESP_ERR_NOT_CONTROLLER) {
        fail(a, code, buf_cstr(&what), err);
    } else {
        error_set(err, ERROR_INVALID, ERROR_FROM_KAFKA, rd_kafka_err2name(code), "%s: %s",
                  buf_cstr(&what), words == NULL ? rd_kafka_err2str(code) : words);
    }
    buf_release(&what);
    return false;
}

bool topic_admin_create(struct topic_admin *a, const char *name,
                        const struct topic_settings *settings, bool *out_created,
                        struct error *err)
{
    rd_kafka_NewTopic_t *topic = new_topic(name, settings, err);
    if (topic == NULL) {
        return false;
    }
    rd_kafka_AdminOptions_t *options =
        new_options(a, RD_KAFKA_ADMIN_OP_CREATETOPICS, CREATE_TIMEOUT_MS);
    rd_kafka_CreateTopics(a->client, &topic, 1, options, a->answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_event_t *event = wait_answer(a, CREATE_TIMEOUT_MS, "creating topics", err);
    if (event == NULL) {
        return false;
    }
    size_t count = 0;
    const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event), &count);
    REQUIRE(count == 1);
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[0]);
    *out_created = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    bool is_done = *out_created || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ||
                   fail_creation(a, results[0], err);
    rd_kafka_event_destroy(event);
    return is_done;
}

/* ---- comparing ---- */

uint64_t topic_message_bytes(uint64_t max_event_bytes)
{
    return max_event_bytes * 11 / 10;
}

static void add_too_small(const struct topic_facts *facts, const char *setting,
                          int64_t is, uint64_t wanted, struct buf *out)
{
    if (is < 0 || (uint64_t)is < wanted) {
        buf_printf(out,
                   "%s is %" PRId64 " instead of %" PRIu64
                   ": kafka-configs.sh --alter --entity-type topics --entity-name %s "
                   "--add-config %s=%" PRIu64 "\n",
                   setting, is, wanted, facts->name, setting, wanted);
    }
}

void topic_facts_compare(const struct topic_facts *facts,
                         const struct topic_settings *wanted, struct buf *differences)
{
    if ((uint64_t)facts->partitions < wanted->partitions) {
        buf_printf(differences,
                   "partitions: %d instead of %" PRIu64
                   ": kafka-topics.sh --alter --topic %s --partitions %" PRIu64 "\n",
                   facts->partitions, wanted->partitions, facts->name,
                   wanted->partitions);
    }
    if ((uint64_t)facts->replication < wanted->replication) {
        buf_printf(differences,
                   "replication: %d instead of %" PRIu64
                   ": give %s more replicas with kafka-reassign-partitions.sh (one "
                   "replica is for development only: topics --dev accepts it)\n",
                   facts->replication, wanted->replication, facts->name);
    }
    add_too_small(facts, "min.insync.replicas", facts->min_insync, wanted->min_insync,
                  differences);
    if (facts->min_insync > facts->replication) {
        buf_printf(differences,
                   "min.insync.replicas is %" PRId64
                   " with a replication of %d: nothing can be written to %s; lower the "
                   "one or raise the other\n",
                   facts->min_insync, facts->replication, facts->name);
    }
    if (strcmp(facts->cleanup_policy, "delete") != 0) {
        buf_printf(differences,
                   "cleanup.policy is '%s' instead of 'delete', which loses events: "
                   "kafka-configs.sh --alter --entity-type topics --entity-name %s "
                   "--add-config cleanup.policy=delete\n",
                   facts->cleanup_policy, facts->name);
    }
    add_too_small(facts, "max.message.bytes", facts->max_message_bytes,
                  wanted->max_message_bytes, differences);
}
