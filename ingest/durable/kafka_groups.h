/* kafka_groups: which partition a record goes to: what comes within a millisecond goes to
 * one that has nothing under way, the next millisecond to another (architecture.md,
 * section 2).
 *
 * Not the key: 64 events in flight, keyed over 12 partitions, are 12 requests of 5
 * records, each compressed, sent and answered for itself, here and in the broker. And
 * librdkafka 2.0.2 polls without pause while a partition has records waiting beside an
 * unacknowledged request: 1.6 cores for 12,000 events/s at 5 ms (performance.md, section
 * 10). So a partition gets a group only while nothing of it is under way, and at most
 * twice as many partitions of a topic are busy as there are brokers (each may have two
 * requests under way): beyond that the group stays open and grows. A partition of which
 * nothing has ended for a while (a frozen broker still leads it) is stuck: it neither
 * counts as busy nor gets anything while another can be had, else its groups would wait
 * with the one that froze.
 *
 * The counts of what is under way belong to one client and go with it. Any thread.
 */
#ifndef INGEST_DURABLE_KAFKA_GROUPS_H
#define INGEST_DURABLE_KAFKA_GROUPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a topic; those above share the first ones' counts. */
#define KAFKA_GROUPS_PARTITIONS 1024
#define KAFKA_GROUPS_LASTS_US 1000
/* Longer than any healthy acknowledgement, shorter than the ack time-out. */
#define KAFKA_GROUPS_STUCK_US 400000

struct kafka_groups {          /* of one topic */
    _Atomic int64_t since_us;  /* when the group began, monotonic */
    _Atomic int32_t partition; /* of the group */
    _Atomic unsigned busy;     /* partitions with something under way */
    _Atomic uint32_t under_way[KAFKA_GROUPS_PARTITIONS]; /* records, by partition */
    /* When it was last free, or a record of it ended: monotonic. */
    _Atomic int64_t moved_us[KAFKA_GROUPS_PARTITIONS];
};

/* May a partition be written to now (has it a leader)? */
typedef bool (*kafka_groups_available)(const void *topic, int32_t partition);

/* The partition of a record that is handed over now, which counts it as under way.
 * `busy_limit` is how many partitions may be busy before a group stays open. */
int32_t kafka_groups_choose(struct kafka_groups *g, int64_t now_us, int32_t partitions,
                            unsigned busy_limit, kafka_groups_available is_available,
                            const void *topic);

/* A record has ended; `partition` below 0: it never had one. */
void kafka_groups_ended(struct kafka_groups *g, int32_t partition, int64_t now_us);

#endif
