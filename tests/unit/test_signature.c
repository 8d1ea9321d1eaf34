/* Signatures are checked over raw bytes, strictly (vectors: senders.md, 1.4). */
#include "ingest/request/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define E1                                                                               \
    "{\"type\":\"track\",\"messageId\":\"m-1\",\"userId\":\"u1\",\"event\":"             \
    "\"Caf\xc3\xa9\",\"properties\":{\"n\":1e+21}}"
#define E2 "{\"type\":\"page\",\"messageId\":\"m-2\",\"anonymousId\":\"a1\"}"
#define SIGNATURE_E1 "f88011c949fd2dbe13ac244460823b320083fe07"
#define SIGNATURE_BATCH "29d7e72dcbbeee27da1ed786cc0802915383895e"

static bool matches(const char *hex, const char *secret, const char *bytes)
{
    return signature_matches_sha1(view_cstr(hex), secret, view_cstr(bytes));
}

static void assert_no_match(const char *hex, const char *secret, const char *bytes)
{
    if (matches(hex, secret, bytes)) {
        fail_msg("'%s' matched '%s' under '%s'", hex, bytes, secret);
    }
}

static void test_the_vectors_of_the_senders(void **state)
{
    (void)state;
    assert_int_equal(strlen(E1), 89);
    assert_true(matches(SIGNATURE_E1, "s3cr3t", E1));
    assert_true(matches(SIGNATURE_BATCH, "s3cr3t", "[" E1 "," E2 "]"));
    assert_true(matches("F88011C949FD2DBE13AC244460823B320083FE07", "s3cr3t", E1));
    assert_true(matches("f88011c949FD2dbe13ac244460823B320083fe07", "s3cr3t", E1));
}

