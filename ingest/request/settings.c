#include "ingest/request/settings.h"

#include "common/contract/json_text.h"

#include <string.h>

static const struct view https = VIEW_LITERAL("https://");
static const struct view http = VIEW_LITERAL("http://");

/* Without its scheme, and without slashes at its end. */
static struct view host_of(struct view url)
{
    if (view_starts_with(url, https)) {
        url = view_skip(url, https.len);
    } else if (view_starts_with(url, http)) {
        url = view_skip(url, http.len);
    }
    while (url.len > 0 && url.data[url.len - 1] == '/') {
        url.len--;
    }
    return url;
}

void settings_add(const char *public_url, struct view write_key, struct buf *out)
{
    struct buf host = { 0 };
    struct view url = view_cstr(public_url);
    buf_add_view(&host, host_of(url));
    buf_add_cstr(&host, "/v1");
    buf_add_cstr(out, "{\"integrations\":{\"Segment.io\":{\"apiKey\":");
    json_text_add_string(out, write_key);
    buf_add_cstr(out, ",\"apiHost\":");
    json_text_add_string(out, buf_view(&host));
    if (view_starts_with(url, http)) { /* else analytics.js takes https by itself */
        buf_add_cstr(out, ",\"protocol\":\"http\"");
    }
    /* The plan is what mobile SDKs want there, empty or not; without the sample rate they
     * and analytics.js report on themselves to Segment. */
    buf_add_cstr(out, "}},\"plan\":{},\"metrics\":{\"sampleRate\":0}}");
    buf_release(&host);
}
