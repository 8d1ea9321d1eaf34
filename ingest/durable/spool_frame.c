#include "ingest/durable/spool_frame.h"

#include "common/base/crc32c.h"
#include "common/base/mem.h"

#define FIXED_BYTES 12        /* of a payload, before the table of its headers */
#define HEADER_LENGTH_BYTES 8 /* in that table */

static void put_u32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (char)(unsigned char)(value >> (8 * i));
    }
}

static uint32_t get_u32(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        value |= (uint32_t)(unsigned char)at[i] << (8 * i);
    }
    return value;
}

/* ---- encode ---- */

static size_t payload_bytes(const struct spool_record *r)
{
    size_t bytes = FIXED_BYTES + r->key.len + r->value.len;
    for (size_t i = 0; i < r->header_count; i++) {
        bytes += HEADER_LENGTH_BYTES + r->headers[i].name.len + r->headers[i].value.len;
    }
    return bytes;
}

static char *put_view(char *at, struct view v)
{
    if (v.len > 0) {
        memcpy(at, v.data, v.len);
    }
    return at + v.len;
}

static void put_payload(char *at, const struct spool_record *r)
{
    at[0] = (char)r->topic;
    at[1] = (char)r->header_count;
    at[2] = 0;
    at[3] = 0;
    put_u32(at + 4, (uint32_t)r->key.len);
    put_u32(at + 8, (uint32_t)r->value.len);
    at += FIXED_BYTES;
    for (size_t i = 0; i < r->header_count; i++, at += HEADER_LENGTH_BYTES) {
        put_u32(at, (uint32_t)r->headers[i].name.len);
        put_u32(at + 4, (uint32_t)r->headers[i].value.len);
    }
    at = put_view(at, r->key);
    at = put_view(at, r->value);
    for (size_t i = 0; i < r->header_count; i++) {
        at = put_view(at, r->headers[i].name);
        at = put_view(at, r->headers[i].value);
    }
}

bool spool_frame_encode(const struct spool_record *r, uint32_t salt, struct buf *out,
                        struct error *err)
{
    REQUIRE(r->header_count <= SPOOL_HEADERS_MAX);
    size_t len = payload_bytes(r);
    if (len > SPOOL_FRAME_MAX_BYTES - SPOOL_FRAME_HEAD_BYTES) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "a record of %zu bytes is too large for the spool", len);
    }
    char *head = buf_reserve(out, SPOOL_FRAME_HEAD_BYTES + len);
    char *payload = head + SPOOL_FRAME_HEAD_BYTES;
    put_payload(payload, r);
    put_u32(head, salt);
    put_u32(head + 4, (uint32_t)len);
    put_u32(head + 8, crc32c(view_of(payload, len)));
    put_u32(head + 12, crc32c(view_of(head, 12)));
    out->len += SPOOL_FRAME_HEAD_BYTES + len;
    return true;
}

struct view spool_frame_whole(struct view frames)
{
    REQUIRE(frames.len >= SPOOL_FRAME_HEAD_BYTES);
    size_t len = SPOOL_FRAME_HEAD_BYTES + get_u32(frames.data + 4);
    REQUIRE(len <= frames.len);
    return view_of(frames.data, len);
}

/* ---- decode ---- */

static bool is_head(const char *at, uint32_t salt)
{
    return get_u32(at) == salt && get_u32(at + 12) == crc32c(view_of(at, 12)) &&
           get_u32(at + 4) <= SPOOL_FRAME_MAX_BYTES - SPOOL_FRAME_HEAD_BYTES;
}

static bool is_all_zero(struct view bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Behind a damaged head: up to the next good one. */
static struct spool_step skip_damage(struct view bytes, bool is_end, uint32_t salt)
{
    for (size_t i = 1; i + SPOOL_FRAME_HEAD_BYTES <= bytes.len; i++) {
        if (is_head(bytes.data + i, salt)) {
            return (struct spool_step){ SPOOL_STEP_DAMAGE, i };
        }
    }
    if (!is_end) {
        return (struct spool_step){ SPOOL_STEP_MORE, 2 * bytes.len };
    }
    return (struct spool_step){ is_all_zero(bytes) ? SPOOL_STEP_TORN : SPOOL_STEP_DAMAGE,
                                bytes.len };
}

struct spool_step spool_frame_next(struct view bytes, bool is_end, uint32_t salt)
{
    if (bytes.len < SPOOL_FRAME_HEAD_BYTES) {
        return !is_end ? (struct spool_step){ SPOOL_STEP_MORE, SPOOL_FRAME_HEAD_BYTES }
               : bytes.len == 0 ? (struct spool_step){ SPOOL_STEP_END, 0 }
                                : (struct spool_step){ SPOOL_STEP_TORN, bytes.len };
    }
    if (!is_head(bytes.data, salt)) {
        return skip_damage(bytes, is_end, salt);
    }
    struct view payload =
        view_of(bytes.data + SPOOL_FRAME_HEAD_BYTES, get_u32(bytes.data + 4));
    size_t len = SPOOL_FRAME_HEAD_BYTES + payload.len;
    if (len > bytes.len) {
        return is_end ? (struct spool_step){ SPOOL_STEP_TORN, bytes.len }
                      : (struct spool_step){ SPOOL_STEP_MORE, len };
    }
    bool is_good = crc32c(payload) == get_u32(bytes.data + 8);
    return (struct spool_step){ is_good ? SPOOL_STEP_FRAME : SPOOL_STEP_DAMAGE, len };
}

bool spool_frame_topic(struct view frame, enum event_type *out)
{
    unsigned char topic = frame.len > SPOOL_FRAME_HEAD_BYTES
                              ? (unsigned char)frame.data[SPOOL_FRAME_HEAD_BYTES]
                              : EVENT_TYPES;
    if (topic >= EVENT_TYPES) {
        return false;
    }
    *out = (enum event_type)topic;
    return true;
}

/* The next `len` bytes of *rest; false when it has fewer. */
static bool take(struct view *rest, size_t len, struct view *out)
{
    if (len > rest->len) {
        return false;
    }
    *out = view_of(rest->data, len);
    *rest = view_skip(*rest, len);
    return true;
}

static bool take_headers(struct view lengths, struct view *rest, struct spool_record *out)
{
    for (size_t i = 0; i < out->header_count; i++) {
        const char *at = lengths.data + i * HEADER_LENGTH_BYTES;
        if (!take(rest, get_u32(at), &out->headers[i].name) ||
            !take(rest, get_u32(at + 4), &out->headers[i].value)) {
            return false;
        }
    }
    return true;
}

bool spool_frame_decode(struct view frame, struct spool_record *out)
{
    struct view rest = view_skip(frame, SPOOL_FRAME_HEAD_BYTES);
    struct view fixed;
    struct view lengths;
    if (!spool_frame_topic(frame, &out->topic) || !take(&rest, FIXED_BYTES, &fixed) ||
        fixed.data[2] != 0 || fixed.data[3] != 0) {
        return false;
    }
    out->header_count = (unsigned char)fixed.data[1];
    return out->header_count <= SPOOL_HEADERS_MAX &&
           take(&rest, out->header_count * HEADER_LENGTH_BYTES, &lengths) &&
           take(&rest, get_u32(fixed.data + 4), &out->key) &&
           take(&rest, get_u32(fixed.data + 8), &out->value) &&
           take_headers(lengths, &rest, out) && rest.len == 0;
}
