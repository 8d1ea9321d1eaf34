#include "ingest/request/rate_limit.h"

#include "common/base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVERY_MS 60000
/* More sources than this share the last entry: a bound on memory that nobody meets. */
#define MAX_ENTRIES 1024

struct entry {
    char key[160]; /* source, or source and reason */
    double tokens;
    int64_t at_mono_ms;
    uint64_t count;
};

struct rate_limit {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t count;
};

struct rate_limit *rate_limit_new(void)
{
    struct rate_limit *r = mem_calloc(1, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void rate_limit_free(struct rate_limit *r)
{
    if (r != NULL) {
        pthread_mutex_destroy(&r->lock);
        free(r->entries);
        free(r);
    }
}

/* The entry of a key; *is_new when it was made now. The lock is held. */
static struct entry *find(struct rate_limit *r, const char *key, bool *is_new)
{
    *is_new = false;
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->entries[i].key, key) == 0) {
            return &r->entries[i];
        }
    }
    if (r->count == MAX_ENTRIES) {
        return &r->entries[MAX_ENTRIES - 1];
    }
    *is_new = true;
    r->entries = mem_resize(r->entries, r->count + 1, sizeof *r->entries);
    struct entry *e = &r->entries[r->count++];
    memset(e, 0, sizeof *e);
    snprintf(e->key, sizeof e->key, "%s", key);
    return e;
}

bool rate_limit_takes(struct rate_limit *r, const char *source, uint64_t per_second,
                      uint64_t events, int64_t now_mono_ms)
{
    bool is_new = false;
    if (per_second == 0) {
        return true;
    }
    pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, source, &is_new);
    double earned = (double)(now_mono_ms - e->at_mono_ms) * (double)per_second / 1000.0;
    e->tokens = is_new ? (double)per_second : e->tokens + earned;
    e->tokens = e->tokens > (double)per_second ? (double)per_second : e->tokens;
    e->at_mono_ms = now_mono_ms;
    bool passes = e->tokens >= 1;
    if (passes) {
        e->tokens -= (double)events;
    }
    pthread_mutex_unlock(&r->lock);
    return passes;
}

bool rate_limit_logs(struct rate_limit *r, const char *source, const char *reason,
                     int64_t now_mono_ms, uint64_t *out_count)
{
    char key[160];
    bool is_new = false;
    snprintf(key, sizeof key, "%s %s", source, reason);
    pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, key, &is_new);
    e->count++;
    bool is_due = is_new || now_mono_ms - e->at_mono_ms >= LOG_EVERY_MS;
    if (is_due) {
        *out_count = e->count;
        e->count = 0;
        e->at_mono_ms = now_mono_ms;
    }
    pthread_mutex_unlock(&r->lock);
    return is_due;
}
