/* pipeline: takes a task to its end, whatever happens: the driver of the loader's
 * database side.
 *
 * It steers and holds no data of its own: the table keeper makes tables true, the sink
 * acts, the failure's kind decides what comes next (reliability.md, 3.3): connect again,
 * try again, read a table again, hold a table, find the rows that are refused. It goes on
 * step by step, each at most a few calls of the sink, and never sleeps: a step that has
 * to wait says how long, and whoever drives it waits (the writer's thread; a test, whose
 * time is its own). One thread.
 */
#ifndef LOADER_LOAD_PIPELINE_H
#define LOADER_LOAD_PIPELINE_H

#include "loader/load/loader_metrics.h"
#include "loader/load/task.h"

struct pipeline_setup {
    const struct sink *sink;
    struct loader_metrics *metrics;
    /* The first wait after a failure, the longest one, and the seed of their jitter. */
    uint64_t backoff_first_ms, backoff_max_ms;
    uint64_t seed;
    /* A table that cannot be loaded ends the process's work (a replay) instead of being
     * held: TASK_IMPOSSIBLE. */
    bool stops_at_held;
};

struct pipeline;

/* Connects to nothing yet. */
struct pipeline *pipeline_new(const struct pipeline_setup *setup);
void pipeline_free(struct pipeline *p);

/* Begins a task; the one before has ended. */
void pipeline_begin(struct pipeline *p, const struct task *task);

enum pipeline_step {
    PIPELINE_GOES_ON, /* step again */
    PIPELINE_WAITS,   /* step again after *wait_ms, or give up */
    PIPELINE_ENDED,   /* take the result */
};

/* One step of the task under way. */
enum pipeline_step pipeline_step(struct pipeline *p, uint64_t *wait_ms);

/* Ends a task that waits; its result is GIVEN_UP. What was committed stays in it. */
void pipeline_give_up(struct pipeline *p);

/* The result of the task that has ended; the caller's. */
struct task_result pipeline_take_result(struct pipeline *p);

/* True when the database is away or unwell: a task may take for ever. */
bool pipeline_is_in_trouble(const struct pipeline *p);

#endif
