/* topics: the `topics` command: makes the topics, or tells how those that exist differ
 * from what the delivery promises need. It never changes or removes an existing topic. */
#ifndef INGEST_COMMANDS_TOPICS_H
#define INGEST_COMMANDS_TOPICS_H

#include "common/service/command.h"

#include <stdbool.h>
#include <stdint.h>

struct topics_flags {
    uint64_t partitions;
    uint64_t replication; /* 0: by `dev` */
    uint64_t min_insync;  /* 0: by `dev` */
    uint64_t retention_ms;
    uint64_t max_message_bytes; /* 0: from the largest event */
    uint64_t timeout_ms;
    bool dev;
};

extern const struct option_table topics_option_table;

/* Returns an enum command_exit: FAILED when a topic differs or Kafka does not answer. */
int command_topics(const struct command_call *call);

#endif
