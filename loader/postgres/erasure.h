/* erasure: deletes the rows of users who asked for it (operations.md, section 5): the
 * steps, each one statement.
 *
 * A request is a row of backstitch.deletion; it is open until its completed_at is set.
 * From the moment it is there every load withholds the user's events from before it; a
 * load that was under way then is waited for (erasure_wait). What a step has deleted is
 * counted in the request by the same statement: after a crash the rest goes on, and the
 * count stays right. One thread, one connection with long limits (erasure_open).
 */
#ifndef LOADER_POSTGRES_ERASURE_H
#define LOADER_POSTGRES_ERASURE_H

#include "loader/postgres/connection.h"

/* A column of a table that holds user ids. */
struct erasure_place {
    char *schema, *table, *column;
    bool is_number;                      /* else text */
    bool has_sequence, is_partitioned;   /* it has _sdc_sequence; it has parts */
    bool has_received_at, has_timestamp; /* as times */
};

struct erasure_places {
    struct erasure_place *list;
    size_t count;
    struct buf without; /* tables that name no user: "schema.table", a line each */
};

/* Whose rows a step has deleted. */
struct erasure_count {
    char *user;
    int64_t rows;
};

struct erasure_counts {
    struct erasure_count *list;
    size_t count;
};

/* What is done: the open requests of a schema up to a time, of one user or of all. */
struct erasure {
    const char *schema;
    const char *until; /* as PostgreSQL writes it */
    const char *user;  /* NULL: all */
    bool is_dry;       /* counts, and writes nothing: a user needs no request then */
};

/* Connects, with time for whole tables. */
MUST_CHECK bool erasure_open(struct connection *c, const char *url, struct error *err);

/* Notes a request of now, unless it is dry; nothing new when the same was made within a
 * minute and is open. *out_now: the time, as PostgreSQL writes it; free() it. */
MUST_CHECK bool erasure_request(struct connection *c, const struct erasure *e,
                                char **out_now, struct error *err);

/* Schemas with open requests, or only `schema` when it has any; one a row, with the time
 * now. */
MUST_CHECK bool erasure_schemas(struct connection *c, const char *schema,
                                struct pg_result **out, struct error *err);

/* Everywhere the events of this schema's source are: its tables, and those of replays'
 * targets and of schemas that a swap has kept. */
MUST_CHECK bool erasure_find_places(struct connection *c, const char *schema,
                                    struct erasure_places *out, struct error *err);
/* Frees what was found. */
void erasure_places_release(struct erasure_places *places);

/* Waits until every load that began before now is over. RETRY when one goes on for
 * longer than a few seconds. */
MUST_CHECK bool erasure_wait(struct connection *c, const char *schema, struct error *err);

/* Deletes a bounded number of rows; *out: by user, none: there are no more. Dry: counts
 * all of them. */
MUST_CHECK bool erasure_step(struct connection *c, const struct erasure *e,
                             const struct erasure_place *place,
                             struct erasure_counts *out, struct error *err);
void erasure_counts_release(struct erasure_counts *counts);

/* The open requests are done; rows as (user, asked at, rows
 * deleted, done at). */
MUST_CHECK bool erasure_complete(struct connection *c, const struct erasure *e,
                                 struct pg_result **out, struct error *err);

#endif
