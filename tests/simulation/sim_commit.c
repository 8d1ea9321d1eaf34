/* What a load that commits does, and what must hold at that moment: every record that a
 * position passes is accounted for, exactly once; of an event the right copy is there. */
#include "loader/postgres/copies.h"

#include "tests/simulation/sim.h"

#include "common/base/mem.h"

#include <string.h>

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

/* Does it wait in a range of another table than the slice's? */
static bool waits_elsewhere(const struct sim_world *w, const struct sink_load *load,
                            const struct sim_record *r)
{
    const struct sim_database *d = &w->database;
    for (size_t i = 0; load->slice != NULL && i < d->held_count; i++) {
        if (strcmp(d->held[i].table, load->slice->table) != 0 &&
            is_in(&w->logs[r->log], r, &d->held[i])) {
            return true;
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
    /* What is within a range and did not wait for its table was loaded before, or left
     * out by an operator. */
    bool was_done = load->slice != NULL && w->database.fate[number] == SIM_DONE;
    bool was_left_out = load->slice != NULL && w->database.fate[number] == SIM_LEFT_OUT;
    bool is_no_matter = was_done || was_left_out || waits_elsewhere(w, load, r);
    if (was_done && r->is_malformed &&
        strcmp(load->slice->table, SINK_REJECTED_TABLE) != 0 && m->of[number] > 0) {
        sim_violated(w, "%s:%d:%lld is rejected again by a slice", log->topic,
                     log->partition, (long long)r->offset);
    }
    if (passes && m->of[number] == 0 && !m->held[number] && !is_no_matter) {
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
    } else if (passes && !is_no_matter) {
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
        bool *has_asked = &w->database.has_asked[event_of(d->message_id)];
        int64_t asked = d->requested_at_ms * 1000;
        *at = asked > *at && !*has_asked ? asked : *at;
        *has_asked = true;
    }
    for (size_t i = 0; i < load->rejected_count; i++) {
        const struct sink_rejected *r = &load->rejected[i];
        const struct sim_record *of =
            sim_record_at(w, sim_log_of(w, r->topic, r->partition), r->offset);
        int number = sim_table_of(r->rejected.table_name);
        if (of == NULL || number < 0) {
            sim_violated(w, "%.*s was rejected for no table: %.*s",
                         VIEW_ARG(r->rejected.message_id), VIEW_ARG(r->rejected.reason));
            return;
        }
        w->database.rejected[number][of->event] = true;
        w->rejections++;
    }
}

static void hold(struct sim_database *d, const struct sink_range *range)
{
    struct sink_range *r = sim_find_held(d, range);
    if (r == NULL) {
        REQUIRE(d->held_count < SIM_HELD);
        d->held[d->held_count++] = *range;
        return;
    }
    r->from = range->from < r->from ? range->from : r->from;
    r->to = range->to > r->to ? range->to : r->to;
}

static void move_ends(struct sim_session *s, const struct sink_load *load)
{
    struct sim_database *d = &s->world->database;
    for (size_t i = 0; i < load->interval_count; i++) {
        const struct sink_interval *v = &load->intervals[i];
        sim_set_position(s->world, sim_log_of(s->world, v->topic, v->partition), v->to);
    }
    for (size_t i = 0; i < load->hold_count; i++) {
        hold(d, &load->holds[i].range);
    }
    if (load->slice != NULL) {
        struct sink_range *r = sim_find_held(d, load->slice);
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

void sim_commit(struct sim_session *s, const struct sink_load *load)
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
