#include "ingest/registry/registry.h"

#include "ingest/registry/source_file.h"

#include "common/base/mem.h"
#include "common/service/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

/* From a key to its source; sorted by key. */
struct entry {
    struct view key;
    const struct source *source;
};

struct index {
    struct entry *entries;
    size_t count;
};

struct registry_snapshot {
    struct source_list list;
    struct index slugs;
    struct index write_keys;
    size_t users; /* the registry itself is one while this is in force; under its mutex */
};

/* Two files that differ in none of these are the same. */
struct identity {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct registry {
    char *path;
    struct identity identity; /* of what is loaded; only the reloading thread's */
    pthread_mutex_t mutex;    /* guards current and all counts */
    struct registry_snapshot *_Atomic current;
};

/* ---- snapshots ---- */

static int compare_entries(const void *a, const void *b)
{
    return view_compare(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static void index_add(struct index *index, const char *key, const struct source *source)
{
    index->entries[index->count++] = (struct entry){ view_cstr(key), source };
}

static void index_sort(struct index *index)
{
    if (index->count > 1) {
        qsort(index->entries, index->count, sizeof *index->entries, compare_entries);
    }
}

static const struct source *index_find(const struct index *index, struct view key)
{
    struct entry wanted = { .key = key };
    const struct entry *found = NULL;
    if (index->count > 0) {
        found = bsearch(&wanted, index->entries, index->count, sizeof wanted,
                        compare_entries);
    }
    return found == NULL ? NULL : found->source;
}

/* Takes the list. */
static struct registry_snapshot *snapshot_new(const struct source_list *list)
{
    struct registry_snapshot *s = mem_calloc(1, sizeof *s);
    s->list = *list;
    s->users = 1;
    s->slugs.entries = mem_calloc(list->count, sizeof(struct entry));
    s->write_keys.entries =
        mem_calloc(list->count * SOURCE_MAX_CREDENTIALS, sizeof(struct entry));
    for (size_t i = 0; i < list->count; i++) {
        const struct source *source = &s->list.sources[i];
        index_add(&s->slugs, source->slug, source);
        for (unsigned k = 0; k < source->write_keys.count; k++) {
            index_add(&s->write_keys, source->write_keys.values[k], source);
        }
    }
    index_sort(&s->slugs);
    index_sort(&s->write_keys);
    return s;
}

static void snapshot_free(struct registry_snapshot *s)
{
    free(s->slugs.entries);
    free(s->write_keys.entries);
    source_list_release(&s->list);
    free(s);
}

const struct registry_snapshot *registry_acquire(struct registry *r)
{
    pthread_mutex_lock(&r->mutex);
    struct registry_snapshot *s = atomic_load(&r->current);
    s->users++;
    pthread_mutex_unlock(&r->mutex);
    return s;
}

void registry_release(struct registry *r, const struct registry_snapshot *snapshot)
{
    /* Ours and mutable behind the caller's const. */
    struct registry_snapshot *s = (struct registry_snapshot *)(uintptr_t)snapshot;
    pthread_mutex_lock(&r->mutex);
    REQUIRE(s->users > 0);
    bool is_unused = --s->users == 0;
    pthread_mutex_unlock(&r->mutex);
    if (is_unused) {
        snapshot_free(s);
    }
}

bool registry_is_current(const struct registry *r, const struct registry_snapshot *s)
{
    return atomic_load(&r->current) == s;
}

const struct source *registry_by_slug(const struct registry_snapshot *s, struct view slug)
{
    return index_find(&s->slugs, slug);
}

const struct source *registry_by_write_key(const struct registry_snapshot *s,
                                           struct view write_key)
{
    return index_find(&s->write_keys, write_key);
}

size_t registry_count(const struct registry_snapshot *s)
{
    return s->list.count;
}

const struct source *registry_at(const struct registry_snapshot *s, size_t index)
{
    REQUIRE(index < s->list.count);
    return &s->list.sources[index];
}

/* ---- the file ---- */

static bool read_identity(const char *path, struct identity *out, struct error *err)
{
    struct stat facts;
    if (stat(path, &facts) != 0) {
        return error_set_errno(err, ERROR_INVALID, errno,
                               "cannot read the source registry '%s'", path);
    }
    *out = (struct identity){ .device = facts.st_dev,
                              .inode = facts.st_ino,
                              .size = facts.st_size,
                              .changed = facts.st_mtim };
    return true;
}

static bool is_same_file(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

/* The identity is read before the content: a file that is swapped in between differs from
 * it, and is read again at the next look. */
static bool load(const char *path, struct identity *out_identity,
                 struct registry_snapshot **out, struct error *err)
{
    struct source_list list = { 0 };
    if (!read_identity(path, out_identity, err) || !source_file_read(path, &list, err)) {
        return false;
    }
    if (source_file_is_world_readable(path)) {
        log_warn("sources_file_readable_by_all", log_text("file", path),
                 log_text("advice", "it holds secrets: chmod o-r"));
    }
    *out = snapshot_new(&list);
    return true;
}

bool registry_open(const char *path, struct registry **out, struct error *err)
{
    struct identity identity;
    struct registry_snapshot *first = NULL;
    if (!load(path, &identity, &first, err)) {
        return false;
    }
    struct registry *r = mem_calloc(1, sizeof *r);
    r->path = mem_strdup(path);
    r->identity = identity;
    atomic_init(&r->current, first);
    pthread_mutex_init(&r->mutex, NULL);
    *out = r;
    return true;
}

void registry_close(struct registry *r)
{
    if (r == NULL) {
        return;
    }
    struct registry_snapshot *last = atomic_load(&r->current);
    REQUIRE(last->users == 1); /* else a request still reads it */
    snapshot_free(last);
    pthread_mutex_destroy(&r->mutex);
    free(r->path);
    free(r);
}

bool registry_refresh(struct registry *r, bool *out_changed, struct error *err)
{
    struct identity identity = { 0 };
    struct registry_snapshot *next = NULL;
    if (!read_identity(r->path, &identity, err)) {
        return false;
    }
    if (is_same_file(&identity, &r->identity)) {
        *out_changed = false;
        return true;
    }
    if (!load(r->path, &identity, &next, err)) {
        return false;
    }
    r->identity = identity;
    pthread_mutex_lock(&r->mutex);
    struct registry_snapshot *before = atomic_exchange(&r->current, next);
    pthread_mutex_unlock(&r->mutex);
    registry_release(r, before);
    *out_changed = true;
    return true;
}
