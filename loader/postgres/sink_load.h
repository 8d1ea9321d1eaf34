/* sink_load: what the loader and its database exchange: what one transaction loads, where
 * partitions stand, what waits, what was refused. Values; arrays are the caller's, and
 * only read.
 */
#ifndef LOADER_POSTGRES_SINK_LOAD_H
#define LOADER_POSTGRES_SINK_LOAD_H

#include "loader/mapping/map_event.h"
#include "loader/mapping/table.h"

#include "common/contract/event_type.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The table of a schema's rejected events; what is of no schema goes to that of this
 * one. */
#define SINK_REJECTED_TABLE "_sdc_rejected"
#define SINK_CONTROL_SCHEMA "backstitch"

/* A partition's position in backstitch.load_offset. */
struct sink_position {
    const char *topic;
    int32_t partition;
    int64_t next_offset; /* -1: no row */
};

/* A position that is moved outside of a load: a partition's first use, an operator's
 * reset, a gap that was accepted. */
struct sink_move {
    const char *topic;
    int32_t partition;
    int64_t expected; /* where it is; -1: there is none */
    int64_t next;
    int64_t
        missing; /* records that are left out; 0: none. They are noted with the move */
    const char *why; /* of a gap */
};

#define SINK_NAME_BYTES 64 /* PostgreSQL's limit on names, with a NUL */

/* Offsets of one partition at which records wait for one table
 * (backstitch.held). */
struct sink_range {
    char topic[TOPIC_NAME_BYTES];
    int32_t partition;
    char schema[SINK_NAME_BYTES];
    char table[SINK_NAME_BYTES];
    int64_t from; /* the first that may wait */
    int64_t to;   /* the one behind the last */
};

struct sink_interval { /* how far a load moves a partition */
    const char *topic;
    int32_t partition;
    int64_t from; /* the position that must be in force */
    int64_t to;   /* the next one */
    /* Of a replay: records read, and how many of them it does not want, or are requests
     * for deletion. */
    uint64_t records, skipped, deletions;
};

struct sink_rows {                 /* a table's part of a load */
    const struct table_plan *plan; /* its numbers of columns are those of the cells */
    const struct table *table; /* what is loaded into: it has every column of the plan */
    const struct row *rows;
    size_t row_count;
    uint64_t bytes; /* of the rows' events */
    uint64_t suppressed_integrations;
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

/* Records of one schema and type in a load, counted as they were read: whatever becomes
 * of them must add up to this (backstitch.ledger). */
struct sink_tally {
    struct view schema; /* "backstitch" where the record names none of ours */
    struct view table;  /* the type's; "_sdc_rejected" for what ingest refused */
    struct view source; /* whose events these are */
    int64_t last_received_at_ms;
    uint64_t records; /* none in a slice: they were counted when the position passed */
    uint64_t rejected, deletions;
    int64_t held; /* those that wait from now on; less those that have waited until now */
};

/* Records of an interval that are not loaded because their table is held: the range is
 * begun, or its end moves. */
struct sink_hold {
    struct sink_range range;
    const char *code; /* SQLSTATE, or "" */
    const char *reason;
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
    const struct sink_hold *holds;
    size_t hold_count;
    const struct sink_tally *tallies;
    size_t tally_count;
    /* NULL, or what of a held range is loaded: its start moves from slice->from to
     * slice->to, and the range is gone when nothing is left. Then no interval moves. */
    const struct sink_range *slice;
    int64_t lost;   /* of the slice: so many offsets are no longer in the log: noted */
    bool is_staged; /* only the staged way: COPY straight into a table has refused what no
                       trial found */
};

/* In place of the number of a table: the failure is no single table's. */
#define SINK_NO_TABLE SIZE_MAX

struct load_counts { /* of one table in one transaction, counted by the database */
    uint64_t rows_new, rows_replaced, rows_duplicate, rows_suppressed;
};

struct sink_refusal { /* a row that the database does not take */
    size_t row;
    char code[6]; /* SQLSTATE */
    char text[200];
};

/* What trying a table's rows one part after the other has shown. */
struct sink_trial {
    bool is_table_at_fault;        /* even a row of our own is refused */
    struct sink_refusal *refusals; /* ascending by row; free() */
    size_t refusal_count, refusal_capacity;
};

#endif
