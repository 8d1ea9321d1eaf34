/* ingest_metrics: ingest's metrics: the one table of their names, units and meaning
 * (operations.md, section 2), and what the modules tell it.
 *
 * Labels are bounded: source (slug), type, outcome, code, reason, error. Any thread.
 */
#ifndef INGEST_REQUEST_INGEST_METRICS_H
#define INGEST_REQUEST_INGEST_METRICS_H

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

/* A request was answered. `source` is "unknown" when there is none. */
void ingest_metrics_request(struct ingest_metrics *m, const char *source, int status,
                            int64_t duration_us);

/* What became of the events of a request: outcome "kafka", "rejected" or "busy". */
void ingest_metrics_events(struct ingest_metrics *m, const char *source,
                           enum event_type type, const char *outcome, uint64_t count);

/* A request was refused for its credential. */
void ingest_metrics_auth_failure(struct ingest_metrics *m, const char *source,
                                 const char *reason);

/* Kafka: latency of a delivery, errors by librdkafka's name, the circuit's state. */
void ingest_metrics_delivered(struct ingest_metrics *m, int64_t latency_us);
void ingest_metrics_kafka_error(struct ingest_metrics *m, const char *error);
void ingest_metrics_circuit(struct ingest_metrics *m, bool is_open);

/* Live state, set at each scrape. */
struct ingest_state {
    unsigned inflight_requests;
    uint64_t inflight_bytes;
    unsigned kafka_queue;
    bool has_reload_failed;
};
void ingest_metrics_state(struct ingest_metrics *m, const struct ingest_state *state);

#endif
