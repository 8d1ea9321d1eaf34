#include "ingest/request/sender.h"

bool sender_find_webhook(struct visit *v)
{
    v->source = registry_by_slug(v->snapshot, v->route.slug);
    if (v->source == NULL) {
        visit_refuse_credential(
            v, "unknown_source", "unknown_source",
            "no source has this name in its webhook's URL: compare it with "
            "backstitch-ingest source list");
    }
    return v->source != NULL;
}

bool sender_find_sdk(struct visit *v, struct view write_key, bool is_last_place)
{
    if (write_key.len > 0) {
        v->source = registry_by_write_key(v->snapshot, write_key);
        v->auth = AUTH_KEY;
    }
    if (v->source != NULL || (write_key.len == 0 && !is_last_place)) {
        return true;
    }
    if (write_key.len > 0) {
        visit_refuse_credential(v, "unauthorized", "unknown_write_key",
                                "this write key belongs to no source: take it from "
                                "backstitch-ingest source show");
    } else {
        visit_refuse_credential(
            v, "unauthorized", "no_write_key",
            "a write key is needed: as Basic user name, or as writeKey in the body or "
            "query");
    }
    return false;
}

/* False: answered. */
static bool passes(struct visit *v, enum credentials_verdict verdict)
{
    switch (verdict) {
    case CREDENTIALS_OK:
        return true;
    case CREDENTIALS_MISSING:
        visit_refuse_credential(v, "unauthorized", "missing",
                                "a credential is needed: the source's token as "
                                "'Authorization: Bearer <token>', or its shared secret "
                                "set in Segment");
        return false;
    case CREDENTIALS_WRONG_TOKEN:
        visit_refuse_credential(v, "unauthorized", "wrong_token",
                                "the token is not this source's: compare it with "
                                "backstitch-ingest source show");
        return false;
    case CREDENTIALS_WRONG_SIGNATURE:
        visit_refuse_credential(v, "unauthorized", "wrong_signature",
                                "the signature does not fit: compare the shared secret "
                                "in Segment with backstitch-ingest source show");
        return false;
    case CREDENTIALS_STALE_SIGNATURE:
        visit_refuse_credential(v, "unauthorized", "stale_signature",
                                "the signature is older than 5 minutes: check the "
                                "sender's clock");
        return false;
    case CREDENTIALS_UNCHECKED_SIGNATURE:
        visit_refuse_credential(v, "unauthorized", "unchecked_signature",
                                "the body is too large for its signature to be checked: "
                                "send smaller batches, or raise INGEST_MAX_BODY_BYTES");
        return false;
    }
    return false;
}

bool sender_judge_webhook(struct visit *v, struct view body, struct view first)
{
    return passes(v, credentials_judge(v->source, &v->credentials, body, first,
                                       v->request->received_at_ms, &v->auth));
}

bool sender_judge_beginning(struct visit *v, struct view first)
{
    return passes(
        v, credentials_judge_beginning(v->source, &v->credentials, first, &v->auth));
}

bool sender_is_known_by_head(const struct visit *v)
{
    if (v->source == NULL) {
        return false;
    }
    return v->route.is_sdk || v->source->require == REQUIRE_NONE ||
           credentials_token_matches(v->source, &v->credentials) ||
           credentials_may_be_signed(v->source, &v->credentials);
}
