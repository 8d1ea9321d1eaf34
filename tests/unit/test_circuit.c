/* When requests are refused at once, and when they are tried again. */
#include "ingest/durable/circuit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void open_circuit(struct circuit *c)
{
    for (int i = 0; i < 3; i++) {
        circuit_timed_out(c, 100);
    }
}

static void test_it_opens_after_three_time_outs_in_a_row(void **state)
{
    (void)state;
    struct circuit c = { 0 };
    circuit_timed_out(&c, 100);
    circuit_timed_out(&c, 100);
    assert_false(circuit_is_open(&c));
    assert_true(circuit_admits(&c, 10000));
    assert_true(circuit_admits(&c, 10000));
    circuit_succeeded(&c, 50);
    circuit_timed_out(&c, 100);
    circuit_timed_out(&c, 100);
    assert_false(circuit_is_open(&c));
    circuit_timed_out(&c, 100);
    assert_true(circuit_is_open(&c));
}

/* One of several brokers is frozen: what waits for it is late, but others succeed. */
static void test_a_success_since_the_hand_over_outweighs_a_time_out(void **state)
{
    (void)state;
    struct circuit c = { 0 };
    for (int64_t now = 2000; now < 60000; now += 100) {
        circuit_succeeded(&c, now);
        for (int i = 0; i < 5; i++) {
            circuit_timed_out(&c, now - 1500);
        }
        assert_false(circuit_is_open(&c));
    }
    circuit_timed_out(&c, 60001); /* since then nothing has succeeded */
    circuit_timed_out(&c, 60002);
    circuit_timed_out(&c, 60003);
    assert_true(circuit_is_open(&c));
}

static void test_one_request_a_second_is_tried_while_it_is_open(void **state)
{
    (void)state;
    struct circuit c = { 0 };
    open_circuit(&c);
    unsigned admitted = 0;
    for (int64_t now = 5000; now < 15000; now += 10) {
        admitted += circuit_admits(&c, now) ? 1 : 0;
    }
    assert_int_equal(admitted, 10);
}

static void test_asking_alone_does_not_use_up_the_try(void **state)
{
    (void)state;
    struct circuit c = { 0 };
    assert_true(circuit_would_admit(&c, 5000));
    open_circuit(&c);
    assert_true(circuit_would_admit(&c, 5000));
    assert_true(circuit_would_admit(&c, 5000));
    assert_true(circuit_admits(&c, 5000));
    assert_false(circuit_would_admit(&c, 5999));
    assert_true(circuit_would_admit(&c, 6000));
}

static void test_one_success_closes_it(void **state)
{
    (void)state;
    struct circuit c = { 0 };
    open_circuit(&c);
    circuit_timed_out(&c, 100); /* of requests that were under way: as open as before */
    circuit_succeeded(&c, 50);
    assert_false(circuit_is_open(&c));
    assert_true(circuit_admits(&c, 1));
    assert_true(circuit_admits(&c, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_opens_after_three_time_outs_in_a_row),
        cmocka_unit_test(test_a_success_since_the_hand_over_outweighs_a_time_out),
        cmocka_unit_test(test_one_request_a_second_is_tried_while_it_is_open),
        cmocka_unit_test(test_asking_alone_does_not_use_up_the_try),
        cmocka_unit_test(test_one_success_closes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
