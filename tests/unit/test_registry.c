/* The registry: snapshots that outlive a reload, and reloads that never lose the last
 * good file. */
#include "ingest/registry/registry.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SOURCE(name, keys)                                                               \
    "{\"name\":\"" name "\",\"slug\":\"" name "\",\"schema\":\"" name                    \
    "\",\"write_keys\":[" keys "]}"
#define ONE "{\"sources\":[" SOURCE("one", "\"k1\",\"k2\"") "]}"
#define TWO "{\"sources\":[" SOURCE("two", "\"k3\"") "," SOURCE("one", "\"k1\"") "]}"

struct bed {
    char path[64];
    char file[96];
    struct registry *registry;
};

/* Writes the text to a file of its own and puts it in the place of `path`: a new inode,
 * as an editor, `source add` or Kubernetes do it. */
static void put(const char *path, const char *text)
{
    char temporary[128];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *f = fopen(temporary, "w");
    assert_non_null(f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(temporary, path), 0);
}

static int open_bed(void **state)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    struct error err;
    snprintf(b->path, sizeof b->path, "/tmp/backstitch-registry-XXXXXX");
    if (mkdtemp(b->path) == NULL) {
        return -1;
    }
    snprintf(b->file, sizeof b->file, "%s/sources.json", b->path);
    put(b->file, ONE);
    *state = b;
    return registry_open(b->file, &b->registry, &err) ? 0 : -1;
}

static int close_bed(void **state)
{
    struct bed *b = *state;
    registry_close(b->registry);
    unlink(b->file);
    int result = rmdir(b->path);
    free(b);
    return result;
}

static const char *slug_of_key(const struct registry_snapshot *s, const char *key)
{
    const struct source *source = registry_by_write_key(s, view_cstr(key));
    return source == NULL ? "none" : source->slug;
}

static void sources_are_found_by_slug_and_by_each_write_key(void **state)
{
    struct bed *b = *state;
    const struct registry_snapshot *s = registry_acquire(b->registry);
    assert_int_equal(registry_count(s), 1);
    assert_string_equal(registry_at(s, 0)->name, "one");
    assert_ptr_equal(registry_by_slug(s, view_cstr("one")), registry_at(s, 0));
    assert_null(registry_by_slug(s, view_cstr("on")));
    assert_null(registry_by_slug(s, view_of(NULL, 0)));
    assert_string_equal(slug_of_key(s, "k1"), "one");
    assert_string_equal(slug_of_key(s, "k2"), "one");
    assert_string_equal(slug_of_key(s, "k3"), "none");
    registry_release(b->registry, s);
}

static void a_file_that_did_not_change_is_not_read_again(void **state)
{
    struct bed *b = *state;
    struct error err;
    bool has_changed = true;
    assert_true(registry_refresh(b->registry, &has_changed, &err));
    assert_false(has_changed);
}

static void a_snapshot_outlives_the_reload_that_replaces_it(void **state)
{
    struct bed *b = *state;
    struct error err;
    bool has_changed = false;
    const struct registry_snapshot *before = registry_acquire(b->registry);
    put(b->file, TWO);
    assert_true(registry_refresh(b->registry, &has_changed, &err));
    assert_true(has_changed);
    const struct registry_snapshot *after = registry_acquire(b->registry);
    assert_string_equal(slug_of_key(before, "k2"), "one");
    assert_string_equal(slug_of_key(after, "k2"), "none");
    assert_string_equal(slug_of_key(after, "k3"), "two");
    assert_string_equal(registry_at(after, 1)->slug, "one");
    registry_release(b->registry, before);
    registry_release(b->registry, after);
}

static void a_damaged_file_keeps_the_last_good_one_until_it_is_repaired(void **state)
{
    struct bed *b = *state;
    const char *damaged[] = { "", "{", "{\"sources\":7}" };
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        struct error err;
        bool has_changed = false;
        put(b->file, damaged[i]);
        assert_false(registry_refresh(b->registry, &has_changed, &err));
        assert_non_null(strstr(err.text, b->file));
        assert_false(registry_refresh(b->registry, &has_changed, &err)); /* still */
        const struct registry_snapshot *s = registry_acquire(b->registry);
        assert_string_equal(slug_of_key(s, "k2"), "one");
        registry_release(b->registry, s);
    }
    struct error err;
    bool has_changed = false;
    put(b->file, TWO);
    assert_true(registry_refresh(b->registry, &has_changed, &err));
    assert_true(has_changed);
}

static void a_file_that_vanished_is_an_error_and_nothing_is_lost(void **state)
{
    struct bed *b = *state;
    struct error err;
    bool has_changed = false;
    assert_int_equal(unlink(b->file), 0);
    assert_false(registry_refresh(b->registry, &has_changed, &err));
    const struct registry_snapshot *s = registry_acquire(b->registry);
    assert_int_equal(registry_count(s), 1);
    registry_release(b->registry, s);
}

static void a_swapped_symbolic_link_is_noticed(void **state)
{
    struct bed *b = *state;
    char first[128];
    char second[128];
    char link_path[128];
    struct registry *r = NULL;
    struct error err;
    bool has_changed = false;
    snprintf(first, sizeof first, "%s/first", b->path);
    snprintf(second, sizeof second, "%s/second", b->path);
    snprintf(link_path, sizeof link_path, "%s/link", b->path);
    put(first, ONE);
    put(second, TWO);
    assert_int_equal(symlink(first, link_path), 0);
    assert_true(registry_open(link_path, &r, &err));
    assert_int_equal(unlink(link_path), 0);
    assert_int_equal(symlink(second, link_path), 0);
    assert_true(registry_refresh(r, &has_changed, &err));
    assert_true(has_changed);
    registry_close(r);
    unlink(link_path);
    unlink(first);
    unlink(second);
}

static void opening_a_missing_file_names_it(void **state)
{
    (void)state;
    struct registry *r = NULL;
    struct error err;
    assert_false(registry_open("/nonexistent/sources.json", &r, &err));
    assert_int_equal(err.class, ERROR_INVALID);
    assert_non_null(strstr(err.text, "/nonexistent/sources.json"));
    registry_close(NULL);
}

#define ON_BED(test) cmocka_unit_test_setup_teardown(test, open_bed, close_bed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BED(sources_are_found_by_slug_and_by_each_write_key),
        ON_BED(a_file_that_did_not_change_is_not_read_again),
        ON_BED(a_snapshot_outlives_the_reload_that_replaces_it),
        ON_BED(a_damaged_file_keeps_the_last_good_one_until_it_is_repaired),
        ON_BED(a_file_that_vanished_is_an_error_and_nothing_is_lost),
        ON_BED(a_swapped_symbolic_link_is_noticed),
        cmocka_unit_test(opening_a_missing_file_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
