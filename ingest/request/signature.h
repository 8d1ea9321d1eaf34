/* signature: keyed digests over bodies, and comparison in constant time.
 *
 * Wraps OpenSSL's libcrypto; pure, any thread. Digests are compared as bytes, after their
 * hex was read strictly (either case), so that nothing about ours leaks through timing.
 * An empty secret matches nothing. When OpenSSL cannot compute (out of memory), nothing
 * matches.
 */
#ifndef INGEST_REQUEST_SIGNATURE_H
#define INGEST_REQUEST_SIGNATURE_H

#include "common/base/view.h"

#include <stdbool.h>
#include <stdint.h>

/* X-Signature: 40 hex digits, HMAC-SHA1(secret, bytes) (senders.md, 1.4). */
bool signature_matches_sha1(struct view hex, const char *secret, struct view bytes);

enum signature_verdict { SIGNATURE_VALID, SIGNATURE_WRONG, SIGNATURE_STALE };

/* X-Backstitch-Signature: "t=SECONDS,v1=HEX", HMAC-SHA256(secret, "SECONDS.BODY"), at
 * most 5 minutes from `now_ms` in either direction. STALE only when it is right but for
 * its time. */
enum signature_verdict signature_judge_sha256(struct view header, const char *secret,
                                              struct view body, int64_t now_ms);

/* True when equal; takes the same time wherever they differ. Only whether they are
 * equally long shows, and how long a token of ours is stands in its documentation. */
bool signature_equal_secret(const char *a, const char *b);

#endif
