/* What clients are told before they send. */
#include "ingest/request/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SETTINGS(members)                                                                \
    "{\"integrations\":{\"Segment.io\":{" members "}},\"plan\":{},\"metrics\":{"         \
    "\"sampleRate\":0}}"

static void the_host_is_the_public_url_alone(void **state)
{
    (void)state;
    static const struct {
        const char *url, *document;
    } cases[] = {
        { "https://in.example.org",
          SETTINGS("\"apiKey\":\"k\",\"apiHost\":\"in.example.org/v1\"") },
        { "https://in.example.org//",
          SETTINGS("\"apiKey\":\"k\",\"apiHost\":\"in.example.org/v1\"") },
        { "https://in.example.org:8443/seg/",
          SETTINGS("\"apiKey\":\"k\",\"apiHost\":\"in.example.org:8443/seg/v1\"") },
        { "http://localhost:8080",
          SETTINGS("\"apiKey\":\"k\",\"apiHost\":\"localhost:8080/v1\",\"protocol\":"
                   "\"http\"") },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = { 0 };
        settings_add(cases[i].url, view_cstr("k"), &out);
        assert_string_equal(buf_cstr(&out), cases[i].document);
        buf_release(&out);
    }
}

static void a_key_stays_a_text(void **state)
{
    (void)state;
    struct buf out = { 0 };
    settings_add("https://h", view_cstr("k\"\\"), &out);
    assert_string_equal(buf_cstr(&out),
                        SETTINGS("\"apiKey\":\"k\\\"\\\\\",\"apiHost\":\"h/v1\""));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_is_the_public_url_alone),
        cmocka_unit_test(a_key_stays_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
