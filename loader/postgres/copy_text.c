#include "loader/postgres/copy_text.h"

/* The letter behind the backslash, or 0 for bytes that stand for themselves. */
static char escape_of(char c)
{
    switch (c) {
    case '\\':
        return '\\';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    default:
        return 0;
    }
}

void copy_text_add_value(struct buf *out, struct view value)
{
    /* Worst case every byte is escaped: one reservation instead of one check per byte. */
    char *start = buf_reserve(out, value.len * 2);
    char *to = start;
    for (size_t i = 0; i < value.len; i++) {
        char escape = escape_of(value.data[i]);
        if (escape != 0) {
            *to++ = '\\';
            *to++ = escape;
        } else {
            *to++ = value.data[i];
        }
    }
    out->len += (size_t)(to - start);
}

void copy_text_add_null(struct buf *out)
{
    buf_add(out, "\\N", 2);
}
