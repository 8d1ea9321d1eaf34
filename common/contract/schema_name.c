#include "common/contract/schema_name.h"

#include "common/base/buf.h"

#include <stdio.h>

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Lower-cased words of [a-z0-9] joined by `joint`. */
static void add_words(struct buf *out, struct view text, char joint)
{
    bool in_word = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c >= 'A' && c <= 'Z') {
            c = (char)(c - 'A' + 'a');
        }
        if (!is_lower_or_digit(c)) {
            in_word = false;
            continue;
        }
        if (!in_word && out->len > 0) {
            buf_add_char(out, joint);
        }
        buf_add_char(out, c);
        in_word = true;
    }
}

static const char *refusal_of(struct view name)
{
    static const char *const refused[] = { "public", "information_schema", "backstitch" };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (view_equal_cstr(name, refused[i])) {
            return "is a schema that cannot be a source's";
        }
    }
    if (view_starts_with(name, view_cstr("pg_"))) {
        return "begins with pg_, which PostgreSQL keeps for itself";
    }
    return name.len > SCHEMA_NAME_MAX_BYTES ? "is longer than 48 bytes" : NULL;
}

static bool refuse(struct error *err, struct view source_name, const char *what,
                   const char *advice)
{
    return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "the name '%.*s' %s; %s",
                     VIEW_ARG(source_name), what, advice);
}

bool schema_name_from(struct view source_name, char out[SCHEMA_NAME_MAX_BYTES + 1],
                      struct error *err)
{
    static const char advice[] = "choose another, or give a schema name with --schema";
    struct buf name = { 0 };
    add_words(&name, source_name, '_');
    if (name.len > 0 && name.data[0] >= '0' && name.data[0] <= '9') {
        struct buf prefixed = { 0 };
        buf_add_cstr(&prefixed, "s_");
        buf_add_view(&prefixed, buf_view(&name));
        buf_release(&name);
        name = prefixed;
    }
    const char *refusal = name.len == 0 ? "has no letter or digit of a to z and 0 to 9"
                                        : refusal_of(buf_view(&name));
    bool done = refusal == NULL || refuse(err, source_name, refusal, advice);
    if (done) {
        snprintf(out, SCHEMA_NAME_MAX_BYTES + 1, "%s", buf_cstr(&name));
    }
    buf_release(&name);
    return done;
}

bool schema_name_slug(struct view source_name, char out[SLUG_MAX_BYTES + 1],
                      struct error *err)
{
    struct buf slug = { 0 };
    add_words(&slug, source_name, '-');
    bool done = slug.len > 0 && slug.len <= SLUG_MAX_BYTES;
    if (done) {
        snprintf(out, SLUG_MAX_BYTES + 1, "%s", buf_cstr(&slug));
    } else {
        refuse(err, source_name,
               slug.len == 0 ? "has no letter or digit of a to z and 0 to 9"
                             : "gives a slug of more than 64 bytes",
               "choose another");
    }
    buf_release(&slug);
    return done;
}

bool schema_name_is_valid(struct view name)
{
    char made[SCHEMA_NAME_MAX_BYTES + 1];
    struct error err;
    return schema_name_from(name, made, &err) && view_equal_cstr(name, made);
}
