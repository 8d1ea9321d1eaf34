/* The `source` commands on a registry of their own: what they write, print, refuse, and
 * how they exit. Each runs in a process of its own, as it does in life. */
#include "ingest/commands/options.h"
#include "ingest/commands/source_command.h"
#include "ingest/registry/source_file.h"

#include "tests/support/capture.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct bed {
    char folder[64];
    char file[96];
    struct ingest_options options;
};

static int set_up(void **state)
{
    struct bed *bed = mem_calloc(1, sizeof *bed);
    snprintf(bed->folder, sizeof bed->folder, "/tmp/backstitch-commands-XXXXXX");
    if (mkdtemp(bed->folder) == NULL) {
        return -1;
    }
    snprintf(bed->file, sizeof bed->file, "%s/sources.json", bed->folder);
    bed->options.sources_file = bed->file;
    bed->options.listen = mem_strdup("0.0.0.0:8080");
    bed->options.public_url = mem_strdup("https://in.example.org:8443/seg/");
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;
    char lock[128];
    snprintf(lock, sizeof lock, "%s.lock", bed->file);
    unlink(lock);
    unlink(bed->file);
    int result = rmdir(bed->folder);
    free(bed->options.listen);
    free(bed->options.public_url);
    free(bed);
    return result;
}

/* ---- running a command ---- */

typedef int (*command)(const struct command_call *call);

struct run {
    command function;
    struct command_call call;
};

static int in_child(const void *context)
{
    const struct run *run = context;
    return run->function(&run->call);
}

/* Runs it and expects this exit code; the output is the caller's to release. */
static struct capture expect(const struct bed *bed, int code, command function,
                             const char *name, const void *flags, bool json)
{
    static const struct program program = { .name = "backstitch-ingest" };
    char *args[] = { (char *)(uintptr_t)name, NULL };
    struct run run = { function,
                       { .program = &program,
                         .config = &bed->options,
                         .flags = flags,
                         .args = args,
                         .arg_count = name == NULL ? 0 : 1,
                         .json = json } };
    struct capture result = { 0 };
    capture_run(in_child, &run, &result);
    if (result.exit_code != code) {
        fail_msg("exit %d, not %d: %s", result.exit_code, code, buf_cstr(&result.err));
    }
    return result;
}

static void run_quietly(const struct bed *bed, command function, const char *name,
                        const void *flags)
{
    struct capture result = expect(bed, EXIT_DONE, function, name, flags, true);
    capture_release(&result);
}

static void add(const struct bed *bed, const char *name)
{
    const struct source_add_flags flags = { 0 };
    run_quietly(bed, command_source_add, name, &flags);
}

/* What is on disk; release it. */
static struct source_list read_file(const struct bed *bed)
{
    struct source_list list = { 0 };
    struct error err;
    assert_true(source_file_read(bed->file, &list, &err));
    return list;
}

static void assert_says(struct buf *text, const char *part)
{
    if (strstr(buf_cstr(text), part) == NULL) {
        fail_msg("'%s' is not in: %s", part, buf_cstr(text));
    }
}

/* ---- rotate ---- */

static void a_rotated_credential_lives_beside_the_old_one(void **state)
{
    const struct bed *bed = *state;
    add(bed, "Shop");
    struct source_list before = read_file(bed);
    const struct source_rotate_flags token = { .token = true };
    struct capture said =
        expect(bed, EXIT_DONE, command_source_rotate, "shop", &token, true);
    struct source_list after = read_file(bed);
    const struct source *old = &before.sources[0];
    const struct source *new = &after.sources[0];
    assert_int_equal(new->tokens.count, 2);
    assert_string_equal(new->tokens.values[0], old->tokens.values[0]);
    assert_string_not_equal(new->tokens.values[1], old->tokens.values[0]);
    assert_int_equal(strlen(new->tokens.values[1]), strlen(old->tokens.values[0]));
    assert_int_equal(new->secrets.count, 1);
    assert_int_equal(new->write_keys.count, 1);
    assert_says(&said.out, new->tokens.values[1]); /* the new one is printed */
    assert_says(&said.out, new->secrets.values[0]);
    assert_null(strstr(buf_cstr(&said.out), old->tokens.values[0]));
    capture_release(&said);
    source_list_release(&before);
    source_list_release(&after);
}

