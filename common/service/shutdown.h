/* shutdown: signals, waited for in one place.
 *
 * shutdown_block_signals is called first in main, before any thread exists (libraries
 * start threads), so that no thread is ever interrupted. A thread of this module waits
 * for SIGTERM and SIGINT; the first asks everybody to stop (drain), the second ends the
 * process at once with EXIT_WORK_LEFT. SIGPIPE is ignored. Any thread may ask.
 */
#ifndef COMMON_SERVICE_SHUTDOWN_H
#define COMMON_SERVICE_SHUTDOWN_H

#include "common/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Blocks the signals for this and all later threads, and ignores SIGPIPE. */
void shutdown_block_signals(void);

/* Starts the waiting thread, which runs until the process ends. */
MUST_CHECK bool shutdown_start(struct error *err);

/* True once a stop was asked for. Cheap enough for loops. */
bool shutdown_is_requested(void);

/* Asks for a stop as the first signal does, but counts as none: for fatal errors. */
void shutdown_request(void);

/* Waits for that, at most `timeout_ms` (UINT64_MAX: no limit); true when it was asked. */
bool shutdown_wait(uint64_t timeout_ms);

#endif
