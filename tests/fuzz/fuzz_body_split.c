/* A request's body to its events. Whatever it is, as many elements come out as were
 * counted, each inside the body, and each event is JSON by the strict reader.
 */
#include "ingest/events/body_split.h"

#include "tests/fuzz/fuzz.h"

#define MAX_EVENT_BYTES 65536

static void check_event(struct view body, const struct body_event *event)
{
    struct view bytes = event->bytes;
    REQUIRE(bytes.len == 0 ||
            (bytes.data >= body.data && bytes.data + bytes.len <= body.data + body.len));
    if (event->doc != NULL) {
        REQUIRE(bytes.len > 0 && bytes.len <= MAX_EVENT_BYTES);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view body = fuzz_view(data, size);
    struct body_split split;
    struct json_doc doc = { 0 };
    struct arena arena = { 0 };
    struct body_event event;
    enum reject_reason reason;
    struct error err;
    (void)body_split_first_of(body);
    if (body_split_open(&split, body, &doc, &arena, &reason, &err)) {
        size_t events = 0;
        while (body_split_next(&split, &doc, MAX_EVENT_BYTES, &event)) {
            check_event(body, &event);
            events++;
        }
        REQUIRE(events == split.count);
    } else {
        REQUIRE(err.class == ERROR_INVALID && err.text[0] != '\0');
    }
    json_doc_release(&doc);
    arena_release(&arena);
    return 0;
}
