#include "loader/consume/batches.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdlib.h>

#define LOOK_MS 5000
/* So many records that are only passed count for one that is loaded. */
#define SKIPPED_FOR_ONE 20

static int64_t now_of(const struct batches *b)
{
    return b->setup.stream->mono_ms(b->setup.stream->context);
}

/* ---- life ---- */

void batches_init(struct batches *b, const struct batches_setup *setup,
                  const struct held_reader_setup *again)
{
    *b = (struct batches){ .setup = *setup, .filling = batch_new() };
    b->held.setup = *again;
}

static void free_batch(const struct batches *b, struct batch *batch)
{
    const struct stream *stream = b->setup.stream;
    struct log_release live = { stream->context, stream->release };
    struct log_release again = held_reader_release_of(&b->held);
    batch_free(batch, batch != NULL && batch->is_slice ? &again : &live);
}

void batches_free_spent(struct batches *b)
{
    free_batch(b, b->spent);
    b->spent = NULL;
}

void batches_drop(struct batches *b)
{
    free_batch(b, b->filling);
    b->filling = batch_new();
    if (b->again != NULL && b->again->is_slice) {
        held_reader_ended(&b->held, &b->again->slice, 0, false, now_of(b));
    }
    free_batch(b, b->again);
    b->again = NULL;
    held_reader_drop(&b->held);
    b->idle_since_mono_us = 0;
}

void batches_close(struct batches *b)
{
    batches_drop(b);
    batches_free_spent(b);
    free_batch(b, b->filling);
    held_reader_close(&b->held);
}

/* ---- filling ---- */

void batches_add(struct batches *b, const struct log_record *record, int64_t from)
{
    batch_add(b->filling, &b->setup.context, record, from,
              batch_is_empty(b->filling) ? now_of(b) : 0);
}

bool batches_is_full(const struct batches *b)
{
    const struct batch *f = b->filling;
    return f->record_count - f->skipped_count >= b->setup.limits.batch_rows ||
           f->skipped_count >= b->setup.limits.batch_rows * SKIPPED_FOR_ONE ||
           f->bytes >= b->setup.limits.batch_bytes;
}

int64_t batches_age_left_ms(const struct batches *b)
{
    int64_t due = b->filling->first_at_mono_ms + (int64_t)b->setup.limits.batch_age_ms;
    return due - now_of(b);
}

/* 0: of nothing. */
static int64_t first_receipt(const struct batch *b)
{
    return b->record_count > 0 ? b->records[0].record.received_at_ms : 0;
}

/* What the writer has was taken before what is being filled. */
int64_t batches_oldest_receipt(const struct batches *b)
{
    return b->given_received_at_ms != 0 ? b->given_received_at_ms
                                        : first_receipt(b->filling);
}

/* ---- handing over ---- */

static void give(struct batches *b, const struct task *task)
{
    b->given_at_mono_ms = now_of(b);
    b->setup.writer->give(b->setup.writer->context, task);
}

static void note_idle_end(struct batches *b)
{
    if (b->idle_since_mono_us != 0) {
        loader_metrics_writer_idle(b->setup.metrics,
                                   clock_mono_us() - b->idle_since_mono_us);
        b->idle_since_mono_us = 0;
    }
}

static void give_batch(struct batches *b, struct batch *batch, const char *cluster_id)
{
    struct task task = { .kind = TASK_LOAD, .cluster_id = cluster_id, .batch = batch };
    b->was_slice = batch->is_slice;
    b->given_received_at_ms = first_receipt(batch);
    note_idle_end(b);
    give(b, &task);
}

static bool is_live_ready(const struct batches *b)
{
    return !batch_is_empty(b->filling) &&
           (batches_is_full(b) || batches_age_left_ms(b) <= 0);
}

bool batches_take_look(struct batches *b)
{
    int64_t now = now_of(b);
    bool is_quiet = now - b->given_at_mono_ms >= LOOK_MS;
    bool is_due = b->again == NULL && now >= b->look_at_mono_ms &&
                  (is_quiet || held_reader_waits_for_tables(&b->held));
    b->look_at_mono_ms = is_due ? now + LOOK_MS : b->look_at_mono_ms;
    return is_due;
}

/* What is to be loaded next, or NULL; it is no longer ours. */
static struct batch *take_next(struct batches *b)
{
    struct batch *next = b->again;
    if (next != NULL) {
        b->again = NULL;
        return next;
    }
    bool is_ready = is_live_ready(b);
    next = is_ready && b->was_slice ? NULL : held_reader_take(&b->held);
    if (next == NULL && is_ready) {
        next = b->filling;
        b->filling = batch_new();
    }
    return next;
}

void batches_hand_over(struct batches *b, const char *cluster_id)
{
    struct batch *next = take_next(b);
    if (next != NULL) {
        give_batch(b, next, cluster_id);
    }
}

bool batches_give_last(struct batches *b, const char *cluster_id)
{
    struct batch *last = b->again;
    if (last != NULL) {
        b->again = NULL;
    } else if (!batch_is_empty(b->filling)) {
        last = b->filling;
        b->filling = batch_new();
    } else {
        return false;
    }
    give_batch(b, last, cluster_id);
    return true;
}

/* ---- results ---- */

/* A slice is freed here, not later: with its stream, which may be closed next. */
static void slice_ended(struct batches *b, const struct task_result *r)
{
    struct sink_range slice = r->task.batch->slice;
    free_batch(b, r->task.batch);
    held_reader_ended(&b->held, &slice, r->slice_from, r->outcome == TASK_DONE,
                      now_of(b));
}

static void live_ended(struct batches *b, const struct task_result *r, bool has_more)
{
    batches_free_spent(b);
    b->spent = r->task.batch;
    b->idle_since_mono_us =
        has_more || !batch_is_empty(b->filling) ? r->ended_at_mono_us : 0;
}

static void batch_ended(struct batches *b, struct task_result *r, bool has_more)
{
    b->given_received_at_ms = 0;
    held_reader_grow(&b->held, r->holds, r->hold_count);
    if (r->outcome == TASK_MAP_AGAIN) {
        batch_map(r->task.batch, &b->setup.context);
        b->again = r->task.batch;
        return;
    }
    if (r->outcome == TASK_DONE) {
        loader_metrics_batch(b->setup.metrics, r->task.batch, now_of(b));
    }
    if (r->task.batch->is_slice) {
        slice_ended(b, r);
    } else {
        live_ended(b, r, has_more);
    }
}

/* What the writer found out about tables: the next batches are mapped for these. */
void batches_take_result(struct batches *b, struct task_result *r, bool has_more)
{
    for (size_t i = 0; i < r->table_count; i++) {
        catalogue_put(b->setup.context.catalogue, r->tables[i]);
    }
    held_reader_set_held(&b->held, r->held, r->held_count);
    if (r->task.kind == TASK_LOAD) {
        batch_ended(b, r, has_more);
        r->task.batch = NULL;
    }
}
