/* The write key in a body that is no JSON. */
#include "ingest/events/loose_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *body, *key;
} cases[] = {
    { "{\"batch\":[,{\"type\":\"track\"}],\"writeKey\":\"k1\"}", "k1" },
    { "{\"batch\":[,{\"writeKey\":\"item\"}],\"writeKey\" : \"k1\",\"sentAt\":\"", "k1" },
    { "{\"writeKey\":\"k1\",\"batch\":[{\"type\":", "k1" },
    { "{\"writeKey\":\n\t\"k1\"", "k1" },
    { "{\"writeKey\":\"k1\"},{\"writeKey\":\"cut of", "k1" },
    { "{\"writeKey\":\"k1\"},{\"writeKey\":null}", "k1" },
    { "\"writeKey\":\"\"", "" },
    { "\"writeKey\":\"a\\u0062\"", "" },
    { "{\"text\":\"\\\"writeKey\\\":\\\"forged\\\"\"}", "" },
    { "{\"writekey\":\"k1\"}", "" },
    { "{\"writeKey\"", "" },
    { "\"writeKey\":", "" },
    { "\"writeKey\":\"", "" },
    { "", "" },
};

static void the_last_plain_one_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct view key = loose_key_find(view_cstr(cases[i].body));
        if (!view_equal_cstr(key, cases[i].key)) {
            fail_msg("%s: %.*s", cases[i].body, VIEW_ARG(key));
        }
    }
}

static void bytes_that_are_no_text_do_no_harm(void **state)
{
    (void)state;
    static const struct view body =
        VIEW_LITERAL("\0\xff\"writeKey\"\0:\"k\"\"writeKey\":\"k2\"\0");
    assert_true(view_equal_cstr(loose_key_find(body), "k2"));
    assert_int_equal(loose_key_find(view_of(NULL, 0)).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_plain_one_is_found),
        cmocka_unit_test(bytes_that_are_no_text_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
