#include "loader/load/table_tries.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

void tries_release(struct tries *t)
{
    free(t->list);
    *t = (struct tries){ 0 };
}

void tries_clear(struct tries *t)
{
    t->count = 0;
}

static struct table_tries *find(struct tries *t, struct view schema, struct view table)
{
    for (size_t i = 0; i < t->count; i++) {
        if (view_equal_cstr(table, t->list[i].table) &&
            view_equal_cstr(schema, t->list[i].schema)) {
            return &t->list[i];
        }
    }
    return NULL;
}

struct table_tries *tries_of(struct tries *t, struct view schema, struct view table,
                             struct view fingerprint)
{
    struct table_tries *one = find(t, schema, table);
    if (one == NULL) {
        if (t->count == t->capacity) {
            t->capacity = t->capacity == 0 ? 4 : t->capacity * 2;
            t->list = mem_resize(t->list, t->capacity, sizeof *t->list);
        }
        one = &t->list[t->count++];
    } else if (view_equal_cstr(fingerprint, one->fingerprint)) {
        return one;
    }
    *one = (struct table_tries){ .stale = 0 };
    snprintf(one->schema, sizeof one->schema, "%.*s", VIEW_ARG(schema));
    snprintf(one->table, sizeof one->table, "%.*s", VIEW_ARG(table));
    snprintf(one->fingerprint, sizeof one->fingerprint, "%.*s", VIEW_ARG(fingerprint));
    return one;
}
