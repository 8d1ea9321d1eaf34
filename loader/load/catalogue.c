#include "loader/load/catalogue.h"

#include "common/base/mem.h"

#include <pthread.h>
#include <stdlib.h>

/* Tables number in the tens (sources times event types): a plain list, searched in order,
 * is enough, and needs no hash. */
struct catalogue {
    pthread_mutex_t lock;
    const struct table **tables;
    size_t count;
};

struct catalogue *catalogue_new(void)
{
    struct catalogue *c = mem_calloc(1, sizeof *c);
    REQUIRE(pthread_mutex_init(&c->lock, NULL) == 0);
    return c;
}

static void forget_all(struct catalogue *c)
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
    forget_all(c);
    free((void *)c->tables);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* The slot of a table, or NULL; the lock is held. */
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
    pthread_mutex_lock(&c->lock);
    const struct table **slot = find(c, schema, name);
    const struct table *found = slot == NULL ? NULL : table_ref(*slot);
    pthread_mutex_unlock(&c->lock);
    if (found != NULL) {
        return found;
    }
    struct table_setup unknown = { .schema = schema,
                                   .name = name,
                                   .growth_left = SIZE_MAX };
    return table_new(&unknown);
}

bool catalogue_has(struct catalogue *c, struct view schema, struct view name)
{
    pthread_mutex_lock(&c->lock);
    bool has = find(c, schema, name) != NULL;
    pthread_mutex_unlock(&c->lock);
    return has;
}

void catalogue_put(struct catalogue *c, const struct table *table)
{
    pthread_mutex_lock(&c->lock);
    const struct table **slot = find(c, table_schema(table), table_name(table));
    if (slot == NULL) {
        c->tables = mem_resize((void *)c->tables, c->count + 1, sizeof(struct table *));
        slot = &c->tables[c->count++];
    } else {
        table_unref(*slot);
    }
    *slot = table_ref(table);
    pthread_mutex_unlock(&c->lock);
}

void catalogue_clear(struct catalogue *c)
{
    pthread_mutex_lock(&c->lock);
    forget_all(c);
    pthread_mutex_unlock(&c->lock);
}
