/* The command line: which command runs, what is printed where, and the exit code. */
#include "tests/support/capture.h"
#include "tests/support/contains.h"

#include "common/service/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct config {
    char *brokers;
    uint64_t rows;
    bool is_strict;
};

struct add_flags {
    char *schema;
    bool is_strict;
};

static const struct option options[] = {
    { .env = "TRYC_BROKERS",
      .type = OPTION_TEXT,
      .offset = offsetof(struct config, brokers),
      .fallback = "localhost:9092",
      .help = "brokers" },
    { .env = "TRYC_ROWS",
      .type = OPTION_COUNT,
      .offset = offsetof(struct config, rows),
      .fallback = "5",
      .min = 1,
      .help = "how many" },
    { .env = "TRYC_STRICT",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct config, is_strict),
      .help = "be strict in all" },
};

static const struct option add_options[] = {
    { .env = "schema",
      .type = OPTION_TEXT,
      .offset = offsetof(struct add_flags, schema),
      .fallback = "main",
      .help = "the schema" },
    { .env = "strict",
      .type = OPTION_SWITCH,
      .offset = offsetof(struct add_flags, is_strict),
      .help = "refuse more" },
};

/* Prints all it was called with. */
static int show_call(const struct command_call *call)
{
    const struct config *config = call->config;
    printf("%s brokers=%s rows=%d all=%d json=%d", call->command->name, config->brokers,
           (int)config->rows, config->is_strict, call->json);
    if (call->flags != NULL) {
        const struct add_flags *flags = call->flags;
        printf(" schema=%s strict=%d", flags->schema, flags->is_strict);
    }
    for (int i = 0; i < call->arg_count; i++) {
        printf(" [%s]", call->args[i]);
    }
    printf("\n");
    return call->json ? EXIT_WORK_LEFT : EXIT_DONE;
}

static const struct command commands[] = {
    { .name = "serve", .summary = "accept events (the default)", .run = show_call },
    { .name = "check", .summary = "check and exit", .has_json = true, .run = show_call },
    { .name = "source add",
      .arguments = "NAME",
      .min_args = 1,
      .max_args = 1,
      .summary = "add a source",
      .details = "NAME is what you like.",
      .flags = { .options = add_options, .count = 2 },
      .flags_size = sizeof(struct add_flags),
      .has_json = true,
      .run = show_call },
    { .name = "source list", .summary = "list all sources", .run = show_call },
};

static void refuse_13(const void *config, struct buf *mistakes)
{
    const struct config *c = config;
    if (c->rows == 13) {
        buf_add_cstr(mistakes, "TRYC_ROWS: not 13\n");
    }
}

static const struct program program = {
    .name = "backstitch-try",
    .summary = "Tries things.",
    .options = { .env_prefix = "TRYC_", .options = options, .count = 3 },
    .config_size = sizeof(struct config),
    .check_config = refuse_13,
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
};

/* The words behind the program's name, ended by NULL. */
static int call_program(const void *context)
{
    const char *const *words = context;
    char text[16][128];
    char *argv[17] = { NULL };
    int argc = 0;
    snprintf(text[argc++], sizeof text[0], "backstitch-try");
    for (; *words != NULL; words++) {
        snprintf(text[argc++], sizeof text[0], "%s", *words);
    }
    for (int i = 0; i < argc; i++) {
        argv[i] = text[i];
    }
    return command_main(&program, argc, argv);
}

#define CALL(capture, ...)                                                               \
    capture_run(call_program, (const char *const[]){ __VA_ARGS__, NULL }, capture)

static void assert_has(struct buf *printed, const char *part)
{
    assert_contains(buf_cstr(printed), part);
}

struct call_case {
    const char *words[8];
    int exit_code;
    const char *out;
};

