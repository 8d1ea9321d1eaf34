#include "loader/postgres/lookup.h"

#include "loader/postgres/connection.h"

static bool has_type(const struct table *t, const char *name, enum column_type a,
                     enum column_type b)
{
    const struct column *c = table_find(t, view_cstr(name));
    return c != NULL && !c->is_generated && (c->type == a || c->type == b);
}

bool lookup_fits(const struct table *t)
{
    return has_type(t, "message_id", COLUMN_TEXT, COLUMN_VARCHAR) &&
           has_type(t, "_sdc_sequence", COLUMN_BIGINT, COLUMN_BIGINT) &&
           has_type(t, "_sdc_batched_at", COLUMN_TIMESTAMPTZ, COLUMN_TIMESTAMP);
}

void lookup_write_prepare(const struct table *t, unsigned number, struct buf *sql)
{
    buf_printf(sql,
               "PREPARE lookup_%u (text[]) AS SELECT o.message_id AS " LOOKUP_ID
               ",o._sdc_sequence FROM ",
               number);
    connection_add_name(sql, table_schema(t));
    buf_add_char(sql, '.');
    connection_add_name(sql, table_name(t));
    buf_add_cstr(sql, " o WHERE o.message_id=ANY($1);\n");
}

void lookup_write_forget(unsigned number, struct buf *sql)
{
    buf_printf(sql, "DEALLOCATE lookup_%u;\n", number);
}

void lookup_write_begin(unsigned number, struct buf *sql)
{
    buf_printf(sql, "EXECUTE lookup_%u ('{", number);
}

void lookup_write_end(struct buf *sql)
{
    buf_add_cstr(sql, "}');\n");
}

void lookup_add_text(struct buf *sql, bool is_next, struct view text)
{
    char *start = buf_reserve(sql, 2 * text.len + 3);
    char *to = start;
    if (is_next) {
        *to++ = ',';
    }
    *to++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '"' || c == '\\') {
            *to++ = '\\';
        } else if (c == '\'') {
            *to++ = '\'';
        }
        *to++ = c;
    }
    *to++ = '"';
    sql->len += (size_t)(to - start);
}
