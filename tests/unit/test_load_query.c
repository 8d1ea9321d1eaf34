/* The text that the loader sends is the one that is frozen in tests/component/sql. */
#include "loader/postgres/load_query.h"

#include "tests/support/load_sql.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define TEXT(column)                                                                     \
    {                                                                                    \
        .name = VIEW_LITERAL(column), .type = COLUMN_TEXT                                \
    }
#define OTHER(column, column_type)                                                       \
    {                                                                                    \
        .name = VIEW_LITERAL(column), .type = (column_type)                              \
    }

/* As tests/component/sql/tables.sql. */
static const struct column page_columns[] = {
    TEXT("message_id"),
    TEXT("type"),
    TEXT("user_id"),
    TEXT("channel"),
    OTHER("received_at", COLUMN_TIMESTAMPTZ),
    OTHER("timestamp", COLUMN_TIMESTAMPTZ),
    TEXT("name"),
    OTHER("_sdc_received_at", COLUMN_TIMESTAMPTZ),
    OTHER("_sdc_batched_at", COLUMN_TIMESTAMPTZ),
    OTHER("_sdc_sequence", COLUMN_BIGINT),
    OTHER("_sdc_table_version", COLUMN_BIGINT),
    OTHER("_sdc_extra", COLUMN_JSONB),
};

static const struct column track_columns[] = {
    TEXT("message_id"),
    TEXT("type"),
    TEXT("user_id"),
    TEXT("channel"),
    OTHER("received_at", COLUMN_TIMESTAMPTZ),
    OTHER("timestamp", COLUMN_TIMESTAMPTZ),
    TEXT("event"),
    OTHER("_sdc_received_at", COLUMN_TIMESTAMPTZ),
    OTHER("_sdc_batched_at", COLUMN_TIMESTAMPTZ),
    OTHER("_sdc_sequence", COLUMN_BIGINT),
    OTHER("_sdc_table_version", COLUMN_BIGINT),
    OTHER("_sdc_extra", COLUMN_JSONB),
    OTHER("properties__n", COLUMN_NUMERIC),
    TEXT("properties__s"),
    { .name = VIEW_LITERAL("reviewed"), .type = COLUMN_BOOLEAN, .has_default = true },
    { .name = VIEW_LITERAL("twice"),
      .type = COLUMN_NUMERIC,
      .is_generated = true,
      .has_default = true },
};

/* The columns that the batch's rows fill. */
static uint32_t page_copied[] = { 0, 1, 2, 5, 6, 7, 9, 10 };
static uint32_t track_copied[] = { 0, 1, 2, 4, 5, 6, 7, 9, 10, 12, 13 };

static struct table_plan *plan_of(const char *name, const struct column *columns,
                                  size_t count, const char *fingerprint)
{
    struct table_setup setup = { .schema = VIEW_LITERAL("shop"),
                                 .name = view_cstr(name),
                                 .columns = columns,
                                 .column_count = count,
                                 .fingerprint = view_cstr(fingerprint),
                                 .exists = true };
    struct table *table = table_new(&setup);
    struct table_plan *plan = table_plan_new(table, TABLE_MAX_COLUMNS);
    table_unref(table);
    return plan;
}

static struct sink_rejected rejected_at(int64_t offset)
{
    bool is_known = offset == 9;
    struct sink_rejected r = {
        .schema = VIEW_LITERAL("shop"),
        .rejected = { .record = VIEW_LITERAL("it's"),
                      .reason = VIEW_LITERAL("not json: x"),
                      .message_id = VIEW_LITERAL("r1"),
                      .user_id = view_cstr(is_known ? "u1" : ""),
                      .table_name = view_cstr(is_known ? "track" : "") },
        .topic = "segment.track",
        .offset = offset,
    };
    return r;
}

static struct load_table load_table_of(const struct sink_rows *rows, unsigned staging,
                                       uint32_t *columns, size_t count)
{
    struct load_table t = { .rows = rows,
                            .index = staging,
                            .staging = staging,
                            .columns = columns,
                            .column_count = count };
    return t;
}

