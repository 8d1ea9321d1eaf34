#include "common/contract/json_token.h"

#include "common/base/utf8.h"
#include "common/contract/json_bytes.h"
#include "common/contract/json_text.h"

#include <string.h>

bool json_token_fail(struct json_cursor *c, enum json_fault_kind kind,
                     const unsigned char *at, const char *what)
{
    c->fault->kind = kind;
    c->fault->offset = (size_t)(at - c->start);
    c->fault->what = what;
    return false;
}

void json_token_skip_space(struct json_cursor *c)
{
    while (c->p < c->end &&
           (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r')) {
        c->p++;
    }
}

/* What stands here is not what JSON wants here: bytes that are no UTF-8 are the graver
 * fault. */
bool json_token_fail_here(struct json_cursor *c, const char *expected)
{
    bool is_utf8 = c->p >= c->end || *c->p < 0x80 || utf8_sequence(c->p, c->end) > 0;
    return is_utf8 ? json_token_fail(c, JSON_NOT_JSON, c->p, expected)
                   : json_token_fail(c, JSON_NOT_UTF8, c->p, "a byte that is not UTF-8");
}

/* ---- strings ---- */

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind "\u" at `at`; -1 when they are not there. */
static int32_t code_unit(const unsigned char *at, const unsigned char *end)
{
    int32_t unit = 0;
    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

/* At a "\u" escape: moves behind it (behind both halves of a pair). */
static bool scan_unicode_escape(struct json_cursor *c, uint8_t *flags)
{
    int32_t unit = code_unit(c->p + 2, c->end);
    if (unit < 0) {
        return json_token_fail(c, JSON_NOT_JSON, c->p, "four hex digits must follow \\u");
    }
    const unsigned char *at = c->p;
    c->p += 6;
    if (unit == 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) {
        *flags |= JSON_IS_UNSTORABLE;
    } else if (unit >= 0xD800 && unit <= 0xDBFF) {
        int32_t low = c->end - c->p >= 6 && c->p[0] == '\\' && c->p[1] == 'u'
                          ? code_unit(c->p + 2, c->end)
                          : -1;
        if (low >= 0xDC00 && low <= 0xDFFF) {
            c->p = at + 12;
        } else {
            *flags |= JSON_IS_UNSTORABLE;
        }
    }
    return true;
}

static bool scan_escape(struct json_cursor *c, uint8_t *flags)
{
    *flags |= JSON_HAS_ESCAPE;
    if (c->end - c->p < 2) {
        return json_token_fail(c, JSON_NOT_JSON, c->p, "the string does not end");
    }
    if (c->p[1] == 'u') {
        return scan_unicode_escape(c, flags);
    }
    if (c->p[1] == '\0' || strchr("\"\\/bfnrt", c->p[1]) == NULL) {
        return json_token_fail(c, JSON_NOT_JSON, c->p,
                               "an escape that JSON does not have");
    }
    c->p += 2;
    return true;
}

/* Whatever is not plain, but for the closing quote. */
static bool scan_special(struct json_cursor *c, uint8_t *flags)
{
    if (*c->p == '\\') {
        return scan_escape(c, flags);
    }
    if (*c->p < 0x20) {
        return json_token_fail(c, JSON_NOT_JSON, c->p,
                               "a control character in a string must be escaped");
    }
    size_t len = utf8_sequence(c->p, c->end);
    if (len == 0) {
        return json_token_fail(c, JSON_NOT_UTF8, c->p, "a byte that is not UTF-8");
    }
    c->p += len;
    return true;
}

static void skip_plain(struct json_cursor *c)
{
    while (c->end - c->p >= JSON_WORD) {
        unsigned run = json_bytes_plain(c->p);
        c->p += run;
        if (run < JSON_WORD) {
            return;
        }
    }
    while (c->p < c->end && is_plain(*c->p)) {
        c->p++;
    }
}

/* At the opening quote: moves behind the closing one. */
bool json_token_string(struct json_cursor *c, uint8_t *flags)
{
    c->p++;
    for (;;) {
        skip_plain(c);
        if (c->p >= c->end) {
            return json_token_fail(c, JSON_NOT_JSON, c->p, "the string does not end");
        }
        if (*c->p == '"') {
            c->p++;
            return true;
        }
        if (!scan_special(c, flags)) {
            return false;
        }
    }
}

/* ---- numbers and words ---- */

static bool is_digit_here(const struct json_cursor *c)
{
    return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

static bool scan_digits(struct json_cursor *c)
{
    if (!is_digit_here(c)) {
        return json_token_fail_here(c, "a digit was expected");
    }
    while (is_digit_here(c)) {
        c->p++;
    }
    return true;
}

bool json_token_number(struct json_cursor *c, uint8_t *flags)
{
    const unsigned char *start = c->p;
    bool has_exponent = false;
    c->p += *c->p == '-';
    if (c->p < c->end && *c->p == '0') {
        c->p++;
        if (is_digit_here(c)) {
            return json_token_fail(c, JSON_NOT_JSON, c->p,
                                   "a number must not begin with 0");
        }
    } else if (!scan_digits(c)) {
        return false;
    }
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        if (!scan_digits(c)) {
            return false;
        }
    }
    if (c->p < c->end && (*c->p | 0x20) == 'e') {
        has_exponent = true;
        c->p++;
        c->p += c->p < c->end && (*c->p == '+' || *c->p == '-');
        if (!scan_digits(c)) {
            return false;
        }
    }
    struct view text = view_of((const char *)start, (size_t)(c->p - start));
    if ((has_exponent || text.len > 400) && json_text_is_huge_number(text)) {
        *flags |= JSON_HAS_HUGE_NUMBER;
    }
    return true;
}

bool json_token_word(struct json_cursor *c, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(c->end - c->p) < len || memcmp(c->p, word, len) != 0) {
        return json_token_fail(c, JSON_NOT_JSON, c->p, "a value was expected");
    }
    c->p += len;
    return true;
}
