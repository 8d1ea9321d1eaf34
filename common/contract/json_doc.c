#include "common/contract/json_doc.h"

#include "common/base/mem.h"
#include "common/contract/json_text.h"
#include "common/contract/json_token.h"

#include <stdlib.h>

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
    struct json_cursor at;
    struct json_doc *doc;
    const struct json_limits *limits;
    unsigned keys;
    unsigned depth;  /* open brackets */
    struct view key; /* of the member whose value comes next */
    struct frame frames[JSON_MAX_DEPTH + 1];
};

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
    n->text = view_of((const char *)start, (size_t)(s->at.p - start));
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

/* ---- structure ---- */

static bool open_container(struct scan *s, bool is_object)
{
    if (s->depth >= s->limits->max_depth) {
        return json_token_fail(&s->at, JSON_TOO_DEEP, s->at.p,
                               "too many levels of nesting");
    }
    struct frame frame = { .node = record_value(s, is_object ? JSON_OBJECT : JSON_ARRAY),
                           .start = s->at.p,
                           .is_object = is_object };
    s->frames[s->depth++] = frame;
    s->at.p++;
    return true;
}

static void close_container(struct scan *s)
{
    const struct frame *f = &s->frames[--s->depth];
    s->at.p++;
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
    const unsigned char *start = s->at.p;
    if (s->at.p >= s->at.end || *s->at.p != '"') {
        return json_token_fail_here(&s->at, "a key in quotes was expected");
    }
    if (++s->keys > s->limits->max_keys) {
        return json_token_fail(&s->at, JSON_TOO_MANY_KEYS, s->at.p, "too many keys");
    }
    if (!json_token_string(&s->at, &flags)) {
        return false;
    }
    f->flags |= flags & INHERITED;
    if (f->node != NO_NODE && s->depth <= s->limits->node_depth) {
        struct view quoted = view_of((const char *)start, (size_t)(s->at.p - start));
        s->key = (flags & JSON_HAS_ESCAPE) != 0
                     ? json_text_decode(quoted, &s->doc->keys)
                     : view_of(quoted.data + 1, quoted.len - 2);
    }
    json_token_skip_space(&s->at);
    if (s->at.p >= s->at.end || *s->at.p != ':') {
        return json_token_fail_here(&s->at, "a colon was expected");
    }
    s->at.p++;
    json_token_skip_space(&s->at);
    return true;
}

static bool scan_scalar(struct scan *s, enum json_kind kind, const char *word)
{
    uint8_t flags = 0;
    const unsigned char *start = s->at.p;
    uint32_t node = record_value(s, kind);
    bool is_fine = kind == JSON_STRING   ? json_token_string(&s->at, &flags)
                   : kind == JSON_NUMBER ? json_token_number(&s->at, &flags)
                                         : json_token_word(&s->at, word);
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
    if (s->at.p >= s->at.end) {
        return json_token_fail(&s->at, JSON_NOT_JSON, s->at.p, "a value was expected");
    }
    switch (*s->at.p) {
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
        if (*s->at.p == '-' || (*s->at.p >= '0' && *s->at.p <= '9')) {
            return scan_scalar(s, JSON_NUMBER, NULL);
        }
        return json_token_fail_here(&s->at, "a value was expected");
    }
}

enum next { NEXT_VALUE, NEXT_END, NEXT_FAULT };

/* Behind a value: closes what closes here, and stops where the next value begins. */
static enum next after_value(struct scan *s)
{
    while (s->depth > 0) {
        const struct frame *f = &s->frames[s->depth - 1];
        json_token_skip_space(&s->at);
        if (s->at.p < s->at.end && *s->at.p == ',') {
            s->at.p++;
            json_token_skip_space(&s->at);
            return !f->is_object || scan_key(s) ? NEXT_VALUE : NEXT_FAULT;
        }
        if (s->at.p >= s->at.end || *s->at.p != (f->is_object ? '}' : ']')) {
            json_token_fail_here(
                &s->at, f->is_object ? "a comma or a closing brace was expected"
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
    json_token_skip_space(&s->at);
    if (s->at.p < s->at.end && *s->at.p == (f->is_object ? '}' : ']')) {
        close_container(s);
        return after_value(s);
    }
    return !f->is_object || scan_key(s) ? NEXT_VALUE : NEXT_FAULT;
}

static bool scan_value(struct scan *s)
{
    enum next next = NEXT_VALUE;
    while (next == NEXT_VALUE) {
        unsigned before = s->depth;
        if (!scan_value_start(s)) {
            return false;
        }
        next = s->depth > before ? after_opening(s) : after_value(s);
    }
    return next == NEXT_END;
}

static bool scan_text(struct scan *s)
{
    json_token_skip_space(&s->at);
    if (!scan_value(s)) {
        return false;
    }
    json_token_skip_space(&s->at);
    return s->at.p == s->at.end ||
           json_token_fail_here(&s->at, "nothing may follow the value");
}

/* ---- the document ---- */

static void drop_nodes(struct json_doc *doc, uint32_t above)
{
    if (doc->capacity > above) {
        free(doc->nodes);
        doc->nodes = NULL;
        doc->capacity = 0;
    }
}

static void clear(struct json_doc *doc)
{
    drop_nodes(doc, KEEP_NODES);
    doc->count = 0;
    doc->text = view_of(NULL, 0);
    arena_reset(&doc->keys);
}

void json_doc_shrink(struct json_doc *doc, uint32_t nodes)
{
    clear(doc);
    drop_nodes(doc, nodes);
}

static void begin(struct scan *s, struct json_doc *doc, struct view text,
                  const struct json_limits *limits, struct json_fault *fault)
{
    REQUIRE(limits->max_depth <= JSON_MAX_DEPTH);
    clear(doc);
    *fault = (struct json_fault){ JSON_OK, 0, "" };
    s->at.start = (const unsigned char *)(text.data == NULL ? "" : text.data);
    s->at.p = s->at.start;
    s->at.end = s->at.start + text.len;
    s->doc = doc;
    s->limits = limits;
    s->at.fault = fault;
    s->keys = 0;
    s->depth = 0;
    s->key = view_of(NULL, 0);
}

bool json_doc_scan(struct json_doc *doc, struct view text,
                   const struct json_limits *limits, struct json_fault *fault)
{
    struct scan s;
    begin(&s, doc, text, limits, fault);
    if (!scan_text(&s)) {
        doc->count = 0;
        return false;
    }
    doc->text = text;
    return true;
}

bool json_doc_scan_value(struct json_doc *doc, struct view text,
                         const struct json_limits *limits, size_t *out_len,
                         struct json_fault *fault)
{
    struct scan s;
    begin(&s, doc, text, limits, fault);
    if (!scan_value(&s)) {
        doc->count = 0;
        return false;
    }
    *out_len = (size_t)(s.at.p - s.at.start);
    doc->text = view_of(text.data, *out_len);
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
