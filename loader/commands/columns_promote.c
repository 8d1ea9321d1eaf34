/* columns_promote: the `columns promote` command: the values of a path move from
 * _sdc_extra into a column of their own. */
#include "loader/commands/columns_task.h"
#include "loader/mapping/dotted_path.h"
#include "loader/mapping/fixed_columns.h"

#include "common/service/shutdown.h"

/* Enough of them say what the values are. */
#define SAMPLED_VALUES 1000

/* A table that is just being changed by a loader is read again. */
#define MAKE_ATTEMPTS 10

static bool name_column(struct columns_task *t, struct error *err)
{
    const struct loader_options *o = t->call->config;
    struct view written = view_cstr(t->call->args[0]);
    dotted_path_column(written, &t->path, &t->column);
    char **ignored = loader_options_list(o->ignore_paths);
    bool is_ignored = dotted_path_is_ignored(buf_view(&t->path), ignored);
    loader_options_free_list(ignored);
    if (is_ignored) {
        return columns_refuse(err, written,
                              "it is in LOADER_IGNORE_PATHS, so it has no values");
    }
    return fixed_column_find(buf_view(&t->column)) == FIXED_NONE ||
           columns_refuse(
               err, written,
               "its column is one of those that every table has; what of it is "
               "in _sdc_extra came second, or is not to be believed");
}

/* ---- the type ---- */

/* The one kind of the values in a step, "mixed" for several; how many there are. */
static void add_kinds(struct buf *sql, const struct table *t)
{
    buf_add_cstr(sql, "SELECT CASE count(DISTINCT kind) WHEN 0 THEN '' WHEN 1 THEN "
                      "min(kind) ELSE 'mixed' END, count(*) FROM (SELECT "
                      "jsonb_typeof(_sdc_extra -> $3::text) AS kind FROM ");
    column_walk_add_table(sql, t);
    buf_add_cstr(sql, " WHERE ");
    column_walk_add_range(sql);
    buf_add_cstr(sql, " AND _sdc_extra ? $3::text) k");
}

static bool sample_step(struct columns_task *t, struct column_walk *w, struct buf *kind,
                        int64_t *count, struct error *err)
{
    struct buf sql = { 0 };
    struct pg_result *r = NULL;
    const char *const values[] = { buf_cstr(&w->from), buf_cstr(&w->to),
                                   buf_cstr(&t->path) };
    add_kinds(&sql, t->table);
    bool done = connection_query(&t->connection, buf_cstr(&sql), 3, values, &r, err);
    struct view met = done ? connection_field(r, 0, 0) : view_of(NULL, 0);
    if (met.len > 0) {
        bool is_other = kind->len > 0 && !view_equal(buf_view(kind), met);
        buf_clear(kind);
        buf_add_view(kind, is_other ? view_cstr("mixed") : met);
        *count += connection_field_i64(r, 0, 1);
    }
    connection_free(r);
    buf_release(&sql);
    return done;
}

/* As the mapping would have chosen; of several kinds text, which takes them all. */
static enum column_type type_of_kind(struct view kind)
{
    return view_equal_cstr(kind, "number")    ? COLUMN_NUMERIC
           : view_equal_cstr(kind, "boolean") ? COLUMN_BOOLEAN
           : view_equal_cstr(kind, "array")   ? COLUMN_JSONB
           : view_equal_cstr(kind, "object")  ? COLUMN_JSONB
                                              : COLUMN_TEXT;
}

static bool sample_type(struct columns_task *t, struct error *err)
{
    struct column_walk w;
    struct buf kind = { 0 };
    int64_t count = 0;
    bool is_over = false;
    bool done = column_walk_begin(&w, &t->connection, t->table, err);
    while (done && !is_over && count < SAMPLED_VALUES && !t->was_stopped) {
        done = column_walk_next(&w, &is_over, err) &&
               (is_over || sample_step(t, &w, &kind, &count, err));
        t->was_stopped = shutdown_is_requested();
    }
    t->type = type_of_kind(buf_view(&kind));
    column_walk_release(&w);
    buf_release(&kind);
    if (done && !t->was_stopped && count == 0) {
        return columns_refuse(err, buf_view(&t->path),
                              "no row has it in _sdc_extra; name its type (--type) to "
                              "make the column all the same");
    }
    return done;
}

static bool choose_type(struct columns_task *t, struct error *err)
{
    static const enum column_type types[] = {
        [COLUMNS_TEXT] = COLUMN_TEXT,       [COLUMNS_NUMERIC] = COLUMN_NUMERIC,
        [COLUMNS_BOOLEAN] = COLUMN_BOOLEAN, [COLUMNS_TIMESTAMPTZ] = COLUMN_TIMESTAMPTZ,
        [COLUMNS_JSONB] = COLUMN_JSONB,
    };
    const struct columns_flags *flags = t->call->flags;
    if (flags->type != COLUMNS_AUTO) {
        t->type = types[flags->type];
        return true;
    }
    return table_find(t->table, buf_view(&t->column)) != NULL || sample_type(t, err);
}

/* ---- the column ---- */

static bool unmark(struct columns_task *t, struct error *err)
{
    return !table_is_demoted(t->table, buf_view(&t->column)) ||
           column_move_unmark(&t->connection, t->table, buf_view(&t->column), err);
}

/* From here on loads fill the column, so every row that lacks it is there already. */
static bool make_column(struct columns_task *t, struct error *err)
{
    struct view column = buf_view(&t->column);
    if (!columns_do_ddl(t, unmark, err)) {
        return false;
    }
    for (int i = 0; table_find(t->table, column) == NULL; i++) {
        if (i == MAKE_ATTEMPTS) {
            return columns_refuse(err, column, "the table changes all the time");
        }
        if (!columns_do_ddl(t, columns_make, err)) {
            return false;
        }
    }
    return !table_find(t->table, column)->is_generated ||
           columns_refuse(err, column, "the column is generated: it cannot be filled");
}

int command_columns_promote(const struct command_call *call)
{
    struct columns_task t;
    struct error err = { .text = "" };
    bool done = columns_begin(&t, call, &err) && name_column(&t, &err) &&
                choose_type(&t, &err) &&
                (t.was_stopped ||
                 (make_column(&t, &err) && columns_walk(&t, column_move_promote, &err)));
    return columns_end(&t, "promoted", done, &err);
}
