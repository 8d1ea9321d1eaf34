#include "loader/postgres/column_move.h"

#include "loader/mapping/column_name.h"
#include "loader/mapping/value.h"
#include "loader/postgres/table_ddl.h"
#include "loader/postgres/table_reader.h"

#include "common/base/mem.h"

bool column_move_begin(struct column_move *m, struct connection *c, const struct table *t,
                       struct view path, struct view column, struct error *err)
{
    *m = (struct column_move){
        .connection = c, .table = t, .path = path, .column = column
    };
    buf_add_view(&m->twin, column);
    buf_add_cstr(&m->twin, TWIN_SUFFIX);
    arena_init(&m->arena);
    return column_walk_begin(&m->walk, c, t, err);
}

void column_move_release(struct column_move *m)
{
    buf_release(&m->twin);
    column_walk_release(&m->walk);
    json_doc_release(&m->doc);
    arena_release(&m->arena);
}

void column_move_set_table(struct column_move *m, const struct table *t)
{
    m->table = t;
    m->walk.table = t;
    m->needs_twin = false;
}

static bool has_twin(const struct column_move *m)
{
    const struct column *twin = table_find(m->table, buf_view(&m->twin));
    return twin != NULL && twin->type == COLUMN_TEXT;
}

/* ---- a step's transaction ---- */

/* The schema's lock shared, then the table as it was read: as a load does it. */
static bool begin_step(const struct column_move *m, struct error *err)
{
    struct buf sql = { 0 };
    const struct table *t = m->table;
    buf_add_cstr(&sql, "BEGIN; SELECT pg_advisory_xact_lock_shared("
                       "backstitch.schema_lock(), hashtext(");
    connection_add_literal(&sql, table_schema(t));
    buf_add_cstr(&sql, ")); LOCK TABLE ");
    column_walk_add_table(&sql, t);
    buf_add_cstr(&sql, " IN ROW EXCLUSIVE MODE; SELECT backstitch.check_table(");
    connection_add_literal(&sql, table_schema(t));
    buf_add_char(&sql, ',');
    connection_add_literal(&sql, table_name(t));
    buf_add_char(&sql, ',');
    connection_add_literal(&sql, table_fingerprint(t));
    buf_add_cstr(&sql, ")");
    bool done = connection_run(m->connection, buf_cstr(&sql), "beginning a step", err);
    buf_release(&sql);
    return done;
}

static bool end_step(const struct column_move *m, bool done, struct error *err)
{
    if (done && connection_run(m->connection, "COMMIT", "committing a step", err)) {
        return true;
    }
    return table_ddl_roll_back(m->connection);
}

/* "col" or, where there is one, the twin as well. */
static void add_is_null(struct buf *sql, const struct column_move *m)
{
    connection_add_name(sql, m->column);
    buf_add_cstr(sql, " IS NULL");
    if (has_twin(m)) {
        buf_add_cstr(sql, " AND ");
        connection_add_name(sql, buf_view(&m->twin));
        buf_add_cstr(sql, " IS NULL");
    }
}

/* ---- promote ---- */

/* Array literals of what goes into the rows of a step. */
struct moved_rows {
    struct buf ids, values, twins;
    int64_t count, to_twin;
};

/* A member of an array literal; NULL data: NULL. */
static void add_member(struct buf *array, struct view text)
{
    buf_add_char(array, array->len == 0 ? '{' : ',');
    if (text.data == NULL) {
        buf_add_cstr(array, "NULL");
        return;
    }
    buf_add_char(array, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\') {
            buf_add_char(array, '\\');
        }
        buf_add_char(array, text.data[i]);
    }
    buf_add_char(array, '"');
}

static void release_rows(struct moved_rows *rows)
{
    buf_release(&rows->ids);
    buf_release(&rows->values);
    buf_release(&rows->twins);
}

/* One row's value, by the mapping's own rules: the column, else the twin. */
static void convert(struct column_move *m, struct view id, struct view json,
                    struct moved_rows *rows)
{
    static const struct json_limits limits = { JSON_MAX_DEPTH, JSON_MAX_KEYS, 1 };
    struct json_fault fault;
    bool is_json = json_doc_scan(&m->doc, json, &limits, &fault);
    if (!is_json || m->doc.nodes[0].kind == JSON_NULL) {
        return; /* not of ours: it stays where it is */
    }
    const struct column *column = table_find(m->table, m->column);
    struct value value = value_of_node(&m->doc.nodes[0]);
    struct cell_scratch scratch;
    struct cell cell = { 0 };
    struct view none = { NULL, 0 };
    if (value_convert(&value, column, &m->arena, &cell)) {
        add_member(&rows->values, cell_text(&cell, column->type, &scratch));
        add_member(&rows->twins, none);
    } else if (has_twin(m)) {
        add_member(&rows->values, none);
        add_member(&rows->twins, value_as_text(&value, &m->arena));
        rows->to_twin++;
    } else {
        /* A twin that is there with another type takes nothing: the value stays. */
        m->needs_twin = m->needs_twin || table_find(m->table, buf_view(&m->twin)) == NULL;
        return;
    }
    add_member(&rows->ids, id);
    rows->count++;
}

