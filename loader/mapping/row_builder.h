/* row_builder: puts an event's values into the cells of one row (mapping.md, sections 2
 * and 3).
 *
 * Decides for each value: its column, the twin, or _sdc_extra; plans columns that are
 * missing. What an event means (times, ids, batches) is for others to say. Scratch memory
 * is kept from row to row; nothing of it shows in the result. A cell is written at most
 * once: the first path in the document keeps a column. One thread at a time.
 */
#ifndef LOADER_MAPPING_ROW_BUILDER_H
#define LOADER_MAPPING_ROW_BUILDER_H

#include "loader/mapping/map_event.h"
#include "loader/mapping/paths.h"
#include "loader/mapping/value.h"

/* A narrow row must fit into a page, 8,160 bytes: values shorter than this cannot be
 * moved out of line by PostgreSQL, and of the longer ones each leaves 18 bytes behind. */
#define NARROW_MIN_BYTES 64
#define NARROW_MAX_VALUES 200

struct extra_value {
    struct view path; /* as stored */
    bool may_meet;    /* another path may look the same */
    struct value value;
};

struct row_builder {
    struct paths *paths;
    /* Of the row that is being built: */
    struct table_plan *plan;
    struct arena *arena;
    enum map_width width;
    struct view user_id;  /* empty: none so far */
    uint32_t wide_values; /* non-fixed cells of a narrow row */
    uint32_t sanitized;
    uint32_t overflowed;
    uint32_t demoted;
    /* Kept from row to row: */
    uint64_t row;
    struct cell *cells; /* by column index; meant if filled_in says this row */
    uint64_t *filled_in;
    size_t capacity;
    struct extra_value *extra;
    uint32_t extra_count, extra_capacity;
    struct buf scratch;
};

/* `paths` must outlive the builder. */
void row_builder_init(struct row_builder *b, struct paths *paths);

/* Frees the scratch memory. */
void row_builder_release(struct row_builder *b);

/* Begins a row for the table of `plan`, whose fixed columns are planned. Texts are made
 * in `arena`. */
void row_builder_begin(struct row_builder *b, struct table_plan *plan,
                       enum map_width width, struct arena *arena);

/* The event's value at a path: into its column if this is the first for it, else into
 * _sdc_extra. */
void row_builder_put(struct row_builder *b, uint32_t path, const struct value *v);

/* A value that holds only where the event itself says nothing. */
void row_builder_put_if_empty(struct row_builder *b, uint32_t path,
                              const struct value *v);

/* A value for a fixed column of this table, whatever the document says; into _sdc_extra
 * when the table has no such column (an existing table without message_id), or a twin
 * that is not text: under its path in the document, or for PATH_ROOT the column's own. */
void row_builder_put_fixed(struct row_builder *b, enum fixed_column column, uint32_t path,
                           const struct value *v);

/* A time for a fixed column. Where the table has made the column something else than a
 * time, it gets `as_sent` (of that path), or for NULL the time as RFC 3339 text. */
void row_builder_put_time(struct row_builder *b, enum fixed_column column, int64_t us,
                          uint32_t path, const struct value *as_sent);

/* An integer of ours for a fixed column; in whatever form the column wants. */
void row_builder_put_integer(struct row_builder *b, enum fixed_column column,
                             int64_t integer);

/* A value without a column. */
void row_builder_put_extra(struct row_builder *b, uint32_t path, const struct value *v);

/* Ends the row: writes _sdc_extra and hands out the cells, ascending by column, in the
 * arena. False when there are values without a column and somebody has made _sdc_extra,
 * and its twin, something that cannot hold them: such a row would lose them. */
bool row_builder_finish(struct row_builder *b, struct row *out);

#endif
