#include "tests/support/fake_durable.h"

#include "common/base/mem.h"

#include <stdlib.h>

struct fake_durable *fake_durable_new(void)
{
    struct fake_durable *f = mem_calloc(1, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void fake_durable_free(struct fake_durable *f)
{
    fake_durable_end_all(f, false);
    arena_release(&f->arena);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static bool would_admit(void *context)
{
    const struct fake_durable *f = context;
    return f->mode != FAKE_IS_AWAY;
}

static bool admit(void *context, struct error *err)
{
    struct fake_durable *f = context;
    f->admissions++;
    return f->mode != FAKE_IS_AWAY ||
           error_set(err, ERROR_BUSY, ERROR_FROM_SELF, NULL, "away");
}

/* The record outlives the request: everything is copied. */
static void keep(struct fake_durable *f, const struct record *r)
{
    struct record *copy = &f->records[f->count++];
    *copy = *r;
    struct view *texts[] = { &copy->key,          &copy->value,      &copy->source,
                             &copy->schema,       &copy->request_id, &copy->sent_at,
                             &copy->context,      &copy->ip,         &copy->type,
                             &copy->integrations, &copy->reason,     &copy->detail,
                             &copy->traceparent };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_copy(&f->arena, *texts[i]);
    }
}

static bool put(void *context, const struct record *r, struct delivery *delivery,
                struct error *err)
{
    struct fake_durable *f = context;
    pthread_mutex_lock(&f->lock);
    bool is_taken = f->mode != FAKE_IS_FULL && f->count < FAKE_DURABLE_MAX;
    if (is_taken) {
        keep(f, r);
        delivery_started(delivery);
    }
    if (is_taken && f->mode == FAKE_IS_LATE) {
        f->open[f->open_count++] = delivery;
    } else if (is_taken) {
        delivery_ended(delivery, f->mode == FAKE_KEEPS);
    }
    pthread_mutex_unlock(&f->lock);
    return is_taken || error_set(err, ERROR_BUSY, ERROR_FROM_SELF, NULL, "full");
}

static void waited(void *context, enum delivery_state state)
{
    struct fake_durable *f = context;
    pthread_mutex_lock(&f->lock);
    f->waits[state]++;
    pthread_mutex_unlock(&f->lock);
}

struct durable fake_durable_port(struct fake_durable *f)
{
    struct durable port = { .context = f,
                            .would_admit = would_admit,
                            .admit = admit,
                            .put = put,
                            .waited = waited };
    return port;
}

void fake_durable_reset(struct fake_durable *f, enum fake_durable_mode mode)
{
    fake_durable_end_all(f, false);
    pthread_mutex_lock(&f->lock);
    f->count = 0;
    f->admissions = 0;
    f->mode = mode;
    arena_reset(&f->arena);
    memset(f->waits, 0, sizeof f->waits);
    pthread_mutex_unlock(&f->lock);
}

void fake_durable_end_all(struct fake_durable *f, bool is_durable)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->open_count; i++) {
        delivery_ended(f->open[i], is_durable);
    }
    f->open_count = 0;
    pthread_mutex_unlock(&f->lock);
}
