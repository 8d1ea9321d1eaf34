#include "ingest/durable/spool_segment.h"

#include "common/base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)256 * 1024)
#define MAGIC_BYTES 8

static const char magic[MAGIC_BYTES] = { 'B', 'S', 'S', 'P', 'O', 'O', 'L', '\n' };

/* ---- head ---- */

static void put_number(char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        at[i] = (char)(unsigned char)(value >> (8 * i));
    }
}

static uint64_t get_number(const char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value |= (uint64_t)(unsigned char)at[i] << (8 * i);
    }
    return value;
}

void spool_head_format(const struct spool_head *head, char out[SPOOL_SEGMENT_HEAD_BYTES])
{
    memset(out, 0, SPOOL_SEGMENT_HEAD_BYTES);
    memcpy(out, magic, MAGIC_BYTES);
    put_number(out + 8, head->version, 4);
    put_number(out + 12, head->salt, 4);
    put_number(out + 16, (uint64_t)head->made_at_ms, 8);
    put_number(out + 28, crc32c(view_of(out, 28)), 4);
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

enum spool_head_state spool_head_parse(struct view bytes, struct spool_head *out)
{
    if (bytes.len < SPOOL_SEGMENT_HEAD_BYTES || is_all_zero(bytes)) {
        return SPOOL_HEAD_UNFINISHED;
    }
    if (memcmp(bytes.data, magic, MAGIC_BYTES) != 0 ||
        get_number(bytes.data + 28, 4) != crc32c(view_of(bytes.data, 28))) {
        return SPOOL_HEAD_DAMAGED;
    }
    out->version = (uint32_t)get_number(bytes.data + 8, 4);
    out->salt = (uint32_t)get_number(bytes.data + 12, 4);
    out->made_at_ms = (int64_t)get_number(bytes.data + 16, 8);
    return out->version == SPOOL_VERSION ? SPOOL_HEAD_GOOD : SPOOL_HEAD_OTHER_VERSION;
}

void spool_tally_add(struct spool_tally *t, struct view frame)
{
    enum event_type topic;
    if (spool_frame_topic(frame, &topic)) {
        t->records[topic]++;
        t->bytes[topic] += frame.len;
    }
}

/* ---- reading ---- */

/* Up to `len` bytes from `offset` on, behind what `out` holds; less only at the file's
 * end. */
static bool read_at(const struct spool_reader *r, uint64_t offset, size_t len,
                    struct buf *out, struct error *err)
{
    while (len > 0) {
        ssize_t got = pread(r->fd, buf_reserve(out, len), len, (off_t)offset);
        if (got < 0 && errno != EINTR) {
            return error_set_errno(
                err, ERROR_FATAL, errno, "reading segment %llu of the spool at %llu",
                (unsigned long long)r->number, (unsigned long long)offset);
        }
        if (got == 0) {
            return true;
        }
        size_t done = got < 0 ? 0 : (size_t)got;
        out->len += done;
        offset += done;
        len -= done;
    }
    return true;
}

bool spool_reader_open(const struct spool_folder *folder, uint64_t number,
                       struct spool_reader *out, enum spool_head_state *out_state,
                       struct error *err)
{
    char name[SPOOL_NAME_BYTES];
    struct spool_reader r = { .number = number, .offset = SPOOL_SEGMENT_HEAD_BYTES };
    spool_folder_name(SPOOL_FILE_SEGMENT, number, name);
    r.fd = openat(folder->fd, name, O_RDONLY | O_CLOEXEC);
    if (r.fd < 0) {
        return error_set_errno(err, ERROR_FATAL, errno, "opening '%s/%s'", folder->path,
                               name);
    }
    if (!read_at(&r, 0, SPOOL_SEGMENT_HEAD_BYTES, &r.piece, err)) {
        spool_reader_close(&r);
        return false;
    }
    *out_state = spool_head_parse(buf_view(&r.piece), &r.head);
    if (*out_state != SPOOL_HEAD_GOOD) {
        spool_reader_close(&r);
    }
    *out = r;
    return true;
}

void spool_reader_seek(struct spool_reader *r, uint64_t offset)
{
    r->offset = offset;
}

/* The bytes from the reader's offset on that are in memory. */
static struct view at_hand(const struct spool_reader *r)
{
    uint64_t piece_end = r->piece_start + r->piece.len;
    if (r->offset < r->piece_start || r->offset >= piece_end) {
        return view_of(NULL, 0);
    }
    return view_skip(buf_view(&r->piece), (size_t)(r->offset - r->piece_start));
}

/* Has at least `len` bytes from the offset on in memory, or all up to `end`. What is
 * there already is moved, not read again. */
static bool fetch(struct spool_reader *r, size_t len, uint64_t end, struct error *err)
{
    struct view have = at_hand(r);
    if (have.len > 0) {
        memmove(r->piece.data, have.data, have.len);
    }
    r->piece.len = have.len;
    r->piece_start = r->offset;
    uint64_t left = end - r->offset - have.len;
    size_t wanted = (len > PIECE_BYTES ? len : PIECE_BYTES) - have.len;
    return read_at(r, r->offset + have.len, left < wanted ? (size_t)left : wanted,
                   &r->piece, err);
}

bool spool_reader_next(struct spool_reader *r, uint64_t end, struct spool_step *out,
                       struct view *out_frame, struct error *err)
{
    struct spool_step step = { SPOOL_STEP_MORE, SPOOL_FRAME_HEAD_BYTES };
    struct view bytes = view_of(NULL, 0);
    uint64_t left = end > r->offset ? end - r->offset : 0;
    while (step.kind == SPOOL_STEP_MORE) {
        bytes = at_hand(r);
        if (bytes.len < step.len && bytes.len < left) {
            if (!fetch(r, step.len, end, err)) {
                return false;
            }
            bytes = at_hand(r);
        }
        /* A file that has become shorter ends where it ends. */
        bool is_end = bytes.len >= left || bytes.len < step.len;
        bytes.len = bytes.len < left ? bytes.len : (size_t)left;
        step = spool_frame_next(bytes, is_end, r->head.salt);
    }
    r->offset += step.len;
    *out = step;
    *out_frame = view_of(bytes.data, step.kind == SPOOL_STEP_FRAME ? step.len : 0);
    return true;
}

void spool_reader_close(struct spool_reader *r)
{
    if (r->fd >= 0) {
        close(r->fd);
    }
    buf_release(&r->piece);
    *r = (struct spool_reader)SPOOL_READER_CLOSED;
}
