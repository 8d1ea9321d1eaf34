#include "loader/commands/replay_report.h"

#include <json-c/json.h>

#include <stdio.h>
#include <string.h>

static void print_json(json_object *document)
{
    printf("%s\n", json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY));
    json_object_put(document);
}

static void add_text(json_object *o, const char *name, const char *text)
{
    json_object_object_add(o, name, text == NULL ? NULL : json_object_new_string(text));
}

static void add_number(json_object *o, const char *name, int64_t number)
{
    json_object_object_add(o, name, json_object_new_int64(number));
}

/* ---- the plan ---- */

static json_object *partitions_json(const struct replay_run *run)
{
    json_object *list = json_object_new_array();
    for (size_t i = 0; i < run->partition_count; i++) {
        const struct replay_partition *p = &run->partitions[i];
        json_object *o = json_object_new_object();
        add_text(o, "topic", p->topic);
        add_number(o, "partition", p->partition);
        add_number(o, "from", p->from);
        add_number(o, "to", p->to);
        add_number(o, "next", p->next);
        json_object_array_add(list, o);
    }
    return list;
}

static void print_plan_json(struct replay_plan *plan, bool is_saved)
{
    const struct replay_run *run = &plan->run;
    struct replay_partition sum = replay_run_sum(run);
    json_object *o = json_object_new_object();
    add_text(o, "run", is_saved ? run->run : NULL);
    add_text(o, "state", "planned");
    struct buf what = { 0 };
    selection_describe(&plan->selection, &what);
    add_text(o, "reads", buf_cstr(&what));
    buf_release(&what);
    add_text(o, "target_schema", run->target_schema);
    add_number(o, "records", sum.to - sum.from);
    json_object_object_add(o, "partitions", partitions_json(run));
    add_text(o, "taken_by_retention",
             plan->taken.len == 0 ? NULL : buf_cstr(&plan->taken));
    print_json(o);
}

static void print_where(const struct replay_run *run)
{
    if (run->target_schema == NULL) {
        printf("  into   the tables that the records name%s\n",
               run->is_overwriting ? ", over rows that are there" : "");
    } else {
        printf("  into   the schema %s, beside %s\n", run->target_schema,
               run->live_schema);
    }
    if (run->rate > 0) {
        printf("  rate   at most %llu records a second\n", (unsigned long long)run->rate);
    }
}

static void print_partitions(const struct replay_run *run)
{
    struct replay_partition sum = replay_run_sum(run);
    printf("\n  %-34s %12s %12s %12s\n", "partition", "from", "to", "offsets");
    for (size_t i = 0; i < run->partition_count; i++) {
        const struct replay_partition *p = &run->partitions[i];
        if (p->from == p->to) {
            continue;
        }
        char name[TOPIC_NAME_BYTES + 16];
        snprintf(name, sizeof name, "%s:%d", p->topic, p->partition);
        printf("  %-34s %12lld %12lld %12lld\n", name, (long long)p->from,
               (long long)p->to, (long long)(p->to - p->from));
    }
    printf("  %-34s %12s %12s %12lld\n", "in all", "", "",
           (long long)(sum.to - sum.from));
}

void replay_report_plan(struct replay_plan *plan, bool is_saved, bool json)
{
    const struct replay_run *run = &plan->run;
    struct buf what = { 0 };
    if (json) {
        print_plan_json(plan, is_saved);
        return;
    }
    selection_describe(&plan->selection, &what);
    printf("replay %s\n  reads  %s\n", run->run, buf_cstr(&what));
    buf_release(&what);
    print_where(run);
    print_partitions(run);
    if (plan->taken.len > 0) {
        printf("\nretention has taken:\n%s", buf_cstr(&plan->taken));
    }
    fflush(stdout);
}

/* ---- the end ---- */

