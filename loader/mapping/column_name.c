#include "loader/mapping/column_name.h"

#include "common/base/crc32c.h"

#define ASCII_LOWER_BIT 0x20u

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

/* The end of the word that begins at `at`: [A-Z0-9]* then [a-z0-9]*; `at` itself when
 * there is none. */
static size_t word_end(struct view key, size_t at)
{
    while (at < key.len && (is_upper(key.data[at]) || is_digit(key.data[at]))) {
        at++;
    }
    while (at < key.len && (is_lower(key.data[at]) || is_digit(key.data[at]))) {
        at++;
    }
    return at;
}

/* ASCII only: lower case of other letters depends on the language. */
static void add_lowered(struct buf *out, struct view word)
{
    char *to = buf_reserve(out, word.len);
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.data[i];
        to[i] = (char)(is_upper(word.data[i]) ? c | ASCII_LOWER_BIT : c);
    }
    out->len += word.len;
}

static void add_hex(struct buf *out, uint32_t value)
{
    static const char digits[] = "0123456789abcdef";
    for (int shift = 28; shift >= 0; shift -= 4) {
        buf_add_char(out, digits[(value >> shift) & 0xF]);
    }
}

void column_name_add_segment(struct buf *out, struct view key)
{
    size_t start = out->len;
    size_t at = 0;
    while (at < key.len) {
        size_t end = word_end(key, at);
        if (end == at) {
            at++;
            continue;
        }
        if (out->len > start) {
            buf_add_char(out, '_');
        }
        add_lowered(out, view_of(key.data + at, end - at));
        at = end;
    }
    if (out->len == start) {
        buf_add_char(out, 'x');
        add_hex(out, crc32c(key));
    }
}

void column_name_add_path(struct buf *path, struct view key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];
        if (c == '\0') {
            buf_add_cstr(path, "\xEF\xBF\xBD");
        } else if (c == '.') {
            buf_add_cstr(path, "\\.");
        } else {
            buf_add_char(path, c);
        }
    }
}

/* Goes back to where a character begins. */
size_t column_name_fit(struct view text, size_t max_bytes)
{
    if (text.len <= max_bytes) {
        return text.len;
    }
    size_t at = max_bytes;
    while (at > 0 && ((unsigned char)text.data[at] & 0xC0) == 0x80) {
        at--;
    }
    return at;
}

void column_name_add_mark(struct buf *name, uint32_t crc)
{
    buf_add_char(name, '_');
    add_hex(name, crc);
}

/* Columns every table has already (a CREATE TABLE with them fails), and the twins'
 * namespace. */
static bool is_reserved(struct view name)
{
    static const char *const kept_by_postgres[] = { "ctid", "xmin", "xmax",
                                                    "cmin", "cmax", "tableoid" };
    for (size_t i = 0; i < sizeof(kept_by_postgres) / sizeof(kept_by_postgres[0]); i++) {
        if (view_equal_cstr(name, kept_by_postgres[i])) {
            return true;
        }
    }
    struct view suffix = view_cstr(TWIN_SUFFIX);
    return name.len >= suffix.len &&
           view_equal(view_skip(name, name.len - suffix.len), suffix);
}

/* A marked name has at most 50 + 9 bytes, so it needs no second look, and it never ends
 * in the twins' suffix. */
void column_name_finish_crc(struct buf *name, uint32_t path_crc)
{
    struct view joined = buf_view(name);
    if (joined.len <= COLUMN_NAME_MAX_BYTES && !is_reserved(joined)) {
        return;
    }
    name->len = column_name_fit(joined, COLUMN_NAME_KEPT_BYTES);
    column_name_add_mark(name, path_crc);
}

void column_name_finish(struct buf *name, struct view dotted_path)
{
    column_name_finish_crc(name, crc32c(dotted_path));
}
