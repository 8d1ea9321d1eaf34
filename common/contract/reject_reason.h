/* reject_reason: the words that say why an event was rejected (mapping.md, section 5).
 *
 * They appear in the record's `reason` header, at the front of _sdc_rejected.reason
 * ("word" or "word: detail"), and as metric labels: a bounded set.
 */
#ifndef COMMON_CONTRACT_REJECT_REASON_H
#define COMMON_CONTRACT_REJECT_REASON_H

#include "common/base/view.h"
#include "common/contract/json_doc.h"

enum reject_reason {
    REJECT_NOT_JSON,
    REJECT_NOT_AN_OBJECT,
    REJECT_INVALID_UTF8,
    REJECT_TOO_DEEP,
    REJECT_TOO_MANY_KEYS,
    REJECT_EVENT_TOO_LARGE,
    REJECT_BODY_TOO_LARGE,
    REJECT_CONTEXT_TOO_LARGE,
    REJECT_FORM_ENCODED_BODY,
    REJECT_UNKNOWN_EVENT_TYPE,
    REJECT_DELETE_NOT_ALLOWED,
    REJECT_DELETE_WITHOUT_USER,
    REJECT_INVALID_RECORD,
    REJECT_BY_DATABASE,
    REJECT_CONSTRAINT,
};

/* What was over a size limit is kept cut to this (mapping.md, section 5). */
#define REJECT_KEPT_BYTES 65536

/* Room for the detail behind a reason. */
#define REJECT_DETAIL_BYTES 320

/* Writes what a value is that is about to be cut: "<detail>; 1048600 bytes, sha256 ..".
 */
void reject_reason_describe_cut(const char *detail, struct view value,
                                char out[REJECT_DETAIL_BYTES]);

/* "not json", .., "refused by database", "constraint". */
const char *reject_reason_text(enum reject_reason reason);

/* The reason that a header's word names; REJECT_INVALID_RECORD for an unknown word. */
enum reject_reason reject_reason_parse(struct view text);

/* The reason for a scanner's fault (not JSON_OK). */
enum reject_reason reject_reason_of_fault(enum json_fault_kind fault);

#endif
