#include "tests/support/mapping_fixture.h"

#include "common/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct record fixture_record(enum event_type topic, struct view value)
{
    struct record r = {
        .topic = topic,
        .value = value,
        .source = VIEW_LITERAL("stitch-segment"),
        .schema = VIEW_LITERAL("stitch_segment"),
        .received_at_ms = FIXTURE_RECEIVED_AT_MS,
        .seq = 7,
        .via = VIA_WEBHOOK,
        .auth = AUTH_TOKEN,
        .request_id = VIEW_LITERAL("r1"),
    };
    return r;
}

static const struct {
    const char *name;
    enum column_type type;
} types[] = {
    { "text", COLUMN_TEXT },
    { "varchar", COLUMN_VARCHAR },
    { "numeric", COLUMN_NUMERIC },
    { "smallint", COLUMN_SMALLINT },
    { "integer", COLUMN_INTEGER },
    { "bigint", COLUMN_BIGINT },
    { "double precision", COLUMN_DOUBLE },
    { "boolean", COLUMN_BOOLEAN },
    { "timestamptz", COLUMN_TIMESTAMPTZ },
    { "timestamp", COLUMN_TIMESTAMP },
    { "json", COLUMN_JSON },
    { "jsonb", COLUMN_JSONB },
};

struct column fixture_column(struct view name, struct view sql_type)
{
    struct column c = { .name = name, .type = COLUMN_OTHER, .max_chars = -1 };
    const char *bracket = memchr(sql_type.data, '(', sql_type.len);
    struct view bare = sql_type;
    if (bracket != NULL) {
        bare.len = (size_t)(bracket - sql_type.data);
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (view_equal_cstr(bare, types[i].name)) {
            c.type = types[i].type;
        }
    }
    if (bracket != NULL && c.type == COLUMN_VARCHAR) {
        c.max_chars = (int32_t)strtol(bracket + 1, NULL, 10);
    } else if (bracket != NULL && c.type == COLUMN_NUMERIC) {
        char *comma;
        c.precision = (int16_t)strtol(bracket + 1, &comma, 10);
        c.scale = (int16_t)strtol(comma + 1, NULL, 10);
    }
    return c;
}

const char *fixture_type_name(enum column_type type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].type == type) {
            return types[i].name;
        }
    }
    return "other";
}

struct table *fixture_table(enum event_type type, const struct column *columns,
                            size_t count, bool exists)
{
    struct table_setup setup = {
        .schema = VIEW_LITERAL("stitch_segment"),
        .name = view_cstr(event_type_name(type)),
        .columns = columns,
        .column_count = count,
        .exists = exists,
        .growth_left = SIZE_MAX,
    };
    return table_new(&setup);
}

struct table *fixture_table_after(const struct table_plan *plan)
{
    const struct table *base = table_plan_base(plan);
    size_t count = table_plan_count(plan);
    struct column *columns = mem_calloc(count, sizeof(*columns));
    for (size_t i = 0; i < count; i++) {
        columns[i] = *table_plan_column(plan, i);
    }
    struct table_setup setup = {
        .schema = table_schema(base),
        .name = table_name(base),
        .columns = columns,
        .column_count = count,
        .exists = count > 0,
        .growth_left = table_growth_left(base),
    };
    struct table *after = table_new(&setup);
    free(columns);
    return after;
}

static struct view text_of(const struct cell *cell, const struct table_plan *plan,
                           struct arena *arena)
{
    struct cell_scratch scratch;
    enum column_type type = table_plan_column(plan, cell->column)->type;
    struct view text = cell_text(cell, type, &scratch);
    return text.len == 0 ? text : arena_copy(arena, text);
}

struct view fixture_cell(const struct row *row, const struct table_plan *plan,
                         const char *column, struct arena *arena)
{
    for (uint32_t i = 0; i < row->count; i++) {
        const struct column *c = table_plan_column(plan, row->cells[i].column);
        if (view_equal_cstr(c->name, column)) {
            return text_of(&row->cells[i], plan, arena);
        }
    }
    return view_of(NULL, 0);
}

/* qsort has no context argument. */
struct named_cell {
    struct view name;
    struct view text;
};

static int by_name(const void *a, const void *b)
{
    const struct named_cell *left = a;
    const struct named_cell *right = b;
    return view_compare(left->name, right->name);
}

static void describe_row(const struct row *row, const struct table_plan *plan,
                         struct buf *out)
{
    struct named_cell *cells = mem_calloc(row->count, sizeof(*cells));
    struct arena arena;
    arena_init(&arena);
    for (uint32_t i = 0; i < row->count; i++) {
        cells[i].name = table_plan_column(plan, row->cells[i].column)->name;
        cells[i].text = text_of(&row->cells[i], plan, &arena);
    }
    qsort(cells, row->count, sizeof(*cells), by_name);
    for (uint32_t i = 0; i < row->count; i++) {
        buf_add_view(out, cells[i].name);
        buf_add_char(out, '=');
        buf_add_view(out, cells[i].text);
        buf_add_char(out, '\n');
    }
    free(cells);
    arena_release(&arena);
    buf_add_view(out, row->message_id);
    buf_printf(out, " %" PRId64 "\n", row->sequence);
}

void fixture_describe(const struct map_result *result, const struct table_plan *plan,
                      struct buf *out)
{
    buf_printf(out, "outcome %d sanitized %u overflowed %u\n", (int)result->outcome,
               result->sanitized, result->overflowed);
    if (result->outcome == MAP_ROW) {
        describe_row(&result->row, plan, out);
    } else if (result->outcome == MAP_DELETION) {
        buf_add_view(out, result->deletion.message_id);
        buf_add_char(out, ' ');
        buf_add_view(out, result->deletion.user_id);
    } else if (result->outcome == MAP_REJECTED) {
        const struct map_rejected *r = &result->rejected;
        const struct view parts[] = { r->record, r->reason, r->message_id, r->user_id,
                                      r->table_name };
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            buf_add_view(out, parts[i]);
            buf_add_char(out, '\n');
        }
    }
}
