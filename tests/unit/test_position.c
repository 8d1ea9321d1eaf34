/* Where loading begins: every combination that database, log and group can produce. */
#include "loader/consume/position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct position_case {
    const char *claim;
    struct position_facts facts;
    struct position_choice expected;
};

/* facts: database, log start, log end, committed, by us, accepts gap, accepts new log */
static const struct position_case cases[] = {
    { "a new partition begins at the log's start",
      { -1, 0, 100, -1, false, false, false },
      { POSITION_FIRST, 0, 0 } },
    { "a new partition whose head was deleted begins at what is left",
      { -1, 40, 100, -1, false, false, false },
      { POSITION_FIRST, 40, 0 } },
    { "the database's position is taken",
      { 70, 0, 100, -1, false, false, false },
      { POSITION_START, 70, 0 } },
    { "the database wins over our own commit that is behind",
      { 70, 0, 100, 60, true, false, false },
      { POSITION_START, 70, 0 } },
    { "the database wins over our own commit that is ahead",
      { 70, 0, 100, 90, true, false, false },
      { POSITION_START, 70, 0 } },
    { "an operator's reset to an earlier offset wins",
      { 70, 0, 100, 10, false, false, false },
      { POSITION_RESET, 10, 0 } },
    { "an operator's reset to where we are changes nothing but the mark",
      { 70, 0, 100, 70, false, false, false },
      { POSITION_RESET, 70, 0 } },
    { "an operator's reset to a later offset is a gap with its count",
      { 70, 0, 100, 90, false, false, false },
      { POSITION_GAP, 90, 20 } },
    { "an operator's reset of a partition never loaded is a gap from the log's start",
      { -1, 5, 100, 90, false, false, false },
      { POSITION_GAP, 90, 85 } },
    { "an operator's reset outside of the log stops",
      { 70, 0, 100, 200, false, false, false },
      { POSITION_ABOVE_LOG, 200, 0 } },
    { "a position at the log's end is inside",
      { 100, 0, 100, -1, false, false, false },
      { POSITION_START, 100, 0 } },
    { "a position below the log's start stops and counts what is gone",
      { 30, 50, 100, -1, false, false, false },
      { POSITION_BELOW_LOG, 50, 20 } },
    { "an accepted gap goes on at the log's start",
      { 30, 50, 100, -1, false, true, false },
      { POSITION_GAP, 50, 20 } },
    { "a position above the log's end stops",
      { 300, 0, 100, -1, false, false, false },
      { POSITION_ABOVE_LOG, 300, 0 } },
    { "accepting a gap does not accept another log",
      { 300, 0, 100, -1, false, true, false },
      { POSITION_ABOVE_LOG, 300, 0 } },
    { "an accepted new log is loaded from its start",
      { 300, 0, 100, -1, false, false, true },
      { POSITION_RESET, 0, 0 } },
    { "accepting a new log does not accept a gap",
      { 30, 50, 100, -1, false, false, true },
      { POSITION_BELOW_LOG, 50, 20 } },
    { "an empty log that is new begins at its only offset",
      { -1, 0, 0, -1, false, false, false },
      { POSITION_FIRST, 0, 0 } },
};

static void test_position_is_chosen_as_claimed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct position_choice got = position_choose(&cases[i].facts);
        const struct position_choice *want = &cases[i].expected;
        if (got.verdict != want->verdict || got.offset != want->offset ||
            got.missing != want->missing) {
            fail_msg("%s: got verdict %d, offset %lld, missing %lld", cases[i].claim,
                     (int)got.verdict, (long long)got.offset, (long long)got.missing);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_position_is_chosen_as_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
