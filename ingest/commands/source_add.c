#include "ingest/commands/source_command.h"
#include "ingest/commands/source_guide.h"
#include "ingest/commands/source_store.h"
#include "ingest/registry/new_credential.h"

#include "common/base/escape.h"
#include "common/base/mem.h"
#include "common/base/parse.h"
#include "common/contract/schema_name.h"

#include <stdio.h>
#include <string.h>

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
    { .env = "kubernetes",
      .type = OPTION_SWITCH,
      .offset = AT(kubernetes),
      .help = "print the whole registry as a Secret, for kubectl apply -f -" },
};

const struct option_table source_add_option_table = {
    .options = add_options,
    .count = sizeof add_options / sizeof add_options[0],
};

static bool read_rate(const char *text, uint64_t *out, struct error *err)
{
    struct error why;
    return text == NULL || parse_rate(view_cstr(text), out, &why) ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "--rate: '%s' is no rate of events; for example 100/s", text);
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
        !read_rate(flags->rate, &rate, err)) {
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
    for (int kind = 0; kind < CREDENTIAL_KINDS; kind++) {
        credential_add(out, (enum credential_kind)kind);
    }
    return true;
}

static void warn_of_require(const struct command_call *call, enum source_require require)
{
    if (require == REQUIRE_SIGNATURE) {
        source_store_tell(call, "warning: --require signature: of a batch, Segment's "
                                "signature covers the first event only; --require all "
                                "asks for the token too");
    } else if (require == REQUIRE_NONE) {
        source_store_tell(call, "warning: --require none: whoever knows the webhook URL "
                                "can send");
    }
}

static int apply(const struct command_call *call, struct source_list *list,
                 struct error *err)
{
    struct source source = { 0 };
    if (!make_source(call, list, &source, err)) {
        return EXIT_USAGE;
    }
    if (!source_list_add(list, &source, err)) {
        source_release(&source);
        return EXIT_FAILED;
    }
    warn_of_require(call, source.require);
    return EXIT_DONE;
}

static void report(const struct command_call *call, const struct source_list *list,
                   struct buf *out)
{
    source_guide_add(call, &list->sources[list->count - 1], out);
}

int command_source_add(const struct command_call *call)
{
    const struct source_add_flags *flags = call->flags;
    const struct source_change change = { .apply = apply,
                                          .report = report,
                                          .as_kubernetes = flags->kubernetes };
    return source_store_change(call, &change);
}
