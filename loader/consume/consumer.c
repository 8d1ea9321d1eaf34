#include "loader/consume/consumer.h"

#include "loader/consume/assignment.h"

#include "common/base/mem.h"

#include <stdlib.h>

#define POLL_IDLE_MS 100 /* nothing to do: how long a signal or a result may wait */
#define POLL_AT_ONCE 32
#define POLL_BUSY_MS 5    /* something is under way at the writer */
#define ASK_AGAIN_MS 1000 /* after Kafka did not answer */
#define FENCED_AGAIN_MS 200
#define FULL_PAUSE_MS                                                                    \
    1000 /* a batch that waits longer for the writer stops the fetching */
#define REVOKE_WAIT_MS 5000 /* half of session.timeout.ms: the others wait for us */
#define STOP_WAIT_MS 15000
#define LOOK_EVERY_MS 5000 /* at the lag, and at Kafka while it is away */

struct consumer {
    struct consumer_setup setup;
    const struct stream *stream;
    const struct writer *writer;
    struct assignment assignment;
    struct batches batches;
    bool is_paused;
    bool has_failed;
    int64_t full_since_mono_ms; /* 0: the batch is not full */
    int64_t look_at_mono_ms;
};

static int64_t now_of(const struct consumer *c)
{
    return c->stream->mono_ms(c->stream->context);
}

static bool writer_is_idle(const struct consumer *c)
{
    return c->writer->is_idle(c->writer->context);
}

static void resume_fetching(struct consumer *c)
{
    c->full_since_mono_ms = 0;
    if (c->is_paused) {
        c->stream->resume(c->stream->context);
        c->is_paused = false;
    }
}

static void drop_unloaded(struct consumer *c)
{
    batches_drop(&c->batches);
    resume_fetching(c);
}

/* What is not loaded is dropped, and every partition begins again where the database
 * says. */
static void begin_again(struct consumer *c, int64_t wait_ms)
{
    drop_unloaded(c);
    assignment_begin_again(&c->assignment, wait_ms);
}

/* ---- results ---- */

/* The database holds the position; the group's copy is for tools and follows with the
 * next commit. */
static void commit_failed(struct consumer *c, const struct error *err)
{
    log_failure(LOG_WARN, "kafka_commit_failed", err);
    loader_metrics_commit_failed(c->setup.metrics);
}

static void commit_loaded(struct consumer *c, const struct task_result *r, bool wait)
{
    size_t count = 0;
    struct stream_partition *list = mem_calloc(r->loaded_count, sizeof *list);
    for (size_t i = 0; i < r->loaded_count; i++) {
        const struct sink_interval *v = &r->loaded[i];
        struct partition *p =
            partitions_find(&c->assignment.partitions, v->topic, v->partition);
        if (p != NULL) { /* still ours */
            p->loaded = v->to;
            list[count++] = (struct stream_partition){ .topic = v->topic,
                                                       .partition = v->partition,
                                                       .offset = v->to };
        }
    }
    struct error err;
    if (count > 0 && !c->stream->commit(c->stream->context, list, count, wait, &err)) {
        commit_failed(c, &err);
    }
    free(list);
}

/* Is there more in the log than what was taken, as far as the last fetch saw? */
static bool log_has_more(const struct consumer *c)
{
    bool has = false;
    for (size_t i = 0; !has && i < c->assignment.partitions.count; i++) {
        const struct partition *p = &c->assignment.partitions.list[i];
        has = p->state == PARTITION_RUNNING &&
              c->stream->log_end(c->stream->context, p->topic, p->partition) > p->next;
    }
    return has;
}

/* An answer that was asked for by the assignment, about positions and ranges. */
static void answered(struct consumer *c, struct task_result *r)
{
    if (assignment_answered(&c->assignment, r)) {
        held_reader_set_ranges(&c->batches.held, r->ranges, r->range_count,
                               &c->assignment.partitions);
    }
}

/* What puts positions in doubt. A new connection does: the database may be an older copy
 * now, and a partition without traffic would not notice. */
static void follow(struct consumer *c, const struct task_result *r)
{
    bool is_new_connection =
        r->task.kind != TASK_READ_POSITIONS && r->connection != c->assignment.connection;
    bool is_torn = r->task.kind == TASK_LOAD && r->outcome == TASK_GIVEN_UP;
    if (r->outcome == TASK_IMPOSSIBLE) {
        log_failure(LOG_ERROR, "database_refused", &r->error);
        c->has_failed = true;
    } else if (r->task.kind == TASK_LOAD && r->outcome == TASK_FENCED) {
        begin_again(c, FENCED_AGAIN_MS);
    } else if (is_torn || is_new_connection ||
               (r->task.kind == TASK_LOOK &&
                assignment_is_elsewhere(&c->assignment, r))) {
        begin_again(c, 0);
    }
}

