#include "ingest/commands/source_command.h"

#include "ingest/commands/options.h"
#include "ingest/commands/source_guide.h"
#include "ingest/registry/source_file.h"

#include "common/base/escape.h"
#include "common/base/mem.h"
#include "common/base/parse.h"
#include "common/contract/schema_name.h"

#include <json-c/json.h>
#include <openssl/rand.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_KEY_CHARS 32
#define SECRET_CHARS 43 /* 256 bits at 5.95 bits a character */
#define NAME_MAX_BYTES 255

#define AT(member) offsetof(struct source_add_flags, member)

static const struct option add_options[] = {
    { .env = "schema",
      .type = OPTION_TEXT,
      .offset = AT(schema),
      .value_name = "NAME",
      .help = "PostgreSQL schema for its tables; default: made from the name" },
    { .env = "require",
      .type = OPTION_CHOICE,
      .offset = AT(require),
      .fallback = "any",
      .choices = source_require_names,
      .help = "credentials that a webhook must bring" },
    { .env = "rate",
      .type = OPTION_TEXT,
      .offset = AT(rate),
      .value_name = "N/s",
      .help = "most events a second; default: unlimited" },
};

const struct option_table source_add_option_table = {
    .options = add_options,
    .count = sizeof add_options / sizeof add_options[0],
};

/* ---- printing ---- */

/* What a person must know goes to stderr, names and paths escaped. */
static void tell(const struct command_call *call, const char *text)
{
    struct buf line = { 0 };
    buf_printf(&line, "%s: ", call->program->name);
    escape_add_text(&line, view_cstr(text), ERROR_TEXT_BYTES);
    fprintf(stderr, "%s\n", buf_cstr(&line));
    buf_release(&line);
}

static int fail(const struct command_call *call, int code, const struct error *err)
{
    tell(call, err->text);
    return code;
}

/* Prints and releases the text; a full disk is a failure. */
static int print(struct buf *text)
{
    bool is_printed = fputs(buf_cstr(text), stdout) >= 0;
    is_printed = fflush(stdout) == 0 && is_printed;
    buf_release(text);
    return is_printed ? EXIT_DONE : EXIT_FAILED;
}

static int print_source(const struct command_call *call, const struct source *source)
{
    const struct ingest_options *options = call->config;
    struct buf text = { 0 };
    if (call->json) {
        source_guide_add_json(source, &text);
    } else {
        struct source_address address = { options->public_url, options->listen };
        source_guide_add_text(source, &address, &text);
    }
    return print(&text);
}

/* ---- reading ---- */

static const char *registry_path(const struct command_call *call)
{
    return ((const struct ingest_options *)call->config)->sources_file;
}

/* A registry that is not there yet is an empty one. */
static bool read_registry(const struct command_call *call, struct source_list *out,
                          struct error *err)
{
    const char *path = registry_path(call);
    if (!source_file_exists(path)) {
        return true;
    }
    if (source_file_is_world_readable(path)) {
        struct buf warning = { 0 };
        buf_printf(&warning,
                   "warning: every user can read '%s', which holds secrets: chmod 600 it",
                   path);
        tell(call, buf_cstr(&warning));
        buf_release(&warning);
    }
    return source_file_read(path, out, err);
}

static void not_found(const struct command_call *call, struct error *err)
{
    error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
              "there is no source '%s' in '%s'; 'source list' shows those there are",
              call->args[0], registry_path(call));
}

/* ---- making a source ---- */

/* Random letters and digits. Bytes of 248 and above are dropped: 248 is a multiple of 62,
 * so all characters are equally likely. */
static char *make_credential(size_t length)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char *out = mem_calloc(length + 1, 1);
    size_t done = 0;
    while (done < length) {
        unsigned char bytes[64];
        REQUIRE(RAND_bytes(bytes, sizeof bytes) == 1);
        for (size_t i = 0; i < sizeof bytes && done < length; i++) {
            if (bytes[i] < 248) {
                out[done++] = alphabet[bytes[i] % 62];
            }
        }
    }
    return out;
}

static void add_credential(struct source_credentials *to, size_t length)
{
    to->values[to->count++] = make_credential(length);
}

