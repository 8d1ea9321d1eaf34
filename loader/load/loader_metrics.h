/* loader_metrics: the loader's metrics: the one table of their names, units and meaning
 * (operations.md, section 2), and what the drivers tell it.
 *
 * Labels are bounded: topic, partition, table ("schema.table"), outcome, reason. Any
 * thread.
 */
#ifndef LOADER_LOAD_LOADER_METRICS_H
#define LOADER_LOAD_LOADER_METRICS_H

#include "loader/load/batch.h"

#include "common/service/metrics.h"

struct loader_metrics;

/* All metrics at zero; of the process. */
struct loader_metrics *loader_metrics_new(void);
void loader_metrics_free(struct loader_metrics *m);

/* For the admin server. */
struct metrics *loader_metrics_registry(struct loader_metrics *m);

/* A record was taken from the log. */
void loader_metrics_record(struct loader_metrics *m, const struct record *r);

/* A load was committed: counts[i] belongs to its table i; and how long it took. */
void loader_metrics_loaded(struct loader_metrics *m, const struct sink_load *load,
                           const struct load_counts *counts);
void loader_metrics_transaction(struct loader_metrics *m, int64_t ms);

/* All of a batch is loaded: its size, its age, and the freshness of each of its events.
 */
void loader_metrics_batch(struct loader_metrics *m, const struct batch *b,
                          int64_t now_mono_ms);

/* `kind`: "create", "alter". */
void loader_metrics_ddl(struct loader_metrics *m, const char *kind);

/* The columns that a table has now. */
void loader_metrics_columns(struct loader_metrics *m, const struct table *t);

/* The writer had nothing to do for so long although there was more to load. */
void loader_metrics_writer_idle(struct loader_metrics *m, int64_t idle_us);

/* An attempt failed; `kind` is sink_failure_name. */
void loader_metrics_retry(struct loader_metrics *m, const char *kind);

/* A table's records wait, or no longer; so many ranges of assigned partitions wait. */
void loader_metrics_held(struct loader_metrics *m, struct view schema, struct view name,
                         bool is_held);
void loader_metrics_held_ranges(struct loader_metrics *m, size_t count);

/* The assignment changed; a position was not where we thought it was; records that were
 * left out; offsets that could not be committed to the group. */
void loader_metrics_rebalance(struct loader_metrics *m);
void loader_metrics_fenced(struct loader_metrics *m);
void loader_metrics_gap(struct loader_metrics *m, uint64_t records);
void loader_metrics_commit_failed(struct loader_metrics *m);

/* Partitions that stand until something is mended; how much of one is not loaded; one is
 * another loader's now: its lag is no longer ours to tell. */
void loader_metrics_stopped_partitions(struct loader_metrics *m, size_t count);
void loader_metrics_lag(struct loader_metrics *m, const char *topic, int32_t partition,
                        int64_t records);
void loader_metrics_not_assigned(struct loader_metrics *m, const char *topic,
                                 int32_t partition);

/* Since when the oldest record that was taken and is not loaded waits, by its receipt;
 * 0: there is none. */
void loader_metrics_oldest(struct loader_metrics *m, int64_t received_at_ms);

#endif
