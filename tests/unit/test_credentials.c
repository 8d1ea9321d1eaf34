/* What counts as a credential, and which requests it opens (interface.md, section 3;
 * architecture.md, section 7). */
#include "ingest/request/credentials.h"

#include "common/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- reading ---- */

struct read_case {
    const char *authorization, *api_key, *path_token, *query;
    const char *tokens[CREDENTIALS_MAX_TOKENS]; /* expected of a webhook */
    const char *write_key;                      /* expected of an SDK route */
};

static void check_read(const struct read_case *c)
{
    struct credentials found;
    struct credentials_head head = { .is_webhook = true,
                                     .authorization = view_cstr(c->authorization),
                                     .api_key = view_cstr(c->api_key),
                                     .path_token = view_cstr(c->path_token),
                                     .query = view_cstr(c->query) };
    credentials_parse(&head, &found);
    unsigned expected = 0;
    while (expected < CREDENTIALS_MAX_TOKENS && c->tokens[expected] != NULL) {
        expected++;
    }
    if (found.token_count != expected) {
        fail_msg("'%s' '%s' '%s': %u tokens", c->authorization, c->api_key, c->path_token,
                 found.token_count);
    }
    for (unsigned i = 0; i < expected; i++) {
        assert_string_equal(found.tokens[i], c->tokens[i]);
    }
    assert_string_equal(found.write_key, "");
    head.is_webhook = false;
    credentials_parse(&head, &found);
    assert_string_equal(found.write_key, c->write_key == NULL ? "" : c->write_key);
    assert_int_equal(found.token_count, 0);
}

static const struct read_case read_cases[] = {
    { .tokens = { NULL } },
    { .authorization = "Bearer tok", .tokens = { "tok" } },
    { .authorization = "bearer   tok", .tokens = { "tok" } },
    { .authorization = "Bearer" },
    { .authorization = "Bearer " },
    { .authorization = "Bearertok" },
    { .authorization = "Token tok" },
    { .authorization = "tok" },
    /* "a:", "a", "a:b", "user:with:colons", ":x", "" */
    { .authorization = "Basic YTo=", .tokens = { "a" }, .write_key = "a" },
    { .authorization = "Basic YQ==", .tokens = { "a" }, .write_key = "a" },
    { .authorization = "BASIC YTpi", .tokens = { "a" }, .write_key = "a" },
    { .authorization = "Basic dXNlcjp3aXRoOmNvbG9ucw==",
      .tokens = { "user" },
      .write_key = "user" },
    { .authorization = "Basic Ong=" },
    { .authorization = "Basic " },
    { .authorization = "Basic =" },
    { .authorization = "Basic ==" },
    { .authorization = "Basic ====" },
    { .authorization = "Basic Y===" },
    { .authorization = "Basic Y" },
    { .authorization = "Basic YQ" },
    { .authorization = "Basic !!!!" },
    { .authorization = "Basic YTo=YTo=" },
    { .authorization = "Basic AAAA" }, /* NULs */
    { .authorization = "Basic YQBi" }, /* a, NUL, b */
    { .api_key = "tok", .tokens = { "tok" } },
    { .path_token = "tok", .tokens = { "tok" } },
    { .path_token = "t%6Fk%2f", .tokens = { "tok/" } },
    { .path_token = "t%", .tokens = { "t%" } },
    { .path_token = "t%6", .tokens = { "t%6" } },
    { .path_token = "t%zz", .tokens = { "t%zz" } },
    { .path_token = "t%00k" },
    /* A gateway's own header does not hide the token. */
    { .authorization = "Bearer of-gateway",
      .api_key = "two",
      .path_token = "three",
      .tokens = { "of-gateway", "two", "three" } },
    { .authorization = "Basic ====", .path_token = "three", .tokens = { "three" } },
    { .query = "writeKey=k", .write_key = "k" },
    { .query = "a=b&writeKey=k%2B&c", .write_key = "k+" },
    { .query = "writeKey=&writeKey=k" },
    { .query = "xwriteKey=k" },
    { .query = "writekey=k" },
    { .query = "writeKey" },
    { .query = "&&=&writeKey=k&", .write_key = "k" },
    { .authorization = "Basic YTo=",
      .query = "writeKey=k",
      .tokens = { "a" },
      .write_key = "a" },
    { .authorization = "Bearer oauth",
      .query = "writeKey=k",
      .tokens = { "oauth" },
      .write_key = "k" },
};

