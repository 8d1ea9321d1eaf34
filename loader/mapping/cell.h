/* cell: one value of a row, ready for its column. Pure.
 *
 * Times and our own integers stay numbers from here to the wire; everything else is text
 * in the input syntax of the column's type. Borrowed bytes: the record's, or the arena's
 * that the row was made in.
 */
#ifndef LOADER_MAPPING_CELL_H
#define LOADER_MAPPING_CELL_H

#include "loader/mapping/table.h"
#include "loader/mapping/timestamp.h"

enum cell_kind {
    CELL_TEXT,
    CELL_TIME,    /* timestamptz, timestamp */
    CELL_INTEGER, /* bigint */
};

struct cell {
    uint32_t column; /* index in the plan */
    enum cell_kind kind;
    union {
        struct view text; /* data is never NULL; a column without a cell is NULL */
        int64_t us;       /* since 1970-01-01 UTC, within years 0001 to 9999 */
        int64_t integer;
    };
};

/* What the caller lends to cell_text. */
struct cell_scratch {
    char text[TIMESTAMP_TEXT_BYTES];
};

/* The value as text, in the input syntax of its column's type; valid as long as the cell
 * and the scratch. */
struct view cell_text(const struct cell *cell, enum column_type type,
                      struct cell_scratch *scratch);

#endif
