#include "loader/consume/kafka_stream.h"

#include "loader/consume/fetch_waker.h"
#include "loader/consume/group.h"
#include "loader/consume/log_ends.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/kafka_conf.h"

#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The metadata of our commits; one without it was made by an operator's tool. */
#define COMMIT_MARK "backstitch"
/* With the consumer's own wait for a batch (REVOKE_WAIT_MS) less than session.timeout.ms.
 */
#define COMMIT_WAIT_MS 3000
#define LEAVE_WAIT_MS 3000
#define MAX_HEADERS 64 /* we write at most 20; further ones are not ours */

enum change { CHANGE_NONE, CHANGE_ASSIGNED, CHANGE_REVOKED };

struct kafka_stream {
    rd_kafka_t *consumer;
    const char *config_file;   /* the setup's */
    bool is_member;            /* too */
    struct fetch_waker *waker; /* NULL: librdkafka needs none */
    char topics[EVENT_TYPES][TOPIC_NAME_BYTES];
    char *cluster_id;
    enum change change; /* set by the rebalance callback, told by the next poll */
    struct stream_partition *assigned;
    size_t assigned_count;
    struct stream_partition ended; /* of STREAM_END */
    bool must_unassign;            /* the revoke was told; the group waits for us */
    bool has_error;                /* set by the error callback, told by the next poll */
    struct error error;
    bool has_commit_error; /* the same, of an asynchronous commit */
    struct error commit_error;
};

/* ---- topics ---- */

/* Our own text of a topic's name: the same pointer every time. */
static const char *topic_of(const struct kafka_stream *s, const char *name,
                            enum event_type *out)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        if (strcmp(s->topics[i], name) == 0) {
            *out = (enum event_type)i;
            return s->topics[i];
        }
    }
    mem_panic(__FILE__, __LINE__, "a topic that was never subscribed");
}

static rd_kafka_topic_partition_list_t *to_list(const struct stream_partition *partitions,
                                                size_t count, bool with_mark)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(
            list, partitions[i].topic, partitions[i].partition);
        p->offset = partitions[i].offset;
        if (with_mark) {
            p->metadata = mem_strdup(COMMIT_MARK); /* freed with the list */
            p->metadata_size = strlen(COMMIT_MARK);
        }
    }
    return list;
}

/* ---- the group ---- */

static void assign_nothing(rd_kafka_t *consumer)
{
    rd_kafka_topic_partition_list_t *nothing = rd_kafka_topic_partition_list_new(0);
    rd_kafka_assign(consumer, nothing);
    rd_kafka_topic_partition_list_destroy(nothing);
}

static void note_assigned(struct kafka_stream *s,
                          const rd_kafka_topic_partition_list_t *list)
{
    free(s->assigned);
    s->assigned_count = (size_t)list->cnt;
    s->assigned = mem_calloc(s->assigned_count, sizeof *s->assigned);
    for (size_t i = 0; i < s->assigned_count; i++) {
        enum event_type type;
        s->assigned[i].topic = topic_of(s, list->elems[i].topic, &type);
        s->assigned[i].partition = list->elems[i].partition;
    }
    s->change = CHANGE_ASSIGNED;
}

/* Runs inside of consumer_poll, on the consumer's thread. An assignment is answered with
 * "nothing yet": `start` assigns for real, once the positions are known. A revoke is
 * answered at the next poll, when the consumer has dropped what it had. */
static void on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_stream *s = opaque;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        note_assigned(s, list);
        assign_nothing(consumer);
        return;
    }
    s->assigned_count = 0;
    s->change = CHANGE_REVOKED;
    s->must_unassign = true;
}

