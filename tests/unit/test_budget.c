/* The bound on bytes under way holds to the byte, under threads too. */
#include "common/base/budget.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_takes_up_to_the_maximum_and_not_a_byte_more(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, 100);
    assert_true(budget_take(&b, 60));
    assert_false(budget_take(&b, 41));
    assert_int_equal(budget_used(&b), 60);
    assert_true(budget_take(&b, 40));
    assert_false(budget_take(&b, 1));
    assert_true(budget_take(&b, 0));
    budget_give(&b, 100);
    assert_int_equal(budget_used(&b), 0);
}

static void test_sizes_that_would_overflow_are_refused(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, UINT64_MAX);
    assert_true(budget_take(&b, UINT64_MAX - 1));
    assert_false(budget_take(&b, 2));
    assert_false(budget_take(&b, UINT64_MAX));
    assert_true(budget_take(&b, 1));
    budget_init(&b, 10);
    assert_false(budget_take(&b, UINT64_MAX));
    assert_int_equal(budget_used(&b), 0);
}

#define THREADS 4
#define ROUNDS 20000
#define SHARE 3

struct contest {
    struct budget budget;
    _Atomic unsigned holders;
    _Atomic unsigned most_holders;
};

static void hold(struct contest *c)
{
    unsigned holders = atomic_fetch_add(&c->holders, 1) + 1;
    unsigned most = atomic_load(&c->most_holders);
    while (holders > most &&
           !atomic_compare_exchange_weak(&c->most_holders, &most, holders)) {
    }
    atomic_fetch_sub(&c->holders, 1);
}

static void *compete(void *context)
{
    struct contest *c = context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (budget_take(&c->budget, SHARE)) {
            hold(c);
            budget_give(&c->budget, SHARE);
        }
    }
    return NULL;
}

static void test_threads_never_exceed_the_maximum_together(void **state)
{
    (void)state;
    struct contest c = { .holders = 0 };
    pthread_t threads[THREADS];
    budget_init(&c.budget, 2 * SHARE + 1); /* room for two of the four */
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, compete, &c), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(atomic_load(&c.most_holders) >= 1);
    assert_true(atomic_load(&c.most_holders) <= 2);
    assert_int_equal(budget_used(&c.budget), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_up_to_the_maximum_and_not_a_byte_more),
        cmocka_unit_test(test_sizes_that_would_overflow_are_refused),
        cmocka_unit_test(test_threads_never_exceed_the_maximum_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
