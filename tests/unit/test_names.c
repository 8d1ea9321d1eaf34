/* names: what it prints is what the mapping does. */
#include "loader/commands/commands.h"
#include "loader/commands/options.h"
#include "loader/mapping/column_name.h"

#include "tests/support/capture.h"
#include "tests/support/contains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LONG_KEY "a_key_whose_name_is_so_long_that_two_of_them_do_not_fit"

struct names_call {
    const char *path;
    bool json;
};

static int call_names(const void *context)
{
    const struct names_call *c = context;
    char path[256];
    char *args[] = { path, NULL };
    snprintf(path, sizeof path, "%s", c->path);
    const struct loader_options options = { .ignore_paths = "integrations,a.b" };
    const struct command_call call = {
        .config = &options, .args = args, .arg_count = 1, .json = c->json
    };
    return command_names(&call);
}

static void assert_prints(const char *path, bool json, const char *expected)
{
    struct capture c;
    capture_run(call_names, &(struct names_call){ path, json }, &c);
    assert_int_equal(c.exit_code, EXIT_DONE);
    assert_string_equal(buf_cstr(&c.err), "");
    assert_contains(buf_cstr(&c.out), expected);
    capture_release(&c);
}

static void test_a_path_is_shown_as_typed_with_its_column(void **state)
{
    (void)state;
    assert_prints("properties.Order ID", false,
                  "properties.Order ID -> properties__order_id  (");
    assert_prints("a\\.b.c", false, "a\\.b.c -> a_b__c  (");
    assert_prints(
        "properties.Order ID", true,
        "[{\"path\":\"properties.Order ID\",\"column\":\"properties__order_id\"");
}

static void test_an_ignored_path_has_no_column(void **state)
{
    (void)state;
    assert_prints("integrations", false, "integrations -> no column  (");
    assert_prints("integrations.All", true,
                  "[{\"path\":\"integrations.All\",\"column\":null,");
    assert_prints("a.b", false, "a.b -> no column");
    assert_prints("a.bc", false, "a.bc -> a__bc");
    assert_prints("a", false, "a -> a");
}

/* The mark at the end of a cut name is made from the whole dotted path. */
static void test_a_cut_name_has_the_mark_that_the_mapping_gives_it(void **state)
{
    (void)state;
    static const char path[] = LONG_KEY "." LONG_KEY;
    struct buf name = { 0 };
    column_name_add_segment(&name, view_cstr(LONG_KEY));
    buf_add_cstr(&name, COLUMN_NAME_JOIN);
    column_name_add_segment(&name, view_cstr(LONG_KEY));
    column_name_finish(&name, view_cstr(path));
    char expected[512];
    snprintf(expected, sizeof expected, "%s -> %s  (longer than 59 bytes", path,
             buf_cstr(&name));
    assert_prints(path, false, expected);
    buf_release(&name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_path_is_shown_as_typed_with_its_column),
        cmocka_unit_test(test_an_ignored_path_has_no_column),
        cmocka_unit_test(test_a_cut_name_has_the_mark_that_the_mapping_gives_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
