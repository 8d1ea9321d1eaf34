#include "loader/mapping/table_plan.h"

#include "loader/mapping/hash_index.h"

#include "common/base/arena.h"
#include "common/base/mem.h"

#include <stdlib.h>

/* The base's columns are not copied: a plan costs what its batch adds. */
struct table_plan {
    const struct table *base;
    const struct table *settled; /* NULL: not yet */
    size_t base_count;
    size_t max_columns;
    size_t natural_count;
    struct planned_column **added; /* in the arena: their addresses do not change */
    size_t added_count, added_capacity;
    struct hash_index by_name; /* of the added ones */
    struct arena memory;
    int slots[TABLE_PLAN_SLOTS];
};

struct table_plan *table_plan_new(const struct table *base, size_t max_columns)
{
    struct table_plan *p = mem_calloc(1, sizeof(*p));
    p->base = table_ref(base);
    p->base_count = table_column_count(base);
    p->max_columns = max_columns;
    arena_init(&p->memory);
    for (size_t i = 0; i < TABLE_PLAN_SLOTS; i++) {
        p->slots[i] = TABLE_PLAN_SLOT_UNSET;
    }
    return p;
}

void table_plan_free(struct table_plan *p)
{
    if (p == NULL) {
        return;
    }
    hash_index_release(&p->by_name);
    arena_release(&p->memory);
    free(p->added);
    table_unref(p->settled);
    table_unref(p->base);
    free(p);
}

const struct table *table_plan_base(const struct table_plan *p)
{
    return p->base;
}

void table_plan_settle(struct table_plan *p, const struct table *t)
{
    const struct table *before = p->settled;
    p->settled = table_ref(t);
    table_unref(before);
}

const struct table *table_plan_settled(const struct table_plan *p)
{
    return p->settled == NULL ? p->base : p->settled;
}

/* The table's own columns first: they are the most, and their index is shared by all
 * plans. */
int table_plan_find_hashed(const struct table_plan *p, struct view name, uint32_t hash)
{
    int index = table_find_hashed(p->base, name, hash);
    if (index >= 0) {
        return index;
    }
    struct hash_probe probe = hash_index_probe(&p->by_name, hash);
    uint32_t id;
    while (hash_index_next(&p->by_name, &probe, &id)) {
        if (view_equal(p->added[id]->column.name, name)) {
            return (int)(p->base_count + id);
        }
    }
    return -1;
}

int table_plan_find(const struct table_plan *p, struct view name)
{
    return table_plan_find_hashed(p, name, table_name_hash(name));
}

/* Why a public write key cannot fill a table for good (architecture.md, section 4). */
static bool may_add(const struct table_plan *p, enum column_origin origin)
{
    size_t count = p->base_count + p->added_count;
    bool is_frozen = p->max_columns == TABLE_FROZEN;
    switch (origin) {
    case COLUMN_NATURAL:
        return !table_is_closed(p->base) && !is_frozen && count < p->max_columns &&
               p->natural_count < table_growth_left(p->base);
    case COLUMN_TWIN:
        return !table_is_closed(p->base) &&
               count < (is_frozen ? TABLE_MAX_COLUMNS : p->max_columns);
    case COLUMN_FIXED:
    case COLUMN_OF_TABLE:
    default:
        return true;
    }
}

int table_plan_add(struct table_plan *p, struct view name, enum column_type type,
                   enum column_origin origin, struct view path)
{
    if (!may_add(p, origin)) {
        return -1;
    }
    struct planned_column *added = arena_calloc(&p->memory, 1, sizeof(*added));
    added->column.name = arena_copy(&p->memory, name);
    added->column.type = type;
    added->column.max_chars = -1;
    added->origin = origin;
    added->path = arena_copy(&p->memory, path);
    if (p->added_count == p->added_capacity) {
        p->added_capacity = p->added_capacity == 0 ? 32 : p->added_capacity * 2;
        p->added =
            mem_resize(p->added, p->added_capacity, sizeof(struct planned_column *));
    }
    hash_index_add(&p->by_name, table_name_hash(name), (uint32_t)p->added_count);
    p->added[p->added_count++] = added;
    p->natural_count += origin == COLUMN_NATURAL ? 1 : 0;
    return (int)(p->base_count + p->added_count - 1);
}

const struct column *table_plan_column(const struct table_plan *p, size_t index)
{
    if (index < p->base_count) {
        return table_column(p->base, index);
    }
    return &table_plan_added_at(p, index - p->base_count)->column;
}

size_t table_plan_count(const struct table_plan *p)
{
    return p->base_count + p->added_count;
}

size_t table_plan_added(const struct table_plan *p)
{
    return p->added_count;
}

const struct planned_column *table_plan_added_at(const struct table_plan *p, size_t i)
{
    REQUIRE(i < p->added_count);
    return p->added[i];
}

int *table_plan_slots(struct table_plan *p)
{
    return p->slots;
}