static void print_end_json(const struct replay_run *run, const struct replay_counts *n,
                           const char *state)
{
    struct replay_partition sum = replay_run_sum(run);
    json_object *o = json_object_new_object();
    add_text(o, "run", run->run);
    add_text(o, "state", state);
    add_number(o, "offsets", sum.to - sum.from);
    add_number(o, "records", sum.records);
    add_number(o, "not_selected", sum.skipped);
    add_number(o, "new", n->rows_new);
    add_number(o, "replaced", n->rows_replaced);
    add_number(o, "present", n->rows_present);
    add_number(o, "rejected", n->rejected);
    add_number(o, "suppressed", n->suppressed);
    add_number(o, "deletion_requests", sum.deletions);
    add_number(o, "taken_by_retention", sum.lost);
    add_number(o, "left", sum.to - sum.next);
    json_object_object_add(o, "adds_up",
                           json_object_new_boolean(replay_run_adds_up(run, n)));
    json_object_object_add(o, "partitions", partitions_json(run));
    print_json(o);
}

static void print_line(const char *what, int64_t count)
{
    if (count != 0) {
        printf("  %-28s %12lld\n", what, (long long)count);
    }
}

void replay_report_end(const struct replay_run *run, const struct replay_counts *counts,
                       const char *state, bool json)
{
    struct replay_partition sum = replay_run_sum(run);
    if (json) {
        print_end_json(run, counts, state);
        return;
    }
    printf("replay %s: %s\n", run->run, state);
    printf("  %-28s %12lld\n", "records read", (long long)sum.records);
    print_line("- not selected", sum.skipped);
    print_line("- new rows", counts->rows_new);
    print_line("- rows replaced", counts->rows_replaced);
    print_line("- present already", counts->rows_present);
    print_line("- rejected", counts->rejected);
    print_line("- suppressed", counts->suppressed);
    print_line("- requests for deletion", sum.deletions);
    print_line("offsets without a record", sum.next - sum.from - sum.records - sum.lost);
    print_line("taken by retention meanwhile", sum.lost);
    print_line("left to read", sum.to - sum.next);
    printf("%s\n", replay_run_adds_up(run, counts)
                       ? "It adds up: every record that was read is one of these."
                       : "It does NOT add up: records were read that are none of these.");
}

/* ---- the list ---- */

static const char list_sql[] =
    "SELECT r.run, r.state, coalesce(r.target_schema, ''),"
    "       to_char(r.planned_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
    "       sum(p.next_offset - p.from_offset)::bigint,"
    "       sum(p.to_offset - p.from_offset)::bigint, coalesce(r.kept_schema, '')"
    "  FROM backstitch.replay r JOIN backstitch.replay_run p USING (run)"
    " GROUP BY r.run ORDER BY r.planned_at DESC";

static void print_list_json(const struct pg_result *r)
{
    static const char *const texts[] = { "run", "state", "target_schema", "planned_at" };
    json_object *list = json_object_new_array();
    for (int i = 0; i < connection_rows(r); i++) {
        json_object *o = json_object_new_object();
        for (int column = 0; column < 4; column++) {
            struct view text = connection_field(r, i, column);
            json_object_object_add(
                o, texts[column],
                text.len == 0 ? NULL
                              : json_object_new_string_len(text.data, (int)text.len));
        }
        add_number(o, "done", connection_field_i64(r, i, 4));
        add_number(o, "offsets", connection_field_i64(r, i, 5));
        json_object_array_add(list, o);
    }
    json_object *document = json_object_new_object();
    json_object_object_add(document, "runs", list);
    print_json(document);
}

bool replay_report_list(struct connection *c, bool json, struct error *err)
{
    struct pg_result *r = NULL;
    if (!connection_query(c, list_sql, 0, NULL, &r, err)) {
        return false;
    }
    if (json) {
        print_list_json(r);
    } else if (connection_rows(r) == 0) {
        printf("there was no replay yet\n");
    } else {
        printf("%-22s %-8s %-21s %14s %14s  %s\n", "run", "state", "planned", "done",
               "offsets", "target");
    }
    for (int i = 0; !json && i < connection_rows(r); i++) {
        printf("%-22.*s %-8.*s %-21.*s %14lld %14lld  %.*s\n",
               VIEW_ARG(connection_field(r, i, 0)), VIEW_ARG(connection_field(r, i, 1)),
               VIEW_ARG(connection_field(r, i, 3)),
               (long long)connection_field_i64(r, i, 4),
               (long long)connection_field_i64(r, i, 5),
               VIEW_ARG(connection_field(r, i, 2)));
    }
    connection_free(r);
    return true;
}
