#include "loader/consume/assignment.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POSITIONS_TIMEOUT_MS 5000
#define PROBE_TIMEOUT_MS 200
#define ASK_AGAIN_MS 1000 /* after Kafka did not answer */
#define STOPPED_RETRY_MS 60000

void assignment_begin(struct assignment *a, const struct stream_poll *poll)
{
    partitions_assign(&a->partitions, poll->partitions, poll->partition_count);
    a->needs_positions = poll->partition_count > 0;
    a->ask_at_mono_ms = 0;
}

void assignment_end(struct assignment *a)
{
    partitions_clear(&a->partitions);
    a->needs_positions = false;
}

void assignment_begin_again(struct assignment *a, int64_t wait_ms)
{
    int64_t now = clock_mono_ms();
    partitions_await_positions(&a->partitions, now);
    a->needs_positions = a->partitions.count > 0;
    a->ask_at_mono_ms = now + wait_ms;
}

static bool is_named(const char *const *list, const char *name)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        if (strcmp(list[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static struct stream_partition *
list_partitions(const struct assignment *a, enum partition_state state, size_t *out_count)
{
    size_t count = 0;
    struct stream_partition *list = mem_calloc(a->partitions.count, sizeof *list);
    for (size_t i = 0; i < a->partitions.count; i++) {
        const struct partition *p = &a->partitions.list[i];
        if (p->state == state) {
            list[count++] = (struct stream_partition){ .topic = p->topic,
                                                       .partition = p->partition,
                                                       .offset = p->next };
        }
    }
    *out_count = count;
    return list;
}

static struct pipeline_position *
facts_of(const struct assignment *a, const struct stream_partition *list, size_t count)
{
    struct pipeline_position *positions = mem_calloc(count, sizeof *positions);
    for (size_t i = 0; i < count; i++) {
        char name[TOPIC_NAME_BYTES + 16];
        snprintf(name, sizeof name, "%s:%d", list[i].topic, list[i].partition);
        positions[i] = (struct pipeline_position){
            .topic = list[i].topic,
            .partition = list[i].partition,
            .facts = { .in_database = -1,
                       .log_start = list[i].log_start,
                       .log_end = list[i].log_end,
                       .committed = list[i].committed,
                       .is_committed_by_us = list[i].is_committed_by_us,
                       .accepts_gap = is_named(a->setup.accept_gap, name),
                       .accepts_new_log =
                           is_named(a->setup.accept_new_log, list[i].topic) },
        };
    }
    return positions;
}

/* Asks Kafka for the log's bounds and the group's offsets, then the writer for the
 * database's positions. */
void assignment_ask(struct assignment *a)
{
    if (!a->needs_positions || clock_mono_ms() < a->ask_at_mono_ms ||
        !writer_is_idle(a->setup.writer)) {
        return;
    }
    struct error err = { .text = "the cluster id is not known yet" };
    size_t count = 0;
    struct stream_partition *list = list_partitions(a, PARTITION_WAITING, &count);
    const char *cluster =
        a->setup.stream->cluster_id(a->setup.stream->context, POSITIONS_TIMEOUT_MS);
    if (cluster != NULL &&
        a->setup.stream->positions(a->setup.stream->context, list, count,
                                   POSITIONS_TIMEOUT_MS, &err)) {
        log_outage_end(&a->kafka_outage, "kafka");
        a->setup.pipeline->cluster_id = cluster;
        a->needs_positions = false;
        a->is_asking = true;
        writer_find_positions(a->setup.writer, facts_of(a, list, count), count);
    } else {
        log_outage_begin(&a->kafka_outage, "kafka", &err);
        a->ask_at_mono_ms = clock_mono_ms() + ASK_AGAIN_MS;
    }
    free(list);
}

void assignment_probe(struct assignment *a)
{
    if (!a->kafka_outage.is_on || a->needs_positions || a->partitions.count == 0) {
        return; /* a round of positions tells as well */
    }
    struct stream_partition first = { .topic = a->partitions.list[0].topic,
                                      .partition = a->partitions.list[0].partition };
    struct error err;
    if (a->setup.stream->positions(a->setup.stream->context, &first, 1, PROBE_TIMEOUT_MS,
                                   &err)) {
        log_outage_end(&a->kafka_outage, "kafka");
    }
}

static void stop_outside(struct partition *p, const struct position_choice *c,
                         const struct position_facts *f)
{
    char reason[PARTITION_REASON_BYTES];
    if (c->verdict == POSITION_BELOW_LOG) {
        snprintf(
            reason, sizeof reason,
            "%lld records from offset %lld on are gone from the log; to go on past them: "
            "--accept-gap %s:%d",
            (long long)c->missing, (long long)f->in_database, p->topic, p->partition);
    } else {
        snprintf(reason, sizeof reason,
                 "the log ends at %lld, before our position %lld: it is another log; to "
                 "load it "
                 "from its start: --accept-new-log %s",
                 (long long)f->log_end, (long long)c->offset, p->topic);
    }
    partition_stop(p, clock_mono_ms(), STOPPED_RETRY_MS, reason);
    log_error("partition_stopped", log_text("topic", p->topic),
              log_int("partition", p->partition), log_text("reason", reason));
}

static void tell_reset(struct assignment *a, const struct partition *p,
                       const struct position_choice *c, const struct position_facts *f)
{
    log_warn(c->verdict == POSITION_GAP ? "offset_gap" : "position_reset",
             log_text("topic", p->topic), log_int("partition", p->partition),
             log_int("from", f->in_database), log_int("to", c->offset),
             log_int("records_left_out", c->missing));
    if (c->verdict == POSITION_GAP) {
        loader_metrics_gap(a->setup.metrics, (uint64_t)c->missing);
    }
    struct stream_partition mark = { .topic = p->topic,
                                     .partition = p->partition,
                                     .offset = c->offset };
    struct error err;
    if (!a->setup.stream->commit(a->setup.stream->context, &mark, 1, false, &err)) {
        log_failure(LOG_WARN, "kafka_commit_failed", &err);
    }
}

static void place(struct assignment *a, const struct pipeline_position *found)
{
    struct partition *p = partitions_find(&a->partitions, found->topic, found->partition);
    if (p == NULL || p->state != PARTITION_WAITING) {
        return; /* revoked meanwhile */
    }
    switch (found->choice.verdict) {
    case POSITION_BELOW_LOG:
    case POSITION_ABOVE_LOG:
        stop_outside(p, &found->choice, &found->facts);
        return;
    case POSITION_RESET:
    case POSITION_GAP:
        tell_reset(a, p, &found->choice, &found->facts);
        break;
    case POSITION_START:
    case POSITION_FIRST:
        break;
    }
    p->state = PARTITION_RUNNING;
    p->next = found->choice.offset;
    p->loaded = found->choice.offset;
    p->log_end = found->facts.log_end;
}

static void start_running(struct assignment *a)
{
    size_t count = 0;
    struct stream_partition *list = list_partitions(a, PARTITION_RUNNING, &count);
    struct error err;
    if (a->setup.stream->start(a->setup.stream->context, list, count, &err)) {
        log_info(
            "partitions_started", log_uint("running", count),
            log_uint("stopped", partitions_in_state(&a->partitions, PARTITION_STOPPED)));
    } else {
        log_failure(LOG_WARN, "partitions_not_started", &err);
        assignment_begin_again(a, ASK_AGAIN_MS);
    }
    free(list);
}

void assignment_found(struct assignment *a, const struct writer_result *r)
{
    a->is_asking = false;
    if (r->outcome != PIPELINE_DONE) {
        a->needs_positions = a->partitions.count > 0;
        return;
    }
    a->connections = atomic_load(&a->setup.pipeline->connections);
    for (size_t i = 0; i < r->position_count; i++) {
        place(a, &r->positions[i]);
    }
    loader_metrics_stopped_partitions(
        a->setup.metrics, partitions_in_state(&a->partitions, PARTITION_STOPPED));
    start_running(a);
}

void assignment_stop(struct assignment *a, const char *topic, int32_t partition,
                     const char *reason)
{
    struct partition *p = partitions_find(&a->partitions, topic, partition);
    if (p != NULL) {
        partition_stop(p, clock_mono_ms(), STOPPED_RETRY_MS, reason);
    }
}

bool assignment_has_due_partition(const struct assignment *a)
{
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < a->partitions.count; i++) {
        const struct partition *p = &a->partitions.list[i];
        if (p->state == PARTITION_STOPPED && now >= p->retry_at_mono_ms) {
            return true;
        }
    }
    return false;
}
