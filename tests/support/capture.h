/* capture: runs a function in a process of its own and catches its exit code and what it
 * printed.
 *
 * For code that writes to stderr, exits, aborts or waits for signals. One thread; the
 * caller must have no other.
 */
#ifndef TESTS_SUPPORT_CAPTURE_H
#define TESTS_SUPPORT_CAPTURE_H

#include "common/base/buf.h"

struct capture {
    int exit_code; /* 128 + number when a signal ended it */
    struct buf out;
    struct buf err;
};

/* Runs `function(context)` in a child, which exits with what it returns; waits for it.
 * Release *result afterwards. */
void capture_run(int (*function)(const void *context), const void *context,
                 struct capture *result);

/* Frees what was caught. */
void capture_release(struct capture *result);

#endif
