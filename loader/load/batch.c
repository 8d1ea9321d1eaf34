#include "loader/load/batch.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/contract/schema_name.h"

#include <stdlib.h>

struct batch *batch_new(void)
{
    struct batch *b = mem_calloc(1, sizeof *b);
    arena_init(&b->arena);
    return b;
}

/* Forgets what the mapping made; the records stay. */
static void clear_mapping(struct batch *b)
{
    for (size_t i = 0; i < b->table_count; i++) {
        table_plan_free(b->tables[i].plan);
        free(b->tables[i].rows);
    }
    b->table_count = 0;
    b->rejected_count = 0;
    b->deletion_count = 0;
    b->sanitized = 0;
    b->overflowed = 0;
    b->demoted = 0;
    arena_reset(&b->arena);
}

void batch_free(struct batch *b, const struct stream *stream)
{
    if (b == NULL) {
        return;
    }
    clear_mapping(b);
    for (size_t i = 0; i < b->record_count; i++) {
        stream->release(stream->context, b->records[i].message);
    }
    free(b->records);
    free(b->intervals);
    free(b->tables);
    free(b->rejected);
    free(b->deletions);
    arena_release(&b->arena);
    free(b);
}

/* Room for one more element: arrays double, so that adding is cheap. */
static void *grow(void *array, size_t count, size_t *capacity, size_t element_size)
{
    if (count < *capacity) {
        return array;
    }
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    return mem_resize(array, *capacity, element_size);
}

static struct sink_interval *interval_of(struct batch *b,
                                         const struct stream_record *record)
{
    for (size_t i = 0; i < b->interval_count; i++) {
        struct sink_interval *v = &b->intervals[i];
        if (v->partition == record->partition && v->topic == record->topic) {
            return v;
        }
    }
    return NULL;
}

static void extend_interval(struct batch *b, const struct stream_record *record,
                            int64_t from)
{
    struct sink_interval *v = interval_of(b, record);
    if (v == NULL) {
        b->intervals = grow(b->intervals, b->interval_count, &b->interval_capacity,
                            sizeof *b->intervals);
        v = &b->intervals[b->interval_count++];
        v->topic = record->topic;
        v->partition = record->partition;
        v->from = from;
    }
    v->to = record->offset + 1;
}

static struct batch_table *table_of(struct batch *b, const struct batch_context *context,
                                    const struct record *record)
{
    struct view name = view_cstr(event_type_name(record->topic));
    for (size_t i = 0; i < b->table_count; i++) {
        const struct table *base = table_plan_base(b->tables[i].plan);
        if (view_equal(table_name(base), name) &&
            view_equal(table_schema(base), record->schema)) {
            return &b->tables[i];
        }
    }
    b->tables = grow(b->tables, b->table_count, &b->table_capacity, sizeof *b->tables);
    struct batch_table *t = &b->tables[b->table_count++];
    const struct table *base = catalogue_get(context->catalogue, record->schema, name);
    size_t limit = context->is_frozen ? 0 : context->max_columns;
    *t = (struct batch_table){ .plan = table_plan_new(base, limit),
                               .source = record->source };
    table_unref(base);
    return t;
}

static void add_rejected(struct batch *b, const struct stream_record *record,
                         const struct map_rejected *rejected)
{
    b->rejected =
        grow(b->rejected, b->rejected_count, &b->rejected_capacity, sizeof *b->rejected);
    struct view schema = record->record.schema;
    b->rejected[b->rejected_count++] = (struct sink_rejected){
        .schema = schema_name_is_valid(schema) ? schema : view_of(NULL, 0),
        .rejected = *rejected,
        .topic = record->topic,
        .partition = record->partition,
        .offset = record->offset,
    };
}

static void add_row(struct batch_table *t, const struct row *row)
{
    t->rows = grow(t->rows, t->row_count, &t->row_capacity, sizeof *t->rows);
    t->rows[t->row_count++] = *row;
}

static void add_deletion(struct batch *b, const struct record *record,
                         const struct map_deletion *deletion)
{
    b->deletions = grow(b->deletions, b->deletion_count, &b->deletion_capacity,
                        sizeof *b->deletions);
    b->deletions[b->deletion_count++] =
        (struct sink_deletion){ .schema = record->schema, .deletion = *deletion };
}

/* What ingest writes is always valid; not all who can write to Kafka are ingest. */
static bool refuse_invalid(struct batch *b, const struct batch_context *context,
                           const struct stream_record *record)
{
    struct view fault = view_cstr(record->header_fault);
    if (record->headers_are_valid) {
        if (schema_name_is_valid(record->record.schema)) {
            return false;
        }
        fault = view_cstr("the schema header is missing or no schema of ours");
    }
    struct map_rejected rejected;
    map_event_reject(context->mapper, &record->record, REJECT_INVALID_RECORD, fault,
                     &b->arena, &rejected);
    add_rejected(b, record, &rejected);
    return true;
}

