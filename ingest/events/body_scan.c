#define _GNU_SOURCE /* memmem */

#include "ingest/events/body_scan.h"

#include "common/base/mem.h"
#include "common/contract/json_text.h"
#include "common/contract/json_token.h"
#include "common/contract/message_id.h"

#include <stdlib.h>

/* An envelope has a few members beside its batch. Their limits keep their sum below what
 * body_split allows for all of them together: what is above is not plain. */
#define MAX_MEMBERS 9
#define MEMBER_KEYS 1000

static const struct json_limits event_limits = { .max_depth = JSON_MAX_DEPTH,
                                                 .max_keys = JSON_MAX_KEYS,
                                                 .node_depth = 1 };
static const struct json_limits member_limits = { .max_depth = JSON_MAX_DEPTH - 1,
                                                  .max_keys = MEMBER_KEYS,
                                                  .node_depth = 0 };

struct scan {
    struct json_cursor at;
    struct json_fault fault;
    const struct body_scan_setup *setup;
    struct body_split *split;
    struct body_elements *out;
};

/* ---- bytes ---- */

static bool is_at(const struct scan *s, char c)
{
    return s->at.p < s->at.end && *s->at.p == (unsigned char)c;
}

/* Takes `c` and the white space behind it. */
static bool take(struct scan *s, char c)
{
    if (!is_at(s, c)) {
        return false;
    }
    s->at.p++;
    json_token_skip_space(&s->at);
    return true;
}

/* The value at the cursor, strictly; the cursor goes behind it and its white space. */
static bool take_value(struct scan *s, const struct json_limits *limits, struct view *out)
{
    const char *start = (const char *)s->at.p;
    size_t len = 0;
    struct view rest = view_of(start, (size_t)(s->at.end - s->at.p));
    if (!json_doc_scan_value(s->setup->doc, rest, limits, &len, &s->fault)) {
        return false;
    }
    *out = view_of(start, len);
    s->at.p += len;
    json_token_skip_space(&s->at);
    return true;
}

/* ---- an event ---- */

static struct body_element *add_element(struct body_elements *e)
{
    if (e->count == e->capacity) {
        e->capacity = e->capacity == 0 ? 16 : e->capacity * 2;
        e->items = mem_resize(e->items, e->capacity, sizeof *e->items);
    }
    return &e->items[e->count++];
}

/* An Extensible Webhook's wrapper {"json":{..}}. */
static bool may_be_wrapper(const struct json_doc *doc)
{
    const struct json_node *first = json_doc_first(doc, &doc->nodes[0]);
    return first != NULL && view_equal_cstr(first->key, "json");
}

static bool find_type(struct scan *s, struct body_element *out)
{
    const struct json_doc *doc = s->setup->doc;
    const struct json_node *type =
        json_doc_member(doc, &doc->nodes[0], view_cstr("type"));
    out->has_type = type != NULL && type->kind != JSON_NULL;
    out->type = s->setup->path_type;
    if (out->has_type) {
        return type->kind == JSON_STRING &&
               event_type_parse(json_text_decode(type->text, s->setup->arena),
                                &out->type);
    }
    return s->setup->has_path_type;
}

static void find_id(struct scan *s, struct body_element *out)
{
    struct message_id id;
    message_id_of_event(s->setup->doc, view_of(NULL, 0), s->setup->arena, &id);
    if (id.field == NULL) {
        out->id = view_of(NULL, 0); /* derived with the source, once it is known */
    } else if (id.text.data == id.hash) {
        out->id = arena_copy(s->setup->arena, id.text);
    } else {
        out->id = id.text;
    }
}

/* The document holds the event `bytes`. */
static bool add_event(struct scan *s, struct view bytes)
{
    const struct json_doc *doc = s->setup->doc;
    if (doc->nodes[0].kind != JSON_OBJECT || bytes.len > s->setup->max_event_bytes ||
        s->out->count == BODY_SCAN_MAX_ELEMENTS) {
        return false;
    }
    struct body_element *e = add_element(s->out);
    e->bytes = bytes;
    find_id(s, e);
    return find_type(s, e);
}

/* ---- bodies ---- */

static struct view text_of(struct scan *s, struct view value)
{
    return value.len > 0 && value.data[0] == '"'
               ? json_text_decode_storable(value, s->setup->arena)
               : view_of(NULL, 0);
}

