#include "tests/support/mapping_bed.h"

#include "tests/support/mapping_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

const char *const bed_ignored_paths[] = { "integrations", "_metadata", "writeKey", NULL };

static void close_table(struct mapping_bed *f)
{
    table_plan_free(f->plan);
    table_unref(f->table);
}

void bed_open_table(struct mapping_bed *f, struct table *t, size_t max_columns)
{
    close_table(f);
    f->table = t;
    f->plan = table_plan_new(t, max_columns);
}

void bed_open_taken_over(struct mapping_bed *f, const struct column *columns,
                         size_t count, size_t max_columns)
{
    struct column all[12];
    assert_true(count < sizeof(all) / sizeof(all[0]));
    memcpy(all, columns, count * sizeof(*columns));
    if (count == 0 || !view_equal_cstr(columns[0].name, "message_id")) {
        all[count++] = fixture_column(view_cstr("message_id"), view_cstr("text"));
    }
    bed_open_table(f, fixture_table(EVENT_TRACK, all, count, true), max_columns);
}

int bed_setup(void **state)
{
    static struct mapping_bed f;
    memset(&f, 0, sizeof(f));
    arena_init(&f.arena);
    struct mapping_options options = { bed_ignored_paths, NULL };
    f.mapper = mapper_new(&options);
    bed_open_table(&f, fixture_table(EVENT_TRACK, NULL, 0, false), 800);
    *state = &f;
    return 0;
}

int bed_teardown(void **state)
{
    struct mapping_bed *f = *state;
    close_table(f);
    mapper_free(f->mapper);
    arena_release(&f->arena);
    return 0;
}

void bed_map_record(struct mapping_bed *f, const struct record *r, enum map_width width)
{
    map_event(f->mapper, r, r->topic < EVENT_DATA_TYPES ? f->plan : NULL, width,
              &f->arena, &f->result);
}

void bed_map_text(struct mapping_bed *f, struct view event)
{
    struct record r = fixture_record(EVENT_TRACK, event);
    bed_map_record(f, &r, MAP_NORMAL);
}

void bed_map_properties(struct mapping_bed *f, const char *properties)
{
    struct buf event;
    buf_init(&event, 0);
    buf_printf(&event, "{\"type\":\"track\",\"messageId\":\"m1\",\"properties\":%s}",
               properties);
    bed_map_text(f, arena_copy(&f->arena, buf_view(&event)));
    buf_release(&event);
    assert_int_equal(f->result.outcome, MAP_ROW);
}

void bed_assert_cell(struct mapping_bed *f, const char *column, const char *text)
{
    struct view cell = fixture_cell(&f->result.row, f->plan, column, &f->arena);
    if (cell.data == NULL || text == NULL) {
        if (cell.data != NULL || text != NULL) {
            fail_msg("%s is %s", column, cell.data == NULL ? "NULL" : "not NULL");
        }
        return;
    }
    if (!view_equal_cstr(cell, text)) {
        fail_msg("%s is '%.*s', not '%s'", column, VIEW_ARG(cell), text);
    }
}

void bed_assert_rejected(const struct mapping_bed *f, const char *reason)
{
    assert_int_equal(f->result.outcome, MAP_REJECTED);
    if (!view_equal_cstr(f->result.rejected.reason, reason)) {
        fail_msg("rejected for '%.*s'", VIEW_ARG(f->result.rejected.reason));
    }
}

size_t bed_natural_columns(const struct table_plan *p)
{
    size_t count = 0;
    for (size_t i = 0; i < table_plan_added(p); i++) {
        count += table_plan_added_at(p, i)->origin == COLUMN_NATURAL ? 1 : 0;
    }
    return count;
}