static void without_a_kind_all_kinds_are_rotated(void **state)
{
    const struct bed *bed = *state;
    const struct source_rotate_flags all = { 0 };
    add(bed, "Shop");
    run_quietly(bed, command_source_rotate, "Shop", &all);
    struct source_list list = read_file(bed);
    assert_int_equal(list.sources[0].tokens.count, 2);
    assert_int_equal(list.sources[0].secrets.count, 2);
    assert_int_equal(list.sources[0].write_keys.count, 2);
    source_list_release(&list);
}

static void a_third_live_credential_is_refused_and_nothing_changes(void **state)
{
    const struct bed *bed = *state;
    const struct source_rotate_flags token = { .token = true };
    const struct source_rotate_flags all = { 0 };
    add(bed, "Shop");
    run_quietly(bed, command_source_rotate, "shop", &token);
    struct capture said =
        expect(bed, EXIT_FAILED, command_source_rotate, "shop", &all, true);
    assert_int_equal(said.out.len, 0);
    assert_says(&said.err, "source rotate shop --token --retire");
    struct source_list list = read_file(bed);
    assert_int_equal(list.sources[0].tokens.count, 2);
    assert_int_equal(list.sources[0].secrets.count, 1); /* not half of it */
    source_list_release(&list);
    capture_release(&said);
}

static void retiring_keeps_the_newest_of_the_kinds_that_were_named(void **state)
{
    const struct bed *bed = *state;
    const struct source_rotate_flags all = { 0 };
    const struct source_rotate_flags retire = { .secret = true, .retire = true };
    add(bed, "Shop");
    run_quietly(bed, command_source_rotate, "shop", &all);
    struct source_list before = read_file(bed);
    run_quietly(bed, command_source_rotate, "shop", &retire);
    struct source_list after = read_file(bed);
    assert_int_equal(after.sources[0].secrets.count, 1);
    assert_string_equal(after.sources[0].secrets.values[0],
                        before.sources[0].secrets.values[1]);
    assert_int_equal(after.sources[0].tokens.count, 2);
    struct capture again =
        expect(bed, EXIT_DONE, command_source_rotate, "shop", &retire, true);
    assert_says(&again.err, "no older credential");
    capture_release(&again);
    source_list_release(&before);
    source_list_release(&after);
}

static void a_source_that_is_not_there_is_said_and_no_file_is_made(void **state)
{
    const struct bed *bed = *state;
    const struct source_rotate_flags rotate = { 0 };
    const struct source_remove_flags remove = { 0 };
    struct capture said =
        expect(bed, EXIT_FAILED, command_source_rotate, "shop", &rotate, false);
    assert_says(&said.err, "'shop'");
    capture_release(&said);
    said = expect(bed, EXIT_FAILED, command_source_remove, "shop", &remove, false);
    assert_says(&said.err, "'source list' shows");
    capture_release(&said);
    assert_int_not_equal(access(bed->file, F_OK), 0);
}

/* ---- forms of an answer ---- */

static void every_answer_is_one_json_document_with_a_name(void **state)
{
    const struct bed *bed = *state;
    const struct source_remove_flags remove = { 0 };
    struct capture said = expect(bed, EXIT_DONE, command_source_list, NULL, NULL, true);
    assert_string_equal(buf_cstr(&said.out), "{\"sources\":[]}\n");
    capture_release(&said);
    add(bed, "Shop");
    said = expect(bed, EXIT_DONE, command_source_list, NULL, NULL, true);
    assert_says(&said.out, "{\"sources\":[{\"name\":\"Shop\",\"slug\":\"shop\","
                           "\"schema\":\"shop\",\"require\":\"any\","
                           "\"rate_per_second\":0,\"write_keys\":1,\"tokens\":1,"
                           "\"secrets\":1}]}\n");
    capture_release(&said);
    said = expect(bed, EXIT_DONE, command_source_remove, "Shop", &remove, true);
    assert_string_equal(
        buf_cstr(&said.out),
        "{\"removed\":{\"name\":\"Shop\",\"slug\":\"shop\",\"schema\":\"shop\"}}\n");
    capture_release(&said);
}

