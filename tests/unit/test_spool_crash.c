/* Killed at the worst instants, with everything lost that was not synced: what was
 * acknowledged is there, or was delivered.
 *
 * A child process keeps records and delivers them; it says through a pipe what was
 * acknowledged and what was delivered, and is killed: at a crash point, or at any time.
 */
#include "tests/support/fault_io.h"
#include "tests/support/spool_bed.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define THREADS 3
#define ROUNDS_BY_TIME 30

static struct spool_contents contents;

/* What the child has said, over all of its lives. */
struct said {
    unsigned acknowledged[SPOOL_BED_RECORDS];
    unsigned delivered[SPOOL_BED_RECORDS];
    unsigned acknowledged_count, delivered_count;
};

struct child {
    const char *path;
    const char *crash_at; /* NULL: killed by the parent */
    const char *faults;
    unsigned first; /* number of its first record */
    bool drains;
};

/* ---- in the child ---- */

static int to_parent = -1;

/* What is in the pipe is the parent's, whatever becomes of us. */
static void say(char what, unsigned number)
{
    char line[8];
    memcpy(line, &number, sizeof number);
    line[4] = what;
    REQUIRE(write(to_parent, line, 5) == 5);
}

struct sender {
    struct spool *spool;
    unsigned number;
};

/* Until it is killed. */
static void *send_records(void *context)
{
    const struct sender *s = context;
    for (unsigned number = s->number; number < SPOOL_BED_RECORDS; number += THREADS) {
        size_t size = number % 11 == 0 ? 40000 : number * 7 % 900;
        if (spool_bed_put(s->spool, number, (enum event_type)(number % 4), size)) {
            say('a', number);
        }
    }
    return NULL;
}

static unsigned port_room(void *context)
{
    (void)context;
    return 7;
}

static bool port_send(void *context, const struct spool_record *record,
                      struct spool_ticket *ticket)
{
    (void)context;
    say('d', spool_bed_number(record));
    ticket->on_end(ticket, true);
    return true;
}

static _Noreturn void live(const struct child *c)
{
    char faults[512];
    pthread_t threads[THREADS];
    struct sender senders[THREADS];
    const struct spool_port port = { .room = port_room, .send = port_send };
    struct spool_drain *drain = NULL;
    struct error err;
    snprintf(faults, sizeof faults, "dir=%s %s", c->path, c->faults);
    fault_io_set(faults);
    if (c->crash_at != NULL) {
        setenv("CRASH_AT", c->crash_at, 1);
    }
    struct spool *spool = spool_bed_open(c->path, (uint64_t)64 << 20, NULL);
    if (c->drains) {
        REQUIRE(spool_drain_start(spool_log_of(spool), &port, &drain, &err));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){ spool, c->first + i };
        pthread_create(&threads[i], NULL, send_records, &senders[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    _exit(7); /* it should have been killed long before */
}

/* ---- in the parent ---- */

static void listen_to(int fd, struct said *said)
{
    char line[5];
    size_t have = 0;
    unsigned number = 0;
    ssize_t got = read(fd, line, sizeof line);
    while (got > 0) {
        have += (size_t)got;
        if (have == sizeof line) {
            have = 0;
            memcpy(&number, line, sizeof number);
            if (line[4] == 'a') {
                said->acknowledged[number]++;
                said->acknowledged_count++;
            } else {
                said->delivered[number]++;
                said->delivered_count++;
            }
        }
        got = read(fd, line + have, sizeof line - have);
    }
}

/* Runs a child until it is killed: by itself, or after `kill_after_us`. */
static void run_child(const struct child *c, long kill_after_us, struct said *said)
{
    int ends[2];
    int status = 0;
    assert_int_equal(pipe(ends), 0);
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        to_parent = ends[1];
        live(c);
    }
    close(ends[1]);
    if (c->crash_at == NULL) {
        nanosleep(&(struct timespec){ 0, kill_after_us * 1000 }, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
    }
    listen_to(ends[0], said);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* it did happen */
}

static void assert_nothing_is_lost(const char *path, const struct said *said)
{
    spool_bed_read(path, &contents);
    assert_int_equal(contents.figures.corrupt_records, 0);
    for (unsigned i = 0; i < SPOOL_BED_RECORDS; i++) {
        if (said->acknowledged[i] > 0 && said->delivered[i] == 0 &&
            contents.counts[i] == 0) {
            fail_msg("record %u was acknowledged and is gone", i);
        }
    }
}

static void test_killed_at_each_crash_point(void **state)
{
    (void)state;
    static const char *const points[] = { "spool_written", "spool_synced",
                                          "spool_ending" };
    static const char *const faults[] = { "", "lose", "lose short" };
    for (unsigned p = 0; p < 3; p++) {
        for (unsigned nth = 1; nth <= 22; nth += 7) {
            for (unsigned f = 0; f < 3; f++) {
                char path[256];
                char crash_at[64];
                static struct said said;
                snprintf(crash_at, sizeof crash_at, "%s:%u", points[p], nth);
                spool_bed_make(path);
                const struct child c = { .path = path,
                                         .crash_at = crash_at,
                                         .faults = faults[f] };
                said = (struct said){ .acknowledged_count = 0 };
                run_child(&c, 0, &said);
                assert_nothing_is_lost(path, &said);
                assert_true(nth == 1 || said.acknowledged_count > 0);
                spool_bed_remove(path);
            }
        }
    }
}

/* A power cut right behind the write: what the kernel had not put on disk is not there,
 * or this proves nothing. */
static void test_unsynced_bytes_are_lost_and_were_not_acknowledged(void **state)
{
    (void)state;
    static struct said said;
    char path[256];
    spool_bed_make(path);
    const struct child c = { .path = path,
                             .crash_at = "spool_written:5",
                             .faults = "lose" };
    run_child(&c, 0, &said);
    assert_nothing_is_lost(path, &said);
    assert_true(said.acknowledged_count > 0);
    assert_true(contents.total >= said.acknowledged_count);
    assert_true(contents.total <= said.acknowledged_count + THREADS);
    spool_bed_remove(path);
}

/* One folder, many lives: each recovers what the one before left, and drains it. */
static void test_killed_at_any_time_again_and_again(void **state)
{
    (void)state;
    static struct said said;
    char path[256];
    uint32_t random = (uint32_t)getpid();
    print_message("seed %u\n", random);
    spool_bed_make(path);
    said = (struct said){ .acknowledged_count = 0 };
    for (unsigned round = 0; round < ROUNDS_BY_TIME; round++) {
        random = random * 1103515245u + 12345u;
        const struct child c = {
            .path = path, .faults = "lose", .first = round * 600, .drains = round % 3 != 0
        };
        run_child(&c, 2000 + (long)(random >> 16) % 30000, &said);
    }
    assert_nothing_is_lost(path, &said);
    assert_true(said.acknowledged_count > ROUNDS_BY_TIME);
    assert_true(said.delivered_count > 0);
    spool_bed_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_each_crash_point),
        cmocka_unit_test(test_unsynced_bytes_are_lost_and_were_not_acknowledged),
        cmocka_unit_test(test_killed_at_any_time_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
