#include "loader/postgres/load_query.h"

#include "loader/postgres/lookup.h"
#include "loader/postgres/position_query.h"
#include "loader/postgres/staging.h"

#include <string.h>

static void add_table_name(struct buf *sql, const struct table *t)
{
    connection_add_name(sql, table_schema(t));
    buf_add_char(sql, '.');
    connection_add_name(sql, table_name(t));
}

static void add_cstr_literal(struct buf *sql, const char *text)
{
    connection_add_literal(sql, view_cstr(text));
}

static void add_schema_lock(struct buf *sql, struct view schema)
{
    buf_add_cstr(
        sql, "SELECT pg_advisory_xact_lock_shared(backstitch.schema_lock(),hashtext(");
    connection_add_literal(sql, schema);
    buf_add_cstr(sql, "));\n");
}

static bool begins_schema(const struct load_query *q, size_t i)
{
    return i == 0 || !view_equal(table_schema(q->tables[i].rows->table),
                                 table_schema(q->tables[i - 1].rows->table));
}

static void add_locks_and_checks(const struct load_query *q, struct buf *sql)
{
    for (size_t i = 0; i < q->table_count; i++) {
        const struct table *t = q->tables[i].rows->table;
        if (begins_schema(q, i)) {
            add_schema_lock(sql, table_schema(t));
        }
    }
    for (size_t i = 0; i < q->table_count; i++) {
        const struct table *t = q->tables[i].rows->table;
        buf_add_cstr(sql, "LOCK TABLE ");
        add_table_name(sql, t);
        buf_add_cstr(sql, " IN ROW EXCLUSIVE MODE;\nSELECT backstitch.check_table(");
        connection_add_literal(sql, table_schema(t));
        buf_add_char(sql, ',');
        connection_add_literal(sql, table_name(t));
        buf_add_char(sql, ',');
        connection_add_literal(sql, table_fingerprint(t));
        buf_add_cstr(sql, ");\n");
    }
}

/* ---- a table ---- */

static bool is_copied(const struct load_table *t, struct view name)
{
    for (size_t i = 0; i < t->column_count; i++) {
        if (view_equal(table_plan_column(t->rows->plan, t->columns[i])->name, name)) {
            return true;
        }
    }
    return false;
}

/* The columns an INSERT sets: all of the table's, so that a row that replaces another is
 * whole; but a human's default is left to fill what the batch does not, and generated
 * columns fill themselves. */
static bool is_inserted(const struct load_table *t, const struct column *column)
{
    if (column->is_generated || view_equal_cstr(column->name, "_sdc_batched_at")) {
        return false;
    }
    return !column->has_default || is_copied(t, column->name);
}

enum column_form { COLUMN_NAME, COLUMN_KEPT, COLUMN_EXCLUDED };

static void add_columns(struct buf *sql, const struct load_table *t,
                        enum column_form form)
{
    for (size_t i = 0; i < table_column_count(t->rows->table); i++) {
        const struct column *column = table_column(t->rows->table, i);
        if (!is_inserted(t, column) ||
            (form == COLUMN_EXCLUDED && view_equal_cstr(column->name, "message_id"))) {
            continue;
        }
        if (form == COLUMN_KEPT) {
            buf_add_cstr(sql, "k.");
        }
        connection_add_name(sql, column->name);
        if (form == COLUMN_EXCLUDED) {
            buf_add_cstr(sql, "=EXCLUDED.");
            connection_add_name(sql, column->name);
        }
        buf_add_char(sql, ',');
    }
}

static void add_copy(struct buf *sql, const struct load_table *t)
{
    buf_printf(sql, "TRUNCATE pg_temp.staging_%u;\nCOPY pg_temp.staging_%u (", t->staging,
               t->staging);
    for (size_t i = 0; i < t->column_count; i++) {
        buf_add_cstr(sql, i == 0 ? "" : ",");
        connection_add_name(sql, table_plan_column(t->rows->plan, t->columns[i])->name);
    }
    buf_add_cstr(sql, "," STAGING_COLUMNS ") FROM STDIN;\n");
}

struct view load_query_deletions_of(const struct load_query *q, const struct table *t)
{
    return q->deletions_of == NULL ? table_schema(t) : view_cstr(q->deletions_of);
}

/* An event of a user who asked for deletion, from before the request (operations.md,
 * section 5). Not by the table's columns: an existing one may have user_id as a number,
 * or its times as text. */
static void add_suppressed(struct buf *sql, struct view schema)
{
    buf_add_cstr(sql, "EXISTS (SELECT FROM backstitch.deletion d WHERE d.\"schema\"=");
    connection_add_literal(sql, schema);
    buf_add_cstr(sql, " AND d.user_id=s." STAGING_USER
                      " AND d.requested_at > s." STAGING_SINCE ")");
}

