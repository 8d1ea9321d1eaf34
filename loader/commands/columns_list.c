/* columns_list: the `columns list` command: the columns of the tables, from which path
 * each comes; with --extra also the paths whose values are in _sdc_extra, counted. */
#include "loader/commands/column_fate.h"
#include "loader/commands/columns_task.h"
#include "loader/postgres/column_walk.h"
#include "loader/postgres/table_reader.h"

#include "common/contract/event_type.h"
#include "common/service/progress.h"
#include "common/service/shutdown.h"

#include <json-c/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listing {
    struct connection *connection;
    bool json;
    bool with_extra;
    bool was_stopped;
    json_object *columns; /* arrays of the one document */
    json_object *extra;
};

static const char columns_sql[] =
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod),"
    "       coalesce(col_description(a.attrelid, a.attnum), '')"
    "  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    "  JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped"
    " ORDER BY a.attnum";

static const char demoted_sql[] = "SELECT \"column\", path FROM backstitch.demoted_column"
                                  " WHERE \"schema\" = $1 AND \"table\" = $2 ORDER BY 1";

/* Temporary, so that however many paths strangers have made, none are held in memory. */
static const char count_sql[] =
    "CREATE TEMP TABLE IF NOT EXISTS paths (hash text PRIMARY KEY, path text, kinds text,"
    " met bigint); TRUNCATE paths";

static const char paths_sql[] =
    "SELECT path, kinds, met FROM pg_temp.paths ORDER BY met DESC, path COLLATE \"C\""
    " LIMIT 1000";

static json_object *to_text(struct view v)
{
    return json_object_new_string_len(v.data, (int)v.len);
}

static json_object *new_entry(const char *schema, const char *table)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "schema", json_object_new_string(schema));
    json_object_object_add(o, "table", json_object_new_string(table));
    return o;
}

static void list_column(const struct listing *l, const char *schema, const char *table,
                        const struct view parts[3], const char *state)
{
    if (!l->json) {
        printf("%-40.*s %-26.*s %-10s %.*s\n", VIEW_ARG(parts[0]), VIEW_ARG(parts[1]),
               state, VIEW_ARG(parts[2]));
        return;
    }
    json_object *o = new_entry(schema, table);
    json_object_object_add(o, "column", to_text(parts[0]));
    json_object_object_add(o, "type", to_text(parts[1]));
    json_object_object_add(o, "state", json_object_new_string(state));
    json_object_object_add(o, "path", parts[2].len > 0 ? to_text(parts[2]) : NULL);
    json_object_array_add(l->columns, o);
}

static const char *state_of(const struct table *t, size_t index)
{
    static const char *const states[] = {
        [COLUMN_IS_KEY] = "key",       [COLUMN_IS_SYSTEM] = "system",
        [COLUMN_IS_FILLED] = "filled", [COLUMN_IS_TWIN] = "twin",
        [COLUMN_IS_SPLIT] = "split",   [COLUMN_IS_FOREIGN] = "foreign",
    };
    return table_column(t, index)->is_demoted ? "demoted"
                                              : states[column_fate_role(t, index)];
}

static bool list_columns(const struct listing *l, const struct table *t,
                         const char *schema, const char *table, struct error *err)
{
    const char *const where[] = { schema, table };
    struct pg_result *r = NULL;
    struct pg_result *gone = NULL;
    bool done = connection_query(l->connection, columns_sql, 2, where, &r, err) &&
                connection_query(l->connection, demoted_sql, 2, where, &gone, err);
    int count = done ? connection_rows(r) : 0;
    for (int i = 0; i < count && (size_t)i < table_column_count(t); i++) {
        struct view parts[3] = { connection_field(r, i, 0), connection_field(r, i, 1),
                                 connection_field(r, i, 2) };
        list_column(l, schema, table, parts, state_of(t, (size_t)i));
    }
    for (int i = 0; done && i < connection_rows(gone); i++) {
        struct view parts[3] = { connection_field(gone, i, 0),
                                 { "", 0 },
                                 connection_field(gone, i, 1) };
        if (table_find(t, parts[0]) == NULL) {
            list_column(l, schema, table, parts, "demoted");
        }
    }
    connection_free(r);
    connection_free(gone);
    return done;
}

/* ---- _sdc_extra ---- */

static bool count_step(const struct listing *l, struct column_walk *w, struct error *err)
{
    struct buf sql = { 0 };
    struct pg_result *r = NULL;
    const char *const bounds[] = { buf_cstr(&w->from), buf_cstr(&w->to) };
    buf_add_cstr(&sql, "INSERT INTO pg_temp.paths AS p SELECT md5(e.key), min(e.key), "
                       "string_agg(DISTINCT jsonb_typeof(e.value), ','), count(*) FROM ");
    column_walk_add_table(&sql, w->table);
    buf_add_cstr(&sql, " t, jsonb_each(t._sdc_extra) e WHERE ");
    column_walk_add_range(&sql);
    buf_add_cstr(
        &sql, " AND jsonb_typeof(t._sdc_extra) = 'object' GROUP BY 1 ON CONFLICT (hash)"
              " DO UPDATE SET met = p.met + EXCLUDED.met, kinds = (SELECT "
              "string_agg(DISTINCT k, ',') FROM unnest(string_to_array(p.kinds || ',' "
              "|| EXCLUDED.kinds, ',')) k)");
    bool done = connection_query(l->connection, buf_cstr(&sql), 2, bounds, &r, err);
    connection_free(r);
    buf_release(&sql);
    return done;
}

