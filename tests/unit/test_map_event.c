/* The mapping as a whole, beyond the cases of tests/data/mapping: limits, tables of
 * somebody else's, paths that look alike, hostile records. */
#include "loader/mapping/map_event.h"

#include "tests/support/mapping_bed.h"
#include "tests/support/mapping_fixture.h"

#include "common/contract/json_doc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- limits ---- */

static void what_has_no_room_goes_to_the_extra_column_and_is_counted(void **state)
{
    struct mapping_bed *f = *state;
    bed_open_table(f, fixture_table(EVENT_TRACK, NULL, 0, false), 17);
    bed_map_properties(f, "{\"a\":1,\"b\":{\"c\":\"x\"},\"d\":[2]}");
    bed_assert_cell(f, "properties__a", "1");
    bed_assert_cell(f, "_sdc_extra", "{\"properties.b.c\":\"x\",\"properties.d\":[2]}");
    assert_int_equal(f->result.overflowed, 2);
    assert_int_equal(bed_natural_columns(f->plan), 1);
}

static void a_frozen_table_gets_twins_but_no_column(void **state)
{
    struct mapping_bed *f = *state;
    const struct column columns[] = {
        fixture_column(view_cstr("properties__a"), view_cstr("numeric")),
    };
    bed_open_taken_over(f, columns, 1, TABLE_FROZEN);
    bed_map_properties(f, "{\"a\":\"x\",\"b\":1}");
    bed_assert_cell(f, "properties__a", NULL);
    bed_assert_cell(f, "properties__a__st", "x");
    bed_assert_cell(f, "_sdc_extra", "{\"properties.b\":1}");
    assert_int_equal(f->result.overflowed, 1);
}

static void a_closed_table_gets_neither(void **state)
{
    struct mapping_bed *f = *state;
    const struct column columns[] = {
        fixture_column(view_cstr("properties__a"), view_cstr("numeric")),
    };
    bed_open_taken_over(f, columns, 1, 800);
    struct table *closed = table_closed(f->table);
    bed_open_table(f, closed, 800);
    bed_map_properties(f, "{\"a\":\"x\",\"b\":1}");
    bed_assert_cell(f, "_sdc_extra", "{\"properties.a\":\"x\",\"properties.b\":1}");
    assert_int_equal(f->result.overflowed, 2);
}

/* The column is there for a while, and then gone: in both states its values go to
 * _sdc_extra, without a twin, and are not counted as overflow. */
static void what_was_demoted_goes_to_the_extra_column(void **state)
{
    static const struct view demoted[] = { VIEW_LITERAL("properties__a"),
                                           VIEW_LITERAL("properties__gone") };
    struct mapping_bed *f = *state;
    const struct column columns[] = {
        fixture_column(view_cstr("message_id"), view_cstr("text")),
        fixture_column(view_cstr("_sdc_extra"), view_cstr("jsonb")),
        fixture_column(view_cstr("properties__a"), view_cstr("numeric")),
        fixture_column(view_cstr("properties__a__st"), view_cstr("text")),
    };
    struct table_setup setup = { .schema = VIEW_LITERAL("s"),
                                 .name = VIEW_LITERAL("track"),
                                 .columns = columns,
                                 .column_count = 4,
                                 .demoted = demoted,
                                 .demoted_count = 2,
                                 .exists = true,
                                 .growth_left = SIZE_MAX };
    bed_open_table(f, table_new(&setup), 800);
    bed_map_properties(f, "{\"a\":1,\"gone\":\"x\",\"b\":true}");
    bed_assert_cell(f, "properties__a", NULL);
    bed_assert_cell(f, "properties__b", "t");
    bed_assert_cell(f, "_sdc_extra", "{\"properties.a\":1,\"properties.gone\":\"x\"}");
    assert_int_equal(f->result.demoted, 2);
    assert_int_equal(f->result.overflowed, 0);
    assert_int_equal(bed_natural_columns(f->plan), 1);
}

static void a_narrow_row_keeps_fixed_and_long_values_only(void **state)
{
    struct mapping_bed *f = *state;
    char event[400];
    (void)snprintf(
        event, sizeof(event),
        "{\"type\":\"track\",\"messageId\":\"m1\",\"userId\":\"u\",\"timestamp\":\"x\","
        "\"properties\":{\"short\":\"y\",\"n\":5,\"t\":true,\"long\":\"%s\"}}",
        "0123456789012345678901234567890123456789012345678901234567890123456789");
    struct record r = fixture_record(EVENT_TRACK, view_cstr(event));
    bed_map_record(f, &r, MAP_NARROW);
    assert_int_equal(f->result.outcome, MAP_ROW);
    bed_assert_cell(f, "user_id", "u");
    bed_assert_cell(f, "timestamp__st", "x");
    bed_assert_cell(f, "properties__short", NULL);
    assert_true(
        fixture_cell(&f->result.row, f->plan, "properties__long", &f->arena).len == 70);
    bed_assert_cell(
        f, "_sdc_extra",
        "{\"properties.short\":\"y\",\"properties.n\":5,\"properties.t\":true}");
    assert_int_equal(bed_natural_columns(f->plan), 1);
}

