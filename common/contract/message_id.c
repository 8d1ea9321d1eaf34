#include "common/contract/message_id.h"

#include "common/contract/json_text.h"

#include <openssl/evp.h>

#include <stdio.h>

static void write_hash(const unsigned char *digest, char out[MESSAGE_ID_HASH_BYTES + 1])
{
    int at = snprintf(out, MESSAGE_ID_HASH_BYTES + 1, "sha256:");
    for (int i = 0; i < 16; i++) {
        at += snprintf(out + at, 3, "%02x", digest[i]);
    }
}

static void hash(struct view first, bool with_separator, struct view second,
                 char out[MESSAGE_ID_HASH_BYTES + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    EVP_DigestUpdate(context, first.data, first.len);
    if (with_separator) {
        EVP_DigestUpdate(context, "", 1);
        EVP_DigestUpdate(context, second.data, second.len);
    }
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    write_hash(digest, out);
}

void message_id_derive(struct view source_slug, struct view bytes,
                       char out[MESSAGE_ID_HASH_BYTES + 1])
{
    hash(source_slug, true, bytes, out);
}

/* The first of the three spellings that is there and not null; whether it can be used is
 * another matter. */
static const struct json_node *find_field(const struct json_doc *doc)
{
    static const char *const spellings[] = { "messageId", "message_id", "messageid" };
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        const struct json_node *n =
            json_doc_member(doc, &doc->nodes[0], view_cstr(spellings[i]));
        if (n != NULL && n->kind != JSON_NULL) {
            return n;
        }
    }
    return NULL;
}

void message_id_of_event(const struct json_doc *doc, struct view source_slug,
                         struct arena *arena, struct message_id *out)
{
    const struct json_node *field = find_field(doc);
    struct view text = { NULL, 0 };
    if (field != NULL && field->kind == JSON_STRING) {
        text = json_text_decode_storable(field->text, arena);
    } else if (field != NULL && field->kind == JSON_NUMBER) {
        text = field->text;
    }
    out->field = text.len > 0 ? field : NULL;
    out->text = text;
    if (text.len == 0) {
        message_id_derive(source_slug, doc->text, out->hash);
        out->text = view_cstr(out->hash);
    } else if (text.len > MESSAGE_ID_MAX_BYTES) {
        hash(text, false, text, out->hash);
        out->text = view_cstr(out->hash);
    }
}
