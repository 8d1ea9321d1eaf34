/* view: bytes that somebody else owns, as pointer and length.
 *
 * Views are passed by value. A view never owns; how long it lives is said where it is
 * handed out. It may hold any byte, NUL too, and is not NUL-terminated. An empty view may
 * have data == NULL: compare lengths, not pointers. Safe from any thread (pure).
 */
#ifndef COMMON_BASE_VIEW_H
#define COMMON_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct view {
    const char *data;
    size_t len;
};

/* printf("%.*s", VIEW_ARG(v)): only for views known to be shorter than INT_MAX. */
#define VIEW_ARG(v) (int)(v).len, (v).data == NULL ? "" : (v).data

/* A view of a string literal, usable in static initialisers. */
#define VIEW_LITERAL(text)                                                               \
    {                                                                                    \
        (text), sizeof(text) - 1                                                         \
    }

static inline struct view view_of(const char *data, size_t len)
{
    struct view v = { data, len };
    return v;
}

/* The bytes of a NUL-terminated string without its NUL; NULL gives the empty view. */
static inline struct view view_cstr(const char *text)
{
    return view_of(text, text == NULL ? 0 : strlen(text));
}

static inline bool view_equal(struct view a, struct view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool view_equal_cstr(struct view a, const char *b)
{
    return view_equal(a, view_cstr(b));
}

static inline bool view_starts_with(struct view v, struct view prefix)
{
    return v.len >= prefix.len &&
           (prefix.len == 0 || memcmp(v.data, prefix.data, prefix.len) == 0);
}

/* The view without its first `count` bytes; count <= v.len. */
static inline struct view view_skip(struct view v, size_t count)
{
    return count == 0 ? v : view_of(v.data + count, v.len - count);
}

/* Byte order as memcmp, a prefix before the longer one: PostgreSQL's COLLATE "C". */
int view_compare(struct view a, struct view b);

/* Equal but for the case of ASCII letters (HTTP header names and schemes). */
bool view_equal_ignore_case(struct view a, const char *b);

/* The view without spaces and tabs at both ends (HTTP's optional white space). */
struct view view_trim(struct view v);

#endif
