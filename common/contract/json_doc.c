#include "common/contract/json_doc.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/contract/json_text.h"

#include <stdlib.h>
#include <string.h>

/* Flags that a value hands up to everything around it. */
#define INHERITED (JSON_IS_UNSTORABLE | JSON_HAS_HUGE_NUMBER)
/* Objects with more members look for equal keys by sorting: n log n for whatever is sent.
 */
#define PAIRWISE_MEMBERS 16
/* A node list that one huge event made this long is given back once events are small
 * again. */
#define KEEP_NODES 16384
#define NO_NODE UINT32_MAX

struct frame {
    uint32_t node; /* NO_NODE: not recorded */
    const unsigned char *start;
    uint8_t flags;
    bool is_object;
};

struct scan {
    const unsigned char *p;
    const unsigned char *start, *end;
    struct json_doc *doc;
    const struct json_limits *limits;
    struct json_fault *fault;
    unsigned keys;
    unsigned depth;  /* open brackets */
    struct view key; /* of the member whose value comes next */
    struct frame frames[JSON_MAX_DEPTH + 1];
};

static bool fail(struct scan *s, enum json_fault_kind kind, const unsigned char *at,
                 const char *what)
{
    s->fault->kind = kind;
    s->fault->offset = (size_t)(at - s->start);
    s->fault->what = what;
    return false;
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end &&
           (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r')) {
        s->p++;
    }
}

/* What stands here is not what JSON wants here: bytes that are no UTF-8 are the graver
 * fault. */
static bool fail_here(struct scan *s, const char *expected)
{
    bool is_utf8 = s->p >= s->end || *s->p < 0x80 || utf8_sequence(s->p, s->end) > 0;
    return is_utf8 ? fail(s, JSON_NOT_JSON, s->p, expected)
                   : fail(s, JSON_NOT_UTF8, s->p, "a byte that is not UTF-8");
}

/* ---- nodes ---- */

static uint32_t add_node(struct json_doc *doc)
{
    if (doc->count == doc->capacity) {
        doc->capacity = doc->capacity == 0 ? 64 : doc->capacity * 2;
        doc->nodes = mem_resize(doc->nodes, doc->capacity, sizeof *doc->nodes);
    }
    return doc->count++;
}

/* A node for the value that begins now, where values of this depth are recorded; its text
 * is set when it ends. */
static uint32_t record_value(struct scan *s, enum json_kind kind)
{
    bool is_wanted = s->depth <= s->limits->node_depth;
    if (s->depth > 0) {
        const struct frame *parent = &s->frames[s->depth - 1];
        is_wanted = is_wanted && parent->is_object && parent->node != NO_NODE;
    }
    if (!is_wanted) {
        return NO_NODE;
    }
    uint32_t index = add_node(s->doc);
    struct json_node *n = &s->doc->nodes[index];
    n->key = s->depth > 0 ? s->key : view_of(NULL, 0);
    n->kind = (uint8_t)kind;
    n->flags = 0;
    n->depth = (uint8_t)s->depth;
    return index;
}

static void end_node(struct scan *s, uint32_t index, const unsigned char *start,
                     uint8_t flags)
{
    if (index == NO_NODE) {
        return;
    }
    struct json_node *n = &s->doc->nodes[index];
    n->text = view_of((const char *)start, (size_t)(s->p - start));
    n->flags = flags;
    n->end = s->doc->count;
}

/* ---- equal keys ---- */

static void shadow_pairwise(struct json_doc *doc, uint32_t parent)
{
    uint32_t end = doc->nodes[parent].end;
    for (uint32_t i = parent + 1; i < end; i = doc->nodes[i].end) {
        for (uint32_t j = doc->nodes[i].end; j < end; j = doc->nodes[j].end) {
            if (view_equal(doc->nodes[i].key, doc->nodes[j].key)) {
                doc->nodes[i].flags |= JSON_IS_SHADOWED;
                break;
            }
        }
    }
}

struct member {
    struct view key;
    uint32_t node;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;
    int by_key = view_compare(x->key, y->key);
    return by_key != 0 ? by_key : (x->node > y->node) - (x->node < y->node);
}

