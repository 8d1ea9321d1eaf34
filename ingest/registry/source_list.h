/* source_list: the sources that a registry holds, and the rules between them.
 *
 * Two sources never share a slug, a schema or a write key. A removed source leaves its
 * schema behind, reserved to its slug: rows in it are not given to another source, and
 * the same name, added again, continues there. Plain data, no I/O, no JSON; the list owns
 * all of its strings. One thread at a time while it changes.
 */
#ifndef INGEST_REGISTRY_SOURCE_LIST_H
#define INGEST_REGISTRY_SOURCE_LIST_H

#include "ingest/registry/source.h"

#include "common/base/error.h"

#include <stddef.h>

struct removed_source {
    char *name;
    char *slug;
    char *schema;
};

/* A zeroed struct source_list is a valid empty list. */
struct source_list {
    struct source *sources; /* in the order of their adding */
    size_t count;
    struct removed_source *removed;
    size_t removed_count;
};

/* Frees what the list owns; it is empty afterwards. */
void source_list_release(struct source_list *list);

/* Frees the strings of one source that is in no list. */
void source_release(struct source *source);

/* Appends; takes the strings of *source. The rules are not looked at: source_list_check
 * does. */
void source_list_append(struct source_list *list, const struct source *source);
void source_list_append_removed(struct source_list *list,
                                const struct removed_source *removed);

/* The source with this name, or else with this slug; NULL when there is none. */
const struct source *source_list_find(const struct source_list *list, struct view name);

/* The removed source with this slug, or NULL. */
const struct removed_source *source_list_find_removed(const struct source_list *list,
                                                      struct view slug);

/* INVALID when two sources share what must be theirs alone; names both. */
MUST_CHECK bool source_list_check(const struct source_list *list, struct error *err);

/* Adds a new source and takes its strings. INVALID, list and source unchanged, when its
 * slug or schema is taken or reserved; says what to do. */
MUST_CHECK bool source_list_add(struct source_list *list, const struct source *source,
                                struct error *err);

/* Removes the source of this name or slug, reserving its schema. False when there is
 * none. */
MUST_CHECK bool source_list_remove(struct source_list *list, struct view name);

/* "any", "all", "signature", "token", "none", ended by NULL; in the order of enum
 * source_require. */
extern const char *const source_require_names[];

#endif
