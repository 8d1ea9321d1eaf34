/* progress: how far long work has come: a bar on a terminal, a log line each ten seconds
 * elsewhere. On stderr: stdout is for the result.
 *
 * One thread. Begin, update as often as you like, end.
 */
#ifndef COMMON_SERVICE_PROGRESS_H
#define COMMON_SERVICE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *event; /* of the log lines: "columns_progress" */
    const char *unit;  /* "rows" */
    int64_t total;     /* about; -1: unknown */
    int64_t began_mono_ms, shown_mono_ms;
    bool is_terminal;
    const char *detail; /* in place of how many were changed: "12 new, 3 present"; or NULL
                         */
};

/* Begins. The texts must outlive it. */
void progress_begin(struct progress *p, const char *event, const char *unit,
                    int64_t total);

/* `done` of the total are done; `changed` of them were not as wanted. Shows it when it is
 * time to. */
void progress_update(struct progress *p, int64_t done, int64_t changed);

/* Ends the bar's line. */
void progress_end(const struct progress *p);

#endif
