/* topic_facts: our eight topics as Kafka has them: read, compared with what the delivery
 * promises need, created.
 *
 * One admin client per command. Calls block up to the time they are given; RETRY means
 * that Kafka is away or not ready. Which settings are wanted is the caller's to say. One
 * thread.
 */
#ifndef INGEST_COMMANDS_TOPIC_FACTS_H
#define INGEST_COMMANDS_TOPIC_FACTS_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/contract/event_type.h"

#include <stdbool.h>
#include <stdint.h>

/* As architecture.md, section 2, wants them. */
#define TOPIC_PARTITIONS 12
#define TOPIC_REPLICATION 3
#define TOPIC_MIN_INSYNC 2

struct topic_settings {
    uint64_t partitions; /* these three: at least */
    uint64_t replication;
    uint64_t min_insync;
    uint64_t retention_ms;      /* for new topics; never compared: it is the operator's */
    uint64_t max_message_bytes; /* at least */
};

struct topic_facts {
    char name[TOPIC_NAME_BYTES];
    bool exists;
    int partitions;
    int replication; /* of the partition that has the fewest replicas */
    int64_t min_insync;
    int64_t max_message_bytes;
    char cleanup_policy[40];
};

struct kafka_facts {
    int brokers;
    struct topic_facts topics[EVENT_TYPES]; /* by enum event_type */
};

struct topic_admin;

/* INVALID when the properties of `config_file` (NULL: none) are refused. Does not connect
 * yet. */
MUST_CHECK bool topic_admin_open(const char *brokers, const char *config_file,
                                 struct topic_admin **out, struct error *err);

/* NULL is allowed. */
void topic_admin_close(struct topic_admin *a);

/* Reads the facts of the eight topics of `prefix`. */
MUST_CHECK bool topic_admin_read(struct topic_admin *a, const char *prefix,
                                 int timeout_ms, struct kafka_facts *out,
                                 struct error *err);

/* Creates the topic. Another's creation at the same time counts as done too: *out_created
 * is then false. RETRY when it may work later, INVALID when Kafka refuses it. */
MUST_CHECK bool topic_admin_create(struct topic_admin *a, const char *name,
                                   const struct topic_settings *settings,
                                   bool *out_created, struct error *err);

/* The bytes a record may have when an event (with its headers) may have this many: a
 * tenth more, for the record's own frame. */
uint64_t topic_message_bytes(uint64_t max_event_bytes);

/* What of an existing topic breaks a promise: one line each, ended by a newline, with
 * what to do about it. */
void topic_facts_compare(const struct topic_facts *facts,
                         const struct topic_settings *wanted, struct buf *differences);

#endif
