/* What a stranger sends before his body: the request line's route, the framing of his
 * headers, the address a proxy names, his credentials. The first line is the method, the
 * second the path, the others headers.
 */
#include "ingest/http/framing.h"
#include "ingest/request/credentials.h"
#include "ingest/request/proxies.h"
#include "ingest/request/route.h"

#include "tests/fuzz/fuzz.h"

static void check_framing(const struct framing_header *headers, size_t count,
                          struct view path)
{
    struct framing framing;
    const char *fault = framing_judge(headers, count, path, &framing);
    REQUIRE(framing.content_length >= -1);
    REQUIRE(!framing.is_chunked || framing.content_length == -1);
    REQUIRE(fault == NULL || (framing.content_length == -1 && !framing.is_chunked));
}

static void check_route(struct view method, struct view path)
{
    struct route route = route_find(method, path);
    REQUIRE(route.token.len <= path.len && route.slug.len <= path.len);
    REQUIRE(route.kind != ROUTE_WEBHOOK || route.slug.len > 0);
    REQUIRE((route.kind == ROUTE_NOT_FOUND) == (route.allow == NULL));
}

static void check_sender(const struct framing_header *headers, size_t count)
{
    struct proxies proxies;
    struct view lines[FRAMING_MAX_HEADERS];
    struct error err;
    struct view peer = VIEW_LITERAL("10.1.2.3");
    bool is_parsed = proxies_parse("10.0.0.0/8,2001:db8::/32", &proxies, &err);
    REQUIRE(is_parsed);
    for (size_t i = 0; i < count; i++) {
        lines[i] = headers[i].value;
    }
    struct view sender = proxies_sender(&proxies, peer, lines, count);
    REQUIRE(sender.len > 0 && sender.len < 64);
}

static void check_credentials(const struct framing_header *headers, size_t count,
                              struct view path)
{
    struct credentials credentials;
    struct credentials_head head = { .is_webhook = count % 2 == 0, .query = path };
    struct view *parts[] = { &head.authorization, &head.api_key, &head.path_token };
    for (size_t i = 0; i < count && i < 3; i++) {
        *parts[i] = headers[i].value;
    }
    credentials_parse(&head, &credentials);
    REQUIRE(credentials.token_count <= CREDENTIALS_MAX_TOKENS);
    REQUIRE(strlen(credentials.write_key) < CREDENTIALS_MAX_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view rest = fuzz_view(data, size);
    struct framing_header headers[FRAMING_MAX_HEADERS];
    size_t count = 0;
    struct view method = fuzz_until(&rest, '\n');
    struct view path = fuzz_until(&rest, '\n');
    while (rest.len > 0 && count < FRAMING_MAX_HEADERS) {
        struct view line = fuzz_until(&rest, '\n');
        headers[count].name = fuzz_until(&line, ':');
        headers[count].value = view_trim(line);
        count++;
    }
    check_framing(headers, count, path);
    check_route(method, path);
    check_sender(headers, count);
    check_credentials(headers, count, path);
    return 0;
}
