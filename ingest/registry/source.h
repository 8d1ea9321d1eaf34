/* source: one Segment source a user connected, as the registry holds it. Plain data, no
 * I/O. */
#ifndef INGEST_REGISTRY_SOURCE_H
#define INGEST_REGISTRY_SOURCE_H

#include "common/base/view.h"

#include <stdint.h>

/* What a webhook must bring: `any` valid credential (default), `all` that exist, a
 * signature, a token, or nothing. */
enum source_require {
    REQUIRE_ANY,
    REQUIRE_ALL,
    REQUIRE_SIGNATURE,
    REQUIRE_TOKEN,
    REQUIRE_NONE
};

#define SOURCE_MAX_CREDENTIALS 4  /* of each kind, in a file */
#define SOURCE_LIVE_CREDENTIALS 2 /* of each kind during a rotation */

/* In the order of their making: the newest is the last. */
struct source_credentials {
    char *values[SOURCE_MAX_CREDENTIALS];
    unsigned count;
};

struct source {
    char *name;
    char *slug;
    char *schema;
    struct source_credentials write_keys; /* public */
    struct source_credentials tokens;     /* secret */
    struct source_credentials secrets;    /* secret: keys of signatures */
    enum source_require require;
    uint64_t rate_per_second; /* events; 0: unlimited */
};

#endif