static void test_where_credentials_may_stand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof read_cases / sizeof read_cases[0]; i++) {
        check_read(&read_cases[i]);
    }
}

/* The longest credential fits, a longer one is none. */
static void test_credentials_that_are_too_long(void **state)
{
    (void)state;
    static const size_t lengths[] = { 511, 512, 513, 1535, 4096 };
    char text[4096];
    memset(text, 'A', sizeof text);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct credentials found;
        struct view value = view_of(text, lengths[i]);
        struct credentials_head head = { .is_webhook = true,
                                         .api_key = value,
                                         .path_token = value };
        credentials_parse(&head, &found);
        assert_int_equal(found.token_count, lengths[i] == 511 ? 2 : 0);
    }
}

/* 512 bytes of base64 are a user name of 384. */
static void test_basic_credentials_that_are_too_long(void **state)
{
    (void)state;
    static const size_t lengths[] = { 512, 516, 4096 };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct credentials found;
        struct buf text = { 0 };
        buf_add_cstr(&text, "Basic ");
        while (text.len < 6 + lengths[i]) {
            buf_add_char(&text, 'Y');
        }
        struct credentials_head head = { .authorization = buf_view(&text) };
        credentials_parse(&head, &found);
        assert_int_equal(strlen(found.write_key), lengths[i] == 512 ? 384 : 0);
        buf_release(&text);
    }
}

/* ---- judging: vectors of senders.md, 1.4 ---- */

#define E1                                                                               \
    "{\"type\":\"track\",\"messageId\":\"m-1\",\"userId\":\"u1\",\"event\":"             \
    "\"Caf\xc3\xa9\",\"properties\":{\"n\":1e+21}}"
#define E2 "{\"type\":\"page\",\"messageId\":\"m-2\",\"anonymousId\":\"a1\"}"
#define BATCH "[" E1 "," E2 "]"
#define WRAPPED "[{\"json\":" E1 "},{\"json\":" E2 "}]"
#define SIGNATURE_E1 "f88011c949fd2dbe13ac244460823b320083fe07"
#define SIGNATURE_BATCH "29d7e72dcbbeee27da1ed786cc0802915383895e"
#define NO_SIGNATURE "0000000000000000000000000000000000000000"
/* HMAC-SHA256("s3cr3t", "1700000000." E1) */
#define OURS                                                                             \
    "t=1700000000,v1=22994a74f38be409ab537028d2e56268a1fedb4c2a1265f096f8f90a6d69644f"
#define NOW_MS 1700000000000

static char new_token[] = "token-2";
static char old_token[] = "token-1";
static char new_secret[] = "s3cr3t";
static char old_secret[] = "older";
static char empty[] = "";

static struct source both(enum source_require require)
{
    return (struct source){
        .tokens = { .values = { old_token, new_token }, .count = 2 },
        .secrets = { .values = { old_secret, new_secret }, .count = 2 },
        .require = require,
    };
}

struct judge_case {
    enum source_require require;
    const char *token, *signature, *ours;
    const char *body, *first;
    enum credentials_verdict verdict;
    enum record_auth auth; /* when OK */
    int64_t age_ms;
};

static struct credentials read_case(const struct judge_case *c)
{
    struct credentials given;
    struct credentials_head head = { .is_webhook = true,
                                     .api_key = view_cstr(c->token),
                                     .signature = view_cstr(c->signature),
                                     .backstitch_signature = view_cstr(c->ours) };
    credentials_parse(&head, &given);
    return given;
}

static enum credentials_verdict judge(const struct source *source,
                                      const struct judge_case *c, enum record_auth *auth)
{
    struct credentials given = read_case(c);
    return credentials_judge(source, &given, view_cstr(c->body), view_cstr(c->first),
                             NOW_MS + c->age_ms, auth);
}

static void check_judge(const struct source *source, const struct judge_case *c,
                        size_t number)
{
    enum record_auth auth = AUTH_KEY; /* no webhook has it */
    enum credentials_verdict verdict = judge(source, c, &auth);
    enum record_auth expected = c->verdict == CREDENTIALS_OK ? c->auth : AUTH_KEY;
    if (verdict != c->verdict || auth != expected) {
        fail_msg("case %zu: verdict %d, auth %d", number, (int)verdict, (int)auth);
    }
}

#define CHECK_JUDGE(cases)                                                               \
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases)[0]; i++) {                      \
        struct source source = both((cases)[i].require);                                 \
        check_judge(&source, &(cases)[i], i);                                            \
    }

