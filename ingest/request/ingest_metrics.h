/* ingest_metrics: ingest's metrics: the one table of their names, units and meaning
 * (operations.md, section 2), and what the modules tell it.
 *
 * Labels are bounded: source (slug), type, outcome, code, reason, error. Any thread.
 */
#ifndef INGEST_REQUEST_INGEST_METRICS_H
#define INGEST_REQUEST_INGEST_METRICS_H

#include "ingest/durable/spool_log.h"

#include "common/contract/event_type.h"
#include "common/service/metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct ingest_metrics;

/* All series without labels exist from the start. NULL may be freed. */
struct ingest_metrics *ingest_metrics_new(void);
void ingest_metrics_free(struct ingest_metrics *m);

/* For the admin server. */
struct metrics *ingest_metrics_registry(struct ingest_metrics *m);

/* The series of one source, looked up once and then kept by whoever asks often: valid as
 * long as the metrics. "unknown" stands for requests of no source. */
struct source_series;
struct source_series *ingest_metrics_source(struct ingest_metrics *m, const char *slug);

/* A request was answered. */
void ingest_metrics_request(struct ingest_metrics *m, struct source_series *source,
                            int status, int64_t duration_us);

enum event_outcome { EVENTS_IN_KAFKA, EVENTS_IN_SPOOL, EVENTS_BUSY };

/* What became of the events of a request. What is durable in the topic of rejected events
 * counts as rejected, wherever it is. */
void ingest_metrics_events(struct ingest_metrics *m, struct source_series *source,
                           enum event_type type, enum event_outcome outcome,
                           uint64_t count);

/* A request was refused for its credential. */
void ingest_metrics_auth_failure(struct ingest_metrics *m, const char *source,
                                 const char *reason);

/* Seconds until Segment throws away what is refused for its credential. */
void ingest_metrics_discards_in(struct ingest_metrics *m, const char *source,
                                int64_t seconds);

/* Kafka: how long it took to acknowledge all records of a request; errors by
 * librdkafka's name. */
void ingest_metrics_delivered(struct ingest_metrics *m, int64_t took_ms);
void ingest_metrics_kafka_error(struct ingest_metrics *m, const char *error);

/* The spool: how long the disk took to sync a group. */
void ingest_metrics_spool_synced(struct ingest_metrics *m, int64_t duration_us);

/* Live state, set at each scrape. */
struct ingest_state {
    unsigned inflight_requests;
    uint64_t inflight_bytes;
    unsigned kafka_queue;
    bool is_circuit_open;
    bool has_reload_failed;
    struct spool_figures spool; /* all 0: there is none */
};
void ingest_metrics_state(struct ingest_metrics *m, const struct ingest_state *state);

#endif
