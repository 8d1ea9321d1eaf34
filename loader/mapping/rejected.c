#include "loader/mapping/rejected.h"

#include "common/base/buf.h"
#include "common/base/utf8.h"
#include "common/contract/json_split.h"
#include "common/contract/json_text.h"

#define WRITE_KEY "writeKey"
#define BATCH_KEY "batch"

/* The length of the character at `at`; 0 when it is none that can be stored. */
static size_t character(struct view bytes, size_t at)
{
    const unsigned char *byte = (const unsigned char *)bytes.data + at;
    if (*byte < 0x80) {
        return *byte == '\0' ? 0 : 1;
    }
    return utf8_sequence(byte, (const unsigned char *)bytes.data + bytes.len);
}

static size_t storable_prefix(struct view bytes)
{
    size_t at = 0;
    while (at < bytes.len) {
        size_t len = character(bytes, at);
        if (len == 0) {
            break;
        }
        at += len;
    }
    return at;
}

bool rejected_is_storable(struct view bytes)
{
    return storable_prefix(bytes) == bytes.len;
}

/* A text that looks like an escape already stays as it is: this is for reading, not for
 * decoding. */
struct view rejected_storable(struct view bytes, struct arena *arena)
{
    static const char hex[] = "0123456789abcdef";
    if (rejected_is_storable(bytes)) {
        return bytes;
    }
    struct buf text;
    buf_init(&text, 0);
    while (bytes.len > 0) {
        size_t good = storable_prefix(bytes);
        buf_add(&text, bytes.data, good);
        bytes = view_skip(bytes, good);
        if (bytes.len > 0) {
            unsigned char byte = (unsigned char)bytes.data[0];
            buf_add_cstr(&text, "\\x");
            buf_add_char(&text, hex[byte >> 4]);
            buf_add_char(&text, hex[byte & 0xF]);
            bytes = view_skip(bytes, 1);
        }
    }
    struct view storable = arena_copy(arena, buf_view(&text));
    buf_release(&text);
    return storable;
}

struct view rejected_reason(enum reject_reason word, struct view detail,
                            struct arena *arena)
{
    struct view text = view_cstr(reject_reason_text(word));
    if (detail.len == 0) {
        return text;
    }
    struct buf joined;
    buf_init(&joined, 0);
    buf_add_view(&joined, text);
    buf_add_cstr(&joined, ": ");
    buf_add_view(&joined, rejected_storable(detail, arena));
    text = arena_copy(arena, buf_view(&joined));
    buf_release(&joined);
    return text;
}

/* Copies text up to what has to be blanked, piece by piece. */
struct blanking {
    struct view text;
    size_t copied;
    struct buf out;
    struct arena *arena;
};

/* Values come in the order of the text. */
static void blank(struct blanking *b, struct view value)
{
    size_t at = (size_t)(value.data - b->text.data);
    buf_add(&b->out, b->text.data + b->copied, at - b->copied);
    buf_add_cstr(&b->out, "\"\"");
    b->copied = at + value.len;
}

static void blank_elements(struct blanking *b, struct view array);

/* Blanks in an event, or in an envelope and the events of its batch. */
static void blank_members(struct blanking *b, struct view object, bool is_envelope)
{
    struct json_split split;
    struct json_fault fault;
    struct view key;
    struct view value;
    if (!json_split_open(&split, object)) {
        return;
    }
    while (json_split_next(&split, &key, &value, &fault) == JSON_SPLIT_ITEM) {
        struct view name = json_text_decode(key, b->arena);
        if (view_equal_cstr(name, WRITE_KEY)) {
            blank(b, value);
        } else if (is_envelope && view_equal_cstr(name, BATCH_KEY) &&
                   value.data[0] == '[') {
            blank_elements(b, value);
        }
    }
}

static void blank_elements(struct blanking *b, struct view array)
{
    struct json_split split;
    struct json_fault fault;
    struct view key;
    struct view value;
    if (!json_split_open(&split, array)) {
        return;
    }
    while (json_split_next(&split, &key, &value, &fault) == JSON_SPLIT_ITEM) {
        if (value.data[0] == '{') {
            blank_members(b, value, false);
        }
    }
}

/* Text that the scanner accepted: keys can be decoded, the structure can be split. */
static struct view without_write_keys(const struct json_doc *doc, struct arena *arena)
{
    const struct json_node *root = &doc->nodes[0];
    struct blanking b = { .text = doc->text, .arena = arena };
    if (root->kind == JSON_ARRAY) {
        blank_elements(&b, root->text);
    } else if (root->kind == JSON_OBJECT) {
        blank_members(&b, root->text, true);
    }
    if (b.copied == 0) {
        return doc->text;
    }
    buf_add(&b.out, doc->text.data + b.copied, doc->text.len - b.copied);
    struct view text = arena_copy(arena, buf_view(&b.out));
    buf_release(&b.out);
    return text;
}

/* ingest has cut these already; who else writes to Kafka has not. */
static bool is_over_a_limit(enum reject_reason word)
{
    return word == REJECT_EVENT_TOO_LARGE || word == REJECT_BODY_TOO_LARGE ||
           word == REJECT_CONTEXT_TOO_LARGE;
}

struct view rejected_record(const struct json_doc *doc, struct view value,
                            enum reject_reason word, struct arena *arena)
{
    struct view record = doc->count > 0 ? without_write_keys(doc, arena) : value;
    if (is_over_a_limit(word) && record.len > REJECT_KEPT_BYTES) {
        record.len = REJECT_KEPT_BYTES;
    }
    return rejected_storable(record, arena);
}
