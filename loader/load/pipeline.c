#include "loader/load/pipeline.h"

#include "loader/load/batch_load.h"
#include "loader/load/session.h"
#include "loader/load/table_keeper.h"
#include "loader/load/table_tries.h"

#include "common/base/mem.h"
#include "common/service/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A table that is said to have changed and has not: after so many rounds it is held, and
 * before the last a new session is tried (behind a pooler a temporary table may be
 * gone). */
#define STALE_ROUNDS 5
/* A table that others hold for so many lock_timeouts waits; the others go on. */
#define LOCKED_ROUNDS 3
/* Rows that are refused together but not alone (another's constraint over several rows,
 * committed meanwhile) are tried again so often. */
#define TRIAL_ROUNDS 3
/* Halving the largest batch (LOADER_BATCH_ROWS is at most 1,000,000) goes 20 deep. */
#define PARTS_MAX 24

struct pipeline {
    struct pipeline_setup setup;
    const struct sink *sink;
    struct table_keeper keeper;
    struct tries tries;
    struct session session;
    bool has_ended;
    struct task_result result; /* of the task under way, which is in it */
    /* A batch that is too slow is loaded in parts: where they end, the next one last. */
    size_t part_ends[PARTS_MAX];
    size_t part_count;
    bool is_staged; /* see sink_load.h; until the batch has ended */
};

/* The table at which a load stopped. */
struct failed {
    bool is_known;
    bool is_rejected; /* it is an _sdc_rejected */
    size_t table;     /* else: in the batch */
    struct view schema, name;
};

struct pipeline *pipeline_new(const struct pipeline_setup *setup)
{
    struct pipeline *p = mem_calloc(1, sizeof *p);
    p->setup = *setup;
    p->sink = setup->sink;
    p->has_ended = true;
    table_keeper_init(&p->keeper, setup->sink, setup->metrics);
    p->session = (struct session){ .sink = setup->sink, .metrics = setup->metrics };
    backoff_init(&p->session.backoff, setup->backoff_first_ms, setup->backoff_max_ms,
                 setup->seed);
    return p;
}

void pipeline_free(struct pipeline *p)
{
    if (p != NULL) {
        table_keeper_release(&p->keeper);
        tries_release(&p->tries);
        task_result_release(&p->result);
        free(p);
    }
}

bool pipeline_is_in_trouble(const struct pipeline *p)
{
    return p->session.outage.is_on;
}

/* ---- the end of a task ---- */

/* So that the consumer's next batches are mapped for what there is. */
static void add_tables(struct pipeline *p, const struct batch *b)
{
    struct task_result *r = &p->result;
    r->tables = mem_calloc(b->table_count, sizeof(struct table *));
    for (size_t i = 0; i < b->table_count; i++) {
        const struct table *base = table_plan_base(b->tables[i].plan);
        struct view schema = table_schema(base);
        struct view name = table_name(base);
        if (catalogue_has(p->keeper.catalogue, schema, name)) {
            r->tables[r->table_count++] =
                catalogue_get(p->keeper.catalogue, schema, name);
        }
    }
}

static enum pipeline_step end(struct pipeline *p, enum task_outcome outcome)
{
    p->result.outcome = outcome;
    p->result.connection = p->session.connections;
    if (p->result.task.kind == TASK_LOAD) {
        add_tables(p, p->result.task.batch);
    }
    table_keeper_add_held(&p->keeper, &p->result);
    p->has_ended = true;
    return PIPELINE_ENDED;
}

void pipeline_give_up(struct pipeline *p)
{
    if (!p->has_ended) {
        end(p, TASK_GIVEN_UP);
    }
}

struct task_result pipeline_take_result(struct pipeline *p)
{
    REQUIRE(p->has_ended);
    struct task_result r = p->result;
    p->result = (struct task_result){ .outcome = TASK_DONE };
    return r;
}

void pipeline_begin(struct pipeline *p, const struct task *task)
{
    REQUIRE(p->has_ended);
    p->has_ended = false;
    p->result = (struct task_result){ .task = *task };
    if (task->kind == TASK_LOAD) {
        p->part_ends[0] = task->batch->record_count;
        p->part_count = 1;
        p->is_staged = false;
        p->result.slice_from = task->batch->slice.from;
        table_keeper_begin(&p->keeper, p->sink->mono_ms(p->sink->context));
    }
}

/* ---- what failures lead to ---- */

