#include "loader/load/ensure_tables.h"

#include "common/base/clock.h"

/* A reader that holds a table must not hold the loading for longer: our own loaders'
 * transactions are short (architecture.md, section 4). */
#define DDL_ATTEMPTS 4
#define DDL_RETRY_MS 1000
#define DDL_CLOSED_MS 60000

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

static bool know_table(struct pipeline *p, const struct table *base, struct error *err)
{
    if (catalogue_has(p->context.catalogue, table_schema(base), table_name(base))) {
        return true;
    }
    struct table *read = NULL;
    if (!p->sink->read_table(p->sink->context, table_schema(base), table_name(base),
                             &read, err)) {
        return false;
    }
    catalogue_put(p->context.catalogue, read);
    table_unref(read);
    return true;
}

/* From now on, and for a minute, what the plan wanted to add goes to _sdc_extra. */
static void close_table(struct pipeline *p, const struct table *current,
                        const struct error *err)
{
    log_warn("table_closed_to_ddl", log_view("schema", table_schema(current)),
             log_view("table", table_name(current)), log_text("code", err->code),
             log_text("error", err->text), log_int("for_ms", DDL_CLOSED_MS));
    struct table *closed = table_closed(current);
    catalogue_put(p->context.catalogue, closed);
    table_unref(closed);
    p->reopen_at_mono_ms = clock_mono_ms() + DDL_CLOSED_MS;
}

static void note_extended(struct pipeline *p, const struct table *before,
                          const struct table *after)
{
    bool existed = table_exists(before);
    size_t count = table_column_count(after);
    if (existed && count == table_column_count(before)) {
        return; /* somebody else had changed it: nothing was added */
    }
    loader_metrics_ddl(p->metrics, existed ? "alter" : "create");
    log_info(existed ? "columns_added" : "table_created",
             log_view("schema", table_schema(after)),
             log_view("table", table_name(after)), log_uint("columns", count));
}

static enum settle_result extend(struct pipeline *p, const struct table_plan *plan,
                                 const struct table *current, struct error *err)
{
    struct table *extended = NULL;
    for (unsigned attempt = 1;; attempt++) {
        if (p->sink->extend(p->sink->context, plan, &extended, err)) {
            note_extended(p, current, extended);
            catalogue_put(p->context.catalogue, extended);
            table_unref(extended);
            return SETTLE_DONE;
        }
        enum sink_failure kind = sink_failure_of(err);
        if (kind == SINK_DDL_RACE) {
            catalogue_clear(p->context.catalogue);
            return SETTLE_AGAIN;
        }
        /* 54011 and the like: the table cannot grow, whatever the events are. */
        if (kind == SINK_POISON && table_exists(current)) {
            close_table(p, current, err);
            return SETTLE_AGAIN;
        }
        if (kind != SINK_RETRY) {
            return SETTLE_FAILED;
        }
        if (attempt == DDL_ATTEMPTS && table_exists(current)) {
            close_table(p, current, err);
            return SETTLE_AGAIN;
        }
        if (!p->pause(p->pause_context, DDL_RETRY_MS)) {
            return SETTLE_FAILED;
        }
    }
}

static const struct table *current_of(struct pipeline *p, const struct table *base)
{
    return catalogue_get(p->context.catalogue, table_schema(base), table_name(base));
}

/* Adds what the plan adds, when the table is still the one it was made for. */
static enum settle_result extend_one(struct pipeline *p, const struct table_plan *plan,
                                     struct error *err)
{
    const struct table *current = current_of(p, table_plan_base(plan));
    bool is_wanted = current == table_plan_base(plan) && table_plan_added(plan) > 0;
    enum settle_result result = is_wanted ? extend(p, plan, current, err) : SETTLE_DONE;
    table_unref(current);
    return result;
}

/* True when the table is what the batch was mapped for, or has all that it needs. */
static bool settle_one(struct pipeline *p, const struct batch *batch,
                       struct table_plan *plan)
{
    const struct table *current = current_of(p, table_plan_base(plan));
    bool is_other = current != table_plan_base(plan);
    bool agrees = !is_other || plan_agrees(batch, plan, current);
    if (is_other && agrees) {
        table_plan_settle(plan, current);
    }
    table_unref(current);
    return agrees;
}

/* All tables are read and extended before the first is judged, so that one new mapping
 * serves them all. */
enum settle_result settle_tables(struct pipeline *p, struct batch *batch,
                                 struct error *err)
{
    for (size_t i = 0; i < batch->table_count; i++) {
        if (!know_table(p, table_plan_base(batch->tables[i].plan), err)) {
            return SETTLE_FAILED;
        }
    }
    for (size_t i = 0; i < batch->table_count; i++) {
        enum settle_result result = extend_one(p, batch->tables[i].plan, err);
        if (result != SETTLE_DONE) {
            return result;
        }
    }
    for (size_t i = 0; i < batch->table_count; i++) {
        if (!settle_one(p, batch, batch->tables[i].plan)) {
            batch_map(batch, &p->context, batch->is_narrow);
            return SETTLE_AGAIN;
        }
    }
    return SETTLE_DONE;
}

void settle_reopen(struct pipeline *p, int64_t now_mono_ms)
{
    if (p->reopen_at_mono_ms != 0 && now_mono_ms >= p->reopen_at_mono_ms) {
        catalogue_clear(p->context.catalogue);
        p->reopen_at_mono_ms = 0;
    }
}
