/* json_doc: the one JSON reader for events: a strict RFC 8259 and UTF-8 scanner that
 * leaves spans.
 *
 * One pass over the bytes validates everything and records a flat list of nodes, parents
 * before children, with byte spans into the text: no tree, no copies, no allocation per
 * value (the node list and the key store are reused from scan to scan). Strict: no BOM,
 * comments, NaN, single quotes, leading zeros, trailing commas, raw control characters,
 * overlong UTF-8 or encoded surrogates. Accepted and flagged: \u0000 and lone surrogate
 * escapes (JSON allows them, PostgreSQL does not). json-c never sees an event: it clamps
 * big integers, cuts keys at \u0000 and takes NaN (performance.md, 5).
 *
 * Both processes use this reader, so nothing that ingest accepts can fail in the loader.
 * Recursion-free: runs on civetweb's 100 KB stacks. One thread at a time per document.
 */
#ifndef COMMON_CONTRACT_JSON_DOC_H
#define COMMON_CONTRACT_JSON_DOC_H

#include "common/base/arena.h"
#include "common/base/view.h"

#include <stdbool.h>
#include <stdint.h>

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

enum json_flag {
    JSON_HAS_ESCAPE = 1,      /* a string with at least one backslash */
    JSON_IS_UNSTORABLE = 2,   /* contains, at any depth, an escape that PostgreSQL cannot
                                 store: \u0000, lone surrogate */
    JSON_HAS_HUGE_NUMBER = 4, /* contains, at any depth, a number of more than 400 digits
                                 before or after the point */
    JSON_IS_SHADOWED = 8, /* an equal key follows in the same object: the last wins, this
                             one is not there */
};

struct json_node {
    struct view key;  /* members: decoded (unescaped) key, NUL kept as a byte, lone
                         surrogates as U+FFFD; others: empty */
    struct view text; /* the value's exact bytes; strings with their quotes */
    uint32_t end;     /* index of the first node behind this one's descendants */
    uint8_t kind;     /* enum json_kind */
    uint8_t flags;    /* enum json_flag */
    uint8_t depth;    /* 0: the root */
};

struct json_limits {
    unsigned max_depth; /* nesting counted from the root's own bracket; 64 by contract */
    unsigned
        max_keys; /* object members at all depths, arrays included; 10,000 by contract */
    unsigned node_depth; /* nodes are recorded down to this depth (1: the root's members);
                          * deeper values are only checked. Values inside arrays are never
                          * recorded. */
};

#define JSON_MAX_DEPTH 64
#define JSON_MAX_KEYS 10000
#define JSON_ALL_DEPTHS 255

enum json_fault_kind {
    JSON_OK,
    JSON_NOT_JSON,
    JSON_NOT_UTF8,
    JSON_TOO_DEEP,
    JSON_TOO_MANY_KEYS
};

struct json_fault {
    enum json_fault_kind kind;
    size_t offset;    /* of the byte at fault, from the text's start */
    const char *what; /* static text: "a comma or a closing brace was expected" */
};

struct json_doc {
    struct view text;
    struct json_node *nodes;
    uint32_t count;
    uint32_t capacity;
    struct arena keys; /* decoded keys that had escapes */
};

/* A zeroed struct json_doc is a valid empty document. */
void json_doc_release(struct json_doc *doc);

/* Scans `text` (one JSON value, white space around it allowed) into `doc`, replacing its
 * content. Spans and keys stay valid until the next scan and as long as the text. On
 * failure false, *fault says what and where, and doc is empty. The first fault in the
 * text's order wins. */
bool json_doc_scan(struct json_doc *doc, struct view text,
                   const struct json_limits *limits, struct json_fault *fault);

/* The same of the one value that `text` begins with, whatever follows it; *out_len is its
 * length. For walking over a text value by value. */
bool json_doc_scan_value(struct json_doc *doc, struct view text,
                         const struct json_limits *limits, size_t *out_len,
                         struct json_fault *fault);

/* Gives memory back so that at most `nodes` nodes are kept for the next scan; the
 * document is empty afterwards. */
void json_doc_shrink(struct json_doc *doc, uint32_t nodes);

/* The member `key` of object node `parent` that is in force (the last of equal keys), or
 * NULL. */
const struct json_node *json_doc_member(const struct json_doc *doc,
                                        const struct json_node *parent, struct view key);

/* Iterates over the children of a recorded object, in order, shadowed ones included:
 * for (n = json_doc_first(doc, parent); n != NULL; n = json_doc_next(doc, parent, n)) */
const struct json_node *json_doc_first(const struct json_doc *doc,
                                       const struct json_node *parent);
const struct json_node *json_doc_next(const struct json_doc *doc,
                                      const struct json_node *parent,
                                      const struct json_node *node);

#endif
