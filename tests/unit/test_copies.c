/* Copies of events in one load: one group an id, in the order of the primary key, the
 * copy that wins first; and what the database's rows make of each group. */
#include "loader/postgres/copies.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct row row_of(const char *id, int64_t sequence, const char *user)
{
    struct row row = { .message_id = view_cstr(id),
                       .sequence = sequence,
                       .user_id = view_cstr(user) };
    return row;
}

/* "a:1 b:3": each group's id with its winner's sequence. */
static const char *winners(const struct copies *c)
{
    static char text[256];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < c->group_count; i++) {
        const struct row *row = copies_winner(c, &c->groups[i]);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s:%d",
                                i == 0 ? "" : " ", VIEW_ARG(row->message_id),
                                (int)row->sequence);
    }
    return text;
}

static void test_ids_are_in_the_order_of_the_key(void **state)
{
    (void)state;
    const struct row rows[] = {
        row_of("id-\xFF", 1, ""), row_of("id-b", 2, ""),  row_of("id-", 3, ""),
        row_of("id-bb", 4, ""),   row_of("id-B", 5, ""),  row_of("id-a", 6, ""),
        row_of("ic", 7, ""),      row_of("id-bc", 8, ""),
    };
    struct copies c;
    copies_init(&c, rows, COUNT(rows), false);
    assert_string_equal(winners(&c),
                        "ic:7 id-:3 id-B:5 id-a:6 id-b:2 id-bb:4 id-bc:8 id-\xFF:1");
    copies_release(&c);
    copies_init(&c, rows, 0, false);
    assert_int_equal(c.group_count, 0);
    copies_release(&c);
}

static void test_of_copies_the_oldest_wins_or_the_newest(void **state)
{
    (void)state;
    const struct row rows[] = { row_of("b", 5, ""), row_of("a", 9, ""),
                                row_of("b", 3, ""), row_of("b", 7, ""),
                                row_of("a", 9, "") };
    struct copies c;
    copies_init(&c, rows, COUNT(rows), false);
    assert_string_equal(winners(&c), "a:9 b:3");
    assert_ptr_equal(copies_winner(&c, &c.groups[0]), &rows[1]); /* taken first */
    assert_int_equal(copies_count(&c, COPIES_DIRECT), 5);
    copies_release(&c);
    copies_init(&c, rows, COUNT(rows), true);
    assert_string_equal(winners(&c), "a:9 b:7");
    copies_release(&c);
}

static void test_a_row_that_is_there_beats_or_is_replaced(void **state)
{
    static const struct {
        bool newest_wins;
        int64_t there;
        enum copies_fate fate;
    } cases[] = {
        { false, 4, COPIES_BEATEN }, { false, 5, COPIES_BEATEN },
        { false, 6, COPIES_STAGED }, { true, 7, COPIES_STAGED },
        { true, 8, COPIES_BEATEN },  { true, 9, COPIES_BEATEN },
    };
    (void)state;
    const struct row rows[] = { row_of("a", 5, ""), row_of("a", 8, ""),
                                row_of("b", 1, "") };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct copies c;
        copies_init(&c, rows, COUNT(rows), cases[i].newest_wins);
        copies_note_present(&c, view_cstr("a"), &cases[i].there);
        assert_int_equal(c.groups[0].fate, cases[i].fate);
        assert_int_equal(c.groups[1].fate, COPIES_DIRECT);
        assert_int_equal(copies_count(&c, cases[i].fate), 2);
        copies_release(&c);
    }
}

/* A row of somebody else's, without a sequence, is not replaced: nothing is greater or
 * less than NULL. */
static void test_a_row_without_a_sequence_stays(void **state)
{
    (void)state;
    const struct row rows[] = { row_of("a", 5, "") };
    struct copies c;
    copies_init(&c, rows, 1, false);
    copies_note_present(&c, view_cstr("x"), NULL); /* not ours: ignored */
    assert_int_equal(c.groups[0].fate, COPIES_DIRECT);
    copies_note_present(&c, view_cstr("a"), NULL);
    assert_int_equal(c.groups[0].fate, COPIES_BEATEN);
    copies_release(&c);
}

/* Which copy is left when a user's are withheld is the statement's to say. */
static void test_all_copies_of_a_deleted_users_event_are_staged(void **state)
{
    (void)state;
    const struct row rows[] = { row_of("a", 1, "u1"), row_of("a", 2, "u2"),
                                row_of("b", 3, "u2"), row_of("c", 4, ""),
                                row_of("d", 5, "u9") };
    const struct view users[] = { view_cstr("u1"), view_cstr("u9") };
    const int64_t there = 1;
    struct copies c;
    copies_init(&c, rows, COUNT(rows), false);
    copies_note_users(&c, users, COUNT(users));
    copies_note_present(&c, view_cstr("d"), &there);
    const enum copies_fate expected[] = { COPIES_STAGED, COPIES_DIRECT, COPIES_DIRECT,
                                          COPIES_STAGED };
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_int_equal(c.groups[i].fate, expected[i]);
    }
    assert_int_equal(copies_count(&c, COPIES_STAGED), 3);
    copies_release(&c);
}

/* Against a plain comparison of every pair. */
static void test_random_ids_are_sorted(void **state)
{
    enum { ROWS = 3000, ID_BYTES = 16 };
    (void)state;
    struct row *rows = mem_calloc(ROWS, sizeof *rows);
    char(*ids)[ID_BYTES] = mem_calloc(ROWS, sizeof *ids);
    uint64_t random = 42;
    for (size_t i = 0; i < ROWS; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        snprintf(ids[i], ID_BYTES, "m-%.*s%u", (int)(random >> 62), "\xC3\xA9zz",
                 (unsigned)(random >> 33) % 2000);
        rows[i] = row_of(ids[i], (int64_t)(random >> 20 & 0xFF), "");
    }
    struct copies c;
    copies_init(&c, rows, ROWS, false);
    size_t seen = 0;
    for (size_t i = 0; i < c.group_count; i++) {
        const struct row *winner = copies_winner(&c, &c.groups[i]);
        assert_true(i == 0 ||
                    view_compare(copies_winner(&c, &c.groups[i - 1])->message_id,
                                 winner->message_id) < 0);
        for (uint32_t j = 0; j < c.groups[i].count; j++) {
            const struct row *copy = &rows[c.order[c.groups[i].first + j]];
            assert_true(view_equal(copy->message_id, winner->message_id));
            assert_true(copy->sequence >= winner->sequence);
            seen++;
        }
    }
    assert_int_equal(seen, ROWS);
    copies_release(&c);
    free(ids);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_in_the_order_of_the_key),
        cmocka_unit_test(test_of_copies_the_oldest_wins_or_the_newest),
        cmocka_unit_test(test_a_row_that_is_there_beats_or_is_replaced),
        cmocka_unit_test(test_a_row_without_a_sequence_stays),
        cmocka_unit_test(test_all_copies_of_a_deleted_users_event_are_staged),
        cmocka_unit_test(test_random_ids_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
