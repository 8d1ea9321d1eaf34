/* stream: the port of the record source: Kafka (kafka_stream.h) or a test's fake.
 *
 * Records come from positions that the owner gives: live ones from the database's
 * positions, those that waited for a table from the held ranges, by a stream of their own
 * that belongs to no group. One thread (the consumer) calls all functions but release.
 * Polling yields one event at a time: a record, a change of the assignment, an error.
 * After ASSIGNED nothing is fetched until `start` says from where: positions are the
 * database's, never the group's. Starting again replaces all positions at once, which is
 * also how a partition is moved or left out: no seek, no pause of single partitions
 * (their faults in librdkafka 2.0.x: reliability.md, 2.1).
 */
#ifndef LOADER_CONSUME_STREAM_H
#define LOADER_CONSUME_STREAM_H

#include "loader/load/log_record.h"

#include "common/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct stream_partition {
    const char *topic; /* lives as long as the stream */
    int32_t partition;
    int64_t offset; /* start: where to begin; commit: next offset; committed: see below */
    int64_t log_start; /* filled by `positions`: first offset there is, and the one behind
                          the last */
    int64_t log_end;
    int64_t committed;       /* the group's committed offset, -1: none */
    bool is_committed_by_us; /* it carries our mark; without it an operator has set it */
};

enum stream_event {
    STREAM_NOTHING, /* timeout */
    STREAM_RECORD,
    STREAM_ASSIGNED, /* the assignment is now `partitions` */
    STREAM_REVOKED,  /* the assignment is now empty; what is not loaded must be dropped
                        before the next poll */
    STREAM_END, /* partitions[0] was read up to offset, the end of its log; told only by a
                   stream that belongs to no group */
    STREAM_OUT_OF_RANGE,  /* the position of partitions[0] is outside the log */
    STREAM_COMMIT_FAILED, /* an asynchronous commit of before: *err */
    STREAM_FAILED,        /* *err: RETRY (goes on by itself) or FATAL */
};

struct stream_poll {
    struct log_record record;                  /* its message is to be released */
    const struct stream_partition *partitions; /* valid until the next poll */
    size_t partition_count;
};

struct stream {
    void *context;
    /* The clock of the consumer's side: milliseconds that never go back. */
    int64_t (*mono_ms)(void *context);
    enum stream_event (*poll)(void *context, int timeout_ms, struct stream_poll *out,
                              struct error *err);
    /* Begins (again) with exactly these partitions of the assignment at these offsets;
     * others stand still. */
    bool (*start)(void *context, const struct stream_partition *partitions, size_t count,
                  struct error *err);
    /* Stops and resumes fetching altogether, while polling goes on (the database is away,
     * buffers are full). */
    void (*pause)(void *context);
    void (*resume)(void *context);
    /* Fills log_start, log_end, committed, is_committed_by_us. Blocks up to timeout_ms.
     */
    bool (*positions)(void *context, struct stream_partition *partitions, size_t count,
                      int timeout_ms, struct error *err);
    /* Commits to the group with our mark: asynchronously, or waiting for a few
     * seconds (on revoke and stop). */
    bool (*commit)(void *context, const struct stream_partition *partitions, size_t count,
                   bool wait, struct error *err);
    /* The end of the log as the last fetch saw it, without asking the broker; -1: not
     * known yet. */
    int64_t (*log_end)(void *context, const char *topic, int32_t partition);
    /* Ends a record's bytes. Any thread. */
    void (*release)(void *context, void *message);
    /* Kafka's cluster id: part of the position's key. Static text after the first
     * success; blocks up to timeout_ms. */
    const char *(*cluster_id)(void *context, int timeout_ms);
    /* Leaves the group and frees. */
    void (*close)(void *context);
};

#endif