static void as_kubernetes_the_whole_registry_is_a_secret(void **state)
{
    const struct bed *bed = *state;
    const struct source_add_flags flags = { .kubernetes = true };
    add(bed, "One");
    struct capture said =
        expect(bed, EXIT_DONE, command_source_add, "Two", &flags, false);
    assert_says(&said.out, "kind: Secret\n");
    assert_says(&said.out, "  name: backstitch-sources\n");
    assert_says(&said.out, "stringData:\n  sources.json: |\n    {\n");
    struct source_list list = read_file(bed);
    assert_says(&said.out, list.sources[0].tokens.values[0]);
    assert_says(&said.out, list.sources[1].tokens.values[0]);
    /* Each line of the block is indented: none ends it early. */
    char *block = strstr(said.out.data, "    {\n");
    for (char *line = block; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_memory_equal(line, "    ", 4);
    }
    source_list_release(&list);
    capture_release(&said);
    said = expect(bed, EXIT_USAGE, command_source_add, "Three", &flags, true);
    assert_says(&said.err, "--json and --kubernetes");
    capture_release(&said);
}

/* ---- what to paste ---- */

static const char *const pasted[] = {
    "https://in.example.org:8443/seg/webhook/shop",
    "Authorization = Bearer ",
    "Shared Secret  ",
    "deploy/segment-function/function.js",
    "integrations: { All: false, 'Webhooks (Actions)': true }",
    "cdnURL: 'https://in.example.org:8443/seg'",
    "host: 'https://in.example.org:8443/seg'",
    "analytics.host = 'https://in.example.org:8443/seg'",
    "Endpoint: \"https://in.example.org:8443/seg\"",
    ".endpoint(\"https://in.example.org:8443/seg\")",
    "apiHost = \"in.example.org:8443/seg/v1\"",
    ".apiHost(\"in.example.org:8443/seg/v1\")",
    "proxy: 'https://in.example.org:8443/seg/v1'",
    "apiHost: 'in.example.org:8443/seg/v1'",
    "host: 'in.example.org', port: 8443",
    "ssl: true, path: '/seg/v1/import'",
    "['host' => 'in.example.org:8443/seg']",
    "SetHost(\"https://in.example.org:8443/seg\")",
    "/seg/v1/track -d",
};

static void show_has_the_lines_for_every_sender_filled_in(void **state)
{
    const struct bed *bed = *state;
    add(bed, "Shop");
    struct capture said =
        expect(bed, EXIT_DONE, command_source_show, "shop", NULL, false);
    for (size_t i = 0; i < sizeof pasted / sizeof pasted[0]; i++) {
        assert_says(&said.out, pasted[i]);
    }
    static const char *const left[] = { "{url}",    "{host",  "{port}",
                                        "{path}",   "{slug}", "{token}",
                                        "{secret}", "{key}",  "{ssl}" };
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        assert_null(strstr(buf_cstr(&said.out), left[i]));
    }
    capture_release(&said);
}

static void a_credential_that_is_not_there_takes_its_lines_along(void **state)
{
    const struct bed *bed = *state;
    FILE *file = fopen(bed->file, "w");
    assert_non_null(file);
    fputs("{\"sources\":[{\"name\":\"S\",\"slug\":\"s\",\"schema\":\"s\","
          "\"tokens\":[\"t0\"]}]}",
          file);
    fclose(file);
    struct capture said = expect(bed, EXIT_DONE, command_source_show, "s", NULL, false);
    assert_says(&said.out, "Authorization = Bearer t0");
    assert_null(strstr(buf_cstr(&said.out), "Shared Secret"));
    assert_null(strstr(buf_cstr(&said.out), "AnalyticsBrowser"));
    capture_release(&said);
}

#define WITH_BED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BED(a_rotated_credential_lives_beside_the_old_one),
        WITH_BED(without_a_kind_all_kinds_are_rotated),
        WITH_BED(a_third_live_credential_is_refused_and_nothing_changes),
        WITH_BED(retiring_keeps_the_newest_of_the_kinds_that_were_named),
        WITH_BED(a_source_that_is_not_there_is_said_and_no_file_is_made),
        WITH_BED(every_answer_is_one_json_document_with_a_name),
        WITH_BED(as_kubernetes_the_whole_registry_is_a_secret),
        WITH_BED(show_has_the_lines_for_every_sender_filled_in),
        WITH_BED(a_credential_that_is_not_there_takes_its_lines_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
