#include "loader/postgres/load.h"

#include "loader/mapping/timestamp.h"
#include "loader/postgres/copy_text.h"
#include "loader/postgres/load_query.h"

#include "common/base/mem.h"

#include <libpq-fe.h>

#include <stdlib.h>
#include <string.h>

/* What is handed to libpq at once: large enough to make calls rare, small beside a batch.
 */
#define COPY_CHUNK_BYTES 65536

/* ---- what is loaded, in the query's order ---- */

static int compare_tables(const void *a, const void *b)
{
    const struct table *x = ((const struct load_table *)a)->rows->table;
    const struct table *y = ((const struct load_table *)b)->rows->table;
    int by_schema = view_compare(table_schema(x), table_schema(y));
    return by_schema != 0 ? by_schema : view_compare(table_name(x), table_name(y));
}

void load_find_columns(struct load_table *t)
{
    size_t plan_count = table_plan_count(t->rows->plan);
    bool *is_used = mem_calloc(plan_count, sizeof *is_used);
    for (size_t i = 0; i < t->rows->row_count; i++) {
        const struct row *row = &t->rows->rows[i];
        for (uint32_t j = 0; j < row->count; j++) {
            is_used[row->cells[j].column] = true;
        }
    }
    t->columns = mem_calloc(plan_count, sizeof *t->columns);
    for (size_t i = 0; i < plan_count; i++) {
        if (is_used[i]) {
            t->columns[t->column_count++] = (uint32_t)i;
        }
    }
    free(is_used);
}

size_t load_list_tables(const struct sink_load *load, struct load_table *tables)
{
    size_t count = 0;
    for (size_t i = 0; i < load->table_count; i++) {
        if (load->tables[i].row_count > 0) {
            tables[count] = (struct load_table){ .rows = &load->tables[i], .index = i };
            load_find_columns(&tables[count++]);
        }
    }
    qsort(tables, count, sizeof *tables, compare_tables);
    return count;
}

static bool find_staging(const struct load_setup *setup, struct load_table *tables,
                         size_t count, size_t *failed_table, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!staging_find(setup->staging, setup->connection, tables[i].rows->table,
                          &tables[i].staging, err)) {
            *failed_table = tables[i].index;
            return false;
        }
    }
    return true;
}

/* ---- COPY ---- */

/* STAGING_COLUMNS, in their order. */
static void add_staging_columns(struct buf *out, const struct row *row)
{
    char time[TIMESTAMP_TEXT_BYTES];
    buf_add_char(out, '\t');
    if (row->user_id.len > 0) {
        copy_text_add_value(out, row->user_id);
    } else {
        copy_text_add_null(out);
    }
    buf_add_char(out, '\t');
    buf_add(out, time, timestamp_format(row->since_us, time));
    buf_add_char(out, '\t');
    buf_add(out, time, timestamp_format(row->received_at_us, time));
}

/* Cells are ascending by column, as are the COPY's columns: one pass over both. */
static void add_row(struct buf *out, const struct load_table *t, const struct row *row)
{
    uint32_t next = 0;
    struct cell_scratch scratch;
    for (size_t i = 0; i < t->column_count; i++) {
        if (i > 0) {
            buf_add_char(out, '\t');
        }
        if (next < row->count && row->cells[next].column == t->columns[i]) {
            const struct column *c = table_plan_column(t->rows->plan, t->columns[i]);
            copy_text_add_value(out, cell_text(&row->cells[next++], c->type, &scratch));
        } else {
            copy_text_add_null(out);
        }
    }
    add_staging_columns(out, row);
    buf_add_char(out, '\n');
}

static bool put(struct connection *c, struct buf *chunk, struct error *err)
{
    bool done = connection_put_copy(c, chunk->data, chunk->len, err);
    buf_clear(chunk);
    return done;
}

static bool copy_rows(struct connection *c, const struct load_table *t, struct error *err)
{
    struct buf chunk = { 0 };
    bool goes_on = true;
    for (size_t i = 0; goes_on && i < t->rows->row_count; i++) {
        add_row(&chunk, t, &t->rows->rows[i]);
        if (chunk.len >= COPY_CHUNK_BYTES) {
            goes_on = put(c, &chunk, err);
        }
    }
    goes_on = goes_on && (chunk.len == 0 || put(c, &chunk, err));
    buf_release(&chunk);
    return goes_on && connection_end_copy(c, err);
}

/* ---- the conversation ---- */

struct conversation {
    const struct load_setup *setup;
    const struct load_query *query;
    struct load_counts *counts;
    size_t statements; /* completed so far */
    size_t copies;     /* begun */
    size_t counted;
    bool has_failed;
    size_t *failed_table;
    struct error *err;
    struct error ignored; /* what fails after the cause */
};

