#include "loader/commands/audit_report.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <json-c/json.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_DAY INT64_C(86400000)
/* So many ids stand in the command line itself. */
#define IDS_IN_COMMAND 20

bool audit_report_open(struct audit_report *r, const struct command_call *call,
                       struct error *err)
{
    *r = (struct audit_report){ .call = call, .missing = tmpfile() };
    return r->missing != NULL ||
           error_set_errno(err, ERROR_FATAL, errno, "making a temporary file");
}

void audit_report_close(struct audit_report *r)
{
    fclose(r->missing);
    audit_tally_release(&r->tally);
}

void audit_report_missing(struct audit_report *r, const struct log_record *record,
                          struct view schema, struct view table, struct view id)
{
    fprintf(r->missing, "%.*s.%.*s\t%s:%d:%" PRId64 "\t%.*s\n", VIEW_ARG(schema),
            VIEW_ARG(table), record->topic, record->partition, record->offset,
            VIEW_ARG(id));
}

/* ---- the missing, one by one ---- */

struct missing {
    char *line; /* getline's */
    size_t capacity;
    const char *table, *place, *id;
};

static void rewind_missing(struct audit_report *r)
{
    fflush(r->missing);
    rewind(r->missing);
}

static bool next_missing(struct audit_report *r, struct missing *m)
{
    ssize_t len = getline(&m->line, &m->capacity, r->missing);
    if (len <= 0) {
        free(m->line);
        *m = (struct missing){ .line = NULL };
        return false;
    }
    m->line[len - 1] = '\0';
    char *place = strchr(m->line, '\t');
    char *id = place == NULL ? NULL : strchr(place + 1, '\t');
    REQUIRE(id != NULL); /* as it was written */
    *place = '\0';
    *id = '\0';
    m->table = m->line;
    m->place = place + 1;
    m->id = id + 1;
    return true;
}

/* ---- text ---- */

static void format_day(int64_t day, char out[CLOCK_DAY_BYTES])
{
    clock_format_day(day * MS_PER_DAY, out);
}

static uint64_t in_kafka(const struct audit_row *row)
{
    uint64_t sum = 0;
    for (int fate = 0; fate < AUDIT_FATES; fate++) {
        sum += row->fates[fate];
    }
    return sum;
}

static void print_rows(const struct audit_tally *t)
{
    printf("%-32s %-10s %11s %9s %11s %9s %10s %9s %9s %9s\n", "table", "day", "in Kafka",
           "copies", "loaded", "rejected", "suppressed", "held", "not yet", "missing");
    for (size_t i = 0; i < t->row_count; i++) {
        const struct audit_row *row = &t->rows[i];
        char day[CLOCK_DAY_BYTES];
        format_day(row->day, day);
        printf("%-32s %-10s %11" PRIu64 " %9" PRIu64 " %11" PRIu64 " %9" PRIu64
               " %10" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "\n",
               row->table, day, in_kafka(row), row->copies, row->fates[AUDIT_LOADED],
               row->fates[AUDIT_REJECTED], row->fates[AUDIT_SUPPRESSED],
               row->fates[AUDIT_HELD], row->fates[AUDIT_NOT_YET],
               row->fates[AUDIT_MISSING]);
    }
}

static const struct audit_flags *flags_of(const struct audit_report *r)
{
    return r->call->flags;
}

/* The range and the sources, as they were asked for; what retention has taken is known by
 * now. */
static void add_range(const struct audit_flags *f, bool is_cut, struct buf *command)
{
    buf_add_cstr(command, "backstitch-loader replay");
    if (f->from_time == NULL) {
        buf_add_cstr(command, " --from-earliest");
    } else {
        buf_printf(command, " --from-time '%s'", f->from_time);
    }
    if (f->until_time != NULL) {
        buf_printf(command, " --until-time '%s'", f->until_time);
    }
    if (f->source != NULL) {
        buf_printf(command, " --source '%s'", f->source);
    }
    buf_add_cstr(command, is_cut ? " --allow-partial" : "");
}

static bool is_plain(const char *id)
{
    return strpbrk(id, ",' \\\n") == NULL;
}

/* The ids in the line while they are few and plain; else from a file. */
static void add_command(struct audit_report *r, const struct replay_plan *plan,
                        struct buf *command)
{
    struct missing m = { .line = NULL };
    struct buf ids = { 0 };
    size_t count = 0;
    bool fits = true;
    rewind_missing(r);
    while (next_missing(r, &m)) {
        fits = fits && ++count <= IDS_IN_COMMAND && is_plain(m.id);
        if (fits) {
            buf_printf(&ids, "%s%s", count == 1 ? "" : ",", m.id);
        }
    }
    add_range(flags_of(r), plan->taken.len > 0, command);
    if (fits) {
        buf_printf(command, " --message-id '%s' --execute", buf_cstr(&ids));
    } else {
        buf_printf(command, " --message-ids-from %s --execute",
                   flags_of(r)->missing_to == NULL ? "FILE" : flags_of(r)->missing_to);
    }
    buf_release(&ids);
}

