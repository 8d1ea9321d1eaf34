#include "loader/consume/consumer.h"

#include "loader/consume/assignment.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/shutdown.h"

#include <stdlib.h>
#include <string.h>

#define POLL_IDLE_MS 100  /* nothing to do: how long a signal or a result may wait */
#define POLL_BUSY_MS 5    /* something is under way at the writer */
#define ASK_AGAIN_MS 1000 /* after Kafka did not answer */
#define FENCED_AGAIN_MS 200
#define FULL_PAUSE_MS                                                                    \
    1000 /* a batch that waits longer for the writer stops the fetching */
#define REVOKE_WAIT_MS 5000 /* half of session.timeout.ms: the others wait for us */
#define STOP_WAIT_MS 15000
#define LOOK_EVERY_MS 5000 /* at the lag, and at Kafka while it is away */

struct intake {
    const struct intake_setup *setup;
    const struct stream *stream;
    struct assignment assignment;
    struct batch *filling;
    bool is_paused;
    bool has_failed;
    struct batch *spent;        /* loaded, to be freed when the next one is under way */
    int64_t full_since_mono_ms; /* 0: the batch is not full */
    int64_t idle_since_mono_us; /* of the writer: while there was more to load; 0: no */
    int64_t look_at_mono_ms;
};

static void resume_fetching(struct intake *in)
{
    if (in->is_paused) {
        in->stream->resume(in->stream->context);
        in->is_paused = false;
    }
}

static void free_spent(struct intake *in)
{
    batch_free(in->spent, in->stream);
    in->spent = NULL;
}

static void drop_filling(struct intake *in)
{
    batch_free(in->filling, in->stream);
    in->filling = batch_new();
    in->full_since_mono_ms = 0;
    resume_fetching(in);
}

/* What is not loaded is dropped, and every partition begins again where the database
 * says. */
static void begin_again(struct intake *in, int64_t wait_ms)
{
    in->idle_since_mono_us = 0;
    drop_filling(in);
    assignment_begin_again(&in->assignment, wait_ms);
}

/* ---- results of loading ---- */

static void commit_loaded(struct intake *in, const struct pipeline_result *r, bool wait)
{
    size_t count = 0;
    struct stream_partition *list = mem_calloc(r->loaded_count, sizeof *list);
    for (size_t i = 0; i < r->loaded_count; i++) {
        const struct sink_interval *v = &r->loaded[i];
        struct partition *p =
            partitions_find(&in->assignment.partitions, v->topic, v->partition);
        if (p != NULL) { /* still ours */
            p->loaded = v->to;
            list[count++] = (struct stream_partition){ .topic = v->topic,
                                                       .partition = v->partition,
                                                       .offset = v->to };
        }
    }
    struct error err;
    if (count > 0 && !in->stream->commit(in->stream->context, list, count, wait, &err)) {
        /* The database holds the position; the group's copy is for tools and follows with
         * the next commit. */
        log_failure(LOG_DEBUG, "kafka_commit_failed", &err);
    }
    free(list);
}

/* Is there more to load than what the writer has had, as far as the last fetch saw? */
static bool has_more(const struct intake *in)
{
    bool has = !batch_is_empty(in->filling);
    for (size_t i = 0; !has && i < in->assignment.partitions.count; i++) {
        const struct partition *p = &in->assignment.partitions.list[i];
        has = p->state == PARTITION_RUNNING &&
              in->stream->log_end(in->stream->context, p->topic, p->partition) > p->next;
    }
    return has;
}

static void batch_ended(struct intake *in, struct writer_result *r, bool wait)
{
    free_spent(in);
    in->spent = r->batch;
    in->idle_since_mono_us = has_more(in) ? r->ended_at_mono_us : 0;
    commit_loaded(in, &r->loaded, wait);
    if (r->outcome == PIPELINE_STOPPED) {
        assignment_stop(&in->assignment, r->loaded.stopped_topic,
                        r->loaded.stopped_partition, r->loaded.reason);
    }
    bool has_reconnected =
        in->assignment.connections != atomic_load(&in->setup->pipeline->connections);
    if (r->outcome != PIPELINE_DONE || has_reconnected) {
        begin_again(in, r->outcome == PIPELINE_FENCED ? FENCED_AGAIN_MS : 0);
    }
    pipeline_result_release(&r->loaded);
}

