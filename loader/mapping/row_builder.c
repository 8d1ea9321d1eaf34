#include "loader/mapping/row_builder.h"

#include "loader/mapping/column_name.h"
#include "loader/mapping/table_plan.h"
#include "loader/mapping/timestamp.h"

#include "common/base/mem.h"
#include "common/contract/json_text.h"

#include <stdlib.h>

#define NO_COLUMN (-1)

/* A column on its way to be filled, and what the twin's COMMENT would say. */
struct target {
    int index;
    struct view path;
    bool is_fixed;
};

void row_builder_init(struct row_builder *b, struct paths *paths)
{
    memset(b, 0, sizeof(*b));
    b->paths = paths;
    buf_init(&b->scratch, 0);
}

void row_builder_release(struct row_builder *b)
{
    free(b->cells);
    free(b->filled_in);
    free(b->extra);
    buf_release(&b->scratch);
}

void row_builder_begin(struct row_builder *b, struct table_plan *plan,
                       enum map_width width, struct arena *arena)
{
    b->plan = plan;
    b->arena = arena;
    b->width = width;
    b->user_id = view_of(NULL, 0);
    b->wide_values = 0;
    b->sanitized = 0;
    b->overflowed = 0;
    b->demoted = 0;
    b->extra_count = 0;
    b->row++;
}

/* Cells of earlier rows stay in place; what counts is the number of the row beside them,
 * so that beginning a row costs nothing, however many columns the table has. */
static void fill(struct row_builder *b, int column, const struct cell *cell)
{
    if ((size_t)column >= b->capacity) {
        size_t capacity = (size_t)column + 64;
        b->cells = mem_resize(b->cells, capacity, sizeof(*b->cells));
        b->filled_in = mem_resize(b->filled_in, capacity, sizeof(*b->filled_in));
        memset(b->filled_in + b->capacity, 0,
               (capacity - b->capacity) * sizeof(*b->filled_in));
        b->capacity = capacity;
    }
    b->cells[column] = *cell;
    b->cells[column].column = (uint32_t)column;
    b->filled_in[column] = b->row;
}

/* Only remembered here: the column's text is written once, at the end of the row. */
static void add_extra(struct row_builder *b, struct view path, bool may_meet,
                      const struct value *v)
{
    if (b->extra_count == b->extra_capacity) {
        b->extra_capacity = b->extra_capacity == 0 ? 32 : b->extra_capacity * 2;
        b->extra = mem_resize(b->extra, b->extra_capacity, sizeof(*b->extra));
    }
    b->extra[b->extra_count++] = (struct extra_value){ path, may_meet, *v };
    b->sanitized += value_is_sanitized_in(v, COLUMN_JSONB) ? 1 : 0;
}

void row_builder_put_extra(struct row_builder *b, uint32_t path, const struct value *v)
{
    const struct path *p = paths_get(b->paths, path);
    add_extra(b, p->dotted, p->may_meet, v);
}

/* Into the column if the value converts exactly. */
static bool fill_column(struct row_builder *b, int index, const struct value *v)
{
    const struct column *column = table_plan_column(b->plan, (size_t)index);
    struct cell cell = { 0 };
    if (!value_convert(v, column, b->arena, &cell)) {
        return false;
    }
    fill(b, index, &cell);
    b->sanitized += value_is_sanitized_in(v, column->type) ? 1 : 0;
    return true;
}

/* Into "<column>__st", as text; false when there can be none of use. */
static bool fill_twin(struct row_builder *b, const struct target *of,
                      const struct value *v)
{
    struct buf *name = &b->scratch;
    buf_clear(name);
    buf_add_view(name, table_plan_column(b->plan, (size_t)of->index)->name);
    buf_add_cstr(name, TWIN_SUFFIX);
    int index = table_plan_find(b->plan, buf_view(name));
    if (index < 0) {
        index =
            table_plan_add(b->plan, buf_view(name), COLUMN_TEXT, COLUMN_TWIN, of->path);
    }
    if (index < 0) {
        b->overflowed++;
        return false;
    }
    return table_plan_column(b->plan, (size_t)index)->type == COLUMN_TEXT &&
           fill_column(b, index, v);
}