static void add_select(struct buf *sql, const struct column_move *m)
{
    buf_add_cstr(sql, "SELECT message_id, (_sdc_extra -> $3::text)::text FROM ");
    column_walk_add_table(sql, m->table);
    buf_add_cstr(sql, " WHERE ");
    column_walk_add_range(sql);
    buf_add_cstr(sql, " AND _sdc_extra ? $3::text AND ");
    add_is_null(sql, m);
    buf_add_cstr(sql, " ORDER BY message_id FOR UPDATE");
}

/* Every jsonb or number that was taken from the column's own rules fits its type. */
static void add_update(struct buf *sql, const struct column_move *m)
{
    const struct column *column = table_find(m->table, m->column);
    buf_add_cstr(sql, "UPDATE ");
    column_walk_add_table(sql, m->table);
    buf_add_cstr(sql, " AS t SET ");
    connection_add_name(sql, m->column);
    /* A column that no value converts to (uuid, ..) is only ever set to NULL. */
    buf_printf(sql, " = %s%s", column->type == COLUMN_OTHER ? "NULL" : "u.v::",
               column->type == COLUMN_OTHER ? "" : table_reader_sql_type(column->type));
    if (has_twin(m)) {
        buf_add_cstr(sql, ", ");
        connection_add_name(sql, buf_view(&m->twin));
        buf_add_cstr(sql, " = u.w");
    }
    buf_add_cstr(sql, ", _sdc_extra = nullif(t._sdc_extra - $1::text, '{}'::jsonb)"
                      " FROM unnest($2::text[], $3::text[], $4::text[]) AS u(id, v, w)"
                      " WHERE t.message_id = u.id");
}

static bool update(struct column_move *m, struct moved_rows *rows, struct error *err)
{
    if (rows->count == 0) {
        return true;
    }
    struct buf sql = { 0 };
    struct buf path = { 0 };
    struct pg_result *r = NULL;
    buf_add_view(&path, m->path);
    buf_add_char(&rows->ids, '}');
    buf_add_char(&rows->values, '}');
    buf_add_char(&rows->twins, '}');
    const char *const values[] = { buf_cstr(&path), buf_cstr(&rows->ids),
                                   buf_cstr(&rows->values), buf_cstr(&rows->twins) };
    add_update(&sql, m);
    bool done = connection_query(m->connection, buf_cstr(&sql), 4, values, &r, err);
    connection_free(r);
    buf_release(&sql);
    buf_release(&path);
    return done;
}

static bool promote_range(struct column_move *m, struct moved_rows *rows,
                          struct error *err)
{
    struct buf sql = { 0 };
    struct buf path = { 0 };
    struct pg_result *r = NULL;
    buf_add_view(&path, m->path);
    const char *const values[] = { buf_cstr(&m->walk.from), buf_cstr(&m->walk.to),
                                   buf_cstr(&path) };
    add_select(&sql, m);
    bool done = connection_query(m->connection, buf_cstr(&sql), 3, values, &r, err);
    for (int i = 0; done && i < connection_rows(r); i++) {
        convert(m, connection_field(r, i, 0), connection_field(r, i, 1), rows);
    }
    done = done && (m->needs_twin || update(m, rows, err));
    connection_free(r);
    buf_release(&sql);
    buf_release(&path);
    arena_reset(&m->arena);
    return done;
}

/* A step that failed, or found that it needs the twin, comes again: the walk stands at
 * its beginning as long as `to` is not moved on. */
static bool next_range(struct column_move *m, bool *out_is_over, struct error *err)
{
    return column_walk_next(&m->walk, out_is_over, err);
}

static void repeat_range(struct column_move *m)
{
    buf_clear(&m->walk.to);
    buf_add_view(&m->walk.to, buf_view(&m->walk.from));
}

bool column_move_promote(struct column_move *m, bool *out_is_over, struct error *err)
{
    struct moved_rows rows = { .count = 0 };
    int64_t met = m->walk.rows;
    if (!next_range(m, out_is_over, err) || *out_is_over) {
        return *out_is_over;
    }
    bool done = begin_step(m, err) && promote_range(m, &rows, err);
    done = end_step(m, done, err);
    if (done && !m->needs_twin) {
        m->moved += rows.count;
        m->to_twin += rows.to_twin;
    } else {
        m->walk.rows = met;
        repeat_range(m);
    }
    release_rows(&rows);
    return done;
}

/* ---- demote ---- */

/* Under a key that is taken (another spelling's value, which had come second) the value
 * gets U+FFFD at the end, as the mapping does with paths that look the same. */