static void test_what_a_signature_covers_is_named(void **state)
{
    (void)state;
    static const struct judge_case cases[] = {
        { REQUIRE_ANY, NULL, SIGNATURE_E1, NULL, E1, NULL, CREDENTIALS_OK, AUTH_SIGNATURE,
          0 },
        { REQUIRE_ANY, NULL, SIGNATURE_E1, NULL, BATCH, E1, CREDENTIALS_OK,
          AUTH_SIGNATURE_FIRST, 0 },
        { REQUIRE_ANY, NULL, SIGNATURE_BATCH, NULL, BATCH, E1, CREDENTIALS_OK,
          AUTH_SIGNATURE, 0 },
        { REQUIRE_ANY, NULL, SIGNATURE_E1, NULL, WRAPPED, E1, CREDENTIALS_OK,
          AUTH_SIGNATURE_FIRST, 0 },
        { REQUIRE_ANY, NULL, SIGNATURE_E1, NULL, BATCH, E2, CREDENTIALS_WRONG_SIGNATURE,
          AUTH_NONE, 0 },
        { REQUIRE_ANY, NULL, SIGNATURE_E1, NULL, "[" E2 "," E1 "]", E2,
          CREDENTIALS_WRONG_SIGNATURE, AUTH_NONE, 0 },
        { REQUIRE_ANY, NULL, NULL, OURS, E1, NULL, CREDENTIALS_OK, AUTH_SIGNATURE, 0 },
        /* Ours is never over a first element alone. */
        { REQUIRE_ANY, NULL, NULL, OURS, BATCH, E1, CREDENTIALS_WRONG_SIGNATURE,
          AUTH_NONE, 0 },
        { REQUIRE_ANY, NULL, NULL, OURS, E1, NULL, CREDENTIALS_STALE_SIGNATURE, AUTH_NONE,
          300001 },
        { REQUIRE_ANY, NULL, SIGNATURE_E1, OURS, E1, NULL, CREDENTIALS_OK, AUTH_SIGNATURE,
          300001 },
    };
    CHECK_JUDGE(cases);
}

static void test_any_takes_one_valid_beside_invalid_ones(void **state)
{
    (void)state;
    static const struct judge_case cases[] = {
        { REQUIRE_ANY, NULL, NULL, NULL, E1, NULL, CREDENTIALS_MISSING, AUTH_NONE, 0 },
        { REQUIRE_ANY, "token-1", NULL, NULL, E1, NULL, CREDENTIALS_OK, AUTH_TOKEN, 0 },
        { REQUIRE_ANY, "token-2", NULL, NULL, E1, NULL, CREDENTIALS_OK, AUTH_TOKEN, 0 },
        { REQUIRE_ANY, "token-3", NULL, NULL, E1, NULL, CREDENTIALS_WRONG_TOKEN,
          AUTH_NONE, 0 },
        { REQUIRE_ANY, "token-", NULL, NULL, E1, NULL, CREDENTIALS_WRONG_TOKEN, AUTH_NONE,
          0 },
        { REQUIRE_ANY, "token-1", NO_SIGNATURE, NULL, E1, NULL, CREDENTIALS_OK,
          AUTH_TOKEN, 0 },
        { REQUIRE_ANY, "token-3", SIGNATURE_E1, NULL, E1, NULL, CREDENTIALS_OK,
          AUTH_SIGNATURE, 0 },
        { REQUIRE_ANY, "token-3", NO_SIGNATURE, NULL, E1, NULL,
          CREDENTIALS_WRONG_SIGNATURE, AUTH_NONE, 0 },
        /* The strongest valid one is named. */
        { REQUIRE_ANY, "token-1", SIGNATURE_E1, NULL, E1, NULL, CREDENTIALS_OK,
          AUTH_SIGNATURE, 0 },
        { REQUIRE_ANY, "token-1", SIGNATURE_E1, NULL, BATCH, E1, CREDENTIALS_OK,
          AUTH_TOKEN, 0 },
        { REQUIRE_ANY, "token-1", NULL, OURS, E1, NULL, CREDENTIALS_OK, AUTH_SIGNATURE,
          0 },
    };
    CHECK_JUDGE(cases);
}