static void take_first_write_key(struct scan *s)
{
    const struct json_doc *doc = s->setup->doc;
    const struct json_node *key =
        json_doc_member(doc, &doc->nodes[0], view_cstr("writeKey"));
    if (key != NULL) {
        s->split->write_key = text_of(s, key->text);
    }
}

static bool take_element(struct scan *s)
{
    struct view bytes;
    if (!take_value(s, &event_limits, &bytes) || !add_event(s, bytes)) {
        return false;
    }
    if (s->out->count == 1) {
        s->split->first = bytes;
        if (s->split->write_key.len == 0) {
            take_first_write_key(s);
        }
    }
    return s->split->shape == BODY_ENVELOPE || !may_be_wrapper(s->setup->doc);
}

/* From behind the opening bracket to behind the closing one. */
static bool take_elements(struct scan *s)
{
    if (take(s, ']')) {
        return true;
    }
    do {
        if (!take_element(s)) {
            return false;
        }
    } while (take(s, ','));
    return take(s, ']');
}

static bool take_member(struct scan *s, struct view key, bool *has_batch,
                        struct view *write_key)
{
    struct view value;
    if (view_equal_cstr(key, "batch")) {
        bool is_first = !*has_batch;
        *has_batch = true;
        return is_first && take(s, '[') && take_elements(s);
    }
    if (!take_value(s, &member_limits, &value) || view_equal_cstr(key, "type")) {
        return false;
    }
    if (view_equal_cstr(key, "context")) {
        s->split->context = value;
    } else if (view_equal_cstr(key, "integrations")) {
        s->split->integrations = value;
    } else if (view_equal_cstr(key, "sentAt")) {
        s->split->sent_at = text_of(s, value);
    } else if (view_equal_cstr(key, "writeKey")) {
        *write_key = text_of(s, value);
    }
    return true;
}

/* A key without escapes, and its colon. */
static bool take_key(struct scan *s, struct view *out)
{
    const char *start = (const char *)s->at.p;
    uint8_t flags = 0;
    if (!is_at(s, '"') || !json_token_string(&s->at, &flags) || flags != 0) {
        return false;
    }
    *out = view_of(start + 1, (size_t)((const char *)s->at.p - start) - 2);
    json_token_skip_space(&s->at);
    return take(s, ':');
}

static bool scan_envelope(struct scan *s)
{
    struct view key;
    struct view write_key = { NULL, 0 };
    bool has_batch = false;
    unsigned members = 0;
    s->split->shape = BODY_ENVELOPE;
    (void)take(s, '{');
    do {
        if (++members > MAX_MEMBERS || !take_key(s, &key) ||
            !take_member(s, key, &has_batch, &write_key)) {
            return false;
        }
    } while (take(s, ','));
    if (write_key.len > 0) { /* the envelope's goes before the first event's */
        s->split->write_key = write_key;
    }
    return has_batch && take(s, '}');
}

static bool scan_array(struct scan *s)
{
    s->split->shape = BODY_ARRAY;
    return take(s, '[') && take_elements(s);
}

static bool scan_single(struct scan *s)
{
    struct view bytes;
    const struct json_doc *doc = s->setup->doc;
    if (!take_value(s, &event_limits, &bytes) ||
        json_doc_member(doc, &doc->nodes[0], view_cstr("batch")) != NULL) {
        return false;
    }
    take_first_write_key(s);
    s->split->elements = bytes;
    return add_event(s, bytes);
}

bool body_scan(struct view body, const struct body_scan_setup *setup,
               struct body_split *split, struct body_elements *out)
{
    struct scan s = { .setup = setup, .split = split, .out = out };
    *split = (struct body_split){ .shape = BODY_SINGLE };
    out->count = 0;
    s.at.start = (const unsigned char *)(body.data == NULL ? "" : body.data);
    s.at.p = s.at.start;
    s.at.end = s.at.start + body.len;
    s.at.fault = &s.fault;
    json_token_skip_space(&s.at);
    bool has_batch =
        body.data != NULL && memmem(body.data, body.len, "\"batch\"", 7) != NULL;
    bool is_plain = is_at(&s, '[')    ? scan_array(&s)
                    : !is_at(&s, '{') ? false
                    : has_batch       ? scan_envelope(&s)
                                      : scan_single(&s);
    split->count = out->count;
    return is_plain && s.at.p == s.at.end;
}

void body_elements_shrink(struct body_elements *e, size_t items)
{
    if (e->capacity > items) {
        free(e->items);
        *e = (struct body_elements){ 0 };
    }
    e->count = 0;
}
