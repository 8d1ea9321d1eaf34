/* writer: the thread that loads: it owns the database, and works on one thing at a time.
 *
 * The intake hands it a batch or a question for positions when it is idle, goes on
 * filling the next batch meanwhile (two batches in flight), and takes the result. Giving
 * up ends a task that waits for the database; a transaction under way is not torn, its
 * outcome is simply no longer waited for.
 */
#ifndef LOADER_LOAD_WRITER_H
#define LOADER_LOAD_WRITER_H

#include "loader/load/pipeline.h"

struct writer;

struct writer_result {
    enum pipeline_outcome outcome;
    struct batch *batch;      /* the batch that was handed over, or NULL; free it with
                                 batch_free, when there is time: it takes milliseconds */
    int64_t ended_at_mono_us; /* since when the writer has had nothing to do */
    struct pipeline_result
        loaded; /* of a batch; release it with pipeline_result_release */
    struct pipeline_position *positions; /* of a question; free() it */
    size_t position_count;
};

/* Starts the thread. `pipeline` is filled by the caller but for its pause, lives as long
 * as the writer, and is the writer's from here. */
MUST_CHECK bool writer_start(struct pipeline *pipeline, struct writer **out,
                             struct error *err);

/* Gives up what it does, ends the thread, frees. The writer must not be inside of a call
 * to a database that never answers: libpq's timeouts bound that. */
void writer_stop(struct writer *w);

/* True when it has nothing to do and no result to give. */
bool writer_is_idle(struct writer *w);

/* Takes the batch. The writer must be idle. */
void writer_load(struct writer *w, struct batch *batch);

/* Takes the positions (from mem_*). The writer must be idle. */
void writer_find_positions(struct writer *w, struct pipeline_position *positions,
                           size_t count);

/* Waits up to `timeout_ms` for a result; true when *out has it and the writer is idle
 * again. */
bool writer_take(struct writer *w, uint64_t timeout_ms, struct writer_result *out);

/* Asks the task under way to end as soon as it waits for anything; its result is then
 * GIVEN_UP (or what it came to before). */
void writer_give_up(struct writer *w);

#endif
