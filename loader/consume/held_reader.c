#include "loader/consume/held_reader.h"

#include "common/base/mem.h"
#include "common/service/log.h"

#include <stdlib.h>
#include <string.h>

/* So many records are taken from the log before the live ones have their turn again. */
#define READ_AT_ONCE 1000
/* A slice that is not full is handed over after so many records of others: otherwise a
 * long range with few of its own would be read from its start after each interruption. */
#define SLICE_SPAN 100000
#define ASK_AGAIN_MS 1000
#define BOUNDS_TIMEOUT_MS 2000
/* After what only time or a person can mend. */
#define RETRY_MS 60000

/* ---- ranges ---- */

static bool is_same_range(const struct sink_range *a, const struct sink_range *b)
{
    return a->partition == b->partition && strcmp(a->topic, b->topic) == 0 &&
           strcmp(a->schema, b->schema) == 0 && strcmp(a->table, b->table) == 0;
}

static struct sink_range *find(struct held_reader *h, const struct sink_range *like)
{
    for (size_t i = 0; i < h->count; i++) {
        if (is_same_range(&h->ranges[i], like)) {
            return &h->ranges[i];
        }
    }
    return NULL;
}

static void add(struct held_reader *h, const struct sink_range *range)
{
    if (h->count == h->capacity) {
        h->capacity = h->capacity == 0 ? 8 : h->capacity * 2;
        h->ranges = mem_resize(h->ranges, h->capacity, sizeof *h->ranges);
    }
    h->ranges[h->count++] = *range;
}

void held_reader_set_ranges(struct held_reader *h, const struct sink_range *ranges,
                            size_t count, struct partitions *assigned)
{
    held_reader_drop(h);
    h->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (partitions_find(assigned, ranges[i].topic, ranges[i].partition) != NULL) {
            add(h, &ranges[i]);
        }
    }
    loader_metrics_held_ranges(h->setup.metrics, h->count);
}

void held_reader_grow(struct held_reader *h, const struct sink_range *holds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sink_range *known = find(h, &holds[i]);
        if (known == NULL) {
            add(h, &holds[i]);
            continue;
        }
        known->from = holds[i].from < known->from ? holds[i].from : known->from;
        known->to = holds[i].to > known->to ? holds[i].to : known->to;
    }
    if (count > 0) {
        loader_metrics_held_ranges(h->setup.metrics, h->count);
    }
}

void held_reader_set_held(struct held_reader *h, const struct held_name *held,
                          size_t count)
{
    if (count == 0 && h->held_count == 0) {
        return;
    }
    free(h->held);
    h->held = mem_calloc(count, sizeof *h->held);
    h->held_count = count;
    if (count > 0) {
        memcpy(h->held, held, count * sizeof *held);
    }
}

static bool is_held(const struct held_reader *h, const struct sink_range *range)
{
    for (size_t i = 0; i < h->held_count; i++) {
        if (strcmp(h->held[i].schema, range->schema) == 0 &&
            strcmp(h->held[i].table, range->table) == 0) {
            return true;
        }
    }
    return false;
}

bool held_reader_waits_for_tables(const struct held_reader *h)
{
    return h->held_count > 0;
}

/* ---- the stream ---- */

static bool open_stream(struct held_reader *h, int64_t now_mono_ms)
{
    struct error err;
    if (h->stream.context == NULL && !h->setup.open(h->setup.context, &h->stream, &err)) {
        log_failure(LOG_WARN, "held_not_read", &err);
        h->retry_at_mono_ms = now_mono_ms + RETRY_MS;
        return false;
    }
    return true;
}

static bool start_at(struct held_reader *h, int64_t offset, int64_t now_mono_ms)
{
    struct stream_partition at = { .topic = h->filling->slice.topic,
                                   .partition = h->filling->slice.partition,
                                   .offset = offset };
    struct error err;
    h->next = offset;
    if (h->stream.start(h->stream.context, &at, 1, &err)) {
        return true;
    }
    log_failure(LOG_WARN, "held_not_read", &err);
    h->retry_at_mono_ms = now_mono_ms + ASK_AGAIN_MS;
    return false;
}

