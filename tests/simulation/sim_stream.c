/* The log and the group, as one loader sees them. */
#include "tests/simulation/sim.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES 200

static int64_t mono_ms(void *context)
{
    struct sim_stream *s = context;
    return s->world->now_ms;
}

static size_t number_of(struct sim_stream *s, const struct stream_partition *p)
{
    return (size_t)(sim_log_of(s->world, p->topic, p->partition) - s->world->logs);
}

static void stand_still(struct sim_stream *s)
{
    for (int i = 0; i < SIM_LOGS; i++) {
        s->position[i] = -1;
    }
}

/* ---- records ---- */

static int write_value(char *out, const struct sim_log *log, const struct sim_record *r)
{
    if (log->type == EVENT_DELETE) {
        return snprintf(out, VALUE_BYTES,
                        "{\"type\":\"delete\",\"messageId\":\"d%u\",\"userId\":\"u%u\"}",
                        r->event, r->user);
    }
    return snprintf(out, VALUE_BYTES,
                    "{\"type\":\"%s\",\"messageId\":\"e%u\",\"userId\":\"u%u\","
                    "\"properties\":{\"k%u\":1}}",
                    event_type_name(log->type), r->event, r->user, r->key);
}

static struct log_record record_of(struct sim_stream *s, const struct sim_log *log,
                                   const struct sim_record *r)
{
    char *value = mem_alloc(VALUE_BYTES);
    int len = write_value(value, log, r);
    ++*s->records_out;
    return (struct log_record){
        .record = { .topic = log->type,
                    .value = view_of(value, (size_t)len - (r->is_malformed ? 1 : 0)),
                    .source = VIEW_LITERAL(SIM_SCHEMA),
                    .schema = VIEW_LITERAL(SIM_SCHEMA),
                    .received_at_ms = r->received_at_ms,
                    .via = VIA_WEBHOOK,
                    .auth = AUTH_TOKEN },
        .topic = log->topic,
        .partition = log->partition,
        .offset = r->offset,
        .headers_are_valid = true,
        .message = value,
    };
}

static bool read_next(struct sim_stream *s, size_t at, struct stream_poll *out)
{
    const struct sim_log *log = &s->world->logs[at];
    for (size_t i = 0; s->position[at] >= 0 && i < log->count; i++) {
        const struct sim_record *r = &s->world->records[log->records[i]];
        if (r->offset >= s->position[at]) {
            s->position[at] = r->offset + 1;
            out->record = record_of(s, log, r);
            return true;
        }
    }
    return false;
}

/* ---- the group ---- */

static enum stream_event tell_change(struct sim_stream *s, struct stream_poll *out)
{
    stand_still(s);
    if (s->has_assignment) {
        s->has_assignment = false;
        sim_tell(s->world, "loader %d hears that its partitions are gone", s->loader);
        return STREAM_REVOKED;
    }
    s->generation = s->world->generation;
    s->has_assignment = true;
    out->partitions = s->assigned;
    out->partition_count = 0;
    for (int i = 0; i < SIM_LOGS; i++) {
        const struct sim_log *log = &s->world->logs[i];
        if (log->owner == s->loader) {
            s->assigned[out->partition_count++] =
                (struct stream_partition){ .topic = log->topic,
                                           .partition = log->partition };
        }
    }
    sim_tell(s->world, "loader %d is given %zu partitions", s->loader,
             out->partition_count);
    return STREAM_ASSIGNED;
}

static enum stream_event poll(void *context, int timeout_ms, struct stream_poll *out,
                              struct error *err)
{
    struct sim_stream *s = context;
    if (s->is_dead) {
        return STREAM_NOTHING;
    }
    if (s->is_member && s->generation != s->world->generation &&
        sim_random(s->world, 3) > 0) {
        return tell_change(s, out);
    }
    if (sim_fails(s->world, SIM_KAFKA, 200)) {
        error_set(err, ERROR_RETRY, ERROR_FROM_KAFKA, "_TRANSPORT", "away");
        return STREAM_FAILED;
    }
    size_t first = sim_random(s->world, SIM_LOGS);
    bool is_quiet = sim_random(s->world, 6) == 0;
    for (size_t i = 0; !is_quiet && i < SIM_LOGS; i++) {
        if (read_next(s, (first + i) % SIM_LOGS, out)) {
            return STREAM_RECORD;
        }
    }
    s->world->now_ms += timeout_ms;
    return STREAM_NOTHING;
}

