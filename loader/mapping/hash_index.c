#include "loader/mapping/hash_index.h"

#include "common/base/mem.h"

#include <stdlib.h>

#define FIRST_SLOTS 64u

/* Multiply and fold, eight bytes a step: short names take two or three steps. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 29);
}

static uint64_t load(const char *at, size_t bytes)
{
    uint64_t eight;
    uint32_t four;
    if (bytes == sizeof(eight)) {
        memcpy(&eight, at, sizeof(eight));
        return eight;
    }
    memcpy(&four, at, sizeof(four));
    return four;
}

/* Fewer than eight bytes as one word; the length, which is hashed too, tells the rest
 * apart. */
static uint64_t load_short(struct view bytes)
{
    if (bytes.len >= 4) {
        return load(bytes.data, 4) << 32 | load(bytes.data + bytes.len - 4, 4);
    }
    uint64_t word = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        word = word << 8 | (unsigned char)bytes.data[i];
    }
    return word;
}

uint32_t hash_bytes(uint64_t seed, struct view bytes)
{
    uint64_t hash = mix(seed, bytes.len);
    if (bytes.len < 8) {
        hash = mix(hash, load_short(bytes));
    } else {
        size_t at = 0;
        for (; at + 8 < bytes.len; at += 8) {
            hash = mix(hash, load(bytes.data + at, 8));
        }
        hash =
            mix(hash, load(bytes.data + bytes.len - 8, 8)); /* overlaps the one before */
    }
    hash = mix(hash, seed);
    return (uint32_t)(hash >> 32);
}

void hash_index_release(struct hash_index *index)
{
    free(index->slots);
    memset(index, 0, sizeof(*index));
}

void hash_index_clear(struct hash_index *index)
{
    if (index->slots != NULL) {
        memset(index->slots, 0, ((size_t)index->mask + 1) * sizeof(*index->slots));
    }
    index->count = 0;
}

static void put(struct hash_index *index, struct hash_slot slot)
{
    uint32_t at = slot.hash & index->mask;
    while (index->slots[at].id_plus_1 != 0) {
        at = (at + 1) & index->mask;
    }
    index->slots[at] = slot;
}

/* A power of two, so that a mask replaces the division. */
static void grow(struct hash_index *index)
{
    struct hash_index bigger = { NULL, FIRST_SLOTS - 1, index->count };
    if (index->slots != NULL) {
        bigger.mask = index->mask * 2 + 1;
    }
    bigger.slots = mem_calloc((size_t)bigger.mask + 1, sizeof(*bigger.slots));
    for (uint32_t i = 0; index->slots != NULL && i <= index->mask; i++) {
        if (index->slots[i].id_plus_1 != 0) {
            put(&bigger, index->slots[i]);
        }
    }
    free(index->slots);
    *index = bigger;
}

void hash_index_add(struct hash_index *index, uint32_t hash, uint32_t id)
{
    /* At most half full: probes stay short. */
    if (index->slots == NULL || index->count >= (index->mask + 1) / 2) {
        grow(index);
    }
    struct hash_slot slot = { hash, id + 1 };
    put(index, slot);
    index->count++;
}
