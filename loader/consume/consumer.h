/* consumer: polls the log, fills batches, and follows the assignment: the loader's main
 * loop.
 *
 * It owns the stream and the partitions. A batch is handed to the writer as soon as the
 * writer is free and the batch is old enough or full (natural batching: small batches
 * when there is little, large ones when there is much). Whatever puts a position in doubt
 * (a new assignment, a fence, an offset that was not expected, a new connection) leads to
 * the same procedure: drop what is not loaded, ask for all positions, start again from
 * them. One thread.
 */
#ifndef LOADER_CONSUME_CONSUMER_H
#define LOADER_CONSUME_CONSUMER_H

#include "loader/load/writer.h"

struct intake_limits {
    uint64_t batch_rows;
    uint64_t batch_bytes;
    uint64_t batch_age_ms;
};

struct intake_setup {
    const struct stream *stream;
    struct pipeline *pipeline; /* for what the writer's side shares: trouble, connections,
                                  cluster id */
    struct writer *writer;
    struct batch_context context; /* with a mapper of the intake's own */
    struct intake_limits limits;
    const char *const *accept_gap;     /* "topic:partition", NULL-ended; NULL: none */
    const char *const *accept_new_log; /* "topic", NULL-ended; NULL: none */
    struct loader_metrics *metrics;
};

enum intake_end {
    INTAKE_STOPPED,   /* as asked, everything taken was loaded or is left to the log */
    INTAKE_WORK_LEFT, /* as asked, but the batch under way could not be ended in time */
    INTAKE_FAILED,    /* Kafka's client cannot go on; logged */
};

/* Runs until shutdown is requested. Closes the stream's group membership on the way out.
 */
enum intake_end intake_run(const struct intake_setup *setup);

#endif
