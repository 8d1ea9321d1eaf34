/* kafka_stream: the stream port over librdkafka's consumer.
 *
 * Polls one message at a time (the batch API of 2.0.x loses offsets around rebalances:
 * reliability.md, 2.1), subscribes to the eight topics of ours, which need not exist yet,
 * and takes part in the group with dynamic membership and the eager roundrobin assignor.
 * On an assignment it assigns nothing at first; `start` assigns with explicit offsets.
 * Commits carry the metadata "backstitch"; an offset without it was set by an operator.
 */
#ifndef LOADER_CONSUME_KAFKA_STREAM_H
#define LOADER_CONSUME_KAFKA_STREAM_H

#include "loader/consume/stream.h"

struct kafka_stream_setup {
    const char *brokers;
    const char *config_file; /* NULL: none */
    const char *group;
    const char *topic_prefix;
    /* It takes part in the group and is given partitions. Else: it reads what `start`
     * says, joins nothing, never commits, and does not ask what the group has committed.
     */
    bool is_member;
};

/* A member joins the group in the background: succeeds with Kafka away. INVALID: the
 * configuration file is refused. `out->close` frees it. */
MUST_CHECK bool kafka_stream_open(const struct kafka_stream_setup *setup,
                                  struct stream *out, struct error *err);

#endif
