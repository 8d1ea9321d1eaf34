/* The binary form of every type, held against PostgreSQL's own reading of the text: the
 * same cells go into one table by binary COPY and into another by text COPY, and what the
 * server shows of the two must be the same, byte for byte. */
#include "loader/postgres/connection.h"
#include "loader/postgres/copy_binary.h"
#include "loader/postgres/copy_text.h"

#include "tests/support/postgres_server.h"

#include "common/base/arena.h"
#include "common/base/mem.h"

#include <libpq-fe.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define FUZZED_ROWS 20000
#define ROW_COLUMNS COUNT(types)

static const struct {
    enum column_type type;
    const char *sql;
} types[] = {
    { COLUMN_TEXT, "text" },
    { COLUMN_VARCHAR, "varchar" },
    { COLUMN_VARCHAR, "varchar(400)" },
    { COLUMN_NUMERIC, "numeric" },
    { COLUMN_NUMERIC, "numeric(60,20)" },
    { COLUMN_SMALLINT, "smallint" },
    { COLUMN_INTEGER, "integer" },
    { COLUMN_BIGINT, "bigint" },
    { COLUMN_DOUBLE, "double precision" },
    { COLUMN_BOOLEAN, "boolean" },
    { COLUMN_TIMESTAMPTZ, "timestamptz" },
    { COLUMN_TIMESTAMP, "timestamp" },
    { COLUMN_JSON, "json" },
    { COLUMN_JSONB, "jsonb" },
};

struct fixture {
    struct connection connection;
    struct arena arena;
    struct buf text, binary; /* the rows in both forms */
    uint64_t random;
};

static void run(struct fixture *f, const char *sql)
{
    struct error err;
    if (!connection_run(&f->connection, sql, "test", &err)) {
        fail_msg("%s: %s %s", sql, err.code, err.text);
    }
}

static int set_up(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof *f);
    struct error err;
    arena_init(&f->arena);
    f->random = 20261126;
    assert_true(connection_open(&f->connection, postgres_server_new_database(), &err));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    connection_close(&f->connection);
    arena_release(&f->arena);
    buf_release(&f->text);
    buf_release(&f->binary);
    free(f);
    return 0;
}

/* ---- both tables ---- */

static void make_tables(struct fixture *f)
{
    struct buf sql = { 0 };
    buf_add_cstr(&sql, "CREATE TABLE public.by_text (id serial");
    for (size_t i = 0; i < ROW_COLUMNS; i++) {
        buf_printf(&sql, ", c%zu %s", i, types[i].sql);
    }
    buf_add_cstr(&sql, "); CREATE TABLE public.by_binary (LIKE public.by_text);"
                       "CREATE SEQUENCE public.binary_id; ALTER TABLE public.by_binary"
                       " ALTER id SET DEFAULT nextval('public.binary_id')");
    run(f, buf_cstr(&sql));
    buf_release(&sql);
    copy_binary_begin(&f->binary);
}

/* One row; a cell whose text has no data is NULL. */
static void add_row(struct fixture *f, const struct cell *cells)
{
    struct cell_scratch scratch;
    copy_binary_begin_row(&f->binary, ROW_COLUMNS);
    for (size_t i = 0; i < ROW_COLUMNS; i++) {
        const struct cell *c = &cells[i];
        buf_add_cstr(&f->text, i == 0 ? "" : "\t");
        if (c->kind == CELL_TEXT && c->text.data == NULL) {
            copy_binary_add_null(&f->binary);
            copy_text_add_null(&f->text);
            continue;
        }
        assert_true(copy_binary_add_cell(&f->binary, c, types[i].type));
        copy_text_add_value(&f->text, cell_text(c, types[i].type, &scratch));
    }
    buf_add_char(&f->text, '\n');
}

static void copy(struct fixture *f, const char *table, const char *form,
                 const struct buf *rows)
{
    PGconn *pg = f->connection.pg;
    struct buf sql = { 0 };
    buf_printf(&sql, "COPY public.%s (", table);
    for (size_t i = 0; i < ROW_COLUMNS; i++) {
        buf_printf(&sql, "%sc%zu", i == 0 ? "" : ",", i);
    }
    buf_printf(&sql, ") FROM STDIN (FORMAT %s)", form);
    PGresult *r = PQexec(pg, buf_cstr(&sql));
    assert_int_equal(PQresultStatus(r), PGRES_COPY_IN);
    PQclear(r);
    assert_int_equal(PQputCopyData(pg, rows->data, (int)rows->len), 1);
    assert_int_equal(PQputCopyEnd(pg, NULL), 1);
    while ((r = PQgetResult(pg)) != NULL) {
        if (PQresultStatus(r) != PGRES_COMMAND_OK) {
            fail_msg("%s: %s", form, PQresultErrorMessage(r));
        }
        PQclear(r);
    }
    buf_release(&sql);
}

