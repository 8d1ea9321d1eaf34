#include "loader/postgres/trial.h"

#include "loader/postgres/probe.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What of a row must lie in its page, at most (PostgreSQL's MaxHeapTupleSize); a value
 * that is longer than 24 bytes can be moved out of line and leaves 18 bytes behind
 * (src/backend/access/heap/heaptoast.c, TOAST_POINTER_SIZE). */
#define PAGE_BYTES 8160
#define ROW_HEADER_BYTES 24
#define VALUE_HEADER_BYTES 8 /* length and alignment, at most */

struct trial {
    const struct load_setup *setup;
    const struct sink_rows *all;
    struct row *rows;    /* the narrow ones first */
    size_t *places;      /* rows[i] is all->rows[places[i]] */
    size_t narrow_count; /* of them, from the first on */
    unsigned staging;
    struct sink_trial *out;
    struct error *err;
};

/* An upper bound of what lies in the page before anything is moved out of it. */
static size_t width_of(const struct row *row, size_t columns)
{
    size_t width = ROW_HEADER_BYTES + columns / 8;
    for (uint32_t i = 0; i < row->count; i++) {
        bool is_text = row->cells[i].kind == CELL_TEXT;
        width += VALUE_HEADER_BYTES + (is_text ? row->cells[i].text.len : 0);
    }
    return width;
}

static void order_rows(struct trial *t)
{
    size_t count = t->all->row_count;
    size_t columns = table_column_count(t->all->table);
    size_t wide = count;
    t->rows = mem_calloc(count, sizeof *t->rows);
    t->places = mem_calloc(count, sizeof *t->places);
    for (size_t i = 0; i < count; i++) {
        bool is_narrow = width_of(&t->all->rows[i], columns) <= PAGE_BYTES;
        t->places[is_narrow ? t->narrow_count++ : --wide] = i;
    }
    for (size_t i = 0; i < count; i++) {
        t->rows[i] = t->all->rows[t->places[i]];
    }
}

static void note_refused(struct trial *t, size_t at, const struct error *why)
{
    struct sink_trial *out = t->out;
    if (out->refusal_count == out->refusal_capacity) {
        out->refusal_capacity =
            out->refusal_capacity == 0 ? 16 : out->refusal_capacity * 2;
        out->refusals =
            mem_resize(out->refusals, out->refusal_capacity, sizeof *out->refusals);
    }
    struct sink_refusal *r = &out->refusals[out->refusal_count++];
    *r = (struct sink_refusal){ .row = t->places[at] };
    snprintf(r->code, sizeof r->code, "%.5s", why->code);
    snprintf(r->text, sizeof r->text, "%.*s", (int)sizeof r->text - 1, why->text);
}

/* Loads a part behind a savepoint, which goes when it was taken. */
static bool load_part(struct trial *t, size_t from, size_t count, struct error *err)
{
    struct sink_rows part = *t->all;
    part.rows = t->rows + from;
    part.row_count = count;
    struct load_table table = { .rows = &part, .staging = t->staging };
    struct sink_load load = { .tables = &part, .table_count = 1 };
    struct load_query query = { .load = &load,
                                .tables = &table,
                                .table_count = 1,
                                .key = t->setup->key,
                                .newest_wins = t->setup->newest_wins };
    struct load_counts counts = { 0 };
    size_t failed_table;
    struct buf sql = { 0 };
    load_find_columns(&table);
    buf_add_cstr(&sql, "SAVEPOINT part;");
    load_query_write_rows(&query, &table, &sql);
    buf_add_cstr(&sql, "RELEASE part");
    bool done =
        load_converse(t->setup, &query, buf_cstr(&sql), &counts, &failed_table, err);
    free(table.columns);
    buf_release(&sql);
    return done;
}

/* At most 20 deep. False when the trial itself cannot go on. */
static bool try_part(struct trial *t, size_t from, size_t count)
{
    struct error why;
    if (count == 0 || load_part(t, from, count, &why)) {
        return true;
    }
    if (sink_failure_of(&why) != SINK_POISON) {
        *t->err = why;
        return false;
    }
    if (!connection_run(t->setup->connection, "ROLLBACK TO part", "going back", t->err)) {
        return false;
    }
    if (count == 1) {
        note_refused(t, from, &why);
        return true;
    }
    return try_part(t, from, count / 2) &&
           try_part(t, from + count / 2, count - count / 2);
}

/* Not the connection's, nor that of others who hold the table. */
static bool is_of_table(enum sink_failure kind)
{
    return kind == SINK_POISON || kind == SINK_STALE || kind == SINK_TABLE ||
           kind == SINK_UNKNOWN;
}

/* A row of our own first: when that is refused the table is at fault, not the events. */
static bool try_own_row(struct trial *t)
{
    struct error why;
    struct buf sql = { 0 };
    buf_add_cstr(&sql, "SAVEPOINT part;");
    probe_add_insert(&sql, t->all->table);
    bool is_taken = connection_run(t->setup->connection, buf_cstr(&sql),
                                   "trying a row of our own", &why);
    buf_release(&sql);
    if (!is_taken) {
        *t->err = why;
        t->out->is_table_at_fault = is_of_table(sink_failure_of(&why));
        return false;
    }
    return connection_run(t->setup->connection, "ROLLBACK TO part", "going back", t->err);
}

static int compare_refusals(const void *a, const void *b)
{
    const struct sink_refusal *x = a;
    const struct sink_refusal *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

/* Constraints that are checked at the commit are checked at once: there is none. */
static bool try_all(struct trial *t)
{
    return connection_run(t->setup->connection, "BEGIN; SET CONSTRAINTS ALL IMMEDIATE",
                          "beginning a trial", t->err) &&
           try_own_row(t) && try_part(t, 0, t->narrow_count) &&
           try_part(t, t->narrow_count, t->all->row_count - t->narrow_count);
}

bool trial_run(const struct load_setup *setup, const struct sink_rows *rows,
               struct sink_trial *out, struct error *err)
{
    struct trial t = { .setup = setup, .all = rows, .out = out, .err = err };
    struct error ignored;
    *out = (struct sink_trial){ .is_table_at_fault = false };
    if (!staging_find(setup->staging, setup->connection, rows->table, &t.staging, err)) {
        return false;
    }
    order_rows(&t);
    bool done = try_all(&t);
    if (!connection_run(setup->connection, "ROLLBACK", "ending a trial", &ignored)) {
        connection_close(setup->connection);
    }
    if (out->refusal_count > 0) {
        qsort(out->refusals, out->refusal_count, sizeof *out->refusals, compare_refusals);
    }
    free(t.rows);
    free(t.places);
    return done || out->is_table_at_fault;
}
