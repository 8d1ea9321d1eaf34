#include "ingest/durable/spool_rewrite.h"

#include "ingest/durable/spool_write.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool is_kept(const struct spool_keep *keep, struct view frame, uint64_t offset)
{
    enum event_type topic;
    return spool_frame_topic(frame, &topic) && offset >= keep->from[topic];
}

/* The new file's bytes, collected: they are at most half a segment. */
static bool collect(struct spool_reader *r, uint64_t end, const struct spool_keep *keep,
                    struct buf *out, struct spool_tally *tally, struct error *err)
{
    struct spool_step step = { .kind = SPOOL_STEP_MORE };
    struct view frame;
    spool_head_format(&r->head, buf_reserve(out, SPOOL_SEGMENT_HEAD_BYTES));
    out->len += SPOOL_SEGMENT_HEAD_BYTES;
    while (step.kind != SPOOL_STEP_END) {
        uint64_t offset = r->offset;
        if (!spool_reader_next(r, end, &step, &frame, err)) {
            return false;
        }
        if (step.kind == SPOOL_STEP_DAMAGE || step.kind == SPOOL_STEP_TORN) {
            return error_set(err, ERROR_FATAL, ERROR_FROM_SELF, NULL,
                             "segment %llu of the spool has become unreadable at %llu",
                             (unsigned long long)r->number, (unsigned long long)offset);
        }
        if (step.kind == SPOOL_STEP_FRAME && is_kept(keep, frame, offset)) {
            buf_add_view(out, frame);
            spool_tally_add(tally, frame);
        }
    }
    return true;
}

static bool write_new(const struct spool_folder *folder, uint64_t number,
                      struct view bytes, struct error *err)
{
    char name[SPOOL_NAME_BYTES];
    spool_folder_name(SPOOL_FILE_NEW, number, name);
    int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct iovec part = { .iov_base = (void *)(uintptr_t)bytes.data,
                          .iov_len = bytes.len };
    bool is_written = fd >= 0 && spool_write_all(fd, &part, 1) && fdatasync(fd) == 0;
    int failure = errno;
    if (fd >= 0) {
        close(fd);
    }
    return is_written || error_set_errno(err, ERROR_FATAL, failure, "writing '%s/%s'",
                                         folder->path, name);
}

bool spool_rewrite(const struct spool_folder *folder, uint64_t number, uint64_t end,
                   const struct spool_keep *keep, struct spool_rewritten *out,
                   struct error *err)
{
    struct spool_reader reader;
    enum spool_head_state state = SPOOL_HEAD_DAMAGED;
    struct spool_rewritten done = { 0 };
    struct buf bytes = { 0 };
    if (!spool_reader_open(folder, number, &reader, &state, err)) {
        return false;
    }
    /* The rename needs no sync: a crash leaves the one or the other, and both will do. */
    bool is_done =
        state == SPOOL_HEAD_GOOD &&
        collect(&reader, end, keep, &bytes, &done.tally, err) &&
        write_new(folder, number, buf_view(&bytes), err) &&
        spool_folder_rename(folder, number, SPOOL_FILE_NEW, SPOOL_FILE_SEGMENT, err);
    if (is_done) {
        done.bytes = bytes.len;
        *out = done;
    } else {
        spool_folder_discard_new(folder, number);
    }
    spool_reader_close(&reader);
    buf_release(&bytes);
    return is_done;
}
