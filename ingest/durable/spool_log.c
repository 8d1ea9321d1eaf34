#include "ingest/durable/spool_log.h"

#include "ingest/durable/spool_recover.h"
#include "ingest/durable/spool_write.h"

#include "common/base/clock.h"
#include "common/base/crash_point.h"
#include "common/base/mem.h"
#include "common/service/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define SEGMENT_MAX_BYTES ((uint64_t)16 << 20)
#define SEGMENT_MIN_BYTES ((uint64_t)64 << 10)
#define SEGMENTS_IN_QUOTA 32

/* A segment takes its head and up to a block more than its frames. */
#define SEGMENT_EXTRA_BYTES ((uint64_t)4096 + SPOOL_SEGMENT_HEAD_BYTES)

struct spool_log {
    struct spool_folder folder;
    uint64_t max_bytes;
    uint64_t segment_bytes;
    uint32_t salt;
    pthread_mutex_t lock; /* guards what follows */
    struct spool_inventory segments;
    struct spool_segment *active; /* being written: the newest one, or NULL */
    int active_fd;                /* the writer uses it without the lock */
    bool is_writing;              /* so the active one must stay */
    uint64_t reserved_bytes;
};

/* ---- life ---- */

static bool make_salt(uint32_t *out, struct error *err)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    bool is_read = fd >= 0 && read(fd, out, sizeof *out) == (ssize_t)sizeof *out;
    int failure = errno;
    if (fd >= 0) {
        close(fd);
    }
    *out |= 1; /* never 0: zeros on disk are no frame */
    return is_read || error_set_errno(err, ERROR_FATAL, failure, "reading /dev/urandom");
}

static uint64_t segment_bytes_for(uint64_t max_bytes)
{
    uint64_t bytes = max_bytes / SEGMENTS_IN_QUOTA;
    return bytes > SEGMENT_MAX_BYTES   ? SEGMENT_MAX_BYTES
           : bytes < SEGMENT_MIN_BYTES ? SEGMENT_MIN_BYTES
                                       : bytes;
}

bool spool_log_open(const char *path, uint64_t max_bytes, struct spool_log **out,
                    struct error *err)
{
    struct spool_log *l = mem_calloc(1, sizeof *l);
    l->folder = (struct spool_folder){ .fd = -1, .lock = -1 };
    l->active_fd = -1;
    l->max_bytes = max_bytes;
    l->segment_bytes = segment_bytes_for(max_bytes);
    l->segments.next_number = 1;
    pthread_mutex_init(&l->lock, NULL);
    if (!make_salt(&l->salt, err) || !spool_folder_open(path, &l->folder, err) ||
        !spool_recover(&l->folder, &l->segments, err)) {
        spool_log_close(l);
        return false;
    }
    *out = l;
    return true;
}

