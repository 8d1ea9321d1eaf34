/* dotted_path: paths as people write them, and as _sdc_extra and a column's COMMENT have
 * them: keys joined with '.', a dot inside of a key written "\." (mapping.md, section 2).
 * Pure.
 */
#ifndef LOADER_MAPPING_DOTTED_PATH_H
#define LOADER_MAPPING_DOTTED_PATH_H

#include "common/base/buf.h"

#include <stdbool.h>

/* Appends the path as it is stored, and its segments joined: the column's name before
 * column_name_finish. */
void dotted_path_join(struct view written, struct buf *path, struct buf *name);

/* Appends the path as it is stored, and its column. */
void dotted_path_column(struct view written, struct buf *path, struct buf *name);

/* True when the path, as it is stored, or one above it is in the list
 * (LOADER_IGNORE_PATHS), which ends with NULL. */
bool dotted_path_is_ignored(struct view path, char *const *ignored);

#endif
