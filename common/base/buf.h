/* buf: a growing byte buffer that may have a hard maximum.
 *
 * Two kinds. Without a maximum (max == 0) the sizes are ours: buf_add* never fail (they
 * abort when memory is gone). With a maximum the sizes are somebody else's: use
 * buf_try_add, which says no. The bytes are not NUL-terminated; buf_cstr terminates them.
 * One thread at a time.
 */
#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include "common/base/error.h"
#include "common/base/view.h"

#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t len;
    size_t capacity;
    size_t max; /* 0 = none */
};

/* A zeroed struct buf is a valid empty buffer without maximum. */
void buf_init(struct buf *b, size_t max_bytes);

/* Frees the bytes; the buffer is empty and usable afterwards. NULL is allowed. */
void buf_release(struct buf *b);

/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);

/* Appends; false when the maximum would be exceeded or memory is gone: the content is
 * then unchanged. */
MUST_CHECK bool buf_try_add(struct buf *b, const void *bytes, size_t len);

/* Room for `len` more bytes behind the content, or NULL where buf_try_add is false. The
 * caller writes there and adds what it wrote to b->len. */
MUST_CHECK char *buf_try_reserve(struct buf *b, size_t len);

/* The same without a maximum: never fail. The buffer must have max == 0. */
void buf_add(struct buf *b, const void *bytes, size_t len);
char *buf_reserve(struct buf *b, size_t len);
void buf_add_view(struct buf *b, struct view v);
void buf_add_cstr(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t value);
void buf_add_i64(struct buf *b, int64_t value);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* The content as a view, valid until the next change of the buffer. */
static inline struct view buf_view(const struct buf *b)
{
    return view_of(b->data, b->len);
}

/* The content as a string (a NUL is kept behind it), valid until the next change. */
const char *buf_cstr(struct buf *b);

/* Gives the memory back to the system when the capacity is above `keep_bytes`; content is
 * dropped. */
void buf_shrink(struct buf *b, size_t keep_bytes);

/* Gives memory back that is far more than the content needs; the content stays, perhaps
 * elsewhere. */
void buf_fit(struct buf *b);

#endif
