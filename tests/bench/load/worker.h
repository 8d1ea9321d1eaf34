/* worker: one thread's connections, and what they saw.
 *
 * Closed loop (rate 0): each connection sends its next request when its last is answered.
 * Open loop: requests are due at fixed times, whatever the server does; one that finds no
 * free connection waits, and its latency counts from when it was due. Nothing is sent
 * again: an answer, a broken connection or a time-out ends a request.
 *
 * A worker belongs to its thread from worker_run's start to its return. Times are
 * monotonic microseconds.
 */
#ifndef TESTS_BENCH_LOAD_WORKER_H
#define TESTS_BENCH_LOAD_WORKER_H

#include "tests/bench/load/histogram.h"
#include "tests/bench/load/requests.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define WORKER_STATUSES 600

struct worker_plan {
    struct sockaddr_in server;
    const struct requests *requests;
    unsigned first_request; /* where in the list this thread begins */
    unsigned connections;   /* of this thread */
    double rate;            /* requests a second of this thread; 0: closed loop */
    bool is_close;          /* a new connection for each request */
    int64_t start, end, timeout;
};

struct worker_result {
    uint64_t statuses[WORKER_STATUSES];
    uint64_t broken;    /* ended without an answer */
    uint64_t timed_out; /* not answered in time */
    uint64_t unsent;    /* due, but no connection was free until the end */
    int64_t last_answer;
    int64_t first_ok, last_bad; /* 0: none; bad is anything but 200 */
    /* Answers of 200 and all others: from when they were due, and from when they were
     * sent (in a closed loop the same). */
    struct histogram ok, other, ok_sent, other_sent;
};

/* Opens the connections, sends until plan.end, waits for what is under way (at most the
 * time-out). */
void worker_run(const struct worker_plan *plan, struct worker_result *result);

/* Monotonic microseconds. */
int64_t worker_now(void);

#endif
