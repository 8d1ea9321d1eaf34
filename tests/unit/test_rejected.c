/* What _sdc_rejected keeps: reasons, ids, cut and blanked records, text that can be
 * stored. */
#include "loader/mapping/rejected.h"

#include "tests/support/mapping_bed.h"
#include "tests/support/mapping_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void the_edges_reason_detail_and_id_are_kept(void **state)
{
    struct mapping_bed *f = *state;
    struct record r = fixture_record(EVENT_REJECTED, view_cstr("{\"userId\":7}"));
    r.reason = view_cstr("event too large");
    r.detail = view_cstr("2000000 bytes, sha256 \xff");
    r.key = view_cstr("the-key");
    r.type = view_cstr("track");
    bed_map_record(f, &r, MAP_NORMAL);
    bed_assert_rejected(f, "event too large: 2000000 bytes, sha256 \\xff");
    assert_true(view_equal_cstr(f->result.rejected.message_id, "the-key"));
    assert_true(view_equal_cstr(f->result.rejected.user_id, "7"));
    assert_true(view_equal_cstr(f->result.rejected.table_name, "track"));

    r.reason = view_cstr("no word of ours");
    r.detail = view_of(NULL, 0);
    r.key = view_cstr("\xff");
    r.type = view_of(NULL, 0);
    bed_map_record(f, &r, MAP_NORMAL);
    bed_assert_rejected(f, "invalid record");
    assert_true(view_starts_with(f->result.rejected.message_id, view_cstr("sha256:")));
    assert_int_equal(f->result.rejected.table_name.len, 0);
}

static void only_what_a_size_limit_refused_is_cut(void **state)
{
    struct mapping_bed *f = *state;
    struct buf big;
    buf_init(&big, 0);
    while (big.len < 200000) {
        buf_add_cstr(&big, "\xC3\xB6");
    }
    struct record r = fixture_record(EVENT_REJECTED, buf_view(&big));
    struct map_rejected out;
    map_event_reject(f->mapper, &r, REJECT_NOT_JSON, view_of(NULL, 0), &f->arena, &out);
    assert_int_equal(out.record.len, big.len);
    map_event_reject(f->mapper, &r, REJECT_BODY_TOO_LARGE, view_of(NULL, 0), &f->arena,
                     &out);
    assert_int_equal(out.record.len, REJECT_KEPT_BYTES);
    buf_release(&big);
}

static void write_keys_of_a_whole_batch_are_blanked(void **state)
{
    struct mapping_bed *f = *state;
    static const struct {
        const char *sent;
        const char *kept;
    } cases[] = {
        { "{\"batch\":[{\"writeKey\":\"k1\",\"a\":1},{\"writeKey\" : "
          "\"k2\"}],\"writeKey\":\"k3\"}",
          "{\"batch\":[{\"writeKey\":\"\",\"a\":1},{\"writeKey\" : "
          "\"\"}],\"writeKey\":\"\"}" },
        { " [ {\"writeKey\":null} , 5, [{\"writeKey\":\"deep\"}] ] ",
          " [ {\"writeKey\":\"\"} , 5, [{\"writeKey\":\"deep\"}] ] " },
        { "{\"a\":\"writeKey\",\"b\":{\"writeKey\":\"k\"}}",
          "{\"a\":\"writeKey\",\"b\":{\"writeKey\":\"k\"}}" },
        { "\"writeKey\"", "\"writeKey\"" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct record r = fixture_record(EVENT_REJECTED, view_cstr(cases[i].sent));
        struct map_rejected out;
        map_event_reject(f->mapper, &r, REJECT_NOT_JSON, view_of(NULL, 0), &f->arena,
                         &out);
        if (!view_equal_cstr(out.record, cases[i].kept)) {
            fail_msg("%s became %.*s", cases[i].sent, VIEW_ARG(out.record));
        }
    }
}

static void a_record_without_any_header_can_be_rejected(void **state)
{
    struct mapping_bed *f = *state;
    struct record r;
    memset(&r, 0, sizeof(r));
    r.topic = EVENT_TRACK;
    struct map_rejected out;
    map_event_reject(f->mapper, &r, REJECT_INVALID_RECORD, view_cstr("no headers"),
                     &f->arena, &out);
    assert_true(view_equal_cstr(out.reason, "invalid record: no headers"));
    assert_true(view_starts_with(out.message_id, view_cstr("sha256:")));
    assert_int_equal(out.record.len, 0);
}

static void storable_text_is_utf8_without_nul(void **state)
{
    struct mapping_bed *f = *state;
    static const struct {
        const char *bytes;
        const char *text; /* NULL: as it is */
    } cases[] = {
        { "", NULL },
        { "abc", NULL },
        { "\xC3\xB6 \xE6\x95\xB0 \xF0\x9F\x98\x80 \xF4\x8F\xBF\xBF \xEF\xBF\xBE", NULL },
        { "\x80", "\\x80" },
        { "a\xC3", "a\\xc3" },
        { "\xC0\x80", "\\xc0\\x80" },
        { "\xC1\xBF", "\\xc1\\xbf" },
        { "\xE0\x9F\xBF", "\\xe0\\x9f\\xbf" },
        { "\xED\xA0\x80", "\\xed\\xa0\\x80" },
        { "\xED\x9F\xBF", NULL },
        { "\xF0\x8F\xBF\xBF", "\\xf0\\x8f\\xbf\\xbf" },
        { "\xF4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
        { "\xF5\x80\x80\x80", "\\xf5\\x80\\x80\\x80" },
        { "\xFE\xFF", "\\xfe\\xff" },
        { "\xE2\x82x", "\\xe2\\x82x" },
        { "\\xff", NULL },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct view sent = view_cstr(cases[i].bytes);
        const char *expected = cases[i].text == NULL ? cases[i].bytes : cases[i].text;
        assert_true(view_equal_cstr(rejected_storable(sent, &f->arena), expected));
        assert_int_equal(rejected_is_storable(sent), cases[i].text == NULL);
    }
    assert_true(
        view_equal_cstr(rejected_storable(view_of("a\0b", 3), &f->arena), "a\\x00b"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_edges_reason_detail_and_id_are_kept),
        TEST(only_what_a_size_limit_refused_is_cut),
        TEST(write_keys_of_a_whole_batch_are_blanked),
        TEST(a_record_without_any_header_can_be_rejected),
        TEST(storable_text_is_utf8_without_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
