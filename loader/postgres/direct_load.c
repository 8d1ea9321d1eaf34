#include "loader/postgres/direct_load.h"

#include "loader/postgres/copy_binary.h"
#include "loader/postgres/direct_query.h"
#include "loader/postgres/lookup.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <libpq-fe.h>

#include <stdlib.h>
#include <string.h>

/* What is handed to libpq at once: large enough to make calls rare, small beside a batch.
 */
#define COPY_CHUNK_BYTES 65536
/* A table that refuses COPY altogether is loaded the staged way for so long. */
#define REFUSED_MS 60000

struct direct {
    const struct load_setup *setup;
    const struct direct_pause *pause;
    struct load_query query;
    struct direct_query direct;
    /* Of the head's conversation: how many of its answers have come. */
    size_t asked, looked_up, copied;
    bool is_decided;
    bool has_failed;
    struct error *err;
    struct error ignored; /* what fails after the cause */
};

static void pause_at(const struct direct *d, enum direct_step step)
{
    if (d->pause != NULL) {
        d->pause->at(d->pause->context, step);
    }
}

static struct error *error_of(struct direct *d)
{
    return d->has_failed ? &d->ignored : d->err;
}

static struct staging_table *entry_of(const struct direct *d, size_t i)
{
    return staging_entry(d->setup->staging, d->query.tables[i].rows->table);
}

/* The next table from *at on of which the head asked something; *at is moved behind it.
 */
static struct direct_table *next_table(struct direct *d, size_t *at, bool asks_users)
{
    while (*at < d->query.table_count) {
        struct direct_table *t = &d->direct.tables[(*at)++];
        if (t->is_direct && (t->asks_users || !asks_users)) {
            return t;
        }
    }
    mem_panic(__FILE__, __LINE__, "an answer to no question");
}

/* ---- what the database knows ---- */

/* Schemas rarely have their first deletion: users are asked for from the next load on,
 * and this one's rows are staged. */
static void note_now(struct direct *d, const struct pg_result *r)
{
    d->direct.now_us = connection_field_i64(r, 0, 0);
    for (size_t i = 0; i < d->query.table_count; i++) {
        bool has = view_equal_cstr(connection_field(r, 0, (int)i + 1), "t");
        struct direct_table *t = &d->direct.tables[i];
        entry_of(d, i)->has_deletions = has;
        for (size_t j = 0; has && !t->asks_users && j < t->copies.group_count; j++) {
            t->copies.groups[j].fate = COPIES_STAGED;
        }
    }
}

static int compare_views(const void *a, const void *b)
{
    return view_compare(*(const struct view *)a, *(const struct view *)b);
}

static void note_users(struct direct *d, const struct pg_result *r)
{
    struct direct_table *t = next_table(d, &d->asked, true);
    int count = connection_rows(r);
    struct view *users = mem_calloc((size_t)count, sizeof *users);
    for (int i = 0; i < count; i++) {
        users[i] = connection_field(r, i, 0);
    }
    qsort(users, (size_t)count, sizeof *users, compare_views);
    copies_note_users(&t->copies, users, (size_t)count);
    free(users);
}

static void note_present(struct direct *d, const struct pg_result *r)
{
    struct direct_table *t = next_table(d, &d->looked_up, false);
    int count = connection_rows(r);
    for (int i = 0; i < count; i++) {
        bool is_null = connection_field_is_null(r, i, 1);
        int64_t sequence = is_null ? 0 : connection_field_i64(r, i, 1);
        copies_note_present(&t->copies, connection_field(r, i, 0),
                            is_null ? NULL : &sequence);
    }
}

static void note_rows(struct direct *d, const struct pg_result *r)
{
    if (connection_field_is(r, DIRECT_NOW)) {
        note_now(d, r);
    } else if (connection_field_is(r, DIRECT_USER)) {
        note_users(d, r);
    } else if (connection_field_is(r, LOOKUP_ID)) {
        note_present(d, r);
    }
}

/* ---- COPY ---- */

