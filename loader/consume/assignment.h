/* assignment: the partitions given to this loader, and the procedure that finds where
 * each begins.
 *
 * Whatever puts a position in doubt leads to the same round: every partition waits; Kafka
 * is asked for the log's bounds and the group's offsets; the writer asks the database and
 * decides (position.h); those that may run are started together. Belongs to the intake
 * and its thread.
 */
#ifndef LOADER_CONSUME_ASSIGNMENT_H
#define LOADER_CONSUME_ASSIGNMENT_H

#include "loader/consume/partitions.h"
#include "loader/load/writer.h"

#include "common/service/log.h"

struct assignment_setup {
    const struct stream *stream;
    struct writer *writer;
    struct pipeline *pipeline;         /* gets the cluster id */
    const char *const *accept_gap;     /* "topic:partition", NULL-ended; NULL: none */
    const char *const *accept_new_log; /* "topic", NULL-ended; NULL: none */
    struct loader_metrics *metrics;
};

struct assignment {
    struct assignment_setup setup;
    struct partitions partitions;
    bool needs_positions; /* a round is due at ask_at_mono_ms */
    bool is_asking;       /* the writer works on the question */
    int64_t ask_at_mono_ms;
    unsigned connections; /* of the pipeline, when positions were last read */
    struct log_outage kafka_outage;
};

/* A new assignment: every partition waits for its position. */
void assignment_begin(struct assignment *a, const struct stream_poll *poll);

/* The assignment is over; what the writer still asks is of no interest. */
void assignment_end(struct assignment *a);

/* All positions are in doubt: a new round, after `wait_ms`. */
void assignment_begin_again(struct assignment *a, int64_t wait_ms);

/* Begins a due round when the writer is idle; may block for some seconds while Kafka does
 * not answer. */
void assignment_ask(struct assignment *a);

/* Asks whether Kafka is back, while it is away and there is nothing else to ask: without
 * traffic no record would tell. Blocks briefly. */
void assignment_probe(struct assignment *a);

/* The writer's answer: places the partitions and starts those that may run. */
void assignment_found(struct assignment *a, const struct writer_result *r);

/* Stops a partition for a while, for a reason that is logged already. */
void assignment_stop(struct assignment *a, const char *topic, int32_t partition,
                     const char *reason);

/* True when a stopped partition's time has come: the caller begins again. */
bool assignment_has_due_partition(const struct assignment *a);

#endif
