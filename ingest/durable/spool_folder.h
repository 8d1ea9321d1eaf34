/* spool_folder: the spool's folder: one process at a time, and the names of its files.
 *
 *     000000000042.spool           a segment; numbers only grow
 *     000000000042.spool.new       what is left of one, being written anew; never read
 *     000000000042.spool.damaged   set aside: holds bytes that could not be read; kept
 *                                  until somebody removes it, never read
 *     lock                         held (fcntl) by the process that uses the folder
 *
 * Knows nothing of what is in the files. Errors name the path. Any thread, but open and
 * close.
 */
#ifndef INGEST_DURABLE_SPOOL_FOLDER_H
#define INGEST_DURABLE_SPOOL_FOLDER_H

#include "common/base/error.h"

#include <stddef.h>
#include <stdint.h>

#define SPOOL_NAME_BYTES 64

enum spool_file_kind {
    SPOOL_FILE_SEGMENT,
    SPOOL_FILE_NEW,
    SPOOL_FILE_DAMAGED,
    SPOOL_FILE_OTHER, /* not ours */
};

struct spool_file {
    enum spool_file_kind kind;
    uint64_t number;     /* of the segment; 0 for others */
    uint64_t bytes;      /* its length */
    uint64_t disk_bytes; /* what it takes on disk, in whole blocks */
    char name[256];
};

struct spool_folder {
    char *path;
    int fd;   /* of the folder */
    int lock; /* -1: not locked */
};

/* Opens the folder and locks it; makes it (mode 0700) when only its last part is missing.
 * INVALID: it cannot be used; BUSY: another process uses it, the text says which. */
MUST_CHECK bool spool_folder_open(const char *path, struct spool_folder *out,
                                  struct error *err);

/* Unlocks. A zeroed folder with fd and lock -1 is allowed. */
void spool_folder_close(struct spool_folder *f);

/* All regular files but the lock, in order of kind and number; *out is an array for
 * free(). */
MUST_CHECK bool spool_folder_list(const struct spool_folder *f, struct spool_file **out,
                                  size_t *out_count, struct error *err);

/* "000000000042.spool" and so on. */
void spool_folder_name(enum spool_file_kind kind, uint64_t number,
                       char out[SPOOL_NAME_BYTES]);

/* fsync of the folder: from then on its files' names are durable. */
MUST_CHECK bool spool_folder_sync(const struct spool_folder *f, struct error *err);

/* Removes a file; one that is not there is no error. */
MUST_CHECK bool spool_folder_remove(const struct spool_folder *f,
                                    enum spool_file_kind kind, uint64_t number,
                                    struct error *err);

/* Removes an unfinished "new" file; one that cannot be is removed at the next start. */
void spool_folder_discard_new(const struct spool_folder *f, uint64_t number);

/* Gives segment `number` the name of a kind (replacing what has it), or back. */
MUST_CHECK bool spool_folder_rename(const struct spool_folder *f, uint64_t number,
                                    enum spool_file_kind from, enum spool_file_kind to,
                                    struct error *err);

/* What a file of `bytes` takes on disk, in whole blocks of 4 KiB. */
uint64_t spool_folder_disk_bytes(uint64_t bytes);

#endif
