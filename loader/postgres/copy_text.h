/* copy_text: rows in COPY's text format (PostgreSQL 15, "COPY", File Formats, Text
 * Format). Pure.
 *
 * Fields are separated by tabs and ended by a newline; NULL is \N; backslash, tab,
 * newline and carriage return are escaped. Text, not binary: the server's own input
 * functions judge every value, so that a column whose type a human changed refuses a
 * value or takes it rightly, and never stores garbage. Measured: the commit that froze
 * the load transaction has the figures.
 */
#ifndef LOADER_POSTGRES_COPY_TEXT_H
#define LOADER_POSTGRES_COPY_TEXT_H

#include "common/base/buf.h"
#include "common/base/view.h"

/* Appends one field's value, escaped. */
void copy_text_add_value(struct buf *out, struct view value);

/* Appends NULL. */
void copy_text_add_null(struct buf *out);

#endif
