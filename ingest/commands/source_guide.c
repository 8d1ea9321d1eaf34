#include "ingest/commands/source_guide.h"

#include "ingest/commands/options.h"
#include "ingest/commands/source_snippets.h"

#include "common/base/escape.h"

#include <json-c/json.h>

#define SHOWN_NAME_BYTES 255

const char *source_guide_newest(const struct source_credentials *credentials)
{
    return credentials->count == 0 ? "" : credentials->values[credentials->count - 1];
}

/* ---- for people ---- */

/* The URL that paths are put behind: without a slash at its end. */
static void add_base_url(const struct ingest_options *options, struct buf *out)
{
    if (options->public_url == NULL) {
        buf_printf(out, "http://%s", options->listen);
        return;
    }
    struct view url = view_cstr(options->public_url);
    while (url.len > 0 && url.data[url.len - 1] == '/') {
        url.len--;
    }
    buf_add_view(out, url);
}

/* During a rotation the older ones are good too; which they are is in the registry. */
static void add_count(const struct source_credentials *of, struct buf *out)
{
    buf_add_cstr(out, of->count > 1 ? "   (an older one is good too)\n" : "\n");
}

static void add_facts(const struct source *s, const char *url, struct buf *out)
{
    buf_add_cstr(out, "Source \"");
    escape_add_text(out, view_cstr(s->name), SHOWN_NAME_BYTES);
    buf_printf(out, "\", slug %s\n\n", s->slug);
    buf_printf(out, "  Webhook URL        %s/webhook/%s\n", url, s->slug);
    if (s->tokens.count > 0) {
        const char *token = source_guide_newest(&s->tokens);
        buf_printf(out, "  Header             Authorization: Bearer %s", token);
        add_count(&s->tokens, out);
        buf_printf(out, "  or, without header %s/webhook/%s/%s\n", url, s->slug, token);
    }
    if (s->secrets.count > 0) {
        buf_printf(out, "  Shared secret      %s", source_guide_newest(&s->secrets));
        add_count(&s->secrets, out);
    }
    if (s->write_keys.count > 0) {
        buf_printf(out, "  Write key (SDKs)   %s", source_guide_newest(&s->write_keys));
        add_count(&s->write_keys, out);
    }
    buf_printf(out, "  PostgreSQL schema  %s\n", s->schema);
}

static void add_text(const struct source *source, const struct ingest_options *options,
                     struct buf *out)
{
    struct buf url = { 0 };
    add_base_url(options, &url);
    add_facts(source, buf_cstr(&url), out);
    const struct snippet_facts facts = {
        .url = buf_cstr(&url),
        .slug = source->slug,
        .token = source_guide_newest(&source->tokens),
        .secret = source_guide_newest(&source->secrets),
        .write_key = source_guide_newest(&source->write_keys),
    };
    source_snippets_add(&facts, out);
    if (options->public_url == NULL) {
        buf_add_cstr(out,
                     "\nINGEST_PUBLIC_URL is not set: put the address that senders use "
                     "in the place of the one shown;\n"
                     "analytics.js and the mobile SDKs cannot start without it.\n");
    }
    buf_release(&url);
}

/* ---- for programs ---- */

static void add_member(json_object *to, const char *name, const char *text)
{
    json_object_object_add(to, name, json_object_new_string(text));
}

static void add_json(const struct source *source, struct buf *out)
{
    struct buf path = { 0 };
    buf_printf(&path, "/webhook/%s", source->slug);
    json_object *o = json_object_new_object();
    add_member(o, "name", source->name);
    add_member(o, "slug", source->slug);
    add_member(o, "schema", source->schema);
    add_member(o, "write_key", source_guide_newest(&source->write_keys));
    add_member(o, "token", source_guide_newest(&source->tokens));
    add_member(o, "secret", source_guide_newest(&source->secrets));
    add_member(o, "webhook_path", buf_cstr(&path));
    buf_add_cstr(out, json_object_to_json_string_ext(
                          o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    buf_add_char(out, '\n');
    json_object_put(o);
    buf_release(&path);
}

void source_guide_add(const struct command_call *call, const struct source *source,
                      struct buf *out)
{
    if (call->json) {
        add_json(source, out);
    } else {
        add_text(source, call->config, out);
    }
}
