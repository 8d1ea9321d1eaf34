#include "loader/commands/columns_task.h"

#include "loader/postgres/table_advice.h"
#include "loader/postgres/table_ddl.h"
#include "loader/postgres/table_reader.h"

#include "common/service/progress.h"
#include "common/service/shutdown.h"

#include <json-c/json.h>

#include <stdio.h>
#include <string.h>

#define DDL_ATTEMPTS 60
#define DDL_PAUSE_MS 1000
#define STEP_ATTEMPTS 10

bool columns_refuse(struct error *err, struct view what, const char *text)
{
    return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "%.*s: %s",
                     VIEW_ARG(what), text);
}

/* ---- the table ---- */

bool columns_connect(struct connection *c, const struct loader_options *o,
                     struct error *err)
{
    static const char sql[] =
        "SELECT to_regclass('backstitch.demoted_column') IS NOT NULL";
    struct pg_result *r = NULL;
    if (!connection_open(c, o->database_url, err) ||
        !connection_query(c, sql, 0, NULL, &r, err)) {
        return error_prefix(err, "DATABASE_URL");
    }
    bool is_there = view_equal_cstr(connection_field(r, 0, 0), "t");
    connection_free(r);
    return is_there || columns_refuse(err, view_cstr("DATABASE_URL"),
                                      "there is no schema backstitch, or one of an older "
                                      "version: start the loader once");
}

static const struct columns_flags *flags_of(const struct columns_task *t)
{
    return t->call->flags;
}

/* Without --schema: the one that there is. */
static bool find_schema(struct columns_task *t, struct error *err)
{
    static const char sql[] = "SELECT \"schema\" FROM backstitch.source";
    struct pg_result *r = NULL;
    if (flags_of(t)->schema != NULL) {
        buf_add_cstr(&t->schema, flags_of(t)->schema);
        return true;
    }
    if (!connection_query(&t->connection, sql, 0, NULL, &r, err)) {
        return false;
    }
    bool is_one = connection_rows(r) == 1;
    buf_add_view(&t->schema, is_one ? connection_field(r, 0, 0) : view_of(NULL, 0));
    connection_free(r);
    return is_one || error_set(err, ERROR_INVALID, ERROR_FROM_SELF, COLUMNS_USAGE,
                               "which schema? Use --schema SCHEMA: there are several, or "
                               "none was loaded yet");
}

static bool check_flags(struct columns_task *t, struct error *err)
{
    if (flags_of(t)->table == NULL) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, COLUMNS_USAGE,
                         "which table? Use --table TABLE, such as --table track");
    }
    buf_add_cstr(&t->table_name, flags_of(t)->table);
    return true;
}

static bool read_table(struct columns_task *t, struct error *err)
{
    struct table *now = NULL;
    if (!table_reader_read(&t->connection, buf_view(&t->schema), buf_view(&t->table_name),
                           0, &now, err)) {
        return false;
    }
    if (t->is_moving) {
        column_move_set_table(&t->move, now);
    }
    table_unref(t->table);
    t->table = now;
    return true;
}

static bool check_table(struct columns_task *t, struct error *err)
{
    const struct column *extra = table_find(t->table, view_cstr("_sdc_extra"));
    enum table_fault fault =
        table_advice_first(t->table, TABLE_OBSTACLES | (unsigned)TABLE_REFUSES_ALTER);
    if (!table_exists(t->table)) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "there is no table %s.%s (--schema, --table)",
                         buf_cstr(&t->schema), buf_cstr(&t->table_name));
    }
    if (fault != 0) {
        struct buf advice = { 0 };
        table_advice_add(&advice, t->table, fault, NULL);
        columns_refuse(err, table_name(t->table), buf_cstr(&advice));
        buf_release(&advice);
        return false;
    }
    return (extra != NULL && extra->type == COLUMN_JSONB) ||
           columns_refuse(err, table_name(t->table),
                          "the table has no column _sdc_extra of type jsonb");
}

bool columns_begin(struct columns_task *t, const struct command_call *call,
                   struct error *err)
{
    *t = (struct columns_task){ .call = call };
    return shutdown_start(err) && columns_connect(&t->connection, call->config, err) &&
           check_flags(t, err) && find_schema(t, err) && read_table(t, err) &&
           check_table(t, err);
}

/* ---- attempts ---- */

