/* json_split: cuts a body into its members or elements without judging what is inside
 * them.
 *
 * This is how ingest splits a batch: brackets are matched, strings are respected, commas
 * and colons between the items are checked strictly; what an item itself holds is left to
 * json_doc, so that one bad element rejects only itself. Pure, no allocation, any nesting
 * depth up to JSON_SPLIT_MAX_DEPTH.
 */
#ifndef COMMON_CONTRACT_JSON_SPLIT_H
#define COMMON_CONTRACT_JSON_SPLIT_H

#include "common/contract/json_doc.h"

/* Deeper brackets cannot be matched: the structure counts as broken. Far above what an
 * event may have (64), so that an event that is too deep still has an end. */
#define JSON_SPLIT_MAX_DEPTH 1000000

struct json_split {
    struct view text;
    size_t at;  /* where the next item begins */
    char close; /* '}' or ']' */
    bool is_first;
};

enum json_split_step { JSON_SPLIT_ITEM, JSON_SPLIT_END, JSON_SPLIT_BROKEN };

/* The kind of the value that `text` begins with (white space skipped), by its first byte;
 * false when it can begin no JSON value. */
bool json_split_kind(struct view text, enum json_kind *out_kind);

/* Starts on the items of the object or array `text` (white space around it allowed).
 * False when it is neither. */
bool json_split_open(struct json_split *split, struct view text);

/* The next item. For objects *out_key is the member's key with its quotes (escapes not
 * judged), for arrays it is empty; *out_value is the value's exact bytes without
 * surrounding white space. END comes only after the closing bracket with nothing but
 * white space behind it. BROKEN: *fault says where and why. */
enum json_split_step json_split_next(struct json_split *split, struct view *out_key,
                                     struct view *out_value, struct json_fault *fault);

#endif
