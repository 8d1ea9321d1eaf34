/* Which records a replay wants, and that a selection is the same after it was kept. */
#include "loader/consume/selection.h"

#include "common/contract/event_type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct log_record record_of(enum event_type topic, const char *key)
{
    struct log_record r = { .topic = "segment.track", .partition = 3, .offset = 41 };
    r.record.topic = topic;
    r.record.key = view_cstr(key);
    r.record.source = view_cstr("my-shop");
    r.record.schema = view_cstr("my_shop");
    r.record.type = view_cstr("page");
    return r;
}

static void add(struct selection *s, enum selection_kind kind, const char *value)
{
    selection_add(s, kind, view_cstr(value));
    selection_seal(s);
}

static void assert_wants(const struct selection *s, bool expected, enum event_type topic,
                         const char *key)
{
    struct log_record r = record_of(topic, key);
    assert_int_equal(selection_wants(s, &r), expected);
}

static void an_empty_selection_wants_all(void **state)
{
    (void)state;
    struct selection s = { .sets = { { .values = NULL } } };
    assert_wants(&s, true, EVENT_TRACK, "a");
}

static void a_source_is_known_by_slug_and_by_schema(void **state)
{
    (void)state;
    static const char *const names[] = { "my-shop", "my_shop" };
    for (size_t i = 0; i < 2; i++) {
        struct selection s = { .sets = { { .values = NULL } } };
        add(&s, SELECTION_SOURCE, names[i]);
        assert_wants(&s, true, EVENT_TRACK, "a");
        selection_release(&s);
        add(&s, SELECTION_SOURCE, "my-sho");
        assert_wants(&s, false, EVENT_TRACK, "a");
        selection_release(&s);
    }
}

static void a_refused_event_counts_by_what_it_would_have_been(void **state)
{
    (void)state;
    struct selection s = { .sets = { { .values = NULL } } };
    add(&s, SELECTION_TYPE, "page");
    assert_wants(&s, true, EVENT_PAGE, "a");
    assert_wants(&s, true, EVENT_REJECTED, "a");
    assert_wants(&s, false, EVENT_TRACK, "a");
    selection_release(&s);
}

static void all_criteria_must_hold_and_any_value_of_one_will_do(void **state)
{
    (void)state;
    struct selection s = { .sets = { { .values = NULL } } };
    add(&s, SELECTION_TYPE, "track");
    static const char *const ids[] = { "c", "a", "b", "a", "c" };
    for (size_t i = 0; i < 5; i++) {
        add(&s, SELECTION_MESSAGE_ID, ids[i]);
    }
    assert_int_equal(s.sets[SELECTION_MESSAGE_ID].count, 3);
    assert_wants(&s, true, EVENT_TRACK, "a");
    assert_wants(&s, true, EVENT_TRACK, "c");
    assert_wants(&s, false, EVENT_TRACK, "");
    assert_wants(&s, false, EVENT_TRACK, "aa");
    assert_wants(&s, false, EVENT_PAGE, "a");
    selection_release(&s);
}

static void a_place_is_one_offset(void **state)
{
    (void)state;
    struct selection s = { .sets = { { .values = NULL } } };
    add(&s, SELECTION_PLACE, "segment.track:3:40");
    assert_wants(&s, false, EVENT_TRACK, "a");
    add(&s, SELECTION_PLACE, "segment.track:3:41");
    assert_wants(&s, true, EVENT_TRACK, "a");
    selection_release(&s);
}

static void what_was_kept_is_the_same(void **state)
{
    (void)state;
    struct selection s = { .sets = { { .values = NULL } } };
    struct selection again = { .sets = { { .values = NULL } } };
    struct buf text = { 0 };
    struct buf copy = { 0 };
    struct error err;
    add(&s, SELECTION_SOURCE, "my shop");
    add(&s, SELECTION_MESSAGE_ID, " with  spaces ");
    add(&s, SELECTION_PLACE, "t:0:1");
    selection_write(&s, &text);
    assert_true(selection_read(&again, buf_cstr(&text), &err));
    selection_write(&again, &copy);
    assert_string_equal(buf_cstr(&copy), buf_cstr(&text));
    buf_clear(&copy);
    selection_describe(&again, &copy);
    assert_string_equal(buf_cstr(&copy),
                        "source my shop; message id  with  spaces ; record t:0:1");
    selection_release(&s);
    selection_release(&again);
    assert_false(selection_read(&again, "sources x\n", &err));
    assert_false(selection_read(&again, "source", &err));
    selection_release(&again);
    buf_release(&text);
    buf_release(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_selection_wants_all),
        cmocka_unit_test(a_source_is_known_by_slug_and_by_schema),
        cmocka_unit_test(a_refused_event_counts_by_what_it_would_have_been),
        cmocka_unit_test(all_criteria_must_hold_and_any_value_of_one_will_do),
        cmocka_unit_test(a_place_is_one_offset),
        cmocka_unit_test(what_was_kept_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
