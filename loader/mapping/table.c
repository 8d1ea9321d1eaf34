#include "loader/mapping/table.h"

#include "loader/mapping/hash_index.h"
#include "loader/mapping/table_plan.h"

#include "common/base/arena.h"
#include "common/base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Column names are few and their owner is the table's, so no secret seed is needed. */
#define NAME_SEED UINT64_C(0x62736d6170)

struct table {
    atomic_size_t *references; /* apart, so that a shared table can be const */
    struct arena strings;
    struct view schema, name, fingerprint;
    struct column *columns;
    size_t column_count;
    struct view *demoted;
    size_t demoted_count;
    struct hash_index by_name;
    size_t growth_left;
    unsigned faults;
    bool exists;
    bool is_partitioned;
    bool is_closed;
};

uint32_t table_name_hash(struct view column_name)
{
    return hash_bytes(NAME_SEED, column_name);
}

struct table *table_new(const struct table_setup *setup)
{
    struct table *t = mem_calloc(1, sizeof(*t));
    t->references = mem_calloc(1, sizeof(*t->references));
    atomic_init(t->references, 1);
    arena_init(&t->strings);
    t->schema = arena_copy(&t->strings, setup->schema);
    t->name = arena_copy(&t->strings, setup->name);
    t->fingerprint = arena_copy(&t->strings, setup->fingerprint);
    t->exists = setup->exists;
    t->is_partitioned = setup->is_partitioned;
    t->faults = setup->faults;
    t->growth_left = setup->growth_left;
    t->column_count = setup->column_count;
    t->demoted_count = setup->demoted_count;
    t->demoted = mem_calloc(setup->demoted_count, sizeof(*t->demoted));
    for (size_t i = 0; i < setup->demoted_count; i++) {
        t->demoted[i] = arena_copy(&t->strings, setup->demoted[i]);
    }
    t->columns = mem_calloc(setup->column_count, sizeof(*t->columns));
    for (size_t i = 0; i < setup->column_count; i++) {
        t->columns[i] = setup->columns[i];
        t->columns[i].name = arena_copy(&t->strings, setup->columns[i].name);
        t->columns[i].is_demoted = table_is_demoted(t, t->columns[i].name);
        hash_index_add(&t->by_name, table_name_hash(t->columns[i].name), (uint32_t)i);
    }
    return t;
}

/* A copy: tables never change. It is made when somebody blocks DDL, which is rare. */
struct table *table_closed(const struct table *t)
{
    struct table_setup setup = {
        .schema = t->schema,
        .name = t->name,
        .columns = t->columns,
        .column_count = t->column_count,
        .demoted = t->demoted,
        .demoted_count = t->demoted_count,
        .fingerprint = t->fingerprint,
        .exists = t->exists,
        .is_partitioned = t->is_partitioned,
        .faults = t->faults,
        .growth_left = 0,
    };
    struct table *closed = table_new(&setup);
    closed->is_closed = true;
    return closed;
}

const struct table *table_ref(const struct table *t)
{
    atomic_fetch_add_explicit(t->references, 1, memory_order_relaxed);
    return t;
}

/* Release and acquire: what other threads did with the table happens before it is freed.
 */
void table_unref(const struct table *t)
{
    if (t == NULL ||
        atomic_fetch_sub_explicit(t->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    /* The last reference: nobody else can see the table, so it may be changed again. */
    union {
        const struct table *shared;
        struct table *own;
    } last = { .shared = t };
    hash_index_release(&last.own->by_name);
    arena_release(&last.own->strings);
    free(last.own->columns);
    free(last.own->demoted);
    free(last.own->references);
    free(last.own);
}

struct view table_schema(const struct table *t)
{
    return t->schema;
}

struct view table_name(const struct table *t)
{
    return t->name;
}

struct view table_fingerprint(const struct table *t)
{
    return t->fingerprint;
}

bool table_exists(const struct table *t)
{
    return t->exists;
}

bool table_is_partitioned(const struct table *t)
{
    return t->is_partitioned;
}

unsigned table_faults(const struct table *t)
{
    return t->faults;
}

bool table_is_closed(const struct table *t)
{
    return t->is_closed;
}

size_t table_growth_left(const struct table *t)
{
    return t->growth_left;
}

size_t table_column_count(const struct table *t)
{
    return t->column_count;
}

const struct column *table_column(const struct table *t, size_t index)
{
    REQUIRE(index < t->column_count);
    return &t->columns[index];
}

bool table_is_demoted(const struct table *t, struct view name)
{
    for (size_t i = 0; i < t->demoted_count; i++) {
        if (view_equal(t->demoted[i], name)) {
            return true;
        }
    }
    return false;
}

int table_find_hashed(const struct table *t, struct view name, uint32_t hash)
{
    struct hash_probe probe = hash_index_probe(&t->by_name, hash);
    uint32_t id;
    while (hash_index_next(&t->by_name, &probe, &id)) {
        if (view_equal(t->columns[id].name, name)) {
            return (int)id;
        }
    }
    return -1;
}

const struct column *table_find(const struct table *t, struct view name)
{
    int index = table_find_hashed(t, name, table_name_hash(name));
    return index < 0 ? NULL : &t->columns[index];
}
