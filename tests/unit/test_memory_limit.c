/* How much memory a process may use: files as cgroups show them. */
#include "common/service/memory_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define MACHINE (24ULL << 30)
#define MIB (1ULL << 20)

struct file {
    const char *path, *text;
};

struct layout {
    const char *cgroup; /* /proc/self/cgroup; NULL: there is none */
    struct file files[3];
    uint64_t expected;
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Makes the folders of `path` below `root`, and the file. */
static void add_file(const char *root, const struct file *file)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, file->path);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    write_file(path, file->text);
}

static uint64_t limit_of(const struct layout *layout)
{
    char root[] = "/tmp/test_memory_limit.XXXXXX";
    char cgroup[256];
    char command[256];
    assert_non_null(mkdtemp(root));
    snprintf(cgroup, sizeof cgroup, "%s/cgroup", root);
    if (layout->cgroup != NULL) {
        write_file(cgroup, layout->cgroup);
    }
    for (size_t i = 0; i < 3 && layout->files[i].path != NULL; i++) {
        add_file(root, &layout->files[i]);
    }
    uint64_t limit = memory_limit_of(cgroup, root, MACHINE);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
    return limit;
}

static void test_the_least_limit_counts(void **state)
{
    static const struct layout layouts[] = {
        { NULL, { { NULL, NULL } }, MACHINE },
        { "0::/\n", { { NULL, NULL } }, MACHINE },
        /* version 2, in a container: its own group is the mount's root */
        { "0::/\n", { { "/memory.max", "268435456\n" } }, 256 * MIB },
        { "0::/kubepods/pod1/c1\n", { { "/memory.max", "268435456\n" } }, 256 * MIB },
        { "0::/\n", { { "/memory.max", "max\n" } }, MACHINE },
        /* on a host: its group, and those around it */
        { "0::/a/b\n", { { "/a/b/memory.max", "536870912\n" } }, 512 * MIB },
        { "0::/a/b\n",
          { { "/a/b/memory.max", "max\n" }, { "/a/memory.max", "134217728\n" } },
          128 * MIB },
        { "0::/a/b\n",
          { { "/a/b/memory.max", "134217728\n" }, { "/a/memory.max", "536870912\n" } },
          128 * MIB },
        /* version 1, beside other controllers; its "no limit" is a huge number */
        { "9:cpu,cpuacct:/x\n7:memory:/y\n",
          { { "/memory/y/memory.limit_in_bytes", "67108864\n" } },
          64 * MIB },
        { "7:memory:/y\n",
          { { "/memory/y/memory.limit_in_bytes", "9223372036854771712\n" } },
          MACHINE },
        { "7:memory:/not/seen\n",
          { { "/memory/memory.limit_in_bytes", "67108864\n" } },
          64 * MIB },
        /* nothing that we know */
        { "garbage\n:\n::\n", { { "/memory.max", "x\n" } }, MACHINE },
        { "0::/\n", { { "/memory.max", "0\n" } }, MACHINE },
    };
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        uint64_t limit = limit_of(&layouts[i]);
        if (limit != layouts[i].expected) {
            fail_msg("layout %zu: %llu, not %llu", i, (unsigned long long)limit,
                     (unsigned long long)layouts[i].expected);
        }
    }
}

static void test_this_process_may_use_some(void **state)
{
    (void)state;
    assert_true(memory_limit_bytes() >= MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_least_limit_counts),
        cmocka_unit_test(test_this_process_may_use_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
