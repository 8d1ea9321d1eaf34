/* Names of columns: every vector of mapping.md, section 2, and the edges around them. */
#include "loader/mapping/column_name.h"

#include "common/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct name_case {
    const char *key;
    const char *segment;
};

static const struct name_case segments[] = {
    { "messageId", "message_id" },
    { "userID", "user_id" },
    { "2FA Enabled", "2fa_enabled" },
    { "lk0B@bFmjrLQ_Z6YL", "lk0_b_b_fmjr_lq_z6yl" },
    { "Order Completed", "order_completed" },
    { "_metadata", "metadata" },
    { "samPLE text", "sam_ple_text" },
    { "CStringRef", "cstring_ref" },
    { "test5", "test5" },
    { "THE5r", "the5r" },
    { "utm__source", "utm_source" },
    { "Gr\xC3\xB6\xC3\x9F"
      "e",
      "gr\xC3\xB6\xC3\x9F"
      "e" },
    { "\xE6\x95\xB0\xE9\x87\x8F", "\xE6\x95\xB0\xE9\x87\x8F" },
    { "", "x00000000" },
    { "!!!", NULL }, /* checked against the checksum itself */
    /* more than the document lists */
    { "Previous ID", "previous_id" },
    { "User ID", "user_id" },
    { "a", "a" },
    { "A", "a" },
    { "aB", "a_b" },
    { "AB", "ab" },
    { "ABc", "abc" },
    { "aBC", "a_bc" },
    { "a1B2", "a1_b2" },
    { "1", "1" },
    { "1a", "1a" },
    { "5Test", "5test" },
    { "A1b", "a1b" },
    { "__a__", "a" },
    { "a-b.c/d", "a_b_c_d" },
    { "$revenue", "revenue" },
    { "_sdc_extra", "sdc_extra" },
    { "_sdc_sequence", "sdc_sequence" },
    { "\xC3\x84"
      "B",
      "\xC3\x84_b" }, /* only ASCII is lowered; a capital umlaut is a lower-case letter */
    { "\";DROP TABLE x;--", "drop_table_x" },
    { "select", "select" },
    { "a\tb\nc", "a_b_c" },
};

static struct view segment_of(struct buf *out, struct view key)
{
    buf_clear(out);
    column_name_add_segment(out, key);
    return buf_view(out);
}

static void keys_give_the_segments_of_the_contract(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
        char expected[64];
        if (segments[i].segment == NULL) {
            (void)snprintf(expected, sizeof(expected), "x%08x",
                           (unsigned)crc32c(view_cstr(segments[i].key)));
        } else {
            (void)snprintf(expected, sizeof(expected), "%s", segments[i].segment);
        }
        struct view actual = segment_of(&out, view_cstr(segments[i].key));
        if (!view_equal_cstr(actual, expected)) {
            fail_msg("'%s' gives '%.*s', not '%s'", segments[i].key, VIEW_ARG(actual),
                     expected);
        }
    }
    buf_release(&out);
}

static void a_nul_separates_words(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    assert_true(view_equal_cstr(segment_of(&out, view_of("a\0b", 3)), "a_b"));
    assert_true(view_equal_cstr(segment_of(&out, view_of("\0", 1)), "x527d5351"));
    buf_release(&out);
}

static void a_segment_is_never_empty_and_never_begins_with_an_underscore(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            const char key[] = { (char)a, (char)b };
            struct view segment = segment_of(&out, view_of(key, 2));
            assert_true(segment.len > 0);
            assert_true(segment.data[0] != '_');
            assert_true(segment.data[segment.len - 1] != '_');
        }
    }
    buf_release(&out);
}

static void a_segment_is_its_own_segment(void **state)
{
    (void)state;
    struct buf first;
    struct buf second;
    buf_init(&first, 0);
    buf_init(&second, 0);
    for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
        struct view once = segment_of(&first, view_cstr(segments[i].key));
        struct view twice = segment_of(&second, once);
        /* "user_id" again, but for digits beside letters, which a new word may begin with
         */
        assert_true(view_equal(once, twice));
    }
    buf_release(&first);
    buf_release(&second);
}

