#include "ingest/events/body_split.h"

#include "common/contract/event_type.h"
#include "common/contract/json_text.h"
#include "common/contract/record.h"

#include <stdio.h>

/* Ingest needs an event's members; what is inside of them is only checked. */
static const struct json_limits member_limits = { .max_depth = JSON_MAX_DEPTH,
                                                  .max_keys = JSON_MAX_KEYS,
                                                  .node_depth = 1 };

/* What body_split_open was given, while the body is opened. */
struct opening {
    struct body_split *split;
    struct view body;
    struct json_doc *doc;
    struct arena *arena;
    enum reject_reason *out_reason;
    struct error *err;
};

static bool refuse(const struct opening *o, enum reject_reason reason,
                   const struct json_fault *fault)
{
    *o->out_reason = reason;
    return error_set(o->err, ERROR_INVALID, ERROR_FROM_JSON, NULL, "%s at byte %zu",
                     fault->what, fault->offset);
}

/* The body cannot be split: the strict scanner tells best where and why. */
static bool refuse_structure(const struct opening *o,
                             const struct json_fault *split_fault)
{
    struct json_fault fault;
    bool is_json = json_doc_scan(o->doc, o->body, &member_limits, &fault);
    if (is_json || fault.kind == JSON_TOO_DEEP || fault.kind == JSON_TOO_MANY_KEYS) {
        fault = *split_fault;
    }
    return refuse(o, reject_reason_of_fault(fault.kind), &fault);
}

/* ---- envelope ---- */

/* A member's key decoded; false when its escapes are no JSON. */
static bool decode_key(struct view quoted, struct json_doc *doc, struct arena *arena,
                       struct view *out)
{
    struct json_fault fault;
    if (memchr(quoted.data, '\\', quoted.len) == NULL) {
        *out = view_of(quoted.data + 1, quoted.len - 2);
        return true;
    }
    if (!json_doc_scan(doc, quoted, &member_limits, &fault)) {
        return false;
    }
    *out = json_text_decode(quoted, arena);
    return true;
}

/* A string member's text; empty for any other value, or when it is no valid JSON. */
static struct view text_of(struct view value, struct json_doc *doc, struct arena *arena)
{
    struct json_fault fault;
    if (value.len == 0 || value.data[0] != '"' ||
        !json_doc_scan(doc, value, &member_limits, &fault)) {
        return view_of(NULL, 0);
    }
    return json_text_decode_storable(value, arena);
}

struct members { /* of the body's root object, raw; the last of equal keys, but of two
                  * batches the one that is an array: it must not go unseen */
    struct view batch, context, integrations, sent_at, write_key, type;
    unsigned batches;
};

static void take_member(struct members *m, struct view key, struct view value)
{
    if (view_equal_cstr(key, "batch")) {
        if (m->batch.len == 0 || m->batch.data[0] != '[') {
            m->batch = value;
        }
        m->batches++;
    } else if (view_equal_cstr(key, "context")) {
        m->context = value;
    } else if (view_equal_cstr(key, "integrations")) {
        m->integrations = value;
    } else if (view_equal_cstr(key, "sentAt")) {
        m->sent_at = value;
    } else if (view_equal_cstr(key, "writeKey")) {
        m->write_key = value;
    } else if (view_equal_cstr(key, "type")) {
        m->type = value;
    }
}

/* Reads the root object's members; false with *fault when it cannot be split. */
static bool read_members(struct view body, struct json_doc *doc, struct arena *arena,
                         struct members *out, struct json_fault *fault)
{
    struct json_split cursor;
    struct view quoted;
    struct view value;
    *out = (struct members){ .batches = 0 };
    if (!json_split_open(&cursor, body)) {
        return false;
    }
    for (;;) {
        switch (json_split_next(&cursor, &quoted, &value, fault)) {
        case JSON_SPLIT_END:
            return true;
        case JSON_SPLIT_BROKEN:
            return false;
        case JSON_SPLIT_ITEM:
            break;
        }
        struct view key;
        if (decode_key(quoted, doc, arena, &key)) {
            take_member(out, key, value);
        } /* else the strict scan of the event or envelope will say so */
    }
}

/* Everything of an envelope but its batch is ours to judge here: no element carries it.
 */
