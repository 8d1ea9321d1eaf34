/* check: the `check` command: is everything there that loading needs? With --schema also:
 * what will become of the columns of an existing schema. */
#include "loader/commands/commands.h"
#include "loader/commands/options.h"
#include "loader/consume/log_bounds.h"
#include "loader/mapping/fixed_columns.h"
#include "loader/postgres/connection.h"
#include "loader/postgres/control_schema.h"
#include "loader/postgres/table_reader.h"

#include "common/service/findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KAFKA_TIMEOUT_MS 10000

/* ---- Kafka ---- */

static void check_kafka(const struct loader_options *o, struct findings *f)
{
    struct log_bounds_setup setup = { .brokers = o->kafka_brokers,
                                      .config_file = o->kafka_config_file,
                                      .topic_prefix = o->topic_prefix,
                                      .timeout_ms = KAFKA_TIMEOUT_MS };
    struct log_bounds log;
    struct error err;
    if (!log_bounds_read(&setup, &log, &err)) {
        findings_add(f, "kafka", false, "%s (KAFKA_BROKERS=%s)", err.text,
                     o->kafka_brokers);
        return;
    }
    findings_add(f, "kafka", true, "reached at %s", o->kafka_brokers);
    for (int i = 0; i < EVENT_TYPES; i++) {
        char name[TOPIC_NAME_BYTES];
        topic_name_format(o->topic_prefix, (enum event_type)i, name);
        if (log.has_topic[i]) {
            findings_add(f, "topic", true, "%s", name);
        } else {
            findings_add(f, "topic", false, "%s is missing: run backstitch-ingest topics",
                         name);
        }
    }
    log_bounds_release(&log);
}

/* ---- PostgreSQL ---- */

struct right {
    const char *sql; /* true or false */
    const char *ok, *problem;
};

/* What the loader's role needs (architecture.md, section 5). */
static const struct right rights[] = {
    { "SELECT has_database_privilege(current_database(), 'CREATE')"
      " OR to_regnamespace('backstitch') IS NOT NULL",
      "schemas can be created, or are there",
      "the role may not create schemas: GRANT CREATE ON DATABASE to it, or make the "
      "schemas "
      "and give them to it" },
    { "SELECT to_regnamespace('backstitch') IS NULL"
      " OR has_schema_privilege('backstitch', 'CREATE')",
      "the control schema can be used",
      "the role may not use the schema backstitch: ALTER SCHEMA backstitch OWNER to it" },
    { "SELECT has_database_privilege(current_database(), 'TEMPORARY')",
      "temporary tables can be made",
      "the role may not make temporary tables: GRANT TEMPORARY ON DATABASE to it" },
    { "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = "
      "'off'",
      "the server takes writes", "the server is read-only: is it a replica?" },
    { "SELECT current_setting('server_version_num')::int >= 130000",
      "the server's version is 13 or later", "the server is older than PostgreSQL 13" },
};

static void check_right(struct connection *c, const struct right *right,
                        struct findings *f)
{
    struct pg_result *r = NULL;
    struct error err;
    if (!connection_query(c, right->sql, 0, NULL, &r, &err)) {
        findings_add(f, "postgres", false, "%s", err.text);
        return;
    }
    bool ok = view_equal_cstr(connection_field(r, 0, 0), "t");
    findings_add(f, "postgres", ok, "%s", ok ? right->ok : right->problem);
    connection_free(r);
}

/* A pooler that gives every transaction another session takes our temporary tables and
 * settings away. */
static void check_pooling(struct connection *c, struct findings *f)
{
    struct pg_result *r = NULL;
    struct error err;
    bool ok =
        connection_run(c, "CREATE TEMP TABLE backstitch_check (x int)", "", &err) &&
        connection_query(c,
                         "SELECT current_setting('search_path') = 'pg_catalog, pg_temp'"
                         " AND to_regclass('pg_temp.backstitch_check') IS NOT NULL",
                         0, NULL, &r, &err) &&
        view_equal_cstr(connection_field(r, 0, 0), "t");
    findings_add(
        f, "postgres", ok, "%s",
        ok ? "the session keeps its settings and temporary tables"
           : "settings or temporary tables are lost between transactions: a pooler in "
             "transaction mode is in the way; connect past it, or use session pooling");
    connection_free(r);
}

/* ---- an existing schema ---- */

