#include "ingest/commands/segment_api.h"
#include "ingest/commands/source_command.h"
#include "ingest/commands/source_guide.h"
#include "ingest/commands/source_store.h"

#include "common/base/escape.h"
#include "common/base/file.h"
#include "common/base/mem.h"

#include <json-c/json.h>

#include <stddef.h>
#include <string.h>

#define TOKEN_MAX_BYTES 4096
#define SHOWN_NAME_BYTES 255

#define AT(member) offsetof(struct source_connect_flags, member)

static const struct option connect_options[] = {
    { .env = "token-file",
      .type = OPTION_TEXT,
      .offset = AT(token_file),
      .value_name = "FILE",
      .help = "file with a token of Segment's Public API, of a Workspace Owner" },
    { .env = "segment-source",
      .type = OPTION_TEXT,
      .offset = AT(segment_source),
      .value_name = "SLUG",
      .help = "the source in Segment that is to send here; without it they are listed" },
    { .env = "segment-api",
      .type = OPTION_TEXT,
      .offset = AT(segment_api),
      .fallback = SEGMENT_API_URL,
      .value_name = "URL",
      .help = "in Europe https://eu1.api.segmentapis.com" },
};

const struct option_table source_connect_option_table = {
    .options = connect_options,
    .count = sizeof connect_options / sizeof connect_options[0],
};

/* ---- what is needed first ---- */

static bool read_token(const char *path, struct buf *out, struct error *err)
{
    if (path == NULL) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "--token-file FILE is needed: it holds a token of Segment's "
                         "Public API");
    }
    if (!file_read(path, TOKEN_MAX_BYTES, out, err)) {
        return error_prefix(err, "--token-file");
    }
    while (out->len > 0 && strchr(" \t\r\n", out->data[out->len - 1]) != NULL) {
        out->len--;
    }
    for (size_t i = 0; i < out->len; i++) {
        if (out->data[i] <= ' ' || out->data[i] > '~') {
            return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                             "--token-file: '%s' must hold the token alone", path);
        }
    }
    return out->len > 0 || error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                                     "--token-file: '%s' is empty", path);
}

/* Segment calls no address without a certificate that it can check. */
static bool check_public_url(const struct ingest_options *options, struct error *err)
{
    const char *url = options->public_url;
    return (url != NULL && strncmp(url, "https://", strlen("https://")) == 0) ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "INGEST_PUBLIC_URL must be the https:// address at which Segment "
                     "reaches ingest; it is '%s'",
                     url == NULL ? "" : url);
}

/* ---- listing ---- */

static void add_list_json(const struct segment_sources *sources, struct buf *out)
{
    json_object *document = json_object_new_object();
    json_object *list = json_object_new_array();
    for (size_t i = 0; i < sources->count; i++) {
        const struct segment_source *s = &sources->of[i];
        json_object *o = json_object_new_object();
        json_object_object_add(o, "id", json_object_new_string(s->id));
        json_object_object_add(o, "slug", json_object_new_string(s->slug));
        json_object_object_add(o, "name", json_object_new_string(s->name));
        json_object_object_add(o, "enabled", json_object_new_boolean(s->is_enabled));
        json_object_array_add(list, o);
    }
    json_object_object_add(document, "segment_sources", list);
    buf_printf(out, "%s\n",
               json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN));
    json_object_put(document);
}

static void add_list_text(const struct segment_sources *sources, struct buf *out)
{
    buf_add_cstr(out,
                 "Sources of the workspace; choose one with --segment-source SLUG\n");
    for (size_t i = 0; i < sources->count; i++) {
        const struct segment_source *s = &sources->of[i];
        buf_add_cstr(out, "  ");
        escape_add_text(out, view_cstr(s->slug), SHOWN_NAME_BYTES);
        buf_add_cstr(out, "  \"");
        escape_add_text(out, view_cstr(s->name), SHOWN_NAME_BYTES);
        buf_add_cstr(out, s->is_enabled ? "\"\n" : "\"  (switched off)\n");
    }
}

/* ---- connecting ---- */

