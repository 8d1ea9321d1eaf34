/* metrics: counters, gauges and histograms in Prometheus' text format (version 0.0.4).
 *
 * Each process declares its metrics once, in a table, with unit (in the name: _seconds,
 * _bytes, _total), labels and a sentence; the table's index is the metric's id. A series
 * (metric with label values) is found once and then updated by an atomic: keep the
 * pointer on hot paths. Labels are bounded sets (source, topic, table, reason), never ids
 * or names of events: beyond METRICS_MAX_SERIES of one metric, further values share the
 * series "other". Any thread.
 */
#ifndef COMMON_SERVICE_METRICS_H
#define COMMON_SERVICE_METRICS_H

#include "common/base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define METRICS_MAX_LABELS 3
#define METRICS_MAX_SERIES 1000

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_desc {
    const char *name;
    enum metric_type type;
    const char *labels[METRICS_MAX_LABELS]; /* names; unused ones NULL */
    const char *help;                       /* one sentence */
    const double *bounds;                   /* histograms: ascending, ended by 0 */
};

struct metrics;
struct metric_series;

/* A registry for the table, which must outlive it. Series without labels exist from the
 * start (a counter that never counted shows 0). `build_info{version,program}` and process
 * figures (CPU, RSS, open files, start time) are added by the registry itself. */
struct metrics *metrics_new(const char *program, const struct metric_desc *table,
                            size_t count);

/* Frees the registry; its series are gone. NULL is allowed. */
void metrics_free(struct metrics *m);

/* The series of metric `id` with these label values (as many as the metric has labels;
 * others NULL). Created when new. The pointer is valid as long as the registry. */
struct metric_series *metrics_series(struct metrics *m, size_t id, const char *value1,
                                     const char *value2, const char *value3);

/* Counters and gauges; only a gauge may go down. */
void metric_add(struct metric_series *s, double amount);

/* Gauges only. */
void metric_set(struct metric_series *s, double value);

/* Gauges only: it is written no more until it is set again. For what is gone (a partition
 * that another has now): its last value would be taken for the present one. */
void metric_hide(struct metric_series *s);

/* Histograms only. */
void metric_observe(struct metric_series *s, double value);

/* The value of a counter or gauge; the sum of a histogram. */
double metric_value(const struct metric_series *s);

/* Has `refresh` called at the start of each scrape, on the thread that scrapes, to set
 * gauges from live state. At most 8 of them. */
void metrics_on_scrape(struct metrics *m, void (*refresh)(void *context), void *context);

/* Appends the exposition of all metrics to `out` (no maximum). */
void metrics_write(struct metrics *m, struct buf *out);

#endif
