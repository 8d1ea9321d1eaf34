/* Which request lines are ours, as interface.md, section 3 lists them. */
#include "ingest/request/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena; /* what is normalised; emptied by the last test */

static struct route find(const char *method, const char *path)
{
    return route_find(view_cstr(method), route_normalise(view_cstr(path), &arena));
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
        /* A host that was configured with a slash at its end; absolute-form targets. */
        check_sdk(&sdk_cases[i], "//v1/", "");
        check_sdk(&sdk_cases[i], "//", "//");
        check_sdk(&sdk_cases[i], "/v1///", "///");
        check_sdk(&sdk_cases[i], "http://in.example.org/v1/", "");
        check_sdk(&sdk_cases[i], "HTTPS://other.example:8443//v1/", "/");
        check_sdk(&sdk_cases[i], "/%76%31/", "");
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
        { "//webhook//s//t//", "s", "t" },
        { "/webhook//t", "t", "" },
        { "/web%68ook/%73%2d1/%54ok%2Fen%20", "s-1", "Tok%2Fen%20" },
        { "http://h/webhook/s/t", "s", "t" },
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

struct get_case {
    const char *path;
    enum route_kind kind;
    enum event_type type;
    const char *key;
};

static const struct get_case get_cases[] = {
    { "/v1/projects/k1/settings", ROUTE_SETTINGS, EVENT_TRACK, "k1" },
    { "/projects/k1/settings/", ROUTE_SETTINGS, EVENT_TRACK, "k1" },
    { "//v1//projects//k1//settings", ROUTE_SETTINGS, EVENT_TRACK, "k1" },
    { "/v1/pixel/track", ROUTE_PIXEL, EVENT_TRACK, "" },
    { "/pixel/identify", ROUTE_PIXEL, EVENT_IDENTIFY, "" },
    { "/v1/pixel/page", ROUTE_PIXEL, EVENT_PAGE, "" },
    { "/v1/pixel/screen", ROUTE_PIXEL, EVENT_SCREEN, "" },
    { "/v1/pixel/group", ROUTE_PIXEL, EVENT_GROUP, "" },
    { "/v1/pixel/alias", ROUTE_PIXEL, EVENT_ALIAS, "" },
};

static void test_head_is_where_get_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof get_cases / sizeof get_cases[0]; i++) {
        const struct get_case *c = &get_cases[i];
        static const char *const right[] = { "GET", "HEAD" };
        for (size_t m = 0; m < 2; m++) {
            struct route r = find(right[m], c->path);
            assert_int_equal(r.kind, c->kind);
            assert_int_equal(r.type, c->type);
            assert_true(view_equal_cstr(r.key, c->key));
            assert_true(r.is_sdk);
        }
        assert_int_equal(find("OPTIONS", c->path).kind, ROUTE_OPTIONS);
        assert_int_equal(find("POST", c->path).kind, ROUTE_WRONG_METHOD);
        assert_string_equal(find("DELETE", c->path).allow, "GET, HEAD, OPTIONS");
    }
}

static void test_options_of_the_whole_server(void **state)
{
    (void)state;
    struct route r = find("OPTIONS", "*");
    assert_int_equal(r.kind, ROUTE_OPTIONS);
    assert_string_equal(r.allow, "GET, HEAD, POST, PUT, PATCH, OPTIONS");
    assert_int_equal(find("POST", "*").kind, ROUTE_NOT_FOUND);
}

static void test_paths_are_normalised_and_no_more(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *normal;
    } cases[] = {
        { "/v1/track", "/v1/track" },
        { "/v1/track/", "/v1/track" },
        { "/", "/" },
        { "//", "/" },
        { "", "" },
        { "*", "*" },
        { "///a///b///", "/a/b" },
        { "/%74%72ack", "/track" },
        { "/%2f", "/%2f" },         /* a slash that separates nothing */
        { "/%25%37%34", "/%2574" }, /* once, not twice */
        { "/%7", "/%7" },
        { "/%zz%", "/%zz%" },
        { "/%00", "/%00" },
        { "/%C3%A9", "/%C3%A9" },
        { "/%2E%2e/%5f%7E", "/../_~" },
        { "http://h", "/" },
        { "http://h:80/a", "/a" },
        { "https://h//a//", "/a" },
        { "HtTp://h/a", "/a" },
        { "http:/h/a", "http:/h/a" },
        { "ftp://h/a", "ftp:/h/a" },
        { "http://", "/" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct view normal = route_normalise(view_cstr(cases[i].sent), &arena);
        if (!view_equal_cstr(normal, cases[i].normal)) {
            fail_msg("%s: %.*s", cases[i].sent, VIEW_ARG(normal));
        }
    }
}

static void check_unknown(const char *method, const char *path)
{
    struct route r = find(method, path);
    bool is_webhook = strstr(path, "/webhook") == path;
    if (r.kind != ROUTE_NOT_FOUND || r.is_sdk == is_webhook || r.allow != NULL) {
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
        "/v1",
        "/v1/",
        "/v1/v1/track",
        "/v2/track",
        "/v1track",
        "/V1/track",
        "/v1/Track",
        "/v1/trac",
        "/v1/tracks",
        "/v1/track/x",
        "/v1%2Ftrack",
        "/v1/delete",
        "/v1/pixel",
        "/v1/pixel/delete",
        "/v1/pixel/track/x",
        "/v1/projects/settings",
        "/v1/projects//settings",
        "/v1/projects/k/setting",
        "/v1/webhook/s",
        "/webhook",
        "/webhook/",
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
        cmocka_unit_test(test_head_is_where_get_is),
        cmocka_unit_test(test_options_of_the_whole_server),
        cmocka_unit_test(test_paths_are_normalised_and_no_more),
        cmocka_unit_test(test_everything_else_is_unknown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
