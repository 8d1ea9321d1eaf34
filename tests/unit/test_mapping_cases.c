/* Every case of tests/data/mapping (format: tests/data/README.md) through the pure
 * mapping; each step twice, by a new mapper and by one that has seen all the cases
 * before. With a folder as its argument, the cases of that folder: random ones whose
 * expectation is the oracle's (tests/support/random_cases.py). */
#include "loader/mapping/fixed_columns.h"
#include "loader/mapping/timestamp.h"

#include "tests/support/mapping_fixture.h"

#include "common/contract/schema_name.h"

#include <json-c/json.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_FILES 100
#define MAX_CASES 4000
#define MAX_LIST 20
#define MAX_COLUMNS 1000

struct options {
    const char *ignore_paths[MAX_LIST];
    const char *integration_names[MAX_LIST];
    size_t max_columns;
    bool are_default;
};

/* A mapper that is never renewed: what it remembers must not show. */
static struct mapper *seasoned;

static struct json_object *member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

static struct view text_of(struct json_object *string)
{
    return view_of(json_object_get_string(string),
                   (size_t)json_object_get_string_len(string));
}

static void read_list(struct json_object *list, const char *out[MAX_LIST])
{
    size_t count = json_object_array_length(list);
    assert_true(count < MAX_LIST);
    for (size_t i = 0; i < count; i++) {
        out[i] = json_object_get_string(json_object_array_get_idx(list, i));
    }
    out[count] = NULL;
}

static struct options read_options(struct json_object *given)
{
    struct options o = {
        { "integrations", "_metadata", "writeKey", NULL }, { NULL }, 800, given == NULL
    };
    if (given != NULL) {
        struct json_object *limit = member(given, "max_columns");
        o.max_columns = limit == NULL ? 800 : (size_t)json_object_get_int64(limit);
        if (member(given, "ignore_paths") != NULL) {
            read_list(member(given, "ignore_paths"), o.ignore_paths);
        }
        if (member(given, "integration_names") != NULL) {
            read_list(member(given, "integration_names"), o.integration_names);
        }
    }
    return o;
}

static int digit_of(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

static struct view decode_base64(struct view text, struct arena *arena)
{
    char *out = arena_alloc(arena, text.len);
    size_t len = 0;
    unsigned bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < text.len && text.data[i] != '='; i++) {
        held = (held << 6) | (unsigned)digit_of(text.data[i]);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[len++] = (char)((held >> bits) & 0xFF);
        }
    }
    return view_of(out, len);
}

static struct view event_bytes(struct json_object *step, struct arena *arena)
{
    struct json_object *text = member(step, "event");
    return text != NULL ? text_of(text)
                        : decode_base64(text_of(member(step, "event_base64")), arena);
}

