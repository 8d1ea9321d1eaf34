#include "loader/load/batch.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/contract/schema_name.h"

#include <stdlib.h>
#include <string.h>

struct batch *batch_new(void)
{
    struct batch *b = mem_calloc(1, sizeof *b);
    arena_init(&b->arena);
    return b;
}

struct batch *batch_new_slice(const struct sink_range *range)
{
    struct batch *b = batch_new();
    b->is_slice = true;
    b->slice = *range;
    b->slice.to = range->from;
    return b;
}

/* Forgets what the mapping made; the records and their marks stay. */
static void clear_mapping(struct batch *b)
{
    for (size_t i = 0; i < b->table_count; i++) {
        table_plan_free(b->tables[i].plan);
        free(b->tables[i].rows);
        free(b->tables[i].records);
    }
    b->table_count = 0;
    b->rejected_count = 0;
    b->deletion_count = 0;
    b->sanitized = 0;
    b->overflowed = 0;
    b->demoted = 0;
    arena_reset(&b->arena);
}

static void free_marks(struct batch *b)
{
    for (size_t i = 0; b->marks != NULL && i < b->record_count; i++) {
        free(b->marks[i].detail);
    }
    free(b->marks);
}

void batch_free(struct batch *b, const struct log_release *release)
{
    if (b == NULL) {
        return;
    }
    clear_mapping(b);
    free_marks(b);
    for (size_t i = 0; i < b->record_count; i++) {
        if (b->records[i].message != NULL) {
            release->release(release->context, b->records[i].message);
        }
    }
    free(b->records);
    free(b->entries);
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

/* ---- intervals ---- */

static struct sink_interval *interval_of(struct batch *b, const struct log_record *record)
{
    for (size_t i = 0; i < b->interval_count; i++) {
        struct sink_interval *v = &b->intervals[i];
        if (v->partition == record->partition && v->topic == record->topic) {
            return v;
        }
    }
    return NULL;
}

static void extend_interval(struct batch *b, const struct log_record *record,
                            int64_t from)
{
    struct sink_interval *v = interval_of(b, record);
    if (v == NULL) {
        b->intervals = grow(b->intervals, b->interval_count, &b->interval_capacity,
                            sizeof *b->intervals);
        v = &b->intervals[b->interval_count++];
        *v = (struct sink_interval){ .topic = record->topic,
                                     .partition = record->partition,
                                     .from = from };
    }
    v->to = record->offset + 1;
}

/* ---- mapping ---- */

static uint32_t table_of(struct batch *b, const struct batch_context *context,
                         const struct record *record)
{
    struct view name = view_cstr(event_type_name(record->topic));
    for (size_t i = 0; i < b->table_count; i++) {
        const struct table *base = table_plan_base(b->tables[i].plan);
        if (view_equal(table_name(base), name) &&
            view_equal(table_schema(base), record->schema)) {
            return (uint32_t)i;
        }
    }
    b->tables = grow(b->tables, b->table_count, &b->table_capacity, sizeof *b->tables);
    struct batch_table *t = &b->tables[b->table_count++];
    const struct table *base = catalogue_get(context->catalogue, record->schema, name);
    size_t limit = context->is_frozen ? 0 : context->max_columns;
    *t = (struct batch_table){ .plan = table_plan_new(base, limit) };
    table_unref(base);
    return (uint32_t)(b->table_count - 1);
}

static uint32_t add_rejected(struct batch *b, const struct log_record *record,
                             const struct map_rejected *rejected)
{
    b->rejected =
        grow(b->rejected, b->rejected_count, &b->rejected_capacity, sizeof *b->rejected);
    struct view schema = record->record.schema;
    b->rejected[b->rejected_count] = (struct sink_rejected){
        .schema = schema_name_is_valid(schema) ? schema : view_of(NULL, 0),
        .rejected = *rejected,
        .topic = record->topic,
        .partition = record->partition,
        .offset = record->offset,
    };
    return (uint32_t)b->rejected_count++;
}

static uint32_t add_row(struct batch_table *t, const struct row *row, size_t record)
{
    if (t->row_count == t->row_capacity) {
        t->row_capacity = t->row_capacity == 0 ? 16 : t->row_capacity * 2;
        t->rows = mem_resize(t->rows, t->row_capacity, sizeof *t->rows);
        t->records = mem_resize(t->records, t->row_capacity, sizeof *t->records);
    }
    t->rows[t->row_count] = *row;
    t->records[t->row_count] = (uint32_t)record;
    return (uint32_t)t->row_count++;
}

static uint32_t add_deletion(struct batch *b, const struct record *record,
                             const struct map_deletion *deletion)
{
    b->deletions = grow(b->deletions, b->deletion_count, &b->deletion_capacity,
                        sizeof *b->deletions);
    b->deletions[b->deletion_count] =
        (struct sink_deletion){ .schema = record->schema, .deletion = *deletion };
    return (uint32_t)b->deletion_count++;
}

static void reject(struct batch *b, const struct batch_context *context, size_t at,
                   enum reject_reason word, struct view detail)
{
    const struct log_record *record = &b->records[at];
    struct map_rejected rejected;
    map_event_reject(context->mapper, &record->record, word, detail, &b->arena,
                     &rejected);
    b->entries[at].outcome = MAP_REJECTED;
    b->entries[at].at = add_rejected(b, record, &rejected);
}

/* What ingest writes is always valid; not all who can write to Kafka are ingest. */
static bool refuse_invalid(struct batch *b, const struct batch_context *context,
                           size_t at)
{
    const struct log_record *record = &b->records[at];
    struct view fault = view_cstr(record->header_fault);
    if (record->headers_are_valid) {
        if (schema_name_is_valid(record->record.schema)) {
            return false;
        }
        fault = view_cstr("the schema header is missing or no schema of ours");
    }
    reject(b, context, at, REJECT_INVALID_RECORD, fault);
    return true;
}

static void map_one(struct batch *b, const struct batch_context *context, size_t at)
{
    struct batch_entry *entry = &b->entries[at];
    *entry = (struct batch_entry){ .table = BATCH_NO_TABLE };
    if (b->records[at].is_skipped || refuse_invalid(b, context, at)) {
        return;
    }
    const struct record *r = &b->records[at].record;
    int mark = b->marks == NULL ? BATCH_MAP_NORMAL : (int)b->marks[at].how;
    struct batch_table *t = NULL;
    if (r->topic < EVENT_DATA_TYPES) {
        entry->table = table_of(b, context, r);
        t = &b->tables[entry->table];
    }
    if (mark == BATCH_MAP_REFUSED) {
        reject(b, context, at, b->marks[at].word, view_cstr(b->marks[at].detail));
        return;
    }
    struct map_result result;
    map_event(context->mapper, r, t == NULL ? NULL : t->plan,
              mark == BATCH_MAP_NARROW ? MAP_NARROW : MAP_NORMAL, &b->arena, &result);
    b->sanitized += result.sanitized;
    b->overflowed += result.overflowed;
    b->demoted += result.demoted;
    entry->outcome = result.outcome;
    if (result.outcome == MAP_ROW) {
        REQUIRE(t != NULL);
        entry->at = add_row(t, &result.row, at);
    } else if (result.outcome == MAP_REJECTED) {
        entry->at = add_rejected(b, &b->records[at], &result.rejected);
    } else if (result.outcome == MAP_DELETION) {
        entry->at = add_deletion(b, r, &result.deletion);
    }
}

void batch_add(struct batch *b, const struct batch_context *context,
               const struct log_record *record, int64_t from, int64_t now_mono_ms)
{
    REQUIRE(b->marks == NULL); /* it was not handed over yet */
    if (b->record_count == 0) {
        b->first_at_mono_ms = now_mono_ms;
    }
    b->records =
        grow(b->records, b->record_count, &b->record_capacity, sizeof *b->records);
    b->entries =
        grow(b->entries, b->record_count, &b->entry_capacity, sizeof *b->entries);
    b->records[b->record_count++] = *record;
    b->bytes += record->record.value.len + record->record.context.len;
    b->skipped_count += record->is_skipped;
    if (b->is_slice) {
        batch_reach(b, record->offset + 1);
    } else {
        extend_interval(b, record, from);
    }
    map_one(b, context, b->record_count - 1);
}

void batch_reach(struct batch *slice, int64_t to)
{
    REQUIRE(slice->is_slice);
    slice->slice.to = to > slice->slice.to ? to : slice->slice.to;
}

void batch_reach_lost(struct batch *slice, int64_t to)
{
    slice->lost += to - slice->slice.to;
    batch_reach(slice, to);
}

void batch_map(struct batch *b, const struct batch_context *context)
{
    clear_mapping(b);
    for (size_t i = 0; i < b->record_count; i++) {
        map_one(b, context, i);
    }
}

/* ---- marks ---- */

static struct batch_mark *mark_of(struct batch *b, size_t record)
{
    REQUIRE(record < b->record_count);
    if (b->marks == NULL) {
        b->marks = mem_calloc(b->record_count, sizeof *b->marks);
    }
    return &b->marks[record];
}

static enum reject_reason refusal_word(const char *code)
{
    return strncmp(code, "23", 2) == 0 ? REJECT_CONSTRAINT : REJECT_BY_DATABASE;
}

bool batch_mark_refused(struct batch *b, size_t record, const char *code,
                        const char *text)
{
    struct batch_mark *m = mark_of(b, record);
    if (strcmp(code, "54000") == 0 && m->how == BATCH_MAP_NORMAL) {
        m->how = BATCH_MAP_NARROW;
        return false;
    }
    struct buf detail = { 0 };
    buf_printf(&detail, "%s %s", code, text);
    free(m->detail);
    m->how = BATCH_MAP_REFUSED;
    m->word = refusal_word(code);
    m->detail = mem_strdup(buf_cstr(&detail));
    buf_release(&detail);
    return true;
}

bool batch_is_empty(const struct batch *b)
{
    return b->record_count == 0 && (!b->is_slice || b->slice.to <= b->slice.from);
}
