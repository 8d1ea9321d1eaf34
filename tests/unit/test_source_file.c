/* sources.json: what is accepted, what is refused and how it is said, and that changes
 * are whole. */
#include "ingest/registry/source_file.h"
#include "ingest/registry/source_json.h"

#include "common/base/buf.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NAMES(name, slug, schema)                                                        \
    "\"name\":\"" name "\",\"slug\":\"" slug "\",\"schema\":\"" schema "\""
#define SHOP NAMES("Shop", "shop", "shop")
#define WEB NAMES("Web", "web", "web")

struct folder {
    char path[64];
    char file[96];
};

static int make_folder(void **state)
{
    struct folder *f = mem_calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/backstitch-sources-XXXXXX");
    if (mkdtemp(f->path) == NULL) {
        return -1;
    }
    snprintf(f->file, sizeof f->file, "%s/sources.json", f->path);
    *state = f;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *f = *state;
    char lock[128];
    snprintf(lock, sizeof lock, "%s.lock", f->file);
    unlink(lock);
    unlink(f->file);
    int result = rmdir(f->path); /* fails when a temporary file was left behind */
    free(f);
    return result;
}

static struct source new_source(const char *slug, const char *schema)
{
    struct source s = { .name = mem_strdup(slug),
                        .slug = mem_strdup(slug),
                        .schema = mem_strdup(schema) };
    return s;
}

/* Adds a source as a command does: under the lock, on what is on disk. */
static void add_to_file(const char *path, const char *slug)
{
    struct source_file_lock lock;
    struct source_list list = { 0 };
    struct error err;
    struct source s = new_source(slug, slug);
    assert_true(source_file_lock(path, &lock, &err));
    if (source_file_exists(path)) {
        assert_true(source_file_read(path, &list, &err));
    }
    assert_true(source_list_add(&list, &s, &err));
    assert_true(source_file_write(&lock, &list, &err));
    source_list_release(&list);
    source_file_unlock(&lock);
}

static void everything_written_is_read_again(void **state)
{
    (void)state;
    const char *text = "{\"sources\":[{" SHOP ",\"write_keys\":[\"k1\",\"k2\"],"
                       "\"tokens\":[\"t\"],\"secrets\":[\"s\"],\"require\":\"all\","
                       "\"rate_per_second\":7}],\"removed\":[{" WEB "}]} \n";
    struct source_list first = { 0 };
    struct source_list second = { 0 };
    struct buf written = { 0 };
    struct error err;
    assert_true(source_json_read(view_cstr(text), &first, &err));
    source_json_write(&first, &written);
    assert_true(source_json_read(buf_view(&written), &second, &err));
    assert_int_equal(second.count, 1);
    const struct source *s = &second.sources[0];
    assert_string_equal(s->name, "Shop");
    assert_string_equal(s->schema, "shop");
    assert_int_equal(s->write_keys.count, 2);
    assert_string_equal(s->write_keys.values[1], "k2");
    assert_string_equal(s->tokens.values[0], "t");
    assert_string_equal(s->secrets.values[0], "s");
    assert_int_equal(s->require, REQUIRE_ALL);
    assert_int_equal(s->rate_per_second, 7);
    assert_int_equal(second.removed_count, 1);
    assert_string_equal(second.removed[0].schema, "web");
    source_list_release(&first);
    source_list_release(&second);
    buf_release(&written);
}

static void unknown_members_are_passed_over(void **state)
{
    (void)state;
    struct source_list list = { 0 };
    struct error err;
    const char *text = "{\"sources\":[{" SHOP ",\"colour\":3}],\"version\":{\"a\":[1]}}";
    assert_true(source_json_read(view_cstr(text), &list, &err));
    assert_int_equal(list.count, 1);
    assert_int_equal(list.sources[0].require, REQUIRE_ANY);
    source_list_release(&list);
}

struct refused_case {
    const char *text;
    const char *said;
};

static const struct refused_case refused[] = {
    { "", "empty" },
    { " \n ", "empty" },
    { "[]", "must be an object" },
    { "{}", "sources must be a list" },
    { "{\"sources\":7}", "sources must be a list" },
    { "{\"sources\":[],\"removed\":1}", "removed must be a list" },
    { "{\n\"sources\":[\n}", "line 3" },
    { "{\"sources\":[", "ends too early" },
    { "{\"sources\":[]} x", "line 1" },
    { "{\"sources\":[3]}", "sources[0] must be an object" },
    { "{\"sources\":[{" SHOP "},{\"slug\":\"a\"}]}", "sources[1].name is missing" },
    { "{\"sources\":[{" NAMES("", "a", "a") "}]}", "sources[0].name must be a text" },
    { "{\"sources\":[{" NAMES("A", "A b", "a") "}]}", "sources[0].slug" },
    { "{\"sources\":[{" NAMES("A", "a", "pg_a") "}]}", "sources[0].schema" },
    { "{\"sources\":[{" NAMES("A\\u0000", "a", "a") "}]}", "sources[0].name" },
    { "{\"sources\":[{" SHOP ",\"tokens\":\"t\"}]}", "sources[0].tokens must be a list" },
    { "{\"sources\":[{" SHOP ",\"tokens\":[\"\"]}]}", "sources[0].tokens must hold" },
    { "{\"sources\":[{" SHOP ",\"secrets\":[5]}]}", "sources[0].secrets must hold" },
    { "{\"sources\":[{" SHOP ",\"tokens\":[\"1\",\"2\",\"3\",\"4\",\"5\"]}]}", "most 4" },
    { "{\"sources\":[{" SHOP ",\"require\":\"magic\"}]}", "sources[0].require must be" },
    { "{\"sources\":[{" SHOP ",\"require\":null}]}", "sources[0].require must be" },
    { "{\"sources\":[{" SHOP ",\"rate_per_second\":-1}]}", "sources[0].rate_per_second" },
    { "{\"sources\":[{" SHOP ",\"rate_per_second\":1.5}]}",
      "sources[0].rate_per_second" },
    { "{\"sources\":[{" SHOP "},{" NAMES("B", "shop", "b") "}]}", "same slug shop" },
    { "{\"sources\":[{" SHOP "},{" NAMES("B", "b", "shop") "}]}", "same schema shop" },
    { "{\"sources\":[{" SHOP "}],\"removed\":[{" NAMES("B", "b", "shop") "}]}",
      "same schema shop" },
    { "{\"sources\":[{" SHOP ",\"write_keys\":[\"hidden\"]},{" WEB
      ",\"write_keys\":[\"hidden\"]}]}",
      "same write key" },
};