static void shadow_sorted(struct json_doc *doc, uint32_t parent, size_t count)
{
    struct member *members = mem_calloc(count, sizeof *members);
    size_t n = 0;
    for (uint32_t i = parent + 1; i < doc->nodes[parent].end; i = doc->nodes[i].end) {
        members[n++] = (struct member){ doc->nodes[i].key, i };
    }
    qsort(members, n, sizeof *members, compare_members);
    for (size_t i = 0; i + 1 < n; i++) {
        if (view_equal(members[i].key, members[i + 1].key)) {
            doc->nodes[members[i].node].flags |= JSON_IS_SHADOWED;
        }
    }
    free(members);
}

static void shadow_equal_keys(struct json_doc *doc, uint32_t parent)
{
    size_t count = 0;
    for (uint32_t i = parent + 1; i < doc->nodes[parent].end; i = doc->nodes[i].end) {
        count++;
    }
    if (count > PAIRWISE_MEMBERS) {
        shadow_sorted(doc, parent, count);
    } else {
        shadow_pairwise(doc, parent);
    }
}

/* ---- strings ---- */

/* True when none of 8 bytes is a quote, a backslash, a control character or beyond ASCII.
 */
static bool is_plain8(const unsigned char *p)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t highs = 0x8080808080808080u;
    uint64_t x;
    memcpy(&x, p, sizeof x);
    uint64_t quote = x ^ (ones * '"');
    uint64_t backslash = x ^ (ones * '\\');
    uint64_t special = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                       ((x - ones * 0x20) & ~x) | x;
    return (special & highs) == 0;
}

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
static bool scan_unicode_escape(struct scan *s, uint8_t *flags)
{
    int32_t unit = code_unit(s->p + 2, s->end);
    if (unit < 0) {
        return fail(s, JSON_NOT_JSON, s->p, "four hex digits must follow \\u");
    }
    const unsigned char *at = s->p;
    s->p += 6;
    if (unit == 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) {
        *flags |= JSON_IS_UNSTORABLE;
    } else if (unit >= 0xD800 && unit <= 0xDBFF) {
        int32_t low = s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u'
                          ? code_unit(s->p + 2, s->end)
                          : -1;
        if (low >= 0xDC00 && low <= 0xDFFF) {
            s->p = at + 12;
        } else {
            *flags |= JSON_IS_UNSTORABLE;
        }
    }
    return true;
}

static bool scan_escape(struct scan *s, uint8_t *flags)
{
    *flags |= JSON_HAS_ESCAPE;
    if (s->end - s->p < 2) {
        return fail(s, JSON_NOT_JSON, s->p, "the string does not end");
    }
    if (s->p[1] == 'u') {
        return scan_unicode_escape(s, flags);
    }
    if (s->p[1] == '\0' || strchr("\"\\/bfnrt", s->p[1]) == NULL) {
        return fail(s, JSON_NOT_JSON, s->p, "an escape that JSON does not have");
    }
    s->p += 2;
    return true;
}

/* Whatever is not plain, but for the closing quote. */
static bool scan_special(struct scan *s, uint8_t *flags)
{
    if (*s->p == '\\') {
        return scan_escape(s, flags);
    }
    if (*s->p < 0x20) {
        return fail(s, JSON_NOT_JSON, s->p,
                    "a control character in a string must be escaped");
    }
    size_t len = utf8_sequence(s->p, s->end);
    if (len == 0) {
        return fail(s, JSON_NOT_UTF8, s->p, "a byte that is not UTF-8");
    }
    s->p += len;
    return true;
}

/* At the opening quote: moves behind the closing one. */
static bool scan_string(struct scan *s, uint8_t *flags)
{
    s->p++;
    for (;;) {
        while (s->end - s->p >= 8 && is_plain8(s->p)) {
            s->p += 8;
        }
        while (s->p < s->end && is_plain(*s->p)) {
            s->p++;
        }
        if (s->p >= s->end) {
            return fail(s, JSON_NOT_JSON, s->p, "the string does not end");
        }
        if (*s->p == '"') {
            s->p++;
            return true;
        }
        if (!scan_special(s, flags)) {
            return false;
        }
    }
}

/* ---- numbers and words ---- */

