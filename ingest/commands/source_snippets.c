#include "ingest/commands/source_snippets.h"

#include "common/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* ---- the texts ---- */

struct snippet {
    const char *title;
    /* Lines; {url}, {protocol}, {host} (with port and path), {hostname}, {port}, {path},
     * {slug}, {token}, {secret}, {key} are filled in. A line whose credential the source
     * does not have is left out. */
    const char *text;
};

/* Segment calls us. */
static const struct snippet of_segment[] = {
    { "Segment: webhook destination \"Webhooks (Actions)\"",
      "Shared Secret  {secret}\n"
      "One mapping \"Send\", for all events:\n"
      "  URL          {url}/webhook/{slug}\n"
      "  Method       POST\n"
      "  Headers      Authorization = Bearer {token}\n" },
    { "Segment: destination function", "The code is deploy/segment-function/function.js; "
                                       "it also passes deletions on, which "
                                       "a webhook does not.\n"
                                       "Settings of the function:\n"
                                       "  webhookUrl   {url}/webhook/{slug}\n"
                                       "  secret       {secret}\n" },
    { "In your code, where it chooses destinations: name this one too, or such events do "
      "not come",
      "integrations: { All: false, 'Webhooks (Actions)': true }\n" },
};

/* Your code calls us. Mobile SDKs put https:// before the host themselves. */
static const struct snippet of_sdks[] = {
    { "analytics.js (npm @segment/analytics-next)",
      "AnalyticsBrowser.load({ writeKey: '{key}', cdnURL: '{url}' })\n" },
    { "Node (npm @segment/analytics-node)",
      "const analytics = new Analytics({ writeKey: '{key}', host: '{url}' })\n" },
    { "Python (segment-analytics-python)", "analytics.write_key = '{key}'\n"
                                           "analytics.host = '{url}'\n" },
    { "Go (github.com/segmentio/analytics-go/v3)",
      "client, err := analytics.NewWithConfig(\"{key}\", analytics.Config{Endpoint: "
      "\"{url}\"})\n" },
    { "Java (com.segment.analytics.java:analytics)",
      "Analytics analytics = "
      "Analytics.builder(\"{key}\").endpoint(\"{url}\").build();\n" },
    { "Kotlin, Android (com.segment.analytics.kotlin)",
      "Analytics(\"{key}\") { apiHost = \"{host}/v1\"; cdnHost = \"{host}/v1\" }\n" },
    { "Swift (analytics-swift)",
      "Configuration(writeKey: "
      "\"{key}\").apiHost(\"{host}/v1\").cdnHost(\"{host}/v1\")\n" },
    { "React Native (@segment/analytics-react-native)",
      "createClient({ writeKey: '{key}', useSegmentEndpoints: true,\n"
      "  proxy: '{url}/v1', cdnProxy: '{url}/v1' })\n" },
    { "Flutter (segment_analytics)",
      "createClient(Configuration('{key}', apiHost: '{host}/v1', cdnHost: "
      "'{host}/v1'))\n" },
    { "Ruby (analytics-ruby)",
      "Segment::Analytics.new(write_key: '{key}', host: '{hostname}', port: {port},\n"
      "  ssl: {ssl}, path: '{path}/v1/import')\n" },
    { "PHP (segmentio/analytics-php; it always uses https)",
      "Segment::init('{key}', ['host' => '{host}'])\n" },
    { ".NET (Analytics.CSharp)",
      "new Analytics(new Configuration(\"{key}\", apiHost: \"{host}/v1\", cdnHost: "
      "\"{host}/v1\"))\n" },
    { ".NET (the older Analytics)",
      "Analytics.Initialize(\"{key}\", new Config().SetHost(\"{url}\"))\n" },
    { "HTTP",
      "curl -u {key}: {url}/v1/track -d '{\"userId\":\"u1\",\"event\":\"Test\"}'\n" },
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* ---- filling in ---- */

struct value {
    const char *name; /* with its braces */
    struct view text;
    bool is_credential;
};

#define MAX_VALUES 11

struct values {
    struct value of[MAX_VALUES];
    size_t count;
};

static void set(struct values *values, const char *name, struct view text)
{
    values->of[values->count++] = (struct value){ name, text, false };
}

static void set_credential(struct values *values, const char *name, const char *text)
{
    values->of[values->count++] = (struct value){ name, view_cstr(text), true };
}

/* Host name and port out of "host:port"; an IPv6 address has its brackets. */
static void set_host(struct values *values, struct view host_port, bool is_tls)
{
    size_t at = host_port.len;
    while (at > 0 && host_port.data[at - 1] != ':' && host_port.data[at - 1] != ']') {
        at--;
    }
    bool has_port = at > 0 && host_port.data[at - 1] == ':';
    set(values, "{hostname}", view_of(host_port.data, has_port ? at - 1 : host_port.len));
    set(values, "{port}",
        has_port ? view_skip(host_port, at) : view_cstr(is_tls ? "443" : "80"));
}

static void set_address(struct values *values, const char *url)
{
    struct view whole = view_cstr(url);
    bool is_tls = !view_starts_with(whole, view_cstr("http://"));
    const char *scheme_end = strstr(url, "://");
    struct view host = scheme_end == NULL ? whole : view_cstr(scheme_end + strlen("://"));
    const char *slash = memchr(host.data, '/', host.len);
    size_t len = slash == NULL ? host.len : (size_t)(slash - host.data);
    set(values, "{url}", whole);
    set(values, "{protocol}", view_cstr(is_tls ? "https" : "http"));
    set(values, "{ssl}", view_cstr(is_tls ? "true" : "false"));
    set(values, "{host}", host);
    set(values, "{path}", view_skip(host, len));
    set_host(values, view_of(host.data, len), is_tls);
}

static const struct value *find(const struct values *values, struct view at)
{
    for (size_t i = 0; i < values->count; i++) {
        if (view_starts_with(at, view_cstr(values->of[i].name))) {
            return &values->of[i];
        }
    }
    return NULL;
}

/* Fills one line in, behind an indentation; nothing when it needs a credential that is
 * not there. */
static void fill_line(const struct values *values, struct view line, struct buf *out)
{
    size_t before = out->len;
    buf_add_cstr(out, "  ");
    while (line.len > 0) {
        const struct value *value = find(values, line);
        if (value == NULL) {
            buf_add_char(out, line.data[0]);
            line = view_skip(line, 1);
            continue;
        }
        if (value->is_credential && value->text.len == 0) {
            out->len = before;
            return;
        }
        buf_add_view(out, value->text);
        line = view_skip(line, strlen(value->name));
    }
}

static void fill(const struct values *values, const char *text, struct buf *out)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n") + 1;
        fill_line(values, view_of(text, len), out);
        text += len;
    }
}

static void add_all(const struct snippet *snippets, size_t count,
                    const struct values *values, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "\n%s\n", snippets[i].title);
        fill(values, snippets[i].text, out);
    }
}

void source_snippets_add(const struct snippet_facts *facts, struct buf *out)
{
    struct values values = { .count = 0 };
    set_address(&values, facts->url);
    set(&values, "{slug}", view_cstr(facts->slug));
    set_credential(&values, "{token}", facts->token);
    set_credential(&values, "{secret}", facts->secret);
    set_credential(&values, "{key}", facts->write_key);
    add_all(of_segment, COUNT(of_segment), &values, out);
    if (facts->write_key[0] != '\0') {
        add_all(of_sdks, COUNT(of_sdks), &values, out);
    }
}
