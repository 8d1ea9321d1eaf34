#include "loader/load/held_tables.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void held_tables_release(struct held_tables *h)
{
    free(h->list);
    *h = (struct held_tables){ 0 };
}

struct held_table *held_tables_find(const struct held_tables *h, struct view schema,
                                    struct view table)
{
    for (size_t i = 0; i < h->count; i++) {
        struct held_table *t = &h->list[i];
        if (view_equal_cstr(table, t->table) && view_equal_cstr(schema, t->schema)) {
            return t;
        }
    }
    return NULL;
}

bool held_tables_has(const struct held_tables *h, struct view schema, struct view table)
{
    const struct held_table *t = held_tables_find(h, schema, table);
    return t != NULL && !t->is_on_trial;
}

struct held_table *held_tables_put(struct held_tables *h, struct view schema,
                                   struct view table, const struct error *why,
                                   bool *out_is_new)
{
    struct held_table *t = held_tables_find(h, schema, table);
    *out_is_new = t == NULL || strcmp(t->why.code, why->code) != 0;
    if (t == NULL) {
        if (h->count == h->capacity) {
            h->capacity = h->capacity == 0 ? 4 : h->capacity * 2;
            h->list = mem_resize(h->list, h->capacity, sizeof *h->list);
        }
        t = &h->list[h->count++];
        *t = (struct held_table){ .retry_at_mono_ms = 0 };
        snprintf(t->schema, sizeof t->schema, "%.*s", VIEW_ARG(schema));
        snprintf(t->table, sizeof t->table, "%.*s", VIEW_ARG(table));
    }
    t->why = *why;
    t->is_on_trial = false;
    return t;
}

bool held_tables_remove(struct held_tables *h, struct view schema, struct view table)
{
    struct held_table *t = held_tables_find(h, schema, table);
    if (t == NULL) {
        return false;
    }
    *t = h->list[--h->count];
    return true;
}
