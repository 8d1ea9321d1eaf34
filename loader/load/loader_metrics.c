#include "loader/load/loader_metrics.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum metric_id {
    RECORDS,
    ROWS,
    REJECTED,
    SANITIZED,
    OVERFLOWED,
    BATCH_ROWS,
    BATCH_SECONDS,
    TRANSACTION_SECONDS,
    WRITER_IDLE,
    WRITER_IDLE_LONGEST,
    RETRIES,
    DDL,
    TABLE_COLUMNS,
    LAG,
    FRESHNESS,
    REBALANCES,
    FENCED,
    OFFSET_GAP,
    COMMITS_FAILED,
    HELD_TABLES,
    HELD_RANGES,
    OLDEST,
    STOPPED_PARTITIONS,
    METRIC_COUNT
};

static const double row_bounds[] = { 1, 10, 50, 100, 500, 1000, 2500, 5000, 10000, 0 };
static const double second_bounds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                        0.1,   0.25,   0.5,   1,    2.5,   5,
                                        10,    30,     60,    300,  0 };

static const double idle_bounds[] = { 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05,
                                      0.1,   0.25,   0.5,   1,    5,    0 };

static const struct metric_desc table[METRIC_COUNT] = {
    [RECORDS] = { "loader_records_total",
                  METRIC_COUNTER,
                  { "topic" },
                  "Records taken from the log.",
                  NULL },
    [ROWS] = { "loader_rows_total",
               METRIC_COUNTER,
               { "table", "outcome" },
               "What became of the rows of a table: new, replaced, duplicate, "
               "suppressed.",
               NULL },
    [REJECTED] = { "loader_rejected_total",
                   METRIC_COUNTER,
                   { "reason" },
                   "Events kept in _sdc_rejected, by reason.",
                   NULL },
    [SANITIZED] = { "loader_sanitized_total",
                    METRIC_COUNTER,
                    { "kind" },
                    "Values in which NUL or a lone surrogate became U+FFFD.",
                    NULL },
    [OVERFLOWED] = { "loader_overflowed_total",
                     METRIC_COUNTER,
                     { NULL },
                     "Values that went to _sdc_extra because a limit was reached.",
                     NULL },
    [BATCH_ROWS] = { "loader_batch_rows",
                     METRIC_HISTOGRAM,
                     { NULL },
                     "Records in a committed batch.",
                     row_bounds },
    [BATCH_SECONDS] = { "loader_batch_seconds",
                        METRIC_HISTOGRAM,
                        { NULL },
                        "From a batch's first record to its commit.",
                        second_bounds },
    [TRANSACTION_SECONDS] = { "loader_transaction_seconds",
                              METRIC_HISTOGRAM,
                              { NULL },
                              "Duration of a load transaction.",
                              second_bounds },
    [WRITER_IDLE] = { "loader_writer_idle_seconds",
                      METRIC_HISTOGRAM,
                      { NULL },
                      "How long the writer waited for its next batch while there was "
                      "more to load.",
                      idle_bounds },
    [WRITER_IDLE_LONGEST] = { "loader_writer_idle_longest_seconds",
                              METRIC_GAUGE,
                              { NULL },
                              "The longest of these waits since the start.",
                              NULL },
    [RETRIES] = { "loader_retries_total",
                  METRIC_COUNTER,
                  { "class" },
                  "Failed attempts at the database, by kind of failure.",
                  NULL },
    [DDL] = { "loader_ddl_total",
              METRIC_COUNTER,
              { "kind" },
              "Tables created and altered.",
              NULL },
    [TABLE_COLUMNS] = { "loader_table_columns",
                        METRIC_GAUGE,
                        { "table" },
                        "Columns of a table as last read.",
                        NULL },
    [LAG] = { "loader_lag_records",
              METRIC_GAUGE,
              { "topic", "partition" },
              "Records of an assigned partition that are not loaded yet.",
              NULL },
    [FRESHNESS] = { "loader_freshness_seconds",
                    METRIC_HISTOGRAM,
                    { NULL },
                    "From the receipt of an event to its commit, of every event.",
                    second_bounds },
    [REBALANCES] = { "loader_rebalances_total",
                     METRIC_COUNTER,
                     { NULL },
                     "Changes of the partitions assigned to this loader.",
                     NULL },
    [FENCED] = { "loader_fenced_total",
                 METRIC_COUNTER,
                 { NULL },
                 "Batches refused because the position in the database was another's.",
                 NULL },
    [OFFSET_GAP] = { "loader_offset_gap_total",
                     METRIC_COUNTER,
                     { NULL },
                     "Records left out because an operator said so.",
                     NULL },
    [COMMITS_FAILED] = { "loader_kafka_commit_failures_total",
                         METRIC_COUNTER,
                         { NULL },
                         "Offsets that could not be committed to the group: lag tools "
                         "stand still, nothing else.",
                         NULL },
    [HELD_TABLES] = { "loader_table_held",
                      METRIC_GAUGE,
                      { "table" },
                      "1: records of this table wait in Kafka, because it cannot be "
                      "loaded.",
                      NULL },
    [HELD_RANGES] = { "loader_held_ranges",
                      METRIC_GAUGE,
                      { NULL },
                      "Ranges of offsets of assigned partitions that wait for a table.",
                      NULL },
    [OLDEST] = { "loader_oldest_unloaded_seconds",
                 METRIC_GAUGE,
                 { NULL },
                 "Age, since its receipt, of the oldest record that was taken from the "
                 "log and is not loaded.",
                 NULL },
    [STOPPED_PARTITIONS] = { "loader_stopped_partitions",
                             METRIC_GAUGE,
                             { NULL },
                             "Assigned partitions that stand still until something is "
                             "mended.",
                             NULL },
};