struct finish_case {
    const char *joined;
    const char *path;
    const char *name; /* NULL: the cut form, checked by its parts */
};

static const struct finish_case finished[] = {
    { "properties__total", "properties.total", "properties__total" },
    { "ctid", "ctid", NULL },
    { "xmin", "xmin", NULL },
    { "xmax", "xmax", NULL },
    { "cmin", "cmin", NULL },
    { "cmax", "cmax", NULL },
    { "tableoid", "tableoid", NULL },
    { "a__ctid", "a.ctid", "a__ctid" },
    { "oid", "oid", "oid" },
    { "a__st", "a.st", NULL },
    { "a_st", "a_st", "a_st" },
    { "st", "st", "st" },
    { "a__st__b", "a.st.b", "a__st__b" },
};

static void reserved_names_are_marked_with_the_paths_checksum(void **state)
{
    (void)state;
    struct buf name;
    buf_init(&name, 0);
    for (size_t i = 0; i < sizeof(finished) / sizeof(finished[0]); i++) {
        const struct finish_case *c = &finished[i];
        char expected[80];
        if (c->name != NULL) {
            (void)snprintf(expected, sizeof(expected), "%s", c->name);
        } else {
            (void)snprintf(expected, sizeof(expected), "%s_%08x", c->joined,
                           (unsigned)crc32c(view_cstr(c->path)));
        }
        buf_clear(&name);
        buf_add_cstr(&name, c->joined);
        column_name_finish(&name, view_cstr(c->path));
        assert_string_equal(buf_cstr(&name), expected);
    }
    buf_release(&name);
}

static void names_are_cut_only_beyond_59_bytes_and_never_inside_a_character(void **state)
{
    (void)state;
    struct buf name;
    buf_init(&name, 0);
    for (size_t ascii = 0; ascii < 4; ascii++) {
        for (size_t letters = 1; letters < 40; letters++) {
            buf_clear(&name);
            for (size_t i = 0; i < ascii; i++) {
                buf_add_char(&name, 'a');
            }
            for (size_t i = 0; i < letters; i++) {
                buf_add_cstr(&name, "\xE6\x95\xB0");
            }
            size_t whole = name.len;
            column_name_finish(&name, view_cstr("p"));
            if (whole <= COLUMN_NAME_MAX_BYTES) {
                assert_int_equal(name.len, whole);
                continue;
            }
            size_t kept = name.len - 9;
            assert_true(kept <= COLUMN_NAME_KEPT_BYTES &&
                        kept > COLUMN_NAME_KEPT_BYTES - 3);
            assert_int_equal((kept - ascii) % 3, 0);
            assert_int_equal(name.data[kept], '_');
        }
    }
    buf_release(&name);
}

static void paths_escape_dots_and_replace_nul(void **state)
{
    (void)state;
    struct buf path;
    buf_init(&path, 0);
    column_name_add_path(&path, view_cstr("a.b"));
    buf_add_char(&path, '.');
    column_name_add_path(&path, view_of("c\0d", 3));
    buf_add_char(&path, '.');
    column_name_add_path(&path, view_cstr("e\\f \"g\""));
    assert_string_equal(buf_cstr(&path), "a\\.b.c\xEF\xBF\xBD"
                                         "d.e\\f \"g\"");
    buf_release(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_give_the_segments_of_the_contract),
        cmocka_unit_test(a_nul_separates_words),
        cmocka_unit_test(a_segment_is_never_empty_and_never_begins_with_an_underscore),
        cmocka_unit_test(a_segment_is_its_own_segment),
        cmocka_unit_test(reserved_names_are_marked_with_the_paths_checksum),
        cmocka_unit_test(names_are_cut_only_beyond_59_bytes_and_never_inside_a_character),
        cmocka_unit_test(paths_escape_dots_and_replace_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
