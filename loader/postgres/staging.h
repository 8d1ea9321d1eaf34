/* staging: the session's temporary tables: one for each data table, shaped like it.
 *
 * Rows are copied into a staging table and inserted from there (always: COPY straight
 * into the table was slower from one duplicate in 5,000 on). A staging table belongs to
 * one version of its table, known by the fingerprint; a new version gets a new one. All
 * are gone with the session.
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
    unsigned number;           /* pg_temp.staging_<number> */
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

/* Forgets all: the session is over. */
void staging_clear(struct staging *s);

#endif
