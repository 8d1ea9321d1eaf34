/* What must hold for any event, on random ones with keys that collide: nothing is lost,
 * and neither order nor history shows. */
#include "loader/mapping/map_event.h"

#include "tests/support/mapping_bed.h"
#include "tests/support/mapping_fixture.h"

#include "common/contract/json_doc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct generator {
    uint64_t seed;
    struct buf text;
    unsigned next_value; /* each leaf has a number of its own */
};

static uint64_t next_random(struct generator *g, uint64_t below)
{
    g->seed ^= g->seed << 13;
    g->seed ^= g->seed >> 7;
    g->seed ^= g->seed << 17;
    return g->seed % below;
}

/* Keys of which many give the same column, and some the same path. */
static void add_key(struct generator *g)
{
    static const char *const parts[] = { "a",    "A",       "b",    "_",     "-",
                                         ".",    " ",       "1",    "é",     "st",
                                         "__st", "\\u0000", "\\\\", "userId" };
    buf_add_char(&g->text, '"');
    for (uint64_t i = next_random(g, 4); i > 0; i--) {
        buf_add_cstr(&g->text, parts[next_random(g, sizeof(parts) / sizeof(parts[0]))]);
    }
    buf_printf(&g->text, "\":");
}

static void add_leaf(struct generator *g)
{
    static const char *const forms[] = { "%u", "\"%u\"", "[%u]", "\"v%u!\"", "%u.5" };
    char text[40];
    /* clang-format off */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof(text), forms[next_random(g, 5)], g->next_value++);
#pragma GCC diagnostic pop
    /* clang-format on */
    buf_add_cstr(&g->text, text);
}

static void add_object(struct generator *g, unsigned depth)
{
    buf_add_char(&g->text, '{');
    for (uint64_t i = 0, count = next_random(g, 8); i < count; i++) {
        if (i > 0) {
            buf_add_char(&g->text, ',');
        }
        add_key(g);
        if (depth < 4 && next_random(g, 3) == 0) {
            add_object(g, depth + 1);
        } else {
            add_leaf(g);
        }
    }
    buf_add_char(&g->text, '}');
}

static struct view random_event(struct generator *g)
{
    g->next_value = 1000000;
    buf_clear(&g->text);
    buf_add_cstr(&g->text, "{\"type\":\"track\",\"messageId\":\"m\",\"p\":");
    add_object(g, 0);
    buf_add_cstr(&g->text, ",\"q\":");
    add_object(g, 0);
    buf_add_char(&g->text, '}');
    return buf_view(&g->text);
}

static unsigned occurrences(const struct row *row, unsigned value)
{
    char digits[16];
    int len = snprintf(digits, sizeof(digits), "%u", value);
    unsigned count = 0;
    for (uint32_t i = 0; i < row->count; i++) {
        struct view rest =
            row->cells[i].kind == CELL_TEXT ? row->cells[i].text : view_of(NULL, 0);
        while (rest.len >= (size_t)len) {
            bool is_here = memcmp(rest.data, digits, (size_t)len) == 0;
            count += is_here ? 1 : 0;
            rest = view_skip(rest, 1);
        }
    }
    return count;
}

/* The leaves that no equal key shadows. */
static void mark_leaves(struct view event, bool *is_there, unsigned count)
{
    struct json_doc doc;
    struct json_fault fault;
    const struct json_limits limits = { JSON_MAX_DEPTH, JSON_MAX_KEYS, JSON_ALL_DEPTHS };
    memset(&doc, 0, sizeof(doc));
    assert_true(json_doc_scan(&doc, event, &limits, &fault));
    for (uint32_t i = 0; i < doc.count;) {
        const struct json_node *n = &doc.nodes[i];
        if ((n->flags & JSON_IS_SHADOWED) != 0) {
            i = n->end;
            continue;
        }
        i++;
        const char *digits = memchr(n->text.data, '1', n->text.len);
        if (n->kind != JSON_OBJECT && digits != NULL) {
            unsigned long value = strtoul(digits, NULL, 10);
            if (value >= 1000000 && value - 1000000 < count) {
                is_there[value - 1000000] = true;
            }
        }
    }
    json_doc_release(&doc);
}

