#include "ingest/request/refusals.h"

#include "common/base/mem.h"
#include "common/contract/schema_name.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS INT64_C(3600000)
#define QUIET_AFTER_SUCCESS_MS INT64_C(600000)
/* Slugs are ours, so there are as many as sources; this bounds what a registry that
 * changes for months may leave. */
#define MAX_SOURCES 1024

struct clock_of_source {
    char source[SLUG_MAX_BYTES + 1];
    int64_t first_ms, last_ms; /* of the refusals */
    bool is_running;
    bool was_accepted; /* since the last refusal */
};

struct refusals {
    pthread_mutex_t lock;
    struct clock_of_source *clocks;
    size_t count;
    /* Requests that are accepted are many, refusals few: without a clock that runs nobody
     * takes the lock. */
    _Atomic unsigned running;
};

struct refusals *refusals_new(void)
{
    struct refusals *r = mem_calloc(1, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void refusals_free(struct refusals *r)
{
    if (r != NULL) {
        pthread_mutex_destroy(&r->lock);
        free(r->clocks);
        free(r);
    }
}

/* The source's clock, NULL when it has none. The lock is held. */
static struct clock_of_source *find(struct refusals *r, const char *source)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->clocks[i].source, source) == 0) {
            return &r->clocks[i];
        }
    }
    return NULL;
}

static struct clock_of_source *find_or_add(struct refusals *r, const char *source)
{
    struct clock_of_source *c = find(r, source);
    if (c == NULL && r->count < MAX_SOURCES) {
        r->clocks = mem_resize(r->clocks, r->count + 1, sizeof *r->clocks);
        c = &r->clocks[r->count++];
        *c = (struct clock_of_source){ .is_running = false };
        snprintf(c->source, sizeof c->source, "%s", source);
    }
    return c;
}

/* Ends the clock when it has been quiet for long enough. */
static void look(struct refusals *r, struct clock_of_source *c, int64_t now)
{
    int64_t quiet = c->was_accepted ? QUIET_AFTER_SUCCESS_MS : QUIET_MS;
    if (c->is_running && now - c->last_ms >= quiet) {
        c->is_running = false;
        atomic_fetch_sub(&r->running, 1);
    }
}

void refusals_refused(struct refusals *r, const char *source, int64_t now_mono_ms)
{
    pthread_mutex_lock(&r->lock);
    struct clock_of_source *c = find_or_add(r, source);
    if (c != NULL) {
        look(r, c, now_mono_ms);
        if (!c->is_running) {
            c->is_running = true;
            c->first_ms = now_mono_ms;
            atomic_fetch_add(&r->running, 1);
        }
        c->last_ms = now_mono_ms;
        c->was_accepted = false;
    }
    pthread_mutex_unlock(&r->lock);
}

void refusals_accepted(struct refusals *r, const char *source, int64_t now_mono_ms)
{
    if (atomic_load_explicit(&r->running, memory_order_relaxed) == 0) {
        return;
    }
    pthread_mutex_lock(&r->lock);
    struct clock_of_source *c = find(r, source);
    if (c != NULL && c->is_running) {
        c->was_accepted = true;
        look(r, c, now_mono_ms);
    }
    pthread_mutex_unlock(&r->lock);
}

void refusals_tell(struct refusals *r, int64_t now_mono_ms,
                   void (*tell)(void *context, const char *source, int64_t seconds),
                   void *context)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->count; i++) {
        struct clock_of_source *c = &r->clocks[i];
        int64_t left = REFUSALS_DISCARD_AFTER_S;
        look(r, c, now_mono_ms);
        if (c->is_running) {
            left -= (now_mono_ms - c->first_ms) / 1000;
        }
        tell(context, c->source, left < 0 ? 0 : left);
    }
    pthread_mutex_unlock(&r->lock);
}