/* Which rows are new. A partitioned table has no xmax to tell; there we ask what was
 * there when the statement began, which is another answer only when another loader
 * inserts the same id at the same moment. */
static void add_returning(struct buf *sql, const struct load_table *t)
{
    if (!table_is_partitioned(t->rows->table)) {
        buf_add_cstr(sql, "xmax=0 AS is_new)");
        return;
    }
    buf_add_cstr(sql, "t.message_id AS id), p AS (SELECT NOT EXISTS (SELECT FROM ");
    add_table_name(sql, t->rows->table);
    buf_add_cstr(sql, " o WHERE o.message_id=i.id) AS is_new FROM i)");
}

static void add_insert(const struct load_query *q, struct buf *sql,
                       const struct load_table *t)
{
    /* oldest: the least sequence wins; newest: the greatest. */
    const char *order = q->newest_wins ? " DESC" : "";
    /* An overwriting replay: the same copy, mapped anew, wins too. */
    const char *not_beaten =
        q->overwrites ? (q->newest_wins ? ">" : "<") : (q->newest_wins ? ">=" : "<=");
    const char *beats =
        q->overwrites ? (q->newest_wins ? "<=" : ">=") : (q->newest_wins ? "<" : ">");
    buf_printf(sql,
               "WITH kept AS (SELECT DISTINCT ON (s.message_id COLLATE \"C\") s.* "
               "FROM pg_temp.staging_%u s WHERE NOT ",
               t->staging);
    add_suppressed(sql, load_query_deletions_of(q, t->rows->table));
    buf_printf(
        sql,
        " ORDER BY s.message_id COLLATE \"C\", s._sdc_sequence%s), i AS (INSERT INTO ",
        order);
    add_table_name(sql, t->rows->table);
    buf_add_cstr(sql, " AS t (");
    add_columns(sql, t, COLUMN_NAME);
    buf_add_cstr(sql, "_sdc_batched_at) SELECT ");
    add_columns(sql, t, COLUMN_KEPT);
    buf_add_cstr(sql, "now() FROM kept k WHERE ((SELECT o._sdc_sequence FROM ");
    add_table_name(sql, t->rows->table);
    buf_printf(
        sql,
        " o WHERE o.message_id=k.message_id)%sk._sdc_sequence) IS NOT TRUE"
        " ORDER BY k.message_id COLLATE \"C\" ON CONFLICT (message_id) DO UPDATE SET ",
        not_beaten);
    add_columns(sql, t, COLUMN_EXCLUDED);
    buf_printf(sql,
               "_sdc_batched_at=EXCLUDED._sdc_batched_at WHERE t._sdc_sequence%s"
               "EXCLUDED._sdc_sequence RETURNING ",
               beats);
    add_returning(sql, t);
}

/* One row of load_stat for this table and minute, and the counts for the client. */
static void add_counts(const struct load_query *q, struct buf *sql,
                       const struct load_table *t)
{
    buf_add_cstr(sql, ", n AS (SELECT count(*) FILTER (WHERE is_new) AS new,"
                      " count(*) FILTER (WHERE NOT is_new) AS replaced FROM ");
    buf_add_cstr(sql, table_is_partitioned(t->rows->table) ? "p" : "i");
    buf_add_cstr(sql, "), z AS (SELECT count(*) FILTER (WHERE ");
    add_suppressed(sql, load_query_deletions_of(q, t->rows->table));
    buf_printf(sql,
               ") AS suppressed, max(now() - s." STAGING_RECEIVED ") AS freshness"
               " FROM pg_temp.staging_%u s)",
               t->staging);
    buf_add_cstr(sql, " SELECT n.new AS " LOAD_QUERY_COUNTS ", n.replaced, z.suppressed,"
                      " backstitch.note_load(");
    add_cstr_literal(sql, q->key.owner);
    buf_add_char(sql, ',');
    connection_add_literal(sql, table_schema(t->rows->table));
    buf_add_char(sql, ',');
    connection_add_literal(sql, table_name(t->rows->table));
    buf_printf(sql,
               ",%zu,n.new,n.replaced,z.suppressed,%llu,%llu,z.freshness) FROM n, z;\n",
               t->rows->row_count, (unsigned long long)t->rows->suppressed_integrations,
               (unsigned long long)t->rows->bytes);
}

/* ---- what is not rows ---- */

