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

static struct batch_rejected rejected_at(int64_t offset)
{
    bool is_known = offset == 9;
    struct batch_rejected r = {
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

static struct load_table load_table_of(const struct batch_table *rows, unsigned staging,
                                       uint32_t *columns, size_t count)
{
    struct load_table t = { .rows = rows,
                            .index = staging,
                            .table = table_plan_settled(rows->plan),
                            .staging = staging,
                            .columns = columns,
                            .column_count = count };
    return t;
}

/* The batch of which load_transaction.sql is the load. */
static void write_query(const struct load_sql *v, struct buf *sql)
{
    struct batch_interval intervals[] = { { "segment.page", 3, v->from, v->to },
                                          { "segment.track", 0, v->from, v->to } };
    struct batch_table tables[] = {
        { .plan = plan_of("page", page_columns, COUNT(page_columns), v->page_fingerprint),
          .row_count = v->page_rows,
          .bytes = 512 },
        { .plan =
              plan_of("track", track_columns, COUNT(track_columns), v->track_fingerprint),
          .row_count = v->track_rows,
          .bytes = 1024,
          .suppressed_integrations = 1 },
        { .plan = plan_of("screen", page_columns, COUNT(page_columns), "s"),
          .suppressed_integrations = 2 },
    };
    struct batch_rejected rejected[] = { rejected_at(7), rejected_at(9) };
    struct batch_deletion deletions[] = {
        { VIEW_LITERAL("shop"), { VIEW_LITERAL("d1"), VIEW_LITERAL("gone"), 5000 } }
    };
    struct batch batch = { .intervals = intervals,
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
    struct load_query query = { .batch = &batch,
                                .tables = loaded,
                                .table_count = COUNT(loaded),
                                .key = { v->group, "c1", v->owner },
                                .newest_wins = v->newest_wins };
    load_query_write(&query, sql);
    for (size_t i = 0; i < COUNT(tables); i++) {
        table_plan_free(tables[i].plan);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_oldest_rule_is_written_as_frozen),
        cmocka_unit_test(test_the_newest_rule_is_its_mirror),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
