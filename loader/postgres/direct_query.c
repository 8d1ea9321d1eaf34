#include "loader/postgres/direct_query.h"

#include "loader/postgres/lookup.h"

static const struct table *table_of(const struct direct_query *q, size_t i)
{
    return q->tables[i].table->rows->table;
}

static void add_table_name(struct buf *sql, const struct table *t)
{
    connection_add_name(sql, table_schema(t));
    buf_add_char(sql, '.');
    connection_add_name(sql, table_name(t));
}

/* ---- the head ---- */

static void add_ids(struct buf *sql, const struct copies *c)
{
    for (size_t i = 0; i < c->group_count; i++) {
        lookup_add_text(sql, i > 0, copies_winner(c, &c->groups[i])->message_id);
    }
}

static void add_users(struct buf *sql, const struct copies *c)
{
    bool is_next = false;
    for (size_t i = 0; i < c->row_count; i++) {
        if (c->rows[i].user_id.len > 0) {
            lookup_add_text(sql, is_next, c->rows[i].user_id);
            is_next = true;
        }
    }
}

/* Asked after the schema's lock: an erase waits for us, or we see all that it saw. */
static void add_now(const struct direct_query *q, struct buf *sql)
{
    buf_add_cstr(sql,
                 "SELECT (extract(epoch FROM now())*1000000)::bigint AS " DIRECT_NOW);
    for (size_t i = 0; i < q->load->table_count; i++) {
        buf_add_cstr(sql,
                     ",EXISTS (SELECT FROM backstitch.deletion d WHERE d.\"schema\"=");
        connection_add_literal(sql, load_query_deletions_of(q->load, table_of(q, i)));
        buf_add_char(sql, ')');
    }
    buf_add_cstr(sql, ";\n");
}

static void add_user_question(const struct direct_query *q, size_t i, struct buf *sql)
{
    buf_add_cstr(sql, "SELECT DISTINCT d.user_id AS " DIRECT_USER
                      " FROM backstitch.deletion d WHERE d.\"schema\"=");
    connection_add_literal(sql, load_query_deletions_of(q->load, table_of(q, i)));
    buf_add_cstr(sql, " AND d.user_id=ANY('{");
    add_users(sql, &q->tables[i].copies);
    buf_add_cstr(sql, "}'::text[]);\n");
}

/* The plan is kept from the table's first load on, when a scan of all of it was cheapest:
 * without enable_seqscan = off it would be one for ever. */
static void add_lookups(const struct direct_query *q, struct buf *sql)
{
    buf_add_cstr(sql, "SET LOCAL enable_seqscan = off;\n");
    for (size_t i = 0; i < q->load->table_count; i++) {
        if (q->tables[i].is_direct) {
            lookup_write_begin(q->tables[i].table->staging, sql);
            add_ids(sql, &q->tables[i].copies);
            lookup_write_end(sql);
        }
    }
    buf_add_cstr(sql, "SET LOCAL enable_seqscan TO DEFAULT;\n");
}

static void add_copy(const struct load_table *t, struct buf *sql)
{
    buf_add_cstr(sql, "COPY ");
    add_table_name(sql, t->rows->table);
    buf_add_cstr(sql, " (");
    for (size_t i = 0; i < t->column_count; i++) {
        connection_add_name(sql, table_plan_column(t->rows->plan, t->columns[i])->name);
        buf_add_char(sql, ',');
    }
    buf_add_cstr(sql, "_sdc_batched_at) FROM STDIN (FORMAT binary);\n");
}

void direct_query_write_head(const struct direct_query *q, struct buf *sql)
{
    buf_add_cstr(sql, "BEGIN;\n");
    load_query_write_head(q->load, sql);
    add_now(q, sql);
    for (size_t i = 0; i < q->load->table_count; i++) {
        if (q->tables[i].is_direct && q->tables[i].asks_users) {
            add_user_question(q, i, sql);
        }
    }
    add_lookups(q, sql);
    for (size_t i = 0; i < q->load->table_count; i++) {
        if (q->tables[i].is_direct) {
            add_copy(q->tables[i].table, sql);
        }
    }
}

/* ---- the tail ---- */

/* The counts of what was not staged are the client's own. */
static void add_note(const struct direct_query *q, const struct direct_table *t,
                     struct buf *sql)
{
    const struct sink_rows *rows = t->table->rows;
    size_t unstaged = t->copies.row_count - copies_count(&t->copies, COPIES_STAGED);
    buf_add_cstr(sql, "SELECT backstitch.note_load(");
    connection_add_literal(sql, view_cstr(q->load->key.owner));
    buf_add_char(sql, ',');
    connection_add_literal(sql, table_schema(rows->table));
    buf_add_char(sql, ',');
    connection_add_literal(sql, table_name(rows->table));
    buf_printf(sql, ",%zu,%llu,0,0,%llu,%llu,", unstaged, (unsigned long long)t->rows_new,
               (unsigned long long)rows->suppressed_integrations,
               (unsigned long long)rows->bytes);
    if (unstaged > 0) {
        buf_printf(sql, "interval '%lld microseconds');\n",
                   (long long)(q->now_us - t->first_received_us));
    } else {
        buf_add_cstr(sql, "NULL);\n");
    }
}

void direct_query_write_tail(const struct direct_query *q,
                             const struct load_query *staged, struct buf *sql)
{
    for (size_t i = 0; i < staged->table_count; i++) {
        load_query_write_rows(staged, &staged->tables[i], sql);
    }
    for (size_t i = 0; i < q->load->table_count; i++) {
        add_note(q, &q->tables[i], sql);
    }
    load_query_write_tail(q->load, sql);
    buf_add_cstr(sql, "COMMIT;\n");
}
