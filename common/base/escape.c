#include "common/base/escape.h"

#include "common/base/utf8.h"

#define ELLIPSIS 0x2026u

size_t escape_next_char(struct view text, uint32_t *out_char)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    if (bytes[0] < 0x80) {
        *out_char = bytes[0];
        return 1;
    }
    size_t len = utf8_sequence(bytes, bytes + text.len);
    if (len == 0) {
        *out_char = ESCAPE_REPLACEMENT;
        return 1;
    }
    uint32_t c =
        bytes[0] &
        (0xffu >> (len + 1)); /* the first byte tells the length in its upper bits */
    for (size_t i = 1; i < len; i++) {
        c = c << 6 | (bytes[i] & 0x3fu);
    }
    *out_char = c;
    return len;
}

void escape_add_char(struct buf *out, uint32_t c)
{
    char bytes[4];
    buf_add(out, bytes, utf8_encode(c, bytes));
}

/* C0 and C1 controls, line and paragraph separators, characters that reorder text (as in
 * "Trojan Source"), the byte order mark. */
static bool is_treacherous(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x200e && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void add_escaped(struct buf *out, uint32_t c)
{
    switch (c) {
    case '"':
        buf_add_cstr(out, "\\\"");
        break;
    case '\\':
        buf_add_cstr(out, "\\\\");
        break;
    case '\n':
        buf_add_cstr(out, "\\n");
        break;
    case '\r':
        buf_add_cstr(out, "\\r");
        break;
    case '\t':
        buf_add_cstr(out, "\\t");
        break;
    default:
        if (is_treacherous(c)) {
            buf_printf(out, "\\u%04x", (unsigned)c);
        } else {
            escape_add_char(out, c);
        }
    }
}

void escape_add_text(struct buf *out, struct view text, size_t max_bytes)
{
    size_t done = 0;
    while (done < text.len) {
        uint32_t c = 0;
        size_t len = escape_next_char(view_skip(text, done), &c);
        if (done + len > max_bytes) {
            escape_add_char(out, ELLIPSIS);
            return;
        }
        add_escaped(out, c);
        done += len;
    }
}

bool escape_is_plain(struct view text)
{
    size_t done = 0;
    while (done < text.len) {
        uint32_t c = 0;
        size_t len = escape_next_char(view_skip(text, done), &c);
        bool is_invalid = c == ESCAPE_REPLACEMENT && len == 1;
        if (is_invalid || is_treacherous(c) || c == '"' || c == '\\') {
            return false;
        }
        done += len;
    }
    return true;
}
