#include "loader/postgres/staging.h"

#include "common/base/mem.h"

#include <stdio.h>
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
    buf_add_cstr(&sql, " WITH NO DATA");
    bool done = connection_run(c, buf_cstr(&sql), "making a staging table", err);
    buf_release(&sql);
    return done;
}

static bool drop(struct connection *c, unsigned number, struct error *err)
{
    char sql[64];
    int len = snprintf(sql, sizeof sql, "DROP TABLE pg_temp.staging_%u", number);
    REQUIRE(len > 0 && (size_t)len < sizeof sql);
    return connection_run(c, sql, "dropping a staging table", err);
}

static struct staging_table *entry_of(struct staging *s, const struct table *table)
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

static void forget(struct staging *s, struct staging_table *entry)
{
    table_unref(entry->table);
    *entry = s->tables[--s->count];
}

bool staging_find(struct staging *s, struct connection *c, const struct table *table,
                  unsigned *out_number, struct error *err)
{
    struct staging_table *entry = entry_of(s, table);
    if (entry != NULL) {
        if (view_equal(table_fingerprint(entry->table), table_fingerprint(table))) {
            *out_number = entry->number;
            return true;
        }
        unsigned old = entry->number;
        forget(s, entry);
        if (!drop(c, old, err)) {
            return false;
        }
    }
    unsigned number = s->next_number++;
    if (!make(c, table, number, err)) {
        return false;
    }
    s->tables = mem_resize(s->tables, s->count + 1, sizeof *s->tables);
    s->tables[s->count++] = (struct staging_table){ table_ref(table), number };
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
