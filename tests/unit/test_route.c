/* Which request lines are ours, as interface.md, section 3 lists them. */
#include "ingest/request/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct route find(const char *method, const char *path)
{
    return route_find(view_cstr(method), view_cstr(path));
}

struct sdk_case {
    const char *name;
    enum route_kind kind;
    enum event_type type;
};

static const struct sdk_case sdk_cases[] = {
    { "identify", ROUTE_EVENT, EVENT_IDENTIFY },
    { "track", ROUTE_EVENT, EVENT_TRACK },
    { "page", ROUTE_EVENT, EVENT_PAGE },
    { "screen", ROUTE_EVENT, EVENT_SCREEN },
    { "group", ROUTE_EVENT, EVENT_GROUP },
    { "alias", ROUTE_EVENT, EVENT_ALIAS },
    { "i", ROUTE_EVENT, EVENT_IDENTIFY },
    { "t", ROUTE_EVENT, EVENT_TRACK },
    { "p", ROUTE_EVENT, EVENT_PAGE },
    { "s", ROUTE_EVENT, EVENT_SCREEN },
    { "g", ROUTE_EVENT, EVENT_GROUP },
    { "a", ROUTE_EVENT, EVENT_ALIAS },
    { "batch", ROUTE_BATCH, EVENT_TRACK },
    { "import", ROUTE_BATCH, EVENT_TRACK },
    { "b", ROUTE_BATCH, EVENT_TRACK },
    { "m", ROUTE_METRICS, EVENT_TRACK },
};

static void check_wrong_method(const char *method, const char *path)
{
    struct route r = find(method, path);
    if (r.kind != ROUTE_WRONG_METHOD || !r.is_sdk) {
        fail_msg("'%s' %s: kind %d", method, path, (int)r.kind);
    }
    assert_string_equal(r.allow, "POST, OPTIONS");
}

static void check_sdk(const struct sdk_case *c, const char *prefix, const char *suffix)
{
    static const char *const wrong[] = { "GET",  "HEAD", "PUT",   "PATCH", "DELETE",
                                         "post", "",     "POST,", ", " };
    char path[64];
    snprintf(path, sizeof path, "%s%s%s", prefix, c->name, suffix);
    struct route r = find("POST", path);
    if (r.kind != c->kind || r.type != c->type || !r.is_sdk) {
        fail_msg("POST %s: kind %d, type %d", path, (int)r.kind, (int)r.type);
    }
    assert_int_equal(find("OPTIONS", path).kind, ROUTE_OPTIONS);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        check_wrong_method(wrong[i], path);
    }
}

static void test_sdk_routes_with_and_without_version_and_slash(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sdk_cases / sizeof sdk_cases[0]; i++) {
        check_sdk(&sdk_cases[i], "/v1/", "");
        check_sdk(&sdk_cases[i], "/", "");
        check_sdk(&sdk_cases[i], "/v1/", "/");
        check_sdk(&sdk_cases[i], "/", "/");
    }
}

static void test_webhooks_with_and_without_token(void **state)
{
    (void)state;
    static const struct {
        const char *path, *slug, *token;
    } cases[] = {
        { "/webhook/stitch-segment", "stitch-segment", "" },
        { "/webhook/stitch-segment/", "stitch-segment", "" },
        { "/webhook/s/tok.en_-%2F", "s", "tok.en_-%2F" },
        { "/webhook/s/t/", "s", "t" },
        { "/webhook/webhook/webhook", "webhook", "webhook" },
        { "/webhook/*/*", "*", "*" },
    };
    static const char *const methods[] = { "POST", "PUT", "PATCH" };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t m = 0; m < 3; m++) {
            struct route r = find(methods[m], cases[i].path);
            assert_int_equal(r.kind, ROUTE_WEBHOOK);
            assert_true(view_equal_cstr(r.slug, cases[i].slug));
            assert_true(view_equal_cstr(r.token, cases[i].token));
            assert_false(r.is_sdk);
        }
        static const char *const wrong[] = { "GET", "HEAD", "DELETE", "OPTIONS", "PAT" };
        for (size_t m = 0; m < sizeof wrong / sizeof wrong[0]; m++) {
            struct route r = find(wrong[m], cases[i].path);
            assert_int_equal(r.kind, ROUTE_WRONG_METHOD);
            assert_string_equal(r.allow, "POST, PUT, PATCH");
            assert_false(r.is_sdk);
        }
    }
}

static void check_unknown(const char *method, const char *path)
{
    struct route r = find(method, path);
    if (r.kind != ROUTE_NOT_FOUND || r.is_sdk || r.allow != NULL) {
        fail_msg("%s '%s': kind %d", method, path, (int)r.kind);
    }
}

static void test_everything_else_is_unknown(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",
        "/",
        "//",
        "*",
        "/v1",
        "/v1/",
        "/v1//track",
        "//v1/track",
        "/v1/track//",
        "/v1/v1/track",
        "/v2/track",
        "/v1track",
        "/V1/track",
        "/v1/Track",
        "/v1/trac",
        "/v1/tracks",
        "/v1/track/x",
        "/v1/%74rack",
        "/v1/delete",
        "/v1/webhook/s",
        "/webhook",
        "/webhook/",
        "/webhook//",
        "/webhook//t",
        "/webhook/s//",
        "/webhook/s//t",
        "/webhook/s/t/u",
        "/webhooks/s",
        "/healthz",
        "/../v1/track",
        "/v1/./track",
        "v1/track",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        check_unknown("POST", paths[i]);
        check_unknown("GET", paths[i]);
        check_unknown("OPTIONS", paths[i]);
    }
    assert_int_equal(route_find(view_of(NULL, 0), view_of(NULL, 0)).kind,
                     ROUTE_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sdk_routes_with_and_without_version_and_slash),
        cmocka_unit_test(test_webhooks_with_and_without_token),
        cmocka_unit_test(test_everything_else_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
