#include "loader/load/writer_thread.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum state {
    STATE_IDLE,
    STATE_TASK,   /* a task waits for the thread, or is worked on */
    STATE_RESULT, /* its result waits for the consumer */
    STATE_END,
};

struct writer_thread {
    struct pipeline *pipeline; /* the thread's alone */
    const struct sink *sink;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    enum state state;
    bool is_giving_up;
    bool is_in_trouble;
    struct task task;
    struct task_result result;
};

/* Between two steps: waits as the pipeline wants it, unless the work is to be given up.
 * The lock is held. */
static bool goes_on_after(struct writer_thread *w, enum pipeline_step step,
                          uint64_t wait_ms)
{
    struct timespec until = clock_timespec(clock_mono_ms() + (int64_t)wait_ms);
    int waited = step == PIPELINE_WAITS ? 0 : ETIMEDOUT;
    w->is_in_trouble = pipeline_is_in_trouble(w->pipeline);
    while (!w->is_giving_up && waited == 0) {
        waited = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    }
    return !w->is_giving_up;
}

/* Works on the task to its end; the lock is held at both ends, never while the database
 * is called. */
static void work(struct writer_thread *w)
{
    enum pipeline_step step = PIPELINE_GOES_ON;
    pipeline_begin(w->pipeline, &w->task);
    w->task = (struct task){ .batch = NULL }; /* it comes back with the result */
    while (step != PIPELINE_ENDED) {
        uint64_t wait_ms = 0;
        pthread_mutex_unlock(&w->lock);
        step = pipeline_step(w->pipeline, &wait_ms);
        pthread_mutex_lock(&w->lock);
        if (step != PIPELINE_ENDED && !goes_on_after(w, step, wait_ms)) {
            pipeline_give_up(w->pipeline);
            step = PIPELINE_ENDED;
        }
    }
    w->is_in_trouble = pipeline_is_in_trouble(w->pipeline);
    w->result = pipeline_take_result(w->pipeline);
    w->result.ended_at_mono_us = clock_mono_us();
}

static void *run(void *context)
{
    struct writer_thread *w = context;
    pthread_mutex_lock(&w->lock);
    while (w->state != STATE_END) {
        if (w->state != STATE_TASK) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        work(w);
        if (w->state == STATE_TASK) {
            w->state = STATE_RESULT;
        }
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- the port ---- */

static bool thread_is_idle(void *context)
{
    struct writer_thread *w = context;
    pthread_mutex_lock(&w->lock);
    bool is_idle = w->state == STATE_IDLE;
    pthread_mutex_unlock(&w->lock);
    return is_idle;
}

static void thread_give(void *context, const struct task *task)
{
    struct writer_thread *w = context;
    pthread_mutex_lock(&w->lock);
    REQUIRE(w->state == STATE_IDLE);
    w->task = *task;
    w->is_giving_up = false;
    w->sink->interrupt(w->sink->context, false);
    w->state = STATE_TASK;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static bool thread_take(void *context, uint64_t timeout_ms, struct task_result *out)
{
    struct writer_thread *w = context;
    struct timespec until = clock_timespec(clock_mono_ms() + (int64_t)timeout_ms);
    int waited = 0;
    pthread_mutex_lock(&w->lock);
    while (w->state == STATE_TASK && waited == 0 && timeout_ms > 0) {
        waited = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    }
    bool has_result = w->state == STATE_RESULT;
    if (has_result) {
        *out = w->result;
        w->result = (struct task_result){ .outcome = TASK_DONE };
        w->state = STATE_IDLE;
    }
    pthread_mutex_unlock(&w->lock);
    return has_result;
}

/* The lock is held. */
static void give_up(struct writer_thread *w)
{
    w->is_giving_up = true;
    w->sink->interrupt(w->sink->context, true);
    pthread_cond_broadcast(&w->changed);
}

static void thread_give_up(void *context)
{
    struct writer_thread *w = context;
    pthread_mutex_lock(&w->lock);
    give_up(w);
    pthread_mutex_unlock(&w->lock);
}

static bool thread_is_in_trouble(void *context)
{
    struct writer_thread *w = context;
    pthread_mutex_lock(&w->lock);
    bool is_in_trouble = w->is_in_trouble;
    pthread_mutex_unlock(&w->lock);
    return is_in_trouble;
}

/* ---- life ---- */

static void destroy(struct writer_thread *w)
{
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void end_task(struct task *t, const struct log_release *release)
{
    batch_free(t->batch, release);
    free(t->positions);
    free(t->moves);
}

bool writer_thread_start(struct pipeline *pipeline, const struct sink *sink,
                         struct writer *out, struct error *err)
{
    struct writer_thread *w = mem_calloc(1, sizeof *w);
    w->pipeline = pipeline;
    w->sink = sink;
    pthread_mutex_init(&w->lock, NULL);
    clock_cond_init(&w->changed);
    int failed = pthread_create(&w->thread, NULL, run, w);
    if (failed != 0) {
        destroy(w);
        return error_set_errno(err, ERROR_FATAL, failed, "starting the writer's thread");
    }
    *out = (struct writer){ .context = w,
                            .is_idle = thread_is_idle,
                            .give = thread_give,
                            .take = thread_take,
                            .give_up = thread_give_up,
                            .is_in_trouble = thread_is_in_trouble };
    return true;
}

void writer_thread_stop(struct writer *writer, const struct log_release *release)
{
    struct writer_thread *w = writer->context;
    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    give_up(w);
    w->state = STATE_END;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    end_task(&w->task, release); /* never begun */
    end_task(&w->result.task, release);
    task_result_release(&w->result);
    destroy(w);
    writer->context = NULL;
}
