/* Options: precedence, units, limits, secrets, and that every mistake is told at once. */
#include "tests/support/capture.h"
#include "tests/support/contains.h"

#include "common/service/log.h"
#include "common/service/options.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct config {
    char *brokers;
    char *listen;
    char *password;
    char *folder;
    uint64_t deadline_ms;
    uint64_t max_bytes;
    uint64_t rows;
    unsigned level;
    bool is_strict;
};

static const char *const levels[] = { "debug", "info", "warn", NULL };

#define AT(member) offsetof(struct config, member)

static const struct option list[] = {
    { .env = "SHARED_BROKERS",
      .type = OPTION_TEXT,
      .offset = AT(brokers),
      .fallback = "localhost:9092",
      .value_name = "HOST:PORT,..",
      .help = "brokers to start from" },
    { .env = "TRY_LISTEN",
      .type = OPTION_LISTEN,
      .offset = AT(listen),
      .fallback = "127.0.0.1:8080",
      .help = "where to listen" },
    { .env = "TRY_PASSWORD",
      .type = OPTION_TEXT,
      .offset = AT(password),
      .is_secret = true,
      .has_file_variant = true,
      .help = "the password" },
    { .env = "TRY_FOLDER",
      .type = OPTION_TEXT,
      .offset = AT(folder),
      .is_required = true,
      .value_name = "DIR",
      .help = "where things are kept | for a while" },
    { .env = "TRY_DEADLINE",
      .type = OPTION_DURATION,
      .offset = AT(deadline_ms),
      .fallback = "20s",
      .min = 100,
      .max = 60000,
      .help = "how long" },
    { .env = "TRY_MAX_BYTES",
      .type = OPTION_SIZE,
      .offset = AT(max_bytes),
      .fallback = "1MiB",
      .min = 1024,
      .help = "how much" },
    { .env = "TRY_ROWS",
      .type = OPTION_COUNT,
      .offset = AT(rows),
      .fallback = "5",
      .max = 10,
      .help = "how many" },
    { .env = "TRY_LEVEL",
      .type = OPTION_CHOICE,
      .offset = AT(level),
      .fallback = "info",
      .choices = levels,
      .help = "how loud" },
    { .env = "TRY_STRICT",
      .type = OPTION_SWITCH,
      .offset = AT(is_strict),
      .help = "refuse more" },
};

static const struct option_table table = { "TRY_", list, sizeof list / sizeof list[0] };

static struct config config;
static struct buf mistakes;

static int set_up(void **state)
{
    (void)state;
    static const char *const names[] = {
        "SHARED_BROKERS",    "TRY_LISTEN",       "TRY_PASSWORD",
        "TRY_PASSWORD_FILE", "TRY_FOLDER",       "TRY_DEADLINE",
        "TRY_MAX_BYTES",     "TRY_ROWS",         "TRY_LEVEL",
        "TRY_STRICT",        "TRY_DEADLIN",      "TRY_X\nY",
        "TRY_PORT",          "TRY_SERVICE_HOST", "TRY_PORT_80_TCP_ADDR",
        "TRY_BIN",           "TRY_URL",          "TRY_ADMIN_URL",
        "TRY_BINS",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)unsetenv(names[i]);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    options_release(&table, &config);
    assert_null(config.brokers);
    config = (struct config){ 0 };
    buf_release(&mistakes);
    return 0;
}