static void test_what_else_a_source_may_require(void **state)
{
    (void)state;
    static const struct judge_case cases[] = {
        { REQUIRE_TOKEN, "token-1", NULL, NULL, E1, NULL, CREDENTIALS_OK, AUTH_TOKEN, 0 },
        { REQUIRE_TOKEN, "token-1", SIGNATURE_E1, NULL, E1, NULL, CREDENTIALS_OK,
          AUTH_SIGNATURE, 0 },
        { REQUIRE_TOKEN, NULL, SIGNATURE_E1, NULL, E1, NULL, CREDENTIALS_MISSING,
          AUTH_NONE, 0 },
        { REQUIRE_TOKEN, "x", SIGNATURE_E1, NULL, E1, NULL, CREDENTIALS_WRONG_TOKEN,
          AUTH_NONE, 0 },
        { REQUIRE_SIGNATURE, NULL, SIGNATURE_E1, NULL, E1, NULL, CREDENTIALS_OK,
          AUTH_SIGNATURE, 0 },
        { REQUIRE_SIGNATURE, NULL, SIGNATURE_E1, NULL, BATCH, E1, CREDENTIALS_OK,
          AUTH_SIGNATURE_FIRST, 0 },
        { REQUIRE_SIGNATURE, "token-1", NULL, NULL, E1, NULL, CREDENTIALS_MISSING,
          AUTH_NONE, 0 },
        { REQUIRE_SIGNATURE, "token-1", NO_SIGNATURE, NULL, E1, NULL,
          CREDENTIALS_WRONG_SIGNATURE, AUTH_NONE, 0 },
        { REQUIRE_SIGNATURE, "token-1", NULL, OURS, E1, NULL, CREDENTIALS_STALE_SIGNATURE,
          AUTH_NONE, 300001 },
        { REQUIRE_ALL, "token-1", SIGNATURE_E1, NULL, E1, NULL, CREDENTIALS_OK,
          AUTH_SIGNATURE, 0 },
        { REQUIRE_ALL, "token-1", NULL, NULL, E1, NULL, CREDENTIALS_MISSING, AUTH_NONE,
          0 },
        { REQUIRE_ALL, NULL, SIGNATURE_E1, NULL, E1, NULL, CREDENTIALS_MISSING, AUTH_NONE,
          0 },
        { REQUIRE_ALL, "x", SIGNATURE_E1, NULL, E1, NULL, CREDENTIALS_WRONG_TOKEN,
          AUTH_NONE, 0 },
        { REQUIRE_ALL, "token-1", NO_SIGNATURE, NULL, E1, NULL,
          CREDENTIALS_WRONG_SIGNATURE, AUTH_NONE, 0 },
        { REQUIRE_NONE, NULL, NULL, NULL, E1, NULL, CREDENTIALS_OK, AUTH_NONE, 0 },
        { REQUIRE_NONE, "x", NO_SIGNATURE, NULL, E1, NULL, CREDENTIALS_OK, AUTH_NONE, 0 },
        { REQUIRE_NONE, "token-2", NULL, NULL, E1, NULL, CREDENTIALS_OK, AUTH_TOKEN, 0 },
    };
    CHECK_JUDGE(cases);
}

/* `all` means all that the source has; what it lacks cannot be shown by anyone. */
static void test_sources_without_tokens_or_secrets(void **state)
{
    (void)state;
    struct judge_case token = { REQUIRE_ALL, "token-1",      NULL,       NULL, E1,
                                NULL,        CREDENTIALS_OK, AUTH_TOKEN, 0 };
    struct judge_case sign = { REQUIRE_ALL, NULL,           SIGNATURE_E1,   NULL, E1,
                               NULL,        CREDENTIALS_OK, AUTH_SIGNATURE, 0 };
    struct source tokens_only = both(REQUIRE_ALL);
    struct source secrets_only = both(REQUIRE_ALL);
    struct source nothing = both(REQUIRE_ALL);
    tokens_only.secrets.count = 0;
    secrets_only.tokens.count = 0;
    nothing.tokens.count = nothing.secrets.count = 0;
    check_judge(&tokens_only, &token, 0);
    check_judge(&secrets_only, &sign, 1);
    token.verdict = CREDENTIALS_MISSING;
    sign.verdict = CREDENTIALS_MISSING;
    check_judge(&secrets_only, &token, 2);
    check_judge(&tokens_only, &sign, 3);
    check_judge(&nothing, &sign, 4);
    token.verdict = CREDENTIALS_WRONG_TOKEN;
    check_judge(&nothing, &token, 5);
}

