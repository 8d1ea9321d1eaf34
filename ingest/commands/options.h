/* options: ingest's configuration: one struct, one table (interface.md, section 2). */
#ifndef INGEST_COMMANDS_OPTIONS_H
#define INGEST_COMMANDS_OPTIONS_H

#include "common/service/command.h"

#include <stdint.h>

struct ingest_options {
    char *kafka_brokers;
    char *topic_prefix;
    char *kafka_config_file;
    unsigned log_level;  /* enum log_level */
    unsigned log_format; /* enum log_format */
    char *listen;
    char *admin_listen;
    char *sources_file;
    char *public_url;      /* NULL: unknown */
    char *trusted_proxies; /* CIDRs, comma-separated; NULL: none */
    char *spool_dir;       /* NULL: no spool */
    uint64_t spool_max_bytes;
    uint64_t kafka_ack_timeout_ms;
    uint64_t request_deadline_ms; /* from the last body byte */
    uint64_t body_timeout_ms;
    uint64_t max_body_bytes;
    uint64_t max_event_bytes;
    uint64_t threads;            /* 0: derived from memory */
    uint64_t max_inflight_bytes; /* 0: derived from memory */
    uint64_t keep_alive_ms;
    uint64_t drain_delay_ms;
    uint64_t shutdown_timeout_ms;
};

extern const struct option_table ingest_option_table;

/* What no single option shows: appends mistakes. */
void ingest_options_check(const void *config, struct buf *mistakes);

/* As configured, or derived from the memory that the process may use: the number of
 * request threads; the bytes of bodies and records under way. */
unsigned ingest_options_threads(const struct ingest_options *o);
uint64_t ingest_options_inflight(const struct ingest_options *o);

#endif
