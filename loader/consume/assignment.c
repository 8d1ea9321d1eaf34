#include "loader/consume/assignment.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POSITIONS_TIMEOUT_MS 5000
#define PROBE_TIMEOUT_MS 200
#define ASK_AGAIN_MS 1000 /* after Kafka did not answer */
#define FENCED_AGAIN_MS 200
#define STOPPED_RETRY_MS 60000

static int64_t now_of(const struct assignment *a)
{
    return a->setup.stream->mono_ms(a->setup.stream->context);
}

bool assignment_is_asking(const struct assignment *a)
{
    return a->round == ROUND_READING || a->round == ROUND_MOVING;
}

/* ---- the state of a round ---- */

/* A question under way cannot be taken back: its answer is thrown away, and the round
 * begins anew. */
static void set_due(struct assignment *a, int64_t wait_ms)
{
    a->ask_at_mono_ms = now_of(a) + wait_ms;
    if (assignment_is_asking(a)) {
        a->is_obsolete = true;
        return;
    }
    a->round = a->partitions.count > 0 ? ROUND_DUE : ROUND_NONE;
}

void assignment_begin(struct assignment *a, const struct stream_poll *poll)
{
    partitions_assign(&a->partitions, poll->partitions, poll->partition_count);
    set_due(a, 0);
}

void assignment_end(struct assignment *a)
{
    for (size_t i = 0; i < a->partitions.count; i++) {
        loader_metrics_not_assigned(a->setup.metrics, a->partitions.list[i].topic,
                                    a->partitions.list[i].partition);
    }
    loader_metrics_stopped_partitions(a->setup.metrics, 0);
    partitions_clear(&a->partitions);
    free(a->candidates);
    a->candidates = NULL;
    a->candidate_count = 0;
    set_due(a, 0);
}

void assignment_begin_again(struct assignment *a, int64_t wait_ms)
{
    partitions_await_positions(&a->partitions, now_of(a));
    set_due(a, wait_ms);
}

/* ---- asking ---- */

static void kafka_failed(struct assignment *a, const struct error *err)
{
    log_outage_begin(&a->kafka_outage, "kafka", err);
    a->ask_at_mono_ms = now_of(a) + ASK_AGAIN_MS;
}

/* The candidates are the partitions that wait. */
static void list_candidates(struct assignment *a)
{
    free(a->candidates);
    a->candidates = mem_calloc(a->partitions.count, sizeof *a->candidates);
    a->candidate_count = 0;
    for (size_t i = 0; i < a->partitions.count; i++) {
        const struct partition *p = &a->partitions.list[i];
        if (p->state == PARTITION_WAITING) {
            a->candidates[a->candidate_count++] =
                (struct candidate){ .topic = p->topic, .partition = p->partition };
        }
    }
}