static bool start(void *context, const struct stream_partition *partitions, size_t count,
                  struct error *err)
{
    struct sim_stream *s = context;
    (void)err;
    stand_still(s);
    for (size_t i = 0; i < count; i++) {
        s->position[number_of(s, &partitions[i])] = partitions[i].offset;
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
    struct sim_stream *s = context;
    (void)timeout_ms;
    if (s->is_dead || sim_fails(s->world, SIM_KAFKA, 20)) {
        return error_set(err, ERROR_RETRY, ERROR_FROM_KAFKA, "_TRANSPORT", "away");
    }
    for (size_t i = 0; i < count; i++) {
        const struct sim_log *log = &s->world->logs[number_of(s, &partitions[i])];
        partitions[i].log_start = 0;
        partitions[i].log_end = log->end;
        partitions[i].committed = log->committed;
        partitions[i].is_committed_by_us = log->is_committed_by_us;
    }
    return true;
}

/* Who is not in the group as it is now is refused, as Kafka does. */
static bool commit(void *context, const struct stream_partition *partitions, size_t count,
                   bool wait, struct error *err)
{
    struct sim_stream *s = context;
    (void)wait;
    if (s->is_dead || s->generation != s->world->generation || !s->has_assignment ||
        sim_fails(s->world, SIM_KAFKA, 20)) {
        return error_set(err, ERROR_RETRY, ERROR_FROM_KAFKA, "ILLEGAL_GENERATION", "no");
    }
    for (size_t i = 0; i < count; i++) {
        struct sim_log *log = &s->world->logs[number_of(s, &partitions[i])];
        if (partitions[i].offset > log->most_position) {
            sim_violated(s->world,
                         "%s:%d: offset %lld was committed to the group before it was "
                         "loaded (%lld)",
                         log->topic, log->partition, (long long)partitions[i].offset,
                         (long long)log->most_position);
        }
        log->committed = partitions[i].offset;
        log->is_committed_by_us = true;
        log->reset_to = -1;
    }
    return true;
}

static int64_t log_end(void *context, const char *topic, int32_t partition)
{
    struct sim_stream *s = context;
    return sim_log_of(s->world, topic, partition)->end;
}

static void release(void *context, void *message)
{
    struct sim_stream *s = context;
    --*s->records_out;
    free(message);
}

static const char *cluster_id(void *context, int timeout_ms)
{
    (void)context;
    (void)timeout_ms;
    return "c1";
}

static void close_again(void *context)
{
    free(context);
}

void sim_stream_init(struct sim_stream *s, struct sim_world *w, int loader,
                     int64_t *records_out)
{
    *s = (struct sim_stream){
        .world = w, .loader = loader, .is_member = true, .records_out = records_out
    };
    stand_still(s);
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

bool sim_stream_open_again(void *context, struct stream *out, struct error *err)
{
    struct sim_stream *member = context;
    if (member->is_dead || sim_fails(member->world, SIM_KAFKA, 20)) {
        return error_set(err, ERROR_RETRY, ERROR_FROM_KAFKA, "_TRANSPORT", "away");
    }
    struct sim_stream *s = mem_calloc(1, sizeof *s);
    sim_stream_init(s, member->world, member->loader, member->records_out);
    s->is_member = false;
    *out = s->stream;
    out->close = close_again;
    return true;
}

void sim_group_assign(struct sim_world *w, const bool is_alive[SIM_LOADERS])
{
    int alive[SIM_LOADERS];
    unsigned count = 0;
    for (int i = 0; i < SIM_LOADERS; i++) {
        if (is_alive[i]) {
            alive[count++] = i;
        }
    }
    w->generation++;
    for (int i = 0; i < SIM_LOGS; i++) {
        w->logs[i].owner = count == 0 ? -1 : alive[sim_random(w, count)];
    }
    sim_tell(w, "the group is divided anew among %u", count);
}
