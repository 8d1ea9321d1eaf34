/* The database, as one loader's connection sees it: each call is one transaction, which
 * happens whole or not at all. What it checks of us is what PostgreSQL checks, and then
 * what must hold whatever happened: every record that a position passes is accounted for,
 * exactly once. */
#include "loader/postgres/copies.h"

#include "tests/simulation/sim.h"

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
    add_columns(s->world, number, plan);
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
    size_t count = table_column_count(had);
    struct column *columns = mem_calloc(count + 1, sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        columns[i] = *table_column(had, i);
    }
    int len = snprintf(name, sizeof name, "human_%u", w->versions);
    columns[count] =
        (struct column){ .name = view_of(name, (size_t)len), .type = COLUMN_TEXT };
    sim_tell(w, "a human adds a column to %.*s", VIEW_ARG(table_name(had)));
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

static void set_position(struct sim_world *w, size_t number, int64_t next)
{
    w->database.position[number] = next;
    if (next > w->logs[number].most_position) {
        w->logs[number].most_position = next;
    }
}

/* Only a first use, and an operator, move a position forward without loading. Back may
 * also one who heard of the operator too late: what it reads again is there. */
static void move(struct sim_session *s, const struct sink_move *m)
{
    struct sim_world *w = s->world;
    size_t number = log_number(s, m->topic, m->partition);
    struct sim_log *log = &w->logs[number];
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
    set_position(w, number, m->next);
}

