#include "ingest/commands/https_client.h"

#include "common/base/mem.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 10000L
#define CALL_TIMEOUT_MS 30000L
#define ANSWER_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct https_client {
    CURL *curl;
    char *base_url;
    struct buf authorization; /* the header line; a secret */
    char why[CURL_ERROR_SIZE];
};

/* libcurl's word for a host of this machine is not to be had: the few spellings. */
static bool is_this_machine(const char *url)
{
    static const char *const beginnings[] = { "http://127.0.0.1:", "http://localhost:",
                                              "http://[::1]:" };
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        if (strncmp(url, beginnings[i], strlen(beginnings[i])) == 0) {
            return true;
        }
    }
    return false;
}

bool https_client_open(const char *base_url, const char *token, struct https_client **out,
                       struct error *err)
{
    if (strncmp(base_url, "https://", strlen("https://")) != 0 &&
        !is_this_machine(base_url)) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "'%s' is no https:// address: the token must not travel in the "
                         "open",
                         base_url);
    }
    struct https_client *c = mem_calloc(1, sizeof *c);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    c->curl = curl_easy_init();
    REQUIRE(c->curl != NULL);
    c->base_url = mem_strdup(base_url);
    buf_printf(&c->authorization, "Authorization: Bearer %s", token);
    *out = c;
    return true;
}

void https_client_close(struct https_client *c)
{
    if (c != NULL) {
        curl_easy_cleanup(c->curl);
        curl_global_cleanup();
        free(c->base_url);
        buf_release(&c->authorization);
        free(c);
    }
}

/* libcurl's write callback: fewer bytes than were offered end the call. */
static size_t keep_answer(char *bytes, size_t one, size_t count, void *context)
{
    struct buf *body = context;
    (void)one; /* always 1 */
    if (count > ANSWER_MAX_BYTES - body->len) {
        return 0;
    }
    buf_add(body, bytes, count);
    return count;
}

static struct curl_slist *make_headers(struct https_client *c,
                                       const struct https_request *request)
{
    struct buf accept = { 0 };
    buf_printf(&accept, "Accept: %s", request->accept);
    struct curl_slist *headers = curl_slist_append(NULL, buf_cstr(&c->authorization));
    headers = curl_slist_append(headers, buf_cstr(&accept));
    headers = curl_slist_append(headers, "Content-Type: application/json");
    buf_release(&accept);
    return headers;
}

bool https_client_call(struct https_client *c, const struct https_request *request,
                       int *out_status, struct buf *body, struct error *err)
{
    struct buf url = { 0 };
    struct curl_slist *headers = make_headers(c, request);
    long status = 0;
    buf_printf(&url, "%s%s", c->base_url, request->path);
    buf_clear(body);
    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_URL, buf_cstr(&url));
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "backstitch/" BACKSTITCH_VERSION);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, keep_answer);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->why);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, CALL_TIMEOUT_MS);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    if (request->body != NULL) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, request->body);
    }
    c->why[0] = '\0';
    CURLcode code = curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    buf_release(&url);
    if (code != CURLE_OK) {
        return error_set(err, ERROR_RETRY, ERROR_FROM_HTTP, NULL, "%s %s%s: %s",
                         request->method, c->base_url, request->path,
                         c->why[0] != '\0' ? c->why : curl_easy_strerror(code));
    }
    *out_status = (int)status;
    return true;
}
