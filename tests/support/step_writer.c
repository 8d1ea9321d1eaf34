#include "tests/support/step_writer.h"

#include "common/base/mem.h"

static bool is_idle(void *context)
{
    const struct step_writer *w = context;
    return !w->is_busy;
}

static void give(void *context, const struct task *task)
{
    struct step_writer *w = context;
    REQUIRE(!w->is_busy);
    w->is_busy = true;
    w->is_giving_up = false;
    w->wake_at_ms = 0;
    pipeline_begin(w->pipeline, task);
}

/* True when the task has ended. */
static bool step(struct step_writer *w)
{
    uint64_t wait_ms = 0;
    if (w->is_giving_up) {
        pipeline_give_up(w->pipeline);
        return true;
    }
    if (*w->now_ms < w->wake_at_ms) {
        return false;
    }
    enum pipeline_step done = pipeline_step(w->pipeline, &wait_ms);
    if (done == PIPELINE_WAITS) {
        w->wake_at_ms = *w->now_ms + (int64_t)wait_ms;
    }
    return done == PIPELINE_ENDED;
}

/* One step, or as many as there is time for. */
static bool take(void *context, uint64_t timeout_ms, struct task_result *out)
{
    struct step_writer *w = context;
    int64_t until = *w->now_ms + (int64_t)timeout_ms;
    bool dawdles = timeout_ms == 0 && w->dawdles != NULL && w->dawdles(w->context);
    if (!w->is_busy || dawdles) {
        return false;
    }
    while (!step(w)) {
        if (*w->now_ms >= until) {
            return false;
        }
        ++*w->now_ms;
    }
    w->is_busy = false;
    *out = pipeline_take_result(w->pipeline);
    return true;
}

static void give_up(void *context)
{
    struct step_writer *w = context;
    w->is_giving_up = true;
}

static bool is_in_trouble(void *context)
{
    const struct step_writer *w = context;
    return w->is_dead || pipeline_is_in_trouble(w->pipeline);
}

void step_writer_init(struct step_writer *w, struct pipeline *pipeline, int64_t *now_ms)
{
    *w = (struct step_writer){ .pipeline = pipeline, .now_ms = now_ms };
    w->writer = (struct writer){ .context = w,
                                 .is_idle = is_idle,
                                 .give = give,
                                 .take = take,
                                 .give_up = give_up,
                                 .is_in_trouble = is_in_trouble };
}
