/* sink: the port of the database: PostgreSQL (loader/postgres/) or a test's fake.
 *
 * One thread (the writer) calls it; it owns one connection. Every function makes one
 * attempt and reports; when to try again is the pipeline's decision, by the failure's
 * kind (reliability.md, 3.3), which `sink_failure_of` reads from the error's SQLSTATE.
 */
#ifndef LOADER_POSTGRES_SINK_H
#define LOADER_POSTGRES_SINK_H

#include "loader/load/batch.h"
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
    /* The one transaction of a batch: advance, staging, insert, rejected, deletions,
     * statistics. counts[i] belongs to batch table i. */
    bool (*load)(void *context, const char *cluster_id, const struct batch *batch,
                 struct load_counts *counts, struct error *err);
    /* Tries a row of our own values in the table, rolled back: false with the error when
     * even that is refused. */
    bool (*probe)(void *context, const struct table *table, struct error *err);
};

#endif
