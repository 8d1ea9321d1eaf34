/* What `check --schema` says of a column: by its name and type alone. */
#include "loader/commands/column_fate.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NAMED(text, column_type)                                                         \
    {                                                                                    \
        .name = VIEW_LITERAL(text), .type = (column_type), .max_chars = -1               \
    }

/* A table as Stitch may have left it. */
static const struct column columns[] = {
    NAMED("message_id", COLUMN_TEXT),
    NAMED("_sdc_sequence", COLUMN_BIGINT),
    NAMED("_sdc_level_0_id", COLUMN_BIGINT),
    NAMED("user_id", COLUMN_BIGINT),
    NAMED("properties__total", COLUMN_NUMERIC),
    NAMED("properties__total__st", COLUMN_TEXT),
    NAMED("properties__late__st", COLUMN_TEXT),
    NAMED("properties__quantity__bi", COLUMN_BIGINT),
    NAMED("properties__quantity__do", COLUMN_DOUBLE),
    NAMED("properties__score", COLUMN_BIGINT),
    NAMED("properties__score__do", COLUMN_DOUBLE),
    NAMED("properties__do", COLUMN_DOUBLE),
    NAMED("context__ip", COLUMN_TEXT),
    NAMED("Total", COLUMN_TEXT),
    NAMED("a____b", COLUMN_TEXT),
    NAMED("größe", COLUMN_TEXT),
    NAMED("odd", COLUMN_OTHER),
    NAMED("odd__st", COLUMN_VARCHAR),
};

static const struct {
    const char *name;
    enum column_role role;
    const char *fate;
} expected[] = {
    { "message_id", COLUMN_IS_KEY, "the key" },
    { "_sdc_sequence", COLUMN_IS_SYSTEM, "filled by the loader" },
    { "_sdc_level_0_id", COLUMN_IS_FOREIGN, "no path gives this name: NULL in new rows" },
    { "user_id", COLUMN_IS_FILLED,
      "takes whole numbers that fit (12.0 is 12); other values go to user_id__st (text, "
      "made when needed)" },
    { "properties__total", COLUMN_IS_FILLED,
      "takes any number, exactly; other values go to properties__total__st (text)" },
    { "properties__total__st", COLUMN_IS_TWIN,
      "takes, as text, what properties__total cannot hold" },
    { "properties__late__st", COLUMN_IS_TWIN,
      "takes, as text, what properties__late cannot hold" },
    { "properties__quantity__bi", COLUMN_IS_SPLIT,
      "Stitch's split of properties__quantity: keeps its values; new ones go to "
      "properties__quantity" },
    { "properties__quantity__do", COLUMN_IS_SPLIT, NULL },
    { "properties__score", COLUMN_IS_FILLED, NULL },
    { "properties__score__do", COLUMN_IS_SPLIT, NULL },
    { "properties__do", COLUMN_IS_FILLED, NULL },
    { "context__ip", COLUMN_IS_FILLED, "takes any value, as text" },
    { "Total", COLUMN_IS_FOREIGN, NULL },
    { "a____b", COLUMN_IS_FOREIGN, NULL },
    { "größe", COLUMN_IS_FILLED, NULL },
    { "odd", COLUMN_IS_FILLED,
      "takes nothing, since no value converts to its type for certain; values of its "
      "path "
      "go to _sdc_extra, since odd__st is not text" },
    { "odd__st", COLUMN_IS_TWIN,
      "kept as it is: it is not text, so what odd cannot hold goes to _sdc_extra" },
};

static struct table *new_table(const struct column *list, size_t count)
{
    struct table_setup setup = { .schema = VIEW_LITERAL("s"),
                                 .name = VIEW_LITERAL("track"),
                                 .columns = list,
                                 .column_count = count,
                                 .exists = true };
    return table_new(&setup);
}

static void test_each_column_has_its_fate(void **state)
{
    (void)state;
    struct table *t = new_table(columns, sizeof columns / sizeof columns[0]);
    assert_int_equal(sizeof expected / sizeof expected[0], table_column_count(t));
    for (size_t i = 0; i < table_column_count(t); i++) {
        struct buf fate = { 0 };
        assert_true(view_equal_cstr(table_column(t, i)->name, expected[i].name));
        if (column_fate_role(t, i) != expected[i].role) {
            fail_msg("%s is %d", expected[i].name, (int)column_fate_role(t, i));
        }
        column_fate_add(&fate, t, i);
        if (expected[i].fate != NULL) {
            assert_string_equal(buf_cstr(&fate), expected[i].fate);
        }
        assert_true(fate.len > 0);
        buf_release(&fate);
    }
    table_unref(t);
}

static void test_limits_are_said(void **state)
{
    static const struct column limited[] = {
        { .name = VIEW_LITERAL("message_id"), .type = COLUMN_VARCHAR, .max_chars = 36 },
        { .name = VIEW_LITERAL("sku"), .type = COLUMN_VARCHAR, .max_chars = 8 },
        { .name = VIEW_LITERAL("twice"),
          .type = COLUMN_NUMERIC,
          .max_chars = -1,
          .is_generated = true },
    };
    static const char *const fates[] = {
        "the key; events with ids of more than 36 characters are rejected",
        "takes any value of at most 8 characters, as text; other values go to sku__st "
        "(text, made when needed)",
        "generated: fills itself; values of its path go to twice__st (text, made when "
        "needed)",
    };
    (void)state;
    struct table *t = new_table(limited, 3);
    for (size_t i = 0; i < 3; i++) {
        struct buf fate = { 0 };
        column_fate_add(&fate, t, i);
        assert_string_equal(buf_cstr(&fate), fates[i]);
        buf_release(&fate);
    }
    table_unref(t);
}

/* Only what every row fills may be NOT NULL. */
static void test_rows_that_the_table_would_refuse(void **state)
{
    static const struct column filled[] = {
        { .name = VIEW_LITERAL("type"), .type = COLUMN_TEXT },
        { .name = VIEW_LITERAL("tenant"), .type = COLUMN_TEXT },
        { .name = VIEW_LITERAL("region"), .type = COLUMN_TEXT, .has_default = true },
    };
    (void)state;
    struct table *t = new_table(filled, 3);
    assert_false(column_fate_refuses_rows(t, 0, true));
    assert_true(column_fate_refuses_rows(t, 1, true));
    assert_false(column_fate_refuses_rows(t, 1, false));
    assert_false(column_fate_refuses_rows(t, 2, true));
    table_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_column_has_its_fate),
        cmocka_unit_test(test_limits_are_said),
        cmocka_unit_test(test_rows_that_the_table_would_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