static bool find_segment_source(const struct segment_sources *sources, const char *wanted,
                                const struct segment_source **out, struct error *err)
{
    for (size_t i = 0; i < sources->count; i++) {
        const struct segment_source *s = &sources->of[i];
        if (strcmp(s->slug, wanted) == 0 || strcmp(s->id, wanted) == 0) {
            *out = s;
            return true;
        }
    }
    return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "the workspace has no source '%s'; without --segment-source those "
                     "there are are listed",
                     wanted);
}

static void add_webhook_url(const char *public_url, const char *slug, struct buf *out)
{
    size_t len = strlen(public_url);
    while (len > 0 && public_url[len - 1] == '/') {
        len--;
    }
    buf_printf(out, "%.*s/webhook/%s", (int)len, public_url, slug);
}

static void add_done(const struct command_call *call, const struct segment_source *from,
                     const struct segment_connection *made, struct buf *out)
{
    if (!call->json) {
        buf_printf(out, "%s the destination %s of the source ",
                   made->was_there ? "Brought up to date:" : "Made and switched on:",
                   made->destination_id);
        escape_add_text(out, view_cstr(from->slug), SHOWN_NAME_BYTES);
        buf_add_cstr(out, ". Events come from now on.\n");
        return;
    }
    json_object *document = json_object_new_object();
    json_object *facts = json_object_new_object();
    json_object_object_add(facts, "destination_id",
                           json_object_new_string(made->destination_id));
    json_object_object_add(facts, "segment_source", json_object_new_string(from->slug));
    json_object_object_add(facts, "was_there", json_object_new_boolean(made->was_there));
    json_object_object_add(document, "connected", facts);
    buf_printf(out, "%s\n",
               json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN));
    json_object_put(document);
}

static bool connect_source(const struct command_call *call, struct segment_api *api,
                           const struct source *source,
                           const struct segment_sources *sources, struct buf *out,
                           struct error *err)
{
    const struct source_connect_flags *flags = call->flags;
    const struct ingest_options *options = call->config;
    const struct segment_source *from = NULL;
    struct segment_connection made;
    struct buf url = { 0 };
    struct buf name = { 0 };
    if (!find_segment_source(sources, flags->segment_source, &from, err)) {
        return false;
    }
    add_webhook_url(options->public_url, source->slug, &url);
    buf_printf(&name, "Backstitch %s", source->slug);
    const struct segment_webhook webhook = {
        .source_id = from->id,
        .name = buf_cstr(&name),
        .url = buf_cstr(&url),
        .token = source_guide_newest(&source->tokens),
        .secret = source_guide_newest(&source->secrets),
    };
    bool is_done = segment_api_connect(api, &webhook, &made, err);
    if (is_done) {
        add_done(call, from, &made, out);
    }
    buf_release(&url);
    buf_release(&name);
    return is_done;
}

/* Lists the workspace's sources, or connects the one that was chosen. */
static bool list_or_connect(const struct command_call *call, const struct source *source,
                            const char *token, struct buf *out, struct error *err)
{
    const struct source_connect_flags *flags = call->flags;
    struct segment_api *api = NULL;
    struct segment_sources sources = { 0 };
    bool is_done = segment_api_open(flags->segment_api, token, &api, err) &&
                   segment_api_sources(api, &sources, err);
    if (is_done && flags->segment_source != NULL) {
        is_done = connect_source(call, api, source, &sources, out, err);
    } else if (is_done && call->json) {
        add_list_json(&sources, out);
    } else if (is_done) {
        add_list_text(&sources, out);
    }
    segment_sources_release(&sources);
    segment_api_close(api);
    return is_done;
}

int command_source_connect(const struct command_call *call)
{
    const struct source_connect_flags *flags = call->flags;
    struct source_list list = { 0 };
    const struct source *source = NULL;
    struct buf token = { 0 };
    struct buf text = { 0 };
    struct error err;
    bool is_done = check_public_url(call->config, &err) &&
                   read_token(flags->token_file, &token, &err) &&
                   source_store_read(call, &list, &err) &&
                   source_store_find(call, &list, &source, &err) &&
                   list_or_connect(call, source, buf_cstr(&token), &text, &err);
    source_list_release(&list);
    buf_release(&token);
    if (!is_done) {
        buf_release(&text);
        return source_store_fail(call, EXIT_FAILED, &err);
    }
    return source_store_print(&text);
}