static void map_one(struct batch *b, const struct batch_context *context,
                    const struct stream_record *record)
{
    if (refuse_invalid(b, context, record)) {
        return;
    }
    const struct record *r = &record->record;
    struct batch_table *t = r->topic < EVENT_DATA_TYPES ? table_of(b, context, r) : NULL;
    if (t != NULL && r->received_at_ms > t->last_received_at_ms) {
        t->last_received_at_ms = r->received_at_ms;
    }
    struct map_result result;
    map_event(context->mapper, r, t == NULL ? NULL : t->plan,
              b->is_narrow ? MAP_NARROW : MAP_NORMAL, &b->arena, &result);
    b->sanitized += result.sanitized;
    b->overflowed += result.overflowed;
    b->demoted += result.demoted;
    switch (result.outcome) {
    case MAP_ROW:
        REQUIRE(t != NULL);
        add_row(t, &result.row);
        t->bytes += r->value.len;
        break;
    case MAP_REJECTED:
        add_rejected(b, record, &result.rejected);
        break;
    case MAP_SUPPRESSED:
        REQUIRE(t != NULL);
        t->suppressed_integrations++;
        break;
    case MAP_DELETION:
        add_deletion(b, r, &result.deletion);
        break;
    }
}

void batch_add(struct batch *b, const struct batch_context *context,
               const struct stream_record *record, int64_t from)
{
    if (b->record_count == 0) {
        b->first_at_mono_ms = clock_mono_ms();
    }
    b->records =
        grow(b->records, b->record_count, &b->record_capacity, sizeof *b->records);
    b->records[b->record_count++] = *record;
    b->bytes += record->record.value.len + record->record.context.len;
    extend_interval(b, record, from);
    map_one(b, context, record);
}

void batch_map(struct batch *b, const struct batch_context *context, bool narrow)
{
    clear_mapping(b);
    b->is_narrow = narrow;
    for (size_t i = 0; i < b->record_count; i++) {
        map_one(b, context, &b->records[i]);
    }
}

/* Where the partition of `record` begins in a batch whose records start with it: the end
 * of the interval that the same partition has in `before`, or the start it had in the
 * whole. */
static int64_t start_after(struct batch *before, const struct sink_interval *whole,
                           size_t whole_count, const struct stream_record *record)
{
    const struct sink_interval *v = interval_of(before, record);
    if (v != NULL) {
        return v->to;
    }
    for (size_t i = 0; i < whole_count; i++) {
        if (whole[i].partition == record->partition && whole[i].topic == record->topic) {
            return whole[i].from;
        }
    }
    mem_panic(__FILE__, __LINE__, "a record outside of its batch's intervals");
}

struct batch *batch_split(struct batch *b, const struct batch_context *context, size_t at)
{
    REQUIRE(at > 0 && at < b->record_count);
    struct batch *rest = batch_new();
    struct sink_interval *whole = b->intervals;
    size_t whole_count = b->interval_count;
    size_t all = b->record_count;
    b->intervals = NULL;
    b->interval_count = b->interval_capacity = 0;
    b->record_count = 0;
    b->bytes = 0;
    rest->first_at_mono_ms = b->first_at_mono_ms;
    clear_mapping(b);
    struct batch nothing = { 0 };
    for (size_t i = 0; i < all; i++) {
        struct stream_record record = b->records[i];
        struct batch *into = i < at ? b : rest;
        struct batch *before = i < at ? &nothing : b;
        batch_add(into, context, &record,
                  start_after(before, whole, whole_count, &record));
    }
    free(whole);
    return rest;
}

void batch_reject_only(struct batch *b, const struct batch_context *context,
                       enum reject_reason word, struct view detail)
{
    REQUIRE(b->record_count == 1);
    clear_mapping(b);
    struct map_rejected rejected;
    map_event_reject(context->mapper, &b->records[0].record, word, detail, &b->arena,
                     &rejected);
    add_rejected(b, &b->records[0], &rejected);
}

struct sink_load batch_as_load(const struct batch *b, struct sink_rows *tables)
{
    for (size_t i = 0; i < b->table_count; i++) {
        const struct batch_table *t = &b->tables[i];
        tables[i] =
            (struct sink_rows){ .plan = t->plan,
                                .table = table_plan_settled(t->plan),
                                .rows = t->rows,
                                .row_count = t->row_count,
                                .bytes = t->bytes,
                                .suppressed_integrations = t->suppressed_integrations,
                                .source = t->source,
                                .last_received_at_ms = t->last_received_at_ms };
    }
    return (struct sink_load){ .intervals = b->intervals,
                               .interval_count = b->interval_count,
                               .tables = tables,
                               .table_count = b->table_count,
                               .rejected = b->rejected,
                               .rejected_count = b->rejected_count,
                               .deletions = b->deletions,
                               .deletion_count = b->deletion_count };
}

bool batch_is_empty(const struct batch *b)
{
    return b->record_count == 0;
}