/* False when a cell has no binary form: the row is not in `out` then. */
static bool add_row(struct buf *out, const struct load_table *t, const struct row *row,
                    int64_t now_us)
{
    size_t before = out->len;
    uint32_t next = 0;
    copy_binary_begin_row(out, t->column_count + 1);
    for (size_t i = 0; i < t->column_count; i++) {
        if (next == row->count || row->cells[next].column != t->columns[i]) {
            copy_binary_add_null(out);
            continue;
        }
        const struct column *c = table_plan_column(t->rows->plan, t->columns[i]);
        if (!copy_binary_add_cell(out, &row->cells[next++], c->type)) {
            out->len = before;
            return false;
        }
    }
    copy_binary_add_time(out, now_us);
    return true;
}

static bool put(struct direct *d, struct buf *chunk)
{
    bool done =
        connection_put_copy(d->setup->connection, chunk->data, chunk->len, error_of(d));
    buf_clear(chunk);
    return done;
}

/* In the order of the ids. False when the connection is lost. */
static bool copy_rows(struct direct *d, struct direct_table *t)
{
    struct buf chunk = { 0 };
    bool goes_on = true;
    copy_binary_begin(&chunk);
    for (size_t i = 0; goes_on && i < t->copies.group_count; i++) {
        struct copies_group *g = &t->copies.groups[i];
        if (g->fate != COPIES_DIRECT) {
            continue;
        }
        if (!add_row(&chunk, t->table, copies_winner(&t->copies, g), d->direct.now_us)) {
            g->fate = COPIES_STAGED;
        }
        if (chunk.len >= COPY_CHUNK_BYTES) {
            goes_on = put(d, &chunk);
        }
    }
    copy_binary_end(&chunk);
    goes_on = goes_on && put(d, &chunk);
    buf_release(&chunk);
    return goes_on && connection_end_copy(d->setup->connection, error_of(d));
}

/* ---- the head ---- */

static void note_failure(struct direct *d, const struct pg_result *r)
{
    if (!d->has_failed) { /* the first one is the cause */
        d->has_failed = true;
        connection_failed(d->setup->connection, r, "loading a batch", d->err);
    }
}

static bool begin_copy(struct direct *d)
{
    if (!d->is_decided) {
        d->is_decided = true;
        pause_at(d, DIRECT_BEFORE_COPY);
    }
    size_t at = d->copied;
    return copy_rows(d, next_table(d, &at, false));
}

/* A COPY's tag counts what was inserted: less than it was given where a trigger of
 * somebody's has left rows out. */
static void note_command(struct direct *d, PGresult *r)
{
    static const char copy[] = "COPY ";
    if (strncmp(PQcmdStatus(r), copy, sizeof copy - 1) == 0) {
        next_table(d, &d->copied, false)->rows_new = strtoull(PQcmdTuples(r), NULL, 10);
    }
}

/* False when the connection is lost. */
static bool answer(struct direct *d, PGresult *r)
{
    ExecStatusType status =
        PQresultStatus(r); /* no switch: libpq 17 knows more of them */
    if (status == PGRES_COPY_IN) {
        return begin_copy(d);
    }
    if (status == PGRES_TUPLES_OK) {
        note_rows(d, r);
    } else if (status == PGRES_COMMAND_OK) {
        note_command(d, r);
    } else if (status != PGRES_EMPTY_QUERY) {
        note_failure(d, r);
    }
    return true;
}

/* Results end with NULL. */
static bool converse(struct direct *d, const char *sql)
{
    struct connection *c = d->setup->connection;
    struct pg_result *r = NULL;
    bool goes_on = connection_send(c, sql, d->err);
    while (goes_on && (goes_on = connection_next(c, &r, error_of(d))) && r != NULL) {
        goes_on = answer(d, r);
        connection_free(r);
        if (goes_on && PQstatus(c->pg) != CONNECTION_OK) {
            note_failure(d, NULL); /* it would give the same result for ever */
            goes_on = false;
        }
    }
    return goes_on && !d->has_failed;
}

static bool run_head(struct direct *d)
{
    struct buf sql = { 0 };
    pause_at(d, DIRECT_BEFORE_HEAD);
    direct_query_write_head(&d->direct, &sql);
    bool done = converse(d, buf_cstr(&sql));
    buf_release(&sql);
    return done;
}

/* ---- the tail ---- */