static bool envelope_is_valid(struct view body, struct view batch, struct json_doc *doc,
                              struct json_fault *fault)
{
    struct buf rest = { 0 };
    size_t before = (size_t)(batch.data - body.data);
    buf_add(&rest, body.data, before);
    buf_add_cstr(&rest, "[]");
    buf_add(&rest, batch.data + batch.len, body.len - before - batch.len);
    bool is_valid = json_doc_scan(doc, buf_view(&rest), &member_limits, fault);
    if (!is_valid && fault->offset > before) {
        fault->offset += batch.len - 2;
    }
    buf_release(&rest);
    return is_valid;
}

/* ---- elements ---- */

/* The inner event of an Extensible Webhook's wrapper {"json":{..}}; else the element
 * itself. */
static struct view unwrap(struct view element)
{
    struct json_split cursor;
    struct json_fault fault;
    struct view key;
    struct view inner;
    struct view value;
    if (element.len == 0 || element.data[0] != '{' ||
        !json_split_open(&cursor, element) ||
        json_split_next(&cursor, &key, &inner, &fault) != JSON_SPLIT_ITEM ||
        !view_equal_cstr(key, "\"json\"") || inner.data[0] != '{' ||
        json_split_next(&cursor, &key, &value, &fault) != JSON_SPLIT_END) {
        return element;
    }
    return inner;
}

/* Walks over all elements, so that the structure is known to hold to its end. */
static bool check_elements(struct body_split *split, struct json_fault *fault)
{
    struct json_split cursor;
    struct view key;
    struct view value;
    split->count = 0;
    if (!json_split_open(&cursor, split->elements)) {
        return false;
    }
    for (;;) {
        switch (json_split_next(&cursor, &key, &value, fault)) {
        case JSON_SPLIT_END:
            return true;
        case JSON_SPLIT_BROKEN:
            return false;
        case JSON_SPLIT_ITEM:
            break;
        }
        if (split->count++ == 0) {
            split->first = split->shape == BODY_ARRAY ? unwrap(value) : value;
        }
    }
}

static void find_first_write_key(struct body_split *split, struct json_doc *doc,
                                 struct arena *arena)
{
    struct members members;
    struct json_fault fault;
    if (split->write_key.len == 0 && split->first.len > 0 &&
        split->first.data[0] == '{' &&
        read_members(split->first, doc, arena, &members, &fault)) {
        split->write_key = text_of(members.write_key, doc, arena);
    }
}

static bool open_array(const struct opening *o)
{
    struct json_fault fault = { JSON_NOT_JSON, 0, "the array cannot be split" };
    if (!check_elements(o->split, &fault)) {
        return refuse_structure(o, &fault);
    }
    find_first_write_key(o->split, o->doc, o->arena);
    return json_split_open(&o->split->cursor, o->split->elements);
}

/* The caller refuses it for its size, whatever the number of its keys. */
static bool has_oversized(const struct members *m)
{
    return m->context.len > RECORD_CONTEXT_MAX_BYTES ||
           m->integrations.len > RECORD_CONTEXT_MAX_BYTES;
}

static bool open_envelope(const struct opening *o, const struct members *m)
{
    struct json_fault fault = { JSON_NOT_JSON, (size_t)(m->batch.data - o->body.data),
                                "`batch` stands here twice" };
    if (m->batches > 1) {
        return refuse(o, REJECT_NOT_JSON, &fault);
    }
    if (!envelope_is_valid(o->body, m->batch, o->doc, &fault) &&
        !(fault.kind == JSON_TOO_MANY_KEYS && has_oversized(m))) {
        return refuse(o, reject_reason_of_fault(fault.kind), &fault);
    }
    o->split->shape = BODY_ENVELOPE;
    o->split->elements = m->batch;
    o->split->context = m->context;
    o->split->integrations = m->integrations;
    o->split->sent_at = text_of(m->sent_at, o->doc, o->arena);
    return open_array(o);
}

/* An event may have a property of its own that is called `batch`: its type tells. */
static bool is_event(const struct opening *o, const struct members *m)
{
    enum event_type type;
    return event_type_parse(text_of(m->type, o->doc, o->arena), &type);
}

