#include "loader/load/table_keeper.h"

#include "loader/mapping/table_fault.h"
#include "loader/postgres/table_advice.h"

#include "common/base/mem.h"
#include "common/service/log.h"

#include <stdio.h>
#include <string.h>

/* A reader that holds a table must not hold the loading for longer: our own loaders'
 * transactions are short (architecture.md, section 4). */
#define DDL_ATTEMPTS 4
#define DDL_RETRY_MS 1000
#define DDL_CLOSED_MS 60000
#define HELD_RETRY_MS 60000

void table_keeper_init(struct table_keeper *k, const struct sink *sink,
                       struct loader_metrics *metrics)
{
    *k = (struct table_keeper){ .sink = sink,
                                .metrics = metrics,
                                .catalogue = catalogue_new() };
}

void table_keeper_release(struct table_keeper *k)
{
    catalogue_free(k->catalogue);
    held_tables_release(&k->held);
}

static int64_t now_of(const struct table_keeper *k)
{
    return k->sink->mono_ms(k->sink->context);
}

void table_keeper_forget(struct table_keeper *k, const struct table *t)
{
    catalogue_remove(k->catalogue, table_schema(t), table_name(t));
}

void table_keeper_forget_all(struct table_keeper *k)
{
    catalogue_clear(k->catalogue);
}

void table_keeper_begin(struct table_keeper *k, int64_t now_mono_ms)
{
    k->ddl_attempts = 0;
    if (k->reopen_at_mono_ms != 0 && now_mono_ms >= k->reopen_at_mono_ms) {
        catalogue_clear(k->catalogue);
        k->reopen_at_mono_ms = 0;
    }
}

/* ---- held tables ---- */

static bool is_rejected_table(struct view name)
{
    return view_equal_cstr(name, SINK_REJECTED_TABLE);
}

void table_keeper_hold(struct table_keeper *k, struct view schema, struct view name,
                       const struct error *why, bool needs_columns)
{
    bool is_new = false;
    struct held_table *h = held_tables_put(&k->held, schema, name, why, &is_new);
    const struct table *t = catalogue_get(k->catalogue, schema, name);
    snprintf(h->fingerprint, sizeof h->fingerprint, "%.*s",
             VIEW_ARG(table_fingerprint(t)));
    h->faults = table_faults(t);
    h->needs_columns = needs_columns;
    h->retry_at_mono_ms = now_of(k) + HELD_RETRY_MS;
    table_unref(t);
    if (is_new) {
        log_error("table_held", log_view("schema", schema), log_view("table", name),
                  log_text("code", why->code), log_text("reason", why->text),
                  log_text("what_to_do",
                           "mend the table; its events wait in Kafka and are loaded by "
                           "themselves, it is tried again each minute and when it "
                           "changes"));
        loader_metrics_held(k->metrics, schema, name, true);
    }
}

/* What the catalogue shows to be in the way, as an error; false: nothing. */
static bool obstacle_of(const struct table *t, bool needs_columns, struct error *why)
{
    unsigned wanted = TABLE_OBSTACLES;
    wanted |= needs_columns ? (unsigned)TABLE_REFUSES_ALTER : 0U;
    enum table_fault fault = table_advice_first(t, wanted);
    if (!table_exists(t) || fault == 0) {
        return false;
    }
    struct buf advice = { 0 };
    table_advice_add(&advice, t, fault, NULL);
    error_set(why, ERROR_INVALID, ERROR_FROM_SELF, table_advice_word(fault), "%s",
              buf_cstr(&advice));
    buf_release(&advice);
    return true;
}

static bool is_of_table(const struct error *err)
{
    switch (sink_failure_of(err)) {
    case SINK_POISON:
    case SINK_STALE:
    case SINK_DDL_RACE:
    case SINK_TABLE:
    case SINK_UNKNOWN:
        return true;
    case SINK_RECONNECT:
    case SINK_RETRY:
    case SINK_TOO_SLOW:
    case SINK_RESOURCE:
    case SINK_FENCED:
    case SINK_CONFIG:
        return false;
    }
    return false;
}

static void let_in(struct held_table *h)
{
    h->is_on_trial = true;
    log_info("table_tried_again", log_text("schema", h->schema),
             log_text("table", h->table));
}

/* A table that looks fit shows with a row of our own whether it is. */
static bool try_table(struct table_keeper *k, struct held_table *h, const struct table *t,
                      struct error *err)
{
    struct error why;
    h->retry_at_mono_ms = now_of(k) + HELD_RETRY_MS;
    if (obstacle_of(t, h->needs_columns, &why)) {
        h->why = why;
        return true;
    }
    if (!table_exists(t) || k->sink->probe(k->sink->context, t, &why)) {
        let_in(h);
        return true;
    }
    if (!is_of_table(&why)) {
        *err = why;
        return false;
    }
    h->why = why;
    return true;
}

