/* writer_thread: the writer as a thread of its own: it drives a pipeline, step by step,
 * and does the waiting between steps.
 */
#ifndef LOADER_LOAD_WRITER_THREAD_H
#define LOADER_LOAD_WRITER_THREAD_H

#include "loader/load/pipeline.h"
#include "loader/load/writer.h"

/* Starts the thread. Pipeline and sink are the thread's until it has ended. */
MUST_CHECK bool writer_thread_start(struct pipeline *pipeline, const struct sink *sink,
                                    struct writer *out, struct error *err);

/* Gives up what it does, ends the thread, frees; `release` takes the records of a batch
 * that nobody has taken back. Nothing when it was never started. */
void writer_thread_stop(struct writer *w, const struct log_release *release);

#endif
