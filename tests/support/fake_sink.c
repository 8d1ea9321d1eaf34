#include "tests/support/fake_sink.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(struct error *err, const char *code, const char *what)
{
    return error_set(err, ERROR_RETRY, ERROR_FROM_POSTGRES, code, "%s", what);
}

/* The next failure of a script; false lets the call through. */
static bool next_failure(const char *const *script, size_t count, size_t *next,
                         struct error *err)
{
    if (*next >= count) {
        return false;
    }
    const char *code = script[(*next)++];
    if (code[0] == '\0') {
        return false;
    }
    fail(err, code, "as the test told");
    return true;
}

static bool fake_connect(void *context, struct error *err)
{
    struct fake_sink *f = context;
    f->connects++;
    f->is_connected = !next_failure(f->connect_failures, f->connect_failure_count,
                                    &f->connect_failure_next, err);
    return f->is_connected;
}

static void fake_disconnect(void *context)
{
    struct fake_sink *f = context;
    f->is_connected = false;
}

static const struct table **find_table(struct fake_sink *f, struct view schema,
                                       struct view name)
{
    for (size_t i = 0; i < f->table_count; i++) {
        if (view_equal(table_name(f->tables[i]), name) &&
            view_equal(table_schema(f->tables[i]), schema)) {
            return &f->tables[i];
        }
    }
    return NULL;
}

void fake_sink_put_table(struct fake_sink *f, const struct table *t)
{
    const struct table **slot = find_table(f, table_schema(t), table_name(t));
    if (slot == NULL) {
        REQUIRE(f->table_count < sizeof f->tables / sizeof f->tables[0]);
        slot = &f->tables[f->table_count++];
    } else {
        table_unref(*slot);
    }
    *slot = t;
}

/* The fingerprint of a fake table is the number of its columns: enough to tell versions
 * apart. */
static struct table *make_table(struct view schema, struct view name,
                                const struct column *columns, size_t count, bool exists)
{
    char fingerprint[24];
    int len = snprintf(fingerprint, sizeof fingerprint, "%zu", count);
    struct table_setup setup = { .schema = schema,
                                 .name = name,
                                 .columns = columns,
                                 .column_count = count,
                                 .fingerprint = view_of(fingerprint, (size_t)len),
                                 .exists = exists,
                                 .growth_left = SIZE_MAX };
    return table_new(&setup);
}

static bool fake_read_table(void *context, struct view schema, struct view name,
                            struct table **out, struct error *err)
{
    struct fake_sink *f = context;
    (void)err;
    f->reads++;
    const struct table **slot = find_table(f, schema, name);
    if (slot == NULL) {
        *out = make_table(schema, name, NULL, 0, false);
        return true;
    }
    size_t count = table_column_count(*slot);
    struct column *columns = mem_calloc(count, sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        columns[i] = *table_column(*slot, i);
    }
    *out = make_table(schema, name, columns, count, true);
    free(columns);
    return true;
}

static bool fake_extend(void *context, const struct table_plan *plan, struct table **out,
                        struct error *err)
{
    struct fake_sink *f = context;
    f->extends++;
    if (next_failure(f->extend_failures, f->extend_failure_count, &f->extend_failure_next,
                     err)) {
        return false;
    }
    const struct table *base = table_plan_base(plan);
    const struct table **slot = find_table(f, table_schema(base), table_name(base));
    size_t had = slot == NULL ? 0 : table_column_count(*slot);
    struct column *columns = mem_calloc(had + table_plan_added(plan), sizeof *columns);
    size_t count = 0;
    for (size_t i = 0; i < had; i++) {
        columns[count++] = *table_column(*slot, i);
    }
    for (size_t i = 0; i < table_plan_added(plan); i++) {
        const struct column *added = &table_plan_added_at(plan, i)->column;
        if (slot == NULL || table_find(*slot, added->name) == NULL) {
            columns[count++] = *added;
        }
    }
    fake_sink_put_table(
        f, make_table(table_schema(base), table_name(base), columns, count, true));
    free(columns);
    return fake_read_table(f, table_schema(base), table_name(base), out, err);
}

