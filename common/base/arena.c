#include "common/base/arena.h"

#include "common/base/mem.h"

#include <stdint.h>
#include <stdlib.h>

#define BLOCK_BYTES ((size_t)32 * 1024)
#define ALIGNMENT ((size_t)8)

/* Above this an allocation gets a block of its own, so that it wastes nothing of the
 * newest block. */
#define LARGE_BYTES (BLOCK_BYTES / 4)

struct arena_block {
    struct arena_block *next;
    size_t size;
    _Alignas(8) char data[];
};

static size_t round_up(size_t size)
{
    REQUIRE(size <= SIZE_MAX / 2);
    return (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

static struct arena_block *new_block(size_t size)
{
    struct arena_block *block = mem_alloc(sizeof *block + size);
    *block = (struct arena_block){ .size = size };
    return block;
}

void arena_init(struct arena *a)
{
    *a = (struct arena){ 0 };
}

/* Frees the list but for `kept`, which may be NULL. */
static void free_blocks(struct arena_block *block, const struct arena_block *kept)
{
    while (block != NULL) {
        struct arena_block *next = block->next;
        if (block != kept) {
            free(block);
        }
        block = next;
    }
}

void arena_release(struct arena *a)
{
    if (a != NULL) {
        free_blocks(a->blocks, NULL);
        arena_init(a);
    }
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = a->blocks;
    while (kept != NULL && kept->size != BLOCK_BYTES) {
        kept = kept->next;
    }
    free_blocks(a->blocks, kept);
    if (kept != NULL) {
        kept->next = NULL;
    }
    *a = (struct arena){ .blocks = kept };
}

/* Large blocks go behind the newest one, which stays in use for what is small. */
static void *alloc_large(struct arena *a, size_t size)
{
    struct arena_block *block = new_block(size);
    if (a->blocks == NULL) {
        a->blocks = block;
        a->used = size;
    } else {
        block->next = a->blocks->next;
        a->blocks->next = block;
    }
    return block->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size = round_up(size);
    a->total += size;
    if (size > LARGE_BYTES) {
        return alloc_large(a, size);
    }
    if (a->blocks == NULL || size > a->blocks->size - a->used) {
        struct arena_block *block = new_block(BLOCK_BYTES);
        block->next = a->blocks;
        a->blocks = block;
        a->used = 0;
    }
    void *memory = a->blocks->data + a->used;
    a->used += size;
    return memory;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
    REQUIRE(size == 0 || count <= SIZE_MAX / size);
    return memset(arena_alloc(a, count * size), 0, count * size);
}

char *arena_cstr(struct arena *a, struct view text)
{
    char *copy = arena_alloc(a, text.len + 1);
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}

struct view arena_copy(struct arena *a, struct view bytes)
{
    char *copy = arena_alloc(a, bytes.len);
    if (bytes.len > 0) {
        memcpy(copy, bytes.data, bytes.len);
    }
    return view_of(copy, bytes.len);
}

void arena_trim(struct arena *a, void *start, size_t size, size_t used)
{
    REQUIRE(used <= size && a->blocks != NULL);
    size_t unused = round_up(size) - round_up(used);
    if ((char *)start + round_up(size) == a->blocks->data + a->used) {
        a->used -= unused;
    }
    a->total -= unused; /* the rest of a large block stays allocated until reset */
}
