/* The database, as one loader's connection sees it: each call is one transaction, which
 * happens whole or not at all, and fails as the seed says. It checks of us what
 * PostgreSQL checks. */
#include "tests/simulation/sim.h"
#include "tests/simulation/sim_mirror.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(struct error *err, const char *code, const char *what)
{
    return error_set(err, ERROR_RETRY, ERROR_FROM_POSTGRES, code, "%s", what);
}

static bool lose(struct sim_session *s, struct error *err)
{
    s->is_connected = false;
    return fail(err, "08006", "the connection is lost");
}

/* Is there a connection, and does it last for this call? */
static bool is_there(struct sim_session *s, struct error *err)
{
    if (s->is_dead || !s->is_connected || s->incarnation != s->world->incarnation ||
        sim_fails(s->world, SIM_LOST_CONNECTION, 100)) {
        return lose(s, err);
    }
    return true;
}

static int64_t mono_ms(void *context)
{
    struct sim_session *s = context;
    return s->world->now_ms;
}

static void interrupt(void *context, bool is_on)
{
    (void)context;
    (void)is_on;
}

static bool connect(void *context, struct error *err)
{
    struct sim_session *s = context;
    if (s->is_dead || s->world->now_ms < s->world->away_until_ms) {
        return lose(s, err);
    }
    s->is_connected = true;
    s->incarnation = s->world->incarnation;
    return true;
}

static void disconnect(void *context)
{
    struct sim_session *s = context;
    s->is_connected = false;
}

/* ---- tables ---- */

static struct table *make_table(struct sim_world *w, struct view name,
                                const struct column *columns, size_t count)
{
    char fingerprint[24];
    int len = snprintf(fingerprint, sizeof fingerprint, "%u", ++w->versions);
    struct table_setup setup = { .schema = VIEW_LITERAL(SIM_SCHEMA),
                                 .name = name,
                                 .columns = columns,
                                 .column_count = count,
                                 .fingerprint = view_of(fingerprint, (size_t)len),
                                 .exists = true,
                                 .growth_left = SIZE_MAX };
    return table_new(&setup);
}

static bool read_table(void *context, struct view schema, struct view name,
                       struct table **out, struct error *err)
{
    struct sim_session *s = context;
    int number = sim_table_of(name);
    struct table_setup none = { .schema = schema, .name = name, .growth_left = SIZE_MAX };
    if (!is_there(s, err)) {
        return false;
    }
    REQUIRE(number >= 0);
    const struct table *t = s->world->database.tables[number];
    *out = t == NULL ? table_new(&none) : (struct table *)(uintptr_t)table_ref(t);
    return true;
}

static void replace_table(struct sim_world *w, int number, struct table *t)
{
    table_unref(w->database.tables[number]);
    w->database.tables[number] = t;
}

/* Columns that are there meanwhile stay as they are. */
static void add_columns(struct sim_world *w, int number, const struct table_plan *plan)
{
    const struct table *had = w->database.tables[number];
    size_t count = had == NULL ? 0 : table_column_count(had);
    struct column *columns = mem_calloc(count + table_plan_added(plan), sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        columns[i] = *table_column(had, i);
    }
    for (size_t i = 0; i < table_plan_added(plan); i++) {
        const struct column *added = &table_plan_added_at(plan, i)->column;
        if (had == NULL || table_find(had, added->name) == NULL) {
            columns[count++] = *added;
        }
    }
    replace_table(w, number,
                  make_table(w, table_name(table_plan_base(plan)), columns, count));
    free(columns);
}

static bool extend(void *context, const struct table_plan *plan, struct table **out,
                   struct error *err)
{
    struct sim_session *s = context;
    const struct table *base = table_plan_base(plan);
    int number = sim_table_of(table_name(base));
    if (!is_there(s, err)) {
        return false;
    }
    if (sim_fails(s->world, SIM_DDL_LOCK, 6)) {
        return fail(err, "55P03", "somebody holds the table");
    }
    if (s->world->mirror != NULL) {
        replace_table(s->world, number, sim_mirror_extend(s->world->mirror, plan));
    } else {
        add_columns(s->world, number, plan);
    }
    if (sim_fails(s->world, SIM_LOST_ANSWER, 30)) {
        return lose(s, err);
    }
    return read_table(context, table_schema(base), table_name(base), out, err);
}