/* Nothing is fetched while nothing is read. */
static void stand_still(struct held_reader *h)
{
    struct error err;
    if (h->stream.context != NULL && !h->stream.start(h->stream.context, NULL, 0, &err)) {
        log_failure(LOG_DEBUG, "held_not_read", &err);
    }
}

struct log_release held_reader_release_of(const struct held_reader *h)
{
    return (struct log_release){ h->stream.context, h->stream.release };
}

void held_reader_drop(struct held_reader *h)
{
    if (h->filling != NULL) {
        struct log_release release = held_reader_release_of(h);
        batch_free(h->filling, &release);
        h->filling = NULL;
        h->is_ready = false;
        stand_still(h);
    }
}

static void close_stream(struct held_reader *h)
{
    if (h->stream.context != NULL) {
        h->stream.close(h->stream.context);
        h->stream = (struct stream){ .context = NULL };
    }
}

void held_reader_close(struct held_reader *h)
{
    held_reader_drop(h);
    if (!h->is_under_way) { /* else the writer still has messages of it; the process ends
                             */
        close_stream(h);
    }
    free(h->ranges);
    free(h->held);
    h->ranges = NULL;
    h->held = NULL;
    h->count = h->held_count = 0;
}

/* ---- reading ---- */

/* The first range whose table can be loaded, as far as we know; NULL: none. */
static const struct sink_range *readable(const struct held_reader *h)
{
    const struct sink_range *range = NULL;
    for (size_t i = 0; range == NULL && i < h->count; i++) {
        range = is_held(h, &h->ranges[i]) ? NULL : &h->ranges[i];
    }
    return range;
}

bool held_reader_is_active(const struct held_reader *h, int64_t now_mono_ms)
{
    return h->filling != NULL || h->is_under_way ||
           (now_mono_ms >= h->retry_at_mono_ms && readable(h) != NULL);
}

/* Begins a slice. */
static void begin(struct held_reader *h, int64_t now_mono_ms)
{
    const struct sink_range *range = readable(h);
    if (range == NULL || !open_stream(h, now_mono_ms)) {
        return;
    }
    h->filling = batch_new_slice(range);
    if (!start_at(h, range->from, now_mono_ms)) {
        held_reader_drop(h);
    }
}

/* Is the record one that waited? Those of other tables were loaded when they came by; for
 * _sdc_rejected any of the schema's may have waited. */
static bool is_wanted(const struct sink_range *range, const struct log_record *r)
{
    if (strcmp(range->table, SINK_REJECTED_TABLE) != 0) {
        return view_equal_cstr(r->record.schema, range->schema) &&
               strcmp(event_type_name(r->record.topic), range->table) == 0;
    }
    return strcmp(range->schema, SINK_CONTROL_SCHEMA) == 0 ||
           view_equal_cstr(r->record.schema, range->schema);
}

/* Where the range ends now: it may have grown since the slice was begun. */
static int64_t end_of(struct held_reader *h)
{
    const struct sink_range *range = find(h, &h->filling->slice);
    return range == NULL ? h->filling->slice.to : range->to;
}

static void reach(struct held_reader *h, int64_t next)
{
    struct batch *b = h->filling;
    int64_t end = end_of(h);
    h->next = next;
    batch_reach(b, next < end ? next : end);
    h->is_ready = next >= end || b->record_count >= h->setup.slice_rows ||
                  b->bytes >= h->setup.slice_bytes ||
                  b->slice.to - b->slice.from >= SLICE_SPAN;
}

static void take(struct held_reader *h, const struct batch_context *context,
                 const struct log_record *r, int64_t now_mono_ms)
{
    bool is_next = r->offset >= h->next && r->offset < end_of(h) &&
                   r->partition == h->filling->slice.partition &&
                   strcmp(r->topic, h->filling->slice.topic) == 0;
    if (is_next && is_wanted(&h->filling->slice, r)) {
        batch_add(h->filling, context, r, 0, now_mono_ms);
    } else {
        h->stream.release(h->stream.context, r->message);
    }
    if (is_next || r->offset >= end_of(h)) {
        reach(h, r->offset + 1);
    }
}

