/* record: the Kafka message that carries one event: the contract between the two
 * processes (architecture.md, section 2).
 *
 * Key: the message id. Value: the event's exact bytes. Headers (UTF-8 text): what ingest
 * knows about its arrival. One header, `backstitch`, holds what every record has, as
 * name=value joined by ';' with v=1 first: nine headers cost nine allocations on each
 * side (performance.md, section 10). What is large or seldom has a header of its own.
 * Unknown names, unknown headers and a higher minor of `v` ("1.x") are tolerated, so that
 * old and new versions run side by side. This module knows no Kafka library: headers are
 * name and value views. Pure.
 */
#ifndef COMMON_CONTRACT_RECORD_H
#define COMMON_CONTRACT_RECORD_H

#include "common/base/error.h"
#include "common/base/view.h"
#include "common/contract/event_type.h"

#include <stddef.h>
#include <stdint.h>

enum record_via { VIA_WEBHOOK, VIA_API, VIA_PIXEL, VIA_IMPORT };

enum record_auth {
    AUTH_NONE,
    AUTH_KEY,             /* a write key: public */
    AUTH_SIGNATURE_FIRST, /* a batch whose signature covers only its first element */
    AUTH_TOKEN,
    AUTH_SIGNATURE, /* over the whole body */
};

struct record {
    enum event_type topic;  /* which of our topics it is in or goes to */
    struct view key;        /* message id */
    struct view value;      /* the event as sent */
    struct view source;     /* the source's slug */
    struct view schema;     /* empty when the header is missing: rejected by the loader */
    int64_t received_at_ms; /* since 1970, UTC */
    uint32_t seq; /* 0 .. 999,999; _sdc_sequence = received_at_ms * 1,000,000 + seq */
    enum record_via via;
    enum record_auth auth;
    struct view request_id;
    /* Present only where they apply (else empty): */
    struct view sent_at;      /* the batch's sentAt, plain text */
    struct view context;      /* the batch's context, a JSON object, at most
                                 RECORD_CONTEXT_MAX_BYTES */
    struct view integrations; /* the batch's integrations, JSON */
    struct view ip;           /* the sender's address */
    struct view type;         /* from the path, when the body has none */
    struct view traceparent;
    struct view reason; /* on <prefix>.rejected: a word of reject_reason.h */
    struct view detail;
};

#define RECORD_CONTEXT_MAX_BYTES 32768
#define RECORD_SEQ_LIMIT 1000000
#define RECORD_HEADERS_MAX 8
/* Of the header `backstitch`: a slug of 64 bytes, a schema of 48, a request id of 64, an
 * address of 46, and what is fixed; rounded up. */
#define RECORD_FACTS_BYTES 512

struct record_header {
    struct view name;
    struct view value;
};

/* The part of `backstitch` that all records of a request share, made once for it. */
struct record_facts {
    size_t len;
    char text[RECORD_FACTS_BYTES];
};

/* Formats what is the same in all records of a request: all of `r` but seq and type. No
 * value may hold a ';': source and schema come from the registry, which has none; of the
 * others, which come from outside, one that has is left out. */
void record_facts_format(const struct record *r, struct record_facts *out);

/* Fills `out` with the headers of `r` and returns their number. `facts` is what
 * record_facts_format made of the same request; seq and type are written behind them, to
 * `scratch`. Views borrow from `scratch`, from `r` and from static text. */
size_t record_encode_headers(const struct record *r, const struct record_facts *facts,
                             char scratch[RECORD_FACTS_BYTES],
                             struct record_header out[RECORD_HEADERS_MAX]);

/* Reads headers into *out (topic, key and value are left as the caller set them); views
 * borrow from `headers`. INVALID when `v` has another major than 1, or v, source,
 * received-at, seq, via or auth are missing or malformed; *out then still holds what
 * could be read, so that the record can be kept as rejected. A missing schema is no error
 * here: it stays empty. Of equal names the last wins. */
MUST_CHECK bool record_decode_headers(const struct record_header *headers, size_t count,
                                      struct record *out, struct error *err);

/* _sdc_sequence. */
int64_t record_sequence(const struct record *r);

/* The header's words: "webhook", "api", ..; "token", "signature-first", .. */
const char *record_via_name(enum record_via via);
const char *record_auth_name(enum record_auth auth);

#endif
