/* Errors: what they hold, where they are cut; and what memory and files do when they
 * fail. */
#include "tests/support/capture.h"

#include "common/base/error.h"
#include "common/base/file.h"
#include "common/base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void test_an_error_holds_class_origin_code_and_text(void **state)
{
    (void)state;
    struct error err;
    assert_false(
        error_set(&err, ERROR_BUSY, ERROR_FROM_KAFKA, "_QUEUE_FULL", "%d of %d", 3, 4));
    assert_int_equal(err.class, ERROR_BUSY);
    assert_int_equal(err.origin, ERROR_FROM_KAFKA);
    assert_string_equal(err.code, "_QUEUE_FULL");
    assert_string_equal(err.text, "3 of 4");
    assert_false(error_set(&err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "x"));
    assert_string_equal(err.code, "");
}

static void test_an_errno_is_named(void **state)
{
    (void)state;
    struct error err;
    assert_false(error_set_errno(&err, ERROR_FATAL, ENOENT, "opening '%s'", "x"));
    assert_string_equal(err.code, "ENOENT");
    assert_string_equal(err.text, "opening 'x': No such file or directory");
    assert_int_equal(err.origin, ERROR_FROM_SYSTEM);
    error_set_errno(&err, ERROR_RETRY, 99999, "x");
    assert_string_equal(err.code, "errno 99999");
}

static void test_a_prefix_keeps_the_rest(void **state)
{
    (void)state;
    struct error err;
    error_set(&err, ERROR_RETRY, ERROR_FROM_POSTGRES, "08006", "gone");
    assert_false(error_prefix(&err, "schema %s", "s"));
    assert_string_equal(err.text, "schema s: gone");
    assert_string_equal(err.code, "08006");
    assert_int_equal(err.class, ERROR_RETRY);
    /* Its own text as an argument: composed elsewhere first. */
    error_set(&err, ERROR_FATAL, err.origin, err.code, "[%s]", err.text);
    assert_string_equal(err.text, "[schema s: gone]");
}

static void test_long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    struct error err;
    char text[2 * ERROR_TEXT_BYTES];
    for (size_t lead = 0; lead < 4; lead++) {
        memset(text, 'a', lead);
        for (size_t i = lead; i + 4 < sizeof text; i += 4) {
            memcpy(text + i, "\xf0\x9f\x98\x80", 5);
        }
        error_set(&err, ERROR_INVALID, ERROR_FROM_SELF, text, "%s", text);
        assert_in_range(strlen(err.text), ERROR_TEXT_BYTES - 4, ERROR_TEXT_BYTES - 1);
        assert_int_equal((strlen(err.text) - lead) % 4, 0);
        assert_in_range(strlen(err.code), ERROR_CODE_BYTES - 4, ERROR_CODE_BYTES - 1);
    }
    memset(text, 'a', sizeof text);
    text[ERROR_TEXT_BYTES - 1] = '\0';
    error_set(&err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "%s", text);
    assert_string_equal(err.text, text); /* exactly as long as fits */
}

static void test_every_class_and_origin_has_a_word(void **state)
{
    (void)state;
    static const char *const classes[] = { "invalid", "busy", "retry", "fatal",
                                           "stopped" };
    static const char *const origins[] = { "self", "system", "http",
                                           "json", "kafka",  "postgres" };
    for (int i = 0; i < 5; i++) {
        assert_string_equal(error_class_name((enum error_class)i), classes[i]);
    }
    for (int i = 0; i < 6; i++) {
        assert_string_equal(error_origin_name((enum error_origin)i), origins[i]);
    }
}

static int overflow_a_resize(const void *unused)
{
    (void)unused;
    free(mem_resize(NULL, SIZE_MAX / 2, 4));
    return 0;
}

static void test_a_violated_invariant_aborts_and_says_which(void **state)
{
    (void)state;
    struct capture c;
    capture_run(overflow_a_resize, NULL, &c);
    assert_int_equal(c.exit_code, 128 + SIGABRT);
    assert_non_null(strstr(buf_cstr(&c.err), "count <= SIZE_MAX / size"));
    capture_release(&c);
}

static void test_memory_of_size_zero_can_be_freed(void **state)
{
    (void)state;
    free(mem_alloc(0));
    free(mem_calloc(0, 8));
    free(mem_resize(NULL, 0, 8));
    char *text = mem_resize(mem_strdup("ab"), 10, 1);
    assert_string_equal(text, "ab");
    free(text);
    text = mem_strdup_view(view_of("abc", 2));
    assert_string_equal(text, "ab");
    free(text);
}

static void test_files_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    char path[] = "/tmp/backstitch-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hello\n", 6), 6);
    struct buf content = { 0 };
    struct error err;
    buf_add_cstr(&content, "> ");
    assert_true(file_read(path, 6, &content, &err));
    assert_string_equal(buf_cstr(&content), "> hello\n");
    assert_false(file_read(path, 5, &content, &err));
    assert_string_equal(err.code, "EFBIG");
    assert_int_equal(err.class, ERROR_INVALID);
    assert_string_equal(buf_cstr(&content), "> hello\n");
    assert_false(file_read("/tmp", 5, &content, &err));
    assert_string_equal(err.code, "EISDIR");
    (void)close(fd);
    (void)unlink(path);
    assert_false(file_read(path, 5, &content, &err));
    assert_non_null(strstr(err.text, path));
    buf_release(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_holds_class_origin_code_and_text),
        cmocka_unit_test(test_an_errno_is_named),
        cmocka_unit_test(test_a_prefix_keeps_the_rest),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
        cmocka_unit_test(test_every_class_and_origin_has_a_word),
        cmocka_unit_test(test_a_violated_invariant_aborts_and_says_which),
        cmocka_unit_test(test_memory_of_size_zero_can_be_freed),
        cmocka_unit_test(test_files_are_read_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
