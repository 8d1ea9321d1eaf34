/* column_name: from JSON keys to column names (mapping.md, section 2). Pure.
 *
 * A key gives one segment; segments of a path are joined with "__"; names are at most 59
 * bytes, so that the twin's "__st" fits into PostgreSQL's 63. Bytes from 0x80 on count as
 * lower-case letters, so UTF-8 stays UTF-8. Buffers are unbounded ones: what goes in is
 * part of an event.
 */
#ifndef LOADER_MAPPING_COLUMN_NAME_H
#define LOADER_MAPPING_COLUMN_NAME_H

#include "common/base/buf.h"
#include "common/base/view.h"

#define COLUMN_NAME_MAX_BYTES 59
#define COLUMN_NAME_KEPT_BYTES 50 /* of a name that is cut or marked */
#define COLUMN_NAME_JOIN "__"
#define TWIN_SUFFIX "__st"

/* Appends the segment of a decoded key: "userID" -> "user_id"; a key without any letter
 * or digit: "x" + 8 hex of its CRC-32C. Never appends nothing. */
void column_name_add_segment(struct buf *out, struct view key);

/* Appends the key to a dotted path (the caller writes the dot between keys): NUL becomes
 * U+FFFD, a dot inside the key is written "\.". Keys with NUL or a backslash may still
 * make two paths look alike: see struct path. */
void column_name_add_path(struct buf *path, struct view key);

/* Turns joined segments (in `name`) into the final column name in place: cuts what is too
 * long and marks reserved names (ctid, xmin, .., a natural "__st" end) with the CRC-32C
 * of the dotted path. */
void column_name_finish(struct buf *name, struct view dotted_path);

/* The same where the path's CRC-32C is known already. Of a name longer than 59 bytes only
 * the first 60 need be there. */
void column_name_finish_crc(struct buf *name, uint32_t path_crc);

/* How much of `text` fits into `max_bytes` without cutting a UTF-8 sequence. */
size_t column_name_fit(struct view text, size_t max_bytes);

/* Appends "_" and 8 lower-case hex digits. */
void column_name_add_mark(struct buf *name, uint32_t crc);

#endif
