/* The clock that runs until Segment throws events away. */
#include "ingest/request/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define NOW INT64_C(1000000)

struct answer {
    const char *wanted;
    int64_t seconds; /* -1: was not told */
};

static void keep(void *context, const char *source, int64_t seconds)
{
    struct answer *answer = context;
    if (strcmp(source, answer->wanted) == 0) {
        answer->seconds = seconds;
    }
}

static int64_t left(struct refusals *r, const char *source, int64_t now)
{
    struct answer answer = { source, -1 };
    refusals_tell(r, now, keep, &answer);
    return answer.seconds;
}

static void a_clock_runs_from_the_first_refusal(void **state)
{
    (void)state;
    struct refusals *r = refusals_new();
    refusals_accepted(r, "shop", NOW);
    assert_int_equal(left(r, "shop", NOW), -1);
    refusals_refused(r, "shop", NOW);
    assert_int_equal(left(r, "shop", NOW), 14400);
    for (int minutes = 0; minutes <= 230; minutes += 10) {
        refusals_refused(r, "shop", NOW + minutes * MINUTE);
    }
    assert_int_equal(left(r, "shop", NOW + 230 * MINUTE), 600);
    refusals_refused(r, "shop", NOW + 250 * MINUTE);
    assert_int_equal(left(r, "shop", NOW + 250 * MINUTE), 0);
    assert_int_equal(left(r, "web", NOW), -1);
    refusals_free(r);
}

static void it_ends_after_an_hour_of_silence(void **state)
{
    (void)state;
    struct refusals *r = refusals_new();
    refusals_refused(r, "shop", NOW);
    refusals_refused(r, "shop", NOW + 30 * MINUTE);
    assert_int_equal(left(r, "shop", NOW + 89 * MINUTE), 14400 - 89 * 60);
    assert_int_equal(left(r, "shop", NOW + 90 * MINUTE), 14400);
    refusals_refused(r, "shop", NOW + 91 * MINUTE); /* another one begins */
    assert_int_equal(left(r, "shop", NOW + 92 * MINUTE), 14340);
    refusals_free(r);
}

static void a_success_shortens_the_silence_that_ends_it(void **state)
{
    (void)state;
    struct refusals *r = refusals_new();
    refusals_refused(r, "shop", NOW);
    refusals_accepted(r, "shop", NOW + 2 * MINUTE);
    assert_int_equal(left(r, "shop", NOW + 9 * MINUTE), 14400 - 540);
    assert_int_equal(left(r, "shop", NOW + 10 * MINUTE), 14400);
    refusals_free(r);
}

static void one_right_sender_does_not_hide_a_wrong_one(void **state)
{
    (void)state;
    struct refusals *r = refusals_new();
    for (int minutes = 0; minutes <= 120; minutes += 5) {
        refusals_refused(r, "shop", NOW + minutes * MINUTE);
        refusals_accepted(r, "shop", NOW + minutes * MINUTE + 1);
    }
    assert_int_equal(left(r, "shop", NOW + 120 * MINUTE), 7200);
    refusals_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_runs_from_the_first_refusal),
        cmocka_unit_test(it_ends_after_an_hour_of_silence),
        cmocka_unit_test(a_success_shortens_the_silence_that_ends_it),
        cmocka_unit_test(one_right_sender_does_not_hide_a_wrong_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