static struct sink_position *find_position(struct fake_sink *f, const char *topic,
                                           int32_t partition)
{
    for (size_t i = 0; i < f->position_count; i++) {
        struct sink_position *p = &f->positions[i];
        if (p->partition == partition && strcmp(p->topic, topic) == 0) {
            return p;
        }
    }
    return NULL;
}

int64_t fake_sink_position(const struct fake_sink *f, const char *topic,
                           int32_t partition)
{
    for (size_t i = 0; i < f->position_count; i++) {
        const struct sink_position *p = &f->positions[i];
        if (p->partition == partition && strcmp(p->topic, topic) == 0) {
            return p->next_offset;
        }
    }
    return -1;
}

static bool fake_read_positions(void *context, const char *cluster_id,
                                struct sink_position *positions, size_t count,
                                struct error *err)
{
    struct fake_sink *f = context;
    (void)cluster_id;
    (void)err;
    f->position_reads++;
    for (size_t i = 0; i < count; i++) {
        positions[i].next_offset =
            fake_sink_position(f, positions[i].topic, positions[i].partition);
    }
    return true;
}

void fake_sink_place(struct fake_sink *f, const char *topic, int32_t partition,
                     int64_t next_offset)
{
    struct sink_position *p = find_position(f, topic, partition);
    if (p == NULL) {
        REQUIRE(f->position_count < sizeof f->positions / sizeof f->positions[0]);
        p = &f->positions[f->position_count++];
        p->topic = topic;
        p->partition = partition;
    }
    p->next_offset = next_offset;
}