static bool open_object(const struct opening *o)
{
    struct members m;
    struct json_fault fault = { JSON_NOT_JSON, 0, "the object cannot be split" };
    if (!read_members(o->body, o->doc, o->arena, &m, &fault)) {
        return refuse_structure(o, &fault);
    }
    o->split->write_key = text_of(m.write_key, o->doc, o->arena);
    bool has_batch = m.batch.len > 0 && m.batch.data[0] == '[';
    if (!has_batch || is_event(o, &m)) {
        return true; /* a single event; its strict scan comes with body_split_next */
    }
    return open_envelope(o, &m);
}

struct view body_split_first_of(struct view beginning)
{
    struct json_split cursor;
    struct json_fault fault;
    enum json_kind kind = JSON_NULL;
    struct view key;
    struct view value;
    if (!json_split_kind(beginning, &kind) || kind != JSON_ARRAY ||
        !json_split_open(&cursor, beginning) ||
        json_split_next(&cursor, &key, &value, &fault) != JSON_SPLIT_ITEM) {
        return view_of(NULL, 0);
    }
    struct view first = unwrap(value);
    return first.data[0] == '{' ? first : view_of(NULL, 0);
}

bool body_split_open(struct body_split *split, struct view body, struct json_doc *doc,
                     struct arena *arena, enum reject_reason *out_reason,
                     struct error *err)
{
    const struct opening o = { split, body, doc, arena, out_reason, err };
    enum json_kind kind = JSON_NULL;
    struct json_fault fault;
    *split = (struct body_split){ .shape = BODY_SINGLE, .count = 1, .elements = body };
    bool is_value = json_split_kind(body, &kind);
    if (is_value && kind == JSON_OBJECT) {
        return open_object(&o);
    }
    if (is_value && kind == JSON_ARRAY) {
        split->shape = BODY_ARRAY;
        return open_array(&o);
    }
    if (!json_doc_scan(doc, body, &member_limits, &fault)) {
        return refuse(&o, reject_reason_of_fault(fault.kind), &fault);
    }
    fault.what = "an event must be an object";
    return refuse(&o, REJECT_NOT_AN_OBJECT, &fault);
}

/* ---- events ---- */

static void reject(struct body_event *out, enum reject_reason reason,
                   const struct json_fault *fault)
{
    out->doc = NULL;
    out->reason = reason;
    snprintf(out->detail, sizeof out->detail, "%s at byte %zu", fault->what,
             fault->offset);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without the white space around it: the event alone is what is kept. */
static struct view trim_json(struct view text)
{
    while (text.len > 0 && is_space(text.data[0])) {
        text = view_skip(text, 1);
    }
    while (text.len > 0 && is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

void body_event_judge(struct view bytes, struct json_doc *doc, uint64_t max_event_bytes,
                      struct body_event *out)
{
    struct json_fault fault = { JSON_OK, 0, NULL };
    *out = (struct body_event){ .bytes = trim_json(bytes), .doc = doc };
    if (out->bytes.len > max_event_bytes) {
        out->doc = NULL;
        out->reason =
            REJECT_EVENT_TOO_LARGE; /* size and digest are added where it is cut */
    } else if (!json_doc_scan(doc, out->bytes, &member_limits, &fault)) {
        reject(out, reject_reason_of_fault(fault.kind), &fault);
    } else if (doc->nodes[0].kind != JSON_OBJECT) {
        fault.what = "an event must be an object";
        reject(out, REJECT_NOT_AN_OBJECT, &fault);
    }
}

bool body_split_next(struct body_split *split, struct json_doc *doc,
                     uint64_t max_event_bytes, struct body_event *out)
{
    struct json_fault fault;
    struct view key;
    struct view value;
    if (split->is_done) {
        return false;
    }
    if (split->shape == BODY_SINGLE) {
        split->is_done = true;
        value = split->elements;
    } else {
        if (json_split_next(&split->cursor, &key, &value, &fault) != JSON_SPLIT_ITEM) {
            split->is_done = true; /* the structure was checked: this is the end */
            return false;
        }
        value = split->shape == BODY_ARRAY ? unwrap(value) : value;
    }
    body_event_judge(value, doc, max_event_bytes, out);
    return true;
}
