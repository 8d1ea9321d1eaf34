/* registry: the sources in force, from sources.json (INGEST_SOURCES_FILE), re-read when
 * the file changes.
 *
 * Readers take a snapshot: immutable, counted, valid until given back, so a reload never
 * pulls a source away under a request. A file that does not parse keeps the last good
 * snapshot and raises ingest_sources_reload_failed; at start it is an error. Any thread
 * may take snapshots; one thread reloads.
 */
#ifndef INGEST_REGISTRY_REGISTRY_H
#define INGEST_REGISTRY_REGISTRY_H

#include "ingest/registry/source.h"

#include "common/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct registry;
struct registry_snapshot;

/* Loads the file. INVALID: missing or malformed, with line or member. */
MUST_CHECK bool registry_open(const char *path, struct registry **out, struct error *err);

/* Ends; all snapshots must have been given back. NULL is allowed. */
void registry_close(struct registry *r);

/* Looks at the file's identity (device, inode, mtime, size; symlinks followed) and
 * reloads when it changed. True when it is loaded as it is on disk; false with *err when
 * it could not be read: the last good snapshot stays. */
MUST_CHECK bool registry_refresh(struct registry *r, bool *out_changed,
                                 struct error *err);

/* The snapshot in force; give it back with registry_release. */
const struct registry_snapshot *registry_acquire(struct registry *r);
void registry_release(struct registry *r, const struct registry_snapshot *snapshot);

/* True while nothing newer than a snapshot that is held is in force. Takes no lock. */
bool registry_is_current(const struct registry *r, const struct registry_snapshot *s);

/* Look-ups; NULL when there is none. The source is valid as long as the snapshot. */
const struct source *registry_by_slug(const struct registry_snapshot *s,
                                      struct view slug);
const struct source *registry_by_write_key(const struct registry_snapshot *s,
                                           struct view write_key);

/* All sources, in the file's order. */
size_t registry_count(const struct registry_snapshot *s);
const struct source *registry_at(const struct registry_snapshot *s, size_t index);

#endif
