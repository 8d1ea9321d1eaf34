/* Tables and plans: look-up, limits of growth, references. */
#include "loader/mapping/fixed_columns.h"
#include "loader/mapping/hash_index.h"
#include "loader/mapping/table.h"

#include "tests/support/mapping_fixture.h"

#include "common/base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct table *table_with(size_t columns, size_t growth_left)
{
    struct column *all = mem_calloc(columns, sizeof(*all));
    char(*names)[24] = mem_calloc(columns, sizeof(*names));
    for (size_t i = 0; i < columns; i++) {
        int len = snprintf(names[i], sizeof(names[i]), "column_%zu", i);
        all[i] = (struct column){ .name = view_of(names[i], (size_t)len),
                                  .type = COLUMN_TEXT,
                                  .max_chars = -1 };
    }
    struct table_setup setup = {
        .schema = VIEW_LITERAL("s"),
        .name = VIEW_LITERAL("track"),
        .columns = all,
        .column_count = columns,
        .fingerprint = VIEW_LITERAL("f1"),
        .exists = true,
        .growth_left = growth_left,
    };
    struct table *t = table_new(&setup);
    free(names);
    free(all);
    return t;
}

static int add(struct table_plan *p, const char *name, enum column_origin origin)
{
    return table_plan_add(p, view_cstr(name), COLUMN_NUMERIC, origin,
                          view_cstr("a.path"));
}

static void a_table_keeps_what_it_was_made_with(void **state)
{
    (void)state;
    struct table *t = table_with(300, 5);
    assert_true(view_equal_cstr(table_schema(t), "s"));
    assert_true(view_equal_cstr(table_name(t), "track"));
    assert_true(view_equal_cstr(table_fingerprint(t), "f1"));
    assert_true(table_exists(t));
    assert_false(table_is_closed(t));
    assert_int_equal(table_growth_left(t), 5);
    assert_int_equal(table_column_count(t), 300);
    for (size_t i = 0; i < 300; i++) {
        assert_ptr_equal(table_find(t, table_column(t, i)->name), table_column(t, i));
    }
    assert_null(table_find(t, view_cstr("column_300")));
    assert_null(table_find(t, view_of(NULL, 0)));
    table_unref(t);
}

static void a_table_without_columns_finds_nothing(void **state)
{
    (void)state;
    struct table *t = table_with(0, 0);
    assert_null(table_find(t, view_cstr("x")));
    struct table_plan *p = table_plan_new(t, 10);
    assert_int_equal(table_plan_find(p, view_cstr("x")), -1);
    assert_int_equal(table_plan_count(p), 0);
    table_plan_free(p);
    table_unref(t);
}

static void planned_columns_follow_those_of_the_table(void **state)
{
    (void)state;
    struct table *t = table_with(3, SIZE_MAX);
    struct table_plan *p = table_plan_new(t, 100);
    table_unref(t); /* the plan has its own reference */
    const struct column *first = NULL;
    for (int i = 0; i < 50; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "new_%d", i);
        assert_int_equal(add(p, name, COLUMN_NATURAL), 3 + i);
        assert_int_equal(table_plan_find(p, view_cstr(name)), 3 + i);
        first = i == 0 ? table_plan_column(p, 3) : first;
    }
    assert_int_equal(table_plan_find(p, view_cstr("column_2")), 2);
    assert_int_equal(table_plan_count(p), 53);
    assert_int_equal(table_plan_added(p), 50);
    assert_ptr_equal(table_plan_column(p, 3), first); /* growing moves no column */
    const struct planned_column *c = table_plan_added_at(p, 49);
    assert_true(view_equal_cstr(c->column.name, "new_49"));
    assert_true(view_equal_cstr(c->path, "a.path"));
    assert_int_equal(c->origin, COLUMN_NATURAL);
    assert_int_equal(c->column.type, COLUMN_NUMERIC);
    assert_int_equal(c->column.max_chars, -1);
    table_plan_free(p);
}

struct limit_case {
    const char *claim;
    size_t columns, growth_left, max_columns;
    enum column_origin origin;
    size_t allowed; /* of 10 tries */
};