static void on_error(rd_kafka_t *consumer, int code, const char *reason, void *opaque)
{
    struct kafka_stream *s = opaque;
    char text[256];
    kafka_conf_renew_credentials(consumer, code, s->config_file);
    rd_kafka_resp_err_t fatal = code == RD_KAFKA_RESP_ERR__FATAL
                                    ? rd_kafka_fatal_error(consumer, text, sizeof text)
                                    : 0;
    if (fatal != 0) {
        s->has_error = true;
        kafka_error_set(&s->error, RD_KAFKA_RESP_ERR__FATAL, text);
    } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
               code == RD_KAFKA_RESP_ERR__AUTHENTICATION) {
        s->has_error = true;
        kafka_error_set(&s->error, code, reason);
    }
}

/* Of commits that nobody waits for. A commit without a partition of ours in it, or one
 * that a rebalance has overtaken, is none. */
static void on_commit(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_stream *s = opaque;
    (void)consumer;
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        code = code == RD_KAFKA_RESP_ERR_NO_ERROR ? list->elems[i].err : code;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__NO_OFFSET) {
        s->has_commit_error = true;
        kafka_error_set(&s->commit_error, code, "committing offsets to the group");
    }
}

/* ---- polling ---- */

static void read_headers(const rd_kafka_message_t *message, struct log_record *out)
{
    struct record_header headers[MAX_HEADERS];
    size_t count = 0;
    rd_kafka_headers_t *list = NULL;
    struct error err;
    if (rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char *name;
        const void *value;
        size_t size;
        while (count < MAX_HEADERS &&
               rd_kafka_header_get_all(list, count, &name, &value, &size) ==
                   RD_KAFKA_RESP_ERR_NO_ERROR) {
            headers[count].name = view_cstr(name);
            headers[count].value = view_of(value, size);
            count++;
        }
    }
    out->headers_are_valid = record_decode_headers(headers, count, &out->record, &err);
    if (!out->headers_are_valid) {
        snprintf(out->header_fault, sizeof out->header_fault, "%.*s",
                 (int)sizeof out->header_fault - 1, err.text);
    }
}

static void read_record(const struct kafka_stream *s, rd_kafka_message_t *message,
                        struct log_record *out)
{
    *out = (struct log_record){ .partition = message->partition,
                                .offset = message->offset,
                                .message = message };
    enum event_type type;
    out->topic = topic_of(s, rd_kafka_topic_name(message->rkt), &type);
    read_headers(message, out);
    out->record.topic = type;
    out->record.key = view_of(message->key, message->key_len);
    out->record.value = view_of(message->payload, message->len);
}

static enum stream_event tell_change(struct kafka_stream *s, struct stream_poll *out)
{
    enum change change = s->change;
    s->change = CHANGE_NONE;
    out->partitions = s->assigned;
    out->partition_count = s->assigned_count;
    return change == CHANGE_ASSIGNED ? STREAM_ASSIGNED : STREAM_REVOKED;
}

static enum stream_event tell_end(struct kafka_stream *s,
                                  const rd_kafka_message_t *message,
                                  struct stream_poll *out)
{
    enum event_type type;
    s->ended = (struct stream_partition){
        .topic = topic_of(s, rd_kafka_topic_name(message->rkt), &type),
        .partition = message->partition,
        .offset = message->offset,
    };
    out->partitions = &s->ended;
    out->partition_count = 1;
    return STREAM_END;
}

static enum stream_event tell_error(struct kafka_stream *s, rd_kafka_message_t *message,
                                    struct stream_poll *out, struct error *err)
{
    rd_kafka_resp_err_t code = message->err;
    enum stream_event event = STREAM_FAILED;
    if (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        event = STREAM_OUT_OF_RANGE;
    } else if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        event = tell_end(s, message, out);
    } else {
        kafka_error_set(err, code, rd_kafka_message_errstr(message));
    }
    rd_kafka_message_destroy(message);
    return event;
}

