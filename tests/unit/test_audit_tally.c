/* What an audit counts: ids once, copies beside them, fates by table and day. */
#include "loader/load/audit_tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define DAY_MS INT64_C(86400000)
#define MANY 20000

static bool meet(struct audit_tally *t, const char *table, int64_t at, const char *id)
{
    return audit_tally_meet(t, view_cstr("shop"), view_cstr(table), at, view_cstr(id));
}

static void an_id_is_new_once_in_each_table(void **state)
{
    (void)state;
    struct audit_tally t = { .row_count = 0 };
    assert_true(meet(&t, "track", 0, "a"));
    assert_false(meet(&t, "track", DAY_MS, "a"));
    assert_true(meet(&t, "page", 0, "a"));
    assert_true(meet(&t, "track", 0, "b"));
    assert_int_equal(t.records, 4);
    assert_int_equal(t.id_count, 3);
    audit_tally_release(&t);
}

static void many_ids_are_told_apart(void **state)
{
    (void)state;
    struct audit_tally t = { .row_count = 0 };
    char id[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            snprintf(id, sizeof id, "id %d", i);
            assert_int_equal(meet(&t, "track", 0, id), round == 0);
        }
    }
    assert_int_equal(t.id_count, MANY);
    assert_int_equal(t.rows[0].copies, MANY);
    audit_tally_release(&t);
}

/* Growing holds the set twice: what is expected has its room from the start, also at the
 * powers of two, and what is beyond that still has some. */
static void what_is_expected_does_not_grow(void **state)
{
    (void)state;
    static const unsigned expected[] = { 0, 1, 2730, 2731, 5461, MANY };
    char id[32];
    for (size_t e = 0; e < sizeof expected / sizeof expected[0]; e++) {
        struct audit_tally t = { .row_count = 0 };
        audit_tally_expect(&t, expected[e]);
        size_t room = t.id_capacity;
        for (unsigned i = 0; i < expected[e]; i++) {
            snprintf(id, sizeof id, "id %u", i);
            assert_true(meet(&t, "track", 0, id));
        }
        assert_int_equal(t.id_capacity, room);
        for (unsigned i = 0; i <= room; i++) {
            snprintf(id, sizeof id, "beyond %u", i);
            assert_true(meet(&t, "track", 0, id));
        }
        assert_int_equal(t.id_count, expected[e] + room + 1);
        audit_tally_release(&t);
    }
}

static void fates_are_counted_by_table_and_day(void **state)
{
    (void)state;
    struct audit_tally t = { .row_count = 0 };
    struct view shop = view_cstr("shop");
    audit_tally_note(&t, shop, view_cstr("track"), DAY_MS, AUDIT_LOADED);
    audit_tally_note(&t, shop, view_cstr("track"), DAY_MS - 1, AUDIT_MISSING);
    audit_tally_note(&t, shop, view_cstr("page"), 2 * DAY_MS - 1, AUDIT_LOADED);
    audit_tally_note(&t, shop, view_cstr("track"), DAY_MS + 1, AUDIT_LOADED);
    audit_tally_sort(&t);
    assert_int_equal(t.row_count, 3);
    assert_string_equal(t.rows[0].table, "shop.page");
    assert_string_equal(t.rows[1].table, "shop.track");
    assert_int_equal(t.rows[1].day, 0);
    assert_int_equal(t.rows[1].fates[AUDIT_MISSING], 1);
    assert_int_equal(t.rows[2].fates[AUDIT_LOADED], 2);
    assert_int_equal(audit_tally_sum(&t, AUDIT_LOADED), 3);
    assert_int_equal(audit_tally_sum(&t, AUDIT_MISSING), 1);
    audit_tally_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_new_once_in_each_table),
        cmocka_unit_test(many_ids_are_told_apart),
        cmocka_unit_test(what_is_expected_does_not_grow),
        cmocka_unit_test(fates_are_counted_by_table_and_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