/* What a column of this type takes, in words. */
static const char *fate_of(const struct column *column)
{
    if (column->is_generated) {
        return "generated: never filled; its values go to the twin";
    }
    switch (column->type) {
    case COLUMN_TEXT:
    case COLUMN_VARCHAR:
        return "takes any value as text (what does not fit goes to the twin)";
    case COLUMN_JSON:
    case COLUMN_JSONB:
        return "takes any value as JSON";
    case COLUMN_NUMERIC:
        return "takes numbers; other values go to the twin";
    case COLUMN_SMALLINT:
    case COLUMN_INTEGER:
    case COLUMN_BIGINT:
        return "takes whole numbers that fit; other values go to the twin";
    case COLUMN_DOUBLE:
        return "takes numbers that a double holds exactly as written; others go to the "
               "twin";
    case COLUMN_BOOLEAN:
        return "takes true and false; other values go to the twin";
    case COLUMN_TIMESTAMPTZ:
    case COLUMN_TIMESTAMP:
        return "takes times in RFC 3339; other values go to the twin";
    case COLUMN_OTHER:
        return "no value converts for certain: all go to the twin";
    }
    return "";
}

static const char key_sql[] =
    "SELECT count(*) FROM pg_index i JOIN pg_attribute a"
    "    ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attname = "
    "'message_id'"
    " WHERE i.indrelid = to_regclass(format('%I.%I', $1::text, $2::text))"
    "   AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL";

static void check_key(struct connection *c, const char *schema, const char *table,
                      struct findings *f)
{
    const char *const where[] = { schema, table };
    struct pg_result *r = NULL;
    struct error err;
    if (!connection_query(c, key_sql, 2, where, &r, &err)) {
        findings_add(f, "schema", false, "%s", err.text);
        return;
    }
    bool ok = connection_field_i64(r, 0, 0) > 0;
    findings_add(f, "schema", ok,
                 ok ? "%s.%s has its key"
                    : "%s.%s has no unique key on message_id: "
                      "add PRIMARY KEY (message_id) before loading",
                 schema, table);
    connection_free(r);
}

static void check_table(struct connection *c, const struct loader_options *o,
                        const char *schema, const char *name, struct findings *f)
{
    struct table *t = NULL;
    struct error err;
    if (!table_reader_read(c, view_cstr(schema), view_cstr(name), o->new_columns_per_hour,
                           &t, &err)) {
        findings_add(f, "schema", false, "%s", err.text);
        return;
    }
    if (!table_exists(t)) {
        findings_add(f, "schema", true, "%s.%s will be created with its first event",
                     schema, name);
        table_unref(t);
        return;
    }
    check_key(c, schema, name, f);
    for (size_t i = 0; i < table_column_count(t); i++) {
        const struct column *column = table_column(t, i);
        findings_add(f, "column", true, "%s.%s.%.*s: %s", schema, name,
                     VIEW_ARG(column->name), fate_of(column));
    }
    table_unref(t);
}

static void check_schema(struct connection *c, const struct loader_options *o,
                         const char *schema, struct findings *f)
{
    struct pg_result *r = NULL;
    struct error err;
    if (!connection_query(c, "SELECT to_regnamespace('backstitch') IS NOT NULL", 0, NULL,
                          &r, &err) ||
        !view_equal_cstr(connection_field(r, 0, 0), "t")) {
        findings_add(f, "schema", false,
                     "the control schema is not made yet: start the loader once");
        connection_free(r);
        return;
    }
    connection_free(r);
    for (int i = 0; i < EVENT_DATA_TYPES; i++) {
        check_table(c, o, schema, event_type_name((enum event_type)i), f);
    }
}

static void check_postgres(const struct loader_options *o, const char *schema,
                           struct findings *f)
{
    struct connection c = { NULL };
    struct error err;
    if (!connection_open(&c, o->database_url, &err)) {
        findings_add(f, "postgres", false, "%s (DATABASE_URL)", err.text);
        return;
    }
    findings_add(f, "postgres", true, "connected");
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        check_right(&c, &rights[i], f);
    }
    check_pooling(&c, f);
    if (schema != NULL) {
        check_schema(&c, o, schema, f);
    }
    connection_close(&c);
}

int command_check(const struct command_call *call)
{
    const struct loader_options *o = call->config;
    const struct check_flags *flags = call->flags;
    struct findings f;
    findings_begin(&f, call->json);
    check_kafka(o, &f);
    check_postgres(o, flags->schema, &f);
    return findings_end(&f);
}
