#include "loader/load/pipeline.h"

#include "loader/load/ensure_tables.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A table that changes at each attempt would keep a batch for ever: after this many
 * rounds we wait between them. */
#define SETTLE_ROUNDS_AT_ONCE 8
/* What only a person can mend is tried again slowly. */
#define CONFIG_RETRY_MS 15000
#define RESOURCE_RETRY_MS 5000

/* What one attempt at a batch led to. */
enum attempt {
    ATTEMPT_DONE,
    ATTEMPT_AGAIN,   /* at once, or after the wait that was already made */
    ATTEMPT_DIVIDE,  /* too slow, or some event is refused: with half of it */
    ATTEMPT_REFUSED, /* the only record is refused */
    ATTEMPT_FENCED,
    ATTEMPT_STOP,
    ATTEMPT_GIVE_UP,
};

/* What is remembered between the attempts at one batch. */
struct tries {
    unsigned stale_rounds;
    bool has_reread; /* the catalogue was read again because of a refusal */
};

static enum attempt wait_for(struct pipeline *p, uint64_t ms)
{
    return p->pause(p->pause_context, ms) ? ATTEMPT_AGAIN : ATTEMPT_GIVE_UP;
}

static void trouble_begins(struct pipeline *p, const struct error *err)
{
    atomic_store(&p->is_in_trouble, true);
    log_outage_begin(&p->outage, "postgres", err);
}

static void trouble_ends(struct pipeline *p)
{
    backoff_reset(&p->backoff);
    log_outage_end(&p->outage, "postgres");
    atomic_store(&p->is_in_trouble, false);
}

static void disconnect(struct pipeline *p)
{
    p->sink->disconnect(p->sink->context);
    p->is_connected = false;
}

bool pipeline_connect(struct pipeline *p)
{
    struct error err;
    while (!p->is_connected) {
        if (p->sink->connect(p->sink->context, &err)) {
            p->is_connected = true;
            catalogue_clear(p->context.catalogue);
            atomic_fetch_add(&p->connections, 1);
            trouble_ends(p);
            return true;
        }
        trouble_begins(p, &err);
        loader_metrics_retry(p->metrics, sink_failure_name(sink_failure_of(&err)));
        if (!p->pause(p->pause_context, backoff_next_ms(&p->backoff))) {
            return false;
        }
    }
    return true;
}

/* A refusal may be the table's fault, not the event's: first read the catalogue again and
 * map again, then try a row of our own. When even that is refused nothing is rejected. */
static enum attempt after_refusal(struct pipeline *p, struct batch *batch,
                                  struct tries *tries, struct error *err)
{
    if (!tries->has_reread) {
        tries->has_reread = true;
        catalogue_clear(p->context.catalogue);
        batch_map(batch, &p->context, batch->is_narrow);
        return ATTEMPT_AGAIN;
    }
    if (batch->record_count > 1) {
        return ATTEMPT_DIVIDE;
    }
    if (batch->table_count == 0) {
        return ATTEMPT_STOP; /* _sdc_rejected itself refuses: nothing is left to keep the
                                event in */
    }
    if (strcmp(err->code, "54000") == 0 && !batch->is_narrow) {
        batch_map(batch, &p->context, true);
        return ATTEMPT_AGAIN;
    }
    for (size_t i = 0; i < batch->table_count; i++) {
        struct error refusal;
        const struct table *t = table_plan_settled(batch->tables[i].plan);
        if (!p->sink->probe(p->sink->context, t, &refusal)) {
            *err = refusal;
            error_prefix(err,
                         "a row of our own is refused too, so the table is at fault");
            return sink_failure_of(err) == SINK_POISON ? ATTEMPT_STOP : ATTEMPT_AGAIN;
        }
    }
    return ATTEMPT_REFUSED;
}

static enum attempt after_stale(struct pipeline *p, struct batch *batch,
                                struct tries *tries)
{
    catalogue_clear(p->context.catalogue);
    batch_map(batch, &p->context, batch->is_narrow);
    bool at_once = ++tries->stale_rounds % SETTLE_ROUNDS_AT_ONCE != 0;
    return at_once ? ATTEMPT_AGAIN : wait_for(p, backoff_next_ms(&p->backoff));
}

