#include "ingest/events/loose_key.h"

#include <stdbool.h>

static const struct view name = VIEW_LITERAL("\"writeKey\"");

static struct view skip_blanks(struct view text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[0]) != NULL &&
           text.data[0] != '\0') {
        text = view_skip(text, 1);
    }
    return text;
}

/* The string behind the member's name and its colon; false when there is none, or one
 * that is not plain. */
static bool read_value(struct view text, struct view *out)
{
    text = skip_blanks(text);
    if (text.len == 0 || text.data[0] != ':') {
        return false;
    }
    text = skip_blanks(view_skip(text, 1));
    if (text.len == 0 || text.data[0] != '"') {
        return false;
    }
    text = view_skip(text, 1);
    const char *end = memchr(text.data, '"', text.len);
    if (end == NULL) {
        return false;
    }
    *out = view_of(text.data, (size_t)(end - text.data));
    return out->len > 0 && memchr(out->data, '\\', out->len) == NULL;
}

struct view loose_key_find(struct view body)
{
    /* From the end on: a body may be 20 MiB, and the envelope's key is near its end. */
    for (size_t at = body.len; at-- > 0;) {
        struct view rest = view_skip(body, at);
        struct view value;
        if (view_starts_with(rest, name) &&
            read_value(view_skip(rest, name.len), &value)) {
            return value;
        }
    }
    return view_of(NULL, 0);
}
