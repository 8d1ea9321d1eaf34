#include "common/contract/json_text.h"

#include "common/base/utf8.h"

#include <string.h>

#define HUGE_DIGITS 400 /* mapping.md, section 3 */
#define REPLACEMENT 0xFFFD

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return (c | 0x20) - 'a' + 10;
}

/* The four digits at `at`, which the scanner has seen to be there. */
static uint32_t code_unit(const char *at)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        unit = unit * 16 + (uint32_t)hex_value(at[i]);
    }
    return unit;
}

/* At a "\u" escape with `left` bytes of string behind it: its code point (a lone
 * surrogate gives U+FFFD); *out_len is the escape's length, 6 or 12. */
static uint32_t code_point(const char *at, size_t left, size_t *out_len)
{
    uint32_t unit = code_unit(at + 2);
    *out_len = 6;
    if (unit < 0xD800 || unit > 0xDFFF) {
        return unit;
    }
    if (unit <= 0xDBFF && left >= 12 && at[6] == '\\' && at[7] == 'u') {
        uint32_t low = code_unit(at + 8);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *out_len = 12;
            return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return REPLACEMENT;
}

static char plain_escape(char letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter;
    }
}

/* ---- strings ---- */

static struct view decode(struct view quoted, uint32_t for_nul, struct arena *arena)
{
    struct view inner = view_of(quoted.data + 1, quoted.len - 2);
    if (inner.len == 0 || memchr(inner.data, '\\', inner.len) == NULL) {
        return inner;
    }
    /* An escape of 6 bytes becomes at most 3, one of 12 becomes 4: the text only shrinks.
     */
    char *start = arena_alloc(arena, inner.len);
    char *to = start;
    for (size_t i = 0; i < inner.len;) {
        if (inner.data[i] != '\\') {
            *to++ = inner.data[i++];
        } else if (inner.data[i + 1] != 'u') {
            *to++ = plain_escape(inner.data[i + 1]);
            i += 2;
        } else {
            size_t len = 0;
            uint32_t c = code_point(inner.data + i, inner.len - i, &len);
            to += utf8_encode(c == 0 ? for_nul : c, to);
            i += len;
        }
    }
    size_t used = (size_t)(to - start);
    arena_trim(arena, start, inner.len, used);
    return view_of(start, used);
}

struct view json_text_decode(struct view string_with_quotes, struct arena *arena)
{
    return decode(string_with_quotes, 0, arena);
}

struct view json_text_decode_storable(struct view string_with_quotes, struct arena *arena)
{
    return decode(string_with_quotes, REPLACEMENT, arena);
}

struct view json_text_storable(struct view plain, struct arena *arena)
{
    if (plain.len == 0 || memchr(plain.data, '\0', plain.len) == NULL) {
        return plain;
    }
    char *start = arena_alloc(arena, plain.len * 3);
    char *to = start;
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.data[i] == '\0') {
            to += utf8_encode(REPLACEMENT, to);
        } else {
            *to++ = plain.data[i];
        }
    }
    size_t used = (size_t)(to - start);
    arena_trim(arena, start, plain.len * 3, used);
    return view_of(start, used);
}

/* ---- numbers ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The exponent's value, cut to what decides: far above any number of digits an event can
 * hold. */
static int64_t exponent_of(struct view text, size_t at)
{
    const int64_t bound = INT64_C(1) << 40;
    bool is_negative = at < text.len && text.data[at] == '-';
    int64_t value = 0;
    at += at < text.len && (text.data[at] == '-' || text.data[at] == '+');
    for (; at < text.len && value < bound; at++) {
        value = value * 10 + (text.data[at] - '0');
    }
    return is_negative ? -value : value;
}

bool json_text_is_huge_number(struct view text)
{
    /* Digits are numbered from the first written one; leading and trailing zeros do not
     * count. */
    int64_t digits = 0;
    int64_t before_point = -1;
    int64_t first = -1; /* first and last digits that are not 0 */
    int64_t last = -1;
    size_t i = text.len > 0 && text.data[0] == '-';
    for (; i < text.len && (is_digit(text.data[i]) || text.data[i] == '.'); i++) {
        if (text.data[i] == '.') {
            before_point = digits;
            continue;
        }
        if (text.data[i] != '0') {
            first = first < 0 ? digits : first;
            last = digits;
        }
        digits++;
    }
    if (first < 0) {
        return false; /* zero, whatever the exponent */
    }
    int64_t exponent = i < text.len ? exponent_of(text, i + 1) : 0;
    int64_t point = (before_point < 0 ? digits : before_point) + exponent;
    return point - first > HUGE_DIGITS || last + 1 - point > HUGE_DIGITS;
}

/* ---- jsonb ---- */

static size_t string_length(struct view text)
{
    size_t i = 1;
    while (text.data[i] != '"') {
        i += text.data[i] == '\\' ? 2 : 1;
    }
    return i + 1;
}

/* A string with its quotes; escapes that cannot be stored become \ufffd, the rest stays
 * byte for byte. */
static void add_storable_string(struct buf *out, struct view quoted)
{
    for (size_t i = 0; i < quoted.len;) {
        if (quoted.data[i] != '\\') {
            buf_add_char(out, quoted.data[i++]);
            continue;
        }
        size_t len = 2;
        if (quoted.data[i + 1] == 'u') {
            uint32_t unit = code_unit(quoted.data + i + 2);
            uint32_t c = code_point(quoted.data + i, quoted.len - i, &len);
            if (c == 0 || (c == REPLACEMENT && unit != REPLACEMENT)) {
                buf_add_cstr(out, "\\ufffd");
                i += len;
                continue;
            }
        }
        buf_add(out, quoted.data + i, len);
        i += len;
    }
}

static size_t number_length(struct view text)
{
    size_t i = 0;
    while (i < text.len &&
           (is_digit(text.data[i]) || strchr("+-.eE", text.data[i]) != NULL)) {
        i++;
    }
    return i;
}

static void add_number(struct buf *out, struct view number)
{
    if (json_text_is_huge_number(number)) {
        buf_add_char(out, '"');
        buf_add_view(out, number);
        buf_add_char(out, '"');
    } else {
        buf_add_view(out, number);
    }
}

struct view json_text_jsonb(struct view value, struct arena *arena)
{
    struct buf out = { 0 };
    for (size_t i = 0; i < value.len;) {
        struct view rest = view_skip(value, i);
        if (rest.data[0] == '"') {
            size_t len = string_length(rest);
            add_storable_string(&out, view_of(rest.data, len));
            i += len;
        } else if (rest.data[0] == '-' || is_digit(rest.data[0])) {
            size_t len = number_length(rest);
            add_number(&out, view_of(rest.data, len));
            i += len;
        } else {
            buf_add_char(&out, rest.data[0]);
            i++;
        }
    }
    struct view copy = arena_copy(arena, buf_view(&out));
    buf_release(&out);
    return copy;
}

void json_text_add_string(struct buf *out, struct view plain)
{
    static const char letters[] = "btn\0fr"; /* 8 to 13 */
    buf_add_char(out, '"');
    for (size_t i = 0; i < plain.len; i++) {
        unsigned char c = (unsigned char)plain.data[i];
        if (c == '"' || c == '\\') {
            buf_add_char(out, '\\');
            buf_add_char(out, (char)c);
        } else if (c >= 8 && c <= 13 && letters[c - 8] != '\0') {
            buf_add_char(out, '\\');
            buf_add_char(out, letters[c - 8]);
        } else if (c < 0x20) {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_add_char(out, (char)c);
        }
    }
    buf_add_char(out, '"');
}
