#include "common/contract/reject_reason.h"

#include <openssl/sha.h>

#include <stdio.h>

static const char *const texts[] = {
    [REJECT_NOT_JSON] = "not json",
    [REJECT_NOT_AN_OBJECT] = "not an object",
    [REJECT_INVALID_UTF8] = "invalid utf-8",
    [REJECT_TOO_DEEP] = "too deep",
    [REJECT_TOO_MANY_KEYS] = "too many keys",
    [REJECT_EVENT_TOO_LARGE] = "event too large",
    [REJECT_BODY_TOO_LARGE] = "body too large",
    [REJECT_CONTEXT_TOO_LARGE] = "context too large",
    [REJECT_FORM_ENCODED_BODY] = "form-encoded body",
    [REJECT_UNKNOWN_EVENT_TYPE] = "unknown event type",
    [REJECT_DELETE_NOT_ALLOWED] = "delete not allowed here",
    [REJECT_DELETE_WITHOUT_USER] = "delete without user",
    [REJECT_INVALID_RECORD] = "invalid record",
    [REJECT_BY_DATABASE] = "refused by database",
    [REJECT_CONSTRAINT] = "constraint",
};

const char *reject_reason_text(enum reject_reason reason)
{
    return texts[reason];
}

enum reject_reason reject_reason_parse(struct view text)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (view_equal_cstr(text, texts[i])) {
            return (enum reject_reason)i;
        }
    }
    return REJECT_INVALID_RECORD;
}

enum reject_reason reject_reason_of_fault(enum json_fault_kind fault)
{
    switch (fault) {
    case JSON_NOT_UTF8:
        return REJECT_INVALID_UTF8;
    case JSON_TOO_DEEP:
        return REJECT_TOO_DEEP;
    case JSON_TOO_MANY_KEYS:
        return REJECT_TOO_MANY_KEYS;
    case JSON_OK:
    case JSON_NOT_JSON:
        break;
    }
    return REJECT_NOT_JSON;
}

void reject_reason_describe_cut(const char *detail, struct view value,
                                char out[REJECT_DETAIL_BYTES])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    SHA256((const unsigned char *)value.data, value.len, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    /* The digest must not be what a long detail pushes out. */
    snprintf(out, REJECT_DETAIL_BYTES, "%.200s%s%zu bytes, sha256 %s", detail,
             detail[0] == '\0' ? "" : "; ", value.len, hex);
}
