/* The decoder of a record's headers: lines "name=value". What was read is formatted and
 * read again: it must say the same.
 */
#include "tests/fuzz/fuzz.h"

#include "common/contract/record.h"

#define MAX_HEADERS 12

static void check_again(const struct record *r)
{
    struct record_facts facts;
    char scratch[RECORD_FACTS_BYTES];
    struct record_header headers[RECORD_HEADERS_MAX];
    struct record again = { 0 };
    struct error err;
    record_facts_format(r, &facts);
    size_t count = record_encode_headers(r, &facts, scratch, headers);
    REQUIRE(count <= RECORD_HEADERS_MAX);
    if (record_decode_headers(headers, count, &again, &err)) {
        REQUIRE(record_sequence(&again) == record_sequence(r));
        REQUIRE(again.via == r->via && again.auth == r->auth);
        REQUIRE(view_equal(again.context, r->context));
        REQUIRE(view_equal(again.detail, r->detail));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view rest = fuzz_view(data, size);
    struct record_header headers[MAX_HEADERS];
    struct record record = { 0 };
    struct error err;
    size_t count = 0;
    while (rest.len > 0 && count < MAX_HEADERS) {
        struct view line = fuzz_until(&rest, '\n');
        headers[count].name = fuzz_until(&line, '=');
        headers[count].value = line;
        count++;
    }
    if (record_decode_headers(headers, count, &record, &err)) {
        REQUIRE(record.source.len > 0 && record.seq < RECORD_SEQ_LIMIT);
        check_again(&record);
    } else {
        REQUIRE(err.class == ERROR_INVALID && err.text[0] != '\0');
    }
    return 0;
}
