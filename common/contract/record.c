#include "common/contract/record.h"

#include "common/base/parse.h"

#include <string.h>

static const char *const via_names[] = { "webhook", "api", "pixel", "import" };
static const char *const auth_names[] = { "none", "key", "signature-first", "token",
                                          "signature" };

const char *record_via_name(enum record_via via)
{
    return via_names[via];
}

const char *record_auth_name(enum record_auth auth)
{
    return auth_names[auth];
}

int64_t record_sequence(const struct record *r)
{
    return r->received_at_ms * RECORD_SEQ_LIMIT + r->seq;
}

/* ---- encode ---- */

/* The facts leave room behind them for seq and type. */
#define SEQ_AND_TYPE_BYTES 64

static char *put(char *at, struct view bytes)
{
    if (bytes.len > 0) {
        memcpy(at, bytes.data, bytes.len);
    }
    return at + bytes.len;
}

static void add_fact(struct record_facts *facts, const char *name, struct view value)
{
    struct view named = view_cstr(name);
    size_t needed = facts->len + 1 + named.len + 1 + value.len;
    if (value.len == 0 || needed > RECORD_FACTS_BYTES - SEQ_AND_TYPE_BYTES ||
        memchr(value.data, ';', value.len) != NULL) {
        return;
    }
    char *at = facts->text + facts->len;
    *at++ = ';';
    at = put(at, named);
    *at++ = '=';
    (void)put(at, value);
    facts->len = needed;
}

/* Not by printf, which is a good part of a record's cost. */
static size_t format_number(uint64_t number, char out[20])
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (size_t i = 0; i < n; i++) {
        out[i] = digits[n - 1 - i];
    }
    return n;
}

void record_facts_format(const struct record *r, struct record_facts *out)
{
    char number[20];
    size_t digits = format_number((uint64_t)r->received_at_ms, number);
    out->len = (size_t)(put(out->text, view_cstr("v=1")) - out->text);
    add_fact(out, "source", r->source);
    add_fact(out, "schema", r->schema);
    add_fact(out, "received-at", view_of(number, digits));
    add_fact(out, "via", view_cstr(via_names[r->via]));
    add_fact(out, "auth", view_cstr(auth_names[r->auth]));
    add_fact(out, "request-id", r->request_id);
    add_fact(out, "ip", r->ip);
}

static size_t add_present(struct record_header *out, size_t count, const char *name,
                          struct view value)
{
    if (value.len == 0) {
        return count;
    }
    out[count].name = view_cstr(name);
    out[count].value = value;
    return count + 1;
}

size_t record_encode_headers(const struct record *r, const struct record_facts *facts,
                             char scratch[RECORD_FACTS_BYTES],
                             struct record_header out[RECORD_HEADERS_MAX])
{
    char *at = put(scratch, view_of(facts->text, facts->len));
    at = put(at, view_cstr(";seq="));
    at += format_number(r->seq, at);
    if (r->type.len > 0 && r->type.len <= 16) {
        at = put(put(at, view_cstr(";type=")), r->type);
    }
    struct view made = view_of(scratch, (size_t)(at - scratch));
    size_t n = add_present(out, 0, "backstitch", made);
    n = add_present(out, n, "sent-at", r->sent_at);
    n = add_present(out, n, "context", r->context);
    n = add_present(out, n, "integrations", r->integrations);
    n = add_present(out, n, "traceparent", r->traceparent);
    n = add_present(out, n, "reason", r->reason);
    return add_present(out, n, "detail", r->detail);
}

/* ---- decode ---- */

/* What was found of the mandatory facts, before it is judged. */
struct found {
    struct view v, received_at, seq, via, auth;
};

struct slot {
    const char *name;
    size_t offset;
};

/* Of `backstitch`. */
static const struct slot found_slots[] = {
    { "v", offsetof(struct found, v) },
    { "received-at", offsetof(struct found, received_at) },
    { "seq", offsetof(struct found, seq) },
    { "via", offsetof(struct found, via) },
    { "auth", offsetof(struct found, auth) },
};

static const struct slot fact_slots[] = {
    { "source", offsetof(struct record, source) },
    { "schema", offsetof(struct record, schema) },
    { "request-id", offsetof(struct record, request_id) },
    { "ip", offsetof(struct record, ip) },
    { "type", offsetof(struct record, type) },
};

