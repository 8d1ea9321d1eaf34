#include "loader/load/batch_load.h"

#include "common/base/mem.h"
#include "common/contract/schema_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct view batch_load_rejected_schema(const struct sink_rejected *r)
{
    return r->schema.len == 0 ? view_cstr(SINK_CONTROL_SCHEMA) : r->schema;
}

/* ---- intervals ---- */

static const struct log_record *last_of(const struct batch *b, size_t from, size_t to,
                                        const struct sink_interval *v)
{
    for (size_t i = to; i > from; i--) {
        const struct log_record *r = &b->records[i - 1];
        if (r->partition == v->partition && r->topic == v->topic) {
            return r;
        }
    }
    return NULL;
}

/* A partition's interval in a part begins where the part before it ended. */
static void add_intervals(const struct batch *b, size_t from, size_t to,
                          struct batch_load *out)
{
    out->intervals = mem_calloc(b->interval_count, sizeof *out->intervals);
    for (size_t i = 0; i < b->interval_count; i++) {
        struct sink_interval v = b->intervals[i];
        const struct log_record *before = last_of(b, 0, from, &v);
        const struct log_record *last = last_of(b, from, to, &v);
        if (last == NULL) {
            continue;
        }
        v.from = before == NULL ? v.from : before->offset + 1;
        v.to = last->offset + 1;
        out->intervals[out->load.interval_count++] = v;
    }
    out->load.intervals = out->intervals;
}

static bool is_of(const struct sink_interval *v, const struct log_record *r)
{
    return v->partition == r->partition && v->topic == r->topic;
}

/* A replay accounts for every record of its range. Records come in runs of one partition.
 */
static void count_records(const struct batch *b, size_t from, size_t to,
                          const struct batch_load *out)
{
    struct sink_interval *v = out->intervals;
    const struct sink_interval *end = v + out->load.interval_count;
    for (size_t i = from; i < to; i++) {
        while (!is_of(v, &b->records[i])) {
            v = v + 1 < end ? v + 1 : out->intervals;
        }
        v->records++;
        v->skipped += b->records[i].is_skipped;
        v->deletions += b->entries[i].outcome == MAP_DELETION;
    }
}

/* ---- what waits ---- */

static struct sink_hold *hold_of(struct batch_load *out, const struct log_record *r,
                                 struct view schema, struct view table)
{
    for (size_t i = 0; i < out->load.hold_count; i++) {
        struct sink_range *h = &out->holds[i].range;
        if (h->partition == r->partition && strcmp(h->topic, r->topic) == 0 &&
            view_equal_cstr(table, h->table) && view_equal_cstr(schema, h->schema)) {
            return &out->holds[i];
        }
    }
    return NULL;
}

static void add_hold(struct batch_load *out, const struct held_tables *held,
                     const struct log_record *r, struct view schema, struct view table)
{
    struct sink_hold *h = hold_of(out, r, schema, table);
    if (h == NULL) {
        if (out->load.hold_count == out->hold_capacity) {
            out->hold_capacity = out->hold_capacity == 0 ? 8 : out->hold_capacity * 2;
            out->holds = mem_resize(out->holds, out->hold_capacity, sizeof *out->holds);
        }
        const struct held_table *t = held_tables_find(held, schema, table);
        h = &out->holds[out->load.hold_count++];
        *h =
            (struct sink_hold){ .range = { .partition = r->partition, .from = r->offset },
                                .code = t->why.code,
                                .reason = t->why.text };
        snprintf(h->range.topic, sizeof h->range.topic, "%s", r->topic);
        snprintf(h->range.schema, sizeof h->range.schema, "%.*s", VIEW_ARG(schema));
        snprintf(h->range.table, sizeof h->range.table, "%.*s", VIEW_ARG(table));
    }
    h->range.to = r->offset + 1;
}

/* ---- the ledger ---- */

static struct view tally_schema(const struct log_record *r)
{
    struct view schema = r->record.schema;
    return r->headers_are_valid && schema_name_is_valid(schema)
               ? schema
               : view_cstr(SINK_CONTROL_SCHEMA);
}

static struct sink_tally *tally_of(struct batch_load *out, const struct log_record *r)
{
    enum event_type type = r->record.topic;
    struct view schema = tally_schema(r);
    struct view table = type == EVENT_REJECTED ? view_cstr(SINK_REJECTED_TABLE)
                                               : view_cstr(event_type_name(type));
    for (size_t i = out->load.tally_count; i > 0; i--) {
        struct sink_tally *t = &out->tallies[i - 1];
        if (view_equal(t->table, table) && view_equal(t->schema, schema)) {
            return t;
        }
    }
    if (out->load.tally_count == out->tally_capacity) {
        out->tally_capacity = out->tally_capacity == 0 ? 8 : out->tally_capacity * 2;
        out->tallies =
            mem_resize(out->tallies, out->tally_capacity, sizeof *out->tallies);
    }
    struct sink_tally *t = &out->tallies[out->load.tally_count++];
    *t = (struct sink_tally){ .schema = schema,
                              .table = table,
                              .source = r->record.source };
    return t;
}

/* ---- records ---- */

static bool is_held(const struct batch *b, const struct held_tables *held,
                    const struct table **out_table, const struct batch_entry *e)
{
    if (e->table == BATCH_NO_TABLE) {
        return false;
    }
    *out_table = table_plan_base(b->tables[e->table].plan);
    return held_tables_has(held, table_schema(*out_table), table_name(*out_table));
}

