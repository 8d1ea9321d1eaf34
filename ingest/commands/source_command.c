#include "ingest/commands/source_command.h"

#include "ingest/commands/source_guide.h"
#include "ingest/commands/source_store.h"

#include "common/base/escape.h"

#include <json-c/json.h>

#include <inttypes.h>
#include <stddef.h>

#define SHOWN_NAME_BYTES 255

/* ---- list ---- */

static void add_text(json_object *to, const char *name, const char *text)
{
    json_object_object_add(to, name, json_object_new_string(text));
}

static void add_number(json_object *to, const char *name, uint64_t number)
{
    json_object_object_add(to, name, json_object_new_int64((int64_t)number));
}

static void print_document(json_object *document, struct buf *out)
{
    buf_add_cstr(out,
                 json_object_to_json_string_ext(
                     document, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    buf_add_char(out, '\n');
    json_object_put(document);
}

/* How many credentials are live, not which: a rotation under way shows as two. */
static json_object *json_of(const struct source *s)
{
    json_object *o = json_object_new_object();
    add_text(o, "name", s->name);
    add_text(o, "slug", s->slug);
    add_text(o, "schema", s->schema);
    add_text(o, "require", source_require_names[s->require]);
    add_number(o, "rate_per_second", s->rate_per_second);
    add_number(o, "write_keys", s->write_keys.count);
    add_number(o, "tokens", s->tokens.count);
    add_number(o, "secrets", s->secrets.count);
    return o;
}

static void add_list_json(const struct source_list *list, struct buf *out)
{
    json_object *document = json_object_new_object();
    json_object *sources = json_object_new_array();
    for (size_t i = 0; i < list->count; i++) {
        json_object_array_add(sources, json_of(&list->sources[i]));
    }
    json_object_object_add(document, "sources", sources);
    print_document(document, out);
}

static bool is_rotating(const struct source *s)
{
    return s->write_keys.count > 1 || s->tokens.count > 1 || s->secrets.count > 1;
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
        if (is_rotating(s)) {
            buf_add_cstr(out, "old credentials live ");
        }
        buf_add_cstr(out, " \"");
        escape_add_text(out, view_cstr(s->name), SHOWN_NAME_BYTES);
        buf_add_cstr(out, "\"\n");
    }
}

int command_source_list(const struct command_call *call)
{
    struct source_list list = { 0 };
    struct buf text = { 0 };
    struct error err;
    if (!source_store_read(call, &list, &err)) {
        return source_store_fail(call, EXIT_FAILED, &err);
    }
    if (call->json) {
        add_list_json(&list, &text);
    } else {
        add_list_text(&list, &text);
    }
    if (list.count == 0 && !call->json) {
        source_store_tell(call, "there are no sources yet: 'source add NAME' makes one");
    }
    source_list_release(&list);
    return source_store_print(&text);
}

/* ---- show ---- */

int command_source_show(const struct command_call *call)
{
    struct source_list list = { 0 };
    struct buf text = { 0 };
    const struct source *found = NULL;
    struct error err;
    int code = EXIT_FAILED;
    if (source_store_read(call, &list, &err) &&
        source_store_find(call, &list, &found, &err)) {
        source_guide_add(call, found, &text);
        code = source_store_print(&text);
    } else {
        source_store_fail(call, code, &err);
    }
    source_list_release(&list);
    return code;
}

/* ---- remove ---- */

static const struct option remove_options[] = {
    { .env = "kubernetes",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct source_remove_flags, kubernetes),
      .help = "print the whole registry as a Secret, for kubectl apply -f -" },
};

const struct option_table source_remove_option_table = {
    .options = remove_options,
    .count = sizeof remove_options / sizeof remove_options[0],
};

static int remove_source(const struct command_call *call, struct source_list *list,
                         struct error *err)
{
    const struct source *found = NULL;
    bool is_removed = source_store_find(call, list, &found, err) &&
                      source_list_remove(list, view_cstr(call->args[0]));
    return is_removed ? EXIT_DONE : EXIT_FAILED;
}

static void report_removed(const struct command_call *call,
                           const struct source_list *list, struct buf *out)
{
    const struct removed_source *removed = &list->removed[list->removed_count - 1];
    if (call->json) {
        json_object *document = json_object_new_object();
        json_object *facts = json_object_new_object();
        add_text(facts, "name", removed->name);
        add_text(facts, "slug", removed->slug);
        add_text(facts, "schema", removed->schema);
        json_object_object_add(document, "removed", facts);
        print_document(document, out);
    } else {
        buf_printf(out,
                   "Removed. Its schema %s and its rows stay; the schema is kept for a "
                   "source of this name.\n",
                   removed->schema);
    }
}

int command_source_remove(const struct command_call *call)
{
    const struct source_remove_flags *flags = call->flags;
    const struct source_change change = { .apply = remove_source,
                                          .report = report_removed,
                                          .needs_source = true,
                                          .as_kubernetes = flags->kubernetes };
    return source_store_change(call, &change);
}