static enum attempt after_failure(struct pipeline *p, struct batch *batch,
                                  struct tries *tries, struct error *err)
{
    enum sink_failure kind = sink_failure_of(err);
    loader_metrics_retry(p->metrics, sink_failure_name(kind));
    switch (kind) {
    case SINK_RECONNECT:
        trouble_begins(p, err);
        disconnect(p);
        return wait_for(p, backoff_next_ms(&p->backoff));
    case SINK_RETRY:
        log_failure(LOG_DEBUG, "load_retried", err);
        return wait_for(p, backoff_next_ms(&p->backoff));
    case SINK_TOO_SLOW:
        trouble_begins(p, err);
        return batch->record_count > 1 ? ATTEMPT_DIVIDE
                                       : wait_for(p, backoff_next_ms(&p->backoff));
    case SINK_RESOURCE:
        trouble_begins(p, err);
        return wait_for(p, RESOURCE_RETRY_MS);
    case SINK_CONFIG:
        trouble_begins(p, err);
        return wait_for(p, CONFIG_RETRY_MS);
    case SINK_STALE:
    case SINK_DDL_RACE:
        return after_stale(p, batch, tries);
    case SINK_POISON:
        return after_refusal(p, batch, tries, err);
    case SINK_FENCED:
        log_failure(LOG_WARN, "position_fenced", err);
        loader_metrics_fenced(p->metrics);
        return ATTEMPT_FENCED;
    case SINK_BUG:
        break;
    }
    return batch->record_count > 1 ? ATTEMPT_DIVIDE : ATTEMPT_STOP;
}

static void note_loaded(struct pipeline_result *r, const struct batch *batch)
{
    size_t count = r->loaded_count + batch->interval_count;
    if (count > r->loaded_capacity) {
        r->loaded_capacity = count * 2;
        r->loaded = mem_resize(r->loaded, r->loaded_capacity, sizeof *r->loaded);
    }
    if (batch->interval_count > 0) {
        memcpy(r->loaded + r->loaded_count, batch->intervals,
               batch->interval_count * sizeof *r->loaded);
    }
    r->loaded_count = count;
}

static enum attempt load_once(struct pipeline *p, struct batch *batch,
                              struct pipeline_result *result, struct error *err)
{
    struct load_counts *counts = mem_calloc(batch->table_count, sizeof *counts);
    struct sink_rows *tables = mem_calloc(batch->table_count, sizeof *tables);
    struct sink_load load = batch_as_load(batch, tables);
    size_t failed_table = SINK_NO_TABLE;
    int64_t began_us = clock_mono_us();
    bool is_loaded =
        p->sink->load(p->sink->context, p->cluster_id, &load, counts, &failed_table, err);
    if (is_loaded) {
        loader_metrics_loaded(p->metrics, batch, counts, clock_mono_us() - began_us);
        note_loaded(result, batch);
        trouble_ends(p);
    }
    free(tables);
    free(counts);
    return is_loaded ? ATTEMPT_DONE : ATTEMPT_AGAIN;
}

static enum attempt attempt(struct pipeline *p, struct batch *batch, struct tries *tries,
                            struct pipeline_result *result, struct error *err)
{
    if (!pipeline_connect(p)) {
        return ATTEMPT_GIVE_UP;
    }
    settle_reopen(p, clock_mono_ms());
    switch (settle_tables(p, batch, err)) {
    case SETTLE_DONE:
        break;
    case SETTLE_AGAIN:
        return ++tries->stale_rounds % SETTLE_ROUNDS_AT_ONCE != 0
                   ? ATTEMPT_AGAIN
                   : wait_for(p, backoff_next_ms(&p->backoff));
    case SETTLE_FAILED:
        return after_failure(p, batch, tries, err);
    }
    if (load_once(p, batch, result, err) == ATTEMPT_DONE) {
        return ATTEMPT_DONE;
    }
    return after_failure(p, batch, tries, err);
}

static enum reject_reason refusal_word(const struct error *err)
{
    return strncmp(err->code, "23", 2) == 0 ? REJECT_CONSTRAINT : REJECT_BY_DATABASE;
}

static void reject_only(struct pipeline *p, struct batch *batch, const struct error *err)
{
    char detail[ERROR_CODE_BYTES + ERROR_TEXT_BYTES + 2];
    int len = snprintf(detail, sizeof detail, "%s %s", err->code, err->text);
    batch_reject_only(batch, &p->context, refusal_word(err),
                      view_of(detail, (size_t)len));
    log_warn("event_refused_by_database", log_text("topic", batch->records[0].topic),
             log_int("partition", batch->records[0].partition),
             log_int("offset", batch->records[0].offset),
             log_text("sqlstate", err->code));
}