static void test_anything_else_does_not_match(void **state)
{
    (void)state;
    static const struct {
        const char *hex, *secret, *bytes;
    } cases[] = {
        { SIGNATURE_E1, "s3cr3t", "[" E1 "," E2 "]" },
        { SIGNATURE_BATCH, "s3cr3t", E1 },
        { SIGNATURE_E1, "s3cr3T", E1 },
        { SIGNATURE_E1, "s3cr3t ", E1 },
        { SIGNATURE_E1, "", E1 },
        { SIGNATURE_E1, "s3cr3t", E1 " " },
        { SIGNATURE_E1, "s3cr3t", "" },
        { "", "s3cr3t", E1 },
        { "f88011c949fd2dbe13ac244460823b320083fe0", "s3cr3t", E1 },
        { "f88011c949fd2dbe13ac244460823b320083fe07a", "s3cr3t", E1 },
        { "f88011c949fd2dbe13ac244460823b320083fe0700", "s3cr3t", E1 },
        { "f88011c949fd2dbe13ac244460823b320083fe08", "s3cr3t", E1 },
        { "g88011c949fd2dbe13ac244460823b320083fe07", "s3cr3t", E1 },
        { "\x10"
          "88011c949fd2dbe13ac244460823b320083fe07",
          "s3cr3t", E1 },
        { " 88011c949fd2dbe13ac244460823b320083fe07", "s3cr3t", E1 },
        { "0xf88011c949fd2dbe13ac244460823b320083fe", "s3cr3t", E1 },
        { "sha1=f88011c949fd2dbe13ac244460823b320083f", "s3cr3t", E1 },
        /* HMAC-SHA1 of nothing with an empty key: anyone can compute it. */
        { "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d", "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_no_match(cases[i].hex, cases[i].secret, cases[i].bytes);
    }
}

static void test_bytes_may_hold_nul(void **state)
{
    (void)state;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    HMAC(EVP_sha1(), "k", 1, (const unsigned char *)"a\0b", 3, digest, &len);
    for (unsigned i = 0; i < len; i++) {
        snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
    }
    assert_true(signature_matches_sha1(view_cstr(hex), "k", view_of("a\0b", 3)));
    assert_false(signature_matches_sha1(view_cstr(hex), "k", view_of("a", 1)));
}

/* HMAC-SHA256("s3cr3t", "1700000000." E1), made with Python's hmac. */
#define V1 "22994a74f38be409ab537028d2e56268a1fedb4c2a1265f096f8f90a6d69644f"
#define NOW_MS 1700000000000
#define FIVE_MINUTES_MS 300000

static enum signature_verdict judge(const char *header, int64_t now_ms)
{
    return signature_judge_sha256(view_cstr(header), "s3cr3t", view_cstr(E1), now_ms);
}

static void assert_wrong(const char *header)
{
    if (judge(header, NOW_MS) != SIGNATURE_WRONG) {
        fail_msg("'%s'", header);
    }
}

static void test_a_signature_of_ours_lives_five_minutes_both_ways(void **state)
{
    (void)state;
    static const struct {
        int64_t age_ms;
        enum signature_verdict verdict;
    } cases[] = {
        { 0, SIGNATURE_VALID },
        { FIVE_MINUTES_MS, SIGNATURE_VALID },
        { -FIVE_MINUTES_MS, SIGNATURE_VALID },
        { FIVE_MINUTES_MS + 1, SIGNATURE_STALE },
        { -FIVE_MINUTES_MS - 1, SIGNATURE_STALE },
        { 86400000, SIGNATURE_STALE },
        { -NOW_MS, SIGNATURE_STALE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(judge("t=1700000000,v1=" V1, NOW_MS + cases[i].age_ms),
                         cases[i].verdict);
    }
    assert_int_equal(judge("t=1700000000, v1=" V1, NOW_MS), SIGNATURE_VALID);
}

static void test_a_malformed_signature_of_ours_is_wrong(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "",
        "t=",
        ",",
        "t=1700000000",
        "t=1700000000,",
        "t=1700000000,v1=",
        "v1=" V1,
        "v1=" V1 ",t=1700000000",
        "t=,v1=" V1,
        "t=1700000001,v1=" V1,
        "t=-1700000000,v1=" V1,
        "t=+1700000000,v1=" V1,
        "t= 1700000000,v1=" V1,
        "t=01700000000,v1=" V1,
        "t=1700000000000,v1=" V1,
        "t=18446744073709551615,v1=" V1,
        "t=9223372036854775807,v1=" V1,
        "t=1700000000,v0=" V1,
        "t=1700000000,v1=" V1 "0",
        "t=1700000000,v1=" V1 ",v1=" V1,
        "t=1700000000,v1="
        "0000000000000000000000000000000000000000000000000000000000000000",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        assert_wrong(headers[i]);
    }
    const char *good = "t=1700000000,v1=" V1;
    assert_int_equal(
        signature_judge_sha256(view_cstr(good), "other", view_cstr(E1), NOW_MS),
        SIGNATURE_WRONG);
    assert_int_equal(signature_judge_sha256(view_cstr(good), "", view_cstr(E1), NOW_MS),
                     SIGNATURE_WRONG);
    assert_int_equal(
        signature_judge_sha256(view_cstr(good), "s3cr3t", view_cstr(E2), NOW_MS),
        SIGNATURE_WRONG);
}

static void test_secrets_are_equal_only_when_they_are(void **state)
{
    (void)state;
    assert_true(signature_equal_secret("abc", "abc"));
    assert_false(signature_equal_secret("abc", "abd"));
    assert_false(signature_equal_secret("abc", "ab"));
    assert_false(signature_equal_secret("abc", ""));
    assert_false(signature_equal_secret("abc", "ABC"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vectors_of_the_senders),
        cmocka_unit_test(test_anything_else_does_not_match),
        cmocka_unit_test(test_bytes_may_hold_nul),
        cmocka_unit_test(test_a_signature_of_ours_lives_five_minutes_both_ways),
        cmocka_unit_test(test_a_malformed_signature_of_ours_is_wrong),
        cmocka_unit_test(test_secrets_are_equal_only_when_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
