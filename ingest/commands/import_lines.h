/* import_lines: the lines of a file, plain or gzip (also several gzip members one after
 * the other, as concatenated exports are).
 *
 * One thread. A line ends with LF or CRLF, the last one also without; blank lines are
 * counted and passed over.
 */
#ifndef INGEST_COMMANDS_IMPORT_LINES_H
#define INGEST_COMMANDS_IMPORT_LINES_H

#include "common/base/error.h"
#include "common/base/view.h"

#include <stddef.h>
#include <stdint.h>

struct import_lines;

enum import_line {
    IMPORT_LINE,
    IMPORT_LINE_TOO_LONG, /* its first max_line_bytes; the rest was passed over */
    IMPORT_END,
    IMPORT_DAMAGED, /* the file cannot be read on: *err says why */
};

/* "-" is stdin. INVALID: the file cannot be read. */
MUST_CHECK bool import_lines_open(const char *path, size_t max_line_bytes,
                                  struct import_lines **out, struct error *err);
/* NULL is allowed. */
void import_lines_close(struct import_lines *l);

/* The next line, valid until the next call, and its number, from 1 on. */
enum import_line import_lines_next(struct import_lines *l, struct view *out,
                                   int64_t *out_number, struct error *err);

/* Did the last line have its end? Without it a plain file may still be written to. */
bool import_lines_is_whole(const struct import_lines *l);

/* How far the file was read, in its own bytes. */
int64_t import_lines_offset(const struct import_lines *l);

#endif
