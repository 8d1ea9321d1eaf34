#include "ingest/registry/source_list.h"

#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

const char *const source_require_names[] = { "any",   "all",  "signature",
                                             "token", "none", NULL };

/* ---- owning ---- */

static void release_credentials(struct source_credentials *credentials)
{
    for (unsigned i = 0; i < credentials->count; i++) {
        free(credentials->values[i]);
    }
    credentials->count = 0;
}

void source_release(struct source *source)
{
    free(source->name);
    free(source->slug);
    free(source->schema);
    release_credentials(&source->write_keys);
    release_credentials(&source->tokens);
    release_credentials(&source->secrets);
    memset(source, 0, sizeof *source);
}

void source_list_release(struct source_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        source_release(&list->sources[i]);
    }
    for (size_t i = 0; i < list->removed_count; i++) {
        free(list->removed[i].name);
        free(list->removed[i].slug);
        free(list->removed[i].schema);
    }
    free(list->sources);
    free(list->removed);
    memset(list, 0, sizeof *list);
}

void source_list_append(struct source_list *list, const struct source *source)
{
    list->sources = mem_resize(list->sources, list->count + 1, sizeof *list->sources);
    list->sources[list->count++] = *source;
}

void source_list_append_removed(struct source_list *list,
                                const struct removed_source *removed)
{
    list->removed =
        mem_resize(list->removed, list->removed_count + 1, sizeof *list->removed);
    list->removed[list->removed_count++] = *removed;
}

/* ---- finding ---- */

/* No name is another source's slug: such a name would have the same slug, and slugs are
 * unique. So one pass finds either. */
const struct source *source_list_find(const struct source_list *list, struct view name)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct source *s = &list->sources[i];
        if (view_equal_cstr(name, s->name) || view_equal_cstr(name, s->slug)) {
            return s;
        }
    }
    return NULL;
}

const struct removed_source *source_list_find_removed(const struct source_list *list,
                                                      struct view slug)
{
    for (size_t i = 0; i < list->removed_count; i++) {
        if (view_equal_cstr(slug, list->removed[i].slug)) {
            return &list->removed[i];
        }
    }
    return NULL;
}

/* ---- rules ---- */

/* Something that only one source may have. */
struct claim {
    const char *value;
    const char *owner; /* the source's name */
};

static int compare_claims(const void *a, const void *b)
{
    return strcmp(((const struct claim *)a)->value, ((const struct claim *)b)->value);
}

/* Sorts the claims; false when two are equal. The value is shown unless it is a
 * credential. */
static bool check_claims(struct claim *claims, size_t count, const char *what,
                         bool is_shown, struct error *err)
{
    if (count > 1) {
        qsort(claims, count, sizeof *claims, compare_claims);
    }
    for (size_t i = 1; i < count; i++) {
        if (strcmp(claims[i - 1].value, claims[i].value) == 0) {
            return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                             "the sources '%s' and '%s' have the same %s%s%s",
                             claims[i - 1].owner, claims[i].owner, what,
                             is_shown ? " " : "", is_shown ? claims[i].value : "");
        }
    }
    return true;
}

static bool check_slugs(const struct source_list *list, struct claim *claims,
                        struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct source *s = &list->sources[i];
        claims[i] = (struct claim){ s->slug, s->name };
    }
    return check_claims(claims, list->count, "slug", true, err);
}

static bool check_schemas(const struct source_list *list, struct claim *claims,
                          struct error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct source *s = &list->sources[i];
        claims[count++] = (struct claim){ s->schema, s->name };
    }
    for (size_t i = 0; i < list->removed_count; i++) {
        const struct removed_source *r = &list->removed[i];
        claims[count++] = (struct claim){ r->schema, r->name };
    }
    return check_claims(claims, count, "schema", true, err);
}

static bool check_write_keys(const struct source_list *list, struct claim *claims,
                             struct error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct source *s = &list->sources[i];
        for (unsigned k = 0; k < s->write_keys.count; k++) {
            claims[count++] = (struct claim){ s->write_keys.values[k], s->name };
        }
    }
    return check_claims(claims, count, "write key", false, err);
}

bool source_list_check(const struct source_list *list, struct error *err)
{
    size_t most = list->count * SOURCE_MAX_CREDENTIALS + list->removed_count;
    struct claim *claims = mem_calloc(most, sizeof *claims);
    bool is_good = check_slugs(list, claims, err) && check_schemas(list, claims, err) &&
                   check_write_keys(list, claims, err);
    free(claims);
    return is_good;
}

/* ---- changing ---- */

static bool refuse_schema(const struct source *source, const char *owner,
                          const char *removed, struct error *err)
{
    return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "the schema %s belongs to the %ssource '%s'; choose another with "
                     "--schema",
                     source->schema, removed, owner);
}

/* The schemas in use and those that removed sources left behind. */
static bool check_new_schema(const struct source_list *list, const struct source *source,
                             struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct source *other = &list->sources[i];
        if (strcmp(other->schema, source->schema) == 0) {
            return refuse_schema(source, other->name, "", err);
        }
    }
    for (size_t i = 0; i < list->removed_count; i++) {
        const struct removed_source *other = &list->removed[i];
        bool is_same_source = strcmp(other->slug, source->slug) == 0;
        bool is_same_schema = strcmp(other->schema, source->schema) == 0;
        if (is_same_schema && !is_same_source) {
            return refuse_schema(source, other->name, "removed ", err);
        }
        if (is_same_source && !is_same_schema) {
            return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                             "the source '%s' existed before, and its schema stays %s; "
                             "leave out --schema, or choose another name",
                             other->name, other->schema);
        }
    }
    return true;
}

static void drop_removed(struct source_list *list, const char *slug)
{
    for (size_t i = 0; i < list->removed_count; i++) {
        struct removed_source *r = &list->removed[i];
        if (strcmp(r->slug, slug) == 0) {
            free(r->name);
            free(r->slug);
            free(r->schema);
            list->removed_count--;
            memmove(r, r + 1, (list->removed_count - i) * sizeof *r);
            return;
        }
    }
}

bool source_list_add(struct source_list *list, const struct source *source,
                     struct error *err)
{
    const struct source *other = source_list_find(list, view_cstr(source->slug));
    if (other != NULL) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "the source '%s' has the slug %s already; choose another name, "
                         "or see it with: source show %s",
                         other->name, other->slug, other->slug);
    }
    if (!check_new_schema(list, source, err)) {
        return false;
    }
    drop_removed(list, source->slug);
    source_list_append(list, source);
    return true;
}

bool source_list_remove(struct source_list *list, struct view name)
{
    const struct source *found = source_list_find(list, name);
    if (found == NULL) {
        return false;
    }
    struct removed_source removed = { mem_strdup(found->name), mem_strdup(found->slug),
                                      mem_strdup(found->schema) };
    source_list_append_removed(list, &removed);
    size_t i = (size_t)(found - list->sources);
    source_release(&list->sources[i]);
    list->count--;
    memmove(&list->sources[i], &list->sources[i + 1],
            (list->count - i) * sizeof list->sources[0]);
    return true;
}
