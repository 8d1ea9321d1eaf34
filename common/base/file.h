/* file: a small file read whole: secrets, librdkafka's properties, the source registry.
 *
 * The limit is the caller's: what is longer is the wrong file. Blocks as the file system
 * does. Any thread.
 */
#ifndef COMMON_BASE_FILE_H
#define COMMON_BASE_FILE_H

#include "common/base/buf.h"
#include "common/base/error.h"

#include <stddef.h>

/* Appends the file's bytes to `out` (without maximum). INVALID when it cannot be read or
 * is longer than `max_bytes`; the text names the path and why, code is errno's name. */
MUST_CHECK bool file_read(const char *path, size_t max_bytes, struct buf *out,
                          struct error *err);

#endif