/* Loads both, and fails with the first row that differs. */
static void compare(struct fixture *f, size_t rows)
{
    copy_binary_end(&f->binary);
    copy(f, "by_text", "text", &f->text);
    copy(f, "by_binary", "binary", &f->binary);
    struct pg_result *r = NULL;
    struct error err;
    assert_true(connection_query(
        &f->connection,
        "SELECT count(*) OVER (), t::text, b::text FROM public.by_text t FULL JOIN"
        " public.by_binary b USING (id) WHERE t::text IS DISTINCT FROM b::text LIMIT 1",
        0, NULL, &r, &err));
    if (connection_rows(r) > 0) {
        fail_msg("%.*s rows differ; text: %.*s binary: %.*s",
                 VIEW_ARG(connection_field(r, 0, 0)), VIEW_ARG(connection_field(r, 0, 1)),
                 VIEW_ARG(connection_field(r, 0, 2)));
    }
    connection_free(r);
    assert_true(connection_query(&f->connection, "SELECT count(*) FROM public.by_binary",
                                 0, NULL, &r, &err));
    assert_int_equal(connection_field_i64(r, 0, 0), rows);
    connection_free(r);
}

/* A row of NULLs but for one column. */
static void add_single(struct fixture *f, enum column_type type, const char *sql,
                       const struct cell *cell)
{
    struct cell cells[ROW_COLUMNS];
    memset(cells, 0, sizeof cells);
    for (size_t i = 0; i < ROW_COLUMNS; i++) {
        if (types[i].type == type && (sql == NULL || strcmp(types[i].sql, sql) == 0)) {
            cells[i] = *cell;
        }
    }
    add_row(f, cells);
}

static size_t add_singles(struct fixture *f, enum column_type type, const char *sql,
                          const char *const *texts)
{
    size_t count = 0;
    for (; texts[count] != NULL; count++) {
        add_single(f, type, sql,
                   &(struct cell){ .kind = CELL_TEXT, .text = view_cstr(texts[count]) });
    }
    return count;
}

/* ---- values chosen by hand ---- */

static const char *const numbers[] = {
    "0",
    "-0",
    "0.0",
    "-0.00",
    "1",
    "-1",
    "9",
    "10",
    "9999",
    "10000",
    "10001",
    "99999999",
    "100000000",
    "1.10",
    "0.1",
    "0.0001",
    "0.00001",
    "0.000012",
    "1234.5678",
    "12345.67890",
    "1e3",
    "1E+3",
    "1.10e1",
    "1.10e2",
    "1.10e3",
    "1e-3",
    "1.5e-7",
    "120e-2",
    "120000e-6",
    "0e5",
    "0.000e2",
    "0e-5",
    "5e-1",
    "123456789e-4",
    "0.10000000000000000000",
    "1e399",
    "9.99e398",
    "1e-399",
    "12345678901234567890123",
    "-12345678901234567890.123456789012345678901234567890",
    NULL
};

static const char *const small_numbers[] = { "0",    "0.1",  "-0.00000000000000000001",
                                             "1.5",  "1e10", "123456.789",
                                             "1.50", NULL };

static void test_numbers_are_the_servers(void **state)
{
    struct fixture *f = *state;
    make_tables(f);
    size_t rows = add_singles(f, COLUMN_NUMERIC, "numeric", numbers);
    rows += add_singles(f, COLUMN_NUMERIC, "numeric(60,20)", small_numbers);
    compare(f, rows);
}

/* The greatest and the finest that PostgreSQL holds, and what it does not. */
static void test_numbers_of_very_many_digits(void **state)
{
    struct fixture *f = *state;
    make_tables(f);
    struct buf long_number = { 0 };
    for (int i = 0; i < 131072; i++) {
        buf_add_char(&long_number, (char)('1' + i % 9));
    }
    buf_add_char(&long_number, '.');
    for (int i = 0; i < 16383; i++) {
        buf_add_char(&long_number, (char)('0' + i % 10));
    }
    const char *const texts[] = { buf_cstr(&long_number), "1e131071", "1e-16383", NULL };
    size_t rows = add_singles(f, COLUMN_NUMERIC, "numeric", texts);
    compare(f, rows);
    struct buf out = { 0 };
    static const char *const beyond[] = { "1e131072", "-1e200000", "1e-16384",
                                          "1.0e-16383", "1e99999999999999999999" };
    for (size_t i = 0; i < COUNT(beyond); i++) {
        const struct cell cell = { .kind = CELL_TEXT, .text = view_cstr(beyond[i]) };
        assert_false(copy_binary_add_cell(&out, &cell, COLUMN_NUMERIC));
    }
    buf_release(&out);
    buf_release(&long_number);
}