static void a_narrow_row_never_has_more_values_than_a_page_holds(void **state)
{
    struct mapping_bed *f = *state;
    struct buf event;
    buf_init(&event, 0);
    buf_add_cstr(&event, "{\"type\":\"track\",\"messageId\":\"m1\",\"properties\":{");
    for (int i = 0; i < 500; i++) {
        buf_printf(&event, "%s\"k%d\":\"%0100d\"", i == 0 ? "" : ",", i, i);
    }
    buf_add_cstr(&event, "}}");
    struct record r = fixture_record(EVENT_TRACK, buf_view(&event));
    bed_map_record(f, &r, MAP_NARROW);
    assert_int_equal(f->result.outcome, MAP_ROW);
    assert_int_equal(bed_natural_columns(f->plan), 200);
    assert_int_equal(f->result.overflowed, 300);
    buf_release(&event);
}

/* ---- tables of somebody else's ---- */

static void fixed_columns_of_other_types_take_what_converts(void **state)
{
    struct mapping_bed *f = *state;
    static const struct {
        const char *name;
        const char *type;
    } stitch[] = {
        { "message_id", "varchar(200)" },
        { "version", "bigint" },
        { "timestamp", "text" },
        { "sent_at", "timestamp" },
        { "original_timestamp", "bigint" },
        { "received_at", "jsonb" },
        { "_sdc_received_at", "timestamp" },
        { "_sdc_sequence", "numeric" },
        { "_sdc_table_version", "text" },
        { "_sdc_extra", "text" },
    };
    struct column columns[10];
    for (size_t i = 0; i < 10; i++) {
        columns[i] = fixture_column(view_cstr(stitch[i].name), view_cstr(stitch[i].type));
    }
    bed_open_taken_over(f, columns, 10, 800);
    struct record r = fixture_record(
        EVENT_TRACK,
        view_cstr(
            "{\"type\":\"track\",\"messageId\":\"m1\",\"version\":\"1.1\","
            "\"timestamp\":\"2026-12-04T09:00:00.1234567+00:00\","
            "\"sentAt\":\"2026-12-04T09:00:01Z\",\"receivedAt\":\"2026-12-04T09:00:02Z\","
            "\"a\":1,\"A\":2}"));
    bed_map_record(f, &r, MAP_NORMAL);
    assert_int_equal(f->result.outcome, MAP_ROW);
    bed_assert_cell(f, "message_id", "m1");
    bed_assert_cell(f, "version", NULL);
    bed_assert_cell(f, "version__st", "1.1");
    bed_assert_cell(f, "timestamp",
                    "2026-12-04T09:00:00.1234567+00:00"); /* text: as sent */
    bed_assert_cell(f, "sent_at", "2026-12-04 09:00:01");
    bed_assert_cell(f, "received_at", "\"2026-12-04T09:00:02Z\"");
    bed_assert_cell(f, "_sdc_received_at", "2026-12-04 10:00:05");
    bed_assert_cell(f, "_sdc_sequence", "1796378405000000007");
    bed_assert_cell(f, "_sdc_table_version", "1");
    bed_assert_cell(f, "_sdc_extra", "{\"A\":2}");

    r.via = VIA_API;
    bed_map_record(f, &r, MAP_NORMAL);
    bed_assert_cell(f, "timestamp", "2026-12-04T10:00:04.123456Z"); /* text of ours */
    bed_assert_cell(f, "original_timestamp", NULL);
    bed_assert_cell(f, "original_timestamp__st", "2026-12-04T09:00:00.1234567+00:00");
}

static void times_that_would_lose_digits_go_to_the_twin_of_a_natural_column(void **state)
{
    struct mapping_bed *f = *state;
    const struct column columns[] = {
        fixture_column(view_cstr("properties__a"), view_cstr("timestamptz")),
    };
    bed_open_taken_over(f, columns, 1, 800);
    bed_map_properties(f, "{\"a\":\"2026-12-04T09:00:00.1234560Z\"}");
    bed_assert_cell(f, "properties__a", "2026-12-04 09:00:00.123456+00");
    bed_map_properties(f, "{\"a\":\"2026-12-04T09:00:00.1234567Z\"}");
    bed_assert_cell(f, "properties__a", NULL);
    bed_assert_cell(f, "properties__a__st", "2026-12-04T09:00:00.1234567Z");
}

