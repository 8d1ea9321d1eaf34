/* held: the `held list` and `held drop` commands: what waits in Kafka for tables that
 * cannot be loaded, and letting it go (architecture.md, section 4). */
#include "loader/commands/commands.h"
#include "loader/commands/report_rows.h"
#include "loader/commands/shared.h"
#include "loader/postgres/sink_load.h"

#include <json-c/json.h>

#include <stdio.h>
#include <string.h>

/* Of every group: a loader that was renamed has left its ranges behind. */
static const char list_sql[] =
    "SELECT \"schema\", \"table\", topic, kafka_partition, from_offset, to_offset,"
    "       to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
    "       to_char(tried_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
    "       code, reason, consumer_group"
    "  FROM backstitch.held"
    " WHERE $1::text IS NULL OR (\"schema\" = $1 AND \"table\" = $2)"
    " ORDER BY 1, 2, 3, 4";

static const struct report_column columns[] = {
    { .name = "schema" },
    { .name = "table" },
    { .name = "topic" },
    { .name = "partition", .is_number = true },
    { .name = "from_offset", .is_number = true },
    { .name = "to_offset", .is_number = true },
    { .name = "since" },
    { .name = "tried_at" },
    { .name = "code" },
    { .name = "reason" },
    { .name = "consumer_group" },
};

static bool query(struct connection *c, const char *schema, const char *table,
                  struct pg_result **out, struct error *err)
{
    const char *const values[] = { schema, table };
    return connection_query(c, list_sql, 2, values, out, err);
}

static void print_text(const struct pg_result *r)
{
    if (connection_rows(r) == 0) {
        printf("nothing waits for a table\n");
    }
    for (int i = 0; i < connection_rows(r); i++) {
        printf("%.*s.%.*s  %.*s:%lld  offsets %lld to %lld, since %.*s\n",
               VIEW_ARG(connection_field(r, i, 0)), VIEW_ARG(connection_field(r, i, 1)),
               VIEW_ARG(connection_field(r, i, 2)),
               (long long)connection_field_i64(r, i, 3),
               (long long)connection_field_i64(r, i, 4),
               (long long)connection_field_i64(r, i, 5) - 1,
               VIEW_ARG(connection_field(r, i, 6)));
        printf("  group %.*s, tried %.*s: %.*s\n", VIEW_ARG(connection_field(r, i, 10)),
               VIEW_ARG(connection_field(r, i, 7)), VIEW_ARG(connection_field(r, i, 9)));
    }
}

int command_held_list(const struct command_call *call)
{
    struct connection c = { .pg = NULL };
    struct error err = { .text = "" };
    struct pg_result *r = NULL;
    bool done =
        shared_open_database(call->config, &c, &err) && query(&c, NULL, NULL, &r, &err);
    if (done && call->json) {
        report_print("held", report_rows(r, columns, sizeof columns / sizeof columns[0]));
    } else if (done) {
        print_text(r);
    }
    connection_free(r);
    connection_close(&c);
    return done ? EXIT_DONE : shared_fail(call, &err);
}

/* ---- letting go ---- */

/* Noted as a gap, with the reason: what is not loaded is somewhere. A loader that was
 * reading one of these ranges finds it gone, and reads the ranges again. Its own columns
 * stand in the order of the list's. */
static const char drop_sql[] =
    "WITH d AS (DELETE FROM backstitch.held WHERE \"schema\" = $1 AND \"table\" = $2"
    "           RETURNING *),"
    " noted AS (INSERT INTO backstitch.offset_gap (consumer_group, cluster_id, topic,"
    "    kafka_partition, from_offset, to_offset, why, \"schema\", \"table\")"
    "  SELECT consumer_group, cluster_id, topic, kafka_partition, from_offset, to_offset,"
    "         'held drop: ' || $3, \"schema\", \"table\" FROM d)"
    " SELECT \"schema\", \"table\", topic, kafka_partition, from_offset, to_offset FROM d"
    "  ORDER BY 3, 4";

static bool drop(struct connection *c, const char *schema, const char *table,
                 const char *why, struct error *err)
{
    const char *const values[] = { schema, table, why };
    struct pg_result *r = NULL;
    if (!connection_query(c, drop_sql, 3, values, &r, err)) {
        return false;
    }
    printf("\nDropped, and noted in backstitch.offset_gap. To load it after all, while "
           "Kafka has it:\n");
    for (int i = 0; i < connection_rows(r); i++) {
        struct view of = connection_field(r, i, 0);
        bool is_source = !view_equal_cstr(of, SINK_CONTROL_SCHEMA);
        printf("  backstitch-loader replay --topic %.*s --partition %lld"
               " --from-offset %lld --until-offset %lld%s%.*s --execute\n",
               VIEW_ARG(connection_field(r, i, 2)),
               (long long)connection_field_i64(r, i, 3),
               (long long)connection_field_i64(r, i, 4),
               (long long)connection_field_i64(r, i, 5), is_source ? " --source " : "",
               is_source ? (int)of.len : 0, of.data);
    }
    connection_free(r);
    return true;
}

/* A table's name may hold a dot, a schema's of ours may not. */
static bool split(const char *name, char *schema, size_t size, const char **out_table,
                  struct error *err)
{
    const char *dot = strchr(name, '.');
    if (dot == NULL || dot == name || dot[1] == '\0' || (size_t)(dot - name) >= size) {
        return shared_refuse_usage(
            err, "'%s': SCHEMA.TABLE is wanted, such as my_shop.track", name);
    }
    snprintf(schema, size, "%.*s", (int)(dot - name), name);
    *out_table = dot + 1;
    return true;
}

static bool check(const struct held_flags *f, const char *name, const struct pg_result *r,
                  struct error *err)
{
    if (connection_rows(r) == 0) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "%s: nothing waits for it", name);
    }
    return f->why != NULL || !f->execute ||
           shared_refuse_usage(err, "why? Say it with --why TEXT: it is kept with the "
                                    "gap that is noted");
}

int command_held_drop(const struct command_call *call)
{
    const struct held_flags *f = call->flags;
    struct connection c = { .pg = NULL };
    struct error err = { .text = "" };
    struct pg_result *r = NULL;
    char schema[SINK_NAME_BYTES];
    const char *table = NULL;
    bool done = split(call->args[0], schema, sizeof schema, &table, &err) &&
                shared_open_database(call->config, &c, &err) &&
                query(&c, schema, table, &r, &err) && check(f, call->args[0], r, &err);
    if (done) {
        print_text(r);
    }
    if (done && f->execute) {
        done = drop(&c, schema, table, f->why, &err);
    } else if (done) {
        fprintf(stderr, "\nNothing was changed. To let these records go: --execute\n");
    }
    connection_free(r);
    connection_close(&c);
    return done ? EXIT_DONE : shared_fail(call, &err);
}