static void add_deletions(const struct load_query *q, struct buf *sql)
{
    const struct sink_load *b = q->load;
    if (b->deletion_count == 0) {
        return;
    }
    buf_add_cstr(
        sql,
        "INSERT INTO backstitch.deletion (\"schema\",message_id,user_id,requested_at)"
        " SELECT * FROM (VALUES ");
    for (size_t i = 0; i < b->deletion_count; i++) {
        const struct sink_deletion *d = &b->deletions[i];
        buf_add_cstr(sql, i == 0 ? "(" : ",(");
        connection_add_literal(sql, d->schema);
        buf_add_char(sql, ',');
        connection_add_literal(sql, d->deletion.message_id);
        buf_add_char(sql, ',');
        connection_add_literal(sql, d->deletion.user_id);
        buf_printf(sql, ",to_timestamp(%lld/1000.0))",
                   (long long)d->deletion.requested_at_ms);
    }
    buf_add_cstr(sql, ") AS v ORDER BY 1,2 ON CONFLICT DO NOTHING;\n");
}

static void add_text_or_null(struct buf *sql, struct view text)
{
    if (text.len == 0) {
        buf_add_cstr(sql, "NULL");
    } else {
        connection_add_literal(sql, text);
    }
}

static void add_rejected_values(struct buf *sql, const struct sink_rejected *r)
{
    connection_add_literal(sql, r->rejected.record);
    buf_add_char(sql, ',');
    connection_add_literal(sql, r->rejected.reason);
    buf_add_char(sql, ',');
    add_text_or_null(sql, r->rejected.table_name);
    buf_add_char(sql, ',');
    connection_add_literal(sql, r->rejected.message_id);
    buf_add_char(sql, ',');
    add_text_or_null(sql, r->rejected.user_id);
    buf_add_char(sql, ',');
    add_cstr_literal(sql, r->topic);
    buf_printf(sql, ",%d,%lld::bigint)", r->partition, (long long)r->offset);
}

/* All rejected events of one schema. The same event twice in a batch is one row with both
 * attempts; it keeps the last offset. */
static void add_rejected_of(const struct load_query *q, struct buf *sql,
                            struct view schema)
{
    const struct sink_load *b = q->load;
    struct view name = schema.len == 0 ? view_cstr(SINK_CONTROL_SCHEMA) : schema;
    bool is_first = true;
    buf_add_cstr(sql, "INSERT INTO ");
    connection_add_name(sql, name);
    buf_add_cstr(
        sql, "._sdc_rejected AS t (record,reason,table_name,_sdc_rejected_at,message_id,"
             "user_id,topic,kafka_partition,kafka_offset,attempts) "
             "SELECT DISTINCT ON (topic,message_id) record,reason,table_name,now(),"
             "message_id,user_id,topic,kafka_partition,kafka_offset,"
             "(count(*) OVER (PARTITION BY topic,message_id))::int FROM (VALUES ");
    for (size_t i = 0; i < b->rejected_count; i++) {
        if (view_equal(b->rejected[i].schema, schema)) {
            buf_add_cstr(sql, is_first ? "(" : ",(");
            is_first = false;
            add_rejected_values(sql, &b->rejected[i]);
        }
    }
    buf_add_cstr(
        sql, ") AS v(record,reason,table_name,message_id,user_id,topic,kafka_partition,"
             "kafka_offset) ORDER BY topic,message_id,kafka_offset DESC "
             "ON CONFLICT (topic,message_id) DO UPDATE SET record=EXCLUDED.record,"
             "reason=EXCLUDED.reason,table_name=EXCLUDED.table_name,"
             "_sdc_rejected_at=EXCLUDED._sdc_rejected_at,user_id=EXCLUDED.user_id,"
             "kafka_partition=EXCLUDED.kafka_partition,"
             "kafka_offset=EXCLUDED.kafka_offset,"
             "attempts=t.attempts+EXCLUDED.attempts;\n");
}

/* What was read, and what became of it but for rows. */
static void add_tallies(const struct load_query *q, struct buf *sql)
{
    if (q->load->tally_count == 0) {
        return;
    }
    buf_add_cstr(sql, "SELECT backstitch.note_records(");
    add_cstr_literal(sql, q->key.owner);
    buf_add_cstr(sql, ",v.s,v.t,v.n,v.r,v.d,v.h) FROM (VALUES ");
    for (size_t i = 0; i < q->load->tally_count; i++) {
        const struct sink_tally *t = &q->load->tallies[i];
        buf_add_cstr(sql, i == 0 ? "(" : ",(");
        connection_add_literal(sql, t->schema);
        buf_add_char(sql, ',');
        connection_add_literal(sql, t->table);
        buf_printf(sql, ",%llu,%llu,%llu,%lld)", (unsigned long long)t->records,
                   (unsigned long long)t->rejected, (unsigned long long)t->deletions,
                   (long long)t->held);
    }
    buf_add_cstr(sql, ") AS v(s,t,n,r,d,h);\n");
}

static bool is_withheld(const struct sink_rows *t)
{
    return t->row_count == 0 && t->suppressed_integrations > 0;
}