static void test_an_empty_token_or_secret_opens_nothing(void **state)
{
    (void)state;
    struct source source = { .tokens = { .values = { empty }, .count = 1 },
                             .secrets = { .values = { empty }, .count = 1 } };
    struct judge_case cases[] = {
        { REQUIRE_ANY, NULL, NULL, NULL, "", NULL, CREDENTIALS_MISSING, AUTH_NONE, 0 },
        /* HMAC-SHA1 of nothing with an empty key */
        { REQUIRE_ANY, NULL, "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d", NULL, "", NULL,
          CREDENTIALS_WRONG_SIGNATURE, AUTH_NONE, 0 },
    };
    check_judge(&source, &cases[0], 0);
    check_judge(&source, &cases[1], 1);
}

/* Of a body that is too large: a signature over what was not read proves nothing. */
static void test_a_beginning_is_judged_by_its_first_event_alone(void **state)
{
    (void)state;
    static const struct judge_case cases[] = {
        { REQUIRE_ANY, NULL, SIGNATURE_E1, NULL, NULL, E1, CREDENTIALS_OK,
          AUTH_SIGNATURE_FIRST, 0 },
        { REQUIRE_ANY, NULL, SIGNATURE_E1, NULL, NULL, E2,
          CREDENTIALS_UNCHECKED_SIGNATURE, AUTH_NONE, 0 },
        { REQUIRE_ANY, NULL, SIGNATURE_E1, NULL, NULL, NULL,
          CREDENTIALS_UNCHECKED_SIGNATURE, AUTH_NONE, 0 },
        { REQUIRE_ANY, NULL, NULL, OURS, NULL, E1, CREDENTIALS_UNCHECKED_SIGNATURE,
          AUTH_NONE, 0 },
        { REQUIRE_ANY, "token-1", NO_SIGNATURE, NULL, NULL, E1, CREDENTIALS_OK,
          AUTH_TOKEN, 0 },
        { REQUIRE_ANY, "x", NULL, NULL, NULL, E1, CREDENTIALS_WRONG_TOKEN, AUTH_NONE, 0 },
        { REQUIRE_ANY, NULL, NULL, NULL, NULL, E1, CREDENTIALS_MISSING, AUTH_NONE, 0 },
        { REQUIRE_ALL, "token-1", NULL, NULL, NULL, E1, CREDENTIALS_MISSING, AUTH_NONE,
          0 },
        { REQUIRE_ALL, "token-1", SIGNATURE_E1, NULL, NULL, E1, CREDENTIALS_OK,
          AUTH_TOKEN, 0 },
        { REQUIRE_NONE, NULL, NULL, NULL, NULL, E1, CREDENTIALS_OK, AUTH_NONE, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct judge_case *c = &cases[i];
        struct source source = both(c->require);
        struct credentials given = read_case(c);
        enum record_auth auth = AUTH_NONE;
        assert_int_equal(
            credentials_judge_beginning(&source, &given, view_cstr(c->first), &auth),
            c->verdict);
        assert_int_equal(auth, c->auth);
    }
}

static void test_only_a_signature_beside_a_secret_may_sign(void **state)
{
    (void)state;
    struct source source = both(REQUIRE_ANY);
    struct credentials given = { .signature = view_cstr("x") };
    assert_true(credentials_may_be_signed(&source, &given));
    given = (struct credentials){ .backstitch_signature = view_cstr("x") };
    assert_true(credentials_may_be_signed(&source, &given));
    source.secrets.count = 0;
    assert_false(credentials_may_be_signed(&source, &given));
    source.secrets.count = 1;
    given = (struct credentials){ .token_count = 0 };
    assert_false(credentials_may_be_signed(&source, &given));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_credentials_may_stand),
        cmocka_unit_test(test_credentials_that_are_too_long),
        cmocka_unit_test(test_basic_credentials_that_are_too_long),
        cmocka_unit_test(test_what_a_signature_covers_is_named),
        cmocka_unit_test(test_any_takes_one_valid_beside_invalid_ones),
        cmocka_unit_test(test_what_else_a_source_may_require),
        cmocka_unit_test(test_sources_without_tokens_or_secrets),
        cmocka_unit_test(test_an_empty_token_or_secret_opens_nothing),
        cmocka_unit_test(test_a_beginning_is_judged_by_its_first_event_alone),
        cmocka_unit_test(test_only_a_signature_beside_a_secret_may_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
