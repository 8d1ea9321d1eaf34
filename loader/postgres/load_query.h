/* load_query: the text of a batch's transaction: one simple-query string
 * (architecture.md, section 4). Pure.
 *
 * In order: advance every partition, or the start of a held range (BS001 arrives before
 * the first COPY), note what waits for its table, one shared advisory lock per schema,
 * lock the tables and check that each is what the batch was mapped for (BS002),
 * deletions, then for each table, by name: empty its staging table, COPY, INSERT with its
 * counts; rejected events; what was read, for the ledger. The same shape is frozen as a
 * fixture in tests/component/sql, with its own test.
 */
#ifndef LOADER_POSTGRES_LOAD_QUERY_H
#define LOADER_POSTGRES_LOAD_QUERY_H

#include "loader/postgres/positions.h"
#include "loader/postgres/sink.h"

#include "common/base/buf.h"

/* A table of the load as the query needs it. */
struct load_table {
    const struct sink_rows *rows;
    size_t index;      /* in the load */
    unsigned staging;  /* number of its staging table */
    uint32_t *columns; /* plan indices of the columns that any row fills, ascending:
                          COPY's columns */
    size_t column_count;
};

struct load_query {
    const struct sink_load *load;
    const struct load_table
        *tables; /* ordered by schema and name; those with rows only */
    size_t table_count;
    struct positions_key key;
    /* The schema whose requests for deletion hold; NULL: each table's own. */
    const char *deletions_of;
    bool newest_wins;
    bool overwrites;      /* a row is also replaced by the very copy it came from */
    bool clears_rejected; /* what is loaded leaves _sdc_rejected: a retry */
};

/* Appends the whole string. */
void load_query_write(const struct load_query *q, struct buf *sql);

/* Its parts: what comes before the tables' rows (positions, locks, checks, deletions),
 * and what comes after them (what was withheld or rejected). */
void load_query_write_head(const struct load_query *q, struct buf *sql);
void load_query_write_tail(const struct load_query *q, struct buf *sql);

/* Appends what loads one table's rows: three statements. */
void load_query_write_rows(const struct load_query *q, const struct load_table *t,
                           struct buf *sql);

/* Whose requests for deletion hold for this table. */
struct view load_query_deletions_of(const struct load_query *q, const struct table *t);

/* Which table (its number in the load, or table_count + i for the _sdc_rejected of
 * rejected[i]'s schema) the statement `at` of the string is about, counted
 * from 0; SINK_NO_TABLE: none. */
size_t load_query_table_of(const struct load_query *q, size_t at);

/* The name of the first result column of a table's counts: rows_new, rows_replaced,
 * rows_suppressed follow. */
#define LOAD_QUERY_COUNTS "backstitch_rows_new"

#endif
