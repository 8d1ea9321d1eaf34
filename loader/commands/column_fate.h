/* column_fate: in words, what will become of a column of a table that is there already
 * (mapping.md, section 3: the column's type in the table decides, whoever made it). Pure.
 */
#ifndef LOADER_COMMANDS_COLUMN_FATE_H
#define LOADER_COMMANDS_COLUMN_FATE_H

#include "loader/mapping/table.h"

#include "common/base/buf.h"

/* What a column is to us. */
enum column_role {
    COLUMN_IS_KEY,    /* message_id */
    COLUMN_IS_SYSTEM, /* _sdc_*, filled by the loader */
    COLUMN_IS_FILLED, /* values of a path, or a fixed column */
    COLUMN_IS_TWIN,   /* what does not fit the column that it is named after */
    COLUMN_IS_SPLIT, /* Stitch's: one type of a path that had several; no longer filled */
    COLUMN_IS_FOREIGN, /* a name that no path gives: never filled */
};

/* What column `index` of the table is. */
enum column_role column_fate_role(const struct table *t, size_t index);

/* Appends what will become of it: "takes whole numbers that fit; others go to x__st". */
void column_fate_add(struct buf *out, const struct table *t, size_t index);

/* A row that does not fill the column, `index`, is refused: not NULL, without a default,
 * and not one that the loader always fills. `is_not_null` is the table's word. */
bool column_fate_refuses_rows(const struct table *t, size_t index, bool is_not_null);

#endif
