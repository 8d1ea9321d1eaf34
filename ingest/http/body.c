#include "ingest/http/body.h"

#include <zlib.h>

#include <stdint.h>
#include <string.h>

#define PIECE_BYTES 65536
/* zlib reaches 1032:1; real events compress 5 to 20 times. */
#define MAX_RATIO 100
#define RATIO_FREE_BYTES (1u << 20)
#define GZIP_ONLY (15 + 16) /* inflateInit2: the largest window, gzip's wrapper */

/* What is known while a body is read. */
struct reading {
    const struct body_source *source;
    const struct body_limits *limits;
    struct buf *out;
    uint64_t *charged;
    struct error *err;
    uint64_t max_bytes;    /* the limits', or less */
    uint64_t wire_bytes;   /* gzip: all of it, before inflating */
    bool is_between_files; /* gzip: all members so far are complete */
};

static int64_t read_piece(struct reading *r, char *into, size_t size)
{
    return r->source->read(r->source->context, into, size, r->limits->deadline_mono_ms,
                           r->err);
}

static enum body_result result_of(const struct error *err)
{
    switch (err->class) {
    case ERROR_RETRY:
        return BODY_TOO_SLOW;
    case ERROR_INVALID:
        return BODY_MALFORMED;
    case ERROR_STOPPED:
    case ERROR_BUSY:
    case ERROR_FATAL:
        break;
    }
    return BODY_CLIENT_GONE;
}

/* Keeps the beginning of what is too large. */
static enum body_result too_large(struct reading *r)
{
    if (r->out->len > r->limits->kept_bytes) {
        r->out->len = r->limits->kept_bytes;
    }
    return BODY_TOO_LARGE;
}

/* `size` bytes more are in the buffer. They are charged when they are there: a client
 * that announces much, or is slow, takes nothing from others. */
static enum body_result take(struct reading *r, size_t size)
{
    if (!budget_take(r->limits->budget, size)) {
        return BODY_NO_ROOM;
    }
    *r->charged += size;
    r->out->len += size;
    return r->out->len > r->max_bytes ? too_large(r) : BODY_READ;
}

/* How much memory is asked for next: a body of known length gets no more than it has, so
 * that a small one costs what it is; memory grows with what was received. */
static size_t piece_of(const struct reading *r)
{
    int64_t left = r->source->content_length - (int64_t)r->out->len;
    return left > 0 && left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
}

/* Reads straight into the buffer. */
static enum body_result read_plain(struct reading *r)
{
    enum body_result result = BODY_READ;
    while (result == BODY_READ) {
        if (r->source->content_length == (int64_t)r->out->len) {
            return BODY_READ; /* whole: no memory is asked for that nothing comes into */
        }
        size_t size = piece_of(r);
        int64_t n = read_piece(r, buf_reserve(r->out, size), size);
        if (n <= 0) {
            return n == 0 ? BODY_READ : result_of(r->err);
        }
        result = take(r, (size_t)n);
    }
    return result;
}

/* ---- gzip ---- */

static enum body_result bad_gzip(struct reading *r)
{
    error_set(r->err, ERROR_INVALID, ERROR_FROM_HTTP, NULL,
              "the body is no whole gzip, as its Content-Encoding says it is");
    return BODY_BAD_GZIP;
}

/* Inflates once into the buffer. A gzip may be several files, one behind the other (RFC
 * 1952, 2.2). */
static enum body_result inflate_once(struct reading *r, z_stream *z)
{
    z->next_out = (Bytef *)buf_reserve(r->out, PIECE_BYTES);
    z->avail_out = PIECE_BYTES;
    int status = inflate(z, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
        return bad_gzip(r);
    }
    if (status != Z_BUF_ERROR) { /* which is: nothing was left to do */
        r->is_between_files = status == Z_STREAM_END;
    }
    if (status == Z_STREAM_END && inflateReset(z) != Z_OK) {
        return bad_gzip(r);
    }
    enum body_result result = take(r, PIECE_BYTES - z->avail_out);
    bool is_bomb =
        r->out->len > RATIO_FREE_BYTES && r->out->len / MAX_RATIO > r->wire_bytes;
    return result == BODY_READ && is_bomb ? too_large(r) : result;
}