static enum pipeline_outcome stop_partition(const struct batch *batch,
                                            const struct error *err,
                                            struct pipeline_result *result)
{
    result->stopped_topic = batch->records[0].topic;
    result->stopped_partition = batch->records[0].partition;
    snprintf(result->reason, sizeof result->reason, "%s %s", err->code, err->text);
    log_failure(LOG_ERROR, "partition_stopped", err);
    return PIPELINE_STOPPED;
}

static enum pipeline_outcome divide(struct pipeline *p, struct batch *batch,
                                    bool has_reread, struct pipeline_result *result);

/* Attempts until the batch is loaded, or cannot be. Recursion through divide() halves the
 * batch: at most 13 deep for 5,000 records. */
static enum pipeline_outcome load_to_the_end(struct pipeline *p, struct batch *batch,
                                             bool has_reread,
                                             struct pipeline_result *result)
{
    struct tries tries = { .has_reread = has_reread };
    struct error err = { .text = "" };
    for (;;) {
        switch (attempt(p, batch, &tries, result, &err)) {
        case ATTEMPT_DONE:
            return PIPELINE_DONE;
        case ATTEMPT_AGAIN:
            break;
        case ATTEMPT_DIVIDE:
            return divide(p, batch, tries.has_reread, result);
        case ATTEMPT_REFUSED:
            reject_only(p, batch, &err);
            break;
        case ATTEMPT_FENCED:
            return PIPELINE_FENCED;
        case ATTEMPT_STOP:
            return stop_partition(batch, &err, result);
        case ATTEMPT_GIVE_UP:
            return PIPELINE_GIVEN_UP;
        }
    }
}

static enum pipeline_outcome divide(struct pipeline *p, struct batch *batch,
                                    bool has_reread, struct pipeline_result *result)
{
    struct batch *rest = batch_split(batch, &p->context, batch->record_count / 2);
    enum pipeline_outcome outcome = load_to_the_end(p, batch, has_reread, result);
    if (outcome == PIPELINE_DONE) {
        outcome = load_to_the_end(p, rest, has_reread, result);
    }
    batch_free(rest, p->stream);
    return outcome;
}

enum pipeline_outcome pipeline_load(struct pipeline *p, struct batch *batch,
                                    struct pipeline_result *result)
{
    *result = (struct pipeline_result){ 0 };
    return load_to_the_end(p, batch, false, result);
}

void pipeline_result_release(struct pipeline_result *r)
{
    free(r->loaded);
    *r = (struct pipeline_result){ 0 };
}

static bool tell_database(struct pipeline *p, const struct pipeline_position *position,
                          struct error *err)
{
    struct sink_position row = { position->topic, position->partition,
                                 position->choice.offset };
    switch (position->choice.verdict) {
    case POSITION_FIRST:
    case POSITION_RESET:
    case POSITION_GAP:
        return p->sink->set_position(p->sink->context, p->cluster_id, &row,
                                     position->facts.in_database, err);
    case POSITION_START:
    case POSITION_BELOW_LOG:
    case POSITION_ABOVE_LOG:
        return true;
    }
    return true;
}

static bool find_once(struct pipeline *p, struct pipeline_position *positions,
                      size_t count, struct error *err)
{
    struct sink_position *rows = mem_calloc(count, sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        rows[i].topic = positions[i].topic;
        rows[i].partition = positions[i].partition;
    }
    bool done =
        p->sink->read_positions(p->sink->context, p->cluster_id, rows, count, err);
    for (size_t i = 0; done && i < count; i++) {
        positions[i].facts.in_database = rows[i].next_offset;
        positions[i].choice = position_choose(&positions[i].facts);
        done = tell_database(p, &positions[i], err);
    }
    free(rows);
    return done;
}

enum pipeline_outcome pipeline_find_positions(struct pipeline *p,
                                              struct pipeline_position *positions,
                                              size_t count)
{
    struct error err;
    while (pipeline_connect(p)) {
        if (find_once(p, positions, count, &err)) {
            trouble_ends(p);
            return PIPELINE_DONE;
        }
        enum sink_failure kind = sink_failure_of(&err);
        loader_metrics_retry(p->metrics, sink_failure_name(kind));
        trouble_begins(p, &err);
        if (kind == SINK_RECONNECT) {
            disconnect(p);
        }
        /* FENCED: another loader set the position between our reading and writing: read
         * again. */
        if (!p->pause(p->pause_context, backoff_next_ms(&p->backoff))) {
            break;
        }
    }
    return PIPELINE_GIVEN_UP;
}
