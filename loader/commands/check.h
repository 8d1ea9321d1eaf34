/* check: the parts of the `check` command, beside what it asks Kafka itself.
 *
 * Each asks one thing of PostgreSQL and adds what it found: everything is looked at, and
 * nothing changed. One thread.
 */
#ifndef LOADER_COMMANDS_CHECK_H
#define LOADER_COMMANDS_CHECK_H

#include "loader/commands/options.h"
#include "loader/postgres/connection.h"

#include "common/service/findings.h"

/* Who we are there, for statements that people can paste. */
struct check_names {
    char role[128];     /* quoted */
    char database[128]; /* quoted */
};

struct check {
    struct connection *connection;
    const struct loader_options *options;
    struct check_names names;
    struct findings *findings;
};

/* Fills c->names. */
MUST_CHECK bool check_read_names(struct check *c, struct error *err);

/* The server itself, the way to it, and the role's rights in the database. */
void check_database(const struct check *c);

/* The rights in one schema, and what is wrong with its tables. */
void check_schema_rights(const struct check *c, const char *schema);

/* What will become of each table and column of a schema that is there already; its rights
 * too. */
void check_schema(const struct check *c, const char *schema);

/* The schemas that were loaded before (backstitch.source), each with
 * check_schema_rights; `but` is left out (NULL: none). */
void check_known_schemas(const struct check *c, const char *but);

#endif