struct loader_metrics {
    struct metrics *registry;
    int64_t longest_idle_us; /* the consumer's thread */
};

struct loader_metrics *loader_metrics_new(void)
{
    struct loader_metrics *m = mem_calloc(1, sizeof *m);
    m->registry = metrics_new("backstitch-loader", table, METRIC_COUNT);
    return m;
}

void loader_metrics_free(struct loader_metrics *m)
{
    if (m != NULL) {
        metrics_free(m->registry);
        free(m);
    }
}

struct metrics *loader_metrics_registry(struct loader_metrics *m)
{
    return m->registry;
}

static struct metric_series *plain(struct loader_metrics *m, enum metric_id id)
{
    return metrics_series(m->registry, id, NULL, NULL, NULL);
}

static void count(struct loader_metrics *m, enum metric_id id, const char *label,
                  double amount)
{
    if (amount > 0) {
        metric_add(metrics_series(m->registry, id, label, NULL, NULL), amount);
    }
}

void loader_metrics_record(struct loader_metrics *m, const struct record *r)
{
    count(m, RECORDS, event_type_name(r->topic), 1);
}

/* "schema.table", the label of a table. */
static void label_of(const struct table *t, char out[160])
{
    snprintf(out, 160, "%.*s.%.*s", VIEW_ARG(table_schema(t)), VIEW_ARG(table_name(t)));
}

static void count_rows(struct loader_metrics *m, const char *label, const char *outcome,
                       uint64_t rows)
{
    if (rows > 0) {
        metric_add(metrics_series(m->registry, ROWS, label, outcome, NULL), (double)rows);
    }
}

void loader_metrics_loaded(struct loader_metrics *m, const struct sink_load *load,
                           const struct load_counts *counts)
{
    for (size_t i = 0; i < load->table_count; i++) {
        char label[160];
        label_of(load->tables[i].table, label);
        count_rows(m, label, "new", counts[i].rows_new);
        count_rows(m, label, "replaced", counts[i].rows_replaced);
        count_rows(m, label, "duplicate", counts[i].rows_duplicate);
        count_rows(m, label, "suppressed",
                   counts[i].rows_suppressed + load->tables[i].suppressed_integrations);
    }
    for (size_t i = 0; i < load->rejected_count; i++) {
        count(m, REJECTED, reject_reason_text(load->rejected[i].rejected.word), 1);
    }
}

