#include "loader/postgres/probe.h"

#include "loader/mapping/fixed_columns.h"

/* The id is random: it must not meet an event's. It fits the key's column, or a key that
 * is narrower than it (Stitch's varchar) would look like a table that takes nothing. */
static void add_id(struct buf *values, const struct column *key)
{
    if (key->max_chars < 0) {
        buf_add_cstr(values, "'backstitch-probe-' || gen_random_uuid()");
    } else {
        buf_printf(values, "left(md5(gen_random_uuid()::text), %d)", (int)key->max_chars);
    }
}

/* A value of ours for another column, as SQL; NULL when we have none. */
static const char *value_for(const struct column *column)
{
    if (column->is_generated || fixed_column_find(column->name) == FIXED_NONE) {
        return NULL;
    }
    switch (column->type) {
    case COLUMN_TEXT:
    case COLUMN_VARCHAR:
        return "'p'";
    case COLUMN_NUMERIC:
    case COLUMN_SMALLINT:
    case COLUMN_INTEGER:
    case COLUMN_BIGINT:
    case COLUMN_DOUBLE:
        return "1";
    case COLUMN_BOOLEAN:
        return "true";
    case COLUMN_TIMESTAMPTZ:
    case COLUMN_TIMESTAMP:
        return "now()";
    case COLUMN_JSON:
    case COLUMN_JSONB:
        return "'{}'";
    case COLUMN_OTHER:
        return NULL;
    }
    return NULL;
}

void probe_add_insert(struct buf *sql, const struct table *table)
{
    struct buf values = { 0 };
    buf_add_cstr(sql, "INSERT INTO ");
    connection_add_name(sql, table_schema(table));
    buf_add_char(sql, '.');
    connection_add_name(sql, table_name(table));
    for (size_t i = 0; i < table_column_count(table); i++) {
        const struct column *column = table_column(table, i);
        bool is_key = view_equal_cstr(column->name, "message_id");
        const char *value = value_for(column);
        if (value == NULL) {
            continue;
        }
        buf_add_cstr(sql, values.len == 0 ? " (" : ",");
        connection_add_name(sql, column->name);
        buf_add_cstr(&values, values.len == 0 ? "" : ",");
        if (is_key) {
            add_id(&values, column);
        } else {
            buf_add_cstr(&values, value);
        }
    }
    if (values.len == 0) {
        buf_add_cstr(sql, " DEFAULT VALUES");
    } else {
        buf_add_cstr(sql, ") VALUES (");
        buf_add_view(sql, buf_view(&values));
        buf_add_char(sql, ')');
    }
    buf_release(&values);
}

bool probe_table(struct connection *c, const struct table *table, struct error *err)
{
    struct buf sql = { 0 };
    buf_add_cstr(&sql, "BEGIN; ");
    probe_add_insert(&sql, table);
    bool is_taken = connection_run(c, buf_cstr(&sql), "trying a row of our own", err);
    struct error ignored; /* the refusal is what is told */
    if (!connection_run(c, "ROLLBACK", "rolling back", &ignored)) {
        connection_close(c);
    }
    buf_release(&sql);
    return is_taken;
}
