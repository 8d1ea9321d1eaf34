#include "ingest/request/ingest_metrics.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum metric_id {
    REQUESTS,
    REQUEST_SECONDS,
    EVENTS,
    AUTH_FAILURES,
    DISCARDS_IN,
    INFLIGHT_REQUESTS,
    INFLIGHT_BYTES,
    KAFKA_DELIVERY_SECONDS,
    KAFKA_QUEUE_MESSAGES,
    KAFKA_ERRORS,
    CIRCUIT_OPEN,
    SOURCES_RELOAD_FAILED,
    SPOOL_BYTES,
    SPOOL_CAPACITY_BYTES,
    SPOOL_RECORDS,
    SPOOL_OLDEST_AGE_SECONDS,
    SPOOL_FSYNC_SECONDS,
    SPOOL_CORRUPT_RECORDS,
    METRIC_COUNT
};

static const double second_bounds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                        0.25,  0.5,    1,     2.5,  4,     10,   0 };

static const struct metric_desc table[METRIC_COUNT] = {
    [REQUESTS] = { "ingest_requests_total",
                   METRIC_COUNTER,
                   { "source", "code" },
                   "Requests answered, by source and HTTP status.",
                   NULL },
    [REQUEST_SECONDS] = { "ingest_request_seconds",
                          METRIC_HISTOGRAM,
                          { NULL },
                          "From a request's head to its answer.",
                          second_bounds },
    [EVENTS] = { "ingest_events_total",
                 METRIC_COUNTER,
                 { "source", "type", "outcome" },
                 "Events received: to Kafka, to the spool, to the rejected topic, or "
                 "refused as busy.",
                 NULL },
    [AUTH_FAILURES] = { "ingest_auth_failures_total",
                        METRIC_COUNTER,
                        { "source", "reason" },
                        "Requests refused for their credential.",
                        NULL },
    [DISCARDS_IN] = { "ingest_seconds_until_segment_discards",
                      METRIC_GAUGE,
                      { "source" },
                      "What Segment's four hours have left since a webhook of the source "
                      "was first refused for its credential; 14400 when all is well.",
                      NULL },
    [INFLIGHT_REQUESTS] = { "ingest_inflight_requests",
                            METRIC_GAUGE,
                            { NULL },
                            "Requests that are being handled.",
                            NULL },
    [INFLIGHT_BYTES] = { "ingest_inflight_bytes",
                         METRIC_GAUGE,
                         { NULL },
                         "Bytes of bodies and of records on their way to Kafka.",
                         NULL },
    [KAFKA_DELIVERY_SECONDS] = { "ingest_kafka_delivery_seconds",
                                 METRIC_HISTOGRAM,
                                 { NULL },
                                 "From handing a request's records to Kafka's client to "
                                 "the last "
                                 "acknowledgement.",
                                 second_bounds },
    [KAFKA_QUEUE_MESSAGES] = { "ingest_kafka_queue_messages",
                               METRIC_GAUGE,
                               { NULL },
                               "Records handed to Kafka's client and not yet "
                               "acknowledged.",
                               NULL },
    [KAFKA_ERRORS] = { "ingest_kafka_errors_total",
                       METRIC_COUNTER,
                       { "error" },
                       "Failures of Kafka, by librdkafka's name of the error.",
                       NULL },
    [CIRCUIT_OPEN] = { "ingest_circuit_open",
                       METRIC_GAUGE,
                       { NULL },
                       "1 while requests are refused because Kafka does not acknowledge.",
                       NULL },
    [SOURCES_RELOAD_FAILED] = { "ingest_sources_reload_failed",
                                METRIC_GAUGE,
                                { NULL },
                                "1 while the registry on disk cannot be read.",
                                NULL },
    [SPOOL_BYTES] = { "ingest_spool_bytes",
                      METRIC_GAUGE,
                      { NULL },
                      "What the spool's folder takes on disk.",
                      NULL },
    [SPOOL_CAPACITY_BYTES] = { "ingest_spool_capacity_bytes",
                               METRIC_GAUGE,
                               { NULL },
                               "What the spool's folder may take; 0: there is no spool.",
                               NULL },
    [SPOOL_RECORDS] = { "ingest_spool_records",
                        METRIC_GAUGE,
                        { NULL },
                        "Records in the spool that are not yet in Kafka.",
                        NULL },
    [SPOOL_OLDEST_AGE_SECONDS] = { "ingest_spool_oldest_age_seconds",
                                   METRIC_GAUGE,
                                   { NULL },
                                   "Since the oldest segment of the spool that is not "
                                   "in Kafka was begun; 0: all is.",
                                   NULL },
    [SPOOL_FSYNC_SECONDS] = { "ingest_spool_fsync_seconds",
                              METRIC_HISTOGRAM,
                              { NULL },
                              "How long the disk took to sync a group of entries.",
                              second_bounds },
    [SPOOL_CORRUPT_RECORDS] = { "ingest_spool_corrupt_records_total",
                                METRIC_COUNTER,
                                { NULL },
                                "Damaged stretches found in the spool; their files are "
                                "kept.",
                                NULL },
};