/* The rows of groups that are staged; free() out->rows. */
static void pick_staged(const struct direct_table *t, struct sink_rows *out)
{
    const struct copies *c = &t->copies;
    struct row *rows = mem_calloc(copies_count(c, COPIES_STAGED), sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; i < c->group_count; i++) {
        const struct copies_group *g = &c->groups[i];
        for (uint32_t j = 0; g->fate == COPIES_STAGED && j < g->count; j++) {
            rows[count++] = c->rows[c->order[g->first + j]];
        }
    }
    *out = *t->table->rows;
    out->rows = rows;
    out->row_count = count;
    out->bytes = 0; /* these are noted with the table's other rows */
    out->suppressed_integrations = 0;
}

/* The tables of which some rows are staged, with these rows only. */
struct staged_part {
    struct sink_rows *rows;
    struct load_table *tables;
    struct load_query query;
};

static void staged_part_init(struct direct *d, struct staged_part *s)
{
    s->rows = mem_calloc(d->query.table_count, sizeof *s->rows);
    s->tables = mem_calloc(d->query.table_count, sizeof *s->tables);
    s->query = d->query;
    s->query.tables = s->tables;
    s->query.table_count = 0;
    for (size_t i = 0; i < d->query.table_count; i++) {
        const struct direct_table *t = &d->direct.tables[i];
        if (copies_count(&t->copies, COPIES_STAGED) > 0) {
            size_t at = s->query.table_count++;
            pick_staged(t, &s->rows[at]);
            s->tables[at] = (struct load_table){ .rows = &s->rows[at],
                                                 .index = t->table->index,
                                                 .staging = t->table->staging };
            load_find_columns(&s->tables[at]);
        }
    }
}

static void staged_part_release(struct staged_part *s)
{
    for (size_t i = 0; i < s->query.table_count; i++) {
        free((void *)(uintptr_t)s->rows[i].rows);
        free(s->tables[i].columns);
    }
    free(s->rows);
    free(s->tables);
}

static void find_first_received(struct direct_table *t)
{
    const struct copies *c = &t->copies;
    t->first_received_us = INT64_MAX;
    for (size_t i = 0; i < c->group_count; i++) {
        const struct copies_group *g = &c->groups[i];
        for (uint32_t j = 0; g->fate != COPIES_STAGED && j < g->count; j++) {
            int64_t at = c->rows[c->order[g->first + j]].received_at_us;
            t->first_received_us = at < t->first_received_us ? at : t->first_received_us;
        }
    }
}

/* `counts` has what the staged statements counted. */
static void add_own_counts(const struct direct *d, struct load_counts *counts)
{
    for (size_t i = 0; i < d->query.table_count; i++) {
        const struct direct_table *t = &d->direct.tables[i];
        size_t unstaged = t->copies.row_count - copies_count(&t->copies, COPIES_STAGED);
        struct load_counts *c = &counts[t->table->index];
        c->rows_new += t->rows_new;
        c->rows_duplicate += unstaged - t->rows_new;
    }
}

static bool run_tail(struct direct *d, struct load_counts *counts)
{
    struct staged_part staged;
    struct buf sql = { 0 };
    size_t ignored_table;
    pause_at(d, DIRECT_BEFORE_TAIL);
    for (size_t i = 0; i < d->query.table_count; i++) {
        find_first_received(&d->direct.tables[i]);
    }
    staged_part_init(d, &staged);
    direct_query_write_tail(&d->direct, &staged.query, &sql);
    bool done = load_converse(d->setup, &staged.query, buf_cstr(&sql), counts,
                              &ignored_table, d->err);
    if (done) {
        add_own_counts(d, counts);
    }
    staged_part_release(&staged);
    buf_release(&sql);
    return done;
}

/* ---- failures ---- */

static bool begins_with(const struct error *err, const char *class)
{
    return strncmp(err->code, class, strlen(class)) == 0;
}

/* What concerns the table, not its rows, would be the same the next time: a right that is
 * missing, row security, .. Then a second transaction for each batch would be wasted. */
