/* direct_query: the text of the direct load: two simple-query strings in one transaction
 * (architecture.md, section 4, "Direct first"). Pure.
 *
 * The head: BEGIN, then as in every load positions, locks, checks and deletion requests
 * (load_query.h); the transaction's time and which schemas have deletions; for tables of
 * such a schema, which of the rows' users asked for one; for each table which of the ids
 * are there (a look-up that the session has prepared: lookup.h); for each table a binary
 * COPY. The answers come before the first COPY wants its rows, so head, look-up and COPY
 * are one round trip. The tail: what must go the staged way, statistics, rejected events,
 * COMMIT. Both are frozen in tests/component/sql.
 */
#ifndef LOADER_POSTGRES_DIRECT_QUERY_H
#define LOADER_POSTGRES_DIRECT_QUERY_H

#include "loader/postgres/copies.h"
#include "loader/postgres/load_query.h"

struct direct_table {
    const struct load_table *table; /* of the query below */
    bool is_direct;                 /* else all of its rows are staged */
    bool asks_users;                /* its schema had deletions when it was last asked */
    struct copies copies;
    uint64_t rows_new; /* of the COPY */
    /* The first receipt among the rows that are not staged. */
    int64_t first_received_us;
};

struct direct_query {
    const struct load_query *load; /* positions, tables, what is rejected */
    struct direct_table *tables;   /* as many, in the same order */
    int64_t now_us;                /* the transaction's, for the tail */
};

/* Results are told apart by the name of their first column. The time, then for each table
 * whether its schema has deletions; a user. LOOKUP_ID is the third. */
#define DIRECT_NOW "backstitch_now"
#define DIRECT_USER "backstitch_user"

/* Appends the head; what the answers say is not known yet. */
void direct_query_write_head(const struct direct_query *q, struct buf *sql);

/* Appends the tail. `staged`: the tables with rows that are staged, and only these rows.
 */
void direct_query_write_tail(const struct direct_query *q,
                             const struct load_query *staged, struct buf *sql);

#endif
