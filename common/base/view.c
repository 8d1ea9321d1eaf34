#include "common/base/view.h"

int view_compare(struct view a, struct view b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* tolower() would ask the locale. */
static int to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

bool view_equal_ignore_case(struct view a, const char *b)
{
    if (a.len != strlen(b)) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (to_lower(a.data[i]) != to_lower(b[i])) {
            return false;
        }
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct view view_trim(struct view v)
{
    while (v.len > 0 && is_blank(v.data[0])) {
        v = view_skip(v, 1);
    }
    while (v.len > 0 && is_blank(v.data[v.len - 1])) {
        v.len--;
    }
    return v;
}
