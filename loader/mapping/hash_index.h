/* hash_index: from a 32-bit hash to the numbers of the things that have it.
 *
 * An open-addressing table of (hash, id) pairs: the caller owns the things, keeps their
 * hash, and compares them itself. Look-up by name is on the mapping's hot path, hence no
 * call per comparison. Nothing is ever removed but all at once. Memory grows by doubling
 * and never fails (see mem.h). One writer or many readers.
 */
#ifndef LOADER_MAPPING_HASH_INDEX_H
#define LOADER_MAPPING_HASH_INDEX_H

#include "common/base/view.h"

#include <stdint.h>

struct hash_slot {
    uint32_t hash;
    uint32_t id_plus_1; /* 0: the slot is free */
};

/* A zeroed struct hash_index is a valid empty index. */
struct hash_index {
    struct hash_slot *slots;
    uint32_t mask; /* slots - 1, a power of two less one; unused while slots == NULL */
    uint32_t count;
};

/* Where a look-up stands. */
struct hash_probe {
    uint32_t hash;
    uint32_t at;
};

/* A hash of the bytes. Keys that strangers choose are hashed with a seed that they cannot
 * know, names of columns, of which there are few, with any constant. */
uint32_t hash_bytes(uint64_t seed, struct view bytes);

/* Frees the slots; the index is empty and usable afterwards. */
void hash_index_release(struct hash_index *index);

/* Forgets all pairs, keeps the memory. */
void hash_index_clear(struct hash_index *index);

/* Adds a pair; the same pair may be added twice and is then found twice. */
void hash_index_add(struct hash_index *index, uint32_t hash, uint32_t id);

static inline struct hash_probe hash_index_probe(const struct hash_index *index,
                                                 uint32_t hash)
{
    struct hash_probe probe = { hash, hash & index->mask };
    return probe;
}

/* The next id with the probe's hash; false when there are no more. */
static inline bool hash_index_next(const struct hash_index *index,
                                   struct hash_probe *probe, uint32_t *out_id)
{
    if (index->slots == NULL) {
        return false;
    }
    while (index->slots[probe->at].id_plus_1 != 0) {
        const struct hash_slot *slot = &index->slots[probe->at];
        probe->at = (probe->at + 1) & index->mask;
        if (slot->hash == probe->hash) {
            *out_id = slot->id_plus_1 - 1;
            return true;
        }
    }
    return false;
}

#endif