static void test_integers_at_their_ends(void **state)
{
    static const char *const small[] = { "0", "-1", "32767", "-32768", NULL };
    static const char *const medium[] = { "2147483647", "-2147483648", NULL };
    static const char *const large[] = { "9223372036854775807", "-9223372036854775808",
                                         NULL };
    struct fixture *f = *state;
    make_tables(f);
    size_t rows = add_singles(f, COLUMN_SMALLINT, NULL, small);
    rows += add_singles(f, COLUMN_INTEGER, NULL, medium);
    rows += add_singles(f, COLUMN_BIGINT, NULL, large);
    add_single(f, COLUMN_BIGINT, NULL,
               &(struct cell){ .kind = CELL_INTEGER, .integer = INT64_MIN });
    compare(f, rows + 1);
}

/* Only what number_fits_double accepts comes here. */
static void test_doubles_denote_the_same_number(void **state)
{
    static const char *const texts[] = { "0",
                                         "-0",
                                         "1",
                                         "12.34",
                                         "-0.1",
                                         "1e22",
                                         "1e23",
                                         "5e-324",
                                         "1.5e300",
                                         "2.5e-10",
                                         "123456789012345",
                                         "0.3",
                                         "1e0",
                                         "100",
                                         "4.35",
                                         "1.7976931348623157e308",
                                         NULL };
    struct fixture *f = *state;
    make_tables(f);
    compare(f, add_singles(f, COLUMN_DOUBLE, NULL, texts));
}

static void test_times_at_their_ends(void **state)
{
    static const int64_t times[] = {
        TIMESTAMP_MIN_US,
        TIMESTAMP_MAX_US,
        0,
        -1,
        1,
        INT64_C(946684800000000),
        INT64_C(946684799999999),
        INT64_C(1796378400123456),
        INT64_C(-2208988800000000),
        INT64_C(4102444800000001),
    };
    struct fixture *f = *state;
    make_tables(f);
    for (size_t i = 0; i < COUNT(times); i++) {
        const struct cell cell = { .kind = CELL_TIME, .us = times[i] };
        add_single(f, COLUMN_TIMESTAMPTZ, NULL, &cell);
        add_single(f, COLUMN_TIMESTAMP, NULL, &cell);
    }
    compare(f, 2 * COUNT(times));
}

static void test_texts_and_documents(void **state)
{
    static const char *const texts[] = { "",    " ",    "\\", "\\N",  "a\tb\nc\rd",
                                         "'\"", "数量", "😀",  "\x01", NULL };
    static const char *const documents[] = { "{}",
                                             "[]",
                                             "null",
                                             "\"\"",
                                             "[1.10, 1e3, {\"b\":2,\"a\":1,\"b\":3}]",
                                             "\"\\u00e9\\n\"",
                                             "12345678901234567890.0",
                                             NULL };
    static const char *const booleans[] = { "t", "f", NULL };
    struct fixture *f = *state;
    make_tables(f);
    size_t rows = add_singles(f, COLUMN_TEXT, NULL, texts);
    rows += add_singles(f, COLUMN_VARCHAR, NULL, texts);
    rows += add_singles(f, COLUMN_JSON, NULL, documents);
    rows += add_singles(f, COLUMN_JSONB, NULL, documents);
    rows += add_singles(f, COLUMN_BOOLEAN, NULL, booleans);
    compare(f, rows);
}

static void test_what_has_no_binary_form_is_told(void **state)
{
    (void)state;
    struct buf out = { 0 };
    const struct cell text = { .kind = CELL_TEXT, .text = VIEW_LITERAL("2026-01-01") };
    const struct cell time = { .kind = CELL_TIME };
    assert_false(copy_binary_add_cell(&out, &text, COLUMN_OTHER));
    assert_false(copy_binary_add_cell(&out, &text, COLUMN_TIMESTAMPTZ));
    assert_false(copy_binary_add_cell(&out, &text, COLUMN_BIGINT));
    assert_false(copy_binary_add_cell(&out, &time, COLUMN_TEXT));
    buf_release(&out);
}

/* ---- random values ---- */

static uint64_t next(struct fixture *f, uint64_t below)
{
    f->random += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = f->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % below;
}

