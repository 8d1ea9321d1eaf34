#include "common/contract/json_split.h"

#include "common/contract/json_bytes.h"

#include <string.h>

/* Bracket kinds are compared exactly down to this depth; deeper ones, which no event may
 * have, are only counted. */
#define EXACT_DEPTH 4096

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool ends_scalar(char c)
{
    return c == ',' || c == ']' || c == '}';
}

static size_t skip_space(struct view text, size_t at)
{
    while (at < text.len && is_space(text.data[at])) {
        at++;
    }
    return at;
}

static enum json_split_step broken(struct json_fault *fault, size_t at, const char *what)
{
    fault->kind = JSON_NOT_JSON;
    fault->offset = at;
    fault->what = what;
    return JSON_SPLIT_BROKEN;
}

/* At an opening quote: the offset behind the closing one; 0 when there is none. */
static size_t skip_string(struct view text, size_t at)
{
    for (at++; at < text.len;) {
        unsigned run =
            text.len - at >= JSON_WORD ? json_bytes_in_string(text.data + at) : 0;
        at += run;
        if (run == JSON_WORD) {
            continue;
        }
        if (text.data[at] == '"') {
            return at + 1;
        }
        at += text.data[at] == '\\' ? 2 : 1;
    }
    return 0;
}

struct brackets {
    unsigned char kinds[EXACT_DEPTH / 8]; /* a set bit: '{' */
    size_t depth;
};

static bool open_bracket(struct brackets *b, char c)
{
    if (b->depth < EXACT_DEPTH) {
        unsigned char bit = (unsigned char)(1u << (b->depth % 8));
        unsigned char *byte = &b->kinds[b->depth / 8];
        /* Not all of it is cleared beforehand: most containers are a few levels deep. */
        unsigned char outer = b->depth % 8 == 0 ? 0 : *byte;
        *byte = (unsigned char)(c == '{' ? outer | bit : outer & ~bit);
    }
    return ++b->depth <= JSON_SPLIT_MAX_DEPTH;
}

static bool close_bracket(struct brackets *b, char c)
{
    if (b->depth == 0) {
        return false;
    }
    b->depth--;
    if (b->depth >= EXACT_DEPTH) {
        return true;
    }
    bool is_brace = (b->kinds[b->depth / 8] >> (b->depth % 8) & 1) != 0;
    return is_brace == (c == '}');
}

/* At '{' or '[': the offset behind its partner; 0 when it has none. */
static size_t skip_container(struct view text, size_t at)
{
    struct brackets b;
    b.depth = 0;
    while (at < text.len) {
        char c = text.data[at];
        if (c == '"') {
            at = skip_string(text, at);
            if (at == 0) {
                return 0;
            }
            continue;
        }
        at++;
        if ((c == '{' || c == '[') && !open_bracket(&b, c)) {
            return 0;
        }
        if (c == '}' || c == ']') {
            if (!close_bracket(&b, c)) {
                return 0;
            }
            if (b.depth == 0) {
                return at;
            }
        }
    }
    return 0;
}

/* A value's end: containers and strings by their brackets and quotes, anything else up to
 * a comma, a closing bracket or the end. 0: it has none. */
static size_t skip_value(struct view text, size_t at)
{
    if (at >= text.len) {
        return 0;
    }
    if (text.data[at] == '"') {
        return skip_string(text, at);
    }
    if (text.data[at] == '{' || text.data[at] == '[') {
        return skip_container(text, at);
    }
    size_t start = at;
    while (at < text.len && !ends_scalar(text.data[at])) {
        at++;
    }
    while (at > start && is_space(text.data[at - 1])) {
        at--;
    }
    return at > start ? at : 0;
}

bool json_split_kind(struct view text, enum json_kind *out_kind)
{
    size_t at = skip_space(text, 0);
    if (at >= text.len) {
        return false;
    }
    switch (text.data[at]) {
    case '{':
        *out_kind = JSON_OBJECT;
        return true;
    case '[':
        *out_kind = JSON_ARRAY;
        return true;
    case '"':
        *out_kind = JSON_STRING;
        return true;
    case 't':
        *out_kind = JSON_TRUE;
        return true;
    case 'f':
        *out_kind = JSON_FALSE;
        return true;
    case 'n':
        *out_kind = JSON_NULL;
        return true;
    default:
        *out_kind = JSON_NUMBER;
        return text.data[at] == '-' || (text.data[at] >= '0' && text.data[at] <= '9');
    }
}

bool json_split_open(struct json_split *split, struct view text)
{
    size_t at = skip_space(text, 0);
    if (at >= text.len || (text.data[at] != '{' && text.data[at] != '[')) {
        return false;
    }
    split->text = text;
    split->at = at + 1;
    split->close = text.data[at] == '{' ? '}' : ']';
    split->is_first = true;
    return true;
}

static enum json_split_step end_of(struct json_split *split, struct json_fault *fault)
{
    size_t at = skip_space(split->text, split->at + 1);
    split->at = at;
    return at == split->text.len ? JSON_SPLIT_END
                                 : broken(fault, at, "nothing may follow the value");
}

/* A member's key and colon; false with a fault. */
static bool take_key(struct json_split *split, struct view *out_key,
                     struct json_fault *fault)
{
    size_t start = split->at;
    if (start >= split->text.len || split->text.data[start] != '"') {
        broken(fault, start, "a key in quotes was expected");
        return false;
    }
    size_t end = skip_string(split->text, start);
    size_t colon = end == 0 ? 0 : skip_space(split->text, end);
    if (end == 0 || colon >= split->text.len || split->text.data[colon] != ':') {
        broken(fault, end == 0 ? start : colon, "a colon was expected");
        return false;
    }
    *out_key = view_of(split->text.data + start, end - start);
    split->at = skip_space(split->text, colon + 1);
    return true;
}

/* Between items: a comma, or the end. */
static enum json_split_step step_to_item(struct json_split *split,
                                         struct json_fault *fault)
{
    struct view text = split->text;
    split->at = skip_space(text, split->at);
    if (split->at >= text.len) {
        return broken(fault, split->at, "the body ends too early");
    }
    if (text.data[split->at] == split->close) {
        return end_of(split, fault);
    }
    if (!split->is_first) {
        if (text.data[split->at] != ',') {
            return broken(fault, split->at, "a comma was expected");
        }
        split->at = skip_space(text, split->at + 1);
    }
    split->is_first = false;
    return JSON_SPLIT_ITEM;
}

enum json_split_step json_split_next(struct json_split *split, struct view *out_key,
                                     struct view *out_value, struct json_fault *fault)
{
    enum json_split_step step = step_to_item(split, fault);
    if (step != JSON_SPLIT_ITEM) {
        return step;
    }
    *out_key = view_of(NULL, 0);
    if (split->close == '}' && !take_key(split, out_key, fault)) {
        return JSON_SPLIT_BROKEN;
    }
    size_t start = split->at;
    size_t end = skip_value(split->text, start);
    if (end == 0) {
        return broken(fault, start, "a value was expected, or it does not end");
    }
    *out_value = view_of(split->text.data + start, end - start);
    split->at = end;
    return JSON_SPLIT_ITEM;
}