static bool move_positions(void *context, const char *cluster_id,
                           const struct sink_move *moves, size_t count, struct error *err)
{
    struct sim_session *s = context;
    (void)cluster_id;
    if (!is_there(s, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t number = log_number(s, moves[i].topic, moves[i].partition);
        if (s->world->database.position[number] != moves[i].expected) {
            return fail(err, "BS001", "the position is another's");
        }
    }
    for (size_t i = 0; i < count; i++) {
        move(s, &moves[i]);
    }
    return !sim_fails(s->world, SIM_LOST_ANSWER, 10) || lose(s, err);
}

/* ---- what waits ---- */

static struct sink_range *find_held(struct sim_database *d, const struct sink_range *like)
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

static void hold(struct sim_database *d, const struct sink_range *range)
{
    struct sink_range *r = find_held(d, range);
    if (r == NULL) {
        REQUIRE(d->held_count < SIM_HELD);
        d->held[d->held_count++] = *range;
        return;
    }
    r->from = range->from < r->from ? range->from : r->from;
    r->to = range->to > r->to ? range->to : r->to;
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

/* ---- a load: what PostgreSQL refuses ---- */

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
        const struct sink_range *r = find_held(d, load->slice);
        if (r == NULL || r->from != load->slice->from) {
            return fail(err, "BS001", "the range does not begin there");
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
    *failed_table = SINK_NO_TABLE;
    return true;
}

/* ---- a load: what must hold ---- */

/* How often the load names each record: as a row, rejected, a request, or held. */
struct marks {
    uint8_t of[SIM_RECORDS];
    uint8_t held[SIM_RECORDS];
};

static void mark(struct sim_session *s, struct marks *m, const struct sim_record *r,
                 const char *what)
{
    if (r == NULL) {
        sim_violated(s->world, "a %s is of no record", what);
    } else {
        m->of[r - s->world->records]++;
    }
}

static bool is_in(const struct sim_log *log, const struct sim_record *r,
                  const struct sink_range *range)
{
    return log->partition == range->partition && strcmp(log->topic, range->topic) == 0 &&
           r->offset >= range->from && r->offset < range->to;
}

static void mark_all(struct sim_session *s, const struct sink_load *load, struct marks *m)
{
    struct sim_world *w = s->world;
    for (size_t i = 0; i < load->table_count; i++) {
        for (size_t j = 0; j < load->tables[i].row_count; j++) {
            int64_t sequence = load->tables[i].rows[j].sequence;
            mark(s, m, sim_record_of_sequence(w, sequence), "row");
        }
    }
    for (size_t i = 0; i < load->rejected_count; i++) {
        const struct sink_rejected *r = &load->rejected[i];
        mark(s, m, sim_record_at(w, sim_log_of(w, r->topic, r->partition), r->offset),
             "rejected event");
    }
    for (size_t i = 0; i < load->deletion_count; i++) {
        int64_t at = load->deletions[i].deletion.requested_at_ms * RECORD_SEQ_LIMIT;
        mark(s, m, sim_record_of_sequence(w, at), "request for deletion");
    }
    for (size_t i = 0; i < w->record_count; i++) {
        const struct sim_log *log = &w->logs[w->records[i].log];
        for (size_t j = 0; j < load->hold_count; j++) {
            m->held[i] |= is_in(log, &w->records[i], &load->holds[j].range);
        }
    }
}

/* Does the load move past this record? */
static bool is_passed(struct sim_session *s, const struct sink_load *load,
                      const struct sim_record *r)
{
    const struct sim_log *log = &s->world->logs[r->log];
    if (load->slice != NULL) {
        return is_in(log, r, load->slice);
    }
    for (size_t i = 0; i < load->interval_count; i++) {
        const struct sink_interval *v = &load->intervals[i];
        if (v->partition == log->partition && strcmp(v->topic, log->topic) == 0) {
            return r->offset >= v->from && r->offset < v->to;
        }
    }
    return false;
}

/* What is loaded is neither left out nor twice; what is passed is accounted for. */
static void check_record(struct sim_session *s, const struct sink_load *load,
                         const struct marks *m, size_t number)
{
    struct sim_world *w = s->world;
    struct sim_record *r = &w->records[number];
    const struct sim_log *log = &w->logs[r->log];
    bool passes = is_passed(s, load, r);
    if (m->of[number] > 1 || (m->of[number] == 1 && !passes)) {
        sim_violated(w, "%s:%d:%lld is %s", log->topic, log->partition,
                     (long long)r->offset,
                     passes ? "twice in a load" : "in a load that does not pass it");
    }
    if (passes && m->of[number] == 0 && !m->held[number]) {
        sim_violated(w, "%s:%d:%lld is passed, and neither loaded nor held", log->topic,
                     log->partition, (long long)r->offset);
    }
    /* What waits for a table is loaded for its own sake. */
    if (m->of[number] > 0 && r->must_not_come && load->slice == NULL) {
        sim_violated(w, "%s:%d:%lld was loaded, but an operator has skipped it",
                     log->topic, log->partition, (long long)r->offset);
    }
    if (m->of[number] > 0) {
        w->database.fate[number] = SIM_DONE;
        r->must_come = false;
    } else if (passes) {
        w->database.fate[number] = SIM_HELD_BACK;
        r->must_come = false;
    }
}

/* ---- a load: the commit ---- */

static bool is_suppressed(const struct sim_world *w, const struct row *row)
{
    unsigned user = (unsigned)(row->user_id.data[1] - '0');
    return w->database.asked_at_us[user] > row->since_us;
}

static unsigned event_of(struct view message_id)
{
    unsigned event = 0;
    for (size_t i = 1; i < message_id.len; i++) {
        event = event * 10 + (unsigned)(message_id.data[i] - '0');
    }
    return event;
}

static void keep_least(int64_t *sequence, int64_t other)
{
    *sequence = *sequence == 0 || other < *sequence ? other : *sequence;
}

/* What the direct path does with a table's rows: the copies' own judgement, and the
 * staged statement's rule for the rest. */
static void put_group(struct sim_world *w, int64_t *rows, const struct copies *c,
                      const struct copies_group *g)
{
    const struct row *winner = copies_winner(c, g);
    int64_t *there = &rows[event_of(winner->message_id)];
    if (g->fate == COPIES_DIRECT && *there != 0) {
        sim_violated(w, "e%u is there, and would be inserted",
                     event_of(winner->message_id));
    }
    if (g->fate == COPIES_DIRECT) {
        *there = winner->sequence;
    }
    for (uint32_t i = 0; g->fate == COPIES_STAGED && i < g->count; i++) {
        const struct row *row = &c->rows[c->order[g->first + i]];
        if (!is_suppressed(w, row)) {
            keep_least(there, row->sequence);
        }
    }
}

static void note_what_is_there(struct sim_world *w, struct copies *c, const int64_t *rows)
{
    struct view users[SIM_USERS];
    static const char *const names[SIM_USERS] = { "u0", "u1", "u2", "u3", "u4" };
    size_t count = 0;
    for (size_t i = 0; i < c->group_count; i++) {
        struct view id = copies_winner(c, &c->groups[i])->message_id;
        if (rows[event_of(id)] != 0) {
            copies_note_present(c, id, &rows[event_of(id)]);
        }
    }
    for (int i = 0; i < SIM_USERS; i++) {
        if (w->database.asked_at_us[i] != 0) {
            users[count++] = view_cstr(names[i]);
        }
    }
    copies_note_users(c, users, count);
}

static void put_rows(struct sim_world *w, const struct sink_rows *rows)
{
    int number = sim_table_of(table_name(rows->table));
    int64_t *there = w->database.rows[number];
    int64_t *best = w->database.best[number];
    struct copies c;
    if (rows->row_count == 0) {
        return;
    }
    copies_init(&c, rows->rows, rows->row_count, false);
    note_what_is_there(w, &c, there);
    for (size_t i = 0; i < c.group_count; i++) {
        put_group(w, there, &c, &c.groups[i]);
    }
    copies_release(&c);
    for (size_t i = 0; i < rows->row_count; i++) {
        unsigned event = event_of(rows->rows[i].message_id);
        if (!is_suppressed(w, &rows->rows[i])) {
            keep_least(&best[event], rows->rows[i].sequence);
        }
    }
    for (unsigned i = 0; i < SIM_EVENTS; i++) {
        if (there[i] != best[i]) {
            sim_violated(w, "of e%u the copy %lld is there, and not %lld", i,
                         (long long)there[i], (long long)best[i]);
        }
    }
}

static void put_the_rest(struct sim_session *s, const struct sink_load *load)
{
    struct sim_world *w = s->world;
    for (size_t i = 0; i < load->deletion_count; i++) {
        const struct map_deletion *d = &load->deletions[i].deletion;
        int64_t *at = &w->database.asked_at_us[d->user_id.data[1] - '0'];
        int64_t asked = d->requested_at_ms * 1000;
        *at = asked > *at ? asked : *at;
    }
    for (size_t i = 0; i < load->rejected_count; i++) {
        const struct map_rejected *r = &load->rejected[i].rejected;
        int number = sim_table_of(r->table_name);
        if (number < 0) {
            sim_violated(w, "%.*s was rejected for no table: %.*s",
                         VIEW_ARG(r->message_id), VIEW_ARG(r->reason));
            return;
        }
        w->database.rejected[number][event_of(r->message_id)] = true;
        w->rejections++;
    }
}

static void move_ends(struct sim_session *s, const struct sink_load *load)
{
    struct sim_database *d = &s->world->database;
    for (size_t i = 0; i < load->interval_count; i++) {
        const struct sink_interval *v = &load->intervals[i];
        set_position(s->world, log_number(s, v->topic, v->partition), v->to);
    }
    for (size_t i = 0; i < load->hold_count; i++) {
        hold(d, &load->holds[i].range);
    }
    if (load->slice != NULL) {
        struct sink_range *r = find_held(d, load->slice);
        r->from = load->slice->to;
        if (r->from >= r->to) {
            *r = d->held[--d->held_count];
        }
    }
}

/* What is held back lies in a range that says so. */
static void check_held(struct sim_world *w)
{
    struct sim_database *d = &w->database;
    for (size_t i = 0; i < w->record_count; i++) {
        bool is_found = d->fate[i] != SIM_HELD_BACK;
        const struct sim_record *r = &w->records[i];
        const struct sim_log *log = &w->logs[r->log];
        for (size_t j = 0; !is_found && j < d->held_count; j++) {
            is_found = is_in(log, r, &d->held[j]);
        }
        if (!is_found) {
            sim_violated(w, "%s:%d:%lld is held, but no range has it", log->topic,
                         log->partition, (long long)r->offset);
        }
    }
}

static void commit(struct sim_session *s, const struct sink_load *load)
{
    struct sim_world *w = s->world;
    struct marks m = { .of = { 0 } };
    mark_all(s, load, &m);
    for (size_t i = 0; i < w->record_count; i++) {
        check_record(s, load, &m, i);
    }
    put_the_rest(s, load); /* requests hold for the events beside them */
    for (size_t i = 0; i < load->table_count; i++) {
        put_rows(w, &load->tables[i]);
        w->rows += load->tables[i].row_count;
    }
    move_ends(s, load);
    check_held(w);
    w->commits++;
    w->slices += load->slice != NULL ? 1 : 0;
    sim_tell(w, "loader %d commits %s: %zu intervals, %zu rejected, %zu held", s->loader,
             load->slice != NULL ? "a slice" : "a load", load->interval_count,
             load->rejected_count, load->hold_count);
}

static bool load(void *context, const char *cluster_id, const struct sink_load *load,
                 struct load_counts *counts, size_t *failed_table, struct error *err)
{
    struct sim_session *s = context;
    (void)cluster_id;
    *failed_table = SINK_NO_TABLE;
    if (!check_load(s, load, failed_table, err)) {
        s->world->fenced += strcmp(err->code, "BS001") == 0 ? 1 : 0;
        sim_tell(s->world, "loader %d: a load fails: %s %s", s->loader, err->code,
                 err->text);
        return false;
    }
    commit(s, load);
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
