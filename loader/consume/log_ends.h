/* log_ends: where the logs of partitions begin and end, asked for all of them at once and
 * within a time.
 *
 * Not rd_kafka_query_watermark_offsets: it asks partition by partition, and in librdkafka
 * 2.0.2 it does not return while the broker is away, whatever its time-out (measured: a
 * loader that was told to stop during an outage did not). Any thread; librdkafka's own
 * types by their tags, so that its header stays out of ours.
 */
#ifndef LOADER_CONSUME_LOG_ENDS_H
#define LOADER_CONSUME_LOG_ENDS_H

#include "common/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct rd_kafka_s;
struct rd_kafka_topic_partition_list_s;

enum log_end_kind { LOG_START, LOG_END };

/* Sets the offset of each partition in `list`, which is not empty: the first there is
 * (LOG_START), or the one behind the last (LOG_END). RETRY when Kafka does not answer in
 * time or one partition has no leader. */
MUST_CHECK bool log_ends_read(struct rd_kafka_s *client, enum log_end_kind kind,
                              struct rd_kafka_topic_partition_list_s *list,
                              int timeout_ms, struct error *err);

#endif
