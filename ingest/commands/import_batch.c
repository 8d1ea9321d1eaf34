#include "ingest/commands/import_batch.h"

#include "ingest/durable/ack_rule.h"
#include "ingest/events/event_record.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/shutdown.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far below what Kafka's client takes, and enough to keep it busy. */
#define BATCH_BYTES ((size_t)4 << 20)
#define LOOK_MS 100
#define RETRY_MS 500
#define FILE_SHOWN_BYTES 120

struct line {
    size_t at, len; /* in the batch's bytes */
    int64_t number;
    bool is_cut;
};

struct import_batch {
    struct import_batch_setup setup;
    struct buf bytes;
    struct line *lines;
    size_t count, capacity;
    uint32_t seq;
    struct json_doc doc;
    struct arena arena; /* of one event */
    struct budget budget;
    struct ack_rule *rule;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool has_ended;
    enum delivery_outcome outcome;
};

struct import_batch *import_batch_new(const struct import_batch_setup *setup)
{
    struct import_batch *b = mem_calloc(1, sizeof *b);
    b->setup = *setup;
    arena_init(&b->arena);
    budget_init(&b->budget, UINT64_MAX); /* one batch at a time is the bound */
    pthread_mutex_init(&b->lock, NULL);
    clock_cond_init(&b->ended);
    struct ack_rule_setup rule = { .publisher = setup->publisher };
    b->rule = ack_rule_new(&rule);
    return b;
}

void import_batch_free(struct import_batch *b)
{
    if (b == NULL) {
        return;
    }
    ack_rule_free(b->rule);
    pthread_cond_destroy(&b->ended);
    pthread_mutex_destroy(&b->lock);
    arena_release(&b->arena);
    json_doc_release(&b->doc);
    buf_release(&b->bytes);
    free(b->lines);
    free(b);
}

void import_batch_add(struct import_batch *b, struct view line, int64_t number,
                      bool is_cut)
{
    if (b->count == b->capacity) {
        b->capacity = b->capacity == 0 ? 1024 : b->capacity * 2;
        b->lines = mem_resize(b->lines, b->capacity, sizeof *b->lines);
    }
    b->lines[b->count++] = (struct line){
        .at = b->bytes.len, .len = line.len, .number = number, .is_cut = is_cut
    };
    buf_add_view(&b->bytes, line);
}

bool import_batch_is_full(const struct import_batch *b)
{
    return b->count >= b->setup.max_lines || b->bytes.len >= BATCH_BYTES;
}

/* ---- from lines to records ---- */

/* Where a rejected event stands, before what is wrong with it. */
static void add_where(struct record *record, const struct line *line, const char *file,
                      char out[REJECT_DETAIL_BYTES])
{
    size_t len = strlen(file);
    const char *shown = len > FILE_SHOWN_BYTES ? file + len - FILE_SHOWN_BYTES : file;
    snprintf(out, REJECT_DETAIL_BYTES, "%s line %lld%s%.*s", shown,
             (long long)line->number, record->detail.len > 0 ? ": " : "",
             VIEW_ARG(record->detail));
    record->detail = view_cstr(out);
}

/* `d` NULL: only counted. */
static void add_record(struct import_batch *b, const struct event_facts *facts,
                       const struct line *line, const char *file, struct delivery *d,
                       struct import_counts *counts)
{
    char where[REJECT_DETAIL_BYTES];
    struct event_scratch scratch = { .arena = &b->arena };
    struct view bytes = view_of(buf_view(&b->bytes).data + line->at, line->len);
    struct body_event event;
    struct record record;
    body_event_judge(bytes, &b->doc, line->is_cut ? 0 : b->setup.max_event_bytes, &event);
    event_record_make(facts, &event, b->seq++ % RECORD_SEQ_LIMIT, &scratch, &record);
    if (record.topic == EVENT_REJECTED) {
        add_where(&record, line, file, where);
    }
    counts->events[record.topic]++;
    if (d != NULL) {
        delivery_add(d, &record, false); /* it borrows the line */
    }
    arena_reset(&b->arena);
}

/* ---- having them durable ---- */

static void on_end(void *context, enum delivery_outcome outcome)
{
    struct import_batch *b = *(struct import_batch **)context;
    pthread_mutex_lock(&b->lock);
    b->has_ended = true;
    b->outcome = outcome;
    pthread_cond_signal(&b->ended);
    pthread_mutex_unlock(&b->lock);
}

static void wait_for_end(struct import_batch *b, struct delivery *d)
{
    struct durable port = ack_rule_port(b->rule);
    pthread_mutex_lock(&b->lock);
    while (!b->has_ended) {
        struct timespec until = clock_timespec(clock_mono_ms() + LOOK_MS);
        pthread_cond_timedwait(&b->ended, &b->lock, &until);
        if (!b->has_ended && shutdown_is_requested()) {
            pthread_mutex_unlock(&b->lock);
            port.on_deadline(port.context, d, clock_mono_ms());
            pthread_mutex_lock(&b->lock);
        }
    }
    pthread_mutex_unlock(&b->lock);
}

static struct event_facts facts_of(const struct import_batch *b)
{
    return (struct event_facts){
        .common = { .source = view_cstr(b->setup.source->slug),
                    .schema = view_cstr(b->setup.source->schema),
                    .received_at_ms = clock_real_ms(),
                    .via = VIA_IMPORT,
                    .auth = AUTH_NONE,
                    .request_id = view_cstr("import") },
        .max_event_bytes = b->setup.max_event_bytes,
    };
}

static bool send(struct import_batch *b, const char *file, struct import_counts *counts)
{
    struct event_facts facts = facts_of(b);
    struct delivery_setup setup = { .budget = &b->budget,
                                    .records = b->count,
                                    .context_bytes = sizeof(struct import_batch *),
                                    .answer_by_mono_ms = INT64_MAX,
                                    .on_end = on_end };
    struct durable port = ack_rule_port(b->rule);
    struct delivery *d = delivery_new(&setup);
    *(struct import_batch **)d->context = b;
    b->has_ended = false;
    delivery_set_common(d, &facts.common);
    for (size_t i = 0; i < b->count; i++) {
        add_record(b, &facts, &b->lines[i], file, d, counts);
    }
    delivery_hold(d); /* we ask it after its end */
    bool is_charged = delivery_charge(d);
    REQUIRE(is_charged); /* the budget has no limit */
    port.take(port.context, d);
    wait_for_end(b, d);
    bool is_durable = b->outcome == DELIVERY_IN_KAFKA;
    delivery_let_go(d);
    return is_durable;
}

static void count(struct import_batch *b, const char *file, struct import_counts *counts)
{
    struct event_facts facts = facts_of(b);
    for (size_t i = 0; i < b->count; i++) {
        add_record(b, &facts, &b->lines[i], file, NULL, counts);
    }
}

bool import_batch_flush(struct import_batch *b, const char *file,
                        struct import_counts *counts)
{
    struct import_counts now = *counts;
    bool is_done = b->count == 0;
    if (b->setup.publisher == NULL) {
        count(b, file, &now);
        is_done = true;
    }
    while (!is_done) {
        now = *counts;
        is_done = send(b, file, &now);
        if (!is_done && shutdown_wait(RETRY_MS)) {
            return false;
        }
    }
    now.lines += (int64_t)b->count;
    *counts = now;
    b->count = 0;
    buf_clear(&b->bytes);
    return true;
}