/* "100/s" */
static bool parse_rate(const char *text, uint64_t *out, struct error *err)
{
    struct view v = view_cstr(text);
    struct error ignored;
    uint64_t rate = 0;
    bool is_rate = v.len > 2 && strcmp(text + v.len - 2, "/s") == 0 &&
                   parse_u64(view_of(v.data, v.len - 2), &rate, &ignored) && rate > 0 &&
                   rate <= INT64_MAX;
    if (!is_rate) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "--rate: '%s' is no rate of events; for example 100/s", text);
    }
    *out = rate;
    return true;
}

static bool check_name(const char *name, struct error *err)
{
    struct view rest = view_cstr(name);
    if (rest.len > NAME_MAX_BYTES) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "the name is longer than %d bytes; choose another",
                         NAME_MAX_BYTES);
    }
    while (rest.len > 0) {
        uint32_t c = 0;
        size_t len = escape_next_char(rest, &c);
        if (c == ESCAPE_REPLACEMENT && len == 1) {
            return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                             "the name is not UTF-8; choose another");
        }
        rest = view_skip(rest, len);
    }
    return true;
}

static bool choose_schema(const char *wanted, struct view name,
                          char out[SCHEMA_NAME_MAX_BYTES + 1], struct error *err)
{
    if (wanted == NULL) {
        return schema_name_from(name, out, err);
    }
    if (!schema_name_is_valid(view_cstr(wanted))) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "--schema: '%s' cannot be a source's schema: use words of a-z "
                         "and 0-9 joined by '_', at most %d bytes, beginning with a "
                         "letter; not public, backstitch, information_schema or pg_*",
                         wanted, SCHEMA_NAME_MAX_BYTES);
    }
    snprintf(out, SCHEMA_NAME_MAX_BYTES + 1, "%s", wanted);
    return true;
}

/* A source as the command line wants it, in *out when it returns true. */
static bool make_source(const struct command_call *call, const struct source_list *list,
                        struct source *out, struct error *err)
{
    const struct source_add_flags *flags = call->flags;
    const char *name = call->args[0];
    char slug[SLUG_MAX_BYTES + 1];
    char schema[SCHEMA_NAME_MAX_BYTES + 1];
    uint64_t rate = 0;
    if (!check_name(name, err) || !schema_name_slug(view_cstr(name), slug, err) ||
        (flags->rate != NULL && !parse_rate(flags->rate, &rate, err))) {
        return false;
    }
    /* A source that comes back finds its own schema, whatever it was. */
    const struct removed_source *before = source_list_find_removed(list, view_cstr(slug));
    const char *wanted =
        flags->schema == NULL && before != NULL ? before->schema : flags->schema;
    if (!choose_schema(wanted, view_cstr(name), schema, err)) {
        return false;
    }
    *out = (struct source){ .name = mem_strdup(name),
                            .slug = mem_strdup(slug),
                            .schema = mem_strdup(schema),
                            .require = (enum source_require)flags->require,
                            .rate_per_second = rate };
    add_credential(&out->write_keys, WRITE_KEY_CHARS);
    add_credential(&out->tokens, SECRET_CHARS);
    add_credential(&out->secrets, SECRET_CHARS);
    return true;
}

static void warn_of_require(const struct command_call *call, enum source_require require)
{
    if (require == REQUIRE_SIGNATURE) {
        tell(call, "warning: --require signature: of a batch, Segment's signature covers "
                   "the first event only; --require all asks for the token too");
    } else if (require == REQUIRE_NONE) {
        tell(call, "warning: --require none: whoever knows the webhook URL can send");
    }
}

/* ---- the commands ---- */

/* Under the lock. */
static int add_locked(const struct command_call *call,
                      const struct source_file_lock *lock)
{
    struct source_list list = { 0 };
    struct source source = { 0 };
    struct error err;
    int code = EXIT_FAILED;
    if (!read_registry(call, &list, &err)) {
        goto out;
    }
    if (!make_source(call, &list, &source, &err)) {
        code = EXIT_USAGE;
        goto out;
    }
    if (!source_list_add(&list, &source, &err)) {
        source_release(&source);
        goto out;
    }
    if (!source_file_write(lock, &list, &err)) {
        goto out;
    }
    code = EXIT_DONE;

out:
    if (code != EXIT_DONE) {
        fail(call, code, &err);
    } else {
        warn_of_require(call, list.sources[list.count - 1].require);
        code = print_source(call, &list.sources[list.count - 1]);
    }
    source_list_release(&list);
    return code;
}

