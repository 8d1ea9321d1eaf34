#include "tests/support/load_sql.h"

#include "common/base/file.h"
#include "common/base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILE_BYTES 65536

void load_sql_read(const char *file, struct buf *out)
{
    char path[512];
    struct error err = { .text = "" };
    snprintf(path, sizeof path, "%s/%s", TEST_SQL_DIR, file);
    bool is_read = file_read(path, MAX_FILE_BYTES, out, &err);
    REQUIRE(is_read);
}

/* ---- values ---- */

static void add_quoted(struct buf *out, const char *text)
{
    buf_printf(out, "'%s'", text);
}

static void add_value(const struct load_sql *v, struct view name, struct buf *out)
{
    const struct {
        const char *name, *text;
        int64_t number;
    } values[] = {
        { "direction", v->newest_wins ? "DESC" : "", 0 },
        { "keeps", v->newest_wins ? ">=" : "<=", 0 },
        { "beats", v->newest_wins ? "<" : ">", 0 },
        { "from", NULL, v->from },
        { "to", NULL, v->to },
        { "page_rows", NULL, (int64_t)v->page_rows },
        { "track_rows", NULL, (int64_t)v->track_rows },
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (view_equal_cstr(name, values[i].name)) {
            if (values[i].text != NULL) {
                buf_add_cstr(out, values[i].text);
            } else {
                buf_add_i64(out, values[i].number);
            }
            return;
        }
    }
    if (view_equal_cstr(name, "group")) {
        add_quoted(out, v->group);
    } else if (view_equal_cstr(name, "owner")) {
        add_quoted(out, v->owner);
    } else if (view_equal_cstr(name, "page_fingerprint")) {
        add_quoted(out, v->page_fingerprint);
    } else {
        REQUIRE(view_equal_cstr(name, "track_fingerprint"));
        add_quoted(out, v->track_fingerprint);
    }
}

/* ---- text ---- */

/* The next part of a text: a comment, white space, quoted text, or one byte. */
enum part { PART_COMMENT, PART_SPACE, PART_QUOTED, PART_BYTE };

static enum part next_part(const char *at, size_t *len)
{
    *len = 1;
    if (at[0] == '-' && at[1] == '-') {
        *len = strcspn(at, "\n");
        return PART_COMMENT;
    }
    if (isspace((unsigned char)at[0])) {
        *len = strspn(at, " \n");
        return PART_SPACE;
    }
    if (at[0] == '\'' || at[0] == '"') {
        const char *end = strchr(at + 1, at[0]);
        REQUIRE(end != NULL);
        *len = (size_t)(end - at) + 1;
        return PART_QUOTED;
    }
    return PART_BYTE;
}

void load_sql_write(const struct load_sql *values, struct buf *out)
{
    struct buf text = { 0 };
    size_t len = 0;
    load_sql_read("load_transaction.sql", &text);
    for (const char *at = buf_cstr(&text); *at != '\0'; at += len) {
        enum part part = next_part(at, &len);
        if (part == PART_COMMENT) {
            continue;
        }
        if (part != PART_BYTE || *at != '{') {
            buf_add(out, at, len);
            continue;
        }
        len = strcspn(at, "}") + 1;
        add_value(values, view_of(at + 1, len - 2), out);
    }
    buf_release(&text);
}

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

void load_sql_normalise(const char *sql, struct buf *out)
{
    size_t len = 0;
    bool has_space = false;
    for (const char *at = sql; *at != '\0'; at += len) {
        enum part part = next_part(at, &len);
        if (part == PART_COMMENT || part == PART_SPACE) {
            has_space = true;
            continue;
        }
        if (has_space && out->len > 0 && is_word_byte(out->data[out->len - 1]) &&
            is_word_byte(*at)) {
            buf_add_char(out, ' ');
        }
        has_space = false;
        buf_add(out, at, len);
        if (*at == ';') {
            buf_add_char(out, '\n'); /* a statement a line: a difference is easily seen */
        }
    }
}
