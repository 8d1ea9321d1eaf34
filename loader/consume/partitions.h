/* partitions: the partitions assigned to this loader, and how far each has been taken
 * from the log. Plain data, no I/O; the intake's thread.
 */
#ifndef LOADER_CONSUME_PARTITIONS_H
#define LOADER_CONSUME_PARTITIONS_H

#include "loader/consume/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum partition_state {
    PARTITION_WAITING, /* its position is not known yet */
    PARTITION_RUNNING,
    PARTITION_STOPPED, /* something must be mended first; tried again at
                          `retry_at_mono_ms` */
};

#define PARTITION_REASON_BYTES 200

struct partition {
    const char *topic; /* the stream's */
    int32_t partition;
    enum partition_state state;
    int64_t next;            /* the offset expected next from the log */
    int64_t loaded;          /* the position in the database, as far as we know */
    int64_t log_end;         /* as last heard */
    int64_t looked_back_for; /* an offset that came unexpectedly and for which the log was
                                read again; -1: none */
    int64_t retry_at_mono_ms;
    char reason[PARTITION_REASON_BYTES]; /* why it is stopped */
};

struct partitions {
    struct partition *list;
    size_t count;
};

/* Replaces all by a new assignment, every one WAITING. */
void partitions_assign(struct partitions *p, const struct stream_partition *assigned,
                       size_t count);

/* Empty again (a revoke). */
void partitions_clear(struct partitions *p);

/* NULL when it is not assigned. */
struct partition *partitions_find(struct partitions *p, const char *topic,
                                  int32_t partition);

/* Stops one with a reason, to be tried again after `retry_after_ms`. */
void partition_stop(struct partition *p, int64_t now_mono_ms, int64_t retry_after_ms,
                    const char *reason);

/* How many are in a state. */
size_t partitions_in_state(const struct partitions *p, enum partition_state state);

/* Takes every running and every stopped partition whose time has come back to WAITING:
 * their positions are to be read again. */
void partitions_await_positions(struct partitions *p, int64_t now_mono_ms);

/* What the next record of a partition means, judged by its offset. */
enum partition_step {
    PARTITION_TAKE,      /* expected, or a hole the log really has: take it */
    PARTITION_SKIP,      /* taken before, or not running: drop it */
    PARTITION_LOOK_BACK, /* unexpected: read the log again from `next`, once */
};
enum partition_step partition_judge(struct partition *p, int64_t offset);

#endif
