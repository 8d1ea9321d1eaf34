/* fetch_level: has what librdkafka fetched ahead been so much that it stopped fetching,
 * and has it fallen below that since? Plain arithmetic, no I/O; the consumer's thread.
 *
 * The consumer has one queue, to which those of all partitions are forwarded;
 * `queued.min.messages` and `queued.max.messages.kbytes` are compared with that one
 * (2.0.2: rd_kafka_toppar_fetch_decide). The queue's length can be asked, its bytes
 * cannot: they are estimated from the sizes of the records taken last. It is looked at
 * only every FETCH_LEVEL_STEP records, so both limits get a margin: being told once too
 * often costs one small request, once too seldom a second of standing still.
 */
#ifndef LOADER_CONSUME_FETCH_LEVEL_H
#define LOADER_CONSUME_FETCH_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many records are taken between two looks. */
#define FETCH_LEVEL_STEP 64

struct fetch_level {
    uint64_t max_messages, max_bytes; /* librdkafka's limits */
    bool was_full;
    uint32_t records; /* taken since the last look, and their bytes */
    uint64_t bytes;
};

/* Counts a record of `bytes` that was taken; true when it is time for a look. */
bool fetch_level_count(struct fetch_level *l, size_t bytes);

/* A look: `queued` records are still in the queue. True once each time when fetching may
 * have stopped and nothing but a request would begin it again. */
bool fetch_level_fell(struct fetch_level *l, uint64_t queued);

#endif
