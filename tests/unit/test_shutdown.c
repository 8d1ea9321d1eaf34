/* Signals: the first asks, the second ends. Each case runs in a process of its own. */
#include "tests/support/capture.h"

#include "common/base/clock.h"
#include "common/service/shutdown.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What the child exits with when something is not as claimed. */
#define NOT_AS_CLAIMED 99

static int start(void)
{
    struct error err;
    shutdown_block_signals();
    return shutdown_start(&err) ? 0 : NOT_AS_CLAIMED;
}

static int stop_at_first_signal(const void *signal_number)
{
    if (start() != 0 || shutdown_is_requested() || shutdown_wait(0)) {
        return NOT_AS_CLAIMED;
    }
    (void)kill(getpid(), *(const int *)signal_number);
    return shutdown_wait(UINT64_MAX) && shutdown_is_requested() ? 0 : NOT_AS_CLAIMED;
}

static void test_the_first_signal_asks_for_a_stop(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *name;
    } signals[] = { { SIGTERM, "signal=SIGTERM" }, { SIGINT, "signal=SIGINT" } };
    for (size_t i = 0; i < 2; i++) {
        struct capture c;
        capture_run(stop_at_first_signal, &signals[i].number, &c);
        assert_int_equal(c.exit_code, 0);
        assert_non_null(strstr(buf_cstr(&c.err), "event=stop_requested"));
        assert_non_null(strstr(buf_cstr(&c.err), signals[i].name));
        capture_release(&c);
    }
}

static int go_on_after_first_signal(const void *unused)
{
    (void)unused;
    if (start() != 0) {
        return NOT_AS_CLAIMED;
    }
    (void)kill(getpid(), SIGTERM);
    (void)shutdown_wait(UINT64_MAX);
    (void)kill(getpid(), SIGINT);
    for (;;) {
        (void)pause(); /* a drain that hangs */
    }
}

static void test_the_second_signal_ends_the_process_with_work_left(void **state)
{
    (void)state;
    struct capture c;
    capture_run(go_on_after_first_signal, NULL, &c);
    assert_int_equal(c.exit_code, 3);
    assert_non_null(strstr(buf_cstr(&c.err), "event=stopped_at_once signal=SIGINT"));
    capture_release(&c);
}

static int ask_inside_then_one_signal(const void *unused)
{
    (void)unused;
    if (start() != 0) {
        return NOT_AS_CLAIMED;
    }
    shutdown_request();
    if (!shutdown_wait(0)) {
        return NOT_AS_CLAIMED;
    }
    (void)kill(getpid(), SIGTERM);
    for (;;) {
        sigset_t pending;
        (void)sigpending(&pending);
        if (sigismember(&pending, SIGTERM) == 0) {
            return 0; /* taken by the thread, and we still run */
        }
    }
}

static void test_an_inner_stop_does_not_count_as_a_signal(void **state)
{
    (void)state;
    struct capture c;
    capture_run(ask_inside_then_one_signal, NULL, &c);
    assert_int_equal(c.exit_code, 0);
    capture_release(&c);
}

static int wait_in_vain(const void *unused)
{
    (void)unused;
    int64_t before = clock_mono_ms();
    bool is_asked = shutdown_wait(30);
    return is_asked || clock_mono_ms() - before < 30 ? NOT_AS_CLAIMED : 0;
}

static void test_waiting_ends_at_its_deadline(void **state)
{
    (void)state;
    struct capture c;
    capture_run(wait_in_vain, NULL, &c);
    assert_int_equal(c.exit_code, 0);
    capture_release(&c);
}

static int write_to_nobody(const void *unused)
{
    (void)unused;
    int ends[2];
    shutdown_block_signals();
    if (pipe(ends) != 0) {
        return NOT_AS_CLAIMED;
    }
    (void)close(ends[0]);
    return write(ends[1], "x", 1) == -1 ? 0 : NOT_AS_CLAIMED;
}

static void test_a_closed_pipe_is_an_error_not_the_end(void **state)
{
    (void)state;
    struct capture c;
    capture_run(write_to_nobody, NULL, &c);
    assert_int_equal(c.exit_code, 0);
    capture_release(&c);
}

static void *wait_for_stop(void *out)
{
    *(bool *)out = shutdown_wait(UINT64_MAX);
    return NULL;
}

static int wake_all(const void *unused)
{
    (void)unused;
    pthread_t threads[3];
    bool results[3] = { false };
    for (int i = 0; i < 3; i++) {
        (void)pthread_create(&threads[i], NULL, wait_for_stop, &results[i]);
    }
    shutdown_request();
    for (int i = 0; i < 3; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    return results[0] && results[1] && results[2] ? 0 : NOT_AS_CLAIMED;
}

static void test_everybody_who_waits_is_woken(void **state)
{
    (void)state;
    struct capture c;
    capture_run(wake_all, NULL, &c);
    assert_int_equal(c.exit_code, 0);
    capture_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_signal_asks_for_a_stop),
        cmocka_unit_test(test_the_second_signal_ends_the_process_with_work_left),
        cmocka_unit_test(test_an_inner_stop_does_not_count_as_a_signal),
        cmocka_unit_test(test_waiting_ends_at_its_deadline),
        cmocka_unit_test(test_a_closed_pipe_is_an_error_not_the_end),
        cmocka_unit_test(test_everybody_who_waits_is_woken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