static enum pipeline_step follow(struct pipeline *p, enum session_next next)
{
    switch (next) {
    case SESSION_GOES_ON:
        return PIPELINE_GOES_ON;
    case SESSION_WAITS:
        return PIPELINE_WAITS;
    case SESSION_FENCED:
        return end(p, TASK_FENCED);
    case SESSION_IMPOSSIBLE:
        return end(p, TASK_IMPOSSIBLE);
    }
    return PIPELINE_GOES_ON;
}

static enum pipeline_step connect_once(struct pipeline *p, uint64_t *wait_ms)
{
    enum session_next next = session_connect(&p->session, wait_ms, &p->result.error);
    if (next == SESSION_GOES_ON) {
        table_keeper_forget_all(&p->keeper); /* anything may have happened meanwhile */
    }
    return follow(p, next);
}

/* A failure of no single table. */
static enum pipeline_step after_trouble(struct pipeline *p, const struct error *err,
                                        uint64_t *wait_ms)
{
    table_keeper_forget_all(&p->keeper); /* one of them may be why */
    return follow(p, session_after_failure(&p->session, err, wait_ms));
}

static enum pipeline_step back_off(struct pipeline *p, uint64_t *wait_ms)
{
    return follow(p, session_back_off(&p->session, wait_ms));
}

static enum pipeline_step hold(struct pipeline *p, const struct failed *at,
                               const struct error *why, bool needs_columns)
{
    table_keeper_hold(&p->keeper, at->schema, at->name, why, needs_columns);
    return PIPELINE_GOES_ON;
}

static struct view fingerprint_of(struct pipeline *p, const struct failed *at)
{
    const struct batch *b = p->result.task.batch;
    return at->is_rejected
               ? view_of(NULL, 0)
               : table_fingerprint(table_plan_settled(b->tables[at->table].plan));
}

static struct table_tries *tries_at(struct pipeline *p, const struct failed *at)
{
    return tries_of(&p->tries, at->schema, at->name, fingerprint_of(p, at));
}

static enum pipeline_step after_stale(struct pipeline *p, const struct failed *at,
                                      const struct error *err, uint64_t *wait_ms)
{
    unsigned rounds = ++tries_at(p, at)->stale;
    if (rounds >= STALE_ROUNDS) {
        return hold(p, at, err, false);
    }
    catalogue_remove(p->keeper.catalogue, at->schema, at->name);
    if (rounds == STALE_ROUNDS - 1) {
        session_close(&p->session);
    }
    return rounds == 1 ? PIPELINE_GOES_ON : back_off(p, wait_ms);
}

/* True when the table is another than the rows were made for: that is why they were
 * refused. False with *err when it cannot be read. */
static bool read_again(struct pipeline *p, const struct failed *at, bool *out_changed,
                       struct error *err)
{
    struct table *now = NULL;
    if (!p->sink->read_table(p->sink->context, at->schema, at->name, &now, err)) {
        return false;
    }
    *out_changed = !view_equal(table_fingerprint(now), fingerprint_of(p, at));
    if (*out_changed) {
        catalogue_put(p->keeper.catalogue, now);
    }
    table_unref(now);
    return true;
}

static void mark_refused(struct batch *b, const struct sink_refusal *r, size_t record)
{
    const struct log_record *of = &b->records[record];
    if (batch_mark_refused(b, record, r->code, r->text)) {
        log_warn("event_refused_by_database", log_text("topic", of->topic),
                 log_int("partition", of->partition), log_int("offset", of->offset),
                 log_text("sqlstate", r->code));
    }
}

static size_t part_end(const struct pipeline *p)
{
    return p->part_ends[p->part_count - 1];
}

static enum pipeline_step after_trial(struct pipeline *p, const struct failed *at,
                                      const struct batch_load *load,
                                      const struct sink_trial *trial,
                                      const struct error *why, uint64_t *wait_ms)
{
    struct batch *b = p->result.task.batch;
    if (trial->is_table_at_fault) {
        return hold(p, at, why, false);
    }
    if (trial->refusal_count == 0) {
        p->is_staged = true;
        bool is_over = ++tries_at(p, at)->trials >= TRIAL_ROUNDS;
        return is_over ? hold(p, at, why, false) : back_off(p, wait_ms);
    }
    for (size_t i = 0; i < trial->refusal_count; i++) {
        const struct sink_refusal *r = &trial->refusals[i];
        size_t row = load->first_row[at->table] + r->row;
        mark_refused(b, r, b->tables[at->table].records[row]);
    }
    return end(p, TASK_MAP_AGAIN);
}

/* Which rows are refused, or is it the table? First it is read again: it may have
 * changed. When even a row of our own is refused nothing is rejected. */
