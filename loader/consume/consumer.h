/* consumer: polls the log, fills batches, and follows the assignment: the loader's main
 * loop.
 *
 * It owns the streams, the partitions and the only mapper. A batch is handed to the
 * writer as soon as the writer is free and the batch is old enough or full (natural
 * batching: small batches when there is little, large ones when there is much); slices of
 * what waited for a table go between live batches. A batch that comes back because a
 * table is another, or because rows of it were refused, is mapped again and goes first.
 * Whatever puts a position in doubt (a new assignment, a fence, an offset that was not
 * expected, a new connection) leads to the same procedure: drop what is not loaded, ask
 * for all positions, start again from them. One thread; its time and all its waiting are
 * the stream's and the writer's.
 */
#ifndef LOADER_CONSUME_CONSUMER_H
#define LOADER_CONSUME_CONSUMER_H

#include "loader/consume/batches.h"
#include "loader/load/loader_metrics.h"
#include "loader/load/writer.h"

struct consumer_setup {
    const struct stream *stream;
    const struct writer *writer;
    struct batch_context context;
    struct batch_limits limits;
    const char *const *accept_gap;     /* "topic:partition", NULL-ended; NULL: none */
    const char *const *accept_new_log; /* "topic", NULL-ended; NULL: none */
    struct loader_metrics *metrics;
    /* Opens a stream that belongs to no group, for what waited for a table. */
    bool (*open_again)(void *context, struct stream *out, struct error *err);
    void *open_context;
};

struct consumer;

/* A consumer that has done nothing yet. */
struct consumer *consumer_new(const struct consumer_setup *setup);

/* One turn of the loop: takes what the writer has, hands over, polls once. False when it
 * cannot go on at all (logged). */
bool consumer_turn(struct consumer *c);

enum consumer_end {
    CONSUMER_STOPPED,   /* as asked, everything taken was loaded or is left to the log */
    CONSUMER_WORK_LEFT, /* as asked, but what was under way could not be ended in time */
    CONSUMER_FAILED,    /* a turn has failed */
};

/* Loads what was taken, if that can be done in time, lets go of the partitions, and frees
 * the consumer. The stream stays the caller's. */
enum consumer_end consumer_finish(struct consumer *c);

#endif
