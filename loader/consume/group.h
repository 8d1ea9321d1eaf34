/* group: commits to Kafka's consumer group, and leaves it, within a time.
 *
 * rd_kafka_commit waits for its answer for socket.timeout.ms, and rd_kafka_consumer_close
 * for the answer of every commit: a loader that was told to stop while its broker did not
 * answer was killed by the kubelet (measured: 60.7 s, exit code 137). The consumer's
 * thread; librdkafka's own types by their tags, so that its header stays out of ours.
 */
#ifndef LOADER_CONSUME_GROUP_H
#define LOADER_CONSUME_GROUP_H

#include "common/base/error.h"

#include <stdbool.h>

struct rd_kafka_s;
struct rd_kafka_topic_partition_list_s;

/* Commits `list`. With timeout_ms 0 it waits for nothing, and the consumer's callback for
 * commits tells what became of it. RETRY when Kafka refuses, or does not answer in time:
 * the commit may be made all the same. */
MUST_CHECK bool group_commit(struct rd_kafka_s *consumer,
                             const struct rd_kafka_topic_partition_list_s *list,
                             int timeout_ms, struct error *err);

/* Leaves the group and frees the consumer. When Kafka does not answer in time, the group
 * misses this member only at the end of its session. Freeing it then waits for commits
 * under way, at most socket.timeout.ms (common/service/kafka_conf.c; with librdkafka's
 * default of a minute a stop was seen to take 60 s beside a frozen Kafka). */
void group_leave(struct rd_kafka_s *consumer, int timeout_ms);

#endif
