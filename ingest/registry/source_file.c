/* realpath is in POSIX only with its XSI option. */
#define _XOPEN_SOURCE 700

#include "ingest/registry/source_file.h"

#include "ingest/registry/source_json.h"

#include "common/base/file.h"
#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* About 30,000 sources. */
#define FILE_MAX_BYTES ((size_t)16 * 1024 * 1024)

/* ---- reading ---- */

bool source_file_read(const char *path, struct source_list *out, struct error *err)
{
    struct buf content = { 0 };
    bool is_read = file_read(path, FILE_MAX_BYTES, &content, err);
    if (is_read) {
        is_read = source_json_read(buf_view(&content), out, err) ||
                  error_prefix(err, "the source registry '%s'", path);
    }
    buf_release(&content);
    return is_read;
}

bool source_file_exists(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 || errno != ENOENT;
}

bool source_file_is_world_readable(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && (facts.st_mode & S_IROTH) != 0;
}

/* ---- locking ---- */

bool source_file_lock(const char *path, struct source_file_lock *out, struct error *err)
{
    char *resolved = realpath(path, NULL);
    char *target = resolved != NULL ? resolved : mem_strdup(path);
    struct buf name = { 0 };
    buf_printf(&name, "%s.lock", target);
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(buf_cstr(&name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int locked = fd;
    while (fd >= 0 && (locked = fcntl(fd, F_SETLKW, &whole)) < 0 && errno == EINTR) {
    }
    bool is_done = locked >= 0;
    if (is_done) {
        *out = (struct source_file_lock){ .path = target, .fd = fd };
    } else {
        error_set_errno(err, ERROR_INVALID, errno,
                        "cannot lock '%s', which guards changes of the source registry",
                        buf_cstr(&name));
        if (fd >= 0) {
            close(fd);
        }
        free(target);
    }
    buf_release(&name);
    return is_done;
}

void source_file_unlock(struct source_file_lock *lock)
{
    close(lock->fd);
    free(lock->path);
}

/* ---- writing ---- */

static bool write_all(int fd, struct view bytes)
{
    while (bytes.len > 0) {
        ssize_t done = write(fd, bytes.data, bytes.len);
        if (done < 0 && errno != EINTR) {
            return false;
        }
        bytes = view_skip(bytes, done < 0 ? 0 : (size_t)done);
    }
    return true;
}

/* The service reads the file as its owner: an administrator's change must not take it
 * away. */
static bool keep_owner(int fd, const char *path)
{
    struct stat before;
    if (stat(path, &before) != 0) {
        return errno == ENOENT;
    }
    struct stat now;
    if (fstat(fd, &now) != 0) {
        return false;
    }
    bool is_same = now.st_uid == before.st_uid && now.st_gid == before.st_gid;
    return is_same || fchown(fd, before.st_uid, before.st_gid) == 0;
}

/* The rename itself is on disk only once its folder is. */
static bool sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    char *folder = slash == NULL ? mem_strdup(".")
                   : len == 0    ? mem_strdup("/")
                                 : mem_strdup_view(view_of(path, len));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    int failure = errno;
    if (fd >= 0) {
        close(fd);
    }
    free(folder);
    errno = failure;
    return is_synced;
}

/* Writes `text` to the new file `temporary` and puts it in the place of `path`. */
static bool replace(const char *path, char *temporary, struct view text)
{
    int fd = mkstemp(temporary); /* mode 0600 */
    if (fd < 0) {
        return false;
    }
    bool is_written = keep_owner(fd, path) && write_all(fd, text) && fsync(fd) == 0;
    int failure = errno;
    if (close(fd) != 0 && is_written) {
        is_written = false;
        failure = errno;
    }
    if (is_written && rename(temporary, path) == 0) {
        return sync_folder(path);
    }
    failure = is_written ? errno : failure;
    unlink(temporary);
    errno = failure;
    return false;
}

bool source_file_write(const struct source_file_lock *lock,
                       const struct source_list *list, struct error *err)
{
    struct buf text = { 0 };
    struct buf temporary = { 0 };
    source_json_write(list, &text);
    buf_printf(&temporary, "%s.XXXXXX", lock->path);
    char *name = mem_strdup(buf_cstr(&temporary));
    bool is_written =
        replace(lock->path, name, buf_view(&text)) ||
        error_set_errno(err, ERROR_FATAL, errno, "cannot write the source registry '%s'",
                        lock->path);
    free(name);
    buf_release(&temporary);
    buf_release(&text);
    return is_written;
}
