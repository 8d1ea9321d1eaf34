/* json_token: one string, number or word of JSON, strictly (RFC 8259, RFC 3629).
 *
 * The lower half of json_doc: moves a cursor over bytes and knows nothing of structure.
 * What is wrong goes into the cursor's fault. Flags are enum json_flag. One thread per
 * cursor.
 */
#ifndef COMMON_CONTRACT_JSON_TOKEN_H
#define COMMON_CONTRACT_JSON_TOKEN_H

#include "common/contract/json_doc.h"

struct json_cursor {
    const unsigned char *p; /* the next byte */
    const unsigned char *start, *end;
    struct json_fault *fault;
};

/* Notes the fault at `at` and returns false. */
bool json_token_fail(struct json_cursor *c, enum json_fault_kind kind,
                     const unsigned char *at, const char *what);

/* The same for whatever stands at the cursor and should not: bytes that are no UTF-8 are
 * the graver fault. */
bool json_token_fail_here(struct json_cursor *c, const char *expected);

/* Moves behind white space. */
void json_token_skip_space(struct json_cursor *c);

/* At the opening quote: moves behind the closing one; adds to *flags. */
bool json_token_string(struct json_cursor *c, uint8_t *flags);

/* At a digit or a minus: moves behind the number; adds to *flags. */
bool json_token_number(struct json_cursor *c, uint8_t *flags);

/* Moves behind `word` (true, false, null). */
bool json_token_word(struct json_cursor *c, const char *word);

#endif
