/* Signature headers: the first line is the header, the rest the body. Nothing but the
 * right digest matches, and a guess never does.
 */
#include "ingest/request/signature.h"

#include "tests/fuzz/fuzz.h"

#define SECRET "a secret that no input holds"
#define NOW_MS 1796378405000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view body = fuzz_view(data, size);
    struct view header = fuzz_until(&body, '\n');
    REQUIRE(!signature_matches_sha1(header, SECRET, body));
    REQUIRE(!signature_matches_sha1(header, "", body));
    REQUIRE(signature_judge_sha256(header, SECRET, body, NOW_MS) == SIGNATURE_WRONG);
    REQUIRE(signature_judge_sha256(header, "", body, NOW_MS) == SIGNATURE_WRONG);
    return 0;
}
