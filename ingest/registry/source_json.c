#include "ingest/registry/source_json.h"

#include "common/base/mem.h"
#include "common/contract/schema_name.h"

#include <json-c/json.h>

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A credential goes into a header or a path: longer ones are mistakes. */
#define CREDENTIAL_MAX_BYTES 255
#define NAME_MAX_BYTES 255

/* ---- reading ---- */

/* Where in the document we are, for messages: "sources[3].tokens". */
struct place {
    const char *list;
    size_t index;
};

static bool PRINTF_LIKE(4, 5) refuse(struct error *err, const struct place *at,
                                     const char *member, const char *format, ...)
{
    char why[200];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return error_set(err, ERROR_INVALID, ERROR_FROM_JSON, NULL, "%s[%zu].%s %s", at->list,
                     at->index, member, why);
}

/* The bytes of a JSON string of 1 to `max` bytes without a NUL; false for all else. */
static bool read_string(json_object *value, size_t max, struct view *out)
{
    if (!json_object_is_type(value, json_type_string)) {
        return false;
    }
    *out =
        view_of(json_object_get_string(value), (size_t)json_object_get_string_len(value));
    return out->len > 0 && out->len <= max && memchr(out->data, '\0', out->len) == NULL;
}

static bool read_text(json_object *from, const struct place *at, const char *member,
                      char **out, struct error *err)
{
    json_object *value = NULL;
    struct view text;
    if (!json_object_object_get_ex(from, member, &value)) {
        return refuse(err, at, member, "is missing");
    }
    if (!read_string(value, NAME_MAX_BYTES, &text)) {
        return refuse(err, at, member, "must be a text of 1 to %d bytes", NAME_MAX_BYTES);
    }
    *out = mem_strdup_view(text);
    return true;
}

static bool read_credentials(json_object *from, const struct place *at,
                             const char *member, struct source_credentials *out,
                             struct error *err)
{
    json_object *list = NULL;
    if (!json_object_object_get_ex(from, member, &list)) {
        return true;
    }
    if (!json_object_is_type(list, json_type_array)) {
        return refuse(err, at, member, "must be a list of texts");
    }
    size_t count = json_object_array_length(list);
    if (count > SOURCE_MAX_CREDENTIALS) {
        return refuse(err, at, member, "may hold at most %d", SOURCE_MAX_CREDENTIALS);
    }
    for (size_t i = 0; i < count; i++) {
        struct view text;
        if (!read_string(json_object_array_get_idx(list, i), CREDENTIAL_MAX_BYTES,
                         &text)) {
            return refuse(err, at, member, "must hold texts of 1 to %d bytes",
                          CREDENTIAL_MAX_BYTES);
        }
        out->values[out->count++] = mem_strdup_view(text);
    }
    return true;
}

static bool read_require(json_object *from, const struct place *at,
                         enum source_require *out, struct error *err)
{
    json_object *value = NULL;
    if (!json_object_object_get_ex(from, "require", &value)) {
        return true;
    }
    const char *word =
        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    for (unsigned i = 0; source_require_names[i] != NULL; i++) {
        if (strcmp(word, source_require_names[i]) == 0) {
            *out = (enum source_require)i;
            return true;
        }
    }
    return refuse(err, at, "require", "must be any, all, signature, token or none");
}

static bool read_rate(json_object *from, const struct place *at, uint64_t *out,
                      struct error *err)
{
    json_object *value = NULL;
    if (!json_object_object_get_ex(from, "rate_per_second", &value)) {
        return true;
    }
    int64_t rate =
        json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
    if (rate < 0) {
        return refuse(err, at, "rate_per_second",
                      "must be a whole number of events; 0: unlimited");
    }
    *out = (uint64_t)rate;
    return true;
}

static bool check_names(const struct place *at, const char *slug, const char *schema,
                        struct error *err)
{
    char made[SLUG_MAX_BYTES + 1];
    struct error ignored;
    if (!schema_name_slug(view_cstr(slug), made, &ignored) ||
        !view_equal_cstr(view_cstr(slug), made)) {
        return refuse(err, at, "slug", "must be words of a-z and 0-9 with '-' between");
    }
    if (!schema_name_is_valid(view_cstr(schema))) {
        return refuse(err, at, "schema", "is no name that a source's schema may have");
    }
    return true;
}

static bool read_source(json_object *from, const struct place *at, struct source *out,
                        struct error *err)
{
    return read_text(from, at, "name", &out->name, err) &&
           read_text(from, at, "slug", &out->slug, err) &&
           read_text(from, at, "schema", &out->schema, err) &&
           check_names(at, out->slug, out->schema, err) &&
           read_credentials(from, at, "write_keys", &out->write_keys, err) &&
           read_credentials(from, at, "tokens", &out->tokens, err) &&
           read_credentials(from, at, "secrets", &out->secrets, err) &&
           read_require(from, at, &out->require, err) &&
           read_rate(from, at, &out->rate_per_second, err);
}

/* Both append what was read even when it is refused: the list owns it either way. */
static bool add_source(json_object *from, const struct place *at, struct source_list *out,
                       struct error *err)
{
    struct source source = { 0 };
    bool is_good = read_source(from, at, &source, err);
    source_list_append(out, &source);
    return is_good;
}

