/* credentials: what a request brings to prove itself, and whether it does (interface.md,
 * section 3).
 *
 * Webhooks: X-Signature (hex HMAC-SHA1 over the body, or over the first element of a
 * batch), X-Backstitch-Signature (HMAC-SHA256 with a time, whole body), a token as
 * Bearer, Basic user name, X-Api-Key, or in the path. SDK routes: a write key as Basic
 * user name or in the query; the one in the body is read by the caller. A gateway may add
 * an Authorization of its own, so every token that a request brings is tried. Secrets are
 * compared in constant time. Pure but for OpenSSL.
 */
#ifndef INGEST_REQUEST_CREDENTIALS_H
#define INGEST_REQUEST_CREDENTIALS_H

#include "ingest/http/http_exchange.h"
#include "ingest/registry/source.h"
#include "ingest/request/route.h"

#include "common/contract/record.h"

#define CREDENTIALS_MAX_BYTES 512 /* a longer token or key is no credential of ours */
#define CREDENTIALS_MAX_TOKENS 3  /* Authorization, X-Api-Key, path */

struct credentials {
    char tokens[CREDENTIALS_MAX_TOKENS][CREDENTIALS_MAX_BYTES];
    unsigned token_count;
    char write_key[CREDENTIALS_MAX_BYTES]; /* "" when none: Basic user or query */
    struct view signature;                 /* X-Signature, borrowed from the exchange */
    struct view backstitch_signature;      /* X-Backstitch-Signature, likewise */
};

/* The parts of a request that may hold credentials, as sent; empty where absent. */
struct credentials_head {
    bool is_webhook;
    struct view authorization, api_key, signature, backstitch_signature;
    struct view path_token, query;
};

/* The value of a query's parameter, as sent; empty when absent. */
struct view credentials_query_value(struct view query, const char *name);

/* Reads the credentials out of a head's parts. What is malformed counts as absent. */
void credentials_parse(const struct credentials_head *head, struct credentials *out);

/* The same for a request. */
void credentials_read(const struct http_exchange *e, const struct http_request *request,
                      const struct route *route, struct credentials *out);

/* True when one of the tokens is one of the source's. */
bool credentials_token_matches(const struct source *source,
                               const struct credentials *credentials);

/* True when a signature is there, and the source has a secret it might be made with:
 * nothing is proved before the body was read. */
bool credentials_may_be_signed(const struct source *source,
                               const struct credentials *credentials);

enum credentials_verdict {
    CREDENTIALS_OK,
    CREDENTIALS_MISSING,
    CREDENTIALS_WRONG_TOKEN,
    CREDENTIALS_WRONG_SIGNATURE,
    CREDENTIALS_STALE_SIGNATURE,     /* X-Backstitch-Signature older than 5 minutes */
    CREDENTIALS_UNCHECKED_SIGNATURE, /* it may cover what was not read */
};

/* Judges a webhook request by what its source requires. `body` is the raw body; `first`
 * the first event's exact bytes when the body is a batch, else empty. *out_auth (set when
 * OK) is the strongest valid credential: a signature over the whole body, a token, a
 * signature over the first event, none. */
enum credentials_verdict credentials_judge(const struct source *source,
                                           const struct credentials *credentials,
                                           struct view body, struct view first,
                                           int64_t now_ms, enum record_auth *out_auth);

/* The same when only a body's beginning is there: no signature over the whole counts, for
 * it cannot be checked, and anyone can send one that fits nothing. */
enum credentials_verdict
credentials_judge_beginning(const struct source *source,
                            const struct credentials *credentials, struct view first,
                            enum record_auth *out_auth);

#endif
