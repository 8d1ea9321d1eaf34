#include "common/contract/record.h"

#include "common/base/parse.h"

#include <stdio.h>

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

static void add(struct record_header *out, size_t *count, const char *name,
                struct view value)
{
    out[*count].name = view_cstr(name);
    out[*count].value = value;
    (*count)++;
}

static void add_present(struct record_header *out, size_t *count, const char *name,
                        struct view value)
{
    if (value.len > 0) {
        add(out, count, name, value);
    }
}

size_t record_encode_headers(const struct record *r, char scratch[RECORD_SCRATCH_BYTES],
                             struct record_header out[RECORD_HEADERS_MAX])
{
    size_t n = 0;
    int at_len = snprintf(scratch, 32, "%lld", (long long)r->received_at_ms);
    int seq_len = snprintf(scratch + 32, 32, "%lu", (unsigned long)r->seq);
    add(out, &n, "v", view_cstr("1"));
    add(out, &n, "source", r->source);
    add(out, &n, "schema", r->schema);
    add(out, &n, "received-at", view_of(scratch, (size_t)at_len));
    add(out, &n, "seq", view_of(scratch + 32, (size_t)seq_len));
    add(out, &n, "via", view_cstr(via_names[r->via]));
    add(out, &n, "auth", view_cstr(auth_names[r->auth]));
    add_present(out, &n, "request-id", r->request_id);
    add_present(out, &n, "sent-at", r->sent_at);
    add_present(out, &n, "context", r->context);
    add_present(out, &n, "integrations", r->integrations);
    add_present(out, &n, "ip", r->ip);
    add_present(out, &n, "type", r->type);
    add_present(out, &n, "traceparent", r->traceparent);
    add_present(out, &n, "reason", r->reason);
    add_present(out, &n, "detail", r->detail);
    return n;
}

/* ---- decode ---- */

/* What was found of the mandatory headers, before it is judged. */
struct found {
    struct view v, received_at, seq, via, auth;
};

struct slot {
    const char *name;
    size_t offset;
};

static const struct slot found_slots[] = {
    { "v", offsetof(struct found, v) },
    { "received-at", offsetof(struct found, received_at) },
    { "seq", offsetof(struct found, seq) },
    { "via", offsetof(struct found, via) },
    { "auth", offsetof(struct found, auth) },
};

static const struct slot record_slots[] = {
    { "source", offsetof(struct record, source) },
    { "schema", offsetof(struct record, schema) },
    { "request-id", offsetof(struct record, request_id) },
    { "sent-at", offsetof(struct record, sent_at) },
    { "context", offsetof(struct record, context) },
    { "integrations", offsetof(struct record, integrations) },
    { "ip", offsetof(struct record, ip) },
    { "type", offsetof(struct record, type) },
    { "traceparent", offsetof(struct record, traceparent) },
    { "reason", offsetof(struct record, reason) },
    { "detail", offsetof(struct record, detail) },
};

/* Sets the view in `object` that a header belongs to; the last of equal headers wins. */
static bool set_slot(const struct slot *slots, size_t count, void *object,
                     const struct record_header *h)
{
    for (size_t i = 0; i < count; i++) {
        if (view_equal_cstr(h->name, slots[i].name)) {
            *(struct view *)(void *)((char *)object + slots[i].offset) = h->value;
            return true;
        }
    }
    return false;
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
    return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "the header '%s' %s",
                     name, what);
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
    if (find_word(via_names, sizeof via_names / sizeof via_names[0], f->via, &word)) {
        out->via = (enum record_via)word;
    } else {
        is_fine = invalid(err, "via", "is missing or none that we know");
    }
    if (find_word(auth_names, sizeof auth_names / sizeof auth_names[0], f->auth, &word)) {
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
        if (!set_slot(found_slots, sizeof found_slots / sizeof found_slots[0], &found,
                      &headers[i])) {
            set_slot(record_slots, sizeof record_slots / sizeof record_slots[0], out,
                     &headers[i]);
        }
    }
    bool is_fine = judge(&found, out, err);
    if (out->source.len == 0) {
        is_fine = invalid(err, "source", "is missing");
    }
    return is_fine;
}