/* The batch of which load_transaction.sql is the load. */
static void write_query(const struct load_sql *v, struct buf *sql)
{
    struct sink_interval intervals[] = {
        { .topic = "segment.page", .partition = 3, .from = v->from, .to = v->to },
        { .topic = "segment.track", .partition = 0, .from = v->from, .to = v->to },
    };
    struct table_plan *plans[] = {
        plan_of("page", page_columns, COUNT(page_columns), v->page_fingerprint),
        plan_of("track", track_columns, COUNT(track_columns), v->track_fingerprint),
        plan_of("screen", page_columns, COUNT(page_columns), "s"),
    };
    struct sink_rows tables[] = {
        { .plan = plans[0], .row_count = v->page_rows, .bytes = 512 },
        { .plan = plans[1],
          .row_count = v->track_rows,
          .bytes = 1024,
          .suppressed_integrations = 1 },
        { .plan = plans[2], .suppressed_integrations = 2 },
    };
    struct sink_rejected rejected[] = { rejected_at(7), rejected_at(9) };
    struct sink_deletion deletions[] = {
        { VIEW_LITERAL("shop"), { VIEW_LITERAL("d1"), VIEW_LITERAL("gone"), 5000 } }
    };
    for (size_t i = 0; i < COUNT(tables); i++) {
        tables[i].table = table_plan_base(tables[i].plan);
    }
    struct sink_hold holds[] = { { .range = { .topic = "segment.group",
                                              .partition = 3,
                                              .schema = "shop",
                                              .table = "group",
                                              .from = v->from,
                                              .to = v->to },
                                   .code = "42501",
                                   .reason = "it's closed" } };
    struct sink_tally tallies[] = { { .schema = VIEW_LITERAL("shop"),
                                      .table = VIEW_LITERAL("track"),
                                      .records = 6,
                                      .rejected = 2 },
                                    { .schema = VIEW_LITERAL("shop"),
                                      .table = VIEW_LITERAL("group"),
                                      .records = 5,
                                      .held = 5 } };
    struct sink_load load = { .holds = holds,
                              .hold_count = COUNT(holds),
                              .tallies = tallies,
                              .tally_count = COUNT(tallies),
                              .intervals = intervals,
                              .interval_count = COUNT(intervals),
                              .tables = tables,
                              .table_count = COUNT(tables),
                              .rejected = rejected,
                              .rejected_count = COUNT(rejected),
                              .deletions = deletions,
                              .deletion_count = COUNT(deletions) };
    struct load_table loaded[] = {
        load_table_of(&tables[0], 0, page_copied, COUNT(page_copied)),
        load_table_of(&tables[1], 1, track_copied, COUNT(track_copied)),
    };
    struct load_query query = { .load = &load,
                                .tables = loaded,
                                .table_count = COUNT(loaded),
                                .key = { v->group, "c1", v->owner },
                                .newest_wins = v->newest_wins };
    load_query_write(&query, sql);
    for (size_t i = 0; i < COUNT(tables); i++) {
        table_plan_free(plans[i]);
    }
}

static void assert_frozen(bool newest_wins)
{
    struct load_sql values = { .group = "g1",
                               .owner = "host:1",
                               .from = 4,
                               .to = 9,
                               .page_fingerprint = "p",
                               .track_fingerprint = "t",
                               .page_rows = 2,
                               .track_rows = 3,
                               .newest_wins = newest_wins };
    struct buf frozen = { 0 };
    struct buf sent = { 0 };
    struct buf expected = { 0 };
    struct buf actual = { 0 };
    load_sql_write(&values, &frozen);
    load_sql_normalise(buf_cstr(&frozen), &expected);
    write_query(&values, &sent);
    load_sql_normalise(buf_cstr(&sent), &actual);
    assert_string_equal(buf_cstr(&actual), buf_cstr(&expected));
    buf_release(&frozen);
    buf_release(&sent);
    buf_release(&expected);
    buf_release(&actual);
}

static void test_the_oldest_rule_is_written_as_frozen(void **state)
{
    (void)state;
    assert_frozen(false);
}

static void test_the_newest_rule_is_its_mirror(void **state)
{
    (void)state;
    assert_frozen(true);
}

/* The statement that fails says which table is at fault: the driver divides by it. */
static void test_each_statement_belongs_to_its_table(void **state)
{
    static const size_t expected[] = {
        SINK_NO_TABLE, /* advance */
        SINK_NO_TABLE, /* hold */
        SINK_NO_TABLE, /* the schema's lock */
        4,
        4,
        7,
        7,             /* LOCK, check_table of each */
        SINK_NO_TABLE, /* deletions */
        4,
        4,
        4,
        7,
        7,
        7,             /* TRUNCATE, COPY, INSERT of each */
        SINK_NO_TABLE, /* the count of what was withheld */
        3,             /* rejected[0]'s schema */
        5,             /* rejected[2]'s */
        SINK_NO_TABLE, /* what comes after */
    };
    struct table_plan *plan = plan_of("page", page_columns, COUNT(page_columns), "p");
    struct sink_rows rows = { .plan = plan, .table = table_plan_base(plan) };
    struct sink_rows all[] = { { .suppressed_integrations = 1 }, { 0 }, { 0 } };
    struct load_table tables[] = { { .rows = &rows, .index = 4 },
                                   { .rows = &rows, .index = 7 } };
    struct sink_rejected rejected[] = { { .schema = VIEW_LITERAL("a") },
                                        { .schema = VIEW_LITERAL("a") },
                                        { .schema = VIEW_LITERAL("b") } };
    struct sink_load load = { .hold_count = 1,
                              .deletion_count = 1,
                              .tables = all,
                              .table_count = COUNT(all),
                              .rejected = rejected,
                              .rejected_count = COUNT(rejected) };
    struct load_query query = { .load = &load, .tables = tables, .table_count = 2 };
    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_int_equal(load_query_table_of(&query, i), expected[i]);
    }
    table_plan_free(plan);
}

static void test_a_slice_moves_its_range_and_no_position(void **state)
{
    struct sink_range slice = { .topic = "segment.track",
                                .partition = 7,
                                .schema = "shop",
                                .table = "track",
                                .from = 5,
                                .to = 9 };
    struct sink_load load = { .slice = &slice, .lost = 2 };
    struct load_query query = { .load = &load, .key = { "g", "c1", "o" } };
    struct buf sql = { 0 };
    (void)state;
    load_query_write(&query, &sql);
    assert_string_equal(buf_cstr(&sql),
                        "SELECT backstitch.advance_held('g','c1','segment.track',7,"
                        "'shop','track',5,9,2);\n");
    buf_release(&sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_oldest_rule_is_written_as_frozen),
        cmocka_unit_test(test_the_newest_rule_is_its_mirror),
        cmocka_unit_test(test_each_statement_belongs_to_its_table),
        cmocka_unit_test(test_a_slice_moves_its_range_and_no_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