static void note_refused(const struct direct *d)
{
    if (!begins_with(d->err, "0A") && !begins_with(d->err, "42")) {
        return;
    }
    for (size_t i = d->copied; i < d->query.table_count; i++) {
        if (d->direct.tables[i].is_direct) {
            entry_of(d, i)->staged_until_mono_ms = clock_mono_ms() + REFUSED_MS;
            return;
        }
    }
}

/* The transaction is open: it ends here, or with the connection. */
static enum direct_outcome take_back(struct direct *d)
{
    note_refused(d);
    enum sink_failure kind = sink_failure_of(d->err);
    bool is_ended =
        PQstatus(d->setup->connection->pg) == CONNECTION_OK &&
        connection_run(d->setup->connection, "ROLLBACK", "rolling back", &d->ignored);
    /* A lock that was not given up (55P03) is waited for once more in the staged way:
     * only that one says which table it was, and so lets it be held while the others
     * load. */
    bool is_final = kind == SINK_RECONNECT || kind == SINK_FENCED ||
                    strcmp(d->err->code, "BS002") == 0;
    if (!is_ended && !is_final) {
        *d->err = d->ignored;
    }
    return is_ended && !is_final ? DIRECT_ROLLED_BACK : DIRECT_FAILED;
}

/* The table whose COPY was under way when something failed. */
static size_t refused_copy(const struct direct *d)
{
    for (size_t i = d->copied; d->is_decided && i < d->query.table_count; i++) {
        if (d->direct.tables[i].is_direct) {
            return d->query.tables[i].index;
        }
    }
    return SINK_NO_TABLE;
}

/* ---- a load ---- */

static bool find_table(struct direct *d, size_t i, struct load_table *t)
{
    const struct table *table = t->rows->table;
    struct direct_table *direct = &d->direct.tables[i];
    *direct = (struct direct_table){ .table = t };
    copies_init(&direct->copies, t->rows->rows, t->rows->row_count, d->query.newest_wins);
    direct->copies.overwrites = d->query.overwrites;
    if (!staging_find(d->setup->staging, d->setup->connection, table, &t->staging,
                      d->err)) {
        return false;
    }
    const struct staging_table *entry = entry_of(d, i);
    direct->is_direct =
        lookup_fits(table) && clock_mono_ms() >= entry->staged_until_mono_ms;
    direct->asks_users = entry->has_deletions;
    for (size_t j = 0; !direct->is_direct && j < direct->copies.group_count; j++) {
        direct->copies.groups[j].fate = COPIES_STAGED;
    }
    return true;
}

static enum direct_outcome run(struct direct *d, struct load_table *tables,
                               struct load_counts *counts)
{
    bool is_found = true;
    for (size_t i = 0; i < d->query.table_count; i++) {
        is_found = is_found && find_table(d, i, &tables[i]);
    }
    if (!is_found) {
        return DIRECT_ROLLED_BACK;
    }
    return run_head(d) && run_tail(d, counts) ? DIRECT_DONE : take_back(d);
}

enum direct_outcome direct_load_run(const struct load_setup *setup,
                                    const struct sink_load *load,
                                    const struct direct_pause *pause,
                                    struct load_counts *counts, size_t *failed_table,
                                    struct error *err)
{
    struct load_table *tables = mem_calloc(load->table_count, sizeof *tables);
    struct direct d = { .setup = setup, .pause = pause, .err = err };
    d.query = (struct load_query){ .load = load,
                                   .tables = tables,
                                   .table_count = load_list_tables(load, tables),
                                   .key = setup->key,
                                   .deletions_of = setup->deletions_of,
                                   .newest_wins = setup->newest_wins,
                                   .overwrites = setup->overwrites,
                                   .clears_rejected = setup->clears_rejected };
    d.direct.load = &d.query;
    d.direct.tables = mem_calloc(load->table_count, sizeof *d.direct.tables);
    enum direct_outcome outcome = run(&d, tables, counts);
    *failed_table = outcome == DIRECT_ROLLED_BACK ? refused_copy(&d) : SINK_NO_TABLE;
    for (size_t i = 0; i < d.query.table_count; i++) {
        copies_release(&d.direct.tables[i].copies);
        free(tables[i].columns);
    }
    free(d.direct.tables);
    free(tables);
    return outcome;
}
