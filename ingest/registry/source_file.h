/* source_file: sources.json on disk: read whole, replaced whole.
 *
 * A reader sees the file before a change or after it, never between: a change is written
 * beside it, synced, and renamed over it. Who changes it holds the lock from reading to
 * writing, so that of two `source add` at once none is lost. The file is a symbolic link
 * where it is mounted from elsewhere: what it points to is replaced. Written files have
 * mode 0600 (they hold secrets) and keep their owner; any mode is read. Blocks as the
 * file system does.
 */
#ifndef INGEST_REGISTRY_SOURCE_FILE_H
#define INGEST_REGISTRY_SOURCE_FILE_H

#include "ingest/registry/source_list.h"

#include "common/base/error.h"

#include <stdbool.h>

/* Reads the file into the empty list *out. INVALID: missing, unreadable or malformed;
 * names the path, and line or member. */
MUST_CHECK bool source_file_read(const char *path, struct source_list *out,
                                 struct error *err);

/* False when there is no such file; true too when that cannot be told. */
bool source_file_exists(const char *path);

/* True when users who are neither owner nor of the group may read the file. */
bool source_file_is_world_readable(const char *path);

struct source_file_lock {
    char *path; /* of the file itself, links followed */
    int fd;
};

/* Waits for the lock beside the file and takes it. INVALID when the folder cannot be
 * written. */
MUST_CHECK bool source_file_lock(const char *path, struct source_file_lock *out,
                                 struct error *err);

/* Replaces the locked file; when it returns true the change is on disk. */
MUST_CHECK bool source_file_write(const struct source_file_lock *lock,
                                  const struct source_list *list, struct error *err);

/* Gives the lock back. The lock's file stays: removing it would let two hold it. */
void source_file_unlock(struct source_file_lock *lock);

#endif
