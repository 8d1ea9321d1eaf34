/* columns_demote: the `columns demote` command: the values of a column move to
 * _sdc_extra, the column goes, and stays away. */
#include "loader/commands/columns_task.h"
#include "loader/mapping/column_name.h"
#include "loader/mapping/dotted_path.h"
#include "loader/mapping/fixed_columns.h"

#include <string.h>

/* The path that the column was made from, as its COMMENT has it. */
static bool read_comment(struct columns_task *t, struct error *err)
{
    static const char sql[] =
        "SELECT coalesce(col_description(a.attrelid, a.attnum), '') FROM pg_attribute a"
        " WHERE a.attrelid = to_regclass(format('%I.%I', $1::text, $2::text))"
        " AND a.attname = $3 AND NOT a.attisdropped";
    const char *const values[] = { buf_cstr(&t->schema), buf_cstr(&t->table_name),
                                   buf_cstr(&t->column) };
    struct pg_result *r = NULL;
    if (!connection_query(&t->connection, sql, 3, values, &r, err)) {
        return false;
    }
    if (connection_rows(r) > 0) {
        buf_add_view(&t->path, connection_field(r, 0, 0));
    }
    connection_free(r);
    return true;
}

/* --path, the COMMENT, or for a column of somebody else's its name, "__" as dots. */
static bool find_path(struct columns_task *t, struct error *err)
{
    const struct columns_flags *flags = t->call->flags;
    struct buf column = { 0 };
    struct buf path = { 0 };
    if (flags->path != NULL) {
        buf_add_cstr(&t->path, flags->path);
    } else if (!read_comment(t, err)) {
        return false;
    }
    if (t->path.len == 0) {
        const char *at = buf_cstr(&t->column);
        for (const char *join = strstr(at, COLUMN_NAME_JOIN); join != NULL;
             join = strstr(at, COLUMN_NAME_JOIN)) {
            buf_add(&t->path, at, (size_t)(join - at));
            buf_add_char(&t->path, '.');
            at = join + strlen(COLUMN_NAME_JOIN);
        }
        buf_add_cstr(&t->path, at);
    }
    dotted_path_column(buf_view(&t->path), &path, &column);
    bool is_its_own = view_equal(buf_view(&column), buf_view(&t->column));
    buf_clear(&t->path);
    buf_add_view(&t->path, buf_view(&path));
    buf_release(&path);
    buf_release(&column);
    return is_its_own ||
           columns_refuse(err, buf_view(&t->column),
                          "its path is not known, so its values would be found under "
                          "another one: name it (--path), as the events have it");
}

static bool check_column(struct columns_task *t, struct error *err)
{
    struct view name = view_cstr(t->call->args[0]);
    size_t suffix = strlen(TWIN_SUFFIX);
    buf_add_view(&t->column, name);
    bool is_twin = name.len > suffix &&
                   view_equal_cstr(view_skip(name, name.len - suffix), TWIN_SUFFIX);
    if (fixed_column_find(name) != FIXED_NONE || view_starts_with(name, view_cstr("_"))) {
        return columns_refuse(err, name, "the loader needs this column");
    }
    if (is_twin) {
        return columns_refuse(
            err, name, "it is the twin of a column: demote that one, and it goes too");
    }
    const struct column *column = table_find(t->table, name);
    if (column == NULL && !table_is_demoted(t->table, name)) {
        return columns_refuse(err, name, "there is no such column");
    }
    return column == NULL || !column->is_generated ||
           columns_refuse(err, name,
                          "the column is generated: it has no values of events");
}

static bool mark(struct columns_task *t, struct error *err)
{
    return column_move_mark(&t->connection, t->table, buf_view(&t->column),
                            buf_view(&t->path), err);
}

static bool drop(struct columns_task *t, struct error *err)
{
    return column_move_drop(&t->move, err);
}

/* From the mark on no load fills the column. A walk that finds nothing left has seen that
 * what is dropped is empty, whatever humans wrote there meanwhile. */
static bool empty(struct columns_task *t, struct error *err)
{
    int64_t before = -1;
    while (before != t->move.moved && !t->was_stopped) {
        before = t->move.moved;
        if (!columns_walk(t, column_move_demote, err)) {
            return false;
        }
    }
    return true;
}

int command_columns_demote(const struct command_call *call)
{
    struct columns_task t;
    struct error err = { .text = "" };
    bool done = columns_begin(&t, call, &err) && check_column(&t, &err) &&
                find_path(&t, &err) && columns_do_ddl(&t, mark, &err);
    if (done && table_find(t.table, buf_view(&t.column)) != NULL) {
        done = empty(&t, &err) && (t.was_stopped || columns_do_ddl(&t, drop, &err));
    }
    return columns_end(&t, "demoted", done, &err);
}