static bool look_at(struct table_keeper *k, const char *cluster_id, struct held_table *h,
                    struct error *err)
{
    struct view schema = view_cstr(h->schema);
    struct view name = view_cstr(h->table);
    bool is_due = now_of(k) >= h->retry_at_mono_ms;
    struct table *t = NULL;
    if (is_rejected_table(
            name)) { /* its key and columns are its own: only loading tells */
        if (is_due) {
            let_in(h);
        }
        return true;
    }
    if (!k->sink->read_table(k->sink->context, schema, name, &t, err)) {
        return false;
    }
    catalogue_put(k->catalogue, t);
    bool has_changed = !view_equal_cstr(table_fingerprint(t), h->fingerprint) ||
                       table_faults(t) != h->faults;
    snprintf(h->fingerprint, sizeof h->fingerprint, "%.*s",
             VIEW_ARG(table_fingerprint(t)));
    h->faults = table_faults(t);
    bool is_tried = has_changed || is_due;
    bool done = !is_tried || try_table(k, h, t, err);
    table_unref(t);
    return done && (!is_tried || h->is_on_trial ||
                    k->sink->note_tried(k->sink->context, cluster_id, schema, name,
                                        &h->why, err));
}

bool table_keeper_look(struct table_keeper *k, const char *cluster_id, struct error *err)
{
    for (size_t i = 0; i < k->held.count; i++) {
        struct held_table *h = &k->held.list[i];
        if (!h->is_on_trial && !look_at(k, cluster_id, h, err)) {
            return false;
        }
    }
    return true;
}

static void passed(struct table_keeper *k, struct view schema, struct view name)
{
    if (held_tables_remove(&k->held, schema, name)) {
        log_info("table_loads_again", log_view("schema", schema),
                 log_view("table", name));
        loader_metrics_held(k->metrics, schema, name, false);
    }
}

void table_keeper_loaded(struct table_keeper *k, const struct sink_load *load)
{
    if (k->held.count == 0) {
        return;
    }
    for (size_t i = 0; i < load->table_count; i++) {
        if (load->tables[i].row_count > 0) {
            passed(k, table_schema(load->tables[i].table),
                   table_name(load->tables[i].table));
        }
    }
    for (size_t i = 0; i < load->rejected_count; i++) {
        struct view schema = load->rejected[i].schema;
        passed(k, schema.len == 0 ? view_cstr(SINK_CONTROL_SCHEMA) : schema,
               view_cstr(SINK_REJECTED_TABLE));
    }
}

/* ---- making tables true ---- */

/* True when every column the batch was mapped for is in the table as assumed. When values
 * overflowed, or were kept out by a human, a further column may be where they belong:
 * then only the very same table will do. */
static bool plan_agrees(const struct batch *batch, const struct table_plan *plan,
                        const struct table *current)
{
    if (batch->overflowed > 0 || batch->demoted > 0) {
        return false;
    }
    for (size_t i = 0; i < table_plan_count(plan); i++) {
        const struct column *wanted = table_plan_column(plan, i);
        const struct column *there = table_find(current, wanted->name);
        if (there == NULL || there->type != wanted->type ||
            there->max_chars != wanted->max_chars ||
            there->precision != wanted->precision || there->scale != wanted->scale ||
            there->is_generated != wanted->is_generated ||
            there->is_demoted != wanted->is_demoted) {
            return false;
        }
    }
    return true;
}

/* A batch that was mapped before the table was read took it for one that does not exist:
 * if it does not, that is the same table. */
static bool is_same(const struct table *a, const struct table *b)
{
    return a == b || (!table_exists(a) && !table_exists(b));
}

/* From now on, and for a minute, what the plan wanted to add goes to _sdc_extra. */
static void close_table(struct table_keeper *k, const struct table *current,
                        const struct error *err)
{
    log_warn("table_closed_to_ddl", log_view("schema", table_schema(current)),
             log_view("table", table_name(current)), log_text("code", err->code),
             log_text("error", err->text), log_int("for_ms", DDL_CLOSED_MS));
    struct table *closed = table_closed(current);
    catalogue_put(k->catalogue, closed);
    table_unref(closed);
    k->reopen_at_mono_ms = now_of(k) + DDL_CLOSED_MS;
}

static void note_extended(struct table_keeper *k, const struct table *before,
                          const struct table *after)
{
    bool existed = table_exists(before);
    size_t count = table_column_count(after);
    loader_metrics_columns(k->metrics, after);
    if (existed && count == table_column_count(before)) {
        return; /* somebody else had changed it: nothing was added */
    }
    loader_metrics_ddl(k->metrics, existed ? "alter" : "create");
    log_info(existed ? "columns_added" : "table_created",
             log_view("schema", table_schema(after)),
             log_view("table", table_name(after)), log_uint("columns", count));
}

/* What a failed ALTER leads to, as far as it is about adding columns: a table that cannot
 * grow, or is held by a reader for long, is loaded without them. */
