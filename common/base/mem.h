/* mem: allocation for sizes that we choose.
 *
 * These never return NULL: they abort with a message when memory is gone. librdkafka
 * asserts on a failed allocation too, and an event is acknowledged only once it is
 * durable, so an abort loses nothing. For sizes that others choose use a buf with a
 * maximum.
 */
#ifndef COMMON_BASE_MEM_H
#define COMMON_BASE_MEM_H

#include "common/base/view.h"

#include <stddef.h>

/* Uninitialised memory of `size` bytes (1 when 0); the caller frees it with free(). */
void *mem_alloc(size_t size);

/* Zeroed memory for `count` elements of `size` bytes; the caller frees it with free(). */
void *mem_calloc(size_t count, size_t size);

/* Resizes `old` (may be NULL) to `count` elements of `size` bytes; takes `old` and
 * returns its heir. */
void *mem_resize(void *old, size_t count, size_t size);

/* A NUL-terminated copy; the caller frees it with free(). The view must hold no NUL. */
char *mem_strdup_view(struct view text);

/* The same of a string. */
char *mem_strdup(const char *text);

/* Aborts with "file:line: what" on stderr. Use REQUIRE. */
_Noreturn void mem_panic(const char *file, int line, const char *what);

/* An assertion that stays on in release. Only for our own bugs, never for input or
 * environment. */
#define REQUIRE(condition)                                                               \
    ((condition) ? (void)0 : mem_panic(__FILE__, __LINE__, #condition))

#endif
