/* IOV_MAX is in POSIX only with its XSI option. */
#define _XOPEN_SOURCE 700

#include "ingest/durable/spool.h"

#include "common/base/clock.h"
#include "common/base/crash_point.h"
#include "common/base/mem.h"
#include "common/service/log.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* After the disk was full: how long requests are refused before their bodies are read. */
#define FULL_MS 1000

#define GROUP_MAX_ENTRIES IOV_MAX /* one writev */

struct spool {
    struct spool_setup setup;
    struct spool_log *log;
    pthread_t thread;
    _Atomic bool has_failed;
    _Atomic int64_t full_until_mono_ms;
    bool is_full; /* only the writer's: it was said in the log */
    struct iovec parts[GROUP_MAX_ENTRIES];
    struct spool_entry *taken[GROUP_MAX_ENTRIES];

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t has_work;
    struct spool_entry *first;
    struct spool_entry **last;
    bool is_closing;
};

/* ---- the queue ---- */

bool spool_append(struct spool *s, struct spool_entry *entry)
{
    if (atomic_load(&s->has_failed) || !spool_log_reserve(s->log, entry->frames.len)) {
        return false;
    }
    entry->next = NULL;
    pthread_mutex_lock(&s->lock);
    bool is_taken = !s->is_closing && !atomic_load(&s->has_failed);
    if (is_taken) {
        if (s->first == NULL) { /* else it is awake already */
            pthread_cond_signal(&s->has_work);
        }
        *s->last = entry;
        s->last = &entry->next;
    }
    pthread_mutex_unlock(&s->lock);
    if (!is_taken) {
        spool_log_cancel(s->log, entry->frames.len);
    }
    return is_taken;
}

/* Takes from the queue what goes into one write, at least one entry; the lock is held. */
static void take_group(struct spool *s, struct spool_group *group)
{
    uint64_t most = spool_log_segment_bytes(s->log);
    *group = (struct spool_group){ .parts = s->parts };
    while (s->first != NULL && group->count < GROUP_MAX_ENTRIES &&
           (group->count == 0 || group->bytes + s->first->frames.len <= most)) {
        struct spool_entry *entry = s->first;
        s->first = entry->next;
        s->taken[group->count] = entry;
        s->parts[group->count].iov_base = (void *)(uintptr_t)entry->frames.data;
        s->parts[group->count].iov_len = entry->frames.len;
        group->bytes += entry->frames.len;
        group->reserved += spool_log_charge(s->log, entry->frames.len);
        group->count++;
    }
    if (s->first == NULL) {
        s->last = &s->first;
    }
}

/* Waits for entries; false: there are none, and there will be none. */
static bool wait_for_group(struct spool *s, struct spool_group *group)
{
    pthread_mutex_lock(&s->lock);
    while (s->first == NULL && !s->is_closing) {
        pthread_cond_wait(&s->has_work, &s->lock);
    }
    bool has_one = s->first != NULL;
    if (has_one) {
        take_group(s, group);
    }
    pthread_mutex_unlock(&s->lock);
    return has_one;
}

/* ---- the writer ---- */

static void tally_group(const struct spool *s, struct spool_group *group)
{
    for (int i = 0; i < group->count; i++) {
        struct view rest = s->taken[i]->frames;
        while (rest.len > 0) {
            struct view frame = spool_frame_whole(rest);
            spool_tally_add(&group->tally, frame);
            rest = view_skip(rest, frame.len);
        }
    }
}

static void disk_is_full(struct spool *s, const struct error *err)
{
    atomic_store(&s->full_until_mono_ms, clock_mono_ms() + FULL_MS);
    if (!s->is_full) {
        s->is_full = true;
        log_failure(LOG_WARN, "spool_disk_full", err);
    }
}

static void disk_has_room(struct spool *s)
{
    if (s->is_full) {
        s->is_full = false;
        log_info("spool_disk_has_room", log_text("folder", s->setup.dir));
    }
}

static void disk_is_broken(struct spool *s, const struct error *err)
{
    if (!atomic_exchange(&s->has_failed, true)) {
        s->setup.on_failed(s->setup.context, err);
    }
}

static bool write_group(struct spool *s, struct spool_group *group)
{
    struct error err;
    int64_t sync_us = 0;
    tally_group(s, group);
    switch (spool_log_write(s->log, group, &sync_us, &err)) {
    case SPOOL_DURABLE:
        disk_has_room(s);
        if (s->setup.on_synced != NULL) {
            s->setup.on_synced(s->setup.context, sync_us);
        }
        return true;
    case SPOOL_NO_SPACE:
        disk_is_full(s, &err);
        return false;
    case SPOOL_BROKEN:
        disk_is_broken(s, &err);
        return false;
    }
    return false;
}

/* After a failure nothing is written any more, only ended. */
static void refuse_group(struct spool *s, const struct spool_group *group)
{
    for (int i = 0; i < group->count; i++) {
        spool_log_cancel(s->log, s->taken[i]->frames.len);
    }
}

static void *run(void *context)
{
    struct spool *s = context;
    struct spool_group group;
    while (wait_for_group(s, &group)) {
        bool is_durable = false;
        if (atomic_load(&s->has_failed)) {
            refuse_group(s, &group);
        } else {
            is_durable = write_group(s, &group);
        }
        crash_point("spool_ending");
        for (int i = 0; i < group.count; i++) {
            s->taken[i]->on_end(s->taken[i], is_durable);
        }
    }
    return NULL;
}

/* ---- life ---- */

static void free_spool(struct spool *s)
{
    spool_log_close(s->log);
    pthread_cond_destroy(&s->has_work);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

bool spool_open(const struct spool_setup *setup, struct spool **out, struct error *err)
{
    struct spool *s = mem_calloc(1, sizeof *s);
    s->setup = *setup;
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->has_work, NULL);
    if (!spool_log_open(setup->dir, setup->max_bytes, &s->log, err)) {
        free_spool(s);
        return false;
    }
    int failed = pthread_create(&s->thread, NULL, run, s);
    if (failed != 0) {
        free_spool(s);
        return error_set_errno(err, ERROR_FATAL, failed, "starting the spool's thread");
    }
    *out = s;
    return true;
}

uint32_t spool_salt(const struct spool *s)
{
    return spool_log_salt(s->log);
}

struct spool_log *spool_log_of(struct spool *s)
{
    return s->log;
}

bool spool_has_room(struct spool *s, uint64_t bytes)
{
    return !atomic_load(&s->has_failed) &&
           clock_mono_ms() >= atomic_load(&s->full_until_mono_ms) &&
           spool_log_has_room(s->log, bytes);
}

bool spool_has_failed(const struct spool *s)
{
    return atomic_load(&s->has_failed);
}

void spool_figures(struct spool *s, struct spool_figures *out)
{
    spool_log_figures(s->log, out);
}

void spool_close(struct spool *s)
{
    if (s == NULL) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->is_closing = true;
    pthread_cond_signal(&s->has_work);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    free_spool(s);
}
