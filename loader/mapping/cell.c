#include "loader/mapping/cell.h"

#include <inttypes.h>
#include <stdio.h>

struct view cell_text(const struct cell *cell, enum column_type type,
                      struct cell_scratch *scratch)
{
    enum timestamp_form form =
        type == COLUMN_TIMESTAMP ? TIMESTAMP_WITHOUT_ZONE : TIMESTAMP_WITH_ZONE;
    switch (cell->kind) {
    case CELL_TIME:
        return view_of(scratch->text, timestamp_write(cell->us, form, scratch->text));
    case CELL_INTEGER: {
        int len =
            snprintf(scratch->text, sizeof(scratch->text), "%" PRId64, cell->integer);
        return view_of(scratch->text, (size_t)len);
    }
    case CELL_TEXT:
        break;
    }
    return cell->text;
}