static bool is_digit_here(const struct scan *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static bool scan_digits(struct scan *s)
{
    if (!is_digit_here(s)) {
        return fail_here(s, "a digit was expected");
    }
    while (is_digit_here(s)) {
        s->p++;
    }
    return true;
}

static bool scan_number(struct scan *s, uint8_t *flags)
{
    const unsigned char *start = s->p;
    bool has_exponent = false;
    s->p += *s->p == '-';
    if (s->p < s->end && *s->p == '0') {
        s->p++;
        if (is_digit_here(s)) {
            return fail(s, JSON_NOT_JSON, s->p, "a number must not begin with 0");
        }
    } else if (!scan_digits(s)) {
        return false;
    }
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!scan_digits(s)) {
            return false;
        }
    }
    if (s->p < s->end && (*s->p | 0x20) == 'e') {
        has_exponent = true;
        s->p++;
        s->p += s->p < s->end && (*s->p == '+' || *s->p == '-');
        if (!scan_digits(s)) {
            return false;
        }
    }
    struct view text = view_of((const char *)start, (size_t)(s->p - start));
    if ((has_exponent || text.len > 400) && json_text_is_huge_number(text)) {
        *flags |= JSON_HAS_HUGE_NUMBER;
    }
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0) {
        return fail(s, JSON_NOT_JSON, s->p, "a value was expected");
    }
    s->p += len;
    return true;
}

/* ---- structure ---- */

static bool open_container(struct scan *s, bool is_object)
{
    if (s->depth >= s->limits->max_depth) {
        return fail(s, JSON_TOO_DEEP, s->p, "too many levels of nesting");
    }
    struct frame frame = { .node = record_value(s, is_object ? JSON_OBJECT : JSON_ARRAY),
                           .start = s->p,
                           .is_object = is_object };
    s->frames[s->depth++] = frame;
    s->p++;
    return true;
}

static void close_container(struct scan *s)
{
    const struct frame *f = &s->frames[--s->depth];
    s->p++;
    end_node(s, f->node, f->start, f->flags);
    if (f->node != NO_NODE && f->is_object) {
        shadow_equal_keys(s->doc, f->node);
    }
    if (s->depth > 0) {
        s->frames[s->depth - 1].flags |= f->flags;
    }
}

/* A member's key and colon. Keys are kept only where the member is recorded. */
static bool scan_key(struct scan *s)
{
    struct frame *f = &s->frames[s->depth - 1];
    uint8_t flags = 0;
    const unsigned char *start = s->p;
    if (s->p >= s->end || *s->p != '"') {
        return fail_here(s, "a key in quotes was expected");
    }
    if (++s->keys > s->limits->max_keys) {
        return fail(s, JSON_TOO_MANY_KEYS, s->p, "too many keys");
    }
    if (!scan_string(s, &flags)) {
        return false;
    }
    f->flags |= flags & INHERITED;
    if (f->node != NO_NODE && s->depth <= s->limits->node_depth) {
        struct view quoted = view_of((const char *)start, (size_t)(s->p - start));
        s->key = (flags & JSON_HAS_ESCAPE) != 0
                     ? json_text_decode(quoted, &s->doc->keys)
                     : view_of(quoted.data + 1, quoted.len - 2);
    }
    skip_space(s);
    if (s->p >= s->end || *s->p != ':') {
        return fail_here(s, "a colon was expected");
    }
    s->p++;
    skip_space(s);
    return true;
}

static bool scan_scalar(struct scan *s, enum json_kind kind, const char *word)
{
    uint8_t flags = 0;
    const unsigned char *start = s->p;
    uint32_t node = record_value(s, kind);
    bool is_fine = kind == JSON_STRING   ? scan_string(s, &flags)
                   : kind == JSON_NUMBER ? scan_number(s, &flags)
                                         : scan_word(s, word);
    if (!is_fine) {
        return false;
    }
    end_node(s, node, start, flags);
    if (s->depth > 0) {
        s->frames[s->depth - 1].flags |= flags & INHERITED;
    }
    return true;
}

/* Scans a scalar whole, or opens a container. */
static bool scan_value_start(struct scan *s)
{
    if (s->p >= s->end) {
        return fail(s, JSON_NOT_JSON, s->p, "a value was expected");
    }
    switch (*s->p) {
    case '{':
        return open_container(s, true);
    case '[':
        return open_container(s, false);
    case '"':
        return scan_scalar(s, JSON_STRING, NULL);
    case 't':
        return scan_scalar(s, JSON_TRUE, "true");
    case 'f':
        return scan_scalar(s, JSON_FALSE, "false");
    case 'n':
        return scan_scalar(s, JSON_NULL, "null");
    default:
        if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9')) {
            return scan_scalar(s, JSON_NUMBER, NULL);
        }
        return fail_here(s, "a value was expected");
    }
}

