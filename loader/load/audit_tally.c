#include "loader/load/audit_tally.h"

#include "loader/mapping/hash_index.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_DAY INT64_C(86400000)
#define FIRST_IDS 4096
#define NAME_BYTES 140 /* two of PostgreSQL's names and a dot */
/* Full to two thirds: probes stay short. */
#define FULL_OF 3
#define FULL_PART 2
#define MOST_SLOTS (1 << 24) /* 128 MiB */

_Static_assert((long long)AUDIT_IDS_MAX *FULL_OF < (long long)MOST_SLOTS * FULL_PART,
               "the set would grow once more");

const char *audit_fate_name(enum audit_fate fate)
{
    static const char *const names[AUDIT_FATES] = { "loaded", "rejected", "suppressed",
                                                    "held",   "not yet",  "missing" };
    return names[fate];
}

/* ---- rows ---- */

static bool is_row(const struct audit_row *r, const char *name, int64_t day)
{
    return r->day == day && strcmp(r->table, name) == 0;
}

/* Mostly the same as the last. */
static struct audit_row *row_of(struct audit_tally *t, struct view schema,
                                struct view table, int64_t received_at_ms)
{
    int64_t day = received_at_ms / MS_PER_DAY;
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%.*s.%.*s", VIEW_ARG(schema), VIEW_ARG(table));
    if (t->row_count > 0 && is_row(&t->rows[t->last], name, day)) {
        return &t->rows[t->last];
    }
    for (size_t i = 0; i < t->row_count; i++) {
        if (is_row(&t->rows[i], name, day)) {
            t->last = i;
            return &t->rows[i];
        }
    }
    if (t->row_count == t->row_capacity) {
        t->row_capacity = t->row_capacity == 0 ? 16 : t->row_capacity * 2;
        t->rows = mem_resize(t->rows, t->row_capacity, sizeof *t->rows);
    }
    struct audit_row row = { .table = mem_strdup(name), .day = day };
    t->last = t->row_count;
    t->rows[t->row_count++] = row;
    return &t->rows[t->last];
}

void audit_tally_note(struct audit_tally *t, struct view schema, struct view table,
                      int64_t received_at_ms, enum audit_fate fate)
{
    row_of(t, schema, table, received_at_ms)->fates[fate]++;
}

static int compare(const void *a, const void *b)
{
    const struct audit_row *x = a;
    const struct audit_row *y = b;
    int by_table = strcmp(x->table, y->table);
    return by_table != 0 ? by_table : (x->day > y->day) - (x->day < y->day);
}

void audit_tally_sort(struct audit_tally *t)
{
    if (t->row_count > 0) {
        qsort(t->rows, t->row_count, sizeof *t->rows, compare);
    }
    t->last = 0;
}

uint64_t audit_tally_sum(const struct audit_tally *t, enum audit_fate fate)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->row_count; i++) {
        sum += t->rows[i].fates[fate];
    }
    return sum;
}

/* ---- ids ---- */

/* True when it was not there. */
static bool put(uint64_t *ids, size_t capacity, uint64_t id)
{
    size_t at = id & (capacity - 1);
    while (ids[at] != 0) {
        if (ids[at] == id) {
            return false;
        }
        at = (at + 1) & (capacity - 1);
    }
    ids[at] = id;
    return true;
}

static void grow(struct audit_tally *t)
{
    size_t capacity = t->id_capacity == 0 ? FIRST_IDS : t->id_capacity * 2;
    uint64_t *ids = mem_calloc(capacity, sizeof *ids);
    for (size_t i = 0; i < t->id_capacity; i++) {
        if (t->ids[i] != 0) {
            (void)put(ids, capacity, t->ids[i]);
        }
    }
    free(t->ids);
    t->ids = ids;
    t->id_capacity = capacity;
}

void audit_tally_expect(struct audit_tally *t, uint64_t records)
{
    size_t capacity = FIRST_IDS;
    REQUIRE(t->ids == NULL);
    while (capacity < MOST_SLOTS && capacity * FULL_PART <= records * FULL_OF) {
        capacity *= 2;
    }
    t->ids = mem_calloc(capacity, sizeof *t->ids);
    t->id_capacity = capacity;
}

/* The same id in two tables is two events: the table is part of what is hashed. */
static uint64_t digest(struct view schema, struct view table, struct view message_id)
{
    uint64_t high = hash_bytes(hash_bytes(1, schema), message_id);
    uint64_t low = hash_bytes(hash_bytes(high + 2, table), message_id);
    uint64_t id = high << 32 ^ low;
    return id == 0 ? 1 : id;
}

bool audit_tally_meet(struct audit_tally *t, struct view schema, struct view table,
                      int64_t received_at_ms, struct view message_id)
{
    t->records++;
    if (t->id_count * FULL_OF >= t->id_capacity * FULL_PART && !t->is_over) {
        t->is_over = t->id_count >= AUDIT_IDS_MAX;
        if (!t->is_over) {
            grow(t);
        }
    }
    if (t->is_over) {
        return true;
    }
    if (put(t->ids, t->id_capacity, digest(schema, table, message_id))) {
        t->id_count++;
        return true;
    }
    row_of(t, schema, table, received_at_ms)->copies++;
    return false;
}

void audit_tally_release(struct audit_tally *t)
{
    for (size_t i = 0; i < t->row_count; i++) {
        free(t->rows[i].table);
    }
    free(t->rows);
    free(t->ids);
    *t = (struct audit_tally){ .row_count = 0 };
}
