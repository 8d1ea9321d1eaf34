#include "loader/postgres/column_walk.h"

void column_walk_add_table(struct buf *sql, const struct table *t)
{
    connection_add_name(sql, table_schema(t));
    buf_add_char(sql, '.');
    connection_add_name(sql, table_name(t));
}

void column_walk_add_range(struct buf *sql)
{
    buf_add_cstr(sql, "message_id > $1 AND message_id <= $2");
}

bool column_walk_begin(struct column_walk *w, struct connection *c, const struct table *t,
                       struct error *err)
{
    *w = (struct column_walk){ .connection = c, .table = t, .about = -1 };
    struct buf name = { 0 };
    column_walk_add_table(&name, t);
    const char *const values[] = { buf_cstr(&name) };
    struct pg_result *r = NULL;
    /* Of a partitioned table the parts count; -1 before the first ANALYZE. */
    bool done = connection_query(
        c,
        "SELECT coalesce(sum(c.reltuples)::bigint, -1) FROM pg_class c"
        " WHERE c.relkind = 'r' AND c.oid IN (SELECT $1::regclass UNION ALL"
        " SELECT relid FROM pg_partition_tree($1::regclass))",
        1, values, &r, err);
    if (done) {
        w->about = connection_field_i64(r, 0, 0);
    }
    connection_free(r);
    buf_release(&name);
    return done;
}

/* The ids of a step are those of the first rows in the index; the last of them whose
 * bytes still fit is where the step ends, the first one in any case. */
static void add_step(struct buf *sql, const struct column_walk *w, bool has_extra)
{
    buf_add_cstr(sql, "SELECT max(message_id), count(*) FROM (SELECT message_id,"
                      " sum(size) OVER o AS bytes, row_number() OVER o AS n FROM"
                      " (SELECT message_id, ");
    buf_add_cstr(sql, has_extra ? "coalesce(pg_column_size(_sdc_extra), 0)" : "0");
    buf_add_cstr(sql, " AS size FROM ");
    column_walk_add_table(sql, w->table);
    buf_printf(sql,
               " WHERE message_id > $1 ORDER BY message_id LIMIT %d) s"
               " WINDOW o AS (ORDER BY message_id)) b WHERE bytes <= %d OR n = 1",
               COLUMN_WALK_ROWS, COLUMN_WALK_BYTES);
}

bool column_walk_next(struct column_walk *w, bool *out_is_over, struct error *err)
{
    struct buf sql = { 0 };
    struct pg_result *r = NULL;
    buf_clear(&w->from);
    buf_add_view(&w->from, buf_view(&w->to));
    const char *const values[] = { buf_cstr(&w->from) };
    add_step(&sql, w, table_find(w->table, view_cstr("_sdc_extra")) != NULL);
    bool done = connection_query(w->connection, buf_cstr(&sql), 1, values, &r, err);
    if (done) {
        *out_is_over = connection_field_is_null(r, 0, 0);
        buf_clear(&w->to);
        buf_add_view(&w->to, connection_field(r, 0, 0));
        w->rows += connection_field_i64(r, 0, 1);
    }
    connection_free(r);
    buf_release(&sql);
    return done;
}

void column_walk_release(struct column_walk *w)
{
    buf_release(&w->from);
    buf_release(&w->to);
}
