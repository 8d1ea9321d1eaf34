/* arena: many small allocations that end together, without a free for each.
 *
 * One arena serves one request or one batch. Allocation is a pointer bump in blocks from
 * malloc; reset keeps one block for the next round. Memory is 8-byte aligned. Never fails
 * (aborts as mem does), so the sum of what goes in must be bounded by the caller. One
 * thread at a time.
 */
#ifndef COMMON_BASE_ARENA_H
#define COMMON_BASE_ARENA_H

#include "common/base/view.h"

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes used in the newest block */
    size_t total;               /* bytes handed out since the last reset */
};

/* A zeroed struct arena is a valid empty arena. */
void arena_init(struct arena *a);

/* Frees every block; all memory handed out is gone. NULL is allowed. */
void arena_release(struct arena *a);

/* Ends all allocations, keeps at most one block of the usual size. */
void arena_reset(struct arena *a);

/* Uninitialised, 8-byte aligned memory, valid until reset or release. */
void *arena_alloc(struct arena *a, size_t size);

/* The same, zeroed, for `count` elements. */
void *arena_calloc(struct arena *a, size_t count, size_t size);

/* A copy of the bytes. */
struct view arena_copy(struct arena *a, struct view bytes);

/* A NUL-terminated copy. */
char *arena_cstr(struct arena *a, struct view text);

/* Gives back the tail of the newest allocation: `start` is what arena_alloc(size)
 * returned last, `used` what of it is needed. For output whose size is known only when
 * written. */
void arena_trim(struct arena *a, void *start, size_t size, size_t used);

#endif