/* Takes the writer's result, if there is one within the time. */
static bool take_result(struct intake *in, uint64_t timeout_ms, bool wait_for_commit)
{
    struct writer_result r;
    if (!writer_take(in->setup->writer, timeout_ms, &r)) {
        return false;
    }
    if (in->assignment.is_asking) {
        assignment_found(&in->assignment, &r);
        free(r.positions);
    } else {
        batch_ended(in, &r, wait_for_commit);
    }
    return true;
}

/* ---- batches ---- */

static bool is_full(const struct intake *in)
{
    return in->filling->record_count >= in->setup->limits.batch_rows ||
           in->filling->bytes >= in->setup->limits.batch_bytes;
}

static int64_t age_left_ms(const struct intake *in)
{
    int64_t due = in->filling->first_at_mono_ms + (int64_t)in->setup->limits.batch_age_ms;
    return due - clock_mono_ms();
}

static void hand_over(struct intake *in)
{
    if (batch_is_empty(in->filling) || !writer_is_idle(in->setup->writer) ||
        (!is_full(in) && age_left_ms(in) > 0)) {
        return;
    }
    writer_load(in->setup->writer, in->filling);
    if (in->idle_since_mono_us != 0) {
        loader_metrics_writer_idle(in->setup->metrics,
                                   clock_mono_us() - in->idle_since_mono_us);
        in->idle_since_mono_us = 0;
    }
    in->filling = batch_new();
    in->full_since_mono_ms = 0;
    resume_fetching(in);
}

static void take_record(struct intake *in, const struct stream_record *record)
{
    struct partition *p =
        partitions_find(&in->assignment.partitions, record->topic, record->partition);
    switch (p == NULL ? PARTITION_SKIP : partition_judge(p, record->offset)) {
    case PARTITION_TAKE:
        loader_metrics_record(in->setup->metrics, &record->record);
        batch_add(in->filling, &in->setup->context, record, p->next);
        p->next = record->offset + 1;
        return;
    case PARTITION_SKIP:
        break;
    case PARTITION_LOOK_BACK:
        log_warn("offset_not_expected", log_text("topic", record->topic),
                 log_int("partition", record->partition),
                 log_int("offset", record->offset), log_int("expected", p->next));
        begin_again(in, 0);
        break;
    }
    in->stream->release(in->stream->context, record->message);
}

/* ---- the assignment ---- */

static void assigned(struct intake *in, const struct stream_poll *poll)
{
    log_outage_end(&in->assignment.kafka_outage, "kafka");
    log_info("partitions_assigned", log_uint("count", poll->partition_count));
    loader_metrics_rebalance(in->setup->metrics);
    drop_filling(in);
    assignment_begin(&in->assignment, poll);
}

/* Lets the batch under way end, unless the database is away: then the partitions are
 * released at once, and whoever has them next is protected by advance(). */
static void end_batch_under_way(struct intake *in, uint64_t timeout_ms)
{
    if (writer_is_idle(in->setup->writer)) {
        return;
    }
    if (in->assignment.is_asking || atomic_load(&in->setup->pipeline->is_in_trouble)) {
        writer_give_up(in->setup->writer);
    }
    if (!take_result(in, timeout_ms, true)) {
        writer_give_up(in->setup->writer);
    }
}

static void revoked(struct intake *in)
{
    log_info("partitions_revoked", log_uint("count", in->assignment.partitions.count));
    drop_filling(in);
    end_batch_under_way(in, REVOKE_WAIT_MS);
    assignment_end(&in->assignment);
    drop_filling(in); /* taken up by the wait, if anything was */
}

/* ---- the loop ---- */

static void stream_failed(struct intake *in, const struct error *err)
{
    if (err->class == ERROR_FATAL) {
        log_failure(LOG_ERROR, "kafka_failed", err);
        in->has_failed = true;
    } else {
        log_outage_begin(&in->assignment.kafka_outage, "kafka", err);
    }
}

static int poll_timeout(const struct intake *in)
{
    if (!batch_is_empty(in->filling)) {
        int64_t left = age_left_ms(in);
        return left > POLL_BUSY_MS ? (int)left : POLL_BUSY_MS;
    }
    bool is_waiting = in->assignment.is_asking || !writer_is_idle(in->setup->writer);
    return is_waiting ? POLL_BUSY_MS : POLL_IDLE_MS;
}

