/* The URL of the database while its file changes under the loader, as Kubernetes changes
 * a mounted Secret. */
#include "loader/postgres/database_url.h"

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

#define FIRST "postgresql://loader:first@db/events"
#define SECOND "postgresql://loader:second@db/events"

/* A mounted Secret: folder/url is a link to ..data/url, and ..data a link that is
 * swapped. */
struct mount {
    char folder[64];
    char file[96];
    struct database_url url;
};

static void path_in(const struct mount *m, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", m->folder, name);
}

/* Version `number` of the Secret holds `text`, and is what the file shows from now on. */
static void swap(const struct mount *m, int number, const char *text)
{
    char name[32];
    char path[128];
    char link[128];
    char data[128];
    snprintf(name, sizeof name, "v%d", number);
    path_in(m, name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    path_in(m, "..tmp", link);
    path_in(m, "..data", data);
    assert_int_equal(symlink(name, link), 0);
    assert_int_equal(rename(link, data), 0);
}

static int mount_secret(void **state)
{
    struct mount *m = mem_calloc(1, sizeof *m);
    snprintf(m->folder, sizeof m->folder, "/tmp/backstitch-url-XXXXXX");
    if (mkdtemp(m->folder) == NULL) {
        return -1;
    }
    snprintf(m->file, sizeof m->file, "%s/url", m->folder);
    swap(m, 1, FIRST "\n");
    if (symlink("..data", m->file) != 0) {
        return -1;
    }
    database_url_init(&m->url, FIRST, m->file);
    *state = m;
    return 0;
}

static int unmount_secret(void **state)
{
    struct mount *m = *state;
    const char *const names[] = { "v1", "v2", "v3", "..data", "url" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        path_in(m, names[i], path);
        unlink(path);
    }
    database_url_release(&m->url);
    int result = rmdir(m->folder);
    free(m);
    return result;
}

static void test_a_swapped_secret_is_in_force_at_once(void **state)
{
    struct mount *m = *state;
    assert_string_equal(database_url_now(&m->url), FIRST);
    swap(m, 2, SECOND "\r\n");
    assert_string_equal(database_url_now(&m->url), SECOND);
}

static void test_what_is_no_url_leaves_the_last_good_one(void **state)
{
    static const char *const bad[] = { "", "\n", "postgresql://loader:a/b@db/events",
                                       "postgresql://[", "not a url=" };
    struct mount *m = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        swap(m, 2, bad[i]);
        assert_string_equal(database_url_now(&m->url), FIRST);
        assert_true(m->url.is_refused);
    }
    swap(m, 3, SECOND);
    assert_string_equal(database_url_now(&m->url), SECOND);
    assert_false(m->url.is_refused);
}

static void test_a_file_that_is_gone_leaves_the_last_good_one(void **state)
{
    struct mount *m = *state;
    assert_int_equal(unlink(m->file), 0);
    assert_string_equal(database_url_now(&m->url), FIRST);
}

static void test_without_a_file_the_value_stays(void **state)
{
    (void)state;
    struct database_url url;
    database_url_init(&url, FIRST, NULL);
    assert_string_equal(database_url_now(&url), FIRST);
    database_url_release(&url);
    database_url_init(&url, NULL, NULL);
    assert_null(database_url_now(&url));
    database_url_release(&url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_swapped_secret_is_in_force_at_once,
                                        mount_secret, unmount_secret),
        cmocka_unit_test_setup_teardown(test_what_is_no_url_leaves_the_last_good_one,
                                        mount_secret, unmount_secret),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_gone_leaves_the_last_good_one,
                                        mount_secret, unmount_secret),
        cmocka_unit_test(test_without_a_file_the_value_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