static void print_missing(struct audit_report *r, const struct replay_plan *plan)
{
    struct missing m = { .line = NULL };
    uint64_t all = audit_tally_sum(&r->tally, AUDIT_MISSING);
    uint64_t shown = 0;
    rewind_missing(r);
    printf("\nmissing:\n");
    while (next_missing(r, &m)) {
        if (shown++ < flags_of(r)->limit) {
            printf("  %s in %s, read at %s\n", m.id, m.table, m.place);
        }
    }
    if (all > flags_of(r)->limit) {
        printf("  .. and %" PRIu64 " more (--limit, --json, --missing-to)\n",
               all - flags_of(r)->limit);
    }
    struct buf command = { 0 };
    add_command(r, plan, &command);
    printf("to load exactly these%s:\n  %s\n",
           strstr(buf_cstr(&command), "from FILE") == NULL
               ? ""
               : ", write their ids with --missing-to FILE, then",
           buf_cstr(&command));
    buf_release(&command);
}

static void print_text(struct audit_report *r, struct replay_plan *plan)
{
    const struct audit_tally *t = &r->tally;
    print_rows(t);
    printf("\n%" PRIu64 " records read, %" PRIu64 " missing\n", t->records,
           audit_tally_sum(t, AUDIT_MISSING));
    if (t->is_over) {
        printf("Of more than %d ids copies are not told from first ones: what they are "
               "counts each.\n",
               AUDIT_IDS_MAX);
    }
    if (plan->taken.len > 0) {
        printf("Not looked at, retention has taken it:\n%s", buf_cstr(&plan->taken));
    }
    if (audit_tally_sum(t, AUDIT_MISSING) > 0) {
        print_missing(r, plan);
    }
}

/* ---- JSON ---- */

static json_object *rows_json(const struct audit_tally *t)
{
    json_object *list = json_object_new_array();
    for (size_t i = 0; i < t->row_count; i++) {
        const struct audit_row *row = &t->rows[i];
        json_object *o = json_object_new_object();
        char day[CLOCK_DAY_BYTES];
        format_day(row->day, day);
        json_object_object_add(o, "table", json_object_new_string(row->table));
        json_object_object_add(o, "day", json_object_new_string(day));
        json_object_object_add(o, "in_kafka", json_object_new_uint64(in_kafka(row)));
        json_object_object_add(o, "copies", json_object_new_uint64(row->copies));
        for (int fate = 0; fate < AUDIT_FATES; fate++) {
            const char *name = fate == AUDIT_NOT_YET
                                   ? "not_yet"
                                   : audit_fate_name((enum audit_fate)fate);
            json_object_object_add(o, name, json_object_new_uint64(row->fates[fate]));
        }
        json_object_array_add(list, o);
    }
    return list;
}

static const char *quoted(json_object *text)
{
    return json_object_to_json_string(text);
}

/* Written as it goes: there may be millions. */
static void print_missing_json(struct audit_report *r)
{
    struct missing m = { .line = NULL };
    const char *separator = "";
    rewind_missing(r);
    printf("\"missing\": [");
    while (next_missing(r, &m)) {
        json_object *id = json_object_new_string(m.id);
        json_object *table = json_object_new_string(m.table);
        json_object *place = json_object_new_string(m.place);
        printf("%s\n  {\"message_id\": %s, \"table\": %s, \"place\": %s}", separator,
               quoted(id), quoted(table), quoted(place));
        json_object_put(id);
        json_object_put(table);
        json_object_put(place);
        separator = ",";
    }
    printf("],\n");
}

static void print_json(struct audit_report *r, struct replay_plan *plan, bool was_stopped)
{
    json_object *rows = rows_json(&r->tally);
    json_object *taken =
        plan->taken.len == 0 ? NULL : json_object_new_string(buf_cstr(&plan->taken));
    json_object *command = NULL;
    if (audit_tally_sum(&r->tally, AUDIT_MISSING) > 0) {
        struct buf text = { 0 };
        add_command(r, plan, &text);
        command = json_object_new_string(buf_cstr(&text));
        buf_release(&text);
    }
    printf("{\n\"tables\": %s,\n",
           json_object_to_json_string_ext(rows, JSON_C_TO_STRING_PRETTY));
    print_missing_json(r);
    printf("\"missing_count\": %" PRIu64 ",\n\"records\": %" PRIu64
           ",\n\"stopped\": %s,\n\"taken_by_retention\": %s,\n\"replay\": %s\n}\n",
           audit_tally_sum(&r->tally, AUDIT_MISSING), r->tally.records,
           was_stopped ? "true" : "false", json_object_to_json_string(taken),
           json_object_to_json_string(command));
    json_object_put(rows);
    json_object_put(taken);
    json_object_put(command);
}

static bool write_ids(struct audit_report *r, const char *path, struct error *err)
{
    struct missing m = { .line = NULL };
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return error_set_errno(err, ERROR_INVALID, errno, "--missing-to '%s'", path);
    }
    rewind_missing(r);
    while (next_missing(r, &m)) {
        fprintf(file, "%s\n", m.id);
    }
    return fclose(file) == 0 ||
           error_set_errno(err, ERROR_FATAL, errno, "--missing-to '%s'", path);
}

bool audit_report_print(struct audit_report *r, struct replay_plan *plan,
                        bool was_stopped, struct error *err)
{
    audit_tally_sort(&r->tally);
    if (flags_of(r)->missing_to != NULL && !write_ids(r, flags_of(r)->missing_to, err)) {
        return false;
    }
    if (r->call->json) {
        print_json(r, plan, was_stopped);
    } else {
        print_text(r, plan);
    }
    return true;
}