static void add_demotion(struct buf *sql, const struct column_move *m)
{
    struct view twin = buf_view(&m->twin);
    bool has = has_twin(m);
    buf_add_cstr(sql, "UPDATE ");
    column_walk_add_table(sql, m->table);
    buf_add_cstr(sql, " SET _sdc_extra = coalesce(_sdc_extra, '{}'::jsonb) || "
                      "jsonb_build_object(CASE WHEN _sdc_extra ? $3 THEN $3 || "
                      "chr(65533) ELSE $3 END, coalesce(");
    if (has) {
        buf_add_cstr(sql, "to_jsonb(");
        connection_add_name(sql, twin);
        buf_add_cstr(sql, "), ");
    }
    buf_add_cstr(sql, "to_jsonb(");
    connection_add_name(sql, m->column);
    buf_add_cstr(sql, "))), ");
    connection_add_name(sql, m->column);
    buf_add_cstr(sql, " = NULL");
    if (has) {
        buf_add_cstr(sql, ", ");
        connection_add_name(sql, twin);
        buf_add_cstr(sql, " = NULL");
    }
    buf_add_cstr(sql, " WHERE ");
    column_walk_add_range(sql);
    buf_add_cstr(sql, " AND NOT (");
    add_is_null(sql, m);
    buf_add_cstr(sql, ") RETURNING 1");
}

static bool demote_range(struct column_move *m, int64_t *out_moved, struct error *err)
{
    struct buf sql = { 0 };
    struct buf path = { 0 };
    struct pg_result *r = NULL;
    buf_add_view(&path, m->path);
    const char *const values[] = { buf_cstr(&m->walk.from), buf_cstr(&m->walk.to),
                                   buf_cstr(&path) };
    add_demotion(&sql, m);
    bool done = connection_query(m->connection, buf_cstr(&sql), 3, values, &r, err);
    *out_moved = done ? connection_rows(r) : 0;
    connection_free(r);
    buf_release(&sql);
    buf_release(&path);
    return done;
}

bool column_move_demote(struct column_move *m, bool *out_is_over, struct error *err)
{
    int64_t moved = 0;
    int64_t met = m->walk.rows;
    if (!next_range(m, out_is_over, err) || *out_is_over) {
        return *out_is_over;
    }
    bool done = begin_step(m, err) && demote_range(m, &moved, err);
    done = end_step(m, done, err);
    if (done) {
        m->moved += moved;
    } else {
        m->walk.rows = met;
        repeat_range(m);
    }
    return done;
}

/* ---- what loads must know ---- */

static bool change(struct connection *c, const struct table *t, struct buf *sql,
                   const char *doing, struct error *err)
{
    bool done = table_ddl_begin(c, table_schema(t), err) &&
                connection_run(c, buf_cstr(sql), doing, err) &&
                connection_run(c, "COMMIT", doing, err);
    buf_release(sql);
    return done || table_ddl_roll_back(c);
}

static void add_key(struct buf *sql, const struct table *t, struct view column)
{
    connection_add_literal(sql, table_schema(t));
    buf_add_char(sql, ',');
    connection_add_literal(sql, table_name(t));
    buf_add_char(sql, ',');
    connection_add_literal(sql, column);
}

bool column_move_mark(struct connection *c, const struct table *t, struct view column,
                      struct view path, struct error *err)
{
    struct buf sql = { 0 };
    buf_add_cstr(&sql, "INSERT INTO backstitch.demoted_column (\"schema\", \"table\", "
                       "\"column\", path) VALUES (");
    add_key(&sql, t, column);
    buf_add_char(&sql, ',');
    connection_add_literal(&sql, path);
    buf_add_cstr(&sql, ") ON CONFLICT DO NOTHING");
    return change(c, t, &sql, "marking the column as demoted", err);
}

bool column_move_unmark(struct connection *c, const struct table *t, struct view column,
                        struct error *err)
{
    struct buf sql = { 0 };
    buf_add_cstr(&sql, "DELETE FROM backstitch.demoted_column WHERE (\"schema\", "
                       "\"table\", \"column\") = (");
    add_key(&sql, t, column);
    buf_add_cstr(&sql, ")");
    return change(c, t, &sql, "marking the column as no longer demoted", err);
}

bool column_move_drop(const struct column_move *m, struct error *err)
{
    struct buf sql = { 0 };
    buf_add_cstr(&sql, "ALTER TABLE ");
    column_walk_add_table(&sql, m->table);
    buf_add_cstr(&sql, " DROP COLUMN IF EXISTS ");
    connection_add_name(&sql, m->column);
    if (has_twin(m)) {
        buf_add_cstr(&sql, ", DROP COLUMN IF EXISTS ");
        connection_add_name(&sql, buf_view(&m->twin));
    }
    buf_add_cstr(&sql, "; INSERT INTO backstitch.schema_change (\"schema\", \"table\", "
                       "\"column\", \"type\", path, is_natural) VALUES (");
    add_key(&sql, m->table, m->column);
    buf_add_cstr(&sql, ",'dropped',");
    connection_add_literal(&sql, m->path);
    buf_add_cstr(&sql, ",false)");
    return change(m->connection, m->table, &sql, "dropping the column", err);
}