void loader_metrics_transaction(struct loader_metrics *m, int64_t ms)
{
    metric_observe(plain(m, TRANSACTION_SECONDS), (double)ms / 1000.0);
}

void loader_metrics_batch(struct loader_metrics *m, const struct batch *b,
                          int64_t now_mono_ms)
{
    struct metric_series *freshness = plain(m, FRESHNESS);
    int64_t now = clock_real_ms();
    count(m, SANITIZED, "text", (double)b->sanitized);
    count(m, OVERFLOWED, NULL, (double)b->overflowed);
    metric_observe(plain(m, BATCH_ROWS), (double)b->record_count);
    metric_observe(plain(m, BATCH_SECONDS),
                   (double)(now_mono_ms - b->first_at_mono_ms) / 1000.0);
    for (size_t i = 0; i < b->record_count; i++) {
        if (b->records[i].headers_are_valid && !b->records[i].is_skipped) {
            metric_observe(freshness,
                           (double)(now - b->records[i].record.received_at_ms) / 1000.0);
        }
    }
}

void loader_metrics_ddl(struct loader_metrics *m, const char *kind)
{
    count(m, DDL, kind, 1);
}

void loader_metrics_columns(struct loader_metrics *m, const struct table *t)
{
    char label[160];
    label_of(t, label);
    metric_set(metrics_series(m->registry, TABLE_COLUMNS, label, NULL, NULL),
               (double)table_column_count(t));
}

void loader_metrics_writer_idle(struct loader_metrics *m, int64_t idle_us)
{
    metric_observe(plain(m, WRITER_IDLE), (double)idle_us / 1e6);
    if (idle_us > m->longest_idle_us) {
        m->longest_idle_us = idle_us;
        metric_set(plain(m, WRITER_IDLE_LONGEST), (double)idle_us / 1e6);
    }
}

void loader_metrics_retry(struct loader_metrics *m, const char *kind)
{
    count(m, RETRIES, kind, 1);
}

void loader_metrics_rebalance(struct loader_metrics *m)
{
    metric_add(plain(m, REBALANCES), 1);
}

void loader_metrics_fenced(struct loader_metrics *m)
{
    metric_add(plain(m, FENCED), 1);
}

void loader_metrics_gap(struct loader_metrics *m, uint64_t records)
{
    metric_add(plain(m, OFFSET_GAP), (double)records);
}

void loader_metrics_stopped_partitions(struct loader_metrics *m, size_t count)
{
    metric_set(plain(m, STOPPED_PARTITIONS), (double)count);
}

void loader_metrics_lag(struct loader_metrics *m, const char *topic, int32_t partition,
                        int64_t records)
{
    char number[16];
    snprintf(number, sizeof number, "%d", partition);
    metric_set(metrics_series(m->registry, LAG, topic, number, NULL), (double)records);
}

void loader_metrics_not_assigned(struct loader_metrics *m, const char *topic,
                                 int32_t partition)
{
    char number[16];
    snprintf(number, sizeof number, "%d", partition);
    metric_hide(metrics_series(m->registry, LAG, topic, number, NULL));
}

void loader_metrics_held(struct loader_metrics *m, struct view schema, struct view name,
                         bool is_held)
{
    char label[160];
    snprintf(label, sizeof label, "%.*s.%.*s", VIEW_ARG(schema), VIEW_ARG(name));
    struct metric_series *s = metrics_series(m->registry, HELD_TABLES, label, NULL, NULL);
    if (is_held) {
        metric_set(s, 1);
    } else {
        metric_hide(s);
    }
}

void loader_metrics_held_ranges(struct loader_metrics *m, size_t count)
{
    metric_set(plain(m, HELD_RANGES), (double)count);
}

void loader_metrics_commit_failed(struct loader_metrics *m)
{
    metric_add(plain(m, COMMITS_FAILED), 1);
}

void loader_metrics_oldest(struct loader_metrics *m, int64_t received_at_ms)
{
    double age = (double)(clock_real_ms() - received_at_ms) / 1000.0;
    metric_set(plain(m, OLDEST), received_at_ms == 0 ? 0 : age);
}
