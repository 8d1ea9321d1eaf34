#include "ingest/request/signature.h"

#include "common/base/ascii.h"
#include "common/base/parse.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <string.h>

#define MAX_AGE_MS INT64_C(300000) /* 5 minutes */

/* ---- hex ---- */

/* Exactly `size` bytes as hex, in either case. */
static bool decode_hex(struct view hex, unsigned char *out, size_t size)
{
    if (hex.len != size * 2) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        int high = ascii_hex_digit(hex.data[2 * i]);
        int low = ascii_hex_digit(hex.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

/* ---- Segment's: SHA-1 ---- */

bool signature_matches_sha1(struct view hex, const char *secret, struct view bytes)
{
    unsigned char given[SHA_DIGEST_LENGTH];
    unsigned char ours[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    return secret[0] != '\0' && decode_hex(hex, given, sizeof given) &&
           HMAC(EVP_sha1(), secret, (int)strlen(secret),
                (const unsigned char *)bytes.data, bytes.len, ours, &len) != NULL &&
           len == sizeof given && CRYPTO_memcmp(given, ours, sizeof given) == 0;
}

/* ---- ours: SHA-256 with a time ---- */

/* "t=SECONDS,v1=HEX" cut in two. */
static bool split_header(struct view header, struct view *out_seconds,
                         struct view *out_hex)
{
    const char *comma = header.len == 0 ? NULL : memchr(header.data, ',', header.len);
    if (comma == NULL || !view_starts_with(header, view_cstr("t="))) {
        return false;
    }
    size_t at = (size_t)(comma - header.data);
    struct view second = view_trim(view_skip(header, at + 1));
    *out_seconds = view_of(header.data + 2, at - 2);
    if (!view_starts_with(second, view_cstr("v1="))) {
        return false;
    }
    *out_hex = view_skip(second, 3);
    return true;
}

/* HMAC-SHA256 of "SECONDS.BODY", which never stands in one piece: a body may be 20 MiB.
 */
static bool digest_sha256(const char *secret, struct view seconds, struct view body,
                          unsigned char out[SHA256_DIGEST_LENGTH])
{
    size_t len = SHA256_DIGEST_LENGTH;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(
        EVP_PKEY_HMAC, NULL, (const unsigned char *)secret, strlen(secret));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_done = key != NULL && context != NULL &&
                   EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                   EVP_DigestSignUpdate(context, seconds.data, seconds.len) == 1 &&
                   EVP_DigestSignUpdate(context, ".", 1) == 1 &&
                   EVP_DigestSignUpdate(context, body.data, body.len) == 1 &&
                   EVP_DigestSignFinal(context, out, &len) == 1 &&
                   len == SHA256_DIGEST_LENGTH;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return is_done;
}

enum signature_verdict signature_judge_sha256(struct view header, const char *secret,
                                              struct view body, int64_t now_ms)
{
    struct view seconds;
    struct view hex;
    uint64_t at = 0;
    struct error err;
    unsigned char given[SHA256_DIGEST_LENGTH];
    unsigned char ours[SHA256_DIGEST_LENGTH];
    if (secret[0] == '\0' || !split_header(header, &seconds, &hex) ||
        !parse_u64(seconds, &at, &err) || at > INT64_MAX / 2000 ||
        !decode_hex(hex, given, sizeof given) ||
        !digest_sha256(secret, seconds, body, ours) ||
        CRYPTO_memcmp(given, ours, sizeof given) != 0) {
        return SIGNATURE_WRONG;
    }
    int64_t age = now_ms - (int64_t)at * 1000;
    return age > MAX_AGE_MS || age < -MAX_AGE_MS ? SIGNATURE_STALE : SIGNATURE_VALID;
}

/* ---- tokens ---- */

/* Not by digests: two of them were 6 % of a single event's CPU, to hide a length that our
 * own credentials share anyway. */
bool signature_equal_secret(const char *a, const char *b)
{
    size_t len = strlen(a);
    return strlen(b) == len && CRYPTO_memcmp(a, b, len) == 0;
}
