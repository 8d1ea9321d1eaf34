/* import_batch: lines on their way to Kafka: collected, made into records as a request's
 * events are, and durable before the next ones are read.
 *
 * So after a crash at most one batch is sent again, and its copies are no rows: what has
 * no message id gets the one that follows from its bytes. One thread drives it.
 */
#ifndef INGEST_COMMANDS_IMPORT_BATCH_H
#define INGEST_COMMANDS_IMPORT_BATCH_H

#include "ingest/durable/kafka_publisher.h"
#include "ingest/registry/source.h"

#include "common/contract/event_type.h"

struct import_batch;

struct import_batch_setup {
    struct kafka_publisher *publisher; /* NULL: nothing is sent, only judged */
    const struct source *source;
    uint64_t max_event_bytes;
    size_t max_lines;
};

struct import_counts {
    int64_t lines;
    int64_t events[EVENT_TYPES]; /* by topic: EVENT_REJECTED are the refused ones */
};

/* Copies the setup; what it points to must outlive the batch. */
struct import_batch *import_batch_new(const struct import_batch_setup *setup);

/* The publisher must be closed before: records under way borrow from the batch. NULL is
 * allowed. */
void import_batch_free(struct import_batch *b);

/* Takes a line; `is_cut`: it was longer than lines may be. */
void import_batch_add(struct import_batch *b, struct view line, int64_t number,
                      bool is_cut);

/* True when it is to be flushed. */
bool import_batch_is_full(const struct import_batch *b);

/* Makes all lines durable in Kafka, trying again for as long as it takes; then it is
 * empty, and `counts` has grown. `file` is named in what is rejected. False: a stop was
 * asked for first. */
MUST_CHECK bool import_batch_flush(struct import_batch *b, const char *file,
                                   struct import_counts *counts);

#endif