static enum pipeline_step after_refusal(struct pipeline *p, const struct failed *at,
                                        const struct error *err, uint64_t *wait_ms)
{
    bool has_changed = false;
    struct error why = *err;
    if (at->is_rejected) {
        return hold(p, at, err, false);
    }
    if (!read_again(p, at, &has_changed, &why)) {
        return after_trouble(p, &why, wait_ms);
    }
    if (has_changed) {
        return PIPELINE_GOES_ON;
    }
    struct batch *b = p->result.task.batch;
    struct batch_load load;
    struct sink_trial trial = { .refusals = NULL };
    batch_load_make(b, b->loaded_count, part_end(p), &p->keeper.held, &load);
    bool done =
        p->sink->try_rows(p->sink->context, &load.tables[at->table], &trial, &why);
    enum pipeline_step step = done ? after_trial(p, at, &load, &trial, &why, wait_ms)
                                   : after_trouble(p, &why, wait_ms);
    free(trial.refusals);
    batch_load_release(&load);
    return step;
}

/* Half of the part under way, if it has more than one record. */
static bool halve(struct pipeline *p)
{
    size_t from = p->result.task.batch->loaded_count, count = part_end(p) - from;
    if (count < 2 || p->part_count == PARTS_MAX) {
        return false;
    }
    p->part_ends[p->part_count++] = from + count / 2;
    return true;
}

static enum pipeline_step after_wait(struct pipeline *p, const struct failed *at,
                                     const struct error *err, uint64_t *wait_ms)
{
    bool is_locked = strcmp(err->code, "55P03") == 0;
    if (is_locked && at->is_known && ++tries_at(p, at)->locked >= LOCKED_ROUNDS) {
        return hold(p, at, err, false);
    }
    return after_trouble(p, err, wait_ms);
}

static enum pipeline_step after_failure(struct pipeline *p, const struct failed *at,
                                        const struct error *err, bool needs_columns,
                                        uint64_t *wait_ms)
{
    enum sink_failure kind = sink_failure_of(err);
    loader_metrics_retry(p->setup.metrics, sink_failure_name(kind));
    switch (kind) {
    case SINK_TOO_SLOW:
        if (halve(p)) {
            return PIPELINE_GOES_ON;
        }
        return after_wait(p, at, err, wait_ms);
    case SINK_RETRY:
        return after_wait(p, at, err, wait_ms);
    case SINK_STALE:
    case SINK_DDL_RACE:
        return at->is_known ? after_stale(p, at, err, wait_ms)
                            : after_trouble(p, err, wait_ms);
    case SINK_POISON:
        if (needs_columns) {
            break; /* it was DDL that was refused, not a row */
        }
        return at->is_known ? after_refusal(p, at, err, wait_ms)
                            : after_trouble(p, err, wait_ms);
    case SINK_TABLE:
    case SINK_UNKNOWN:
        break;
    case SINK_RECONNECT:
    case SINK_RESOURCE:
    case SINK_FENCED:
    case SINK_CONFIG:
        return after_trouble(p, err, wait_ms);
    }
    return at->is_known ? hold(p, at, err, needs_columns)
                        : after_trouble(p, err, wait_ms);
}

/* ---- loading ---- */

static struct failed failed_at(const struct sink_load *load, size_t failed_table)
{
    struct failed at = { .is_known = failed_table != SINK_NO_TABLE };
    if (at.is_known && failed_table < load->table_count) {
        at.table = failed_table;
        at.schema = table_schema(load->tables[failed_table].table);
        at.name = table_name(load->tables[failed_table].table);
    } else if (at.is_known) {
        const struct sink_rejected *r = &load->rejected[failed_table - load->table_count];
        at.is_rejected = true;
        at.schema = batch_load_rejected_schema(r);
        at.name = view_cstr(SINK_REJECTED_TABLE);
    }
    return at;
}

static enum pipeline_step part_loaded(struct pipeline *p, const struct sink_load *load,
                                      const struct load_counts *counts)
{
    struct batch *b = p->result.task.batch;
    task_result_note_loaded(&p->result, load);
    loader_metrics_loaded(p->setup.metrics, load, counts);
    table_keeper_loaded(&p->keeper, load);
    tries_clear(&p->tries);
    session_succeeded(&p->session);
    b->loaded_count = part_end(p);
    p->part_count--;
    return b->loaded_count < b->record_count ? PIPELINE_GOES_ON : end(p, TASK_DONE);
}