#define OUTCOMES 3

struct source_series {
    char *slug;
    struct source_series *next;
    struct metric_series *answered_200, *answered_503;
    /* Made when they are first needed. */
    _Atomic(struct metric_series *) events[EVENT_TYPES][OUTCOMES];
};

struct ingest_metrics {
    struct metrics *registry;
    /* On the path of every request: found once. */
    struct metric_series *request_seconds, *delivery_seconds, *circuit_open,
        *fsync_seconds;
    pthread_mutex_t lock; /* of the list */
    struct source_series *sources;
};

struct ingest_metrics *ingest_metrics_new(void)
{
    struct ingest_metrics *m = mem_calloc(1, sizeof *m);
    m->registry = metrics_new("backstitch-ingest", table, METRIC_COUNT);
    m->request_seconds = metrics_series(m->registry, REQUEST_SECONDS, NULL, NULL, NULL);
    m->delivery_seconds =
        metrics_series(m->registry, KAFKA_DELIVERY_SECONDS, NULL, NULL, NULL);
    m->circuit_open = metrics_series(m->registry, CIRCUIT_OPEN, NULL, NULL, NULL);
    m->fsync_seconds = metrics_series(m->registry, SPOOL_FSYNC_SECONDS, NULL, NULL, NULL);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void ingest_metrics_free(struct ingest_metrics *m)
{
    if (m == NULL) {
        return;
    }
    while (m->sources != NULL) {
        struct source_series *next = m->sources->next;
        free(m->sources->slug);
        free(m->sources);
        m->sources = next;
    }
    pthread_mutex_destroy(&m->lock);
    metrics_free(m->registry);
    free(m);
}

struct metrics *ingest_metrics_registry(struct ingest_metrics *m)
{
    return m->registry;
}

/* ---- by source ---- */

static struct source_series *add_source(struct ingest_metrics *m, const char *slug)
{
    struct source_series *s = mem_calloc(1, sizeof *s);
    s->slug = mem_strdup(slug);
    s->answered_200 = metrics_series(m->registry, REQUESTS, slug, "200", NULL);
    s->answered_503 = metrics_series(m->registry, REQUESTS, slug, "503", NULL);
    s->next = m->sources;
    m->sources = s;
    return s;
}

struct source_series *ingest_metrics_source(struct ingest_metrics *m, const char *slug)
{
    pthread_mutex_lock(&m->lock);
    struct source_series *s = m->sources;
    while (s != NULL && strcmp(s->slug, slug) != 0) {
        s = s->next;
    }
    if (s == NULL) {
        s = add_source(m, slug);
    }
    pthread_mutex_unlock(&m->lock);
    return s;
}

void ingest_metrics_request(struct ingest_metrics *m, struct source_series *source,
                            int status, int64_t duration_us)
{
    if (status == 200) {
        metric_add(source->answered_200, 1);
    } else if (status == 503) {
        metric_add(source->answered_503, 1);
    } else {
        char code[8];
        snprintf(code, sizeof code, "%d", status % 1000);
        metric_add(metrics_series(m->registry, REQUESTS, source->slug, code, NULL), 1);
    }
    metric_observe(m->request_seconds, (double)duration_us / 1e6);
}

static const char *outcome_label(enum event_type type, enum event_outcome outcome)
{
    static const char *const labels[OUTCOMES] = { "kafka", "spool", "busy" };
    return outcome != EVENTS_BUSY && type == EVENT_REJECTED ? "rejected"
                                                            : labels[outcome];
}

void ingest_metrics_events(struct ingest_metrics *m, struct source_series *source,
                           enum event_type type, enum event_outcome outcome,
                           uint64_t count)
{
    struct metric_series *series = atomic_load(&source->events[type][outcome]);
    if (series == NULL) {
        series = metrics_series(m->registry, EVENTS, source->slug, event_type_name(type),
                                outcome_label(type, outcome));
        atomic_store(&source->events[type][outcome], series);
    }
    metric_add(series, (double)count);
}

/* ---- the rest ---- */

void ingest_metrics_auth_failure(struct ingest_metrics *m, const char *source,
                                 const char *reason)
{
    metric_add(metrics_series(m->registry, AUTH_FAILURES, source, reason, NULL), 1);
}

void ingest_metrics_discards_in(struct ingest_metrics *m, const char *source,
                                int64_t seconds)
{
    metric_set(metrics_series(m->registry, DISCARDS_IN, source, NULL, NULL),
               (double)seconds);
}

void ingest_metrics_delivered(struct ingest_metrics *m, int64_t took_ms)
{
    metric_observe(m->delivery_seconds, (double)took_ms / 1e3);
}

void ingest_metrics_kafka_error(struct ingest_metrics *m, const char *error)
{
    metric_add(metrics_series(m->registry, KAFKA_ERRORS, error, NULL, NULL), 1);
}

void ingest_metrics_spool_synced(struct ingest_metrics *m, int64_t duration_us)
{
    metric_observe(m->fsync_seconds, (double)duration_us / 1e6);
}

static void set_gauge(struct ingest_metrics *m, enum metric_id id, double value)
{
    metric_set(metrics_series(m->registry, id, NULL, NULL, NULL), value);
}

static void set_spool(struct ingest_metrics *m, const struct spool_figures *f)
{
    struct metric_series *corrupt =
        metrics_series(m->registry, SPOOL_CORRUPT_RECORDS, NULL, NULL, NULL);
    double age_ms =
        f->oldest_made_at_ms == 0 ? 0 : (double)(clock_real_ms() - f->oldest_made_at_ms);
    set_gauge(m, SPOOL_BYTES, (double)f->disk_bytes);
    set_gauge(m, SPOOL_CAPACITY_BYTES, (double)f->max_bytes);
    set_gauge(m, SPOOL_RECORDS, (double)f->records);
    set_gauge(m, SPOOL_OLDEST_AGE_SECONDS, age_ms > 0 ? age_ms / 1e3 : 0);
    metric_add(corrupt, (double)f->corrupt_records - metric_value(corrupt));
}

void ingest_metrics_state(struct ingest_metrics *m, const struct ingest_state *state)
{
    set_gauge(m, INFLIGHT_REQUESTS, state->inflight_requests);
    set_gauge(m, INFLIGHT_BYTES, (double)state->inflight_bytes);
    set_gauge(m, KAFKA_QUEUE_MESSAGES, state->kafka_queue);
    metric_set(m->circuit_open, state->is_circuit_open ? 1 : 0);
    set_gauge(m, SOURCES_RELOAD_FAILED, state->has_reload_failed ? 1 : 0);
    set_spool(m, &state->spool);
}
