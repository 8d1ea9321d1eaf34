/* staging: what a session keeps for each data table: a temporary table, shaped like it,
 * into which rows are copied that cannot go straight into the table; the statement that
 * looks ids up (lookup.h); and what the direct load has learned of it.
 *
 * An entry belongs to one version of its table, known by the fingerprint; a new version
 * gets a new one. All are gone with the session.
 */
#ifndef LOADER_POSTGRES_STAGING_H
#define LOADER_POSTGRES_STAGING_H

#include "loader/mapping/table.h"
#include "loader/postgres/connection.h"

/* What a staging table has besides its table's columns, in COPY's order: whose event the
 * row is, since when, and when we received it. What is asked of every row must not depend
 * on the types that an existing table has for it. */
#define STAGING_USER "_backstitch_user"
#define STAGING_SINCE "_backstitch_since"
#define STAGING_RECEIVED "_backstitch_received"
#define STAGING_COLUMNS STAGING_USER "," STAGING_SINCE "," STAGING_RECEIVED

struct staging_table {
    const struct table *table; /* a reference */
    unsigned number;           /* pg_temp.staging_<number>, lookup_<number> */
    /* What the direct load has learned: */
    bool has_deletions;           /* its schema has, so users must be asked for */
    int64_t staged_until_mono_ms; /* COPY into it is refused (row security, a right) */
};

struct staging {
    struct staging_table *tables;
    size_t count;
    unsigned next_number;
};

/* The staging table of this version of the table, made when there is none; an older
 * version's is dropped. */
MUST_CHECK bool staging_find(struct staging *s, struct connection *c,
                             const struct table *table, unsigned *out_number,
                             struct error *err);

/* The entry of a table for which staging_find was called. Valid until the next call of
 * that. */
struct staging_table *staging_entry(const struct staging *s, const struct table *table);

/* Forgets all: the session is over. */
void staging_clear(struct staging *s);

#endif