void spool_log_close(struct spool_log *l)
{
    if (l == NULL) {
        return;
    }
    spool_inventory_release(&l->segments);
    if (l->active_fd >= 0) {
        close(l->active_fd);
    }
    spool_folder_close(&l->folder);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

uint32_t spool_log_salt(const struct spool_log *l)
{
    return l->salt;
}

uint64_t spool_log_segment_bytes(const struct spool_log *l)
{
    return l->segment_bytes;
}

/* ---- quota ---- */

/* Two segments in a row hold more than segment_bytes together, or the first would have
 * taken what is in the second: so frames of B bytes begin at most 2 B / segment_bytes
 * segments (and one, which the reserve covers). */
uint64_t spool_log_charge(const struct spool_log *l, uint64_t bytes)
{
    return bytes + 2 * SEGMENT_EXTRA_BYTES * bytes / l->segment_bytes + 1;
}

/* What is never given to entries: half a segment, for writing one anew, and the extra of
 * the segment that the next write begins and of the one that a retired one leaves. */
static uint64_t reserve_of(const struct spool_log *l)
{
    return l->segment_bytes / 2 + 3 * SEGMENT_EXTRA_BYTES;
}

/* The lock is held. */
static bool has_room(const struct spool_log *l, uint64_t charge)
{
    uint64_t taken = l->segments.disk_bytes + l->reserved_bytes + reserve_of(l);
    return taken <= l->max_bytes && charge <= l->max_bytes - taken;
}

bool spool_log_has_room(struct spool_log *l, uint64_t bytes)
{
    pthread_mutex_lock(&l->lock);
    bool is_there = has_room(l, spool_log_charge(l, bytes));
    pthread_mutex_unlock(&l->lock);
    return is_there;
}

bool spool_log_reserve(struct spool_log *l, uint64_t bytes)
{
    uint64_t charge = spool_log_charge(l, bytes);
    pthread_mutex_lock(&l->lock);
    bool is_there = has_room(l, charge);
    l->reserved_bytes += is_there ? charge : 0;
    pthread_mutex_unlock(&l->lock);
    return is_there;
}

static void give_back(struct spool_log *l, uint64_t charge)
{
    REQUIRE(charge <= l->reserved_bytes);
    l->reserved_bytes -= charge;
}

void spool_log_cancel(struct spool_log *l, uint64_t bytes)
{
    pthread_mutex_lock(&l->lock);
    give_back(l, spool_log_charge(l, bytes));
    pthread_mutex_unlock(&l->lock);
}

/* ---- writing ---- */

/* A write under way, to the active segment or to a new one. */
struct writing {
    int fd;
    uint64_t number;
    uint64_t start; /* where the group begins; 0: the file is new */
    char head[SPOOL_SEGMENT_HEAD_BYTES];
    int64_t made_at_ms;
};

/* The active segment, if the group has room in it; else the number of a new one. From now
 * on the active one stays until end_write. */
static void begin_write(struct spool_log *l, uint64_t bytes, struct writing *w)
{
    pthread_mutex_lock(&l->lock);
    l->is_writing = true;
    if (l->active != NULL && l->active->bytes + bytes > l->segment_bytes) {
        l->active->is_closed = true; /* all of it is synced */
        l->active = NULL;
        close(l->active_fd);
        l->active_fd = -1;
    }
    w->fd = l->active_fd;
    w->start = l->active == NULL ? 0 : l->active->bytes;
    w->number = l->active == NULL ? l->segments.next_number : l->active->number;
    pthread_mutex_unlock(&l->lock);
}

static enum spool_written classify(int failure)
{
    bool is_room = failure == ENOSPC || failure == EDQUOT || failure == EMFILE ||
                   failure == ENFILE || failure == ENOMEM;
    return is_room ? SPOOL_NO_SPACE : SPOOL_BROKEN;
}

static enum spool_written failed(const struct spool_log *l, const char *what,
                                 uint64_t number, struct error *err)
{
    int failure = errno;
    error_set_errno(err, ERROR_BUSY, failure, "%s segment %llu of the spool '%s'", what,
                    (unsigned long long)number, l->folder.path);
    return classify(failure);
}

static enum spool_written begin_file(struct spool_log *l, struct writing *w,
                                     struct error *err)
{
    char name[SPOOL_NAME_BYTES];
    struct spool_head head = { .version = SPOOL_VERSION,
                               .salt = l->salt,
                               .made_at_ms = clock_real_ms() };
    spool_folder_name(SPOOL_FILE_SEGMENT, w->number, name);
    w->fd = openat(l->folder.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (w->fd < 0) {
        return failed(l, "making", w->number, err);
    }
    w->made_at_ms = head.made_at_ms;
    spool_head_format(&head, w->head);
    struct iovec part = { w->head, sizeof w->head };
    return spool_write_all(w->fd, &part, 1) ? SPOOL_DURABLE
                                            : failed(l, "writing", w->number, err);
}

/* Of a write that the disk had no room for nothing may stay: neither bytes nor a file. */
static enum spool_written undo(struct spool_log *l, struct writing *w, struct error *err)
{
    bool is_undone = true;
    struct error undo_err;
    if (w->start > 0) {
        is_undone = ftruncate(w->fd, (off_t)w->start) == 0 &&
                    lseek(w->fd, (off_t)w->start, SEEK_SET) == (off_t)w->start;
        if (!is_undone) {
            failed(l, "cutting", w->number, err);
        }
    } else if (w->fd >= 0 && !spool_folder_remove(&l->folder, SPOOL_FILE_SEGMENT,
                                                  w->number, &undo_err)) {
        is_undone = false;
        *err = undo_err;
    }
    return is_undone ? SPOOL_NO_SPACE : SPOOL_BROKEN;
}

/* Nothing counts before its bytes are on disk, and in a new file before its name is. */
static enum spool_written sync_write(struct spool_log *l, const struct writing *w,
                                     struct error *err)
{
    crash_point("spool_written");
    if (fdatasync(w->fd) != 0) {
        failed(l, "syncing", w->number, err);
        return SPOOL_BROKEN; /* whatever the reason: pages may be gone */
    }
    if (w->start == 0 && !spool_folder_sync(&l->folder, err)) {
        return SPOOL_BROKEN;
    }
    crash_point("spool_synced");
    return SPOOL_DURABLE;
}

/* The lock is held. */
static void adopt(struct spool_log *l, const struct writing *w,
                  const struct spool_group *group)
{
    uint64_t start = w->start;
    if (start == 0) {
        start = SPOOL_SEGMENT_HEAD_BYTES;
        l->active = spool_inventory_add(&l->segments, w->number);
        l->active->made_at_ms = w->made_at_ms;
        l->active->is_surveyed = true;
        l->active_fd = w->fd;
    }
    spool_inventory_resize(&l->segments, l->active, start + group->bytes);
    spool_inventory_count(&l->segments, l->active, &group->tally);
}

static void end_write(struct spool_log *l, const struct writing *w,
                      const struct spool_group *group, enum spool_written state)
{
    pthread_mutex_lock(&l->lock);
    give_back(l, group->reserved);
    l->is_writing = false;
    if (state == SPOOL_DURABLE) {
        adopt(l, w, group);
    } else if (w->start == 0 && w->fd >= 0) {
        close(w->fd);
    }
    pthread_mutex_unlock(&l->lock);
}

enum spool_written spool_log_write(struct spool_log *l, struct spool_group *group,
                                   int64_t *out_sync_us, struct error *err)
{
    struct writing w;
    enum spool_written state = SPOOL_DURABLE;
    begin_write(l, group->bytes, &w);
    if (w.start == 0) {
        state = begin_file(l, &w, err);
    }
    if (state == SPOOL_DURABLE && !spool_write_all(w.fd, group->parts, group->count)) {
        state = failed(l, "writing", w.number, err);
    }
    int64_t before_us = clock_mono_us();
    if (state == SPOOL_NO_SPACE) {
        state = undo(l, &w, err);
    } else if (state == SPOOL_DURABLE) {
        state = sync_write(l, &w, err);
    }
    *out_sync_us = clock_mono_us() - before_us;
    end_write(l, &w, group, state);
    return state;
}

/* ---- draining ---- */

/* The lock is held. */
static struct spool_segment *get(const struct spool_log *l, uint64_t number)
{
    struct spool_segment *s = spool_inventory_find(&l->segments, number);
    REQUIRE(s != NULL && s->number == number);
    return s;
}

bool spool_log_find(struct spool_log *l, uint64_t number, struct spool_segment *out)
{
    pthread_mutex_lock(&l->lock);
    const struct spool_segment *s = spool_inventory_find(&l->segments, number);
    if (s != NULL) {
        *out = *s;
        out->next = NULL;
    }
    pthread_mutex_unlock(&l->lock);
    return s != NULL;
}

/* A copy of the first segment that nobody looked into. */
static bool find_unknown(struct spool_log *l, struct spool_segment *out)
{
    uint64_t number = 0;
    while (spool_log_find(l, number, out)) {
        if (!out->is_surveyed) {
            return true;
        }
        number = out->number + 1;
    }
    return false;
}

bool spool_log_survey(struct spool_log *l)
{
    struct spool_segment s;
    struct spool_survey found;
    if (!find_unknown(l, &s)) {
        return false;
    }
    spool_recover_survey(&l->folder, s.number, s.bytes, &found);
    found.damaged +=
        found.torn_at < s.bytes ? 1 : 0; /* it was whole when it was closed */
    pthread_mutex_lock(&l->lock);
    spool_recover_note(&l->segments, get(l, s.number), &found);
    pthread_mutex_unlock(&l->lock);
    return true;
}

bool spool_log_read(struct spool_log *l, uint64_t number, struct spool_reader *out,
                    struct error *err)
{
    enum spool_head_state state = SPOOL_HEAD_DAMAGED;
    if (!spool_reader_open(&l->folder, number, out, &state, err)) {
        return false;
    }
    return state == SPOOL_HEAD_GOOD ||
           error_set(err, ERROR_FATAL, ERROR_FROM_SELF, NULL,
                     "the head of segment %llu of the spool has become unreadable",
                     (unsigned long long)number);
}

bool spool_log_retire(struct spool_log *l, uint64_t number, uint64_t bytes)
{
    pthread_mutex_lock(&l->lock);
    struct spool_segment *s = get(l, number);
    if (s == l->active && !l->is_writing && l->reserved_bytes == 0 && s->bytes == bytes) {
        s->is_closed = true;
        l->active = NULL;
        close(l->active_fd);
        l->active_fd = -1;
    }
    bool is_closed = s->is_closed;
    pthread_mutex_unlock(&l->lock);
    return is_closed;
}

bool spool_log_remove(struct spool_log *l, uint64_t number, struct error *err)
{
    pthread_mutex_lock(&l->lock);
    bool is_damaged = get(l, number)->is_damaged;
    pthread_mutex_unlock(&l->lock);
    bool is_done = is_damaged
                       ? spool_folder_rename(&l->folder, number, SPOOL_FILE_SEGMENT,
                                             SPOOL_FILE_DAMAGED, err)
                       : spool_folder_remove(&l->folder, SPOOL_FILE_SEGMENT, number, err);
    if (!is_done) {
        return false;
    }
    pthread_mutex_lock(&l->lock);
    const struct spool_segment *s = get(l, number);
    uint64_t kept_bytes = is_damaged ? s->disk_bytes : 0;
    spool_inventory_drop(&l->segments, s);
    l->segments.disk_bytes += kept_bytes;
    l->segments.unread_files += is_damaged ? 1 : 0;
    pthread_mutex_unlock(&l->lock);
    if (is_damaged) {
        log_warn("spool_file_set_aside", log_text("folder", l->folder.path),
                 log_uint("segment", number),
                 log_text("why", "what could be read of it is delivered"));
    }
    return true;
}

bool spool_log_rewrite(struct spool_log *l, uint64_t number,
                       const struct spool_keep *keep, struct error *err)
{
    struct spool_rewritten done;
    pthread_mutex_lock(&l->lock);
    const struct spool_segment *s = get(l, number);
    uint64_t bytes = s->bytes;
    REQUIRE(s->is_closed && s->is_surveyed && !s->is_damaged);
    pthread_mutex_unlock(&l->lock);
    if (!spool_rewrite(&l->folder, number, bytes, keep, &done, err)) {
        return false;
    }
    pthread_mutex_lock(&l->lock);
    get(l, number)->tally = done.tally;
    spool_inventory_resize(&l->segments, get(l, number), done.bytes);
    pthread_mutex_unlock(&l->lock);
    return true;
}

void spool_log_delivered(struct spool_log *l, uint64_t records)
{
    pthread_mutex_lock(&l->lock);
    l->segments.records -= records < l->segments.records ? records : l->segments.records;
    pthread_mutex_unlock(&l->lock);
}

void spool_log_damaged(struct spool_log *l, uint64_t number)
{
    pthread_mutex_lock(&l->lock);
    struct spool_segment *s = get(l, number);
    l->segments.corrupt_records += s->is_damaged ? 0 : 1;
    s->is_damaged = true;
    pthread_mutex_unlock(&l->lock);
}

/* ---- figures ---- */

void spool_log_figures(struct spool_log *l, struct spool_figures *out)
{
    *out = (struct spool_figures){ .max_bytes = l->max_bytes, .is_surveyed = true };
    pthread_mutex_lock(&l->lock);
    out->disk_bytes = l->segments.disk_bytes;
    out->records = l->segments.records;
    out->corrupt_records = l->segments.corrupt_records;
    out->unread_files = l->segments.unread_files;
    for (const struct spool_segment *s = l->segments.oldest; s != NULL; s = s->next) {
        out->segments++;
        out->is_surveyed = out->is_surveyed && s->is_surveyed;
    }
    if (l->segments.oldest != NULL) {
        out->oldest_made_at_ms = l->segments.oldest->made_at_ms;
    }
    pthread_mutex_unlock(&l->lock);
}