/* The same may work a little later: a lock, a deadlock, a table that changed. */
static bool is_passing(const struct error *err)
{
    static const char *const codes[] = { "55P03", "40P01", "40001", "57014", "BS002" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(err->code, codes[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool columns_do_ddl(struct columns_task *t, columns_ddl ddl, struct error *err)
{
    for (int attempt = 1;; attempt++) {
        if (ddl(t, err)) {
            return read_table(t, err);
        }
        if (!is_passing(err) || attempt == DDL_ATTEMPTS) {
            return false;
        }
        if (shutdown_wait(DDL_PAUSE_MS)) {
            t->was_stopped = true;
            return false;
        }
    }
}

/* Not counted as growth: somebody asked for it. */
bool columns_make(struct columns_task *t, struct error *err)
{
    struct table_ddl_options options = { NULL, 0 };
    struct table_plan *plan = table_plan_new(t->table, TABLE_MAX_COLUMNS);
    struct table *made = NULL;
    if (table_find(t->table, buf_view(&t->column)) == NULL) {
        table_plan_add(plan, buf_view(&t->column), t->type, COLUMN_FIXED,
                       buf_view(&t->path));
    }
    if (t->is_moving && t->move.needs_twin) {
        table_plan_add(plan, buf_view(&t->move.twin), COLUMN_TEXT, COLUMN_FIXED,
                       buf_view(&t->path));
    }
    bool done = table_ddl_extend(&t->connection, plan, &options, &made, err);
    table_plan_free(plan);
    table_unref(made);
    return done;
}

static bool do_step(struct columns_task *t, columns_step step, bool *out_is_over,
                    struct error *err)
{
    for (int attempt = 1;; attempt++) {
        if (step(&t->move, out_is_over, err)) {
            return !t->move.needs_twin || columns_do_ddl(t, columns_make, err);
        }
        if (!is_passing(err) || attempt == STEP_ATTEMPTS || !read_table(t, err)) {
            return false;
        }
    }
}

bool columns_walk(struct columns_task *t, columns_step step, struct error *err)
{
    struct progress p;
    bool is_over = false;
    int64_t moved_before = t->move.moved;
    int64_t to_twin_before = t->move.to_twin;
    if (t->is_moving) {
        column_move_release(&t->move);
    }
    t->is_moving = true;
    bool done = column_move_begin(&t->move, &t->connection, t->table, buf_view(&t->path),
                                  buf_view(&t->column), err);
    t->move.moved = moved_before;
    t->move.to_twin = to_twin_before;
    progress_begin(&p, "columns_progress", "rows", t->move.walk.about);
    while (done && !is_over && !t->was_stopped) {
        done = do_step(t, step, &is_over, err);
        progress_update(&p, t->move.walk.rows, t->move.moved - moved_before);
        t->was_stopped = t->was_stopped || shutdown_is_requested();
    }
    progress_end(&p);
    return done;
}

/* ---- the end ---- */

static void print_document(struct columns_task *t, const char *verb)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "schema", json_object_new_string(buf_cstr(&t->schema)));
    json_object_object_add(o, "table", json_object_new_string(buf_cstr(&t->table_name)));
    json_object_object_add(o, "path", json_object_new_string(buf_cstr(&t->path)));
    json_object_object_add(o, "column", json_object_new_string(buf_cstr(&t->column)));
    json_object_object_add(o, "done",
                           json_object_new_string(t->was_stopped ? "stopped" : verb));
    json_object_object_add(o, "rows_moved", json_object_new_int64(t->move.moved));
    json_object_object_add(o, "rows_to_twin", json_object_new_int64(t->move.to_twin));
    printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}

static void print_text(struct columns_task *t, const char *verb)
{
    printf("%s.%s: %s %s, column %s: %lld rows moved", buf_cstr(&t->schema),
           buf_cstr(&t->table_name),
           t->was_stopped ? "stopped before the end with" : verb, buf_cstr(&t->path),
           buf_cstr(&t->column), (long long)t->move.moved);
    if (t->move.to_twin > 0) {
        printf(", %lld of them to %s", (long long)t->move.to_twin,
               buf_cstr(&t->move.twin));
    }
    printf("%s\n", t->was_stopped ? "; the same command goes on with the rest" : "");
}

int columns_end(struct columns_task *t, const char *verb, bool done,
                const struct error *err)
{
    int code = t->was_stopped ? EXIT_WORK_LEFT : EXIT_DONE;
    if (!done && !t->was_stopped) {
        fprintf(stderr, "backstitch-loader: %s\n", err->text);
        code = strcmp(err->code, COLUMNS_USAGE) == 0 ? EXIT_USAGE : EXIT_FAILED;
    } else if (t->call->json) {
        print_document(t, verb);
    } else {
        print_text(t, verb);
    }
    if (t->is_moving) {
        column_move_release(&t->move);
    }
    table_unref(t->table);
    buf_release(&t->path);
    buf_release(&t->column);
    buf_release(&t->schema);
    buf_release(&t->table_name);
    connection_close(&t->connection);
    return fflush(stdout) == 0 ? code : EXIT_FAILED;
}
