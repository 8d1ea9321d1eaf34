/* load_sql: the frozen text of the load transaction (tests/component/sql) as a template.
 *
 * {names} in it stand for values. Comments and white space are for readers: they fall
 * away when two texts are compared.
 */
#ifndef TESTS_SUPPORT_LOAD_SQL_H
#define TESTS_SUPPORT_LOAD_SQL_H

#include "common/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct load_sql {
    const char *group, *owner;
    int64_t from, to; /* of both partitions */
    const char *page_fingerprint, *track_fingerprint;
    uint64_t page_rows, track_rows;
    bool newest_wins;
};

/* Reads a file of tests/component/sql; fails the program when it is not there. */
void load_sql_read(const char *file, struct buf *out);

/* Appends the load transaction with these values. */
void load_sql_write(const struct load_sql *values, struct buf *out);

/* The text without comments and without white space that a parser does not need. Text in
 * quotes stays as it is. */
void load_sql_normalise(const char *sql, struct buf *out);

#endif
