#include "common/base/buf.h"

#include "common/base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Fewer reallocations for short texts; costs nothing for long ones. */
#define LEAST_CAPACITY 64

/* One byte more than `capacity` is always allocated: buf_cstr's NUL needs no room of its
 * own. */
static bool grow(struct buf *b, size_t needed)
{
    size_t capacity = b->capacity < LEAST_CAPACITY ? LEAST_CAPACITY : b->capacity;
    while (capacity < needed) {
        capacity = capacity > SIZE_MAX / 4 ? needed : capacity * 2;
    }
    if (b->max != 0 && capacity > b->max) {
        capacity = b->max;
    }
    char *data = realloc(b->data, capacity + 1);
    if (data == NULL) {
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){ .max = max_bytes };
}

void buf_release(struct buf *b)
{
    if (b != NULL) {
        free(b->data);
        buf_init(b, b->max);
    }
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

char *buf_try_reserve(struct buf *b, size_t len)
{
    size_t limit = b->max == 0 ? SIZE_MAX / 2 : b->max;
    if (b->len > limit || len > limit - b->len) {
        return NULL;
    }
    bool has_room = b->data != NULL && len <= b->capacity - b->len;
    if (!has_room && !grow(b, b->len + len)) {
        return NULL;
    }
    return b->data + b->len;
}

bool buf_try_add(struct buf *b, const void *bytes, size_t len)
{
    char *end = buf_try_reserve(b, len);
    if (end == NULL) {
        return false;
    }
    if (len > 0) {
        memcpy(end, bytes, len);
    }
    b->len += len;
    return true;
}

char *buf_reserve(struct buf *b, size_t len)
{
    REQUIRE(b->max == 0);
    char *end = buf_try_reserve(b, len);
    if (end == NULL) {
        mem_panic(__FILE__, __LINE__, "out of memory");
    }
    return end;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
    char *end = buf_reserve(b, len);
    if (len > 0) {
        memcpy(end, bytes, len);
    }
    b->len += len;
}

void buf_add_view(struct buf *b, struct view v)
{
    buf_add(b, v.data, v.len);
}

void buf_add_cstr(struct buf *b, const char *text)
{
    buf_add_view(b, view_cstr(text));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_add_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t start = sizeof digits;
    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    buf_add(b, digits + start, sizeof digits - start);
}

void buf_add_i64(struct buf *b, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        buf_add_char(b, '-');
        magnitude = 0 - magnitude; /* -INT64_MIN does not fit an int64_t */
    }
    buf_add_u64(b, magnitude);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    REQUIRE(len >= 0);

    char *end = buf_reserve(b, (size_t)len);
    va_start(args, format);
    vsnprintf(end, (size_t)len + 1, format, args);
    va_end(args);
    b->len += (size_t)len;
}

const char *buf_cstr(struct buf *b)
{
    if (b->data == NULL) {
        return "";
    }
    b->data[b->len] = '\0';
    return b->data;
}

void buf_shrink(struct buf *b, size_t keep_bytes)
{
    buf_clear(b);
    if (b->capacity > keep_bytes) {
        buf_release(b);
    }
}

void buf_fit(struct buf *b)
{
    if (b->capacity > 2 * b->len + 1024) {
        b->data = mem_resize(b->data, b->len + 1, 1);
        b->capacity = b->len;
    }
}