static enum pipeline_step load_part(struct pipeline *p, uint64_t *wait_ms)
{
    struct batch *b = p->result.task.batch;
    struct batch_load load;
    struct error err;
    size_t failed_table = SINK_NO_TABLE;
    batch_load_make(b, b->loaded_count, part_end(p), &p->keeper.held, &load);
    load.load.is_staged = p->is_staged;
    struct load_counts *counts = mem_calloc(b->table_count, sizeof *counts);
    int64_t began_ms = p->sink->mono_ms(p->sink->context);
    enum pipeline_step step;
    if (p->sink->load(p->sink->context, p->result.task.cluster_id, &load.load, counts,
                      &failed_table, &err)) {
        loader_metrics_transaction(p->setup.metrics,
                                   p->sink->mono_ms(p->sink->context) - began_ms);
        step = part_loaded(p, &load.load, counts);
    } else {
        struct failed at = failed_at(&load.load, failed_table);
        step = after_failure(p, &at, &err, false, wait_ms);
    }
    free(counts);
    batch_load_release(&load);
    return step;
}

/* A slice is one table's: when that is held, nothing of it can be loaded. A replay loads
 * all or says what it cannot. */
static bool is_in_vain(const struct pipeline *p)
{
    const struct batch *b = p->result.task.batch;
    const struct held_tables *held = &p->keeper.held;
    return (p->setup.stops_at_held && held->count > 0) ||
           (b->is_slice &&
            held_tables_has(held, view_cstr(b->slice.schema), view_cstr(b->slice.table)));
}

static enum pipeline_step end_in_vain(struct pipeline *p)
{
    if (p->setup.stops_at_held) {
        table_keeper_tell_held(&p->keeper, &p->result.error);
    }
    return end(p, p->setup.stops_at_held ? TASK_IMPOSSIBLE : TASK_HELD);
}

static struct failed not_ensured(const struct batch *b, size_t table)
{
    const struct table *base = table_plan_base(b->tables[table].plan);
    return (struct failed){ true, false, table, table_schema(base), table_name(base) };
}

static enum pipeline_step step_load(struct pipeline *p, uint64_t *wait_ms)
{
    struct batch *b = p->result.task.batch;
    struct ensure_report report;
    if (is_in_vain(p)) {
        return end_in_vain(p);
    }
    switch (table_keeper_ensure(&p->keeper, b, &report)) {
    case ENSURE_DONE:
        break;
    case ENSURE_MAP_AGAIN:
        return end(p, TASK_MAP_AGAIN);
    case ENSURE_WAIT:
        *wait_ms = report.wait_ms;
        return PIPELINE_WAITS;
    case ENSURE_FAILED: {
        struct failed at = not_ensured(b, report.failed_table);
        return after_failure(p, &at, &report.err, report.is_extending, wait_ms);
    }
    }
    return is_in_vain(p) ? end_in_vain(p) : load_part(p, wait_ms);
}

/* ---- other tasks ---- */

static bool do_task(struct pipeline *p, struct error *err)
{
    struct task *t = &p->result.task;
    const struct sink *s = p->sink;
    switch (t->kind) {
    case TASK_READ_POSITIONS:
        free(p->result.ranges);
        p->result.ranges = NULL;
        return s->read_positions(s->context, t->cluster_id, t->positions,
                                 t->position_count, err) &&
               s->read_held(s->context, t->cluster_id, &p->result.ranges,
                            &p->result.range_count, err);
    case TASK_MOVE_POSITIONS:
        return s->move_positions(s->context, t->cluster_id, t->moves, t->move_count, err);
    case TASK_LOOK:
        return (t->position_count == 0 ||
                s->read_positions(s->context, t->cluster_id, t->positions,
                                  t->position_count, err)) &&
               table_keeper_look(&p->keeper, t->cluster_id, err);
    case TASK_LOAD:
        break;
    }
    return true;
}

enum pipeline_step pipeline_step(struct pipeline *p, uint64_t *wait_ms)
{
    struct error err;
    if (p->has_ended) {
        return PIPELINE_ENDED;
    }
    if (!p->session.is_connected) {
        return connect_once(p, wait_ms);
    }
    if (p->result.task.kind == TASK_LOAD) {
        return step_load(p, wait_ms);
    }
    if (do_task(p, &err)) {
        session_succeeded(&p->session);
        return end(p, TASK_DONE);
    }
    loader_metrics_retry(p->setup.metrics, sink_failure_name(sink_failure_of(&err)));
    return after_trouble(p, &err, wait_ms);
}