static enum ensure_outcome not_extended(struct table_keeper *k,
                                        const struct table *current,
                                        struct ensure_report *out)
{
    switch (sink_failure_of(&out->err)) {
    case SINK_DDL_RACE: /* another loader was quicker */
        table_keeper_forget(k, current);
        return ENSURE_MAP_AGAIN;
    case SINK_POISON: /* 54011 and the like, whatever the events are */
        if (table_exists(current)) {
            close_table(k, current, &out->err);
            return ENSURE_MAP_AGAIN;
        }
        break;
    case SINK_RETRY:
    case SINK_TOO_SLOW:
        if (++k->ddl_attempts >= DDL_ATTEMPTS && table_exists(current)) {
            close_table(k, current, &out->err);
            return ENSURE_MAP_AGAIN;
        }
        out->wait_ms = DDL_RETRY_MS;
        return ENSURE_WAIT;
    case SINK_RECONNECT:
    case SINK_RESOURCE:
    case SINK_STALE:
    case SINK_FENCED:
    case SINK_CONFIG:
    case SINK_TABLE:
    case SINK_UNKNOWN:
        break;
    }
    out->is_extending = true;
    return ENSURE_FAILED;
}

static enum ensure_outcome extend(struct table_keeper *k, const struct table_plan *plan,
                                  const struct table *current, struct ensure_report *out)
{
    struct table *extended = NULL;
    if (!k->sink->extend(k->sink->context, plan, &extended, &out->err)) {
        return not_extended(k, current, out);
    }
    note_extended(k, current, extended);
    catalogue_put(k->catalogue, extended);
    table_unref(extended);
    return ENSURE_DONE;
}

/* Reads the table if need be, and holds it if it cannot be loaded, before anything is
 * changed in it: another's table must not get our columns for nothing. */
static bool know_table(struct table_keeper *k, const struct table_plan *plan,
                       struct error *err)
{
    const struct table *base = table_plan_base(plan);
    struct view schema = table_schema(base);
    struct view name = table_name(base);
    struct error why;
    if (!catalogue_has(k->catalogue, schema, name)) {
        struct table *read = NULL;
        if (!k->sink->read_table(k->sink->context, schema, name, &read, err)) {
            return false;
        }
        catalogue_put(k->catalogue, read);
        loader_metrics_columns(k->metrics, read);
        table_unref(read);
    }
    const struct table *current = catalogue_get(k->catalogue, schema, name);
    bool adds = is_same(base, current) && table_plan_added(plan) > 0;
    if (obstacle_of(current, adds, &why)) {
        table_keeper_hold(k, schema, name, &why, adds);
    }
    table_unref(current);
    return true;
}

static enum ensure_outcome ensure_one(struct table_keeper *k, const struct batch *batch,
                                      struct table_plan *plan, struct ensure_report *out)
{
    const struct table *base = table_plan_base(plan);
    struct view schema = table_schema(base);
    struct view name = table_name(base);
    if (held_tables_has(&k->held, schema, name)) {
        return ENSURE_DONE;
    }
    if (!know_table(k, plan, &out->err)) {
        return ENSURE_FAILED;
    }
    if (held_tables_has(&k->held, schema, name)) {
        return ENSURE_DONE;
    }
    const struct table *current = catalogue_get(k->catalogue, schema, name);
    enum ensure_outcome outcome = ENSURE_DONE;
    if (is_same(base, current) && table_plan_added(plan) > 0) {
        outcome = extend(k, plan, current, out);
        table_unref(current);
        current = catalogue_get(k->catalogue, schema, name);
    }
    if (outcome == ENSURE_DONE && base != current) {
        if (plan_agrees(batch, plan, current)) {
            table_plan_settle(plan, current);
        } else {
            outcome = ENSURE_MAP_AGAIN;
        }
    }
    table_unref(current);
    return outcome;
}

/* All tables are read and extended even when one has to be mapped again, so that one new
 * mapping serves them all. */
enum ensure_outcome table_keeper_ensure(struct table_keeper *k, struct batch *batch,
                                        struct ensure_report *out)
{
    enum ensure_outcome all = ENSURE_DONE;
    *out = (struct ensure_report){ .failed_table = SINK_NO_TABLE };
    for (size_t i = 0; i < batch->table_count; i++) {
        if (batch->tables[i].row_count == 0) {
            continue;
        }
        enum ensure_outcome one = ensure_one(k, batch, batch->tables[i].plan, out);
        if (one == ENSURE_FAILED || one == ENSURE_WAIT) {
            out->failed_table = i;
            return one;
        }
        all = one == ENSURE_MAP_AGAIN ? one : all;
    }
    return all;
}

void table_keeper_add_held(const struct table_keeper *k, struct task_result *r)
{
    r->held = mem_calloc(k->held.count, sizeof *r->held);
    for (size_t i = 0; i < k->held.count; i++) {
        const struct held_table *h = &k->held.list[i];
        if (!h->is_on_trial) {
            struct held_name *name = &r->held[r->held_count++];
            memcpy(name->schema, h->schema, sizeof name->schema);
            memcpy(name->table, h->table, sizeof name->table);
        }
    }
}

void table_keeper_tell_held(const struct table_keeper *k, struct error *err)
{
    const struct held_table *t = &k->held.list[0];
    error_set(err, ERROR_FATAL, ERROR_FROM_SELF, t->why.code,
              "%s.%s cannot be loaded: %s", t->schema, t->table, t->why.text);
}