/* The range's first records are no longer in the log: that is a loss, and it is named. */
static void note_lost(struct held_reader *h, int64_t log_start)
{
    struct sink_range *s = &h->filling->slice;
    int64_t end = end_of(h);
    int64_t to = log_start < end ? log_start : end;
    log_error("held_records_lost", log_text("topic", s->topic),
              log_int("partition", s->partition), log_text("schema", s->schema),
              log_text("table", s->table), log_int("from", h->next), log_int("to", to),
              log_text("reason", "retention removed them before the table was mended"));
    loader_metrics_gap(h->setup.metrics, (uint64_t)(to - h->next));
    batch_reach_lost(h->filling, to);
}

static void out_of_range(struct held_reader *h, int64_t now_mono_ms)
{
    struct stream_partition at = { .topic = h->filling->slice.topic,
                                   .partition = h->filling->slice.partition };
    struct error err;
    if (h->stream.positions(h->stream.context, &at, 1, BOUNDS_TIMEOUT_MS, &err) &&
        at.log_start > h->next) {
        note_lost(h, at.log_start);
        reach(h, at.log_start);
        if (h->is_ready || start_at(h, at.log_start, now_mono_ms)) {
            return;
        }
    }
    held_reader_drop(h); /* Kafka is away, or this is another log */
    h->retry_at_mono_ms = now_mono_ms + RETRY_MS;
}

/* The range's last offsets hold no record (a transaction's mark, another program's). */
static void end_of_log(struct held_reader *h, const struct stream_partition *at)
{
    if (at->partition == h->filling->slice.partition && at->offset >= end_of(h) &&
        strcmp(at->topic, h->filling->slice.topic) == 0) {
        reach(h, at->offset);
    }
}

/* False when there is nothing more to read for now. */
static bool read_one(struct held_reader *h, const struct batch_context *context,
                     int64_t now_mono_ms)
{
    struct stream_poll poll;
    struct error err;
    switch (h->stream.poll(h->stream.context, 0, &poll, &err)) {
    case STREAM_RECORD:
        take(h, context, &poll.record, now_mono_ms);
        return !h->is_ready;
    case STREAM_OUT_OF_RANGE:
        out_of_range(h, now_mono_ms);
        return false;
    case STREAM_COMMIT_FAILED:
    case STREAM_FAILED:
        log_failure(LOG_DEBUG, "held_not_read", &err);
        return false;
    case STREAM_END:
        end_of_log(h, &poll.partitions[0]);
        return !h->is_ready;
    case STREAM_NOTHING:
    case STREAM_ASSIGNED:
    case STREAM_REVOKED:
        break;
    }
    return false;
}

void held_reader_read(struct held_reader *h, const struct batch_context *context,
                      int64_t now_mono_ms)
{
    if (h->count == 0) {
        if (h->stream.context != NULL && !h->is_under_way) {
            close_stream(h);
        }
        return;
    }
    if (h->is_ready || h->is_under_way || now_mono_ms < h->retry_at_mono_ms) {
        return;
    }
    if (h->filling == NULL) {
        begin(h, now_mono_ms);
    }
    for (unsigned i = 0; h->filling != NULL && i < READ_AT_ONCE; i++) {
        if (!read_one(h, context, now_mono_ms)) {
            return;
        }
    }
}

struct batch *held_reader_take(struct held_reader *h)
{
    if (!h->is_ready) {
        return NULL;
    }
    struct batch *slice = h->filling;
    h->filling = NULL;
    h->is_ready = false;
    h->is_under_way = true;
    stand_still(h);
    return slice;
}

void held_reader_ended(struct held_reader *h, const struct sink_range *slice,
                       int64_t from, bool is_done, int64_t now_mono_ms)
{
    struct sink_range *range = find(h, slice);
    h->is_under_way = false;
    if (!is_done) {
        h->retry_at_mono_ms = now_mono_ms + ASK_AGAIN_MS;
    }
    if (range == NULL) {
        return;
    }
    range->from = from > range->from ? from : range->from;
    if (range->from >= range->to) {
        log_info("held_range_loaded", log_text("topic", slice->topic),
                 log_int("partition", slice->partition),
                 log_text("schema", slice->schema), log_text("table", slice->table));
        *range = h->ranges[--h->count];
        loader_metrics_held_ranges(h->setup.metrics, h->count);
    }
}