static void add_digits(struct fixture *f, struct buf *out, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        /* Many zeros and nines: groups that are empty, or carry. */
        static const char digits[] = "0000123456789999";
        buf_add_char(out, digits[next(f, sizeof digits - 1)]);
    }
}

static struct view random_number(struct fixture *f, uint64_t max_digits, int max_exponent)
{
    struct buf out = { 0 };
    if (next(f, 2) == 0) {
        buf_add_char(&out, '-');
    }
    if (next(f, 4) == 0) {
        buf_add_char(&out, '0');
    } else {
        buf_add_char(&out, (char)('1' + next(f, 9)));
        add_digits(f, &out, next(f, max_digits));
    }
    if (next(f, 2) == 0) {
        buf_add_char(&out, '.');
        add_digits(f, &out, 1 + next(f, max_digits));
    }
    if (max_exponent > 0 && next(f, 3) == 0) {
        buf_printf(&out, "e%d",
                   (int)next(f, 2 * (uint64_t)max_exponent + 1) - max_exponent);
    }
    struct view number = arena_copy(&f->arena, buf_view(&out));
    buf_release(&out);
    return number;
}

static struct view random_text(struct fixture *f)
{
    static const char *const pieces[] = { "a", "Z",  " ", "\\", "\t", "\n", "\r",
                                          "é", "数", "😀", "\"", "'",  "N",  "\x7f" };
    struct buf out = { 0 };
    for (uint64_t i = next(f, 30); i > 0; i--) {
        buf_add_cstr(&out, pieces[next(f, COUNT(pieces))]);
    }
    struct view text =
        out.len == 0 ? view_cstr("") : arena_copy(&f->arena, buf_view(&out));
    buf_release(&out);
    return text;
}

static struct cell text_cell(struct view text)
{
    struct cell cell = { .kind = CELL_TEXT, .text = text };
    return cell;
}

static struct cell random_integer(struct fixture *f, unsigned bits)
{
    int64_t value = (int64_t)(next(f, UINT64_MAX) >> (64 - bits));
    value -= (int64_t)(UINT64_C(1) << (bits - 1));
    struct buf out = { 0 };
    buf_add_i64(&out, value);
    struct cell cell = text_cell(arena_copy(&f->arena, buf_view(&out)));
    buf_release(&out);
    return cell;
}

static struct cell random_cell(struct fixture *f, size_t column)
{
    switch (types[column].type) {
    case COLUMN_NUMERIC:
        return text_cell(strcmp(types[column].sql, "numeric") == 0
                             ? random_number(f, 40, 60)
                             : random_number(f, 18, 2));
    case COLUMN_SMALLINT:
        return random_integer(f, 16);
    case COLUMN_INTEGER:
        return random_integer(f, 32);
    case COLUMN_BIGINT:
        return random_integer(f, 63);
    case COLUMN_DOUBLE:
        return text_cell(random_number(f, 7, 0));
    case COLUMN_BOOLEAN:
        return text_cell(view_cstr(next(f, 2) == 0 ? "t" : "f"));
    case COLUMN_TIMESTAMPTZ:
    case COLUMN_TIMESTAMP: {
        uint64_t span = (uint64_t)(TIMESTAMP_MAX_US - TIMESTAMP_MIN_US);
        struct cell cell = { .kind = CELL_TIME,
                             .us = TIMESTAMP_MIN_US + (int64_t)next(f, span) };
        return cell;
    }
    case COLUMN_JSON:
    case COLUMN_JSONB:
        return text_cell(random_number(f, 30, 30));
    case COLUMN_TEXT:
    case COLUMN_VARCHAR:
    case COLUMN_OTHER:
    default:
        return text_cell(random_text(f));
    }
}

static void test_random_rows_are_the_same(void **state)
{
    struct fixture *f = *state;
    make_tables(f);
    for (int i = 0; i < FUZZED_ROWS; i++) {
        struct cell cells[ROW_COLUMNS];
        memset(cells, 0, sizeof cells);
        for (size_t column = 0; column < ROW_COLUMNS; column++) {
            if (next(f, 8) > 0) {
                cells[column] = random_cell(f, column);
            }
        }
        add_row(f, cells);
    }
    compare(f, FUZZED_ROWS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_numbers_are_the_servers),
        TEST(test_numbers_of_very_many_digits),
        TEST(test_integers_at_their_ends),
        TEST(test_doubles_denote_the_same_number),
        TEST(test_times_at_their_ends),
        TEST(test_texts_and_documents),
        TEST(test_random_rows_are_the_same),
        cmocka_unit_test(test_what_has_no_binary_form_is_told),
    };
    postgres_server_start();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_server_stop();
    return failed;
}
