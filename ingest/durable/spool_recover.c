#include "ingest/durable/spool_recover.h"

#include "common/service/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* One folder being looked at. */
struct recovery {
    const struct spool_folder *folder;
    struct spool_inventory *found;
};

static void log_file(const struct recovery *r, const char *event, const char *name,
                     const char *why)
{
    log_warn(event, log_text("folder", r->folder->path), log_text("file", name),
             log_text("why", why));
}

/* ---- what is done about a file ---- */

static bool set_aside(const struct recovery *r, const struct spool_file *file,
                      const char *why, struct error *err)
{
    r->found->corrupt_records++; /* how many it held cannot be known */
    r->found->unread_files++;
    log_file(r, "spool_file_set_aside", file->name, why);
    return spool_folder_rename(r->folder, file->number, SPOOL_FILE_SEGMENT,
                               SPOOL_FILE_DAMAGED, err) &&
           spool_folder_sync(r->folder, err);
}

static bool leave(const struct recovery *r, const struct spool_file *file,
                  const char *why)
{
    r->found->unread_files++;
    log_file(r, "spool_file_not_read", file->name, why);
    return true;
}

/* It holds nothing that was ever acknowledged. */
static bool discard(const struct recovery *r, const struct spool_file *file,
                    struct error *err)
{
    r->found->disk_bytes -= file->disk_bytes;
    log_info("spool_file_removed", log_text("file", file->name),
             log_uint("bytes", file->bytes));
    return spool_folder_remove(r->folder, file->kind, file->number, err);
}

static bool cut_tail(const struct recovery *r, const struct spool_file *file, uint64_t at,
                     struct error *err)
{
    int fd = openat(r->folder->fd, file->name, O_WRONLY | O_CLOEXEC);
    bool is_cut = fd >= 0 && ftruncate(fd, (off_t)at) == 0 && fdatasync(fd) == 0;
    int failure = errno;
    if (fd >= 0) {
        close(fd);
    }
    log_info("spool_tail_cut", log_text("file", file->name), log_uint("at", at),
             log_uint("bytes", file->bytes - at));
    return is_cut || error_set_errno(err, ERROR_FATAL, failure, "cutting '%s/%s' at %llu",
                                     r->folder->path, file->name, (unsigned long long)at);
}

/* ---- segments ---- */

void spool_recover_survey(const struct spool_folder *folder, uint64_t number,
                          uint64_t bytes, struct spool_survey *out)
{
    struct spool_reader reader = SPOOL_READER_CLOSED;
    enum spool_head_state state = SPOOL_HEAD_DAMAGED;
    struct error err;
    *out = (struct spool_survey){ .torn_at = bytes, .damaged = 1, .is_unreadable = true };
    bool is_open = spool_reader_open(folder, number, &reader, &state, &err);
    if (is_open && state == SPOOL_HEAD_GOOD) {
        spool_survey(&reader, bytes, out, &err);
    }
    if (out->is_unreadable && (!is_open || state == SPOOL_HEAD_GOOD)) {
        log_failure(LOG_ERROR, "spool_unreadable", &err);
    }
    spool_reader_close(&reader);
}

void spool_recover_note(struct spool_inventory *v, struct spool_segment *s,
                        const struct spool_survey *found)
{
    spool_inventory_count(v, s, &found->tally);
    s->is_surveyed = true;
    s->is_damaged = found->damaged > 0;
    v->corrupt_records += found->damaged;
    if (found->damaged > 0) {
        log_error("spool_damaged", log_uint("segment", s->number),
                  log_uint("damaged", found->damaged), log_uint("bytes", s->bytes));
    }
}

/* Of the last segment alone a tail may be torn: the others were closed. There it is
 * damage, which the survey finds when the file is shorter than its frames say. */
static bool recover_good(const struct recovery *r, const struct spool_file *file,
                         bool is_last, int64_t made_at_ms, struct error *err)
{
    struct spool_segment *s = spool_inventory_add(r->found, file->number);
    s->is_closed = true;
    s->made_at_ms = made_at_ms;
    s->disk_bytes = file->disk_bytes;
    s->bytes = file->bytes;
    if (!is_last) {
        return true;
    }
    struct spool_survey found;
    spool_recover_survey(r->folder, file->number, file->bytes, &found);
    bool is_torn = found.torn_at < file->bytes;
    spool_recover_note(r->found, s, &found);
    if (!is_torn) {
        return true;
    }
    spool_inventory_resize(r->found, s, found.torn_at);
    return cut_tail(r, file, found.torn_at, err);
}

static bool recover_segment(const struct recovery *r, const struct spool_file *file,
                            bool is_last, struct error *err)
{
    struct spool_reader reader;
    enum spool_head_state state = SPOOL_HEAD_DAMAGED;
    if (!spool_reader_open(r->folder, file->number, &reader, &state, err)) {
        return false;
    }
    int64_t made_at_ms = reader.head.made_at_ms;
    spool_reader_close(&reader);
    switch (state) {
    case SPOOL_HEAD_GOOD:
        return recover_good(r, file, is_last, made_at_ms, err);
    case SPOOL_HEAD_UNFINISHED:
        return is_last && file->bytes < SPOOL_SEGMENT_HEAD_BYTES
                   ? discard(r, file, err)
                   : set_aside(r, file, "it has no head", err);
    case SPOOL_HEAD_DAMAGED:
        return set_aside(r, file, "its head is damaged", err);
    case SPOOL_HEAD_OTHER_VERSION:
        return leave(r, file, "it is of another version");
    }
    return true;
}

static bool recover_file(const struct recovery *r, const struct spool_file *file,
                         bool is_last, struct error *err)
{
    r->found->disk_bytes += file->disk_bytes;
    if (file->kind != SPOOL_FILE_OTHER && file->number >= r->found->next_number) {
        r->found->next_number = file->number + 1;
    }
    switch (file->kind) {
    case SPOOL_FILE_SEGMENT:
        return recover_segment(r, file, is_last, err);
    case SPOOL_FILE_NEW:
        return discard(r, file, err);
    case SPOOL_FILE_DAMAGED:
        return leave(r, file, "it was set aside as damaged");
    case SPOOL_FILE_OTHER:
        return leave(r, file, "it is no file of the spool");
    }
    return true;
}

bool spool_recover(const struct spool_folder *folder, struct spool_inventory *out,
                   struct error *err)
{
    struct recovery r = { folder, out };
    struct spool_file *files = NULL;
    size_t count = 0;
    size_t segments = 0; /* they come first */
    if (!spool_folder_list(folder, &files, &count, err)) {
        return false;
    }
    while (segments < count && files[segments].kind == SPOOL_FILE_SEGMENT) {
        segments++;
    }
    bool is_done = true;
    for (size_t i = 0; is_done && i < count; i++) {
        is_done = recover_file(&r, &files[i], i + 1 == segments, err);
    }
    free(files);
    return is_done;
}
