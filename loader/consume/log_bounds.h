/* log_bounds: how far the log goes, partition by partition, for commands that look and do
 * not load. Blocks up to its timeout.
 */
#ifndef LOADER_CONSUME_LOG_BOUNDS_H
#define LOADER_CONSUME_LOG_BOUNDS_H

#include "common/base/error.h"
#include "common/contract/event_type.h"

#include <stddef.h>
#include <stdint.h>

struct log_partition {
    enum event_type topic;
    int32_t partition;
    int64_t start, end; /* first offset there is, and the one behind the last */
};

struct log_bounds {
    char *cluster_id;
    struct log_partition *partitions; /* by topic and number */
    size_t count;
    bool has_topic[EVENT_TYPES];
};

struct log_bounds_setup {
    const char *brokers;
    const char *config_file; /* NULL: none */
    const char *topic_prefix;
    int timeout_ms;
};

/* Asks Kafka. RETRY when it does not answer in time. */
MUST_CHECK bool log_bounds_read(const struct log_bounds_setup *setup,
                                struct log_bounds *out, struct error *err);
/* For each partition of `log`, in its order, the first offset whose record is from
 * `time_ms` or later (the time at which ingest gave it to Kafka); its end where there is
 * none. `out` has room for all. */
MUST_CHECK bool log_bounds_at(const struct log_bounds_setup *setup,
                              const struct log_bounds *log, int64_t time_ms, int64_t *out,
                              struct error *err);

/* How long Kafka keeps what is sent: the longest retention.ms of our topics; -1: one of
 * them keeps for ever. RETRY when Kafka does not answer, or does not let us ask. */
MUST_CHECK bool log_bounds_retention(const struct log_bounds_setup *setup,
                                     int64_t *out_ms, struct error *err);

/* Frees what was read. */
void log_bounds_release(struct log_bounds *b);

#endif
