#include "ingest/durable/delivery.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* `open` counts the records under way and, as one more, the wait that has not begun: so
 * the count reaches 0 only once everything was started and has ended. */
struct delivery {
    _Atomic unsigned references;
    _Atomic unsigned open;
    _Atomic unsigned wake_at; /* who brings `open` to this wakes the waiting thread */
    _Atomic bool has_failed;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

struct delivery *delivery_new(void)
{
    struct delivery *d = mem_calloc(1, sizeof *d);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    atomic_init(&d->references, 1);
    atomic_init(&d->open, 1);
    return d;
}

void delivery_release(struct delivery *d)
{
    if (atomic_fetch_sub(&d->references, 1) == 1) {
        pthread_cond_destroy(&d->changed);
        pthread_mutex_destroy(&d->lock);
        free(d);
    }
}

void delivery_started(struct delivery *d)
{
    atomic_fetch_add(&d->references, 1);
    atomic_fetch_add(&d->open, 1);
}

static void close_one(struct delivery *d)
{
    if (atomic_fetch_sub(&d->open, 1) - 1 == atomic_load(&d->wake_at)) {
        pthread_mutex_lock(&d->lock);
        pthread_cond_signal(&d->changed);
        pthread_mutex_unlock(&d->lock);
    }
}

void delivery_ended(struct delivery *d, bool is_durable)
{
    if (!is_durable) {
        atomic_store(&d->has_failed, true);
    }
    close_one(d);
    delivery_release(d);
}

/* Until `open` is at most `most`. The threshold is set before `open` is read, so either
 * the count is seen, or who reaches it sees the threshold, and needs the lock to wake us.
 */
static bool wait_until(struct delivery *d, unsigned most, int64_t deadline_mono_ms)
{
    struct timespec until = clock_timespec(deadline_mono_ms);
    int waited = 0;
    atomic_store(&d->wake_at, most);
    pthread_mutex_lock(&d->lock);
    while (atomic_load(&d->open) > most && waited == 0) {
        waited = pthread_cond_timedwait(&d->changed, &d->lock, &until);
    }
    pthread_mutex_unlock(&d->lock);
    return atomic_load(&d->open) <= most;
}

bool delivery_wait_room(struct delivery *d, unsigned most, int64_t deadline_mono_ms)
{
    bool has_room = wait_until(d, most + 1, deadline_mono_ms); /* 1: the wait to come */
    atomic_store(&d->wake_at, 0);
    return has_room;
}

enum delivery_state delivery_wait(struct delivery *d, int64_t deadline_mono_ms)
{
    close_one(d); /* everything is started */
    if (!wait_until(d, 0, deadline_mono_ms)) {
        return DELIVERY_PENDING;
    }
    return atomic_load(&d->has_failed) ? DELIVERY_FAILED : DELIVERY_DURABLE;
}
