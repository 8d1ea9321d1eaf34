/* Exact conversion of JSON numbers into binary types. */
#include "loader/mapping/number.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct number read(const char *text)
{
    struct number n;
    number_read(view_cstr(text), &n);
    return n;
}

static void numbers_are_taken_apart_without_loss(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *digits;
        long exponent;
        bool is_negative;
    } cases[] = {
        { "0", "", 0, false },         { "-0", "", 0, true },
        { "0.000", "", 0, false },     { "0e999999999999999999999", "", 0, false },
        { "12", "12", 0, false },      { "1200", "12", 2, false },
        { "12.0", "12", 0, false },    { "1.2e1", "12", 0, false },
        { "0.0012", "12", -4, false }, { "-12.50", "125", -1, true },
        { "1e3", "1", 3, false },      { "1E+3", "1", 3, false },
        { "10e-3", "1", -2, false },   { "100.001", "100001", -3, false },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct number n = read(cases[i].text);
        assert_string_equal(n.digits, cases[i].digits);
        assert_int_equal(n.exponent, cases[i].exponent);
        assert_int_equal(n.count, strlen(cases[i].digits));
        assert_int_equal(n.is_negative, cases[i].is_negative);
    }
    struct number n = read("123456789012345678901234567890");
    assert_int_equal(n.count, 29);
    assert_int_equal(n.exponent, 1);
    assert_string_equal(n.digits, "12345678901234567890");
}

static void integers_convert_when_they_are_integers_in_range(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t min, max;
        bool fits;
        int64_t value;
    } cases[] = {
        { "12.0", INT64_MIN, INT64_MAX, true, 12 },
        { "1.2e1", INT64_MIN, INT64_MAX, true, 12 },
        { "120e-1", INT64_MIN, INT64_MAX, true, 12 },
        { "-0", INT64_MIN, INT64_MAX, true, 0 },
        { "-0.0e5", INT64_MIN, INT64_MAX, true, 0 },
        { "12.5", INT64_MIN, INT64_MAX, false, 0 },
        { "1e-1", INT64_MIN, INT64_MAX, false, 0 },
        { "9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX },
        { "9223372036854775808", INT64_MIN, INT64_MAX, false, 0 },
        { "-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN },
        { "-9223372036854775809", INT64_MIN, INT64_MAX, false, 0 },
        { "9999999999999999999", INT64_MIN, INT64_MAX, false, 0 },
        { "1e18", INT64_MIN, INT64_MAX, true, INT64_C(1000000000000000000) },
        { "1e19", INT64_MIN, INT64_MAX, false, 0 },
        { "1e999999999999999999999999", INT64_MIN, INT64_MAX, false, 0 },
        { "1e-999999999999999999999999", INT64_MIN, INT64_MAX, false, 0 },
        { "32767", INT16_MIN, INT16_MAX, true, 32767 },
        { "32768", INT16_MIN, INT16_MAX, false, 0 },
        { "-32768", INT16_MIN, INT16_MAX, true, -32768 },
        { "-32769", INT16_MIN, INT16_MAX, false, 0 },
        { "2147483647", INT32_MIN, INT32_MAX, true, 2147483647 },
        { "2147483648", INT32_MIN, INT32_MAX, false, 0 },
        { "-2147483648", INT32_MIN, INT32_MAX, true, INT32_MIN },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct number n = read(cases[i].text);
        int64_t value = 0;
        if (number_to_integer(&n, cases[i].min, cases[i].max, &value) != cases[i].fits ||
            value != cases[i].value) {
            fail_msg("%s gives %lld", cases[i].text, (long long)value);
        }
    }
}

static void numerics_with_a_precision_take_what_they_hold_without_rounding(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int precision, scale;
        bool fits;
    } cases[] = {
        { "12.34", 10, 2, true },
        { "12.340", 10, 2, true },
        { "12.345", 10, 2, false },
        { "12345678.9", 10, 2, true },
        { "123456789", 10, 2, false },
        { "0", 4, 2, true },
        { "0.00", 1, 0, true },
        { "99.99", 4, 2, true },
        { "100", 4, 2, false },
        { "1e1", 4, 2, true },
        { "1e999999999999", 4, 2, false },
        { "123456789012345678901234567890", 38, 0, true },
        { "1.5", 38, 0, false },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct number n = read(cases[i].text);
        assert_int_equal(number_fits_numeric(&n, cases[i].precision, cases[i].scale),
                         cases[i].fits);
    }
}