static void limits_hold_as_each_origin_wants(void **state)
{
    (void)state;
    static const struct limit_case cases[] = {
        { "room for all", 5, SIZE_MAX, 100, COLUMN_NATURAL, 10 },
        { "the table's limit counts what is there", 5, SIZE_MAX, 8, COLUMN_NATURAL, 3 },
        { "a full table", 8, SIZE_MAX, 8, COLUMN_NATURAL, 0 },
        { "more than full", 9, SIZE_MAX, 8, COLUMN_NATURAL, 0 },
        { "little growth left", 5, 2, 100, COLUMN_NATURAL, 2 },
        { "no growth left", 5, 0, 100, COLUMN_NATURAL, 0 },
        { "frozen", 5, SIZE_MAX, TABLE_FROZEN, COLUMN_NATURAL, 0 },
        { "twins in a full table", 8, 0, 8, COLUMN_TWIN, 0 },
        { "twins in a nearly full table", 6, 0, 8, COLUMN_TWIN, 2 },
        { "twins without growth left", 5, 0, 100, COLUMN_TWIN, 10 },
        { "twins in a frozen table", 8, 0, TABLE_FROZEN, COLUMN_TWIN, 10 },
        { "twins up to what PostgreSQL bears", TABLE_MAX_COLUMNS - 4, 0, TABLE_FROZEN,
          COLUMN_TWIN, 4 },
        { "fixed columns in any table", TABLE_MAX_COLUMNS, 0, 0, COLUMN_FIXED, 10 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct limit_case *c = &cases[i];
        struct table *t = table_with(c->columns, c->growth_left);
        struct table_plan *p = table_plan_new(t, c->max_columns);
        size_t allowed = 0;
        for (int k = 0; k < 10; k++) {
            char name[16];
            (void)snprintf(name, sizeof(name), "new_%d", k);
            allowed += add(p, name, c->origin) >= 0 ? 1 : 0;
        }
        if (allowed != c->allowed || table_plan_added(p) != allowed) {
            fail_msg("%s: %zu columns, not %zu", c->claim, allowed, c->allowed);
        }
        table_plan_free(p);
        table_unref(t);
    }
}

static void
twins_and_fixed_columns_use_up_the_tables_limit_but_not_its_growth(void **state)
{
    (void)state;
    struct table *t = table_with(2, 2);
    struct table_plan *p = table_plan_new(t, 6);
    assert_true(add(p, "t__st", COLUMN_TWIN) >= 0);
    assert_true(add(p, "f", COLUMN_FIXED) >= 0);
    assert_true(add(p, "n1", COLUMN_NATURAL) >= 0);
    assert_true(add(p, "n2", COLUMN_NATURAL) >= 0);
    assert_int_equal(add(p, "n3", COLUMN_NATURAL), -1);
    table_plan_free(p);
    table_unref(t);
}

static void a_closed_table_gets_fixed_columns_only(void **state)
{
    (void)state;
    struct table *t = table_with(2, SIZE_MAX);
    struct table *closed = table_closed(t);
    table_unref(t);
    assert_true(table_is_closed(closed));
    assert_true(table_exists(closed));
    assert_true(view_equal_cstr(table_fingerprint(closed), "f1"));
    assert_non_null(table_find(closed, view_cstr("column_1")));
    struct table_plan *p = table_plan_new(closed, 100);
    assert_int_equal(add(p, "n", COLUMN_NATURAL), -1);
    assert_int_equal(add(p, "n__st", COLUMN_TWIN), -1);
    assert_int_equal(add(p, "f", COLUMN_FIXED), 2);
    table_plan_free(p);
    table_unref(closed);
}

static void a_plan_is_settled_by_the_last_table_given(void **state)
{
    (void)state;
    struct table *base = table_with(1, 0);
    struct table *second = table_with(2, 0);
    struct table *third = table_with(3, 0);
    struct table_plan *p = table_plan_new(base, 10);
    assert_ptr_equal(table_plan_settled(p), base);
    table_plan_settle(p, second);
    assert_ptr_equal(table_plan_settled(p), second);
    table_plan_settle(p, second);
    assert_ptr_equal(table_plan_settled(p), second);
    table_plan_settle(p, third);
    assert_ptr_equal(table_plan_settled(p), third);
    assert_ptr_equal(table_plan_base(p), base);
    table_unref(base);
    table_unref(second);
    table_unref(third);
    table_plan_free(p);
}

static void a_new_table_gets_its_fixed_columns_in_one_order(void **state)
{
    (void)state;
    static const char *const track[] = {
        "message_id",         "type",          "user_id",
        "anonymous_id",       "channel",       "version",
        "received_at",        "sent_at",       "timestamp",
        "original_timestamp", "event",         "_sdc_received_at",
        "_sdc_batched_at",    "_sdc_sequence", "_sdc_table_version",
        "_sdc_extra",
    };
    struct table *t = fixture_table(EVENT_TRACK, NULL, 0, false);
    struct table_plan *p = table_plan_new(t, 0);
    fixed_columns_plan(p, EVENT_TRACK);
    fixed_columns_plan(p, EVENT_TRACK); /* for each event */
    assert_int_equal(table_plan_added(p), sizeof(track) / sizeof(track[0]));
    for (size_t i = 0; i < table_plan_added(p); i++) {
        const struct planned_column *c = table_plan_added_at(p, i);
        assert_true(view_equal_cstr(c->column.name, track[i]));
        assert_int_equal(c->origin, COLUMN_FIXED);
        assert_int_equal(c->path.len == 0,
                         view_starts_with(c->column.name, view_cstr("_sdc")));
    }
    table_plan_free(p);
    table_unref(t);
}

static void each_table_has_the_fixed_columns_of_its_type(void **state)
{
    (void)state;
    static const struct {
        enum event_type type;
        size_t count;
        const char *own[2];
    } tables[] = {
        { EVENT_IDENTIFY, 15, { NULL, NULL } },
        { EVENT_TRACK, 16, { "event", NULL } },
        { EVENT_PAGE, 17, { "name", "category" } },
        { EVENT_SCREEN, 17, { "name", "category" } },
        { EVENT_GROUP, 16, { "group_id", NULL } },
        { EVENT_ALIAS, 16, { "previous_id", NULL } },
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct table *t = fixture_table(tables[i].type, NULL, 0, false);
        struct table_plan *p = table_plan_new(t, 0);
        fixed_columns_plan(p, tables[i].type);
        assert_int_equal(table_plan_added(p), tables[i].count);
        for (size_t k = 0; k < 2 && tables[i].own[k] != NULL; k++) {
            assert_true(table_plan_find(p, view_cstr(tables[i].own[k])) >= 0);
        }
        table_plan_free(p);
        table_unref(t);
    }
}

static void an_existing_table_gets_what_it_lacks_but_no_key(void **state)
{
    (void)state;
    const struct column columns[] = {
        fixture_column(view_cstr("type"), view_cstr("varchar(20)")),
        fixture_column(view_cstr("_sdc_sequence"), view_cstr("bigint")),
    };
    struct table *t = fixture_table(EVENT_TRACK, columns, 2, true);
    struct table_plan *p = table_plan_new(t, 0);
    fixed_columns_plan(p, EVENT_TRACK);
    assert_int_equal(table_plan_added(p), 16 - 2 - 1);
    assert_int_equal(table_plan_find(p, view_cstr("message_id")), -1);
    assert_int_equal(fixed_column_index(p, FIXED_MESSAGE_ID), -1);
    assert_int_equal(fixed_column_index(p, FIXED_TYPE), 0);
    assert_int_equal(fixed_column_index(p, FIXED_SDC_SEQUENCE), 1);
    assert_int_equal(fixed_column_index(p, FIXED_NAME), -1);
    table_plan_free(p);
    table_unref(t);
}

static void *use_and_release(void *shared)
{
    const struct table *t = shared;
    for (int i = 0; i < 20000; i++) {
        const struct table *mine = table_ref(t);
        if (table_find(mine, view_cstr("column_7")) == NULL) {
            abort();
        }
        table_unref(mine);
    }
    return NULL;
}

static void tables_are_shared_by_threads(void **state)
{
    (void)state;
    struct table *t = table_with(20, 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_and_release, t), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(table_column_count(t), 20);
    table_unref(t);
    table_unref(NULL);
    table_plan_free(NULL);
}

static void an_index_finds_every_id_of_a_hash(void **state)
{
    (void)state;
    struct hash_index index = { NULL, 0, 0 };
    for (uint32_t id = 0; id < 1000; id++) {
        hash_index_add(&index, id % 10, id); /* ten hashes, a hundred ids each */
    }
    for (uint32_t hash = 0; hash < 11; hash++) {
        unsigned found = 0;
        uint32_t id;
        struct hash_probe probe = hash_index_probe(&index, hash);
        while (hash_index_next(&index, &probe, &id)) {
            assert_int_equal(id % 10, hash);
            found++;
        }
        assert_int_equal(found, hash < 10 ? 100 : 0);
    }
    hash_index_clear(&index);
    uint32_t id;
    struct hash_probe probe = hash_index_probe(&index, 3);
    assert_false(hash_index_next(&index, &probe, &id));
    hash_index_release(&index);
}

static void hashes_depend_on_every_byte_the_length_and_the_seed(void **state)
{
    (void)state;
    char bytes[40] = { 0 };
    for (size_t len = 0; len < sizeof(bytes); len++) {
        uint32_t hash = hash_bytes(1, view_of(bytes, len));
        assert_true(hash != hash_bytes(2, view_of(bytes, len)));
        assert_true(len == 0 || hash != hash_bytes(1, view_of(bytes, len - 1)));
        for (size_t i = 0; i < len; i++) {
            bytes[i] = 1;
            assert_true(hash != hash_bytes(1, view_of(bytes, len)));
            bytes[i] = 0;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_keeps_what_it_was_made_with),
        cmocka_unit_test(a_table_without_columns_finds_nothing),
        cmocka_unit_test(planned_columns_follow_those_of_the_table),
        cmocka_unit_test(limits_hold_as_each_origin_wants),
        cmocka_unit_test(
            twins_and_fixed_columns_use_up_the_tables_limit_but_not_its_growth),
        cmocka_unit_test(a_closed_table_gets_fixed_columns_only),
        cmocka_unit_test(a_plan_is_settled_by_the_last_table_given),
        cmocka_unit_test(a_new_table_gets_its_fixed_columns_in_one_order),
        cmocka_unit_test(each_table_has_the_fixed_columns_of_its_type),
        cmocka_unit_test(an_existing_table_gets_what_it_lacks_but_no_key),
        cmocka_unit_test(tables_are_shared_by_threads),
        cmocka_unit_test(an_index_finds_every_id_of_a_hash),
        cmocka_unit_test(hashes_depend_on_every_byte_the_length_and_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
