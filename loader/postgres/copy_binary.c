#include "loader/postgres/copy_binary.h"

#include "loader/mapping/number.h"
#include "loader/postgres/binary_numeric.h"

#include "common/base/parse.h"

#include <string.h>

/* PostgreSQL counts from 2000-01-01. */
#define POSTGRES_EPOCH_US INT64_C(946684800000000)
#define LENGTH_BYTES 4
#define JSONB_VERSION 1

static void put_bytes(char *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (char)(unsigned char)(value >> (8 * (size - 1 - i)));
    }
}

static void add_number(struct buf *out, uint64_t value, size_t size)
{
    put_bytes(buf_reserve(out, size), value, size);
    out->len += size;
}

/* A field of fixed size: its length, then the value. */
static void add_field(struct buf *out, uint64_t value, size_t size)
{
    char *at = buf_reserve(out, LENGTH_BYTES + size);
    put_bytes(at, size, LENGTH_BYTES);
    put_bytes(at + LENGTH_BYTES, value, size);
    out->len += LENGTH_BYTES + size;
}

void copy_binary_begin(struct buf *out)
{
    static const char signature[11] = "PGCOPY\n\377\r\n"; /* the last byte is NUL */
    buf_add(out, signature, sizeof signature);
    add_number(out, 0, 4); /* flags */
    add_number(out, 0, 4); /* length of the header's extension */
}

void copy_binary_end(struct buf *out)
{
    add_number(out, (uint16_t)-1, 2);
}

void copy_binary_begin_row(struct buf *out, size_t fields)
{
    add_number(out, fields, 2);
}

void copy_binary_add_null(struct buf *out)
{
    add_number(out, (uint32_t)-1, LENGTH_BYTES);
}

void copy_binary_add_time(struct buf *out, int64_t us)
{
    add_field(out, (uint64_t)(us - POSTGRES_EPOCH_US), 8);
}

static void add_text(struct buf *out, struct view text)
{
    char *at = buf_reserve(out, LENGTH_BYTES + text.len);
    put_bytes(at, text.len, LENGTH_BYTES);
    if (text.len > 0) {
        memcpy(at + LENGTH_BYTES, text.data, text.len);
    }
    out->len += LENGTH_BYTES + text.len;
}

static void add_jsonb(struct buf *out, struct view text)
{
    add_number(out, text.len + 1, LENGTH_BYTES);
    buf_add_char(out, JSONB_VERSION);
    buf_add_view(out, text);
}

static bool add_integer(struct buf *out, const struct cell *cell, size_t size)
{
    int64_t value = 0;
    struct error err;
    if (cell->kind == CELL_INTEGER) {
        value = cell->integer;
    } else if (cell->kind != CELL_TEXT || !parse_i64(cell->text, &value, &err)) {
        return false;
    }
    add_field(out, (uint64_t)value, size);
    return true;
}

static void add_double(struct buf *out, struct view json)
{
    struct number number;
    uint64_t bits;
    number_read(json, &number);
    double value = number_to_double(&number);
    memcpy(&bits, &value, sizeof bits);
    add_field(out, bits, sizeof bits);
}

static bool add_numeric(struct buf *out, struct view json)
{
    size_t length_at = out->len;
    add_number(out, 0, LENGTH_BYTES);
    if (!binary_numeric_add(out, json)) {
        return false;
    }
    put_bytes(out->data + length_at, out->len - length_at - LENGTH_BYTES, LENGTH_BYTES);
    return true;
}

/* The mapping writes booleans as PostgreSQL prints them. */
static void add_boolean(struct buf *out, struct view text)
{
    add_field(out, text.len > 0 && text.data[0] == 't' ? 1 : 0, 1);
}

static bool add_text_cell(struct buf *out, struct view text, enum column_type type)
{
    switch (type) {
    case COLUMN_TEXT:
    case COLUMN_VARCHAR:
    case COLUMN_JSON:
        add_text(out, text);
        return true;
    case COLUMN_JSONB:
        add_jsonb(out, text);
        return true;
    case COLUMN_BOOLEAN:
        add_boolean(out, text);
        return true;
    case COLUMN_DOUBLE:
        add_double(out, text);
        return true;
    case COLUMN_NUMERIC:
        return add_numeric(out, text);
    case COLUMN_SMALLINT:
    case COLUMN_INTEGER:
    case COLUMN_BIGINT:
    case COLUMN_TIMESTAMPTZ:
    case COLUMN_TIMESTAMP:
    case COLUMN_OTHER:
        return false;
    }
    return false;
}

bool copy_binary_add_cell(struct buf *out, const struct cell *cell, enum column_type type)
{
    if (type == COLUMN_BIGINT) {
        return add_integer(out, cell, 8);
    }
    if (type == COLUMN_INTEGER) {
        return add_integer(out, cell, 4);
    }
    if (type == COLUMN_SMALLINT) {
        return add_integer(out, cell, 2);
    }
    if (type == COLUMN_TIMESTAMPTZ || type == COLUMN_TIMESTAMP) {
        if (cell->kind != CELL_TIME) {
            return false;
        }
        copy_binary_add_time(out, cell->us);
        return true;
    }
    return cell->kind == CELL_TEXT && add_text_cell(out, cell->text, type);
}
