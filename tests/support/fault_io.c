/* syscall() and O_* beyond POSIX. */
#define _GNU_SOURCE

#include "tests/support/fault_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 1024
#define MAX_NAMELESS 64

/* Bytes of a file that only a sync puts on disk. */
struct unsynced {
    char *bytes;
    size_t len;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static char dir[PATH_MAX];
static long eio_sync, eio_write, slow_sync_ms;
static long long enospc_after = -1;
static bool is_short, is_losing;
static unsigned syncs, faults;
static struct unsynced unsynced[MAX_FDS];
static char nameless[MAX_NAMELESS][NAME_MAX + 1]; /* files whose folder is not synced */

/* ---- settings ---- */

static void set_word(const char *word)
{
    if (strncmp(word, "dir=", 4) == 0) {
        char resolved[PATH_MAX];
        snprintf(dir, sizeof dir, "%s",
                 realpath(word + 4, resolved) ? resolved : word + 4);
    } else if (strncmp(word, "eio_sync=", 9) == 0) {
        eio_sync = strtol(word + 9, NULL, 10);
    } else if (strncmp(word, "eio_write=", 10) == 0) {
        eio_write = strtol(word + 10, NULL, 10);
    } else if (strncmp(word, "enospc_after=", 13) == 0) {
        enospc_after = strtoll(word + 13, NULL, 10);
    } else if (strncmp(word, "slow_sync=", 10) == 0) {
        slow_sync_ms = strtol(word + 10, NULL, 10);
    } else if (strcmp(word, "short") == 0) {
        is_short = true;
    } else if (strcmp(word, "lose") == 0) {
        is_losing = true;
    } else if (word[0] != '\0') {
        (void)fprintf(stderr, "fault_io: unknown word '%s'\n", word);
        abort();
    }
}

void fault_io_set(const char *words)
{
    char copy[PATH_MAX + 256];
    snprintf(copy, sizeof copy, "%s", words);
    pthread_mutex_lock(&lock);
    dir[0] = '\0';
    eio_sync = eio_write = slow_sync_ms = 0;
    enospc_after = -1;
    is_short = is_losing = false;
    syncs = faults = 0;
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        set_word(word);
    }
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void read_environment(void)
{
    const char *words = getenv("FAULT_IO");
    fault_io_set(words == NULL ? "" : words);
}

unsigned fault_io_syncs(void)
{
    pthread_mutex_lock(&lock);
    unsigned now = syncs;
    pthread_mutex_unlock(&lock);
    return now;
}

unsigned fault_io_faults(void)
{
    pthread_mutex_lock(&lock);
    unsigned now = faults;
    pthread_mutex_unlock(&lock);
    return now;
}

/* ---- which file ---- */

static bool path_of(int fd, char out[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long len = syscall(SYS_readlinkat, AT_FDCWD, link, out, (size_t)PATH_MAX - 1);
    out[len > 0 ? len : 0] = '\0';
    return len > 0;
}

/* Below the folder, or (for a file without a name yet) beside it. */
static bool is_ours(int fd)
{
    char path[PATH_MAX];
    if (fd < 0 || fd >= MAX_FDS || !path_of(fd, path)) {
        return false;
    }
    pthread_mutex_lock(&lock);
    bool is_below = dir[0] != '\0' && strncmp(path, dir, strlen(dir)) == 0;
    pthread_mutex_unlock(&lock);
    return is_below;
}

/* The lock is held. */
static bool is_folder(int fd)
{
    char path[PATH_MAX];
    return path_of(fd, path) && strcmp(path, dir) == 0;
}

static void hidden_path(const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%.3000s.nameless-%.255s", dir, name);
}

/* ---- writing ---- */

static ssize_t fail(int code)
{
    faults++;
    errno = code;
    return -1;
}

static ssize_t keep_unsynced(int fd, const char *bytes, size_t len)
{
    struct unsynced *u = &unsynced[fd];
    char *grown = realloc(u->bytes, u->len + len);
    if (grown == NULL) {
        abort();
    }
    u->bytes = grown;
    memcpy(u->bytes + u->len, bytes, len);
    u->len += len;
    return (ssize_t)len;
}

/* The lock is held. */
static ssize_t write_faulty(int fd, const char *bytes, size_t len)
{
    if (eio_write > 0 && --eio_write == 0) {
        return fail(EIO);
    }
    if (is_short && len > 1) {
        len /= 2;
        faults++;
    }
    if (enospc_after >= 0) {
        if (enospc_after == 0 && len > 0) {
            return fail(ENOSPC);
        }
        len = len < (size_t)enospc_after ? len : (size_t)enospc_after;
        enospc_after -= (long long)len;
    }
    return is_losing ? keep_unsynced(fd, bytes, len) : syscall(SYS_write, fd, bytes, len);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (!is_ours(fd)) {
        return syscall(SYS_write, fd, bytes, len);
    }
    pthread_mutex_lock(&lock);
    ssize_t done = write_faulty(fd, bytes, len);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (!is_ours(fd)) {
        return syscall(SYS_writev, fd, parts, count);
    }
    ssize_t sum = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < count; i++) {
        ssize_t done = write_faulty(fd, parts[i].iov_base, parts[i].iov_len);
        if (done < 0) {
            /* What came before is written: the call is short, and the next one fails. */
            eio_write = sum > 0 && errno == EIO ? 1 : eio_write;
            sum = sum > 0 ? sum : -1;
            break;
        }
        sum += done;
        if ((size_t)done < parts[i].iov_len) {
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return sum;
}

/* ---- syncing ---- */

static void flush(int fd)
{
    struct unsynced *u = &unsynced[fd];
    size_t done = 0;
    while (done < u->len) {
        long now = syscall(SYS_write, fd, u->bytes + done, u->len - done);
        if (now <= 0) {
            abort();
        }
        done += (size_t)now;
    }
    u->len = 0;
}

static void give_names(void)
{
    char hidden[PATH_MAX];
    char name[PATH_MAX];
    for (int i = 0; i < MAX_NAMELESS; i++) {
        if (nameless[i][0] != '\0') {
            hidden_path(nameless[i], hidden);
            snprintf(name, sizeof name, "%.3000s/%.255s", dir, nameless[i]);
            if (syscall(SYS_renameat, AT_FDCWD, hidden, AT_FDCWD, name) != 0) {
                abort();
            }
            nameless[i][0] = '\0';
        }
    }
}

static int sync_faulty(int fd, long number)
{
    if (!is_ours(fd)) {
        return (int)syscall(number, fd);
    }
    pthread_mutex_lock(&lock);
    struct timespec pause = { slow_sync_ms / 1000, slow_sync_ms % 1000 * 1000000 };
    pthread_mutex_unlock(&lock);
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&lock);
    int result = 0;
    syncs++;
    if (eio_sync > 0 && --eio_sync == 0) {
        result = (int)fail(EIO);
    } else if (is_folder(fd)) {
        give_names();
    } else {
        flush(fd);
    }
    pthread_mutex_unlock(&lock);
    return result == 0 ? (int)syscall(number, fd) : result;
}

int fsync(int fd)
{
    return sync_faulty(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_faulty(fd, SYS_fdatasync);
}

/* What is beyond the synced part is in memory only. */
int ftruncate(int fd, off_t length)
{
    if (is_ours(fd)) {
        pthread_mutex_lock(&lock);
        unsynced[fd].len = 0;
        pthread_mutex_unlock(&lock);
    }
    return (int)syscall(SYS_ftruncate, fd, length);
}

int close(int fd)
{
    if (fd >= 0 && fd < MAX_FDS) {
        pthread_mutex_lock(&lock);
        if (unsynced[fd].bytes != NULL) {
            flush(fd);
            free(unsynced[fd].bytes);
            unsynced[fd].bytes = NULL;
        }
        pthread_mutex_unlock(&lock);
    }
    return (int)syscall(SYS_close, fd);
}

/* ---- names ---- */

/* What a process before us left without a name is gone with it: the file begins empty. */
static int open_nameless(const char *name, int flags, mode_t mode)
{
    char hidden[PATH_MAX];
    hidden_path(name, hidden);
    for (int i = 0; i < MAX_NAMELESS; i++) {
        if (nameless[i][0] == '\0') {
            snprintf(nameless[i], sizeof nameless[i], "%s", name);
            break;
        }
    }
    return (int)syscall(SYS_openat, AT_FDCWD, hidden, flags | O_TRUNC, mode);
}

int openat(int at, const char *name, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list args;
        va_start(args, flags);
        mode = (mode_t)va_arg(args, unsigned);
        va_end(args);
    }
    int fd = -1;
    bool is_new = (flags & O_EXCL) != 0 && is_ours(at);
    pthread_mutex_lock(&lock);
    bool has_no_name = is_new && is_losing;
    if (has_no_name) {
        fd = open_nameless(name, flags & ~O_EXCL, mode);
    }
    pthread_mutex_unlock(&lock);
    return has_no_name ? fd : (int)syscall(SYS_openat, at, name, flags, mode);
}

int unlinkat(int at, const char *name, int flags)
{
    char hidden[PATH_MAX];
    if (is_ours(at)) {
        pthread_mutex_lock(&lock);
        for (int i = 0; i < MAX_NAMELESS; i++) {
            if (strcmp(nameless[i], name) == 0) {
                nameless[i][0] = '\0';
                hidden_path(name, hidden);
                (void)syscall(SYS_unlinkat, AT_FDCWD, hidden, 0);
            }
        }
        pthread_mutex_unlock(&lock);
    }
    return (int)syscall(SYS_unlinkat, at, name, flags);
}