struct double_case {
    const char *text;
    bool fits;
};

/* What PostgreSQL 15 prints for the text cast to double precision was looked up for each.
 */
static const struct double_case doubles[] = {
    { "0", true },
    { "-0", true },
    { "12.34", true },
    { "12.340", true },
    { "-12.34", true },
    { "0.1", true },
    { "0.30000000000000004", true },
    { "0.3000000000000000", true },
    { "0.30000000000000001", false },
    { "12.340000000000000001", false },
    { "1e3", true },
    { "1e22", true },
    { "1e23", false }, /* halfway between two doubles: printed as 9.999999999999999e+22 */
    { "9.999999999999999e22", true },
    { "7e22", false },
    { "9007199254740992", true },
    { "9007199254740993", false },
    { "9007199254740994", true },
    { "12345678901234567", false },
    { "12345678901234568", true },
    { "1.7976931348623157e308", true },
    { "1.7976931348623158e308", false },
    { "1.7976931348623159e308", false },
    { "1e308", true },
    { "1e309", false },
    { "1e400", false },
    { "1e999999999999999999", false },
    { "2.2250738585072014e-308", true },
    { "2.225073858507201e-308", true },
    { "5e-324", true },
    { "4.9e-324", false },
    { "4.940656458412465e-324", false },
    { "1e-323", true },
    { "1e-324", false },
    { "1e-400", false },
    { "1e-999999999999999999", false },
    { "5.684341886080802e-14", true },
    { "5.684341886080801e-14", true }, /* below 2^-44 doubles lie twice as close */
    { "52.520006599999995", true },
    { "52.520006599999996", false },
    { "13.404954", true },
    { "0.1000000000000000055511151231257827", false },
    { "1000000000000000000000000000000000000000000000000000000000000000000", true },
};

static void doubles_fit_when_postgresql_prints_the_same_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
        struct number n = read(doubles[i].text);
        if (number_fits_double(&n) != doubles[i].fits) {
            fail_msg("%s %s", doubles[i].text, doubles[i].fits ? "fits" : "does not fit");
        }
    }
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The 17 digits of any double either are its shortest text, or a shorter one exists: then
 * the shorter one fits. Exactly one number of digits up to 17 is the right one. */
static void of_the_roundings_of_a_double_exactly_one_length_fits(void **state)
{
    (void)state;
    uint64_t seed = UINT64_C(0x853c49e6748fea9b);
    for (unsigned round = 0; round < 3000; round++) {
        uint64_t bits = next_random(&seed) & UINT64_C(0x7fffffffffffffff);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if ((bits >> 52) == 0x7ff || value == 0) {
            continue;
        }
        unsigned fitting = 0;
        char before[40] = "";
        for (int digits = 1; digits <= 17; digits++) {
            char text[40];
            (void)snprintf(text, sizeof(text), "%.*e", digits - 1, value);
            struct number n = read(text);
            struct number b = read(before);
            bool is_new = b.exponent != n.exponent || strcmp(b.digits, n.digits) != 0;
            if (strtod(text, NULL) == value && is_new && number_fits_double(&n)) {
                fitting++;
            }
            memcpy(before, text, sizeof(before));
        }
        assert_int_equal(fitting, 1);
    }
}

static void the_locale_does_not_matter(void **state)
{
    (void)state;
    static const char *const commas[] = { "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8",
                                          "C.UTF-8" };
    for (size_t i = 0; i < sizeof(commas) / sizeof(commas[0]); i++) {
        (void)setlocale(LC_NUMERIC, commas[i]);
        struct number n = read("0.30000000000000004");
        assert_true(number_fits_double(&n));
    }
    (void)setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_taken_apart_without_loss),
        cmocka_unit_test(integers_convert_when_they_are_integers_in_range),
        cmocka_unit_test(numerics_with_a_precision_take_what_they_hold_without_rounding),
        cmocka_unit_test(doubles_fit_when_postgresql_prints_the_same_number),
        cmocka_unit_test(of_the_roundings_of_a_double_exactly_one_length_fits),
        cmocka_unit_test(the_locale_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