/* True when the value has found its place. Twins of a narrow row count as values too. */
static bool fill_column_or_twin(struct row_builder *b, const struct target *t,
                                const struct value *v)
{
    if (!fill_column(b, t->index, v) && !fill_twin(b, t, v)) {
        return false;
    }
    b->wide_values += t->is_fixed ? 0 : 1;
    return true;
}

/* The JSON text stands for the size in the row: near enough for a limit with a margin. */
static bool is_too_narrow_for(const struct row_builder *b, const struct value *v)
{
    return b->width == MAP_NARROW &&
           (v->text.len < NARROW_MIN_BYTES || b->wide_values >= NARROW_MAX_VALUES);
}

/* What a human has moved out of the table stays out, also once the column is gone. */
static bool is_demoted(const struct row_builder *b, int index, struct view name)
{
    return index >= 0 ? table_plan_column(b->plan, (size_t)index)->is_demoted
                      : table_is_demoted(table_plan_base(b->plan), name);
}

/* The column of a path, planned if it is new; NO_COLUMN when the row or the table has no
 * room. */
static struct target find_target(struct row_builder *b, uint32_t path,
                                 const struct value *v)
{
    const struct path *p = paths_get(b->paths, path);
    const struct path_name *name = paths_name(b->paths, path);
    if (name->fixed != FIXED_NONE) {
        int fixed = fixed_column_index(b->plan, name->fixed);
        if (fixed >= 0) {
            return (struct target){ fixed, fixed_column_info(name->fixed)->path, true };
        }
    }
    struct target t = { NO_COLUMN, p->dotted, false };
    if (!is_too_narrow_for(b, v)) {
        t.index = table_plan_find_hashed(b->plan, name->text, name->hash);
        if (is_demoted(b, t.index, name->text)) {
            b->demoted++;
            t.index = NO_COLUMN;
            return t;
        }
        if (t.index < 0) {
            t.index = table_plan_add(b->plan, name->text, value_natural_type(v),
                                     COLUMN_NATURAL, p->dotted);
        }
    }
    b->overflowed += t.index < 0 ? 1 : 0;
    return t;
}

/* Whose event it is must be known even where the column has a type that its id does not
 * fit. */
static void note_user(struct row_builder *b, uint32_t path, const struct value *v)
{
    if (paths_name(b->paths, path)->fixed == FIXED_USER_ID) {
        b->user_id = value_as_text(v, b->arena);
    }
}

void row_builder_put(struct row_builder *b, uint32_t path, const struct value *v)
{
    if (paths_use(b->paths, path)) {
        note_user(b, path, v);
        struct target t = find_target(b, path, v);
        if (t.index >= 0 && fill_column_or_twin(b, &t, v)) {
            return;
        }
    }
    row_builder_put_extra(b, path, v);
}

void row_builder_put_if_empty(struct row_builder *b, uint32_t path, const struct value *v)
{
    if (!paths_is_used(b->paths, path)) {
        row_builder_put(b, path, v);
    }
}

/* Into a fixed column or its twin; false when the table has neither. */
static bool fill_fixed(struct row_builder *b, enum fixed_column column,
                       const struct value *v)
{
    struct target t = { fixed_column_index(b->plan, column),
                        fixed_column_info(column)->path, true };
    return t.index >= 0 && fill_column_or_twin(b, &t, v);
}

void row_builder_put_fixed(struct row_builder *b, enum fixed_column column, uint32_t path,
                           const struct value *v)
{
    const struct fixed_column_info *info = fixed_column_info(column);
    if (fill_fixed(b, column, v)) {
        return;
    }
    if (path != PATH_ROOT) {
        row_builder_put_extra(b, path, v);
    } else {
        add_extra(b, info->path.len > 0 ? info->path : info->name, true, v);
    }
}

/* The fixed column's own, when a value of ours may go in; else NULL. */
static const struct column *usable_column(const struct row_builder *b,
                                          enum fixed_column column, int *out_index)
{
    int index = fixed_column_index(b->plan, column);
    const struct column *c = index < 0 ? NULL : table_plan_column(b->plan, (size_t)index);
    *out_index = index;
    return c == NULL || c->is_generated ? NULL : c;
}

