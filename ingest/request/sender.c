#include "ingest/request/sender.h"

#include "ingest/request/refusals.h"

#include "common/base/clock.h"

bool sender_find_webhook(struct request *r)
{
    r->source = registry_by_slug(r->worker->snapshot, r->route.slug);
    if (r->source == NULL) {
        request_refuse_credential(
            r, "unknown_source", "unknown_source",
            "no source has this name in its webhook's URL: compare it with "
            "backstitch-ingest source list");
    }
    return r->source != NULL;
}

bool sender_find_sdk(struct request *r, struct view write_key, bool is_last_place)
{
    if (write_key.len > 0) {
        r->source = registry_by_write_key(r->worker->snapshot, write_key);
        r->auth = AUTH_KEY;
    }
    if (r->source != NULL || (write_key.len == 0 && !is_last_place)) {
        return true;
    }
    if (write_key.len > 0) {
        request_refuse_credential(r, "unauthorized", "unknown_write_key",
                                  "this write key belongs to no source: take it from "
                                  "backstitch-ingest source show");
    } else {
        request_refuse_credential(
            r, "unauthorized", "no_write_key",
            "a write key is needed: as Basic user name, or as writeKey in the body or "
            "query");
    }
    return false;
}

/* False: answered. */
static bool passes(struct request *r, enum credentials_verdict verdict)
{
    switch (verdict) {
    case CREDENTIALS_OK:
        refusals_accepted(r->refusals, r->source->slug, clock_mono_ms());
        return true;
    case CREDENTIALS_MISSING:
        request_refuse_credential(r, "unauthorized", "missing",
                                  "a credential is needed: the source's token as "
                                  "'Authorization: Bearer <token>', or its shared secret "
                                  "set in Segment");
        return false;
    case CREDENTIALS_WRONG_TOKEN:
        request_refuse_credential(r, "unauthorized", "wrong_token",
                                  "the token is not this source's: compare it with "
                                  "backstitch-ingest source show");
        return false;
    case CREDENTIALS_WRONG_SIGNATURE:
        request_refuse_credential(r, "unauthorized", "wrong_signature",
                                  "the signature does not fit: compare the shared secret "
                                  "in Segment with backstitch-ingest source show");
        return false;
    case CREDENTIALS_STALE_SIGNATURE:
        request_refuse_credential(r, "unauthorized", "stale_signature",
                                  "the signature is older than 5 minutes: check the "
                                  "sender's clock");
        return false;
    case CREDENTIALS_UNCHECKED_SIGNATURE:
        request_refuse_credential(
            r, "unauthorized", "unchecked_signature",
            "the body is too large for its signature to be checked: "
            "send smaller batches, or raise INGEST_MAX_BODY_BYTES");
        return false;
    }
    return false;
}

bool sender_judge_webhook(struct request *r, struct view body, struct view first)
{
    return passes(r, credentials_judge(r->source, &r->credentials, body, first,
                                       r->http->received_at_ms, &r->auth));
}

bool sender_judge_beginning(struct request *r, struct view first)
{
    return passes(
        r, credentials_judge_beginning(r->source, &r->credentials, first, &r->auth));
}

bool sender_is_known_by_head(const struct request *r)
{
    if (r->source == NULL) {
        return false;
    }
    return r->route.is_sdk || r->source->require == REQUIRE_NONE ||
           credentials_token_matches(r->source, &r->credentials) ||
           credentials_may_be_signed(r->source, &r->credentials);
}