static void what_is_no_registry_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct source_list list = { 0 };
        struct error err;
        if (source_json_read(view_cstr(refused[i].text), &list, &err)) {
            fail_msg("accepted: %s", refused[i].text);
        }
        if (strstr(err.text, refused[i].said) == NULL ||
            strstr(err.text, "hidden") != NULL) {
            fail_msg("%s: said '%s'", refused[i].text, err.text);
        }
        assert_int_equal(err.class, ERROR_INVALID);
        assert_int_equal(list.count, 0);
    }
}

static void a_missing_file_is_named(void **state)
{
    const struct folder *f = *state;
    struct source_list list = { 0 };
    struct error err;
    assert_false(source_file_exists(f->file));
    assert_false(source_file_read(f->file, &list, &err));
    assert_int_equal(err.class, ERROR_INVALID);
    assert_non_null(strstr(err.text, f->file));
}

static void a_written_file_is_private_whatever_it_was(void **state)
{
    const struct folder *f = *state;
    struct stat facts;
    add_to_file(f->file, "one");
    assert_int_equal(chmod(f->file, 0644), 0);
    assert_true(source_file_is_world_readable(f->file));
    add_to_file(f->file, "two");
    assert_int_equal(stat(f->file, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_false(source_file_is_world_readable(f->file));
}

static void a_symbolic_link_stays_one(void **state)
{
    const struct folder *f = *state;
    char link_path[128];
    struct stat facts;
    snprintf(link_path, sizeof link_path, "%s/link", f->path);
    add_to_file(f->file, "one");
    assert_int_equal(symlink("sources.json", link_path), 0);
    add_to_file(link_path, "two");
    assert_int_equal(lstat(link_path, &facts), 0);
    assert_true(S_ISLNK(facts.st_mode));
    struct source_list list = { 0 };
    struct error err;
    assert_true(source_file_read(f->file, &list, &err));
    assert_int_equal(list.count, 2);
    source_list_release(&list);
    unlink(link_path);
}

#define WRITERS 8

static void changes_at_the_same_time_are_all_kept(void **state)
{
    const struct folder *f = *state;
    pid_t children[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            char slug[16];
            snprintf(slug, sizeof slug, "s%d", i);
            add_to_file(f->file, slug);
            _exit(0);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    struct source_list list = { 0 };
    struct error err;
    assert_true(source_file_read(f->file, &list, &err));
    assert_int_equal(list.count, WRITERS);
    source_list_release(&list);
}

static bool try_add(struct source_list *list, const char *slug, const char *schema,
                    const char *said)
{
    struct source s = new_source(slug, schema);
    struct error err = { 0 };
    bool is_added = source_list_add(list, &s, &err);
    if (!is_added) {
        source_release(&s);
        assert_non_null(strstr(err.text, said));
    }
    return is_added;
}

static void a_removed_source_keeps_its_schema_for_itself(void **state)
{
    (void)state;
    struct source_list list = { 0 };
    assert_true(try_add(&list, "shop", "store", ""));
    assert_false(try_add(&list, "shop", "other", "choose another name"));
    assert_false(try_add(&list, "web", "store", "--schema"));
    assert_true(source_list_remove(&list, view_cstr("shop")));
    assert_false(source_list_remove(&list, view_cstr("shop")));
    assert_null(source_list_find(&list, view_cstr("shop")));
    assert_false(try_add(&list, "web", "store", "removed source 'shop'"));
    assert_false(try_add(&list, "shop", "other", "its schema stays store"));
    assert_true(try_add(&list, "shop", "store", ""));
    assert_int_equal(list.removed_count, 0);
    assert_string_equal(source_list_find(&list, view_cstr("shop"))->schema, "store");
    source_list_release(&list);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_written_is_read_again),
        cmocka_unit_test(unknown_members_are_passed_over),
        cmocka_unit_test(what_is_no_registry_is_refused_with_its_place),
        cmocka_unit_test(a_removed_source_keeps_its_schema_for_itself),
        IN_FOLDER(a_missing_file_is_named),
        IN_FOLDER(a_written_file_is_private_whatever_it_was),
        IN_FOLDER(a_symbolic_link_stays_one),
        IN_FOLDER(changes_at_the_same_time_are_all_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