/* Headers of their own. */
static const struct slot header_slots[] = {
    { "sent-at", offsetof(struct record, sent_at) },
    { "context", offsetof(struct record, context) },
    { "integrations", offsetof(struct record, integrations) },
    { "traceparent", offsetof(struct record, traceparent) },
    { "reason", offsetof(struct record, reason) },
    { "detail", offsetof(struct record, detail) },
};

#define COUNT(slots) (sizeof(slots) / sizeof((slots)[0]))

/* Sets the view in `object` that a name belongs to. */
static bool set_slot(const struct slot *slots, size_t count, void *object,
                     struct view name, struct view value)
{
    for (size_t i = 0; i < count; i++) {
        if (view_equal_cstr(name, slots[i].name)) {
            *(struct view *)(void *)((char *)object + slots[i].offset) = value;
            return true;
        }
    }
    return false;
}

/* One pass over name=value;name=value. A part without '=' is a name that we do not know.
 */
static void read_facts(struct view text, struct found *found, struct record *out)
{
    while (text.len > 0) {
        const char *semicolon = memchr(text.data, ';', text.len);
        size_t len = semicolon == NULL ? text.len : (size_t)(semicolon - text.data);
        const char *equals = memchr(text.data, '=', len);
        if (equals != NULL) {
            size_t name_len = (size_t)(equals - text.data);
            struct view name = view_of(text.data, name_len);
            struct view value = view_of(equals + 1, len - name_len - 1);
            if (!set_slot(found_slots, COUNT(found_slots), found, name, value)) {
                set_slot(fact_slots, COUNT(fact_slots), out, name, value);
            }
        }
        text = view_skip(text, semicolon == NULL ? len : len + 1);
    }
}

static bool find_word(const char *const *words, size_t count, struct view text,
                      unsigned *out)
{
    for (size_t i = 0; i < count; i++) {
        if (view_equal_cstr(text, words[i])) {
            *out = (unsigned)i;
            return true;
        }
    }
    return false;
}

static bool invalid(struct error *err, const char *name, const char *what)
{
    return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "'%s' in the header `backstitch` %s", name, what);
}

static bool is_version_1(struct view v)
{
    return view_equal_cstr(v, "1") || view_starts_with(v, view_cstr("1."));
}

static bool judge(const struct found *f, struct record *out, struct error *err)
{
    uint64_t number = 0;
    unsigned word = 0;
    bool is_fine = true;
    if (!is_version_1(f->v)) {
        is_fine = invalid(err, "v", "is missing or not 1");
    }
    if (parse_u64(f->received_at, &number, err) &&
        number <= INT64_MAX / RECORD_SEQ_LIMIT - 1) {
        out->received_at_ms = (int64_t)number;
    } else {
        is_fine = invalid(err, "received-at", "is missing or no time in milliseconds");
    }
    if (parse_u64(f->seq, &number, err) && number < RECORD_SEQ_LIMIT) {
        out->seq = (uint32_t)number;
    } else {
        is_fine = invalid(err, "seq", "is missing or not 0 to 999,999");
    }
    if (find_word(via_names, COUNT(via_names), f->via, &word)) {
        out->via = (enum record_via)word;
    } else {
        is_fine = invalid(err, "via", "is missing or none that we know");
    }
    if (find_word(auth_names, COUNT(auth_names), f->auth, &word)) {
        out->auth = (enum record_auth)word;
    } else {
        is_fine = invalid(err, "auth", "is missing or none that we know");
    }
    return is_fine;
}

bool record_decode_headers(const struct record_header *headers, size_t count,
                           struct record *out, struct error *err)
{
    struct found found = { 0 };
    for (size_t i = 0; i < count; i++) {
        if (view_equal_cstr(headers[i].name, "backstitch")) {
            read_facts(headers[i].value, &found, out);
        } else {
            set_slot(header_slots, COUNT(header_slots), out, headers[i].name,
                     headers[i].value);
        }
    }
    bool is_fine = judge(&found, out, err);
    if (out->source.len == 0) {
        is_fine = invalid(err, "source", "is missing");
    }
    return is_fine;
}
