#include "ingest/request/credentials.h"

#include "ingest/request/signature.h"

#include "common/base/ascii.h"

#include <openssl/evp.h>

#include <string.h>

/* ---- reading ---- */

/* Copies a credential; one that is too long or holds a NUL is none of ours. */
static bool take(char out[CREDENTIALS_MAX_BYTES], struct view value)
{
    bool is_fine = value.len > 0 && value.len < CREDENTIALS_MAX_BYTES &&
                   memchr(value.data, '\0', value.len) == NULL;
    if (is_fine) {
        memcpy(out, value.data, value.len);
        out[value.len] = '\0';
    }
    return is_fine;
}

/* How many bytes the '=' at the end stand for, at most two; -1 when they stand elsewhere,
 * which OpenSSL would take. */
static int padding_of(struct view encoded)
{
    const char *first = encoded.len == 0 ? NULL : memchr(encoded.data, '=', encoded.len);
    if (first == NULL) {
        return 0;
    }
    const char *end = encoded.data + encoded.len;
    return end - first == 1 || (end - first == 2 && first[1] == '=') ? (int)(end - first)
                                                                     : -1;
}

/* The user name of Basic credentials; the colon may be missing (senders.md, 2.1). */
static bool take_basic(char out[CREDENTIALS_MAX_BYTES], struct view encoded)
{
    unsigned char plain[CREDENTIALS_MAX_BYTES];
    int padding = padding_of(encoded);
    if (encoded.len == 0 || encoded.len > CREDENTIALS_MAX_BYTES || encoded.len % 4 != 0 ||
        padding < 0) {
        return false;
    }
    int len =
        EVP_DecodeBlock(plain, (const unsigned char *)encoded.data, (int)encoded.len);
    if (len < 3) {
        return false;
    }
    /* EVP_DecodeBlock counts padding as bytes. */
    struct view text = view_of((const char *)plain, (size_t)(len - padding));
    const char *colon = memchr(text.data, ':', text.len);
    return take(out,
                colon == NULL ? text : view_of(text.data, (size_t)(colon - text.data)));
}

/* The rest of an Authorization header behind its scheme; false for another scheme. */
static bool scheme_is(struct view authorization, const char *scheme,
                      struct view *out_rest)
{
    size_t len = strlen(scheme);
    if (authorization.len <= len || authorization.data[len] != ' ' ||
        !view_equal_ignore_case(view_of(authorization.data, len), scheme)) {
        return false;
    }
    *out_rest = view_trim(view_skip(authorization, len));
    return true;
}

/* Percent-decodes a part of a path or query. */
static bool take_decoded(char out[CREDENTIALS_MAX_BYTES], struct view encoded)
{
    unsigned char plain[CREDENTIALS_MAX_BYTES];
    size_t len = 0;
    while (encoded.len > 0 && len < sizeof plain) {
        int byte = ascii_percent_byte(encoded);
        plain[len++] = (unsigned char)(byte < 0 ? encoded.data[0] : byte);
        encoded = view_skip(encoded, byte < 0 ? 1 : 3);
    }
    return take(out, view_of((const char *)plain, len));
}

struct view credentials_query_value(struct view query, const char *name)
{
    size_t name_len = strlen(name);
    while (query.len > 0) {
        const char *amp = memchr(query.data, '&', query.len);
        size_t len = amp == NULL ? query.len : (size_t)(amp - query.data);
        if (len > name_len && query.data[name_len] == '=' &&
            memcmp(query.data, name, name_len) == 0) {
            return view_of(query.data + name_len + 1, len - name_len - 1);
        }
        query = view_skip(query, amp == NULL ? len : len + 1);
    }
    return view_of(NULL, 0);
}

static void read_tokens(const struct credentials_head *head, struct credentials *out)
{
    struct view rest;
    bool is_taken = false;
    if (scheme_is(head->authorization, "Bearer", &rest)) {
        is_taken = take(out->tokens[0], rest);
    } else if (scheme_is(head->authorization, "Basic", &rest)) {
        is_taken = take_basic(out->tokens[0], rest);
    }
    out->token_count += is_taken ? 1 : 0;
    out->token_count += take(out->tokens[out->token_count], head->api_key) ? 1 : 0;
    out->token_count +=
        take_decoded(out->tokens[out->token_count], head->path_token) ? 1 : 0;
}

static void read_write_key(const struct credentials_head *head, struct credentials *out)
{
    struct view rest;
    if (!scheme_is(head->authorization, "Basic", &rest) ||
        !take_basic(out->write_key, rest)) {
        take_decoded(out->write_key, credentials_query_value(head->query, "writeKey"));
    }
}

void credentials_parse(const struct credentials_head *head, struct credentials *out)
{
    out->token_count = 0;
    out->write_key[0] = '\0';
    out->signature = head->signature;
    out->backstitch_signature = head->backstitch_signature;
    if (head->is_webhook) {
        read_tokens(head, out);
    } else {
        read_write_key(head, out);
    }
}

void credentials_read(const struct http_exchange *e, const struct http_request *request,
                      const struct route *route, struct credentials *out)
{
    struct credentials_head head = { .is_webhook = route->kind == ROUTE_WEBHOOK,
                                     .path_token = route->token,
                                     .query = request->query };
    (void)http_header(e, "Authorization", &head.authorization);
    (void)http_header(e, "X-Api-Key", &head.api_key);
    (void)http_header(e, "X-Signature", &head.signature);
    (void)http_header(e, "X-Backstitch-Signature", &head.backstitch_signature);
    credentials_parse(&head, out);
}

