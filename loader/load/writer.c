#include "loader/load/writer.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum state {
    STATE_IDLE,
    STATE_TASK,   /* a task waits for the thread, or is worked on */
    STATE_RESULT, /* its result waits for the intake */
    STATE_END,
};

struct writer {
    struct pipeline *pipeline;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum state state;
    bool is_giving_up;
    struct batch *batch; /* the task: a batch, or positions */
    struct writer_result result;
};

/* The pipeline's pause: ends early when the work is to be given up. */
static bool pause_or_give_up(void *context, uint64_t ms)
{
    struct writer *w = context;
    struct timespec until = clock_timespec(clock_mono_ms() + (int64_t)ms);
    int waited = 0;
    pthread_mutex_lock(&w->lock);
    while (!w->is_giving_up && waited == 0) {
        waited = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    }
    bool goes_on = !w->is_giving_up;
    pthread_mutex_unlock(&w->lock);
    return goes_on;
}

static void work(struct writer *w)
{
    struct writer_result *r = &w->result;
    if (w->batch == NULL) {
        r->outcome =
            pipeline_find_positions(w->pipeline, r->positions, r->position_count);
        return;
    }
    /* Not freed here: 5,000 records take 3 to 5 ms, in which the database would have
     * nothing to do. */
    r->outcome = pipeline_load(w->pipeline, w->batch, &r->loaded);
    r->batch = w->batch;
    w->batch = NULL;
}

static void *run(void *context)
{
    struct writer *w = context;
    pthread_mutex_lock(&w->lock);
    while (w->state != STATE_END) {
        if (w->state != STATE_TASK) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        pthread_mutex_unlock(&w->lock);
        work(w);
        w->result.ended_at_mono_us = clock_mono_us();
        pthread_mutex_lock(&w->lock);
        if (w->state == STATE_TASK) {
            w->state = STATE_RESULT;
        }
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

bool writer_start(struct pipeline *pipeline, struct writer **out, struct error *err)
{
    struct writer *w = mem_calloc(1, sizeof *w);
    pthread_condattr_t attributes;
    w->pipeline = pipeline;
    pipeline->pause = pause_or_give_up;
    pipeline->pause_context = w;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int failed = pthread_create(&w->thread, NULL, run, w);
    if (failed != 0) {
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return error_set_errno(err, ERROR_FATAL, failed, "starting the writer's thread");
    }
    *out = w;
    return true;
}

void writer_stop(struct writer *w)
{
    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->is_giving_up = true;
    w->state = STATE_END;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    batch_free(w->batch, w->pipeline->stream);
    batch_free(w->result.batch, w->pipeline->stream);
    pipeline_result_release(&w->result.loaded);
    free(w->result.positions);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

bool writer_is_idle(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    bool is_idle = w->state == STATE_IDLE;
    pthread_mutex_unlock(&w->lock);
    return is_idle;
}

static void begin(struct writer *w, struct batch *batch,
                  struct pipeline_position *positions, size_t count)
{
    pthread_mutex_lock(&w->lock);
    REQUIRE(w->state == STATE_IDLE);
    w->batch = batch;
    w->result = (struct writer_result){ .positions = positions, .position_count = count };
    w->is_giving_up = false;
    w->state = STATE_TASK;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void writer_load(struct writer *w, struct batch *batch)
{
    begin(w, batch, NULL, 0);
}

void writer_find_positions(struct writer *w, struct pipeline_position *positions,
                           size_t count)
{
    begin(w, NULL, positions, count);
}

bool writer_take(struct writer *w, uint64_t timeout_ms, struct writer_result *out)
{
    struct timespec until = clock_timespec(clock_mono_ms() + (int64_t)timeout_ms);
    int waited = 0;
    pthread_mutex_lock(&w->lock);
    while (w->state == STATE_TASK && waited == 0 && timeout_ms > 0) {
        waited = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    }
    bool has_result = w->state == STATE_RESULT;
    if (has_result) {
        *out = w->result;
        w->result = (struct writer_result){ 0 };
        w->state = STATE_IDLE;
    }
    pthread_mutex_unlock(&w->lock);
    return has_result;
}

void writer_give_up(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_giving_up = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}