static void set_env(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static void read_environment(void)
{
    options_read_environment(&table, &config, &mistakes);
}

/* Reads one flag and gives how many words it took; 0: no flag of the table. */
static int read_flag(const char *first, const char *second)
{
    char *words[2] = { strdup(first), second == NULL ? NULL : strdup(second) };
    int index = 0;
    bool is_known = options_read_flag(&table, &config, second == NULL ? 1 : 2, words,
                                      &index, &mistakes);
    free(words[0]);
    free(words[1]);
    assert_true(is_known == (index > 0));
    return index;
}

static void assert_mistakes(const char *expected)
{
    assert_string_equal(buf_cstr(&mistakes), expected);
}

static void assert_told(const char *part)
{
    assert_contains(buf_cstr(&mistakes), part);
}

static void test_defaults_are_in_force_when_nothing_is_set(void **state)
{
    (void)state;
    read_environment();
    assert_mistakes("");
    assert_string_equal(config.brokers, "localhost:9092");
    assert_string_equal(config.listen, "127.0.0.1:8080");
    assert_null(config.password);
    assert_int_equal(config.deadline_ms, 20000);
    assert_int_equal(config.max_bytes, 1048576);
    assert_int_equal(config.rows, 5);
    assert_int_equal(config.level, 1);
    assert_false(config.is_strict);
}

static void test_a_flag_wins_over_the_environment_and_that_over_the_default(void **state)
{
    (void)state;
    set_env("SHARED_BROKERS", "env:1");
    set_env("TRY_DEADLINE", "5s");
    set_env("TRY_STRICT", "true");
    read_environment();
    assert_string_equal(config.brokers, "env:1");
    assert_int_equal(config.deadline_ms, 5000);
    assert_true(config.is_strict);
    assert_int_equal(read_flag("--shared-brokers", "flag:1"), 2);
    assert_int_equal(read_flag("--deadline=500ms", "next"), 1);
    assert_int_equal(read_flag("--strict=false", NULL), 1);
    assert_string_equal(config.brokers, "flag:1");
    assert_int_equal(config.deadline_ms, 500);
    assert_false(config.is_strict);
    assert_int_equal(read_flag("--strict", "word"), 1);
    assert_true(config.is_strict);
    assert_int_equal(read_flag("--folder=", NULL), 1);
    assert_string_equal(config.folder, "");
    assert_mistakes("");
}

static void test_other_words_are_left_alone(void **state)
{
    (void)state;
    assert_int_equal(read_flag("--unknown", "x"), 0);
    assert_int_equal(read_flag("--listen-not", "x"), 0);
    assert_int_equal(read_flag("listen", "x"), 0);
    assert_int_equal(read_flag("-l", "x"), 0);
    assert_int_equal(read_flag("--", "x"), 0);
    assert_int_equal(read_flag("", "x"), 0);
    assert_mistakes("");
}

static void test_an_empty_variable_counts_as_unset(void **state)
{
    (void)state;
    set_env("TRY_DEADLINE", "");
    set_env("SHARED_BROKERS", "");
    read_environment();
    assert_int_equal(config.deadline_ms, 20000);
    assert_string_equal(config.brokers, "localhost:9092");
    assert_mistakes("");
}

static void test_all_mistakes_are_told_with_what_is_accepted(void **state)
{
    (void)state;
    set_env("TRY_DEADLINE", "20");
    set_env("TRY_MAX_BYTES", "1B");
    set_env("TRY_ROWS", "11");
    set_env("TRY_LEVEL", "loud");
    set_env("TRY_STRICT", "yes");
    set_env("TRY_LISTEN", "nowhere");
    read_environment();
    assert_int_equal(read_flag("--rows", "many\n\x1b[31m"), 2);
    options_check_required(&table, &config, &mistakes);
    assert_told(
        "TRY_DEADLINE: '20' is refused (unit missing): use a duration from 100ms to 1m, "
        "for example 20s\n");
    assert_told(
        "TRY_MAX_BYTES: '1B' is refused (too small): use a size of at least 1KiB, for "
        "example 1MiB\n");
    assert_told("TRY_ROWS: '11' is refused (too large): use a whole number from 0 to 10, "
                "for example "
                "5\n");
    assert_told("TRY_LEVEL: 'loud' is refused (no such choice): use debug, info or warn, "
                "for example "
                "info\n");
    assert_told(
        "TRY_STRICT: 'yes' is refused (neither true nor false): use true or false, for "
        "example true\n");
    assert_told(
        "TRY_LISTEN: 'nowhere' is refused (port missing): use ADDRESS:PORT, for example "
        "127.0.0.1:8080\n");
    assert_told("--rows: 'many\\n\\u001b[31m' is refused");
    assert_told("TRY_FOLDER: a value is required: use DIR\n");
    assert_int_equal(config.deadline_ms, 20000); /* what was refused changed nothing */
}

static void test_a_missing_value_is_told(void **state)
{
    (void)state;
    assert_int_equal(read_flag("--deadline", NULL), 1);
    assert_told("--deadline: the value is missing: use a duration from 100ms to 1m\n");
    assert_int_equal(read_flag("--rows", "--strict"), 1);
    assert_told("--rows: the value is missing");
}

static void test_an_unknown_variable_with_our_prefix_is_a_mistake(void **state)
{
    (void)state;
    set_env("TRY_DEADLIN", "5s");
    set_env("TRY_X\nY", "5s");
    read_environment();
    assert_told(
        "'TRY_DEADLIN' in the environment is no option: did you mean TRY_DEADLINE\n");
    assert_told("'TRY_X\\nY' in the environment is no option: unset it, or see --help\n");
}

static void test_service_links_of_kubernetes_are_no_mistakes(void **state)
{
    (void)state;
    set_env("TRY_PORT", "tcp://10.0.0.1:80");
    set_env("TRY_SERVICE_HOST", "10.0.0.1");
    set_env("TRY_PORT_80_TCP_ADDR", "10.0.0.1");
    read_environment();
    assert_mistakes("");
    set_env("TRY_PORT", "8080");
    read_environment();
    assert_told("'TRY_PORT' in the environment is no option");
}

static void test_what_scripts_call_the_programs_by_is_no_mistake(void **state)
{
    (void)state;
    set_env("TRY_BIN", "/usr/bin/try");
    set_env("TRY_URL", "http://127.0.0.1:8080");
    set_env("TRY_ADMIN_URL", "http://127.0.0.1:8081");
    read_environment();
    assert_mistakes("");
    set_env("TRY_BINS", "/usr/bin/try");
    read_environment();
    assert_told("'TRY_BINS' in the environment is no option");
}

/* A file with the content; the name lives until the next call. */
static const char *write_file(const char *content, size_t len)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/backstitch-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), len);
    (void)close(fd);
    return path;
}

