#include "ingest/commands/source_guide.h"

#include "common/base/escape.h"

#include <json-c/json.h>

#define SHOWN_NAME_BYTES 255

const char *source_guide_newest(const struct source_credentials *credentials)
{
    return credentials->count == 0 ? "" : credentials->values[credentials->count - 1];
}

/* The URL that paths are put behind: without a slash at its end. */
static void add_base_url(const struct source_address *address, struct buf *out)
{
    if (address->public_url == NULL) {
        buf_printf(out, "http://%s", address->listen);
        return;
    }
    struct view url = view_cstr(address->public_url);
    while (url.len > 0 && url.data[url.len - 1] == '/') {
        url.len--;
    }
    buf_add_view(out, url);
}

static void add_facts(const struct source *s, const char *url, struct buf *out)
{
    buf_add_cstr(out, "Source \"");
    escape_add_text(out, view_cstr(s->name), SHOWN_NAME_BYTES);
    buf_printf(out, "\", slug %s\n\n", s->slug);
    buf_printf(out, "  Webhook URL        %s/webhook/%s\n", url, s->slug);
    if (s->tokens.count > 0) {
        const char *token = source_guide_newest(&s->tokens);
        buf_printf(out, "  Header             Authorization: Bearer %s\n", token);
        buf_printf(out, "  or, without header %s/webhook/%s/%s\n", url, s->slug, token);
    }
    if (s->secrets.count > 0) {
        buf_printf(out, "  Shared secret      %s\n", source_guide_newest(&s->secrets));
    }
    if (s->write_keys.count > 0) {
        buf_printf(out, "  Write key (SDKs)   %s\n", source_guide_newest(&s->write_keys));
    }
    buf_printf(out, "  PostgreSQL schema  %s\n\n", s->schema);
}

static void add_webhook_steps(const struct source *s, const char *url, struct buf *out)
{
    buf_printf(out,
               "In Segment: add the destination \"Webhooks (Actions)\", map all events, "
               "and set\n"
               "  URL            %s/webhook/%s\n"
               "  Method         POST\n",
               url, s->slug);
    if (s->tokens.count > 0) {
        buf_printf(out, "  Headers        Authorization = Bearer %s\n",
                   source_guide_newest(&s->tokens));
    }
    if (s->secrets.count > 0) {
        buf_printf(out, "  Shared Secret  %s\n", source_guide_newest(&s->secrets));
    }
    buf_add_cstr(
        out, "Where your code chooses destinations in `integrations`, name this one too, "
             "or such events\n"
             "do not come here:\n"
             "  integrations: { All: false, 'Webhooks (Actions)': true }\n\n");
}

static void add_sdk_steps(const struct source *s, const char *url, struct buf *out)
{
    const char *key = source_guide_newest(&s->write_keys);
    const char *host = strstr(url, "://") == NULL ? url : strstr(url, "://") + 3;
    const char *protocol = strncmp(url, "http://", 7) == 0 ? "http" : "https";
    buf_printf(out,
               "In SDKs that send here directly, set write key and host:\n"
               "  analytics.js  AnalyticsBrowser.load({ writeKey: '%s',\n"
               "                  cdnSettings: { integrations: { 'Segment.io': {\n"
               "                    apiKey: '%s',\n"
               "                    apiHost: '%s/v1', protocol: '%s' } } } })\n"
               "  Node          new Analytics({ writeKey: '%s', host: '%s' })\n"
               "  HTTP          curl -u %s: -d '{\"userId\":\"u1\",\"event\":\"Test\"}' "
               "%s/v1/track\n",
               key, key, host, protocol, key, url, key, url);
}

void source_guide_add_text(const struct source *source,
                           const struct source_address *address, struct buf *out)
{
    struct buf url = { 0 };
    add_base_url(address, &url);
    add_facts(source, buf_cstr(&url), out);
    add_webhook_steps(source, buf_cstr(&url), out);
    if (source->write_keys.count > 0) {
        add_sdk_steps(source, buf_cstr(&url), out);
    }
    if (address->public_url == NULL) {
        buf_add_cstr(out, "\nINGEST_PUBLIC_URL is not set: put the address that senders "
                          "use in the place of the one shown.\n");
    }
    buf_release(&url);
}

static void add_member(json_object *to, const char *name, const char *text)
{
    json_object_object_add(to, name, json_object_new_string(text));
}

void source_guide_add_json(const struct source *source, struct buf *out)
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
