#include "ingest/durable/spool_folder.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "lock"
#define DIGITS 12
#define BLOCK_BYTES 4096u
#define STAT_BLOCK_BYTES 512u /* the unit of st_blocks */

static const char *const suffixes[] = {
    [SPOOL_FILE_SEGMENT] = ".spool",
    [SPOOL_FILE_NEW] = ".spool.new",
    [SPOOL_FILE_DAMAGED] = ".spool.damaged",
};

void spool_folder_name(enum spool_file_kind kind, uint64_t number,
                       char out[SPOOL_NAME_BYTES])
{
    snprintf(out, SPOOL_NAME_BYTES, "%0*llu%s", DIGITS, (unsigned long long)number,
             suffixes[kind]);
}

uint64_t spool_folder_disk_bytes(uint64_t bytes)
{
    return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* ---- opening ---- */

/* The name of a new folder is durable only once its parent is. */
static bool make_folder(const char *path, struct error *err)
{
    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST ||
               error_set_errno(err, ERROR_INVALID, errno,
                               "cannot make the spool's folder '%s'", path);
    }
    struct buf parent = { 0 };
    buf_printf(&parent, "%s/..", path);
    int fd = open(buf_cstr(&parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    buf_release(&parent);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    int failure = errno;
    if (fd >= 0) {
        close(fd);
    }
    return is_synced || error_set_errno(err, ERROR_INVALID, failure,
                                        "syncing the folder above '%s'", path);
}

static bool take_lock(struct spool_folder *f, struct error *err)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    f->lock = openat(f->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock >= 0 && fcntl(f->lock, F_SETLK, &whole) == 0) {
        return true;
    }
    if (f->lock < 0 || (errno != EACCES && errno != EAGAIN)) {
        return error_set_errno(err, ERROR_INVALID, errno,
                               "cannot lock the spool's folder '%s'", f->path);
    }
    bool is_known = fcntl(f->lock, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
    return error_set(err, ERROR_BUSY, ERROR_FROM_SYSTEM, NULL,
                     "the spool's folder '%s' is in use by another process (pid %ld): "
                     "each process needs a folder of its own",
                     f->path, is_known ? (long)whole.l_pid : 0L);
}

bool spool_folder_open(const char *path, struct spool_folder *out, struct error *err)
{
    struct spool_folder f = { .fd = -1, .lock = -1 };
    if (!make_folder(path, err)) {
        return false;
    }
    f.path = mem_strdup(path);
    f.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f.fd < 0) {
        error_set_errno(err, ERROR_INVALID, errno, "cannot open the spool's folder '%s'",
                        path);
    }
    if (f.fd < 0 || !take_lock(&f, err)) {
        spool_folder_close(&f);
        return false;
    }
    *out = f;
    return true;
}

void spool_folder_close(struct spool_folder *f)
{
    if (f->lock >= 0) {
        close(f->lock);
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    free(f->path);
    *f = (struct spool_folder){ .fd = -1, .lock = -1 };
}

/* ---- listing ---- */

static void parse_name(struct spool_file *file)
{
    struct view name = view_cstr(file->name);
    struct error err;
    uint64_t number = 0;
    file->kind = SPOOL_FILE_OTHER;
    if (name.len <= DIGITS || !parse_u64(view_of(name.data, DIGITS), &number, &err)) {
        return;
    }
    for (int kind = 0; kind < SPOOL_FILE_OTHER; kind++) {
        if (view_equal_cstr(view_skip(name, DIGITS), suffixes[kind])) {
            file->kind = (enum spool_file_kind)kind;
            file->number = number;
        }
    }
}

/* False: no regular file (a volume's lost+found), or our lock. */
static bool read_entry(const struct spool_folder *f, const char *name,
                       struct spool_file *out)
{
    struct stat facts;
    *out = (struct spool_file){ 0 };
    if (view_equal_cstr(view_cstr(name), LOCK_NAME) ||
        fstatat(f->fd, name, &facts, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(facts.st_mode)) {
        return false;
    }
    snprintf(out->name, sizeof out->name, "%s", name);
    parse_name(out);
    uint64_t on_disk = (uint64_t)facts.st_blocks * STAT_BLOCK_BYTES;
    uint64_t by_length = spool_folder_disk_bytes((uint64_t)facts.st_size);
    out->bytes = (uint64_t)facts.st_size;
    out->disk_bytes = on_disk > by_length ? on_disk : by_length;
    return true;
}

static int compare_files(const void *left, const void *right)
{
    const struct spool_file *a = left;
    const struct spool_file *b = right;
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    return a->number == b->number ? 0 : a->number < b->number ? -1 : 1;
}

bool spool_folder_list(const struct spool_folder *f, struct spool_file **out,
                       size_t *out_count, struct error *err)
{
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        return error_set_errno(err, ERROR_INVALID, errno,
                               "cannot read the spool's folder '%s'", f->path);
    }
    struct spool_file *files = NULL;
    size_t count = 0;
    struct spool_file file;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (read_entry(f, entry->d_name, &file)) {
            files = mem_resize(files, count + 1, sizeof *files);
            files[count++] = file;
        }
    }
    closedir(dir);
    if (count > 0) {
        qsort(files, count, sizeof *files, compare_files);
    }
    *out = files;
    *out_count = count;
    return true;
}

/* ---- changing ---- */

bool spool_folder_sync(const struct spool_folder *f, struct error *err)
{
    return fsync(f->fd) == 0 ||
           error_set_errno(err, ERROR_FATAL, errno, "syncing the spool's folder '%s'",
                           f->path);
}

bool spool_folder_remove(const struct spool_folder *f, enum spool_file_kind kind,
                         uint64_t number, struct error *err)
{
    char name[SPOOL_NAME_BYTES];
    spool_folder_name(kind, number, name);
    return unlinkat(f->fd, name, 0) == 0 || errno == ENOENT ||
           error_set_errno(err, ERROR_FATAL, errno, "removing '%s/%s'", f->path, name);
}

void spool_folder_discard_new(const struct spool_folder *f, uint64_t number)
{
    char name[SPOOL_NAME_BYTES];
    spool_folder_name(SPOOL_FILE_NEW, number, name);
    unlinkat(f->fd, name, 0);
}

bool spool_folder_rename(const struct spool_folder *f, uint64_t number,
                         enum spool_file_kind from, enum spool_file_kind to,
                         struct error *err)
{
    char old_name[SPOOL_NAME_BYTES];
    char new_name[SPOOL_NAME_BYTES];
    spool_folder_name(from, number, old_name);
    spool_folder_name(to, number, new_name);
    return renameat(f->fd, old_name, f->fd, new_name) == 0 ||
           error_set_errno(err, ERROR_FATAL, errno, "renaming '%s/%s' to '%s'", f->path,
                           old_name, new_name);
}