/* Rows of a table lie in the order of their records, so a part's rows are neighbours. */
static void add_row(const struct batch *b, struct batch_load *out, size_t record)
{
    const struct batch_entry *e = &b->entries[record];
    struct sink_rows *t = &out->tables[e->table];
    if (t->row_count == 0) {
        out->first_row[e->table] = e->at;
        t->rows = &b->tables[e->table].rows[e->at];
    }
    t->row_count++;
    t->bytes += b->records[record].record.value.len;
}

/* Rejected events wait only for their own table. What waits is neither rejected nor
 * counted as withheld: it will be when it is read again. */
static void add_record(const struct batch *b, const struct held_tables *held,
                       struct batch_load *out, size_t record)
{
    const struct batch_entry *e = &b->entries[record];
    const struct log_record *r = &b->records[record];
    const struct table *table = NULL;
    if (r->is_skipped) {
        return;
    }
    struct sink_tally *tally = tally_of(out, r);
    if (r->record.received_at_ms > tally->last_received_at_ms) {
        tally->last_received_at_ms = r->record.received_at_ms;
    }
    tally->records += b->is_slice ? 0 : 1;
    tally->held -= b->is_slice ? 1 : 0;
    if (e->outcome == MAP_REJECTED) {
        struct sink_rejected *rejected = &b->rejected[e->at];
        struct view schema = batch_load_rejected_schema(rejected);
        if (held_tables_has(held, schema, view_cstr(SINK_REJECTED_TABLE))) {
            add_hold(out, held, r, schema, view_cstr(SINK_REJECTED_TABLE));
            tally->held++;
        } else {
            tally->rejected++;
            out->rejected[out->load.rejected_count++] = *rejected;
        }
    } else if (e->outcome != MAP_DELETION && is_held(b, held, &table, e)) {
        add_hold(out, held, r, table_schema(table), table_name(table));
        tally->held++;
    } else if (e->outcome == MAP_ROW) {
        add_row(b, out, record);
    } else if (e->outcome == MAP_SUPPRESSED) {
        out->tables[e->table].suppressed_integrations++;
    } else if (e->outcome == MAP_DELETION) {
        tally->deletions++;
    }
}

/* Deletions lie in the order of their records too; they never wait. */
static void add_deletions(const struct batch *b, size_t from, size_t to,
                          struct batch_load *out)
{
    for (size_t i = from; i < to; i++) {
        if (b->entries[i].outcome == MAP_DELETION) {
            if (out->load.deletion_count++ == 0) {
                out->load.deletions = &b->deletions[b->entries[i].at];
            }
        }
    }
}

/* May the record have waited for the slice's table? For _sdc_rejected any may: which rows
 * the database refused only loading tells, and what is there already is a copy. For
 * another what the mapping rejects has not: it never waits for that one. */
static bool has_waited(const struct batch *b, size_t record)
{
    bool is_by_database = b->marks != NULL && b->marks[record].how == BATCH_MAP_REFUSED;
    enum map_outcome outcome = b->entries[record].outcome;
    if (strcmp(b->slice.table, SINK_REJECTED_TABLE) == 0) {
        return outcome != MAP_DELETION;
    }
    return outcome != MAP_REJECTED || is_by_database;
}

/* Of a slice only what may have waited: the rest was loaded when it came by. */
static void add_slice_record(const struct batch *b, const struct held_tables *held,
                             struct batch_load *out, size_t record)
{
    if (has_waited(b, record)) {
        add_record(b, held, out, record);
    }
}

/* A part of a slice begins where the part before it ended, and the last one reaches as
 * far as the log was read. */
static void add_slice(const struct batch *b, size_t from, size_t to,
                      struct batch_load *out)
{
    out->slice = b->slice;
    if (from > 0) {
        out->slice.from = b->records[from - 1].offset + 1;
    }
    if (to < b->record_count) {
        out->slice.to = b->records[to - 1].offset + 1;
    }
    out->load.slice = &out->slice;
    out->load.lost = from == 0 ? b->lost : 0;
}

void batch_load_make(const struct batch *b, size_t from, size_t to,
                     const struct held_tables *held, struct batch_load *out)
{
    *out = (struct batch_load){ .hold_capacity = 0 };
    out->tables = mem_calloc(b->table_count, sizeof *out->tables);
    out->first_row = mem_calloc(b->table_count, sizeof *out->first_row);
    out->rejected = mem_calloc(b->rejected_count, sizeof *out->rejected);
    for (size_t i = 0; i < b->table_count; i++) {
        const struct batch_table *t = &b->tables[i];
        out->tables[i] =
            (struct sink_rows){ .plan = t->plan, .table = table_plan_settled(t->plan) };
    }
    for (size_t i = from; i < to; i++) {
        if (b->is_slice) {
            add_slice_record(b, held, out, i);
        } else {
            add_record(b, held, out, i);
        }
    }
    if (b->is_slice) {
        add_slice(b, from, to, out);
    } else {
        add_deletions(b, from, to, out);
        add_intervals(b, from, to, out);
        count_records(b, from, to, out);
    }
    out->load.tables = out->tables;
    out->load.table_count = b->table_count;
    out->load.rejected = out->rejected;
    out->load.holds = out->holds;
    out->load.tallies = out->tallies;
}

void batch_load_release(struct batch_load *l)
{
    free(l->intervals);
    free(l->tables);
    free(l->first_row);
    free(l->rejected);
    free(l->holds);
    free(l->tallies);
}
