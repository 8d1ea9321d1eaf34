#include "ingest/sender.h"

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

void sender_refuse_missing(struct visit *v)
{
    visit_refuse_credential(
        v, "unauthorized", "missing",
        "a credential is needed: the source's token as 'Authorization: Bearer <token>', "
        "or its shared secret set in Segment");
}

bool sender_judge_webhook(struct visit *v, struct view body, struct view first)
{
    switch (credentials_judge(v->source, &v->credentials, body, first,
                              v->request->received_at_ms, &v->auth)) {
    case CREDENTIALS_OK:
        return true;
    case CREDENTIALS_MISSING:
        sender_refuse_missing(v);
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
    }
    return false;
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
