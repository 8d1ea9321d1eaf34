/* An event out of an image's address. */
#include "ingest/request/pixel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct good_case {
    const char *query, *plain;
};

/* {"a":"?>~"} has both characters in which the alphabets differ. */
static const struct good_case good[] = {
    { "data=eyJhIjoxfQ==", "{\"a\":1}" },
    { "data=eyJhIjoxfQ", "{\"a\":1}" },
    { "data=eyJhIjoxfQ=", "{\"a\":1}" },
    { "data=eyJhIjoxfQ%3D%3D", "{\"a\":1}" },
    { "data=eyJhIjoxfQ%3d", "{\"a\":1}" },
    { "x=y&data=eyJhIjoxfQ&z=", "{\"a\":1}" },
    { "data=eyJhIjoiPz5+In0=", "{\"a\":\"?>~\"}" },
    { "data=eyJhIjoiPz5-In0", "{\"a\":\"?>~\"}" },
    { "data=eyJhIjoiPz5%2BIn0%3D", "{\"a\":\"?>~\"}" },
    { "data=eyJhIjoiPz5%20In0=", "{\"a\":\"?>~\"}" }, /* '+' that became a space */
    { "data=Pz8/Pw==", "????" },
    { "data=Pz8_Pw", "????" },
    { "data=QQ", "A" },
    { "data=QUI", "AB" },
    { "data=QUJD", "ABC" },
};

static void everything_that_senders_make_of_base64_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct buf out = { 0 };
        struct error err;
        if (!pixel_decode(view_cstr(good[i].query), &out, &err)) {
            fail_msg("%s: %s", good[i].query, err.text);
        }
        assert_string_equal(buf_cstr(&out), good[i].plain);
        buf_release(&out);
    }
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "data",      "data=",    "dat=QQ==",    "xdata=QQ", "data=Q",
        "data=QQ==Q", "data=Q===", "data=QQ*", "data=%7B%7D", "data={}",  "data=QUJDQ"
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf out = { 0 };
        struct error err;
        if (pixel_decode(view_cstr(bad[i]), &out, &err)) {
            fail_msg("%s was taken", bad[i]);
        }
        assert_int_equal(err.class, ERROR_INVALID);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_senders_make_of_base64_is_read),
        cmocka_unit_test(what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
