/* The text of the direct load is the one that is frozen in tests/component/sql. */
#include "loader/postgres/direct_query.h"

#include "tests/support/load_sql.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct column columns[] = {
    { .name = VIEW_LITERAL("message_id"), .type = COLUMN_TEXT },
    { .name = VIEW_LITERAL("type"), .type = COLUMN_TEXT },
    { .name = VIEW_LITERAL("user_id"), .type = COLUMN_TEXT },
    { .name = VIEW_LITERAL("_sdc_sequence"), .type = COLUMN_BIGINT },
    { .name = VIEW_LITERAL("_sdc_batched_at"), .type = COLUMN_TIMESTAMPTZ },
    { .name = VIEW_LITERAL("properties__n"), .type = COLUMN_NUMERIC },
};

static uint32_t page_copied[] = { 0, 1 };
static uint32_t track_copied[] = { 0, 2, 5 };

static struct row page_rows[] = {
    { .message_id = VIEW_LITERAL("p1"), .received_at_us = 8000000 },
    { .message_id = VIEW_LITERAL("p1"), .received_at_us = 7500000 },
};
static struct row track_rows[] = {
    { .message_id = VIEW_LITERAL("t'2"),
      .user_id = VIEW_LITERAL("u1"),
      .received_at_us = 9000000 },
    { .message_id = VIEW_LITERAL("t\\1"), .received_at_us = 9500000 },
    { .message_id = VIEW_LITERAL("t\"3"),
      .user_id = VIEW_LITERAL("o'reilly"),
      .received_at_us = 1000000 },
};

struct bed {
    struct table_plan *plans[2];
    struct sink_interval interval;
    struct sink_rows rows[2];
    struct sink_load load;
    struct load_table tables[2];
    struct load_query query;
    struct direct_table direct[2];
    struct direct_query q;
    struct load_table staged_table;
    struct load_query staged;
};

static struct table_plan *plan_of(const char *name)
{
    struct table_setup setup = { .schema = VIEW_LITERAL("shop"),
                                 .name = view_cstr(name),
                                 .columns = columns,
                                 .column_count = COUNT(columns),
                                 .fingerprint = VIEW_LITERAL("f"),
                                 .exists = true };
    struct table *table = table_new(&setup);
    struct table_plan *plan = table_plan_new(table, TABLE_MAX_COLUMNS);
    table_unref(table);
    return plan;
}

static struct sink_rows rows_of(const struct table_plan *plan, const struct row *rows,
                                size_t count)
{
    struct sink_rows r = {
        .plan = plan, .table = table_plan_base(plan), .rows = rows, .row_count = count
    };
    return r;
}

static int set_up(void **state)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    b->plans[0] = plan_of("page");
    b->plans[1] = plan_of("track");
    b->rows[0] = rows_of(b->plans[0], page_rows, COUNT(page_rows));
    b->rows[1] = rows_of(b->plans[1], track_rows, COUNT(track_rows));
    b->rows[0].bytes = 512;
    b->rows[0].suppressed_integrations = 3;
    b->rows[1].bytes = 1024;
    b->interval = (struct sink_interval){
        .topic = "segment.track", .partition = 0, .from = 4, .to = 9
    };
    b->load = (struct sink_load){ .intervals = &b->interval,
                                  .interval_count = 1,
                                  .tables = b->rows,
                                  .table_count = 2 };
    b->tables[0] = (struct load_table){ .rows = &b->rows[0],
                                        .columns = page_copied,
                                        .column_count = COUNT(page_copied) };
    b->tables[1] = (struct load_table){ .rows = &b->rows[1],
                                        .index = 1,
                                        .staging = 1,
                                        .columns = track_copied,
                                        .column_count = COUNT(track_copied) };
    b->query = (struct load_query){ .load = &b->load,
                                    .tables = b->tables,
                                    .table_count = 2,
                                    .key = { "g1", "c1", "host:1" } };
    for (size_t i = 0; i < 2; i++) {
        b->direct[i] = (struct direct_table){ .table = &b->tables[i], .is_direct = true };
        copies_init(&b->direct[i].copies, b->rows[i].rows, b->rows[i].row_count, false);
    }
    b->direct[1].asks_users = true;
    b->q = (struct direct_query){ .load = &b->query, .tables = b->direct };
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    for (size_t i = 0; i < 2; i++) {
        copies_release(&b->direct[i].copies);
        table_plan_free(b->plans[i]);
    }
    free(b);
    return 0;
}

/* The frozen text between two marks, with the parts that are the staged load's. */
static void read_frozen(const struct bed *b, const char *from, const char *to,
                        struct buf *out)
{
    struct buf text = { 0 };
    load_sql_read("direct_load.sql", &text);
    const char *at = strstr(buf_cstr(&text), from);
    const char *end = to == NULL ? NULL : strstr(at, to);
    struct view rest = view_of(at, end == NULL ? strlen(at) : (size_t)(end - at));
    while (rest.len > 0) {
        static const char *const names[] = { "{before_rows}", "{after_rows}",
                                             "{staged_rows}" };
        size_t found = 0;
        while (found < COUNT(names) && !view_starts_with(rest, view_cstr(names[found]))) {
            found++;
        }
        if (found == COUNT(names)) {
            buf_add(out, rest.data, 1);
            rest = view_skip(rest, 1);
            continue;
        }
        if (found == 0) {
            load_query_write_head(&b->query, out);
        } else if (found == 1) {
            load_query_write_tail(&b->query, out);
        } else {
            load_query_write_rows(&b->staged, &b->staged_table, out);
        }
        rest = view_skip(rest, strlen(names[found]));
    }
    buf_release(&text);
}

static void assert_frozen(const struct bed *b, struct buf *sent, const char *from,
                          const char *to)
{
    struct buf frozen = { 0 };
    struct buf expected = { 0 };
    struct buf actual = { 0 };
    read_frozen(b, from, to, &frozen);
    load_sql_normalise(buf_cstr(&frozen), &expected);
    load_sql_normalise(buf_cstr(sent), &actual);
    assert_string_equal(buf_cstr(&actual), buf_cstr(&expected));
    buf_release(&frozen);
    buf_release(&expected);
    buf_release(&actual);
}

static void test_the_head_is_written_as_frozen(void **state)
{
    struct bed *b = *state;
    struct buf sent = { 0 };
    direct_query_write_head(&b->q, &sent);
    assert_frozen(b, &sent, "-- ==== the head", "-- ==== the tail");
    buf_release(&sent);
}

/* Of "track" the row that was received first is staged: its age is not ours to tell. */
static void test_the_tail_is_written_as_frozen(void **state)
{
    struct bed *b = *state;
    struct buf sent = { 0 };
    struct sink_rows staged_rows = rows_of(b->plans[1], &track_rows[2], 1);
    b->staged_table = b->tables[1];
    b->staged_table.rows = &staged_rows;
    b->staged = b->query;
    b->staged.tables = &b->staged_table;
    b->staged.table_count = 1;
    b->q.now_us = 10000000;
    b->direct[0].rows_new = 1;
    b->direct[0].first_received_us = 7500000;
    b->direct[1].rows_new = 2;
    b->direct[1].first_received_us = 9000000;
    b->direct[1].copies.groups[0].fate = COPIES_STAGED; /* t"3 */
    direct_query_write_tail(&b->q, &b->staged, &sent);
    assert_frozen(b, &sent, "-- ==== the tail", NULL);
    buf_release(&sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_head_is_written_as_frozen, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_tail_is_written_as_frozen, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