static bool fake_move_positions(void *context, const char *cluster_id,
                                const struct sink_move *moves, size_t count,
                                struct error *err)
{
    struct fake_sink *f = context;
    (void)cluster_id;
    if (next_failure(f->move_failures, f->move_failure_count, &f->move_failure_next,
                     err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (fake_sink_position(f, moves[i].topic, moves[i].partition) !=
            moves[i].expected) {
            return fail(err, "BS001", "the position is another's");
        }
    }
    for (size_t i = 0; i < count; i++) {
        fake_sink_place(f, moves[i].topic, moves[i].partition, moves[i].next);
        f->gaps += moves[i].missing > 0 ? 1 : 0;
    }
    return true;
}

/* ---- what waits ---- */

static struct sink_range *find_held(struct fake_sink *f, const struct sink_range *like)
{
    for (size_t i = 0; i < f->held_count; i++) {
        struct sink_range *r = &f->held[i];
        if (r->partition == like->partition && strcmp(r->topic, like->topic) == 0 &&
            strcmp(r->schema, like->schema) == 0 && strcmp(r->table, like->table) == 0) {
            return r;
        }
    }
    return NULL;
}

static void hold(struct fake_sink *f, const struct sink_range *range)
{
    struct sink_range *r = find_held(f, range);
    if (r == NULL) {
        REQUIRE(f->held_count < sizeof f->held / sizeof f->held[0]);
        f->held[f->held_count++] = *range;
        return;
    }
    r->from = range->from < r->from ? range->from : r->from;
    r->to = range->to > r->to ? range->to : r->to;
}

static bool fake_read_held(void *context, const char *cluster_id, struct sink_range **out,
                           size_t *out_count, struct error *err)
{
    struct fake_sink *f = context;
    (void)cluster_id;
    (void)err;
    *out = mem_calloc(f->held_count, sizeof **out);
    memcpy(*out, f->held, f->held_count * sizeof **out);
    *out_count = f->held_count;
    return true;
}

static bool fake_note_tried(void *context, const char *cluster_id, struct view schema,
                            struct view name, const struct error *why, struct error *err)
{
    (void)context;
    (void)cluster_id;
    (void)schema;
    (void)name;
    (void)why;
    (void)err;
    return true;
}

static int64_t fake_mono_ms(void *context)
{
    struct fake_sink *f = context;
    return f->now_ms;
}

static void fake_interrupt(void *context, bool is_on)
{
    (void)context;
    (void)is_on;
}

static bool is_poison(const struct fake_sink *f, int64_t offset)
{
    for (size_t i = 0; i < f->poison_count; i++) {
        if (f->poison_offsets[i] == offset) {
            return true;
        }
    }
    return false;
}

/* Events of these tests are named after where they lie: "m-<partition>-<offset>". */
static int64_t offset_of(const struct row *row)
{
    int partition = 0;
    long long offset = -1;
    char id[64];
    snprintf(id, sizeof id, "%.*s", VIEW_ARG(row->message_id));
    REQUIRE(sscanf(id, "m-%d-%lld", &partition, &offset) == 2);
    return offset;
}

static bool check_poison(const struct fake_sink *f, const struct sink_load *b,
                         size_t *failed_table, struct error *err)
{
    for (size_t i = 0; i < b->table_count; i++) {
        for (size_t j = 0; j < b->tables[i].row_count; j++) {
            if (is_poison(f, offset_of(&b->tables[i].rows[j]))) {
                *failed_table = i;
                return fail(err, f->poison_code, "a value is refused");
            }
        }
    }
    return true;
}

static bool check_tables(struct fake_sink *f, const struct sink_load *b,
                         size_t *failed_table, struct error *err)
{
    for (size_t i = 0; i < b->table_count; i++) {
        const struct table *mapped = b->tables[i].table;
        if (b->tables[i].row_count == 0) {
            continue;
        }
        *failed_table = i;
        const struct table **slot =
            find_table(f, table_schema(mapped), table_name(mapped));
        if (slot == NULL) {
            return fail(err, "42P01", "the table is gone");
        }
        if (!view_equal(table_fingerprint(*slot), table_fingerprint(mapped))) {
            return fail(err, "BS002", "the table has changed");
        }
    }
    *failed_table = SINK_NO_TABLE;
    return true;
}

static bool check_broken(const struct fake_sink *f, const struct sink_load *b,
                         size_t *failed_table, struct error *err)
{
    for (size_t i = 0; f->broken_table != NULL && i < b->table_count; i++) {
        if (b->tables[i].row_count > 0 &&
            view_equal_cstr(table_name(b->tables[i].table), f->broken_table)) {
            *failed_table = i;
            return fail(err, f->broken_code, "the table is broken");
        }
    }
    return true;
}

static bool check_positions(struct fake_sink *f, const struct sink_load *b,
                            struct error *err)
{
    if (b->slice != NULL) {
        const struct sink_range *r = find_held(f, b->slice);
        if (r == NULL || r->from != b->slice->from) {
            return fail(err, "BS001", "the range does not begin there");
        }
    }
    for (size_t i = 0; i < b->interval_count; i++) {
        const struct sink_interval *v = &b->intervals[i];
        if (fake_sink_position(f, v->topic, v->partition) != v->from) {
            return fail(err, "BS001", "the position is another's");
        }
    }
    return true;
}

static void note_loaded(struct fake_sink *f, int64_t offset)
{
    REQUIRE(f->loaded_count < FAKE_SINK_MAX);
    f->loaded_offsets[f->loaded_count++] = offset;
}

static int compare_offsets(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return (*x > *y) - (*x < *y);
}

static void commit(struct fake_sink *f, const struct sink_load *b)
{
    for (size_t i = 0; i < b->interval_count; i++) {
        const struct sink_interval *v = &b->intervals[i];
        find_position(f, v->topic, v->partition)->next_offset = v->to;
    }
    for (size_t i = 0; i < b->hold_count; i++) {
        hold(f, &b->holds[i].range);
    }
    if (b->slice != NULL) {
        struct sink_range *r = find_held(f, b->slice);
        f->lost += b->lost;
        r->from = b->slice->to;
        if (r->from >= r->to) {
            *r = f->held[--f->held_count];
        }
    }
    size_t before = f->loaded_count;
    for (size_t i = 0; i < b->table_count; i++) {
        for (size_t j = 0; j < b->tables[i].row_count; j++) {
            note_loaded(f, offset_of(&b->tables[i].rows[j]));
        }
    }
    for (size_t i = 0; i < b->rejected_count; i++) {
        note_loaded(f, b->rejected[i].offset);
        f->rejected_offsets[f->rejected_count++] = b->rejected[i].offset;
        buf_add_view(&f->reasons, b->rejected[i].rejected.reason);
        buf_add_char(&f->reasons, '\n');
    }
    if (f->loaded_count > before) {
        qsort(f->loaded_offsets + before, f->loaded_count - before,
              sizeof *f->loaded_offsets, compare_offsets);
    }
}

static bool fake_load(void *context, const char *cluster_id, const struct sink_load *load,
                      struct load_counts *counts, size_t *failed_table, struct error *err)
{
    struct fake_sink *f = context;
    (void)cluster_id;
    REQUIRE(f->is_connected);
    f->loads++;
    *failed_table = SINK_NO_TABLE;
    if (next_failure(f->load_failures, f->load_failure_count, &f->load_failure_next,
                     err) ||
        !check_positions(f, load, err) || !check_tables(f, load, failed_table, err) ||
        !check_broken(f, load, failed_table, err) ||
        !check_poison(f, load, failed_table, err)) {
        return false;
    }
    commit(f, load);
    for (size_t i = 0; i < load->table_count; i++) {
        counts[i].rows_new = load->tables[i].row_count;
    }
    return true;
}

static bool fake_try_rows(void *context, const struct sink_rows *rows,
                          struct sink_trial *out, struct error *err)
{
    struct fake_sink *f = context;
    f->trials++;
    *out = (struct sink_trial){ .is_table_at_fault = f->refuses_probe };
    if (f->refuses_probe) {
        fail(err, f->poison_code, "our own row is refused");
        return true;
    }
    out->refusals = mem_calloc(rows->row_count, sizeof *out->refusals);
    for (size_t i = 0; i < rows->row_count; i++) {
        if (is_poison(f, offset_of(&rows->rows[i]))) {
            struct sink_refusal *r = &out->refusals[out->refusal_count++];
            r->row = i;
            snprintf(r->code, sizeof r->code, "%.5s", f->poison_code);
            snprintf(r->text, sizeof r->text, "a value is refused");
        }
    }
    return true;
}

static bool fake_probe(void *context, const struct table *table, struct error *err)
{
    struct fake_sink *f = context;
    f->probes++;
    if (f->broken_table != NULL && view_equal_cstr(table_name(table), f->broken_table)) {
        return fail(err, f->broken_code, "the table is broken");
    }
    return !f->refuses_probe || fail(err, f->poison_code, "our own row is refused");
}

void fake_sink_init(struct fake_sink *f)
{
    memset(f, 0, sizeof *f);
    f->poison_code = "22P02";
    f->sink = (struct sink){ .context = f,
                             .connect = fake_connect,
                             .disconnect = fake_disconnect,
                             .read_table = fake_read_table,
                             .extend = fake_extend,
                             .read_positions = fake_read_positions,
                             .mono_ms = fake_mono_ms,
                             .interrupt = fake_interrupt,
                             .move_positions = fake_move_positions,
                             .read_held = fake_read_held,
                             .note_tried = fake_note_tried,
                             .try_rows = fake_try_rows,
                             .load = fake_load,
                             .probe = fake_probe };
}

void fake_sink_release(struct fake_sink *f)
{
    for (size_t i = 0; i < f->table_count; i++) {
        table_unref(f->tables[i]);
    }
    buf_release(&f->reasons);
}