/* A table of which every event was withheld has no rows, but a count. */
static void add_withheld(const struct load_query *q, struct buf *sql)
{
    for (size_t i = 0; i < q->load->table_count; i++) {
        const struct sink_rows *t = &q->load->tables[i];
        if (!is_withheld(t)) {
            continue;
        }
        const struct table *table = t->table;
        buf_add_cstr(sql, "SELECT backstitch.note_load(");
        add_cstr_literal(sql, q->key.owner);
        buf_add_char(sql, ',');
        connection_add_literal(sql, table_schema(table));
        buf_add_char(sql, ',');
        connection_add_literal(sql, table_name(table));
        buf_printf(sql, ",0,0,0,0,%llu,0,NULL);\n",
                   (unsigned long long)t->suppressed_integrations);
    }
}

/* ---- the whole ---- */

/* TRUNCATE, COPY, INSERT. */
#define STATEMENTS_OF_TABLE 3

static bool is_first_of_schema(const struct sink_load *b, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (view_equal(b->rejected[i].schema, b->rejected[at].schema)) {
            return false;
        }
    }
    return true;
}

/* What is written behind the tables' own statements: a count for each table of which all
 * was withheld, then a statement for each schema's rejected events. */
static size_t rejected_table_of(const struct load_query *q, size_t at)
{
    size_t withheld = 0;
    for (size_t i = 0; i < q->load->table_count; i++) {
        withheld += is_withheld(&q->load->tables[i]) ? 1 : 0;
    }
    for (size_t i = 0; at >= withheld && i < q->load->rejected_count; i++) {
        if (!is_first_of_schema(q->load, i)) {
            continue;
        }
        if (at == withheld) {
            return q->load->table_count + i;
        }
        withheld++;
    }
    return SINK_NO_TABLE;
}

size_t load_query_table_of(const struct load_query *q, size_t at)
{
    size_t before = 1; /* advance */
    before += q->load->hold_count > 0 ? 1 : 0;
    for (size_t i = 0; i < q->table_count; i++) {
        before += begins_schema(q, i) ? 1 : 0;
    }
    if (at < before) {
        return SINK_NO_TABLE;
    }
    at -= before;
    if (at < 2 * q->table_count) { /* LOCK, check_table */
        return q->tables[at / 2].index;
    }
    at -= 2 * q->table_count;
    if (q->load->deletion_count > 0) {
        if (at == 0) {
            return SINK_NO_TABLE;
        }
        at--;
    }
    if (at < STATEMENTS_OF_TABLE * q->table_count) {
        return q->tables[at / STATEMENTS_OF_TABLE].index;
    }
    return rejected_table_of(q, at - STATEMENTS_OF_TABLE * q->table_count);
}

void load_query_write_rows(const struct load_query *q, const struct load_table *t,
                           struct buf *sql)
{
    add_copy(sql, t);
    add_insert(q, sql, t);
    add_counts(q, sql, t);
}

void load_query_write_head(const struct load_query *q, struct buf *sql)
{
    position_query_write(&q->key, q->load, sql);
    add_locks_and_checks(q, sql);
    add_deletions(q, sql);
}

void load_query_write(const struct load_query *q, struct buf *sql)
{
    load_query_write_head(q, sql);
    for (size_t i = 0; i < q->table_count; i++) {
        load_query_write_rows(q, &q->tables[i], sql);
    }
    load_query_write_tail(q, sql);
}

/* What was rejected and is loaded now. By the key of _sdc_rejected; the table too, since
 * the same id may wait in another topic. */
static void add_cleared_of(const struct load_query *q, const struct sink_rows *t,
                           struct buf *sql)
{
    buf_add_cstr(sql, "DELETE FROM ");
    connection_add_name(sql, table_schema(t->table));
    buf_add_cstr(sql, "._sdc_rejected WHERE topic IN (");
    for (size_t i = 0; i < q->load->interval_count; i++) {
        buf_add_cstr(sql, i > 0 ? "," : "");
        add_cstr_literal(sql, q->load->intervals[i].topic);
    }
    buf_add_cstr(sql, ") AND table_name=");
    connection_add_literal(sql, table_name(t->table));
    buf_add_cstr(sql, " AND message_id=ANY('{");
    for (size_t row = 0; row < t->row_count; row++) {
        lookup_add_text(sql, row > 0, t->rows[row].message_id);
    }
    buf_add_cstr(sql, "}'::text[]);\n");
}

void load_query_write_tail(const struct load_query *q, struct buf *sql)
{
    add_withheld(q, sql);
    for (size_t i = 0; i < q->load->rejected_count; i++) {
        if (is_first_of_schema(q->load, i)) {
            add_rejected_of(q, sql, q->load->rejected[i].schema);
        }
    }
    for (size_t i = 0; q->clears_rejected && i < q->load->table_count; i++) {
        if (q->load->tables[i].row_count > 0) {
            add_cleared_of(q, &q->load->tables[i], sql);
        }
    }
    add_tallies(q, sql);
}
