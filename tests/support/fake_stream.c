#include "tests/support/fake_stream.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fake_topic(enum event_type type)
{
    static char names[EVENT_TYPES][32];
    snprintf(names[type], sizeof names[type], "segment.%s", event_type_name(type));
    return names[type];
}

struct fake_log *fake_cluster_add(struct fake_cluster *c, enum event_type type,
                                  int32_t partition, int64_t start, int64_t end)
{
    REQUIRE(c->count < FAKE_LOGS);
    struct fake_log *log = &c->logs[c->count++];
    *log = (struct fake_log){
        .type = type, .partition = partition, .start = start, .end = end, .committed = -1
    };
    return log;
}

static size_t find(const struct fake_cluster *c, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->logs[i].partition == partition &&
            strcmp(fake_topic(c->logs[i].type), topic) == 0) {
            return i;
        }
    }
    mem_panic(__FILE__, __LINE__, "a partition that is not there");
}

/* ---- the stream ---- */

static int64_t mono_ms(void *context)
{
    struct fake_stream *s = context;
    return s->cluster->now_ms;
}

static struct log_record record_of(struct fake_stream *s, const struct fake_log *log,
                                   int64_t offset)
{
    char *value = mem_alloc(200);
    int len = snprintf(value, 200,
                       "{\"type\":\"%s\",\"messageId\":\"m-%d-%lld\",\"userId\":\"u\"}",
                       event_type_name(log->type), log->partition, (long long)offset);
    s->cluster->messages++;
    return (struct log_record){
        .record = { .topic = log->type,
                    .value = view_of(value, (size_t)len),
                    .source = VIEW_LITERAL("shop"),
                    .schema = VIEW_LITERAL("shop"),
                    .received_at_ms = 1764842400000,
                    .via = VIA_WEBHOOK,
                    .auth = AUTH_TOKEN },
        .topic = fake_topic(log->type),
        .partition = log->partition,
        .offset = offset,
        .headers_are_valid = true,
        .message = value,
    };
}

static enum stream_event tell_change(struct fake_stream *s, struct stream_poll *out)
{
    enum stream_event event = s->next;
    s->next = STREAM_NOTHING;
    out->partitions = s->assigned;
    out->partition_count = event == STREAM_ASSIGNED ? s->assigned_count : 0;
    for (size_t i = 0; i < FAKE_LOGS; i++) {
        s->position[i] = -1;
    }
    return event;
}

static enum stream_event poll(void *context, int timeout_ms, struct stream_poll *out,
                              struct error *err)
{
    struct fake_stream *s = context;
    (void)err;
    if (s->next != STREAM_NOTHING) {
        return tell_change(s, out);
    }
    for (size_t i = 0; !s->is_away && i < s->cluster->count; i++) {
        size_t at = s->turn++ % s->cluster->count;
        const struct fake_log *log = &s->cluster->logs[at];
        int64_t *position = &s->position[at];
        if (*position >= 0 && (*position < log->start || *position > log->end)) {
            *position = -1;
            return STREAM_OUT_OF_RANGE;
        }
        if (*position >= 0 && *position < log->end) {
            out->record = record_of(s, log, (*position)++);
            return STREAM_RECORD;
        }
    }
    s->cluster->now_ms += timeout_ms;
    return STREAM_NOTHING;
}

static bool start(void *context, const struct stream_partition *partitions, size_t count,
                  struct error *err)
{
    struct fake_stream *s = context;
    (void)err;
    s->starts++;
    for (size_t i = 0; i < FAKE_LOGS; i++) {
        s->position[i] = -1;
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = find(s->cluster, partitions[i].topic, partitions[i].partition);
        s->position[at] = partitions[i].offset;
    }
    return true;
}

static void nothing(void *context)
{
    (void)context;
}

static bool positions(void *context, struct stream_partition *partitions, size_t count,
                      int timeout_ms, struct error *err)
{
    struct fake_stream *s = context;
    (void)timeout_ms;
    if (s->is_away) {
        return error_set(err, ERROR_RETRY, ERROR_FROM_KAFKA, "_TRANSPORT", "away");
    }
    s->bounds_asked++;
    for (size_t i = 0; i < count; i++) {
        const struct fake_log *log =
            &s->cluster
                 ->logs[find(s->cluster, partitions[i].topic, partitions[i].partition)];
        partitions[i].log_start = log->start;
        partitions[i].log_end = log->end;
        partitions[i].committed = log->committed;
        partitions[i].is_committed_by_us = log->is_committed_by_us;
    }
    return true;
}

static bool commit(void *context, const struct stream_partition *partitions, size_t count,
                   bool wait, struct error *err)
{
    struct fake_stream *s = context;
    (void)wait;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        struct fake_log *log =
            &s->cluster
                 ->logs[find(s->cluster, partitions[i].topic, partitions[i].partition)];
        log->committed = partitions[i].offset;
        log->is_committed_by_us = true;
    }
    return true;
}

static int64_t log_end(void *context, const char *topic, int32_t partition)
{
    struct fake_stream *s = context;
    return s->cluster->logs[find(s->cluster, topic, partition)].end;
}

static void release(void *context, void *message)
{
    struct fake_stream *s = context;
    s->cluster->messages--;
    free(message);
}

static const char *cluster_id(void *context, int timeout_ms)
{
    (void)context;
    (void)timeout_ms;
    return "test-cluster";
}

static void close_again(void *context)
{
    free(context);
}

void fake_stream_init(struct fake_stream *s, struct fake_cluster *c)
{
    *s = (struct fake_stream){ .cluster = c, .next = STREAM_NOTHING };
    for (size_t i = 0; i < FAKE_LOGS; i++) {
        s->position[i] = -1;
    }
    s->stream = (struct stream){ .context = s,
                                 .mono_ms = mono_ms,
                                 .poll = poll,
                                 .start = start,
                                 .pause = nothing,
                                 .resume = nothing,
                                 .positions = positions,
                                 .commit = commit,
                                 .log_end = log_end,
                                 .release = release,
                                 .cluster_id = cluster_id,
                                 .close = nothing };
}

bool fake_stream_open_again(void *context, struct stream *out, struct error *err)
{
    struct fake_cluster *c = context;
    struct fake_stream *s = mem_calloc(1, sizeof *s);
    (void)err;
    fake_stream_init(s, c);
    c->held_streams_opened++;
    *out = s->stream;
    out->close = close_again;
    return true;
}

void fake_stream_assign(struct fake_stream *s)
{
    s->assigned_count = s->cluster->count;
    for (size_t i = 0; i < s->cluster->count; i++) {
        s->assigned[i] =
            (struct stream_partition){ .topic = fake_topic(s->cluster->logs[i].type),
                                       .partition = s->cluster->logs[i].partition };
    }
    s->next = STREAM_ASSIGNED;
}

void fake_stream_revoke(struct fake_stream *s)
{
    s->next = STREAM_REVOKED;
}