static void generated_columns_are_never_filled(void **state)
{
    struct mapping_bed *f = *state;
    struct column columns[] = {
        fixture_column(view_cstr("properties__a"), view_cstr("text")),
        fixture_column(view_cstr("_sdc_received_at"), view_cstr("timestamptz")),
        fixture_column(view_cstr("properties__b"), view_cstr("numeric")),
        fixture_column(view_cstr("properties__b__st"), view_cstr("text")),
    };
    columns[0].is_generated = true;
    columns[1].is_generated = true;
    columns[3].is_generated = true;
    bed_open_taken_over(f, columns, 4, 800);
    bed_map_properties(f, "{\"a\":\"x\",\"b\":\"y\"}");
    bed_assert_cell(f, "properties__a", NULL);
    bed_assert_cell(f, "properties__a__st", "x");
    bed_assert_cell(f, "properties__b__st", NULL);
    bed_assert_cell(f, "_sdc_extra", "{\"properties.b\":\"y\"}");
    bed_assert_cell(f, "_sdc_received_at", NULL);
    bed_assert_cell(f, "_sdc_received_at__st", "2026-12-04T10:00:05Z");
}

static void an_event_whose_extra_values_have_no_place_is_rejected_not_loaded(void **state)
{
    struct mapping_bed *f = *state;
    const struct column columns[] = {
        fixture_column(view_cstr("_sdc_extra"), view_cstr("integer")),
        fixture_column(view_cstr("_sdc_extra__st"), view_cstr("integer")),
    };
    bed_open_taken_over(f, columns, 2, 800);
    bed_map_properties(f, "{\"a\":1}"); /* nothing extra: a row */
    bed_map_text(f,
                 view_cstr("{\"type\":\"track\",\"messageId\":\"m1\",\"a\":1,\"A\":2}"));
    bed_assert_rejected(
        f, "refused by database: _sdc_extra has a type that cannot hold values");
}

/* ---- paths that look alike ---- */

static unsigned members_of_extra(struct mapping_bed *f)
{
    struct json_doc doc;
    struct json_fault fault;
    const struct json_limits limits = { JSON_MAX_DEPTH, JSON_MAX_KEYS, 1 };
    unsigned count = 0;
    memset(&doc, 0, sizeof(doc));
    struct view extra = fixture_cell(&f->result.row, f->plan, "_sdc_extra", &f->arena);
    assert_true(extra.len > 0 && json_doc_scan(&doc, extra, &limits, &fault));
    for (const struct json_node *n = json_doc_first(&doc, &doc.nodes[0]); n != NULL;
         n = json_doc_next(&doc, &doc.nodes[0], n)) {
        assert_int_equal(n->flags & JSON_IS_SHADOWED, 0);
        count++;
    }
    json_doc_release(&doc);
    return count;
}

static void no_two_paths_meet_in_the_extra_column(void **state)
{
    struct mapping_bed *f = *state;
    bed_open_table(f, fixture_table(EVENT_TRACK, NULL, 0, false), 0);
    bed_map_properties(
        f, "{\"a\\u0000\":1,\"a\\ufffd\":2,\"a\\ufffd\\ufffd\":3,\"a\\u0000\\u0000\":4,"
           "\"b.c\":5,\"b\\\\\":{\"c\":6},\"b\":{\"c\":7},\"\":{\"\":8},\".\":9}");
    assert_int_equal(members_of_extra(f), 9);
}

static void a_long_key_above_many_others_does_not_multiply_the_event(void **state)
{
    struct mapping_bed *f = *state;
    struct buf event;
    buf_init(&event, 0);
    buf_add_cstr(&event, "{\"type\":\"track\",\"messageId\":\"m1\",\"");
    for (int i = 0; i < 100000; i++) {
        buf_add_char(&event, 'k');
    }
    buf_add_cstr(&event, "\":{");
    for (int i = 0; i < 5000; i++) {
        buf_printf(&event, "%s\"%d\":%d", i == 0 ? "" : ",", i, i);
    }
    buf_add_cstr(&event, "}}");
    bed_map_text(f, buf_view(&event));
    assert_int_equal(f->result.outcome, MAP_ROW);
    assert_int_equal(f->result.overflowed, 5000 - (800 - 16));
    assert_int_equal(members_of_extra(f), 5000 - (800 - 16));
    assert_true(fixture_cell(&f->result.row, f->plan, "_sdc_extra", &f->arena).len <
                (size_t)5000 * 1100);
    assert_true(f->arena.total < (size_t)20 * 1024 * 1024);
    buf_release(&event);
}

/* ---- records that ingest did not write ---- */

