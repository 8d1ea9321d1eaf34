/* A loader that has stopped in the middle of its COPY, on a real PostgreSQL: another ends
 * its session, when it has waited long enough, and only then. */
#include "loader/postgres/frozen_peer.h"

#include "tests/support/load_bed.h"
#include "tests/support/postgres_server.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WAIT_MS 60000

struct fixture {
    struct connection peer; /* the other loader's session */
    struct bed_loader frozen;
    struct direct_pause pause;
    enum direct_step step;
    bool is_ended;
};

static int64_t end_peers(struct fixture *f, int64_t after_ms)
{
    struct error err;
    int64_t count = -1;
    if (!frozen_peer_end(&f->peer, after_ms, &count, &err)) {
        fail_msg("%s %s", err.code, err.text);
    }
    return count;
}

/* Until so many were seen: the server lists a session that waits for rows, and one that
 * was ended, a moment late. */
static void end_peers_until(struct fixture *f, int64_t count)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    while (end_peers(f, 0) != count) {
        assert_true(clock_mono_ms() < deadline);
    }
}

static void look_at(void *context, enum direct_step step)
{
    struct fixture *f = context;
    if (step != f->step) {
        return;
    }
    assert_int_equal(end_peers(f, 10 * WAIT_MS), 0);
    if (f->is_ended) {
        end_peers_until(f, 1);
        end_peers_until(f, 0);
    } else {
        assert_int_equal(end_peers(f, 0), 0);
    }
}

static int set_up(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof *f);
    struct error err;
    const char *url = postgres_server_new_database();
    assert_true(connection_open(&f->peer, url, &err));
    bed_loader_open(&f->frozen, url, "frozen", false);
    f->pause = (struct direct_pause){ look_at, f };
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    bed_loader_close(&f->frozen);
    connection_close(&f->peer);
    free(f);
    return 0;
}

static enum direct_outcome load_with_pause(struct fixture *f, enum direct_step step,
                                           bool is_ended)
{
    f->step = step;
    f->is_ended = is_ended;
    bed_add_track(&f->frozen, "m", 1000, "");
    bed_settle(&f->frozen);
    f->frozen.pause = &f->pause;
    return bed_load_direct(&f->frozen);
}

static void test_a_session_that_waits_for_rows_is_ended_and_loads_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(load_with_pause(f, DIRECT_BEFORE_COPY, true), DIRECT_FAILED);
    assert_int_equal(sink_failure_of(&f->frozen.err), SINK_RECONNECT);
    bed_assert_sql(&f->peer, "0", "SELECT count(*) FROM shop.track");
}

/* Between two statements the server's own time-out does it. */
static void test_a_session_that_does_not_is_left_alone(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(load_with_pause(f, DIRECT_BEFORE_TAIL, false), DIRECT_DONE);
    bed_assert_sql(&f->peer, "1", "SELECT count(*) FROM shop.track");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_session_that_waits_for_rows_is_ended_and_loads_nothing),
        TEST(test_a_session_that_does_not_is_left_alone),
    };
    postgres_server_start();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_server_stop();
    return failed;
}
