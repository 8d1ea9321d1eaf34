/* paths: a memory of key paths: which column name a path has, met once and then looked
 * up.
 *
 * Events repeat the same few hundred paths; deriving a name (words, joining, checksums)
 * costs far more than finding it by (parent path, key). What is remembered depends on the
 * keys and the ignore list alone, never on tables or on earlier events, so forgetting it
 * all changes nothing: that is what paths_begin does when strangers' keys have filled it.
 * Names are interned: two paths with one column share a struct path_name, which carries
 * the mark "this event has used it".
 *
 * Bounds: a path is kept whole up to PATH_MAX_BYTES, a longer one is cut and marked with
 * its checksum: one long key above thousands of others must not multiply an event's size.
 * One thread at a time. Pointers and views stay valid until paths_begin or release.
 */
#ifndef LOADER_MAPPING_PATHS_H
#define LOADER_MAPPING_PATHS_H

#include "loader/mapping/fixed_columns.h"
#include "loader/mapping/hash_index.h"

#include "common/base/arena.h"
#include "common/base/buf.h"

#define PATH_ROOT 0u /* the event itself: no key, no column */
#define PATH_MAX_BYTES 1024

struct path_name {
    struct view text; /* the column's name */
    uint32_t hash;    /* table_name_hash(text) */
    enum fixed_column fixed;
    uint64_t used_in; /* the last event that filled this column */
};

struct path {
    uint32_t parent;
    uint32_t name;      /* index of its struct path_name */
    struct view key;    /* decoded */
    struct view joined; /* segments before finishing; of a long name the first 60 bytes */
    struct view dotted; /* as stored: in _sdc_extra and in the column's COMMENT */
    uint32_t crc;       /* CRC-32C of the whole dotted path */
    uint16_t kept_bytes; /* of `dotted` before the mark, when it was cut */
    bool is_cut;
    bool may_meet;   /* another path may look the same once it is stored */
    bool is_ignored; /* it or one above it is in LOADER_IGNORE_PATHS */
};

struct paths {
    const char *const *ignored; /* NULL-ended, borrowed */
    uint64_t seed;
    uint64_t event; /* counts events: what path_name.used_in is compared with */
    struct path *all;
    uint32_t count, capacity;
    struct path_name *names;
    uint32_t name_count, name_capacity;
    struct hash_index by_key;
    struct hash_index by_name;
    struct arena strings;
    struct buf scratch;
};

/* `ignored` must outlive the paths. */
void paths_init(struct paths *p, const char *const *ignored);

/* Frees everything. */
void paths_release(struct paths *p);

/* A new event: no name is used yet. Forgets all paths when there are too many. */
void paths_begin(struct paths *p);

/* The number of the path `key` below `parent` (a number of this event's, or PATH_ROOT).
 */
uint32_t paths_child(struct paths *p, uint32_t parent, struct view key);

static inline const struct path *paths_get(const struct paths *p, uint32_t id)
{
    return &p->all[id];
}

/* The name of a path's column. */
static inline struct path_name *paths_name(const struct paths *p, uint32_t id)
{
    return &p->names[p->all[id].name];
}

/* Marks the column of a path as used by this event; false when it was already. */
static inline bool paths_use(const struct paths *p, uint32_t id)
{
    struct path_name *name = paths_name(p, id);
    bool is_first = name->used_in != p->event;
    name->used_in = p->event;
    return is_first;
}

/* True when this event has used the column of the path. */
static inline bool paths_is_used(const struct paths *p, uint32_t id)
{
    return paths_name(p, id)->used_in == p->event;
}

#endif