static void poll_once(struct intake *in, int timeout_ms)
{
    struct stream_poll poll;
    struct error err;
    switch (in->stream->poll(in->stream->context, timeout_ms, &poll, &err)) {
    case STREAM_NOTHING:
        break;
    case STREAM_RECORD:
        log_outage_end(&in->assignment.kafka_outage, "kafka");
        take_record(in, &poll.record);
        break;
    case STREAM_ASSIGNED:
        assigned(in, &poll);
        break;
    case STREAM_REVOKED:
        revoked(in);
        break;
    case STREAM_OUT_OF_RANGE:
        begin_again(in, ASK_AGAIN_MS);
        break;
    case STREAM_FAILED:
        stream_failed(in, &err);
        break;
    }
}

/* The batch is full and the writer busy: wait for the writer; when it takes long, stop
 * fetching, but go on polling, so that the group does not take us for dead. */
static void wait_full(struct intake *in)
{
    int64_t now = clock_mono_ms();
    if (in->full_since_mono_ms == 0) {
        in->full_since_mono_ms = now;
    }
    if (!in->is_paused && now - in->full_since_mono_ms > FULL_PAUSE_MS) {
        in->stream->pause(in->stream->context);
        in->is_paused = true;
    }
    take_result(in, POLL_BUSY_MS, false);
    if (in->is_paused) {
        poll_once(in, POLL_BUSY_MS);
    }
}

static void look_around(struct intake *in)
{
    int64_t now = clock_mono_ms();
    if (now < in->look_at_mono_ms) {
        return;
    }
    in->look_at_mono_ms = now + LOOK_EVERY_MS;
    assignment_probe(&in->assignment);
    for (size_t i = 0; i < in->assignment.partitions.count; i++) {
        struct partition *p = &in->assignment.partitions.list[i];
        int64_t end = in->stream->log_end(in->stream->context, p->topic, p->partition);
        p->log_end = end > p->log_end ? end : p->log_end;
        if (p->state == PARTITION_RUNNING) {
            loader_metrics_lag(in->setup->metrics, p->topic, p->partition,
                               p->log_end - p->loaded);
        }
    }
}

static void turn(struct intake *in)
{
    take_result(in, 0, false);
    hand_over(in);
    free_spent(in);
    if (assignment_has_due_partition(&in->assignment)) {
        begin_again(in, 0);
    }
    assignment_ask(&in->assignment);
    look_around(in);
    if (is_full(in)) {
        wait_full(in);
    } else {
        poll_once(in, poll_timeout(in));
    }
}

/* Loads what was taken, if that can be done in time, and leaves the group. */
static enum intake_end finish(struct intake *in)
{
    int64_t deadline = clock_mono_ms() + STOP_WAIT_MS;
    bool is_clean = true;
    end_batch_under_way(in, STOP_WAIT_MS);
    if (!in->has_failed && !batch_is_empty(in->filling) &&
        writer_is_idle(in->setup->writer) &&
        !atomic_load(&in->setup->pipeline->is_in_trouble)) {
        writer_load(in->setup->writer, in->filling);
        in->filling = batch_new();
        int64_t left = deadline - clock_mono_ms();
        is_clean = take_result(in, left > 0 ? (uint64_t)left : 0, true);
    }
    is_clean = is_clean && writer_is_idle(in->setup->writer);
    assignment_end(&in->assignment);
    batch_free(in->filling, in->stream);
    free_spent(in);
    if (in->has_failed) {
        return INTAKE_FAILED;
    }
    return is_clean ? INTAKE_STOPPED : INTAKE_WORK_LEFT;
}

enum intake_end intake_run(const struct intake_setup *setup)
{
    struct intake in = { .setup = setup,
                         .stream = setup->stream,
                         .filling = batch_new() };
    in.assignment.setup =
        (struct assignment_setup){ .stream = setup->stream,
                                   .writer = setup->writer,
                                   .pipeline = setup->pipeline,
                                   .accept_gap = setup->accept_gap,
                                   .accept_new_log = setup->accept_new_log,
                                   .metrics = setup->metrics };
    while (!shutdown_is_requested() && !in.has_failed) {
        turn(&in);
    }
    return finish(&in);
}