static bool add_removed(json_object *from, const struct place *at,
                        struct source_list *out, struct error *err)
{
    struct removed_source removed = { 0 };
    bool is_good = read_text(from, at, "name", &removed.name, err) &&
                   read_text(from, at, "slug", &removed.slug, err) &&
                   read_text(from, at, "schema", &removed.schema, err) &&
                   check_names(at, removed.slug, removed.schema, err);
    source_list_append_removed(out, &removed);
    return is_good;
}

static bool read_list(json_object *root, const char *member,
                      bool (*add)(json_object *, const struct place *,
                                  struct source_list *, struct error *),
                      struct source_list *out, struct error *err)
{
    json_object *list = NULL;
    json_object_object_get_ex(root, member, &list);
    if (!json_object_is_type(list, json_type_array)) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_JSON, NULL, "%s must be a list",
                         member);
    }
    size_t count = json_object_array_length(list);
    for (size_t i = 0; i < count; i++) {
        json_object *item = json_object_array_get_idx(list, i);
        const struct place at = { member, i };
        if (!json_object_is_type(item, json_type_object)) {
            return error_set(err, ERROR_INVALID, ERROR_FROM_JSON, NULL,
                             "%s[%zu] must be an object", member, i);
        }
        if (!add(item, &at, out, err)) {
            return false;
        }
    }
    return true;
}

static bool read_root(json_object *root, struct source_list *out, struct error *err)
{
    json_object *removed = NULL;
    if (!json_object_is_type(root, json_type_object)) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_JSON, NULL,
                         "the document must be an object with the list sources");
    }
    return read_list(root, "sources", add_source, out, err) &&
           (!json_object_object_get_ex(root, "removed", &removed) ||
            read_list(root, "removed", add_removed, out, err)) &&
           source_list_check(out, err);
}

static unsigned line_of(struct view text, size_t offset)
{
    unsigned line = 1;
    for (size_t i = 0; i < offset && i < text.len; i++) {
        line += text.data[i] == '\n';
    }
    return line;
}

/* json-c counts white space behind the value as garbage when it is strict. */
static struct view without_trailing_space(struct view text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL &&
           text.data[text.len - 1] != '\0') {
        text.len--;
    }
    return text;
}

bool source_json_read(struct view text, struct source_list *out, struct error *err)
{
    struct view trimmed = without_trailing_space(text);
    if (trimmed.len == 0 || trimmed.len > INT_MAX) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_JSON, NULL,
                         "the document is empty; {\"sources\":[]} has no sources");
    }
    json_tokener *tokener = json_tokener_new();
    REQUIRE(tokener != NULL);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json_object *root = json_tokener_parse_ex(tokener, trimmed.data, (int)trimmed.len);
    enum json_tokener_error fault = json_tokener_get_error(tokener);
    bool is_good = false;
    if (fault == json_tokener_success) {
        is_good = read_root(root, out, err);
    } else {
        unsigned line = line_of(trimmed, json_tokener_get_parse_end(tokener));
        error_set(err, ERROR_INVALID, ERROR_FROM_JSON, NULL, "line %u: %s", line,
                  fault == json_tokener_continue ? "the document ends too early"
                                                 : json_tokener_error_desc(fault));
    }
    json_object_put(root);
    json_tokener_free(tokener);
    if (!is_good) {
        source_list_release(out);
    }
    return is_good;
}

/* ---- writing ---- */

static void add_text(json_object *to, const char *member, const char *text)
{
    json_object_object_add(to, member, json_object_new_string(text));
}

static void add_credentials(json_object *to, const char *member,
                            const struct source_credentials *credentials)
{
    json_object *list = json_object_new_array();
    for (unsigned i = 0; i < credentials->count; i++) {
        json_object_array_add(list, json_object_new_string(credentials->values[i]));
    }
    json_object_object_add(to, member, list);
}

static json_object *from_source(const struct source *s)
{
    json_object *o = json_object_new_object();
    add_text(o, "name", s->name);
    add_text(o, "slug", s->slug);
    add_text(o, "schema", s->schema);
    add_credentials(o, "write_keys", &s->write_keys);
    add_credentials(o, "tokens", &s->tokens);
    add_credentials(o, "secrets", &s->secrets);
    add_text(o, "require", source_require_names[s->require]);
    json_object_object_add(o, "rate_per_second",
                           json_object_new_int64((int64_t)s->rate_per_second));
    return o;
}

static json_object *from_removed(const struct removed_source *r)
{
    json_object *o = json_object_new_object();
    add_text(o, "name", r->name);
    add_text(o, "slug", r->slug);
    add_text(o, "schema", r->schema);
    return o;
}

void source_json_write(const struct source_list *list, struct buf *out)
{
    json_object *root = json_object_new_object();
    json_object *sources = json_object_new_array();
    json_object *removed = json_object_new_array();
    for (size_t i = 0; i < list->count; i++) {
        json_object_array_add(sources, from_source(&list->sources[i]));
    }
    for (size_t i = 0; i < list->removed_count; i++) {
        json_object_array_add(removed, from_removed(&list->removed[i]));
    }
    json_object_object_add(root, "sources", sources);
    json_object_object_add(root, "removed", removed);
    buf_add_cstr(out, json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
                                                               JSON_C_TO_STRING_SPACED));
    buf_add_char(out, '\n');
    json_object_put(root);
}