/* Until the bytes are used up and nothing is held back. */
static enum body_result inflate_all(struct reading *r, struct view wire)
{
    z_stream z;
    memset(&z, 0, sizeof z);
    if (inflateInit2(&z, GZIP_ONLY) != Z_OK) {
        return BODY_NO_ROOM;
    }
    enum body_result result = BODY_READ;
    r->wire_bytes = wire.len;
    z.next_in = (Bytef *)(uintptr_t)wire.data; /* zlib's type; it does not write there */
    z.avail_in = (uInt)wire.len;               /* at most 1 GiB: the option's limit */
    z.avail_out = 0;
    while (result == BODY_READ && (z.avail_in > 0 || z.avail_out == 0)) {
        result = inflate_once(r, &z);
    }
    inflateEnd(&z);
    return result == BODY_READ && !r->is_between_files ? bad_gzip(r) : result;
}

/* What came before a sender's limit, inflated as far as it is kept. */
static enum body_result inflate_beginning(struct reading *r, struct view wire)
{
    r->max_bytes = r->limits->kept_bytes;
    (void)inflate_all(r, wire);
    return BODY_TOO_LARGE;
}

/* First whole as it was sent, then inflated: what is no gzip in spite of its header is
 * kept as it came. */
static enum body_result read_gzip(struct reading *r)
{
    struct buf wire = { 0 };
    uint64_t of_wire = 0;
    struct reading raw = *r;
    raw.out = &wire;
    raw.charged = &of_wire;
    enum body_result result = read_plain(&raw);
    if (result == BODY_READ) {
        result = inflate_all(r, buf_view(&wire));
    } else if (result == BODY_TOO_LARGE) {
        result = inflate_beginning(r, buf_view(&wire));
    }
    if (result == BODY_BAD_GZIP) {
        struct buf inflated = *r->out;
        *r->out = wire;
        wire = inflated;
    }
    buf_release(&wire);
    *r->charged += of_wire; /* given back with the rest: a body never costs less */
    return result;
}

/* ---- a body ---- */

/* Its size is known before a byte is read; of the beginning what comes soon is kept all
 * the same. */
static enum body_result read_beginning(const struct reading *r)
{
    struct body_limits limits = *r->limits;
    struct reading brief = *r;
    limits.deadline_mono_ms = limits.too_large_deadline_mono_ms;
    brief.limits = &limits;
    brief.max_bytes = limits.kept_bytes;
    enum body_result result = read_plain(&brief);
    return result == BODY_TOO_SLOW || result == BODY_READ ? BODY_TOO_LARGE : result;
}

enum body_result body_read_from(const struct body_source *source,
                                const struct body_limits *limits, struct buf *out,
                                uint64_t *charged, struct error *err)
{
    struct reading r = { .source = source,
                         .limits = limits,
                         .out = out,
                         .charged = charged,
                         .err = err,
                         .max_bytes = limits->max_bytes };
    struct view encoding = source->encoding;
    buf_clear(out);
    if (source->content_length > 0 &&
        (uint64_t)source->content_length > limits->max_bytes) {
        return read_beginning(&r);
    }
    if (encoding.len == 0 || view_equal_ignore_case(encoding, "identity")) {
        return read_plain(&r);
    }
    /* RFC 9110, 8.4.1.3: x-gzip is the same. */
    if (view_equal_ignore_case(encoding, "gzip") ||
        view_equal_ignore_case(encoding, "x-gzip")) {
        return read_gzip(&r);
    }
    enum body_result result = read_plain(&r);
    return result == BODY_READ ? BODY_BAD_ENCODING : result;
}

static int64_t read_exchange(void *context, char *into, size_t size,
                             int64_t deadline_mono_ms, struct error *err)
{
    return http_read(context, into, size, deadline_mono_ms, err);
}

enum body_result body_read(struct http_exchange *e, const struct http_request *request,
                           const struct body_limits *limits, struct buf *out,
                           uint64_t *charged, struct error *err)
{
    struct body_source source = { .content_length = request->content_length,
                                  .read = read_exchange,
                                  .context = e };
    if (!http_header(e, "Content-Encoding", &source.encoding)) {
        source.encoding = view_of(NULL, 0);
    }
    return body_read_from(&source, limits, out, charged, err);
}