void sim_database_alter(struct sim_world *w, int number)
{
    const struct table *had = w->database.tables[number];
    char name[24];
    if (had == NULL) {
        return;
    }
    int len = snprintf(name, sizeof name, "human_%u", ++w->versions);
    sim_tell(w, "a human adds a column to %.*s", VIEW_ARG(table_name(had)));
    if (w->mirror != NULL) {
        replace_table(w, number,
                      sim_mirror_alter(w->mirror, number, view_of(name, (size_t)len)));
        return;
    }
    size_t count = table_column_count(had);
    struct column *columns = mem_calloc(count + 1, sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        columns[i] = *table_column(had, i);
    }
    columns[count] =
        (struct column){ .name = view_of(name, (size_t)len), .type = COLUMN_TEXT };
    replace_table(w, number, make_table(w, table_name(had), columns, count + 1));
    free(columns);
}

/* ---- positions ---- */

static size_t log_number(struct sim_session *s, const char *topic, int32_t partition)
{
    return (size_t)(sim_log_of(s->world, topic, partition) - s->world->logs);
}

static bool read_positions(void *context, const char *cluster_id,
                           struct sink_position *positions, size_t count,
                           struct error *err)
{
    struct sim_session *s = context;
    (void)cluster_id;
    if (!is_there(s, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        positions[i].next_offset =
            s->world->database
                .position[log_number(s, positions[i].topic, positions[i].partition)];
    }
    return true;
}

void sim_set_position(struct sim_world *w, struct sim_log *log, int64_t next)
{
    w->database.position[log - w->logs] = next;
    log->most_position = next > log->most_position ? next : log->most_position;
}

/* Only a first use, and an operator, move a position forward without loading. Back may
 * also one who heard of the operator too late: what it reads again is there. */
static void move(struct sim_session *s, const struct sink_move *m)
{
    struct sim_world *w = s->world;
    struct sim_log *log = sim_log_of(w, m->topic, m->partition);
    bool is_first = m->expected == -1 && m->next == 0;
    if (!is_first && m->next > m->expected && log->reset_to != m->next) {
        sim_violated(w, "%s:%d was moved from %lld to %lld, which nobody has asked for",
                     m->topic, m->partition, (long long)m->expected, (long long)m->next);
    }
    w->resets += is_first ? 0 : 1;
    for (size_t i = 0; i < log->count; i++) {
        struct sim_record *r = &w->records[log->records[i]];
        uint8_t *fate = &w->database.fate[log->records[i]];
        r->must_not_come = false;
        if (r->offset < m->next && *fate == SIM_AHEAD) {
            *fate = SIM_LEFT_OUT;
        }
    }
    sim_set_position(w, log, m->next);
}

static bool move_positions(void *context, const char *cluster_id,
                           const struct sink_move *moves, size_t count, struct error *err)
{
    struct sim_session *s = context;
    if (!is_there(s, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t number = log_number(s, moves[i].topic, moves[i].partition);
        if (s->world->database.position[number] != moves[i].expected) {
            sim_mirror_move(s->world, cluster_id, moves, count, "BS001");
            return fail(err, "BS001", "the position is another's");
        }
    }
    for (size_t i = 0; i < count; i++) {
        move(s, &moves[i]);
    }
    sim_mirror_move(s->world, cluster_id, moves, count, "");
    return !sim_fails(s->world, SIM_LOST_ANSWER, 10) || lose(s, err);
}

/* ---- what waits ---- */

struct sink_range *sim_find_held(struct sim_database *d, const struct sink_range *like)
{
    for (size_t i = 0; i < d->held_count; i++) {
        struct sink_range *r = &d->held[i];
        if (r->partition == like->partition && strcmp(r->topic, like->topic) == 0 &&
            strcmp(r->table, like->table) == 0) {
            return r;
        }
    }
    return NULL;
}

static bool read_held(void *context, const char *cluster_id, struct sink_range **out,
                      size_t *out_count, struct error *err)
{
    struct sim_session *s = context;
    struct sim_database *d = &s->world->database;
    (void)cluster_id;
    if (!is_there(s, err)) {
        return false;
    }
    *out = mem_calloc(d->held_count, sizeof **out);
    memcpy(*out, d->held, d->held_count * sizeof **out);
    *out_count = d->held_count;
    return true;
}

static bool note_tried(void *context, const char *cluster_id, struct view schema,
                       struct view name, const struct error *why, struct error *err)
{
    (void)cluster_id;
    (void)schema;
    (void)name;
    (void)why;
    return is_there(context, err);
}

/* ---- a load ---- */

static bool is_refused(struct sim_session *s, const struct row *row)
{
    const struct sim_record *r = sim_record_of_sequence(s->world, row->sequence);
    return r != NULL && r->is_refused;
}

static bool check_positions(struct sim_session *s, const struct sink_load *load,
                            struct error *err)
{
    struct sim_database *d = &s->world->database;
    if (load->slice != NULL) {
        const struct sink_range *r = sim_find_held(d, load->slice);
        if (r == NULL || r->from != load->slice->from || r->to < load->slice->to) {
            return fail(err, "BS001", "the range does not begin or end there");
        }
    }
    for (size_t i = 0; i < load->interval_count; i++) {
        const struct sink_interval *v = &load->intervals[i];
        if (d->position[log_number(s, v->topic, v->partition)] != v->from) {
            return fail(err, "BS001", "the position is another's");
        }
    }
    return true;
}

static bool check_rows(struct sim_session *s, const struct sink_rows *rows,
                       struct error *err)
{
    int number = sim_table_of(table_name(rows->table));
    const struct table *now = s->world->database.tables[number];
    if (now == NULL) {
        return fail(err, "42P01", "there is no such table");
    }
    if (!view_equal(table_fingerprint(now), table_fingerprint(rows->table))) {
        return fail(err, "BS002", "the table has changed");
    }
    if (s->world->is_broken[number]) {
        return fail(err, "42501", "permission denied");
    }
    for (size_t i = 0; i < rows->row_count; i++) {
        if (is_refused(s, &rows->rows[i])) {
            return fail(err, "22P02", "a value is refused");
        }
    }
    return true;
}

static bool check_load(struct sim_session *s, const struct sink_load *load,
                       size_t *failed_table, struct error *err)
{
    static const char *const codes[] = { "40001", "40P01", "57014" };
    if (!is_there(s, err) || !check_positions(s, load, err)) {
        return false;
    }
    if (sim_fails(s->world, SIM_SERIALIZATION, 40)) {
        return fail(err, codes[sim_random(s->world, 3)], "try again");
    }
    for (size_t i = 0; i < load->table_count; i++) {
        *failed_table = i;
        if (load->tables[i].row_count > 0 && !check_rows(s, &load->tables[i], err)) {
            return false;
        }
    }
    *failed_table = load->table_count;
    if (load->rejected_count > 0 && s->world->is_broken[SIM_TABLES]) {
        return fail(err, "42501", "permission denied");
    }
    *failed_table = SINK_NO_TABLE;
    return true;
}

static bool load(void *context, const char *cluster_id, const struct sink_load *load,
                 struct load_counts *counts, size_t *failed_table, struct error *err)
{
    struct sim_session *s = context;
    *failed_table = SINK_NO_TABLE;
    if (!check_load(s, load, failed_table, err)) {
        s->world->fenced += strcmp(err->code, "BS001") == 0 ? 1 : 0;
        if (strncmp(err->code, "BS", 2) == 0) { /* of itself; the rest was drawn */
            sim_mirror_load(s->world, cluster_id, load, err->code);
        }
        sim_tell(s->world, "loader %d: a load fails: %s %s", s->loader, err->code,
                 err->text);
        return false;
    }
    sim_commit(s, load);
    sim_mirror_load(s->world, cluster_id, load, "");
    for (size_t i = 0; i < load->table_count; i++) {
        counts[i].rows_new = load->tables[i].row_count;
    }
    if (sim_fails(s->world, SIM_LOST_ANSWER, 30)) {
        sim_tell(s->world, "loader %d does not hear of it", s->loader);
        return lose(s, err);
    }
    return true;
}

/* ---- trials ---- */

static bool probe(void *context, const struct table *table, struct error *err)
{
    struct sim_session *s = context;
    int number = sim_table_of(table_name(table));
    if (!is_there(s, err)) {
        return false;
    }
    return !s->world->is_broken[number] || fail(err, "42501", "permission denied");
}

static bool try_rows(void *context, const struct sink_rows *rows, struct sink_trial *out,
                     struct error *err)
{
    struct sim_session *s = context;
    if (!is_there(s, err)) {
        return false;
    }
    *out = (struct sink_trial){ .is_table_at_fault = !probe(context, rows->table, err) };
    if (out->is_table_at_fault) {
        return s->is_connected;
    }
    out->refusals = mem_calloc(rows->row_count, sizeof *out->refusals);
    for (size_t i = 0; i < rows->row_count; i++) {
        if (is_refused(s, &rows->rows[i])) {
            struct sink_refusal *r = &out->refusals[out->refusal_count++];
            *r = (struct sink_refusal){ .row = i, .code = "22P02", .text = "refused" };
        }
    }
    return true;
}

void sim_session_init(struct sim_session *s, struct sim_world *w, int loader)
{
    *s = (struct sim_session){ .world = w, .loader = loader };
    s->sink = (struct sink){ .context = s,
                             .mono_ms = mono_ms,
                             .interrupt = interrupt,
                             .connect = connect,
                             .disconnect = disconnect,
                             .read_table = read_table,
                             .extend = extend,
                             .read_positions = read_positions,
                             .move_positions = move_positions,
                             .read_held = read_held,
                             .note_tried = note_tried,
                             .load = load,
                             .try_rows = try_rows,
                             .probe = probe };
}

/* ---- copies, and the end ---- */

void sim_database_release(struct sim_database *d)
{
    for (int i = 0; i < SIM_TABLES; i++) {
        table_unref(d->tables[i]);
        d->tables[i] = NULL;
    }
}

void sim_database_copy(struct sim_database *to, const struct sim_database *from)
{
    sim_database_release(to);
    *to = *from;
    for (int i = 0; i < SIM_TABLES; i++) {
        to->tables[i] = from->tables[i] == NULL ? NULL : table_ref(from->tables[i]);
    }
}

void sim_database_check_rest(struct sim_world *w)
{
    for (size_t i = 0; i < w->record_count; i++) {
        const struct sim_record *r = &w->records[i];
        const struct sim_log *log = &w->logs[r->log];
        uint8_t fate = w->database.fate[i];
        int number = log->type == EVENT_TRACK ? 0 : 1;
        bool is_known = log->type == EVENT_DELETE || fate == SIM_LEFT_OUT ||
                        w->database.rows[number][r->event] != 0 ||
                        w->database.rejected[number][r->event] ||
                        w->database.asked_at_us[r->user] != 0;
        if (fate == SIM_AHEAD || fate == SIM_HELD_BACK || r->must_come || !is_known) {
            sim_violated(w, "%s:%d:%lld is not loaded in the end%s", log->topic,
                         log->partition, (long long)r->offset,
                         r->must_come ? ", though an operator has asked for it again"
                                      : "");
        }
    }
}
