/* copy_binary: rows in the binary form of COPY: what the receive functions of
 * PostgreSQL's types take. Pure.
 *
 * Only for a table whose columns are checked under the lock to be of just these types
 * (check_table): the server would take the bytes for something else otherwise. A column's
 * own limits (varchar(n), numeric(p,s)) are applied by the server, as with text.
 * Source: PostgreSQL's documentation, "COPY", section "Binary Format", and the types'
 * receive functions.
 */
#ifndef LOADER_POSTGRES_COPY_BINARY_H
#define LOADER_POSTGRES_COPY_BINARY_H

#include "loader/mapping/cell.h"

#include "common/base/buf.h"

/* What comes before the first row and after the last. */
void copy_binary_begin(struct buf *out);
void copy_binary_end(struct buf *out);

/* Begins a row of so many fields; each must be added, in the order of COPY's columns. */
void copy_binary_begin_row(struct buf *out, size_t fields);

/* A NULL. */
void copy_binary_add_null(struct buf *out);

/* A cell of a column of this type. False when it has no binary form: a type without an
 * encoder, a number beyond what the wire holds; the row is then of no use. */
MUST_CHECK bool copy_binary_add_cell(struct buf *out, const struct cell *cell,
                                     enum column_type type);

/* A time of ours, for timestamptz. */
void copy_binary_add_time(struct buf *out, int64_t us);

#endif
