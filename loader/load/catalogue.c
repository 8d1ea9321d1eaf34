#include "loader/load/catalogue.h"

#include "common/base/mem.h"

#include <stdlib.h>

/* Tables number in the tens (sources times event types): a plain list, searched in order,
 * is enough, and needs no hash. */
struct catalogue {
    const struct table **tables;
    size_t count;
};

struct catalogue *catalogue_new(void)
{
    return mem_calloc(1, sizeof(struct catalogue));
}

void catalogue_clear(struct catalogue *c)
{
    for (size_t i = 0; i < c->count; i++) {
        table_unref(c->tables[i]);
    }
    c->count = 0;
}

void catalogue_free(struct catalogue *c)
{
    if (c == NULL) {
        return;
    }
    catalogue_clear(c);
    free((void *)c->tables);
    free(c);
}

/* The slot of a table, or NULL. */
static const struct table **find(struct catalogue *c, struct view schema,
                                 struct view name)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct table *t = c->tables[i];
        if (view_equal(table_name(t), name) && view_equal(table_schema(t), schema)) {
            return &c->tables[i];
        }
    }
    return NULL;
}

const struct table *catalogue_get(struct catalogue *c, struct view schema,
                                  struct view name)
{
    const struct table **slot = find(c, schema, name);
    if (slot != NULL) {
        return table_ref(*slot);
    }
    struct table_setup unknown = { .schema = schema,
                                   .name = name,
                                   .growth_left = SIZE_MAX };
    return table_new(&unknown);
}

bool catalogue_has(struct catalogue *c, struct view schema, struct view name)
{
    return find(c, schema, name) != NULL;
}

void catalogue_put(struct catalogue *c, const struct table *table)
{
    const struct table **slot = find(c, table_schema(table), table_name(table));
    if (slot == NULL) {
        c->tables = mem_resize((void *)c->tables, c->count + 1, sizeof(struct table *));
        slot = &c->tables[c->count++];
    } else {
        table_unref(*slot);
    }
    *slot = table_ref(table);
}

void catalogue_remove(struct catalogue *c, struct view schema, struct view name)
{
    const struct table **slot = find(c, schema, name);
    if (slot != NULL) {
        table_unref(*slot);
        *slot = c->tables[--c->count];
    }
}
