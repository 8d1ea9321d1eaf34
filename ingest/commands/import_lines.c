#include "ingest/commands/import_lines.h"

#include "common/base/buf.h"
#include "common/base/mem.h"

#include <zlib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES 262144u

struct import_lines {
    gzFile file; /* plain files are passed through as they are */
    const char *path;
    size_t max_line_bytes;
    int64_t number; /* of the last line */
    bool is_at_end;
    bool is_torn;     /* the last line has no end */
    struct buf begun; /* a line that began in an earlier chunk */
    size_t at, len;   /* what is left of the chunk */
    char chunk[CHUNK_BYTES];
};

bool import_lines_open(const char *path, size_t max_line_bytes, struct import_lines **out,
                       struct error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    gzFile file = is_stdin ? gzdopen(dup(STDIN_FILENO), "rb") : gzopen(path, "rb");
    if (file == NULL) {
        return error_set_errno(err, ERROR_INVALID, errno, "'%s'", path);
    }
    gzbuffer(file, CHUNK_BYTES);
    struct import_lines *l = mem_calloc(1, sizeof *l);
    l->file = file;
    l->path = path;
    l->max_line_bytes = max_line_bytes;
    *out = l;
    return true;
}

void import_lines_close(struct import_lines *l)
{
    if (l != NULL) {
        gzclose(l->file);
        buf_release(&l->begun);
        free(l);
    }
}

int64_t import_lines_offset(const struct import_lines *l)
{
    int64_t offset = (int64_t)gzoffset(l->file);
    return offset < 0 ? 0 : offset; /* of a pipe */
}

bool import_lines_is_whole(const struct import_lines *l)
{
    return !l->is_torn || gzdirect(l->file) == 0;
}

/* False: the end, or a fault in *err. */
static bool read_chunk(struct import_lines *l, struct error *err)
{
    int fault = Z_OK;
    int got = gzread(l->file, l->chunk, CHUNK_BYTES);
    /* A gzip file that was cut short gives what there was, and then this error. */
    const char *text = gzerror(l->file, &fault);
    if (got < 0 || (got == 0 && fault != Z_OK && fault != Z_STREAM_END)) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "'%s': cannot be read beyond line %lld: %s", l->path,
                         (long long)l->number, text);
    }
    l->at = 0;
    l->len = (size_t)got;
    l->is_at_end = got == 0;
    return got > 0;
}

/* What is too long is kept cut: its beginning says what it was. */
static void keep(struct import_lines *l, const char *data, size_t len)
{
    size_t room = l->max_line_bytes + 1 - l->begun.len;
    buf_add(&l->begun, data, len < room ? len : room);
}

static struct view trimmed(struct view line)
{
    while (line.len > 0 &&
           (line.data[line.len - 1] == '\r' || line.data[line.len - 1] == ' ' ||
            line.data[line.len - 1] == '\t')) {
        line.len--;
    }
    return line;
}

/* A byte order mark, which Windows' editors write. */
static struct view without_mark(struct view line, int64_t number)
{
    bool has_mark =
        number == 1 && line.len >= 3 && memcmp(line.data, "\xEF\xBB\xBF", 3) == 0;
    return has_mark ? view_of(line.data + 3, line.len - 3) : line;
}

/* The next line with its end's CR; false: the end, or a fault in *err. */
static bool next_raw(struct import_lines *l, struct view *out, struct error *err)
{
    buf_clear(&l->begun);
    for (;;) {
        if (l->at == l->len && !read_chunk(l, err)) {
            *out = buf_view(&l->begun);
            l->is_torn = l->is_torn || l->begun.len > 0;
            return l->is_at_end && l->begun.len > 0;
        }
        const char *begin = l->chunk + l->at;
        const char *end = memchr(begin, '\n', l->len - l->at);
        size_t len = end == NULL ? l->len - l->at : (size_t)(end - begin);
        l->at += len + (end == NULL ? 0 : 1);
        if (end != NULL && l->begun.len == 0) {
            *out = view_of(begin, len);
            return true;
        }
        keep(l, begin, len);
        if (end != NULL) {
            *out = buf_view(&l->begun);
            return true;
        }
    }
}

enum import_line import_lines_next(struct import_lines *l, struct view *out,
                                   int64_t *out_number, struct error *err)
{
    struct view raw = view_of("", 0);
    while (next_raw(l, &raw, err)) {
        l->number++;
        *out_number = l->number;
        *out = trimmed(without_mark(raw, l->number));
        if (out->len > l->max_line_bytes) {
            out->len = l->max_line_bytes;
            return IMPORT_LINE_TOO_LONG;
        }
        if (out->len > 0) {
            return IMPORT_LINE;
        }
    }
    return l->is_at_end ? IMPORT_END : IMPORT_DAMAGED;
}
