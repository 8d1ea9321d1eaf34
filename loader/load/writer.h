/* writer: the port of whoever works on tasks: a thread (writer_thread.h), or a test that
 * steps a pipeline itself.
 *
 * The consumer hands it one task at a time when it is idle, goes on filling the next
 * batch meanwhile (two batches in flight), and takes the result. All functions are the
 * consumer's thread's.
 */
#ifndef LOADER_LOAD_WRITER_H
#define LOADER_LOAD_WRITER_H

#include "loader/load/task.h"

struct writer {
    void *context;
    /* True when it has nothing to do and no result to give. */
    bool (*is_idle)(void *context);
    /* Takes the task; the writer must be idle. */
    void (*give)(void *context, const struct task *task);
    /* Waits up to `timeout_ms` for a result; true when *out has it and the writer is idle
     * again. */
    bool (*take)(void *context, uint64_t timeout_ms, struct task_result *out);
    /* Asks the task under way to end soon, even inside of a call to the database: its
     * result is then GIVEN_UP, or what it came to before. A transaction that is torn this
     * way may be committed or not: whoever comes next reads the positions first. */
    void (*give_up)(void *context);
    /* True when the task under way waits for a database that is away or unwell. */
    bool (*is_in_trouble)(void *context);
};

#endif