static enum stream_event stream_poll(void *context, int timeout_ms,
                                     struct stream_poll *out, struct error *err)
{
    struct kafka_stream *s = context;
    if (s->must_unassign) {
        s->must_unassign = false;
        rd_kafka_assign(s->consumer, NULL);
    }
    rd_kafka_message_t *message = rd_kafka_consumer_poll(s->consumer, timeout_ms);
    if (s->change != CHANGE_NONE) {
        if (message != NULL) {
            rd_kafka_message_destroy(message); /* of the assignment before */
        }
        return tell_change(s, out);
    }
    if (message != NULL && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return tell_error(s, message, out, err);
    }
    if (message != NULL) {
        fetch_waker_took(s->waker, message->len);
        read_record(s, message, &out->record);
        return STREAM_RECORD;
    }
    fetch_waker_found_nothing(s->waker);
    if (s->has_commit_error) {
        s->has_commit_error = false;
        *err = s->commit_error;
        return STREAM_COMMIT_FAILED;
    }
    if (s->has_error) {
        s->has_error = false;
        *err = s->error;
        return STREAM_FAILED;
    }
    return STREAM_NOTHING;
}

/* ---- positions ---- */

static bool stream_start(void *context, const struct stream_partition *partitions,
                         size_t count, struct error *err)
{
    struct kafka_stream *s = context;
    rd_kafka_topic_partition_list_t *list = to_list(partitions, count, false);
    rd_kafka_resp_err_t code = rd_kafka_assign(s->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           kafka_error_set(err, code, "starting partitions");
}

static void with_assignment(struct kafka_stream *s,
                            rd_kafka_resp_err_t (*act)(rd_kafka_t *,
                                                       rd_kafka_topic_partition_list_t *))
{
    rd_kafka_topic_partition_list_t *list = NULL;
    if (rd_kafka_assignment(s->consumer, &list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        act(s->consumer, list);
        rd_kafka_topic_partition_list_destroy(list);
    }
}

static void stream_pause(void *context)
{
    with_assignment(context, rd_kafka_pause_partitions);
}

static void stream_resume(void *context)
{
    with_assignment(context, rd_kafka_resume_partitions);
}

static bool read_committed(struct kafka_stream *s, struct stream_partition *partitions,
                           size_t count, int timeout_ms, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = to_list(partitions, count, false);
    rd_kafka_resp_err_t code = rd_kafka_committed(s->consumer, list, timeout_ms);
    for (size_t i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < count; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        partitions[i].committed = p->offset >= 0 ? p->offset : -1;
        partitions[i].is_committed_by_us =
            p->metadata_size == strlen(COMMIT_MARK) &&
            memcmp(p->metadata, COMMIT_MARK, p->metadata_size) == 0;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           kafka_error_set(err, code, "reading the group's offsets");
}

static bool read_bounds(struct kafka_stream *s, struct stream_partition *partitions,
                        size_t count, int timeout_ms, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = to_list(partitions, count, false);
    bool done = log_ends_read(s->consumer, LOG_START, list, timeout_ms, err);
    for (size_t i = 0; done && i < count; i++) {
        partitions[i].log_start = list->elems[i].offset;
    }
    done = done && log_ends_read(s->consumer, LOG_END, list, timeout_ms, err);
    for (size_t i = 0; done && i < count; i++) {
        partitions[i].log_end = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return done;
}

static bool stream_positions(void *context, struct stream_partition *partitions,
                             size_t count, int timeout_ms, struct error *err)
{
    struct kafka_stream *s = context;
    for (size_t i = 0; i < count; i++) {
        partitions[i].committed = -1; /* beside the group nobody asks, or has the right */
        partitions[i].is_committed_by_us = false;
    }
    return count == 0 ||
           (read_bounds(s, partitions, count, timeout_ms, err) &&
            (!s->is_member || read_committed(s, partitions, count, timeout_ms, err)));
}

static bool stream_commit(void *context, const struct stream_partition *partitions,
                          size_t count, bool wait, struct error *err)
{
    struct kafka_stream *s = context;
    rd_kafka_topic_partition_list_t *list = to_list(partitions, count, true);
    bool done = group_commit(s->consumer, list, wait ? COMMIT_WAIT_MS : 0, err);
    rd_kafka_topic_partition_list_destroy(list);
    return done;
}

static int64_t stream_log_end(void *context, const char *topic, int32_t partition)
{
    struct kafka_stream *s = context;
    int64_t low = -1;
    int64_t high = -1;
    rd_kafka_resp_err_t code =
        rd_kafka_get_watermark_offsets(s->consumer, topic, partition, &low, &high);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : -1;
}

static int64_t stream_mono_ms(void *context)
{
    (void)context;
    return clock_mono_ms();
}

static void stream_release(void *context, void *message)
{
    (void)context;
    rd_kafka_message_destroy(message);
}

static const char *stream_cluster_id(void *context, int timeout_ms)
{
    struct kafka_stream *s = context;
    if (s->cluster_id == NULL) {
        char *id = rd_kafka_clusterid(s->consumer, timeout_ms);
        if (id != NULL) {
            s->cluster_id = mem_strdup(id);
            rd_kafka_mem_free(s->consumer, id);
        }
    }
    return s->cluster_id;
}

/* ---- life ---- */

static void stream_close(void *context)
{
    struct kafka_stream *s = context;
    fetch_waker_stop(s->waker);
    if (s->must_unassign) {
        rd_kafka_assign(s->consumer, NULL);
    }
    group_leave(s->consumer, LEAVE_WAIT_MS);
    free(s->assigned);
    free(s->cluster_id);
    free(s);
}

static void name_topics(struct kafka_stream *s, const char *prefix)
{
    for (int i = 0; i < EVENT_TYPES; i++) {
        topic_name_format(prefix, (enum event_type)i, s->topics[i]);
    }
}

static rd_kafka_resp_err_t subscribe(struct kafka_stream *s)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(EVENT_TYPES);
    for (int i = 0; i < EVENT_TYPES; i++) {
        rd_kafka_topic_partition_list_add(list, s->topics[i], RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_resp_err_t code = rd_kafka_subscribe(s->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

static rd_kafka_t *new_consumer(const struct kafka_stream_setup *setup,
                                struct kafka_stream *s, struct error *err)
{
    struct kafka_conf_settings settings = { .role = KAFKA_CONSUMER,
                                            .brokers = setup->brokers,
                                            .config_file = setup->config_file,
                                            .group = setup->group };
    rd_kafka_conf_t *conf = NULL;
    char text[256];
    if (!kafka_conf_new(&settings, &conf, err)) {
        return NULL;
    }
    if (!setup->is_member) { /* whoever reads a range must learn where the log ends */
        rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    }
    rd_kafka_conf_set_opaque(conf, s);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (consumer == NULL) {
        rd_kafka_conf_destroy(conf);
        error_set(err, ERROR_INVALID, ERROR_FROM_KAFKA, NULL, "Kafka's consumer: %s",
                  text);
        return NULL;
    }
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

bool kafka_stream_open(const struct kafka_stream_setup *setup, struct stream *out,
                       struct error *err)
{
    struct kafka_stream *s = mem_calloc(1, sizeof *s);
    s->config_file = setup->config_file;
    s->is_member = setup->is_member;
    name_topics(s, setup->topic_prefix);
    s->consumer = new_consumer(setup, s, err);
    if (s->consumer == NULL) {
        free(s);
        return false;
    }
    rd_kafka_resp_err_t code =
        setup->is_member ? subscribe(s) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        stream_close(s);
        return kafka_error_set(err, code, "subscribing to the topics");
    }
    if (!fetch_waker_start(s->consumer, &s->waker, err)) {
        stream_close(s);
        return false;
    }
    *out = (struct stream){ .context = s,
                            .mono_ms = stream_mono_ms,
                            .poll = stream_poll,
                            .start = stream_start,
                            .pause = stream_pause,
                            .resume = stream_resume,
                            .positions = stream_positions,
                            .commit = stream_commit,
                            .log_end = stream_log_end,
                            .release = stream_release,
                            .cluster_id = stream_cluster_id,
                            .close = stream_close };
    return true;
}