/* What is checked only at the commit is no statement's fault, but the server names the
 * table. */
static size_t named_table(const struct conversation *t, const PGresult *r)
{
    const char *schema = PQresultErrorField(r, PG_DIAG_SCHEMA_NAME);
    const char *name = PQresultErrorField(r, PG_DIAG_TABLE_NAME);
    for (size_t i = 0; schema != NULL && name != NULL && i < t->query->table_count; i++) {
        const struct table *table = t->query->tables[i].rows->table;
        if (view_equal_cstr(table_name(table), name) &&
            view_equal_cstr(table_schema(table), schema)) {
            return t->query->tables[i].index;
        }
    }
    return SINK_NO_TABLE;
}

static void note_failure(struct conversation *t, const PGresult *r)
{
    if (!t->has_failed) { /* the first one is the cause */
        t->has_failed = true;
        *t->failed_table = r == NULL ? SINK_NO_TABLE : named_table(t, r);
        if (*t->failed_table == SINK_NO_TABLE) {
            *t->failed_table = load_query_table_of(t->query, t->statements);
        }
        connection_failed(t->setup->connection, r, "loading a batch", t->err);
    }
}

static void note_counts(struct conversation *t, const PGresult *r)
{
    if (strcmp(PQfname(r, 0), LOAD_QUERY_COUNTS) != 0) {
        return;
    }
    REQUIRE(t->counted < t->query->table_count);
    const struct load_table *table = &t->query->tables[t->counted++];
    struct load_counts *c = &t->counts[table->index];
    c->rows_new = (uint64_t)connection_field_i64(r, 0, 0);
    c->rows_replaced = (uint64_t)connection_field_i64(r, 0, 1);
    c->rows_suppressed = (uint64_t)connection_field_i64(r, 0, 2);
    c->rows_duplicate =
        table->rows->row_count - c->rows_new - c->rows_replaced - c->rows_suppressed;
}

/* False when the connection is lost. */
static bool answer(struct conversation *t, const PGresult *r)
{
    struct connection *c = t->setup->connection;
    ExecStatusType status =
        PQresultStatus(r); /* no switch: libpq 17 knows more of them */
    if (status == PGRES_COPY_IN) {
        REQUIRE(t->copies < t->query->table_count);
        return copy_rows(c, &t->query->tables[t->copies++],
                         t->has_failed ? &t->ignored : t->err);
    }
    if (status == PGRES_TUPLES_OK) {
        note_counts(t, r);
        t->statements++;
    } else if (status == PGRES_COMMAND_OK) {
        t->statements++;
    } else if (status != PGRES_EMPTY_QUERY) {
        note_failure(t, r);
    }
    return true;
}

/* Results end with NULL. */
static bool converse(struct conversation *t, const char *sql)
{
    struct connection *c = t->setup->connection;
    struct pg_result *r = NULL;
    bool goes_on = connection_send(c, sql, t->err);
    while (goes_on &&
           (goes_on = connection_next(c, &r, t->has_failed ? &t->ignored : t->err)) &&
           r != NULL) {
        goes_on = answer(t, r);
        PQclear(r);
        if (goes_on && PQstatus(c->pg) != CONNECTION_OK) {
            note_failure(t, NULL); /* it would give the same result for ever */
            goes_on = false;
        }
    }
    return goes_on && !t->has_failed;
}

bool load_converse(const struct load_setup *setup, const struct load_query *query,
                   const char *sql, struct load_counts *counts, size_t *failed_table,
                   struct error *err)
{
    struct conversation talk = { .setup = setup,
                                 .query = query,
                                 .counts = counts,
                                 .failed_table = failed_table,
                                 .err = err };
    *failed_table = SINK_NO_TABLE;
    return converse(&talk, sql);
}

bool load_run(const struct load_setup *setup, const struct sink_load *load,
              struct load_counts *counts, size_t *failed_table, struct error *err)
{
    struct load_table *tables = mem_calloc(load->table_count, sizeof *tables);
    size_t count = load_list_tables(load, tables);
    struct buf sql = { 0 };
    *failed_table = SINK_NO_TABLE;
    bool done = find_staging(setup, tables, count, failed_table, err);
    if (done) {
        struct load_query query = { .load = load,
                                    .tables = tables,
                                    .table_count = count,
                                    .key = setup->key,
                                    .deletions_of = setup->deletions_of,
                                    .newest_wins = setup->newest_wins,
                                    .overwrites = setup->overwrites,
                                    .clears_rejected = setup->clears_rejected };
        load_query_write(&query, &sql);
        done = load_converse(setup, &query, buf_cstr(&sql), counts, failed_table, err);
    }
    for (size_t i = 0; i < count; i++) {
        free(tables[i].columns);
    }
    free(tables);
    buf_release(&sql);
    return done;
}
