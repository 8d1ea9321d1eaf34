/* assignment: the partitions given to this loader, and the procedure that finds where
 * each begins.
 *
 * Whatever puts a position in doubt leads to the same round: every partition waits; the
 * writer asks the database, then Kafka is asked for the log's bounds and the group's
 * offsets (in this order: a batch that was just committed elsewhere cannot make a
 * position look as if it were beyond the log's end); position.h decides; the writer tells
 * the database what must move, all in one transaction; those that may run are started
 * together. Belongs to the consumer and its thread.
 */
#ifndef LOADER_CONSUME_ASSIGNMENT_H
#define LOADER_CONSUME_ASSIGNMENT_H

#include "loader/consume/partitions.h"
#include "loader/consume/position.h"
#include "loader/load/loader_metrics.h"
#include "loader/load/writer.h"

#include "common/service/log.h"

struct assignment_setup {
    const struct stream *stream;
    const struct writer *writer;
    const char *const *accept_gap;     /* "topic:partition", NULL-ended; NULL: none */
    const char *const *accept_new_log; /* "topic", NULL-ended; NULL: none */
    struct loader_metrics *metrics;
};

/* What is known of one partition of the round. */
struct candidate {
    const char *topic;
    int32_t partition;
    struct position_facts facts;
    struct position_choice choice;
};

enum round_state {
    ROUND_NONE,
    ROUND_DUE,     /* at ask_at_mono_ms, when the writer is idle */
    ROUND_READING, /* the writer reads the database's positions */
    ROUND_BOUNDS,  /* Kafka is to be asked, at ask_at_mono_ms */
    ROUND_MOVING,  /* the writer moves positions */
};

struct assignment {
    struct assignment_setup setup;
    struct partitions partitions;
    const char *cluster_id; /* the stream's; NULL: not known yet */
    enum round_state round;
    bool is_obsolete; /* what the writer works on is of no interest any more */
    int64_t ask_at_mono_ms;
    unsigned connection; /* of the database, when positions were last read */
    struct candidate *candidates;
    size_t candidate_count;
    struct log_outage kafka_outage;
};

/* A new assignment: every partition waits for its position. */
void assignment_begin(struct assignment *a, const struct stream_poll *poll);

/* The assignment is over; what the writer still asks is of no interest. */
void assignment_end(struct assignment *a);

/* All positions are in doubt: a new round, after `wait_ms`. */
void assignment_begin_again(struct assignment *a, int64_t wait_ms);

/* True while the writer works on a question of a round. */
bool assignment_is_asking(const struct assignment *a);

/* Goes on with a round when it is due and the writer idle; may block for some seconds
 * while Kafka does not answer. */
void assignment_ask(struct assignment *a);

/* Asks whether Kafka is back, while it is away and there is nothing else to ask: without
 * traffic no record would tell. Blocks briefly. */
void assignment_probe(struct assignment *a);

/* The writer's answer to a question of the round. True when it told of the ranges that
 * wait for tables (r->ranges), which are now those of the database. */
bool assignment_answered(struct assignment *a, struct task_result *r);

/* Gives the idle writer a look at the database (TASK_LOOK), with the positions of what
 * runs: without traffic nobody else finds out that it has gone back to an older copy, or
 * that a position was moved by another who came late. */
void assignment_look(struct assignment *a);

/* True when a look has found a position elsewhere than where we stand: the caller begins
 * again. */
bool assignment_is_elsewhere(struct assignment *a, const struct task_result *r);

/* True when a stopped partition's time has come: the caller begins again. */
bool assignment_has_due_partition(const struct assignment *a);

#endif
