/* check_database: what `check` asks of the server, and of the role's rights in it. */
#include "loader/commands/check.h"
#include "loader/postgres/server_check.h"

#include <stdio.h>

/* The least rights that work are deploy/postgres/role.sql; each of them is a row here. In
 * a text, @r and @d stand for the role and the database. */
struct right {
    const char *sql; /* true or false */
    const char *ok, *problem;
};

static const struct right rights[] = {
    { "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = "
      "'off'",
      "the server takes writes", "the server is read-only: is it a replica?" },
    { "SELECT has_database_privilege(current_database(), 'TEMPORARY')",
      "temporary tables can be made",
      "the role may not make temporary tables: GRANT TEMPORARY ON DATABASE @d TO @r" },
    { "SELECT to_regnamespace('backstitch') IS NOT NULL"
      " OR has_database_privilege(current_database(), 'CREATE')",
      "the control schema is there, or can be made",
      "the role may not make the control schema: CREATE SCHEMA backstitch AUTHORIZATION "
      "@r, or GRANT CREATE ON DATABASE @d TO @r" },
    { "SELECT to_regnamespace('backstitch') IS NULL"
      " OR (has_schema_privilege(to_regnamespace('backstitch'), 'USAGE')"
      " AND has_schema_privilege(to_regnamespace('backstitch'), 'CREATE'))",
      "the control schema can be used",
      "the role may not use the schema backstitch: ALTER SCHEMA backstitch OWNER TO @r" },
    { "SELECT NOT EXISTS (SELECT FROM pg_class t"
      " WHERE t.relnamespace = to_regnamespace('backstitch') AND t.relkind = 'r'"
      " AND NOT (has_table_privilege(t.oid, 'SELECT') AND has_table_privilege(t.oid, "
      "'INSERT') AND has_table_privilege(t.oid, 'UPDATE') AND has_table_privilege(t.oid, "
      "'DELETE')))",
      "the control tables can be written",
      "the role may not write the tables of the schema backstitch: GRANT SELECT, INSERT, "
      "UPDATE, DELETE ON ALL TABLES IN SCHEMA backstitch TO @r" },
};

/* Asks something that is true or false; false with a finding when it cannot be asked. */
static bool ask(const struct check *c, const char *sql, int count,
                const char *const *values, bool *out)
{
    struct pg_result *r = NULL;
    struct error err;
    if (!connection_query(c->connection, sql, count, values, &r, &err)) {
        findings_add(c->findings, "postgres", false, "%s", err.text);
        return false;
    }
    *out = connection_rows(r) > 0 && view_equal_cstr(connection_field(r, 0, 0), "t");
    connection_free(r);
    return true;
}

static void add_named(struct buf *out, const struct check_names *names, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (at[0] == '@' && (at[1] == 'r' || at[1] == 'd')) {
            buf_add_cstr(out, *++at == 'r' ? names->role : names->database);
        } else {
            buf_add_char(out, *at);
        }
    }
}

static void check_right(const struct check *c, const struct right *right)
{
    bool ok = false;
    if (!ask(c, right->sql, 0, NULL, &ok)) {
        return;
    }
    struct buf text = { 0 };
    add_named(&text, &c->names, ok ? right->ok : right->problem);
    findings_add(c->findings, "rights", ok, "%s", buf_cstr(&text));
    buf_release(&text);
}

static void check_server(const struct check *c, bool is_fine, const struct error *err,
                         const char *ok)
{
    findings_add(c->findings, "postgres", is_fine, "%s", is_fine ? ok : err->text);
}

bool check_read_names(struct check *c, struct error *err)
{
    struct pg_result *r = NULL;
    if (!connection_query(c->connection,
                          "SELECT quote_ident(current_user), "
                          "quote_ident(current_database())",
                          0, NULL, &r, err)) {
        return false;
    }
    snprintf(c->names.role, sizeof c->names.role, "%.*s",
             VIEW_ARG(connection_field(r, 0, 0)));
    snprintf(c->names.database, sizeof c->names.database, "%.*s",
             VIEW_ARG(connection_field(r, 0, 1)));
    connection_free(r);
    return true;
}

void check_database(const struct check *c)
{
    struct error err;
    char **readers = loader_options_list(c->options->grant_select);
    check_server(c, server_check_database(c->connection, &err), &err,
                 "PostgreSQL 13 or later, in UTF-8");
    check_server(c, server_check_sessions(c->connection, c->options->database_url, &err),
                 &err, "each connection is a session of its own");
    check_server(c, server_check_roles(c->connection, (const char *const *)readers, &err),
                 &err, "all roles of LOADER_GRANT_SELECT exist");
    loader_options_free_list(readers);
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        check_right(c, &rights[i]);
    }
}

void check_known_schemas(const struct check *c, const char *but)
{
    static const char sql[] = "SELECT \"schema\" FROM backstitch.source ORDER BY 1";
    struct pg_result *r = NULL;
    struct error none; /* no control schema, or no right to it: said above */
    if (!connection_query(c->connection, sql, 0, NULL, &r, &none)) {
        return;
    }
    for (int i = 0; i < connection_rows(r); i++) {
        struct buf name = { 0 };
        buf_add_view(&name, connection_field(r, i, 0));
        if (but == NULL || !view_equal_cstr(buf_view(&name), but)) {
            check_schema_rights(c, buf_cstr(&name));
        }
        buf_release(&name);
    }
    connection_free(r);
}