int command_source_add(const struct command_call *call)
{
    struct source_file_lock lock;
    struct error err;
    if (!source_file_lock(registry_path(call), &lock, &err)) {
        return fail(call, EXIT_FAILED, &err);
    }
    int code = add_locked(call, &lock);
    source_file_unlock(&lock);
    return code;
}

static void add_list_json(const struct source_list *list, struct buf *out)
{
    json_object *array = json_object_new_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct source *s = &list->sources[i];
        json_object *o = json_object_new_object();
        json_object_object_add(o, "name", json_object_new_string(s->name));
        json_object_object_add(o, "slug", json_object_new_string(s->slug));
        json_object_object_add(o, "schema", json_object_new_string(s->schema));
        json_object_object_add(o, "require",
                               json_object_new_string(source_require_names[s->require]));
        json_object_object_add(o, "rate_per_second",
                               json_object_new_int64((int64_t)s->rate_per_second));
        json_object_array_add(array, o);
    }
    buf_add_cstr(out, json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN));
    buf_add_char(out, '\n');
    json_object_put(array);
}

static void add_list_text(const struct source_list *list, struct buf *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct source *s = &list->sources[i];
        buf_printf(out, "%-24s schema %-24s require %-9s ", s->slug, s->schema,
                   source_require_names[s->require]);
        if (s->rate_per_second > 0) {
            buf_printf(out, "rate %" PRIu64 "/s ", s->rate_per_second);
        }
        buf_add_cstr(out, " \"");
        escape_add_text(out, view_cstr(s->name), NAME_MAX_BYTES);
        buf_add_cstr(out, "\"\n");
    }
}

int command_source_list(const struct command_call *call)
{
    struct source_list list = { 0 };
    struct error err;
    if (!read_registry(call, &list, &err)) {
        return fail(call, EXIT_FAILED, &err);
    }
    struct buf text = { 0 };
    if (call->json) {
        add_list_json(&list, &text);
    } else {
        add_list_text(&list, &text);
    }
    if (list.count == 0 && !call->json) {
        tell(call, "there are no sources yet: 'source add NAME' makes one");
    }
    source_list_release(&list);
    return print(&text);
}

int command_source_show(const struct command_call *call)
{
    struct source_list list = { 0 };
    struct error err;
    if (!read_registry(call, &list, &err)) {
        return fail(call, EXIT_FAILED, &err);
    }
    const struct source *found = source_list_find(&list, view_cstr(call->args[0]));
    int code = EXIT_FAILED;
    if (found != NULL) {
        code = print_source(call, found);
    } else {
        not_found(call, &err);
        fail(call, code, &err);
    }
    source_list_release(&list);
    return code;
}

/* Under the lock. */
static bool remove_locked(const struct command_call *call,
                          const struct source_file_lock *lock, struct error *err)
{
    struct source_list list = { 0 };
    bool is_removed = read_registry(call, &list, err);
    if (is_removed && !source_list_remove(&list, view_cstr(call->args[0]))) {
        not_found(call, err);
        is_removed = false;
    }
    is_removed = is_removed && source_file_write(lock, &list, err);
    source_list_release(&list);
    return is_removed;
}

int command_source_remove(const struct command_call *call)
{
    struct source_file_lock lock;
    struct error err;
    if (!source_file_exists(registry_path(call))) {
        not_found(call, &err);
        return fail(call, EXIT_FAILED, &err);
    }
    if (!source_file_lock(registry_path(call), &lock, &err)) {
        return fail(call, EXIT_FAILED, &err);
    }
    bool is_removed = remove_locked(call, &lock, &err);
    source_file_unlock(&lock);
    if (!is_removed) {
        return fail(call, EXIT_FAILED, &err);
    }
    struct buf text = { 0 };
    buf_add_cstr(&text,
                 "Removed. Its schema and rows stay; the schema is kept for a source "
                 "of this name.\n");
    return print(&text);
}
