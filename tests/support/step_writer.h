/* step_writer: the writer port without a thread: works on a task step by step, when it is
 * asked for the result, in virtual time. One thread.
 */
#ifndef TESTS_SUPPORT_STEP_WRITER_H
#define TESTS_SUPPORT_STEP_WRITER_H

#include "loader/load/pipeline.h"
#include "loader/load/writer.h"

struct step_writer {
    struct pipeline *pipeline;
    int64_t *now_ms; /* the world's clock: who waits for a result moves it */
    /* Whether the writer gets no turn when it is asked without waiting; NULL: it always
     * does. */
    bool (*dawdles)(void *context);
    void *context;
    bool is_dead; /* its process is gone: whoever waits for it is told to give up */
    struct writer writer;
    bool is_busy;
    bool is_giving_up;
    int64_t wake_at_ms;
};

/* Idle; the pipeline and the clock are the caller's. */
void step_writer_init(struct step_writer *w, struct pipeline *pipeline, int64_t *now_ms);

#endif