static void impossible_headers_are_rejected(void **state)
{
    struct mapping_bed *f = *state;
    struct view event = view_cstr("{\"type\":\"track\",\"messageId\":\"m1\"}");
    struct record r = fixture_record(EVENT_TRACK, event);
    r.received_at_ms = INT64_MAX;
    bed_map_record(f, &r, MAP_NORMAL);
    bed_assert_rejected(f, "invalid record: received-at is out of range");
    r.received_at_ms = -1;
    bed_map_record(f, &r, MAP_NORMAL);
    bed_assert_rejected(f, "invalid record: received-at is out of range");

    r = fixture_record(EVENT_TRACK, event);
    r.context = view_cstr("{\"a\":}");
    bed_map_record(f, &r, MAP_NORMAL);
    assert_int_equal(f->result.rejected.word, REJECT_INVALID_RECORD);
    assert_true(view_starts_with(f->result.rejected.reason,
                                 view_cstr("invalid record: context at byte 5")));
    r.context = view_of(NULL, 0);
    r.integrations = view_cstr("nope");
    bed_map_record(f, &r, MAP_NORMAL);
    assert_int_equal(f->result.rejected.word, REJECT_INVALID_RECORD);

    r = fixture_record(EVENT_TRACK, event);
    r.sent_at = view_cstr("\xff");
    bed_map_record(f, &r, MAP_NORMAL);
    bed_assert_rejected(f, "invalid record: sent-at or ip is no text");

    r = fixture_record(EVENT_PAGE, event);
    bed_map_record(f, &r, MAP_NORMAL);
    bed_assert_rejected(f, "invalid record: the event's type is not its topic's");
    assert_true(view_equal_cstr(f->result.rejected.table_name, "page"));
    assert_int_equal(table_plan_added(f->plan), 0);
}

static void what_does_not_parse_says_where(void **state)
{
    struct mapping_bed *f = *state;
    bed_map_text(f, view_cstr("{\"type\":\"track\",}"));
    assert_int_equal(f->result.outcome, MAP_REJECTED);
    assert_int_equal(f->result.rejected.word, REJECT_NOT_JSON);
    assert_true(
        view_starts_with(f->result.rejected.reason, view_cstr("not json: at byte 16: ")));
    assert_true(view_equal_cstr(f->result.rejected.table_name, "track"));
    assert_int_equal(f->result.rejected.user_id.len, 0);
    assert_int_equal(table_plan_added(f->plan), 0);
}

static void suppressed_and_rejected_events_add_no_columns(void **state)
{
    struct mapping_bed *f = *state;
    struct record r = fixture_record(
        EVENT_TRACK,
        view_cstr("{\"type\":\"track\",\"integrations\":{\"All\":false},\"new\":1}"));
    r.via = VIA_API;
    bed_map_record(f, &r, MAP_NORMAL);
    assert_int_equal(f->result.outcome, MAP_SUPPRESSED);
    bed_map_text(f, view_cstr("{\"type\":\"other\",\"new\":1}"));
    bed_assert_rejected(f, "unknown event type");
    assert_int_equal(table_plan_added(f->plan), 0);
}

/* ---- counts ---- */

static void replaced_characters_are_counted_by_value(void **state)
{
    struct mapping_bed *f = *state;
    bed_map_properties(
        f,
        "{\"a\":\"x\\u0000\\u0000\",\"b\":[\"\\ud800\"],\"c\":\"ok\",\"C\":\"\\u0000\"}");
    assert_int_equal(f->result.sanitized, 3);
    const struct column columns[] = {
        fixture_column(view_cstr("properties__b"), view_cstr("text")),
    };
    bed_open_taken_over(f, columns, 1, 800);
    bed_map_properties(f, "{\"b\":[\"\\ud800\"]}");
    bed_assert_cell(f, "properties__b",
                    "[\"\\ud800\"]"); /* as text it is storable as it is */
    assert_int_equal(f->result.sanitized, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_has_no_room_goes_to_the_extra_column_and_is_counted),
        TEST(a_frozen_table_gets_twins_but_no_column),
        TEST(a_closed_table_gets_neither),
        TEST(what_was_demoted_goes_to_the_extra_column),
        TEST(a_narrow_row_keeps_fixed_and_long_values_only),
        TEST(a_narrow_row_never_has_more_values_than_a_page_holds),
        TEST(fixed_columns_of_other_types_take_what_converts),
        TEST(times_that_would_lose_digits_go_to_the_twin_of_a_natural_column),
        TEST(generated_columns_are_never_filled),
        TEST(an_event_whose_extra_values_have_no_place_is_rejected_not_loaded),
        TEST(no_two_paths_meet_in_the_extra_column),
        TEST(a_long_key_above_many_others_does_not_multiply_the_event),
        TEST(impossible_headers_are_rejected),
        TEST(what_does_not_parse_says_where),
        TEST(suppressed_and_rejected_events_add_no_columns),
        TEST(replaced_characters_are_counted_by_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
