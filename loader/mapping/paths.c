#include "loader/mapping/paths.h"

#include "loader/mapping/column_name.h"
#include "loader/mapping/table_plan.h"

#include "common/base/crc32c.h"
#include "common/base/mem.h"

#include <stdlib.h>

/* When to forget: far more than honest senders use, a few MiB. */
#define MAX_PATHS 20000u
#define MAX_STRING_BYTES ((size_t)8 * 1024 * 1024)

#define MARK_BYTES 9 /* "_" and 8 hex digits */

/* Ids begin again: nobody keeps one beyond its event. */
static void reset(struct paths *p)
{
    hash_index_clear(&p->by_key);
    hash_index_clear(&p->by_name);
    arena_reset(&p->strings);
    p->count = 1; /* the root */
    p->name_count = 0;
}

void paths_init(struct paths *p, const char *const *ignored)
{
    memset(p, 0, sizeof(*p));
    p->ignored = ignored;
    /* Where our memory lies is not known to senders: they cannot aim keys at one slot. */
    p->seed = (uint64_t)(uintptr_t)p * UINT64_C(0xD6E8FEB86659FD93);
    arena_init(&p->strings);
    buf_init(&p->scratch, 0);
    p->capacity = 64;
    p->all = mem_calloc(p->capacity, sizeof(*p->all));
    reset(p);
}

void paths_release(struct paths *p)
{
    hash_index_release(&p->by_key);
    hash_index_release(&p->by_name);
    arena_release(&p->strings);
    buf_release(&p->scratch);
    free(p->all);
    free(p->names);
    p->all = NULL;
    p->names = NULL;
}

void paths_begin(struct paths *p)
{
    if (p->count > MAX_PATHS || p->strings.total > MAX_STRING_BYTES) {
        reset(p);
    }
    p->event++;
}

/* Interns the finished name in `text`. */
static uint32_t name_of(struct paths *p, struct view text)
{
    uint32_t hash = table_name_hash(text);
    struct hash_probe probe = hash_index_probe(&p->by_name, hash);
    uint32_t id;
    while (hash_index_next(&p->by_name, &probe, &id)) {
        if (view_equal(p->names[id].text, text)) {
            return id;
        }
    }
    if (p->name_count == p->name_capacity) {
        p->name_capacity = p->name_capacity == 0 ? 64 : p->name_capacity * 2;
        p->names = mem_resize(p->names, p->name_capacity, sizeof(*p->names));
    }
    struct path_name name = { arena_copy(&p->strings, text), hash,
                              fixed_column_find(text), 0 };
    p->names[p->name_count] = name;
    hash_index_add(&p->by_name, hash, p->name_count);
    return p->name_count++;
}

/* Joined segments, the name made of them. Of a name that is too long anyway, no more than
 * what finishing looks at is kept or built. */
static void derive_name(struct paths *p, const struct path *parent, struct path *child)
{
    struct buf *name = &p->scratch;
    buf_clear(name);
    buf_add_view(name, parent->joined);
    if (parent->joined.len <= COLUMN_NAME_MAX_BYTES) {
        if (child->parent != PATH_ROOT) {
            buf_add_cstr(name, COLUMN_NAME_JOIN);
        }
        column_name_add_segment(name, child->key);
    }
    if (name->len > COLUMN_NAME_MAX_BYTES + 1) {
        name->len = COLUMN_NAME_MAX_BYTES + 1;
    }
    child->joined = arena_copy(&p->strings, buf_view(name));
    column_name_finish_crc(name, child->crc);
    child->name = name_of(p, buf_view(name));
}

/* NUL is replaced in the path, a backslash may stand before the dot that joins two keys.
 */
static bool is_ambiguous(struct view key)
{
    return key.len > 0 && (memchr(key.data, '\0', key.len) != NULL ||
                           memchr(key.data, '\\', key.len) != NULL);
}

/* The dotted path and its checksum, which goes on from the parent's: no path is read
 * twice. */
static void derive_dotted(struct paths *p, const struct path *parent, struct path *child)
{
    struct buf *own = &p->scratch; /* ".key" */
    buf_clear(own);
    if (child->parent != PATH_ROOT) {
        buf_add_char(own, '.');
    }
    column_name_add_path(own, child->key);
    child->crc = crc32c_extend(parent->crc, buf_view(own));
    child->may_meet = parent->may_meet || is_ambiguous(child->key);

    size_t kept = parent->is_cut ? parent->kept_bytes : parent->dotted.len;
    size_t whole = kept + (parent->is_cut ? 0 : own->len);
    char *text = arena_alloc(&p->strings, whole + MARK_BYTES);
    if (kept > 0) {
        memcpy(text, parent->dotted.data, kept);
    }
    if (whole > kept) {
        memcpy(text + kept, own->data, whole - kept);
    }
    child->dotted = view_of(text, whole);
    if (!parent->is_cut && whole <= PATH_MAX_BYTES) {
        return;
    }
    child->is_cut = true;
    child->may_meet = true;
    kept = column_name_fit(child->dotted, PATH_MAX_BYTES - MARK_BYTES);
    child->kept_bytes = (uint16_t)kept;
    buf_clear(own);
    column_name_add_mark(own, child->crc);
    memcpy(text + kept, own->data, own->len);
    child->dotted.len = kept + own->len;
}

/* Whole paths only: what is under an ignored path is never asked for (paths.is_ignored is
 * inherited), and a path that had to be cut is longer than any entry. */
static bool is_in_ignore_list(const struct paths *p, const struct path *path)
{
    for (const char *const *ignored = p->ignored; *ignored != NULL; ignored++) {
        if (!path->is_cut && view_equal_cstr(path->dotted, *ignored)) {
            return true;
        }
    }
    return false;
}

/* The order matters: the name's mark is the checksum of the dotted path. */
static uint32_t add_child(struct paths *p, uint32_t parent_id, struct view key,
                          uint32_t hash)
{
    if (p->count == p->capacity) {
        p->capacity *= 2;
        p->all = mem_resize(p->all, p->capacity, sizeof(*p->all));
    }
    const struct path *parent = &p->all[parent_id];
    struct path *child = &p->all[p->count];
    memset(child, 0, sizeof(*child));
    child->parent = parent_id;
    child->key = arena_copy(&p->strings, key);
    derive_dotted(p, parent, child);
    derive_name(p, parent, child);
    child->is_ignored = parent->is_ignored || is_in_ignore_list(p, child);
    hash_index_add(&p->by_key, hash, p->count);
    return p->count++;
}

uint32_t paths_child(struct paths *p, uint32_t parent, struct view key)
{
    uint32_t hash = hash_bytes(p->seed + parent, key);
    struct hash_probe probe = hash_index_probe(&p->by_key, hash);
    uint32_t id;
    while (hash_index_next(&p->by_key, &probe, &id)) {
        if (p->all[id].parent == parent && view_equal(p->all[id].key, key)) {
            return id;
        }
    }
    return add_child(p, parent, key, hash);
}
