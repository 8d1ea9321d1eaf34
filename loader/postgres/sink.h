/* sink: the port of the database: PostgreSQL (loader/postgres/) or a test's fake.
 *
 * One thread (the writer) calls it; it owns one connection. What is to be loaded comes as
 * a value, a `struct sink_load`: the caller's arrays, only read. Every function makes one
 * attempt and reports; when to try again is the pipeline's decision, by the failure's
 * kind (reliability.md, 3.3), which `sink_failure_of` reads from the error's SQLSTATE.
 */
#ifndef LOADER_POSTGRES_SINK_H
#define LOADER_POSTGRES_SINK_H

#include "loader/mapping/map_event.h"
#include "loader/mapping/table.h"

#include "common/base/error.h"

enum sink_failure {
    SINK_RECONNECT, /* 08*, 57P01-03, 25006, 53300, dead socket: back off, same batch,
                       unlimited */
    SINK_RETRY,     /* 40001, 40P01, 55P03: the same batch again */
    SINK_TOO_SLOW,  /* 57014: again, with half the batch */
    SINK_RESOURCE,  /* 53100, 53200, 58030: long back-off, page */
    SINK_STALE,    /* 42P01, 42703, 42804, 0A000 (cached plan), BS002: read the catalogue,
                      map again */
    SINK_DDL_RACE, /* 42P07, 42701, 42710, 23505 on a pg_catalog index: somebody else did
                      it */
    SINK_POISON,   /* 22*, 23*, 54000, 54001, 54011: some event is refused */
    SINK_FENCED,   /* BS001: our position is not the database's */
    SINK_CONFIG,   /* 28*, 42501, 3D000, 3F000: hold, retry slowly, page */
    SINK_BUG,      /* anything else: stop the partition, page, reject nothing */
};

/* By the SQLSTATE in the error's code; what is not listed is SINK_BUG. */
enum sink_failure sink_failure_of(const struct error *err);

/* "reconnect", "retry", ..: the word for logs and metrics. */
const char *sink_failure_name(enum sink_failure failure);

/* A partition's position in backstitch.load_offset. */
struct sink_position {
    const char *topic;
    int32_t partition;
    int64_t next_offset; /* -1: no row */
};

struct sink_interval { /* how far a load moves a partition */
    const char *topic;
    int32_t partition;
    int64_t from; /* the position that must be in force */
    int64_t to;   /* the next one */
};

struct sink_rows {                 /* a table's part of a load */
    const struct table_plan *plan; /* its numbers of columns are those of the cells */
    const struct table *table; /* what is loaded into: it has every column of the plan */
    const struct row *rows;
    size_t row_count;
    uint64_t bytes; /* of the rows' events */
    uint64_t suppressed_integrations;
    /* Whose events these are, and the latest receipt among them. */
    struct view source;
    int64_t last_received_at_ms;
};

struct sink_rejected {
    struct view schema; /* empty: backstitch._sdc_rejected */
    struct map_rejected rejected;
    const char *topic;
    int32_t partition;
    int64_t offset;
};

struct sink_deletion {
    struct view schema;
    struct map_deletion deletion;
};

/* What one transaction loads. */
struct sink_load {
    const struct sink_interval *intervals;
    size_t interval_count;
    const struct sink_rows *tables;
    size_t table_count;
    const struct sink_rejected *rejected;
    size_t rejected_count;
    const struct sink_deletion *deletions;
    size_t deletion_count;
};

/* In place of the number of a table: the failure is no single table's. */
#define SINK_NO_TABLE SIZE_MAX

struct load_counts { /* of one table in one transaction, counted by the database */
    uint64_t rows_new, rows_replaced, rows_duplicate, rows_suppressed;
};

struct sink {
    void *context;
    /* Connects (again): session settings, migrations of the control schema under an
     * advisory lock. */
    bool (*connect)(void *context, struct error *err);
    void (*disconnect)(void *context);
    /* The table as it is now; one that does not exist gives a table with exists == false.
     * *out has one reference. */
    bool (*read_table)(void *context, struct view schema, struct view name,
                       struct table **out, struct error *err);
    /* Makes schema, table and columns that the plan adds, in a transaction of its own
     * under the DDL lock, and reads the table again. Columns that exist meanwhile are
     * left as they are: the caller compares. RETRY (55P03) when a reader holds the table
     * beyond lock_timeout. */
    bool (*extend)(void *context, const struct table_plan *plan, struct table **out,
                   struct error *err);
    /* Fills next_offset of each position. */
    bool (*read_positions)(void *context, const char *cluster_id,
                           struct sink_position *positions, size_t count,
                           struct error *err);
    /* Sets a position outside of a load: a partition's first use, or an operator's reset.
     * BS001 unless the row is still at `expected` (-1: there is none). */
    bool (*set_position)(void *context, const char *cluster_id,
                         const struct sink_position *position, int64_t expected,
                         struct error *err);
    /* The one transaction of a batch: advance, rows, rejected, deletions, statistics.
     * counts[i] belongs to tables[i] of the load. On failure nothing is loaded, and
     * *failed_table says at which of them the database stopped, or SINK_NO_TABLE. */
    bool (*load)(void *context, const char *cluster_id, const struct sink_load *load,
                 struct load_counts *counts, size_t *failed_table, struct error *err);
    /* Tries a row of our own values in the table, rolled back: false with the error when
     * even that is refused. */
    bool (*probe)(void *context, const struct table *table, struct error *err);
};

#endif
