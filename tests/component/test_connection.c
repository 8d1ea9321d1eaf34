/* No call on a connection waits for ever: the server process frozen (SIGSTOP), a server
 * that never answers, an owner who has given up. */
#include "loader/postgres/connection.h"

#include "tests/support/contains.h"
#include "tests/support/postgres_server.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SILENCE_MS 500
#define SOON_MS 5000 /* far below the limits that would end it otherwise */

static char url[320];

struct frozen {
    struct connection connection;
    pid_t backend;
};

static void open_frozen(struct frozen *f, struct connection_waker *waker,
                        int64_t silence_ms, const char *first)
{
    struct pg_result *r = NULL;
    struct error err;
    f->connection = (struct connection){ .waker = waker, .silence_ms = silence_ms };
    assert_true(connection_open(&f->connection, url, &err));
    assert_true(
        connection_query(&f->connection, "SELECT pg_backend_pid()", 0, NULL, &r, &err));
    f->backend = (pid_t)connection_field_i64(r, 0, 0);
    connection_free(r);
    if (first != NULL) {
        assert_true(
            connection_run(&f->connection, "CREATE TEMP TABLE t (x text)", "test", &err));
        assert_true(connection_send(&f->connection, first, &err));
        assert_true(connection_next(&f->connection, &r, &err));
        connection_free(r);
    }
    assert_int_equal(kill(f->backend, SIGSTOP), 0);
}

static void thaw(struct frozen *f)
{
    assert_int_equal(kill(f->backend, SIGCONT), 0);
    connection_close(&f->connection);
}

static void assert_lost(const struct connection *c, const struct error *err,
                        int64_t began_ms)
{
    assert_string_equal(err->code, "08006");
    assert_null(c->pg); /* its answer, if it ever came, would be another question's */
    assert_true(clock_mono_ms() - began_ms < SOON_MS);
}

static void test_a_frozen_server_loses_its_connection(void **state)
{
    struct frozen f;
    struct error err;
    (void)state;
    open_frozen(&f, NULL, SILENCE_MS, NULL);
    int64_t began = clock_mono_ms();
    assert_false(connection_run(&f.connection, "SELECT 1", "test", &err));
    assert_contains(err.text, "neither takes nor sends");
    assert_lost(&f.connection, &err, began);
    assert_true(clock_mono_ms() - began >= SILENCE_MS);
    thaw(&f);
}

/* The kernel takes some of it; then nobody does. */
static void test_a_copy_into_a_frozen_server_ends_too(void **state)
{
    static char chunk[65536];
    struct frozen f;
    struct error err;
    (void)state;
    memset(chunk, 'x', sizeof chunk);
    chunk[sizeof chunk - 1] = '\n';
    open_frozen(&f, NULL, SILENCE_MS, "COPY t FROM STDIN");
    int64_t began = clock_mono_ms();
    bool goes_on = true;
    for (int i = 0; goes_on && i < 1000; i++) {
        goes_on = connection_put_copy(&f.connection, chunk, sizeof chunk, &err);
    }
    assert_false(goes_on);
    assert_lost(&f.connection, &err, began);
    thaw(&f);
}

static void *give_up_soon(void *waker)
{
    struct timespec moment = { 0, 200000000 };
    nanosleep(&moment, NULL);
    connection_waker_set(waker, true);
    return NULL;
}

static void test_whoever_gives_up_need_not_wait_for_the_limit(void **state)
{
    struct connection_waker *waker = NULL;
    struct frozen f;
    struct error err;
    pthread_t thread;
    (void)state;
    assert_true(connection_waker_new(&waker, &err));
    open_frozen(&f, waker, 0, NULL);
    int64_t began = clock_mono_ms();
    assert_int_equal(pthread_create(&thread, NULL, give_up_soon, waker), 0);
    assert_false(connection_run(&f.connection, "SELECT 1", "test", &err));
    pthread_join(thread, NULL);
    assert_contains(err.text, "given up");
    assert_lost(&f.connection, &err, began);
    /* It stays so until it is taken back. */
    assert_false(connection_open(&f.connection, url, &err));
    connection_waker_set(waker, false);
    assert_true(connection_open(&f.connection, url, &err));
    thaw(&f);
    connection_waker_free(waker);
}

/* As behind a balancer that takes connections for a server that is gone. */
static void test_a_server_that_never_answers_is_given_up(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof address;
    struct connection c = { .pg = NULL };
    struct error err;
    char silent[100];
    (void)state;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 5), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(silent, sizeof silent, "postgresql://u@127.0.0.1:%d/d",
             ntohs(address.sin_port));
    int64_t began = clock_mono_ms();
    assert_false(connection_open(&c, silent, &err));
    assert_string_equal(err.code, "08006");
    int64_t took = clock_mono_ms() - began;
    assert_true(took >= CONNECTION_OPEN_MS && took < CONNECTION_OPEN_MS + SOON_MS);
    close(listener);
}

static void test_results_are_told_as_before(void **state)
{
    struct connection c = { .pg = NULL };
    struct pg_result *r = NULL;
    struct error err;
    (void)state;
    assert_true(connection_open(&c, url, &err));
    assert_true(connection_run(&c, "SELECT 1; SELECT 2", "test", &err));
    assert_false(connection_run(&c, "SELECT 1; SELECT 1/0; SELECT 2", "test", &err));
    assert_string_equal(err.code, "22012");
    assert_contains(err.text, "test: ");
    assert_false(connection_query(&c, "SELECT nowhere", 0, NULL, &r, &err));
    assert_string_equal(err.code, "42703");
    assert_true(connection_query(&c, "SELECT 7", 0, NULL, &r, &err));
    assert_int_equal(connection_field_i64(r, 0, 0), 7);
    connection_free(r);
    connection_close(&c);
    assert_false(connection_run(&c, "SELECT 1", "test", &err));
    assert_string_equal(err.code, "08006");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_frozen_server_loses_its_connection),
        cmocka_unit_test(test_a_copy_into_a_frozen_server_ends_too),
        cmocka_unit_test(test_whoever_gives_up_need_not_wait_for_the_limit),
        cmocka_unit_test(test_a_server_that_never_answers_is_given_up),
        cmocka_unit_test(test_results_are_told_as_before),
    };
    postgres_server_start();
    snprintf(url, sizeof url, "%s", postgres_server_new_database());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_server_stop();
    return failed;
}
