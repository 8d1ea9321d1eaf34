#include "common/service/memory_limit.h"

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/parse.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES 65536
/* Where nobody says: enough to run in. */
#define UNKNOWN_BYTES (1ULL << 30)

static uint64_t machine_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UNKNOWN_BYTES;
}

/* The number in a file of one line; false when there is no such file, or it says "max".
 */
static bool read_limit(const char *path, uint64_t *out)
{
    struct buf content = { 0 };
    struct error err;
    bool is_read = file_read(path, FILE_MAX_BYTES, &content, &err);
    if (is_read && content.len > 0 && content.data[content.len - 1] == '\n') {
        content.len--;
    }
    is_read = is_read && parse_u64(buf_view(&content), out, &err);
    buf_release(&content);
    return is_read;
}

/* The least limit of the group `path` and of all above it. In a container the groups
 * above, and often its own path, are not there to be seen: its own limit then lies at the
 * mount's root. */
static uint64_t least_of(const char *mount, const char *file, char *path, uint64_t least)
{
    char name[4096];
    uint64_t limit = 0;
    for (;;) {
        int len = snprintf(name, sizeof name, "%s%s/%s", mount, path, file);
        if (len < (int)sizeof name && read_limit(name, &limit) && limit < least) {
            least = limit;
        }
        char *slash = strrchr(path, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup: "0::/path" (v2), "7:memory:/path" (v1). */
static uint64_t least_of_line(char *line, const char *mount, uint64_t least)
{
    char v1[4096];
    char *controllers = strchr(line, ':');
    char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (path == NULL) {
        return least;
    }
    *path++ = '\0';
    controllers++;
    if (*controllers == '\0') {
        return least_of(mount, "memory.max", path, least);
    }
    if (strstr(controllers, "memory") != NULL) {
        snprintf(v1, sizeof v1, "%s/memory", mount);
        return least_of(v1, "memory.limit_in_bytes", path, least);
    }
    return least;
}

uint64_t memory_limit_of(const char *cgroup_file, const char *mount, uint64_t machine)
{
    struct buf content = { 0 };
    struct error err;
    uint64_t least = machine;
    if (file_read(cgroup_file, FILE_MAX_BYTES, &content, &err)) {
        char *rest = NULL;
        (void)buf_cstr(&content);
        for (char *line = strtok_r(content.data, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            least = least_of_line(line, mount, least);
        }
    }
    buf_release(&content);
    return least > 0 ? least : machine;
}

uint64_t memory_limit_bytes(void)
{
    return memory_limit_of("/proc/self/cgroup", "/sys/fs/cgroup", machine_bytes());
}