static void test_a_secret_comes_from_a_file_without_its_newline(void **state)
{
    (void)state;
    const char *path = write_file(" s3cret \r\n\n", 11);
    set_env("TRY_PASSWORD_FILE", path);
    read_environment();
    assert_string_equal(config.password, " s3cret ");
    assert_int_equal(read_flag("--password-file", path), 2);
    assert_string_equal(config.password, " s3cret ");
    assert_mistakes("");
    set_env("TRY_PASSWORD", "other");
    read_environment();
    assert_mistakes("TRY_PASSWORD: TRY_PASSWORD_FILE is set too: unset one of them\n");
    (void)unlink(path);
}

static void test_an_unreadable_secret_file_is_told_by_name(void **state)
{
    (void)state;
    set_env("TRY_PASSWORD_FILE", "/nonexistent/file");
    read_environment();
    assert_mistakes(
        "TRY_PASSWORD_FILE: cannot read the file '/nonexistent/file': No such file or "
        "directory\n");
}

static void test_an_empty_secret_file_is_a_mistake(void **state)
{
    (void)state;
    const char *path = write_file("\n", 1);
    set_env("TRY_PASSWORD_FILE", path);
    read_environment();
    assert_told("TRY_PASSWORD_FILE: the file '/tmp/backstitch-test-");
    assert_told("' is empty: write the value into it\n");
    assert_null(config.password);
    (void)unlink(path);
}

static void test_a_secret_is_neither_taken_from_a_flag_nor_shown(void **state)
{
    (void)state;
    assert_int_equal(read_flag("--password", "hunter2"), 2);
    assert_int_equal(read_flag("--password=hunter2", NULL), 1);
    const char *path = write_file("hunter2\0x", 9);
    assert_int_equal(read_flag("--password-file", path), 2);
    (void)unlink(path);
    assert_null(config.password);
    assert_null(strstr(buf_cstr(&mistakes), "hunter2"));
    assert_told("--password: a secret is not taken from a flag, where others see it: set "
                "TRY_PASSWORD or TRY_PASSWORD_FILE in the environment\n");
    assert_told("--password-file: '***' is refused (it holds a NUL byte)");
}

static int log_configuration(const void *unused)
{
    (void)unused;
    log_configure(LOG_DEBUG, LOG_LOGFMT);
    set_env("TRY_PASSWORD", "hunter2");
    read_environment();
    options_log(&table, &config);
    options_release(&table, &config);
    return 0;
}