/* Takes the writer's result, if there is one within the time. */
static bool take_result(struct consumer *c, uint64_t timeout_ms, bool wait_for_commit)
{
    struct task_result r;
    if (!c->writer->take(c->writer->context, timeout_ms, &r)) {
        return false;
    }
    commit_loaded(c, &r, wait_for_commit);
    batches_take_result(&c->batches, &r, log_has_more(c));
    if (r.task.kind == TASK_READ_POSITIONS || r.task.kind == TASK_MOVE_POSITIONS) {
        answered(c, &r);
    }
    follow(c, &r);
    free(r.task.positions);
    free(r.task.moves);
    task_result_release(&r);
    return true;
}

/* ---- records ---- */

static void take_record(struct consumer *c, const struct log_record *record)
{
    struct partition *p =
        partitions_find(&c->assignment.partitions, record->topic, record->partition);
    switch (p == NULL ? PARTITION_SKIP : partition_judge(p, record->offset)) {
    case PARTITION_TAKE:
        loader_metrics_record(c->setup.metrics, &record->record);
        batches_add(&c->batches, record, p->next);
        p->next = record->offset + 1;
        return;
    case PARTITION_SKIP:
        break;
    case PARTITION_LOOK_BACK:
        log_warn("offset_not_expected", log_text("topic", record->topic),
                 log_int("partition", record->partition),
                 log_int("offset", record->offset), log_int("expected", p->next));
        begin_again(c, 0);
        break;
    }
    c->stream->release(c->stream->context, record->message);
}

/* ---- the assignment ---- */

static void assigned(struct consumer *c, const struct stream_poll *poll)
{
    log_outage_end(&c->assignment.kafka_outage, "kafka");
    log_info("partitions_assigned", log_uint("count", poll->partition_count));
    loader_metrics_rebalance(c->setup.metrics);
    drop_unloaded(c);
    assignment_begin(&c->assignment, poll);
}

/* Lets what is under way end, unless the database is away: then the partitions are
 * released at once, and whoever has them next is protected by advance(). */
static void end_task_under_way(struct consumer *c, uint64_t timeout_ms)
{
    if (writer_is_idle(c)) {
        return;
    }
    if (assignment_is_asking(&c->assignment) ||
        c->writer->is_in_trouble(c->writer->context)) {
        c->writer->give_up(c->writer->context);
    }
    if (!take_result(c, timeout_ms, true)) {
        c->writer->give_up(c->writer->context);
    }
}

/* What the wait for the batch under way brought back is dropped too: the partitions are
 * another's from now on. */
static void revoked(struct consumer *c)
{
    log_info("partitions_revoked", log_uint("count", c->assignment.partitions.count));
    drop_unloaded(c);
    end_task_under_way(c, REVOKE_WAIT_MS);
    assignment_end(&c->assignment);
    drop_unloaded(c);
    held_reader_set_ranges(&c->batches.held, NULL, 0, &c->assignment.partitions);
}

/* ---- the loop ---- */

static void stream_failed(struct consumer *c, const struct error *err)
{
    if (err->class == ERROR_FATAL) {
        log_failure(LOG_ERROR, "kafka_failed", err);
        c->has_failed = true;
    } else {
        log_outage_begin(&c->assignment.kafka_outage, "kafka", err);
    }
}

static int poll_timeout(const struct consumer *c)
{
    if (!batch_is_empty(c->batches.filling)) {
        int64_t left = batches_age_left_ms(&c->batches);
        return left > POLL_BUSY_MS ? (int)left : POLL_BUSY_MS;
    }
    bool is_busy =
        !writer_is_idle(c) || held_reader_is_active(&c->batches.held, now_of(c));
    return is_busy ? POLL_BUSY_MS : POLL_IDLE_MS;
}

/* True when a record was taken from the log. */
static bool poll_once(struct consumer *c, int timeout_ms)
{
    struct stream_poll poll;
    struct error err;
    switch (c->stream->poll(c->stream->context, timeout_ms, &poll, &err)) {
    case STREAM_NOTHING:
    case STREAM_END:
        break;
    case STREAM_RECORD:
        log_outage_end(&c->assignment.kafka_outage, "kafka");
        take_record(c, &poll.record);
        return true;
    case STREAM_ASSIGNED:
        assigned(c, &poll);
        break;
    case STREAM_REVOKED:
        revoked(c);
        break;
    case STREAM_OUT_OF_RANGE:
        begin_again(c, ASK_AGAIN_MS);
        break;
    case STREAM_COMMIT_FAILED:
        commit_failed(c, &err);
        break;
    case STREAM_FAILED:
        stream_failed(c, &err);
        break;
    }
    return false;
}

/* Records that lie ready are taken a few at a time: the rest of a turn costs as much as
 * one of them. */