/* ---- judging ---- */

bool credentials_token_matches(const struct source *source,
                               const struct credentials *credentials)
{
    bool matches = false;
    for (unsigned i = 0; i < source->tokens.count; i++) {
        for (unsigned j = 0; j < credentials->token_count; j++) {
            matches |=
                source->tokens.values[i][0] != '\0' &&
                signature_equal_secret(source->tokens.values[i], credentials->tokens[j]);
        }
    }
    return matches;
}

bool credentials_may_be_signed(const struct source *source,
                               const struct credentials *credentials)
{
    return source->secrets.count > 0 &&
           (credentials->signature.len > 0 || credentials->backstitch_signature.len > 0);
}

/* What was found of each kind of credential. */
struct findings {
    bool has_token, token_is_valid;
    bool has_signature, is_whole, is_first, is_stale;
};

static struct findings find_token(const struct source *source,
                                  const struct credentials *c)
{
    struct findings f = { .has_token = c->token_count > 0,
                          .token_is_valid = credentials_token_matches(source, c),
                          .has_signature =
                              c->signature.len > 0 || c->backstitch_signature.len > 0 };
    return f;
}

/* True when X-Signature is over these bytes. */
static bool is_signed(const struct source *source, const struct credentials *c,
                      struct view bytes)
{
    bool matches = false;
    for (unsigned i = 0; i < source->secrets.count && c->signature.len > 0; i++) {
        matches |= signature_matches_sha1(c->signature, source->secrets.values[i], bytes);
    }
    return matches;
}

static void find_own_signature(const struct source *source, const struct credentials *c,
                               struct view body, int64_t now_ms, struct findings *f)
{
    for (unsigned i = 0; i < source->secrets.count && c->backstitch_signature.len > 0;
         i++) {
        enum signature_verdict verdict = signature_judge_sha256(
            c->backstitch_signature, source->secrets.values[i], body, now_ms);
        f->is_whole |= verdict == SIGNATURE_VALID;
        f->is_stale |= verdict == SIGNATURE_STALE;
    }
}

static enum credentials_verdict failure_of(const struct findings *f)
{
    if (f->is_stale) {
        return CREDENTIALS_STALE_SIGNATURE;
    }
    if (f->has_signature) {
        return CREDENTIALS_WRONG_SIGNATURE;
    }
    return f->has_token ? CREDENTIALS_WRONG_TOKEN : CREDENTIALS_MISSING;
}

/* The failure of the token, or of the signature, when just that is required. */
static enum credentials_verdict one_of(bool is_valid, bool was_given,
                                       enum credentials_verdict wrong)
{
    if (is_valid) {
        return CREDENTIALS_OK;
    }
    return was_given ? wrong : CREDENTIALS_MISSING;
}

static enum credentials_verdict judge(const struct source *source,
                                      const struct findings *f)
{
    bool signature_is_valid = f->is_whole || f->is_first;
    enum credentials_verdict token =
        one_of(f->token_is_valid, f->has_token, CREDENTIALS_WRONG_TOKEN);
    enum credentials_verdict signature =
        one_of(signature_is_valid, f->has_signature,
               f->is_stale ? CREDENTIALS_STALE_SIGNATURE : CREDENTIALS_WRONG_SIGNATURE);
    switch (source->require) {
    case REQUIRE_NONE:
        return CREDENTIALS_OK;
    case REQUIRE_TOKEN:
        return token;
    case REQUIRE_SIGNATURE:
        return signature;
    case REQUIRE_ALL:
        if (source->tokens.count > 0 && token != CREDENTIALS_OK) {
            return token;
        }
        return source->secrets.count > 0 ? signature : token;
    case REQUIRE_ANY:
        break;
    }
    return signature_is_valid || f->token_is_valid ? CREDENTIALS_OK : failure_of(f);
}

/* What was found becomes a verdict and, when that is OK, the strongest credential. */
static enum credentials_verdict conclude(const struct source *source,
                                         const struct findings *f,
                                         enum record_auth *out_auth)
{
    enum credentials_verdict verdict = judge(source, f);
    if (verdict == CREDENTIALS_OK) {
        *out_auth = f->is_whole         ? AUTH_SIGNATURE
                    : f->token_is_valid ? AUTH_TOKEN
                    : f->is_first       ? AUTH_SIGNATURE_FIRST
                                        : AUTH_NONE;
    }
    return verdict;
}

enum credentials_verdict credentials_judge(const struct source *source,
                                           const struct credentials *credentials,
                                           struct view body, struct view first,
                                           int64_t now_ms, enum record_auth *out_auth)
{
    struct findings f = find_token(source, credentials);
    f.is_whole = is_signed(source, credentials, body);
    f.is_first = first.len > 0 && is_signed(source, credentials, first);
    find_own_signature(source, credentials, body, now_ms, &f);
    return conclude(source, &f, out_auth);
}

enum credentials_verdict
credentials_judge_beginning(const struct source *source,
                            const struct credentials *credentials, struct view first,
                            enum record_auth *out_auth)
{
    struct findings f = find_token(source, credentials);
    f.is_first = first.len > 0 && is_signed(source, credentials, first);
    enum credentials_verdict verdict = conclude(source, &f, out_auth);
    return verdict == CREDENTIALS_WRONG_SIGNATURE && source->secrets.count > 0
               ? CREDENTIALS_UNCHECKED_SIGNATURE
               : verdict;
}