enum next { NEXT_VALUE, NEXT_END, NEXT_FAULT };

/* Behind a value: closes what closes here, and stops where the next value begins. */
static enum next after_value(struct scan *s)
{
    while (s->depth > 0) {
        const struct frame *f = &s->frames[s->depth - 1];
        skip_space(s);
        if (s->p < s->end && *s->p == ',') {
            s->p++;
            skip_space(s);
            return !f->is_object || scan_key(s) ? NEXT_VALUE : NEXT_FAULT;
        }
        if (s->p >= s->end || *s->p != (f->is_object ? '}' : ']')) {
            fail_here(s, f->is_object ? "a comma or a closing brace was expected"
                                      : "a comma or a closing bracket was expected");
            return NEXT_FAULT;
        }
        close_container(s);
    }
    return NEXT_END;
}

/* Behind an opening bracket: an empty container closes at once. */
static enum next after_opening(struct scan *s)
{
    const struct frame *f = &s->frames[s->depth - 1];
    skip_space(s);
    if (s->p < s->end && *s->p == (f->is_object ? '}' : ']')) {
        close_container(s);
        return after_value(s);
    }
    return !f->is_object || scan_key(s) ? NEXT_VALUE : NEXT_FAULT;
}

static bool scan_text(struct scan *s)
{
    enum next next = NEXT_VALUE;
    skip_space(s);
    while (next == NEXT_VALUE) {
        unsigned before = s->depth;
        if (!scan_value_start(s)) {
            return false;
        }
        next = s->depth > before ? after_opening(s) : after_value(s);
    }
    if (next == NEXT_FAULT) {
        return false;
    }
    skip_space(s);
    return s->p == s->end || fail_here(s, "nothing may follow the value");
}

/* ---- the document ---- */

static void clear(struct json_doc *doc)
{
    if (doc->capacity > KEEP_NODES) {
        free(doc->nodes);
        doc->nodes = NULL;
        doc->capacity = 0;
    }
    doc->count = 0;
    doc->text = view_of(NULL, 0);
    arena_reset(&doc->keys);
}

bool json_doc_scan(struct json_doc *doc, struct view text,
                   const struct json_limits *limits, struct json_fault *fault)
{
    struct scan s;
    REQUIRE(limits->max_depth <= JSON_MAX_DEPTH);
    clear(doc);
    *fault = (struct json_fault){ JSON_OK, 0, "" };
    s.start = (const unsigned char *)(text.data == NULL ? "" : text.data);
    s.p = s.start;
    s.end = s.start + text.len;
    s.doc = doc;
    s.limits = limits;
    s.fault = fault;
    s.keys = 0;
    s.depth = 0;
    s.key = view_of(NULL, 0);
    if (!scan_text(&s)) {
        doc->count = 0;
        return false;
    }
    doc->text = text;
    return true;
}

void json_doc_release(struct json_doc *doc)
{
    free(doc->nodes);
    arena_release(&doc->keys);
    *doc = (struct json_doc){ 0 };
}

const struct json_node *json_doc_first(const struct json_doc *doc,
                                       const struct json_node *parent)
{
    const struct json_node *first = parent + 1;
    return first < doc->nodes + parent->end ? first : NULL;
}

const struct json_node *json_doc_next(const struct json_doc *doc,
                                      const struct json_node *parent,
                                      const struct json_node *node)
{
    return node->end < parent->end ? doc->nodes + node->end : NULL;
}

const struct json_node *json_doc_member(const struct json_doc *doc,
                                        const struct json_node *parent, struct view key)
{
    if (parent->kind != JSON_OBJECT) {
        return NULL;
    }
    for (const struct json_node *n = json_doc_first(doc, parent); n != NULL;
         n = json_doc_next(doc, parent, n)) {
        if ((n->flags & JSON_IS_SHADOWED) == 0 && view_equal(n->key, key)) {
            return n;
        }
    }
    return NULL;
}