static void test_the_named_command_runs_with_its_flags_and_arguments(void **state)
{
    (void)state;
    static const struct call_case cases[] = {
        { { NULL }, 0, "serve brokers=localhost:9092 rows=5 all=0 json=0\n" },
        { { "serve" }, 0, "serve brokers=localhost:9092 rows=5 all=0 json=0\n" },
        { { "--rows", "7" }, 0, "serve brokers=localhost:9092 rows=7 all=0 json=0\n" },
        { { "--rows=7", "check" },
          0,
          "check brokers=localhost:9092 rows=7 all=0 json=0\n" },
        { { "check", "--json" },
          3,
          "check brokers=localhost:9092 rows=5 all=0 json=1\n" },
        { { "source", "list" },
          0,
          "source list brokers=localhost:9092 rows=5 all=0 json=0\n" },
        { { "source", "add", "Stitch Segment" },
          0,
          "source add brokers=localhost:9092 rows=5 all=0 json=0 schema=main strict=0 "
          "[Stitch "
          "Segment]\n" },
        { { "source", "add", "--schema", "x", "N", "--strict", "--brokers=b" },
          0,
          "source add brokers=b rows=5 all=0 json=0 schema=x strict=1 [N]\n" },
        { { "source", "add", "--", "--schema" },
          0,
          "source add brokers=localhost:9092 rows=5 all=0 json=0 schema=main strict=0 "
          "[--schema]\n" },
        { { "--strict", "source", "add", "N" }, /* the program's, before the command */
          0,
          "source add brokers=localhost:9092 rows=5 all=1 json=0 schema=main strict=0 "
          "[N]\n" },
        { { "source", "add", "-" },
          0,
          "source add brokers=localhost:9092 rows=5 all=0 json=0 schema=main strict=0 "
          "[-]\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct capture c;
        capture_run(call_program, cases[i].words, &c);
        assert_string_equal(buf_cstr(&c.out), cases[i].out);
        assert_string_equal(buf_cstr(&c.err), "");
        assert_int_equal(c.exit_code, cases[i].exit_code);
        capture_release(&c);
    }
}

struct mistake_case {
    const char *words[8];
    const char *told;
};

static void test_mistakes_go_to_stderr_with_exit_code_2(void **state)
{
    (void)state;
    static const struct mistake_case cases[] = {
        { { "serv" }, "'serv' is no command; did you mean serve?\n" },
        { { "frobnicate" }, "  source list       list all sources\n" },
        { { "x\x1b[31m" }, "'x\\u001b[31m' is no command" },
        { { "source" },
          "'source' needs one of these words:\n  source add        add a source\n" },
        { { "source", "ad" },
          "'source ad' is no command; did you mean source add?\nCommands:\n  source "
          "add " },
        { { "sorce", "list" }, "'sorce' is no command; did you mean source list?\n" },
        { { "sorce" }, "'sorce' is no command; did you mean source?\n" },
        { { "serv", "--rows", "7" }, "'serv' is no command; did you mean serve?\n" },
        { { "source", "add" }, "backstitch-try: source add: NAME is missing\n" },
        { { "source", "add", "a", "b\n" }, "source add: unexpected argument 'b\\n'\n" },
        { { "serve", "x" }, "serve: unexpected argument 'x'\n" },
        { { "serve", "--json" }, "--json: serve prints no facts\n" },
        { { "--row", "7" }, "'--row' is no flag here; did you mean --rows?\n" },
        { { "source", "add", "N", "--schem=s3cret" },
          "'--schem' is no flag here; did you mean --schema?" },
        { { "check", "--schema", "x" }, "'--schema' is no flag here\n" },
        { { "-x" }, "'-x' is no flag here\n" },
        { { "--rows", "0" }, "--rows: '0' is refused (too small)" },
        { { "--rows", "13" }, "backstitch-try: TRYC_ROWS: not 13\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct capture c;
        capture_run(call_program, cases[i].words, &c);
        assert_has(&c.err, cases[i].told);
        assert_null(strstr(buf_cstr(&c.err), "s3cret"));
        assert_string_equal(buf_cstr(&c.out), "");
        assert_int_equal(c.exit_code, 2);
        capture_release(&c);
    }
}

static void test_all_mistakes_are_told_at_once(void **state)
{
    (void)state;
    struct capture c;
    CALL(&c, "source", "add", "--rows", "many", "--unknown", "secret", "--schema");
    assert_int_equal(c.exit_code, 2);
    assert_has(&c.err, "backstitch-try: --rows: 'many'");
    assert_has(&c.err, "backstitch-try: '--unknown' is no flag here");
    assert_has(&c.err, "backstitch-try: --schema: the value is missing");
    assert_has(&c.err, "backstitch-try: source add: NAME is missing");
    assert_has(&c.err, "'backstitch-try --help' shows commands and options\n");
    assert_null(
        strstr(buf_cstr(&c.err), "secret")); /* perhaps the value of a mistyped flag */
    capture_release(&c);
}

static void test_mistakes_before_an_unknown_command_are_told_too(void **state)
{
    (void)state;
    struct capture c;
    CALL(&c, "--rows", "many", "--brok=b", "nonsense");
    assert_int_equal(c.exit_code, 2);
    assert_has(&c.err, "backstitch-try: --rows: 'many'");
    assert_has(&c.err, "backstitch-try: '--brok' is no flag here");
    assert_has(&c.err, "backstitch-try: 'nonsense' is no command");
    assert_string_equal(buf_cstr(&c.out), "");
    capture_release(&c);
}

static void test_a_command_behind_an_unknown_flag_is_still_found(void **state)
{
    (void)state;
    struct capture c;
    CALL(&c, "--frobnicate", "check", "--json");
    assert_int_equal(c.exit_code, 2);
    assert_has(&c.err, "'--frobnicate' is no flag here\n");
    assert_null(strstr(buf_cstr(&c.err), "json"));
    capture_release(&c);
}

static void test_help_works_whatever_else_is_wrong(void **state)
{
    (void)state;
    static const struct mistake_case cases[] = {
        { { "--help" },
          "Usage: backstitch-try [COMMAND] [OPTION...]\n\nTries things.\n" },
        { { "-h" }, "\nExit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 " },
        { { "--help" }, "  source add        add a source\n" },
        { { "--help" },
          "  --rows COUNT                      how many; a whole number of at least 1 "
          "[TRYC_ROWS, default 5]\n" },
        { { "--rows", "many", "--unknown", "--help" },
          "Usage: backstitch-try [COMMAND]" },
        { { "nonsense", "--help" }, "Usage: backstitch-try [COMMAND]" },
        { { "source", "add", "--help" },
          "Usage: backstitch-try source add NAME [OPTION...]\n" },
        { { "source", "add", "--help" }, "NAME is what you like." },
        { { "source", "add", "--help" },
          "  --schema TEXT                     the schema [default main]\n" },
        { { "source", "add", "--help" }, "  --json " },
        { { "source", "add", "--help" }, "--brokers" },
        { { "serve", "x", "--help" }, "Usage: backstitch-try serve [OPTION...]" },
        { { "source", "--help" }, "  source list       list all sources\n" },
        { { "--help-markdown" }, "| `TRYC_ROWS` | `--rows COUNT` | `5` |" },
        { { "--version" }, "backstitch-try " BACKSTITCH_VERSION "\n" },
        { { "check", "--version", "--unknown" },
          "backstitch-try " BACKSTITCH_VERSION "\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct capture c;
        capture_run(call_program, cases[i].words, &c);
        assert_has(&c.out, cases[i].told);
        assert_string_equal(buf_cstr(&c.err), "");
        assert_int_equal(c.exit_code, 0);
        capture_release(&c);
    }
}

static void test_help_behind_two_dashes_is_an_argument(void **state)
{
    (void)state;
    struct capture c;
    CALL(&c, "source", "add", "--", "--help");
    assert_has(&c.out, "[--help]");
    assert_int_equal(c.exit_code, 0);
    capture_release(&c);
}

static int help_to_a_full_disk(const void *unused)
{
    (void)unused;
    char name[] = "backstitch-try";
    char help[] = "--help";
    char *argv[] = { name, help, NULL };
    if (freopen("/dev/full", "w", stdout) == NULL) {
        return 99;
    }
    return command_main(&program, 2, argv);
}

static void test_help_that_cannot_be_written_has_failed(void **state)
{
    (void)state;
    struct capture c;
    capture_run(help_to_a_full_disk, NULL, &c);
    assert_int_equal(c.exit_code, 1);
    capture_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_named_command_runs_with_its_flags_and_arguments),
        cmocka_unit_test(test_mistakes_go_to_stderr_with_exit_code_2),
        cmocka_unit_test(test_all_mistakes_are_told_at_once),
        cmocka_unit_test(test_mistakes_before_an_unknown_command_are_told_too),
        cmocka_unit_test(test_a_command_behind_an_unknown_flag_is_still_found),
        cmocka_unit_test(test_help_works_whatever_else_is_wrong),
        cmocka_unit_test(test_help_behind_two_dashes_is_an_argument),
        cmocka_unit_test(test_help_that_cannot_be_written_has_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