static void poll_some(struct consumer *c)
{
    bool goes_on = poll_once(c, poll_timeout(c));
    for (unsigned i = 1; goes_on && i < POLL_AT_ONCE; i++) {
        goes_on = !batches_is_full(&c->batches) && poll_once(c, 0);
    }
}

/* The batch is full and the writer busy: wait for the writer; when it takes long, stop
 * fetching, but go on polling, so that the group does not take us for dead. */
static void wait_full(struct consumer *c)
{
    int64_t now = now_of(c);
    if (c->full_since_mono_ms == 0) {
        c->full_since_mono_ms = now;
    }
    if (!c->is_paused && now - c->full_since_mono_ms > FULL_PAUSE_MS) {
        c->stream->pause(c->stream->context);
        c->is_paused = true;
    }
    take_result(c, POLL_BUSY_MS, false);
    if (c->is_paused) {
        poll_once(c, POLL_BUSY_MS);
    }
}

/* The lag of a partition that stands is told too: what it does not load must be seen. */
static void look_around(struct consumer *c)
{
    int64_t now = now_of(c);
    if (now < c->look_at_mono_ms) {
        return;
    }
    c->look_at_mono_ms = now + LOOK_EVERY_MS;
    loader_metrics_oldest(c->setup.metrics, batches_oldest_receipt(&c->batches));
    assignment_probe(&c->assignment);
    for (size_t i = 0; i < c->assignment.partitions.count; i++) {
        struct partition *p = &c->assignment.partitions.list[i];
        int64_t end = c->stream->log_end(c->stream->context, p->topic, p->partition);
        p->log_end = end > p->log_end ? end : p->log_end;
        if (p->state != PARTITION_WAITING) {
            loader_metrics_lag(c->setup.metrics, p->topic, p->partition,
                               p->log_end - p->loaded);
        }
    }
}

static void hand_over(struct consumer *c)
{
    if (c->assignment.cluster_id == NULL || !writer_is_idle(c)) {
        return;
    }
    if (batches_take_look(&c->batches)) {
        assignment_look(&c->assignment);
    } else {
        batches_hand_over(&c->batches, c->assignment.cluster_id);
    }
}

bool consumer_turn(struct consumer *c)
{
    take_result(c, 0, false);
    hand_over(c);
    batches_free_spent(&c->batches);
    if (assignment_has_due_partition(&c->assignment)) {
        begin_again(c, 0);
    }
    assignment_ask(&c->assignment);
    look_around(c);
    held_reader_read(&c->batches.held, &c->setup.context, now_of(c));
    if (batches_is_full(&c->batches)) {
        wait_full(c);
    } else {
        resume_fetching(c);
        poll_some(c);
    }
    return !c->has_failed;
}

/* ---- life ---- */

struct consumer *consumer_new(const struct consumer_setup *setup)
{
    struct consumer *c = mem_calloc(1, sizeof *c);
    c->setup = *setup;
    c->stream = setup->stream;
    c->writer = setup->writer;
    c->assignment.setup =
        (struct assignment_setup){ .stream = setup->stream,
                                   .writer = setup->writer,
                                   .accept_gap = setup->accept_gap,
                                   .accept_new_log = setup->accept_new_log,
                                   .metrics = setup->metrics };
    struct batches_setup batches = { .stream = setup->stream,
                                     .writer = setup->writer,
                                     .context = setup->context,
                                     .limits = setup->limits,
                                     .metrics = setup->metrics };
    struct held_reader_setup again = { .open = setup->open_again,
                                       .context = setup->open_context,
                                       .metrics = setup->metrics,
                                       .slice_rows = setup->limits.batch_rows,
                                       .slice_bytes = setup->limits.batch_bytes };
    batches_init(&c->batches, &batches, &again);
    return c;
}

static bool load_the_rest(struct consumer *c)
{
    int64_t deadline = now_of(c) + STOP_WAIT_MS;
    end_task_under_way(c, STOP_WAIT_MS);
    while (!c->has_failed && writer_is_idle(c) &&
           !c->writer->is_in_trouble(c->writer->context) &&
           batches_give_last(&c->batches, c->assignment.cluster_id)) {
        int64_t left = deadline - now_of(c);
        if (!take_result(c, left > 0 ? (uint64_t)left : 0, true)) {
            return false;
        }
    }
    return writer_is_idle(c);
}

enum consumer_end consumer_finish(struct consumer *c)
{
    bool is_clean = load_the_rest(c);
    bool has_failed = c->has_failed;
    assignment_end(&c->assignment);
    batches_close(&c->batches);
    free(c);
    if (has_failed) {
        return CONSUMER_FAILED;
    }
    return is_clean ? CONSUMER_STOPPED : CONSUMER_WORK_LEFT;
}