static void ask_database(struct assignment *a)
{
    struct error err = { .text = "the cluster id is not known yet" };
    if (a->cluster_id == NULL) {
        a->cluster_id =
            a->setup.stream->cluster_id(a->setup.stream->context, POSITIONS_TIMEOUT_MS);
    }
    if (a->cluster_id == NULL) {
        kafka_failed(a, &err);
        return;
    }
    list_candidates(a);
    struct task task = { .kind = TASK_READ_POSITIONS,
                         .cluster_id = a->cluster_id,
                         .position_count = a->candidate_count };
    task.positions = mem_calloc(task.position_count, sizeof *task.positions);
    for (size_t i = 0; i < a->candidate_count; i++) {
        task.positions[i] =
            (struct sink_position){ .topic = a->candidates[i].topic,
                                    .partition = a->candidates[i].partition };
    }
    a->round = ROUND_READING;
    a->is_obsolete = false;
    a->setup.writer->give(a->setup.writer->context, &task);
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

static void choose(struct assignment *a, struct candidate *c,
                   const struct stream_partition *log)
{
    char name[TOPIC_NAME_BYTES + 16];
    snprintf(name, sizeof name, "%s:%d", c->topic, c->partition);
    c->facts.log_start = log->log_start;
    c->facts.log_end = log->log_end;
    c->facts.committed = log->committed;
    c->facts.is_committed_by_us = log->is_committed_by_us;
    c->facts.accepts_gap = is_named(a->setup.accept_gap, name);
    c->facts.accepts_new_log = is_named(a->setup.accept_new_log, c->topic);
    c->choice = position_choose(&c->facts);
}

/* True when Kafka told the log's bounds and the group's offsets, and all is decided. */
static bool ask_kafka(struct assignment *a)
{
    struct error err;
    struct stream_partition *list = mem_calloc(a->candidate_count, sizeof *list);
    for (size_t i = 0; i < a->candidate_count; i++) {
        list[i] = (struct stream_partition){ .topic = a->candidates[i].topic,
                                             .partition = a->candidates[i].partition };
    }
    bool done = a->setup.stream->positions(
        a->setup.stream->context, list, a->candidate_count, POSITIONS_TIMEOUT_MS, &err);
    if (done) {
        log_outage_end(&a->kafka_outage, "kafka");
        for (size_t i = 0; i < a->candidate_count; i++) {
            choose(a, &a->candidates[i], &list[i]);
        }
    } else {
        kafka_failed(a, &err);
    }
    free(list);
    return done;
}

static const char *why_of(const struct position_facts *f)
{
    return f->committed >= 0 && !f->is_committed_by_us ? "offsets reset by an operator"
                                                       : "--accept-gap";
}

static bool has_moves(const struct assignment *a)
{
    for (size_t i = 0; i < a->candidate_count; i++) {
        if (position_must_move(&a->candidates[i].choice)) {
            return true;
        }
    }
    return false;
}

static void move_positions(struct assignment *a)
{
    struct task task = { .kind = TASK_MOVE_POSITIONS, .cluster_id = a->cluster_id };
    task.moves = mem_calloc(a->candidate_count, sizeof *task.moves);
    for (size_t i = 0; i < a->candidate_count; i++) {
        const struct candidate *c = &a->candidates[i];
        if (position_must_move(&c->choice)) {
            task.moves[task.move_count++] =
                (struct sink_move){ .topic = c->topic,
                                    .partition = c->partition,
                                    .expected = c->facts.in_database,
                                    .next = c->choice.offset,
                                    .missing = c->choice.missing,
                                    .why = why_of(&c->facts) };
        }
    }
    a->round = ROUND_MOVING;
    a->is_obsolete = false;
    a->setup.writer->give(a->setup.writer->context, &task);
}

/* ---- placing ---- */

static void stop_outside(struct assignment *a, struct partition *p,
                         const struct candidate *c)
{
    char reason[PARTITION_REASON_BYTES];
    bool is_operators = c->facts.committed >= 0 && !c->facts.is_committed_by_us;
    const char *whose = is_operators ? "the offset set by an operator" : "our position";
    if (c->choice.verdict == POSITION_BELOW_LOG) {
        snprintf(reason, sizeof reason,
                 "%lld records from %s %lld on are gone from the log; to go on past "
                 "them: --accept-gap %s:%d",
                 (long long)c->choice.missing, whose,
                 (long long)(c->choice.offset - c->choice.missing), p->topic,
                 p->partition);
    } else {
        snprintf(reason, sizeof reason,
                 "the log ends at %lld, before %s %lld: it is another log; to load it "
                 "from its start: --accept-new-log %s",
                 (long long)c->facts.log_end, whose, (long long)c->choice.offset,
                 p->topic);
    }
    partition_stop(p, now_of(a), STOPPED_RETRY_MS, reason);
    log_error("partition_stopped", log_text("topic", p->topic),
              log_int("partition", p->partition), log_text("reason", reason));
}

static void tell_reset(struct assignment *a, const struct candidate *c)
{
    bool is_gap = c->choice.verdict == POSITION_GAP;
    log_warn(is_gap ? "offset_gap" : "position_reset", log_text("topic", c->topic),
             log_int("partition", c->partition), log_int("from", c->facts.in_database),
             log_int("to", c->choice.offset),
             log_int("records_left_out", c->choice.missing));
    if (is_gap) {
        loader_metrics_gap(a->setup.metrics, (uint64_t)c->choice.missing);
    }
    /* With our mark, so that it is not taken for an operator's next time. */
    struct stream_partition mark = { .topic = c->topic,
                                     .partition = c->partition,
                                     .offset = c->choice.offset };
    struct error err;
    if (!a->setup.stream->commit(a->setup.stream->context, &mark, 1, false, &err)) {
        log_failure(LOG_WARN, "kafka_commit_failed", &err);
    }
}

static void place(struct assignment *a, const struct candidate *c)
{
    struct partition *p = partitions_find(&a->partitions, c->topic, c->partition);
    if (p == NULL || p->state != PARTITION_WAITING) {
        return;
    }
    switch (c->choice.verdict) {
    case POSITION_BELOW_LOG:
    case POSITION_ABOVE_LOG:
        stop_outside(a, p, c);
        return;
    case POSITION_RESET:
    case POSITION_GAP:
        tell_reset(a, c);
        break;
    case POSITION_START:
    case POSITION_FIRST:
        break;
    }
    p->state = PARTITION_RUNNING;
    p->next = c->choice.offset;
    p->loaded = c->choice.offset;
    p->log_end = c->facts.log_end;
}

static void start_running(struct assignment *a)
{
    size_t count = 0;
    struct stream_partition *list = mem_calloc(a->partitions.count, sizeof *list);
    for (size_t i = 0; i < a->partitions.count; i++) {
        const struct partition *p = &a->partitions.list[i];
        if (p->state == PARTITION_RUNNING) {
            list[count++] = (struct stream_partition){ .topic = p->topic,
                                                       .partition = p->partition,
                                                       .offset = p->next };
        }
    }
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

static void place_all(struct assignment *a)
{
    a->round = ROUND_NONE;
    for (size_t i = 0; i < a->candidate_count; i++) {
        place(a, &a->candidates[i]);
    }
    loader_metrics_stopped_partitions(
        a->setup.metrics, partitions_in_state(&a->partitions, PARTITION_STOPPED));
    start_running(a);
}

/* ---- going on ---- */

static void go_on(struct assignment *a)
{
    if (!ask_kafka(a)) {
        return; /* at its time again: still ROUND_BOUNDS */
    }
    if (has_moves(a)) {
        move_positions(a);
    } else {
        place_all(a);
    }
}

void assignment_ask(struct assignment *a)
{
    bool is_waiting = a->round == ROUND_DUE || a->round == ROUND_BOUNDS;
    if (!is_waiting || now_of(a) < a->ask_at_mono_ms ||
        !a->setup.writer->is_idle(a->setup.writer->context)) {
        return;
    }
    if (a->round == ROUND_DUE) {
        ask_database(a);
    } else {
        go_on(a);
    }
}

static void note_positions(struct assignment *a, const struct task_result *r)
{
    REQUIRE(r->task.position_count == a->candidate_count);
    for (size_t i = 0; i < a->candidate_count; i++) {
        a->candidates[i].facts.in_database = r->task.positions[i].next_offset;
    }
    a->connection = r->connection;
}

bool assignment_answered(struct assignment *a, struct task_result *r)
{
    bool was_reading = a->round == ROUND_READING;
    bool is_answer = !a->is_obsolete && r->outcome == TASK_DONE;
    a->round = a->partitions.count > 0 ? ROUND_DUE : ROUND_NONE;
    if (a->is_obsolete) {
        a->is_obsolete = false;
    } else if (r->outcome != TASK_DONE) {
        a->ask_at_mono_ms = now_of(a) + FENCED_AGAIN_MS;
    } else if (was_reading) {
        note_positions(a, r);
        a->round = ROUND_BOUNDS;
        a->ask_at_mono_ms = 0;
    } else {
        place_all(a);
    }
    return was_reading && is_answer;
}

void assignment_probe(struct assignment *a)
{
    if (!a->kafka_outage.is_on || a->round != ROUND_NONE || a->partitions.count == 0) {
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

bool assignment_has_due_partition(const struct assignment *a)
{
    int64_t now = now_of(a);
    for (size_t i = 0; i < a->partitions.count; i++) {
        const struct partition *p = &a->partitions.list[i];
        if (p->state == PARTITION_STOPPED && now >= p->retry_at_mono_ms) {
            return true;
        }
    }
    return false;
}

void assignment_look(struct assignment *a)
{
    struct task task = { .kind = TASK_LOOK, .cluster_id = a->cluster_id };
    task.positions = mem_calloc(a->partitions.count, sizeof *task.positions);
    for (size_t i = 0; i < a->partitions.count; i++) {
        const struct partition *p = &a->partitions.list[i];
        if (p->state == PARTITION_RUNNING) {
            task.positions[task.position_count++] =
                (struct sink_position){ .topic = p->topic, .partition = p->partition };
        }
    }
    a->setup.writer->give(a->setup.writer->context, &task);
}

bool assignment_is_elsewhere(struct assignment *a, const struct task_result *r)
{
    bool is_so = false;
    for (size_t i = 0; r->outcome == TASK_DONE && i < r->task.position_count; i++) {
        const struct sink_position *at = &r->task.positions[i];
        const struct partition *p =
            partitions_find(&a->partitions, at->topic, at->partition);
        if (p != NULL && p->state == PARTITION_RUNNING && p->loaded != at->next_offset) {
            log_warn("position_not_expected", log_text("topic", at->topic),
                     log_int("partition", at->partition),
                     log_int("position", at->next_offset),
                     log_int("expected", p->loaded));
            is_so = true;
        }
    }
    return is_so;
}