static void every_value_is_in_the_row_exactly_once(void **state)
{
    struct mapping_bed *f = *state;
    struct generator g = { .seed = UINT64_C(0x9E3779B97F4A7C15) };
    bed_open_table(f, fixture_table(EVENT_TRACK, NULL, 0, false), 120);
    for (unsigned round = 0; round < 500; round++) {
        struct view event = random_event(&g);
        unsigned leaves = g.next_value - 1000000;
        bool is_there[4000] = { false };
        assert_true(leaves < 4000);
        mark_leaves(event, is_there, leaves);
        bed_map_text(f, event);
        assert_int_equal(f->result.outcome, MAP_ROW);
        for (unsigned i = 0; i < leaves; i++) {
            if (occurrences(&f->result.row, 1000000 + i) != (is_there[i] ? 1 : 0)) {
                fail_msg("value %u of %.*s", 1000000 + i, VIEW_ARG(event));
            }
        }
        arena_reset(&f->arena);
    }
    buf_release(&g.text);
}

static void describe(struct mapper *m, struct view event, struct table_plan *plan,
                     struct buf *out)
{
    struct arena arena;
    arena_init(&arena);
    struct record r = fixture_record(EVENT_TRACK, event);
    struct map_result result;
    map_event(m, &r, plan, MAP_NORMAL, &arena, &result);
    buf_clear(out);
    fixture_describe(&result, plan, out);
    arena_release(&arena);
}

/* What an earlier event did to the plan shows only in where columns lie, not in what is
 * in them, as long as no type is decided by it; what the mapper remembers shows nowhere.
 */
static void neither_order_nor_history_changes_a_row(void **state)
{
    struct mapping_bed *f = *state;
    struct mapping_options options = { bed_ignored_paths, NULL };
    struct generator g = { .seed = 42 };
    struct buf results[3];
    for (int i = 0; i < 3; i++) {
        buf_init(&results[i], 0);
    }
    for (unsigned round = 0; round < 200; round++) {
        struct view event = arena_copy(&f->arena, random_event(&g));
        struct table *t = fixture_table(EVENT_TRACK, NULL, 0, false);
        struct table_plan *plans[3];
        for (int i = 0; i < 3; i++) {
            plans[i] = table_plan_new(t, 800);
        }
        struct mapper *fresh = mapper_new(&options);
        describe(fresh, event, plans[0], &results[0]);
        describe(f->mapper, event, plans[1], &results[1]);
        /* the same columns, planned from last to first */
        for (size_t i = table_plan_added(plans[0]); i > 0; i--) {
            const struct planned_column *c = table_plan_added_at(plans[0], i - 1);
            assert_true(table_plan_add(plans[2], c->column.name, c->column.type,
                                       c->origin, c->path) >= 0);
        }
        describe(f->mapper, event, plans[2], &results[2]);
        assert_true(view_equal(buf_view(&results[0]), buf_view(&results[1])));
        assert_true(view_equal(buf_view(&results[0]), buf_view(&results[2])));
        assert_int_equal(table_plan_count(plans[0]), table_plan_count(plans[2]));
        mapper_free(fresh);
        for (int i = 0; i < 3; i++) {
            table_plan_free(plans[i]);
        }
        table_unref(t);
    }
    for (int i = 0; i < 3; i++) {
        buf_release(&results[i]);
    }
    buf_release(&g.text);
}

static void forgetting_all_paths_changes_nothing(void **state)
{
    struct mapping_bed *f = *state;
    static const char event[] =
        "{\"type\":\"track\",\"messageId\":\"m1\",\"properties\":"
        "{\"userId\":1,\"user_id\":2,\"deep\":{\"er\":{\"still\":3}}}}";
    struct buf before;
    struct buf after;
    buf_init(&before, 0);
    buf_init(&after, 0);
    describe(f->mapper, view_cstr(event), f->plan, &before);
    struct buf stranger;
    buf_init(&stranger, 0);
    for (unsigned round = 0; round < 10;
         round++) { /* 60,000 keys that are never seen again */
        buf_clear(&stranger);
        buf_add_cstr(&stranger, "{\"type\":\"track\",\"properties\":{\"a\":0");
        for (unsigned i = 0; i < 6000; i++) {
            buf_printf(&stranger, ",\"k%u\":%u", round * 6000 + i, i);
        }
        buf_add_cstr(&stranger, "}}");
        bed_map_text(f, buf_view(&stranger));
        assert_int_equal(f->result.outcome, MAP_ROW);
        describe(f->mapper, view_cstr(event), f->plan, &after);
    }
    assert_true(view_equal(buf_view(&before), buf_view(&after)));
    buf_release(&stranger);
    buf_release(&before);
    buf_release(&after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_value_is_in_the_row_exactly_once),
        TEST(neither_order_nor_history_changes_a_row),
        TEST(forgetting_all_paths_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