static bool count_paths(struct listing *l, const struct table *t, struct error *err)
{
    struct column_walk w;
    struct progress p;
    bool is_over = false;
    bool done = connection_run(l->connection, count_sql, "counting", err) &&
                column_walk_begin(&w, l->connection, t, err);
    if (!done) {
        return false;
    }
    progress_begin(&p, "columns_progress", "rows", w.about);
    while (done && !is_over && !l->was_stopped) {
        done = column_walk_next(&w, &is_over, err) && (is_over || count_step(l, &w, err));
        progress_update(&p, w.rows, 0);
        l->was_stopped = shutdown_is_requested();
    }
    progress_end(&p);
    column_walk_release(&w);
    return done;
}

static bool list_paths(struct listing *l, const struct table *t, const char *schema,
                       const char *table, struct error *err)
{
    const struct column *extra = table_find(t, view_cstr("_sdc_extra"));
    struct pg_result *r = NULL;
    if (extra == NULL || extra->type != COLUMN_JSONB) {
        return true;
    }
    if (!count_paths(l, t, err) ||
        !connection_query(l->connection, paths_sql, 0, NULL, &r, err)) {
        return false;
    }
    for (int i = 0; i < connection_rows(r); i++) {
        struct view path = connection_field(r, i, 0);
        struct view kinds = connection_field(r, i, 1);
        int64_t met = connection_field_i64(r, i, 2);
        if (!l->json) {
            printf("  _sdc_extra: %.*s (%.*s) in %lld rows\n", VIEW_ARG(path),
                   VIEW_ARG(kinds), (long long)met);
            continue;
        }
        json_object *o = new_entry(schema, table);
        json_object_object_add(o, "path", to_text(path));
        json_object_object_add(o, "kinds", to_text(kinds));
        json_object_object_add(o, "rows", json_object_new_int64(met));
        json_object_array_add(l->extra, o);
    }
    connection_free(r);
    return true;
}

/* ---- tables ---- */

static bool list_table(struct listing *l, const char *schema, const char *table,
                       struct error *err)
{
    struct table *t = NULL;
    if (!table_reader_read(l->connection, view_cstr(schema), view_cstr(table), 0, &t,
                           err)) {
        return false;
    }
    bool done = true;
    if (table_exists(t)) {
        if (!l->json) {
            printf("%s.%s: %zu columns\n", schema, table, table_column_count(t));
        }
        done = list_columns(l, t, schema, table, err) &&
               (!l->with_extra || l->was_stopped || list_paths(l, t, schema, table, err));
    }
    table_unref(t);
    return done;
}

static bool list_schema(struct listing *l, const char *schema, const char *only,
                        struct error *err)
{
    for (int i = 0; i < EVENT_DATA_TYPES; i++) {
        const char *name = event_type_name((enum event_type)i);
        bool is_wanted = only == NULL || strcmp(only, name) == 0;
        if (is_wanted && !list_table(l, schema, name, err)) {
            return false;
        }
    }
    return true;
}

/* Without --schema all that were loaded. */
static bool list_schemas(struct listing *l, const struct columns_flags *flags,
                         struct error *err)
{
    struct pg_result *r = NULL;
    if (flags->schema != NULL) {
        return list_schema(l, flags->schema, flags->table, err);
    }
    bool done = connection_query(l->connection,
                                 "SELECT \"schema\" FROM backstitch.source ORDER BY 1", 0,
                                 NULL, &r, err);
    for (int i = 0; done && i < connection_rows(r); i++) {
        struct buf schema = { 0 };
        buf_add_view(&schema, connection_field(r, i, 0));
        done = list_schema(l, buf_cstr(&schema), flags->table, err);
        buf_release(&schema);
    }
    connection_free(r);
    return done;
}

static void print_document(const struct listing *l)
{
    json_object *document = json_object_new_object();
    json_object_object_add(document, "columns", l->columns);
    json_object_object_add(document, "extra", l->extra);
    printf("%s\n",
           json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(document);
}

int command_columns_list(const struct command_call *call)
{
    const struct columns_flags *flags = call->flags;
    struct connection c = { NULL };
    struct error err;
    if (!shutdown_start(&err) || !columns_connect(&c, call->config, &err)) {
        fprintf(stderr, "backstitch-loader: %s\n", err.text);
        connection_close(&c);
        return EXIT_FAILED;
    }
    struct listing l = { .connection = &c,
                         .json = call->json,
                         .with_extra = flags->extra,
                         .columns = json_object_new_array(),
                         .extra = json_object_new_array() };
    bool done = list_schemas(&l, flags, &err);
    if (!done) {
        fprintf(stderr, "backstitch-loader: %s\n", err.text);
    }
    if (done && call->json) {
        print_document(&l);
    } else {
        json_object_put(l.columns);
        json_object_put(l.extra);
    }
    connection_close(&c);
    bool is_printed = fflush(stdout) == 0;
    return !done || !is_printed ? EXIT_FAILED
           : l.was_stopped      ? EXIT_WORK_LEFT
                                : EXIT_DONE;
}