/* Which of a case's headers are parts of the header `backstitch` (record.h). */
static bool is_fact(const char *name)
{
    static const char *const facts[] = { "v",   "source", "schema", "received-at",
                                         "seq", "via",    "auth",   "request-id",
                                         "ip",  "type" };
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        if (strcmp(facts[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The default headers, changed as the step says; facts are packed into `packed`. */
static size_t read_headers(struct json_object *changes, struct buf *packed,
                           struct record_header out[RECORD_HEADERS_MAX])
{
    static const char *const defaults[][2] = {
        { "v", "1" },
        { "source", "stitch-segment" },
        { "schema", "stitch_segment" },
        { "received-at", "1796378405000" },
        { "seq", "7" },
        { "via", "webhook" },
        { "auth", "token" },
        { "request-id", "r1" },
    };
    size_t count = 1;
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        struct json_object *unused;
        if (changes == NULL ||
            !json_object_object_get_ex(changes, defaults[i][0], &unused)) {
            buf_printf(packed, "%s=%s;", defaults[i][0], defaults[i][1]);
        }
    }
    if (changes != NULL) {
        json_object_object_foreach(changes, name, value)
        {
            if (value != NULL && is_fact(name)) {
                buf_printf(packed, "%s=%s;", name, json_object_get_string(value));
            } else if (value != NULL) {
                out[count].name = view_cstr(name);
                out[count++].value = text_of(value);
            }
        }
    }
    out[0].name = view_cstr("backstitch");
    out[0].value = buf_view(packed);
    return count;
}

static size_t fixed_columns_of(enum event_type type, struct column *out)
{
    struct table *empty = fixture_table(type, NULL, 0, false);
    struct table_plan *plan = table_plan_new(empty, 0);
    fixed_columns_plan(plan, type);
    size_t count = table_plan_added(plan);
    for (size_t i = 0; i < count; i++) {
        out[i] = table_plan_added_at(plan, i)->column;
        out[i].name = fixed_column_info(fixed_column_find(out[i].name))->name;
    }
    table_plan_free(plan);
    table_unref(empty);
    return count;
}

/* The table with these columns besides, or instead of, those it has. */
static const struct table *with_columns(const struct table *t, enum event_type type,
                                        struct json_object *columns)
{
    static struct column all[MAX_COLUMNS];
    size_t count = table_column_count(t);
    for (size_t i = 0; i < count; i++) {
        all[i] = *table_column(t, i);
    }
    if (!table_exists(t)) {
        count = fixed_columns_of(type, all);
    }
    json_object_object_foreach(columns, name, sql_type)
    {
        struct column c = fixture_column(view_cstr(name), text_of(sql_type));
        size_t at = 0;
        while (at < count && !view_equal(all[at].name, c.name)) {
            at++;
        }
        all[at] = c;
        count += at == count ? 1 : 0;
        assert_true(count < MAX_COLUMNS);
    }
    const struct table *changed = fixture_table(type, all, count, true);
    table_unref(t);
    return changed;
}

static void assert_text(const char *what, struct view actual,
                        struct json_object *expected)
{
    if (!view_equal(actual, text_of(expected))) {
        fail_msg("%s is\n  %.*s\nbut should be\n  %s", what, VIEW_ARG(actual),
                 json_object_get_string(expected));
    }
}

static void assert_text_if_given(const char *what, struct view actual,
                                 struct json_object *expected)
{
    if (expected != NULL) {
        assert_text(what, actual, expected);
    }
}

static void check_row(const struct map_result *result, const struct table_plan *plan,
                      struct json_object *expect)
{
    struct json_object *row = member(expect, "row");
    if (result->outcome != MAP_ROW) {
        fail_msg("no row but outcome %d: %.*s", (int)result->outcome,
                 VIEW_ARG(result->rejected.reason));
    }
    struct arena arena;
    arena_init(&arena);
    assert_text("table", table_name(table_plan_base(plan)), member(expect, "table"));
    json_object_object_foreach(row, name, value)
    {
        struct view cell = fixture_cell(&result->row, plan, name, &arena);
        if (cell.data == NULL) {
            fail_msg("%s is NULL, should be %s", name, json_object_get_string(value));
            return;
        }
        assert_text(name, cell, value);
    }
    for (uint32_t i = 0; i < result->row.count; i++) {
        const struct cell *cell = &result->row.cells[i];
        struct view column = table_plan_column(plan, cell->column)->name;
        char key[80];
        (void)snprintf(key, sizeof(key), "%.*s", VIEW_ARG(column));
        if (member(row, key) == NULL) {
            struct view text = fixture_cell(&result->row, plan, key, &arena);
            fail_msg("%s is %.*s, should be NULL", key, VIEW_ARG(text));
        }
        assert_true(i == 0 || cell->column > result->row.cells[i - 1].column);
    }
    assert_text("message_id of the row", result->row.message_id,
                member(row, "message_id"));
    arena_release(&arena);
}

static void check_added(const struct table_plan *plan, struct json_object *expect)
{
    struct json_object *added = member(expect, "added");
    struct json_object *comments = member(expect, "comments");
    int count = 0;
    for (size_t i = 0; i < table_plan_added(plan); i++) {
        const struct planned_column *c = table_plan_added_at(plan, i);
        if (c->origin == COLUMN_FIXED) {
            continue;
        }
        char name[80];
        (void)snprintf(name, sizeof(name), "%.*s", VIEW_ARG(c->column.name));
        count++;
        if (member(added, name) == NULL) {
            fail_msg("%s is added and should not be", name);
        }
        assert_text(name, view_cstr(fixture_type_name(c->column.type)),
                    member(added, name));
        if (comments != NULL && member(comments, name) != NULL) {
            assert_text("the comment", c->path, member(comments, name));
        }
    }
    assert_int_equal(count, json_object_object_length(added));
}

static void check_rejected(const struct map_rejected *r, bool into_control_schema,
                           struct json_object *expect)
{
    struct view word = view_cstr(reject_reason_text(r->word));
    assert_text("reason", word, member(expect, "reason"));
    assert_true(view_starts_with(r->reason, word));
    struct view rest = view_skip(r->reason, word.len);
    assert_true(rest.len == 0 || view_starts_with(rest, view_cstr(": ")));
    if (member(expect, "detail") != NULL) {
        assert_text("detail", view_skip(rest, 2), member(expect, "detail"));
    }
    assert_text_if_given("record", r->record, member(expect, "record"));
    assert_text_if_given("message_id", r->message_id, member(expect, "message_id"));
    assert_text_if_given("user_id", r->user_id, member(expect, "user_id"));
    assert_text_if_given("schema",
                         view_cstr(into_control_schema ? "backstitch" : "stitch_segment"),
                         member(expect, "schema"));
}

static void check_deletion(const struct map_result *result, struct json_object *expect)
{
    assert_int_equal(result->outcome, MAP_DELETION);
    assert_text("message_id", result->deletion.message_id, member(expect, "message_id"));
    assert_text("user_id", result->deletion.user_id, member(expect, "user_id"));
    char at[TIMESTAMP_TEXT_BYTES];
    size_t len = timestamp_format(result->deletion.requested_at_ms * 1000, at);
    assert_text("requested_at", view_of(at, len), member(expect, "requested_at"));
}

/* Maps as the batch does: headers that cannot be read never reach the mapping. Returns
 * whether the row would go to the control schema. */
static bool map_record(struct mapper *m, const struct record *record, bool is_valid,
                       struct table_plan *plan, struct arena *arena,
                       struct map_result *out)
{
    bool has_schema = schema_name_is_valid(record->schema);
    if (is_valid && has_schema) {
        map_event(m, record, plan, MAP_NORMAL, arena, out);
        return false;
    }
    memset(out, 0, sizeof(*out));
    out->outcome = MAP_REJECTED;
    map_event_reject(m, record, REJECT_INVALID_RECORD, view_cstr("headers"), arena,
                     &out->rejected);
    return !has_schema;
}

struct step {
    struct record record;
    bool is_valid;
    struct table_plan *plan;
    struct json_object *expect;
};

static void check_step(const struct step *s, struct mapper *m, struct buf *described)
{
    struct arena arena;
    arena_init(&arena);
    struct map_result result;
    bool into_control = map_record(m, &s->record, s->is_valid, s->plan, &arena, &result);
    fixture_describe(&result, s->plan, described);
    if (member(s->expect, "row") != NULL) {
        check_row(&result, s->plan, s->expect);
        check_added(s->plan, s->expect);
    } else if (member(s->expect, "rejected") != NULL) {
        assert_int_equal(result.outcome, MAP_REJECTED);
        check_rejected(&result.rejected, into_control, member(s->expect, "rejected"));
    } else if (member(s->expect, "deletion") != NULL) {
        check_deletion(&result, member(s->expect, "deletion"));
    } else {
        assert_non_null(member(s->expect, "suppressed"));
        assert_int_equal(result.outcome, MAP_SUPPRESSED);
    }
    arena_release(&arena);
}

/* Runs a step on *t, which becomes what the table is after it. */
static void run_step(struct json_object *entry, const struct options *o,
                     const struct table **t, enum event_type type)
{
    struct arena arena;
    arena_init(&arena);
    struct record_header headers[RECORD_HEADERS_MAX];
    struct buf packed = { 0 };
    size_t count = read_headers(member(entry, "headers"), &packed, headers);
    struct error err;
    struct step s = { .expect = member(entry, "expect") };
    s.is_valid = record_decode_headers(headers, count, &s.record, &err);
    s.record.topic = type;
    s.record.value = event_bytes(entry, &arena);

    struct mapping_options options = { o->ignore_paths, o->integration_names };
    struct mapper *fresh = mapper_new(&options);
    struct buf first;
    struct buf second;
    buf_init(&first, 0);
    buf_init(&second, 0);
    s.plan = table_plan_new(*t, o->max_columns);
    struct table_plan *other = s.plan;
    check_step(&s, fresh, &first);
    s.plan = table_plan_new(*t, o->max_columns);
    check_step(&s, o->are_default ? seasoned : fresh, &second);
    assert_true(view_equal(buf_view(&first), buf_view(&second)));

    const struct table *after = fixture_table_after(other);
    table_unref(*t);
    *t = after;
    table_plan_free(other);
    table_plan_free(s.plan);
    buf_release(&first);
    buf_release(&second);
    buf_release(&packed);
    mapper_free(fresh);
    arena_release(&arena);
}

static enum event_type topic_of(struct json_object *step)
{
    enum event_type type = EVENT_TRACK;
    struct json_object *topic = member(step, "topic");
    if (topic != NULL && view_equal_cstr(text_of(topic), "rejected")) {
        return EVENT_REJECTED;
    }
    assert_true(topic == NULL || event_type_parse(text_of(topic), &type));
    return type;
}

static void run_case(void **state)
{
    struct json_object *entry = *state;
    struct options o = read_options(member(entry, "options"));
    const struct table *tables[EVENT_TYPES];
    for (unsigned i = 0; i < EVENT_TYPES; i++) {
        tables[i] = fixture_table((enum event_type)i, NULL, 0, false);
    }
    struct json_object *steps = member(entry, "steps");
    for (size_t i = 0; i < json_object_array_length(steps); i++) {
        struct json_object *step = json_object_array_get_idx(steps, i);
        enum event_type type = topic_of(step);
        if (member(step, "columns") != NULL) {
            tables[type] = with_columns(tables[type], type, member(step, "columns"));
        }
        run_step(step, &o, &tables[type], type);
    }
    for (unsigned i = 0; i < EVENT_TYPES; i++) {
        table_unref(tables[i]);
    }
}

static int is_case_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".json") == 0;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : TEST_DATA_DIR "/mapping";
    static struct CMUnitTest tests[MAX_CASES];
    struct json_object *files[MAX_FILES];
    struct dirent **names;
    size_t count = 0;
    int file_count = scandir(folder, &names, is_case_file, alphasort);
    if (file_count <= 0 || file_count > MAX_FILES) {
        (void)fprintf(stderr, "no cases in %s\n", folder);
        return 1;
    }
    for (int f = 0; f < file_count; f++) {
        char path[1024];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[f]->d_name);
        files[f] = json_object_from_file(path);
        if (files[f] == NULL) {
            (void)fprintf(stderr, "%s: %s\n", path, json_util_get_last_err());
            return 1;
        }
        for (size_t i = 0; i < json_object_array_length(files[f]) && count < MAX_CASES;
             i++) {
            struct json_object *entry = json_object_array_get_idx(files[f], i);
            tests[count].name = json_object_get_string(member(entry, "name"));
            tests[count].test_func = run_case;
            tests[count++].initial_state = entry;
        }
        free(names[f]);
    }
    free(names);
    const struct options o = read_options(NULL);
    struct mapping_options options = { o.ignore_paths, o.integration_names };
    seasoned = mapper_new(&options);
    int failed = _cmocka_run_group_tests("mapping cases", tests, count, NULL, NULL);
    mapper_free(seasoned);
    for (int f = 0; f < file_count; f++) {
        json_object_put(files[f]);
    }
    return failed;
}