static void test_the_log_shows_what_is_in_force_and_no_secret(void **state)
{
    (void)state;
    struct capture c;
    capture_run(log_configuration, NULL, &c);
    static const char *const lines[] = {
        "event=configuration option=SHARED_BROKERS value=localhost:9092\n",
        "event=configuration option=TRY_PASSWORD value=***\n",
        "event=configuration option=TRY_FOLDER value=\"\"\n",
        "event=configuration option=TRY_DEADLINE value=20s\n",
        "event=configuration option=TRY_MAX_BYTES value=1MiB\n",
        "event=configuration option=TRY_ROWS value=5\n",
        "event=configuration option=TRY_LEVEL value=info\n",
        "event=configuration option=TRY_STRICT value=false\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_contains(buf_cstr(&c.err), lines[i]);
    }
    assert_null(strstr(buf_cstr(&c.err), "hunter2"));
    capture_release(&c);
}

static void test_help_fits_its_width_and_names_flag_variable_and_default(void **state)
{
    (void)state;
    struct buf out = { 0 };
    options_write_help(&table, &out);
    static const char *const parts[] = {
        ("  --deadline DURATION               how long; a duration from 100ms to 1m "
         "[TRY_DEADLINE, default\n                                    20s]\n"),
        "--password-file FILE",
        "[TRY_PASSWORD or .._FILE]",
        "--strict  ",
        "how loud; debug, info or warn",
        "--listen ADDRESS:PORT",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        assert_contains(buf_cstr(&out), parts[i]);
    }
    for (char *line = strtok(out.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_in_range(strlen(line), 1, 100);
    }
    buf_release(&out);
}

static void test_the_markdown_table_has_a_row_for_each_option(void **state)
{
    (void)state;
    struct buf out = { 0 };
    options_write_markdown(&table, &out);
    static const char *const rows[] = {
        "| environment | flag | default | meaning |\n|---|---|---|---|\n",
        ("| `SHARED_BROKERS` | `--shared-brokers HOST:PORT,..` | `localhost:9092` | "
         "brokers to start from |\n"),
        ("| `TRY_PASSWORD` or `TRY_PASSWORD_FILE` | `--password-file FILE` |  | the "
         "password |\n"),
        "| `TRY_FOLDER` | `--folder DIR` |  | where things are kept \\| for a while |\n",
        "| `TRY_ROWS` | `--rows COUNT` | `5` | how many; a whole number from 0 to 10 |\n",
        "| `TRY_STRICT` | `--strict` |  | refuse more |\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_contains(buf_cstr(&out), rows[i]);
    }
    buf_release(&out);
}

static void test_the_flag_that_was_meant_is_found_among_all(void **state)
{
    (void)state;
    struct nearest n;
    nearest_init(&n, "deadlin");
    options_offer_flags(&table, &n);
    assert_string_equal(n.name, "deadline");
    nearest_init(&n, "password"); /* no flag: it is a secret */
    options_offer_flags(&table, &n);
    assert_string_not_equal(n.name, "password");
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(test_defaults_are_in_force_when_nothing_is_set),
        FRESH(test_a_flag_wins_over_the_environment_and_that_over_the_default),
        FRESH(test_other_words_are_left_alone),
        FRESH(test_an_empty_variable_counts_as_unset),
        FRESH(test_all_mistakes_are_told_with_what_is_accepted),
        FRESH(test_a_missing_value_is_told),
        FRESH(test_an_unknown_variable_with_our_prefix_is_a_mistake),
        FRESH(test_service_links_of_kubernetes_are_no_mistakes),
        FRESH(test_what_scripts_call_the_programs_by_is_no_mistake),
        FRESH(test_a_secret_comes_from_a_file_without_its_newline),
        FRESH(test_an_unreadable_secret_file_is_told_by_name),
        FRESH(test_an_empty_secret_file_is_a_mistake),
        FRESH(test_a_secret_is_neither_taken_from_a_flag_nor_shown),
        FRESH(test_the_log_shows_what_is_in_force_and_no_secret),
        FRESH(test_help_fits_its_width_and_names_flag_variable_and_default),
        FRESH(test_the_markdown_table_has_a_row_for_each_option),
        FRESH(test_the_flag_that_was_meant_is_found_among_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