/* Types that are no times get text, as a sender would have written it. */
void row_builder_put_time(struct row_builder *b, enum fixed_column column, int64_t us,
                          uint32_t path, const struct value *as_sent)
{
    int index;
    const struct column *c = usable_column(b, column, &index);
    if (c != NULL && (c->type == COLUMN_TIMESTAMPTZ || c->type == COLUMN_TIMESTAMP)) {
        fill(b, index, &(struct cell){ .kind = CELL_TIME, .us = us });
    } else if (as_sent != NULL) {
        row_builder_put_fixed(b, column, path, as_sent);
    } else {
        char text[TIMESTAMP_TEXT_BYTES];
        size_t len = timestamp_write(us, TIMESTAMP_RFC3339, text);
        struct value ours = value_of_plain(arena_copy(b->arena, view_of(text, len)));
        row_builder_put_fixed(b, column, PATH_ROOT, &ours);
    }
}

void row_builder_put_integer(struct row_builder *b, enum fixed_column column,
                             int64_t integer)
{
    int index;
    const struct column *c = usable_column(b, column, &index);
    if (c != NULL && c->type == COLUMN_BIGINT) {
        fill(b, index, &(struct cell){ .kind = CELL_INTEGER, .integer = integer });
        return;
    }
    buf_clear(&b->scratch);
    buf_add_i64(&b->scratch, integer);
    struct value v = value_of_number(arena_copy(b->arena, buf_view(&b->scratch)));
    row_builder_put_fixed(b, column, PATH_ROOT, &v);
}

/* True when an earlier value of _sdc_extra has this path. */
static bool is_in_index(const struct row_builder *b, const struct hash_index *index,
                        struct view path)
{
    struct hash_probe probe = hash_index_probe(index, table_name_hash(path));
    uint32_t id;
    while (hash_index_next(index, &probe, &id)) {
        if (view_equal(b->extra[id].path, path)) {
            return true;
        }
    }
    return false;
}

/* Two paths that differ only in what cannot be stored look the same: from the second on
 * they get U+FFFD at the end, so that none hides the other. */
static void part_equal_paths(struct row_builder *b)
{
    bool may_meet = false;
    for (uint32_t i = 0; i < b->extra_count; i++) {
        may_meet = may_meet || b->extra[i].may_meet;
    }
    if (!may_meet || b->extra_count < 2) {
        return;
    }
    struct hash_index index = { NULL, 0, 0 };
    for (uint32_t i = 0; i < b->extra_count; i++) {
        struct view *path = &b->extra[i].path;
        while (is_in_index(b, &index, *path)) {
            buf_clear(&b->scratch);
            buf_add_view(&b->scratch, *path);
            buf_add_cstr(&b->scratch, "\xEF\xBF\xBD");
            *path = arena_copy(b->arena, buf_view(&b->scratch));
        }
        hash_index_add(&index, table_name_hash(*path), i);
    }
    hash_index_release(&index);
}

/* {"dotted path": value, ..}, in the order of the document. */
static bool put_extra_column(struct row_builder *b)
{
    if (b->extra_count == 0) {
        return true;
    }
    part_equal_paths(b);
    struct buf *json = &b->scratch;
    buf_clear(json);
    for (uint32_t i = 0; i < b->extra_count; i++) {
        buf_add_char(json, i == 0 ? '{' : ',');
        json_text_add_string(json, b->extra[i].path);
        buf_add_char(json, ':');
        buf_add_view(json, value_as_json(&b->extra[i].value, b->arena));
    }
    buf_add_char(json, '}');
    struct value v = { JSON_OBJECT, 0, false, arena_copy(b->arena, buf_view(json)) };
    return fill_fixed(b, FIXED_SDC_EXTRA, &v);
}

bool row_builder_finish(struct row_builder *b, struct row *out)
{
    if (!put_extra_column(b)) {
        return false;
    }
    size_t columns = table_plan_count(b->plan);
    columns = columns < b->capacity ? columns : b->capacity;
    size_t size = columns * sizeof(struct cell);
    struct cell *cells = arena_alloc(b->arena, size);
    uint32_t count = 0;
    for (size_t i = 0; i < columns; i++) {
        if (b->filled_in[i] == b->row) {
            cells[count++] = b->cells[i];
        }
    }
    arena_trim(b->arena, cells, size, count * sizeof(struct cell));
    out->user_id = b->user_id;
    out->cells = cells;
    out->count = count;
    return true;
}
