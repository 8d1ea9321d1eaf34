#include "ingest/registry/new_credential.h"

#include "common/base/mem.h"

#include <openssl/rand.h>

#include <stdlib.h>

#define WRITE_KEY_CHARS 32
#define SECRET_CHARS 43 /* 256 bits at 5.95 bits a character */
/* The largest multiple of 62 that a byte holds: bytes of this and above are dropped, so
 * that all characters are equally likely. */
#define FAIR_BYTES 248

const char *const credential_names[CREDENTIAL_KINDS] = { "write key", "token", "secret" };

static char *random_text(size_t length)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char *out = mem_calloc(length + 1, 1);
    size_t done = 0;
    while (done < length) {
        unsigned char bytes[64];
        REQUIRE(RAND_bytes(bytes, sizeof bytes) == 1);
        for (size_t i = 0; i < sizeof bytes && done < length; i++) {
            if (bytes[i] < FAIR_BYTES) {
                out[done++] = alphabet[bytes[i] % 62];
            }
        }
    }
    return out;
}

struct source_credentials *credentials_of(struct source *source,
                                          enum credential_kind kind)
{
    switch (kind) {
    case CREDENTIAL_WRITE_KEY:
        return &source->write_keys;
    case CREDENTIAL_TOKEN:
        return &source->tokens;
    case CREDENTIAL_SECRET:
        break;
    }
    return &source->secrets;
}

void credential_add(struct source *source, enum credential_kind kind)
{
    struct source_credentials *to = credentials_of(source, kind);
    REQUIRE(to->count < SOURCE_MAX_CREDENTIALS);
    to->values[to->count++] =
        random_text(kind == CREDENTIAL_WRITE_KEY ? WRITE_KEY_CHARS : SECRET_CHARS);
}

unsigned credential_retire(struct source *source, enum credential_kind kind)
{
    struct source_credentials *of = credentials_of(source, kind);
    unsigned retired = of->count > 1 ? of->count - 1 : 0;
    for (unsigned i = 0; i < retired; i++) {
        free(of->values[i]);
    }
    if (retired > 0) {
        of->values[0] = of->values[retired];
        of->count = 1;
    }
    return retired;
}
