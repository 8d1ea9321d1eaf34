#include "loader/postgres/staging.h"

#include "loader/postgres/lookup.h"

#include "common/base/mem.h"

#include <stdlib.h>

static bool make(struct connection *c, const struct table *table, unsigned number,
                 struct error *err)
{
    struct buf sql = { 0 };
    buf_printf(&sql,
               "CREATE TEMP TABLE staging_%u AS SELECT *, NULL::text AS " STAGING_USER
               ", NULL::timestamptz AS " STAGING_SINCE
               ", NULL::timestamptz AS " STAGING_RECEIVED " FROM ",
               number);
    connection_add_name(&sql, table_schema(table));
    buf_add_char(&sql, '.');
    connection_add_name(&sql, table_name(table));
    buf_add_cstr(&sql, " WITH NO DATA;\n");
    if (lookup_fits(table)) {
        lookup_write_prepare(table, number, &sql);
    }
    bool done = connection_run(c, buf_cstr(&sql), "making a staging table", err);
    buf_release(&sql);
    return done;
}

static bool drop(struct connection *c, const struct staging_table *entry,
                 struct error *err)
{
    struct buf sql = { 0 };
    buf_printf(&sql, "DROP TABLE pg_temp.staging_%u;\n", entry->number);
    if (lookup_fits(entry->table)) {
        lookup_write_forget(entry->number, &sql);
    }
    bool done = connection_run(c, buf_cstr(&sql), "dropping a staging table", err);
    buf_release(&sql);
    return done;
}

struct staging_table *staging_entry(const struct staging *s, const struct table *table)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct table *t = s->tables[i].table;
        if (view_equal(table_name(t), table_name(table)) &&
            view_equal(table_schema(t), table_schema(table))) {
            return &s->tables[i];
        }
    }
    return NULL;
}

bool staging_find(struct staging *s, struct connection *c, const struct table *table,
                  unsigned *out_number, struct error *err)
{
    struct staging_table *entry = staging_entry(s, table);
    if (entry != NULL) {
        if (view_equal(table_fingerprint(entry->table), table_fingerprint(table))) {
            *out_number = entry->number;
            return true;
        }
        struct staging_table old = *entry;
        *entry = s->tables[--s->count];
        bool is_dropped = drop(c, &old, err);
        table_unref(old.table);
        if (!is_dropped) {
            return false;
        }
    }
    unsigned number = s->next_number++;
    if (!make(c, table, number, err)) {
        return false;
    }
    s->tables = mem_resize(s->tables, s->count + 1, sizeof *s->tables);
    s->tables[s->count++] =
        (struct staging_table){ .table = table_ref(table), .number = number };
    *out_number = number;
    return true;
}

void staging_clear(struct staging *s)
{
    for (size_t i = 0; i < s->count; i++) {
        table_unref(s->tables[i].table);
    }
    free(s->tables);
    *s = (struct staging){ 0 };
}
