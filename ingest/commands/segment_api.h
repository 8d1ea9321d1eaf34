/* segment_api: what `source connect` does by Segment's Public API: the workspace's
 * sources listed, and a webhook destination made, mapped and switched on.
 *
 * Calls and members are those of the API's published description
 * (docs.segmentapis.com; the v1 and v1alpha models of its SDKs). Blocks while the API is
 * called; one thread. Errors: RETRY when the API does not answer or is busy, INVALID when
 * it refuses, with what it said.
 */
#ifndef INGEST_COMMANDS_SEGMENT_API_H
#define INGEST_COMMANDS_SEGMENT_API_H

#include "common/base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SEGMENT_API_URL "https://api.segmentapis.com"

struct segment_api;

/* A source as Segment knows it; its strings belong to the list. */
struct segment_source {
    char *id, *slug, *name;
    bool is_enabled;
};

struct segment_sources {
    struct segment_source *of;
    size_t count;
};

/* The webhook that Segment is to call. */
struct segment_webhook {
    const char *source_id;
    const char *name; /* of the destination: the same again finds it again */
    const char *url;
    const char *token;  /* sent as Authorization: Bearer; "": none */
    const char *secret; /* Segment signs with it; "": none */
};

struct segment_connection {
    char destination_id[64];
    bool was_there; /* the destination existed: its settings were renewed */
};

/* INVALID when the URL may not be called. Does not connect yet. */
MUST_CHECK bool segment_api_open(const char *url, const char *token,
                                 struct segment_api **out, struct error *err);

/* NULL is allowed. */
void segment_api_close(struct segment_api *api);

/* All sources of the token's workspace. Release them afterwards. */
MUST_CHECK bool segment_api_sources(struct segment_api *api, struct segment_sources *out,
                                    struct error *err);
void segment_sources_release(struct segment_sources *sources);

/* Makes the destination "Webhooks (Actions)" switched off, gives it one mapping for all
 * events, and switches it on. What is there already by this name is brought up to date
 * instead, so that it may be called again after any failure. */
MUST_CHECK bool segment_api_connect(struct segment_api *api,
                                    const struct segment_webhook *webhook,
                                    struct segment_connection *out, struct error *err);

#endif
