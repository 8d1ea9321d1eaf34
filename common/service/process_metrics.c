#include "common/service/process_metrics.h"

#include "common/base/file.h"
#include "common/base/parse.h"

#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STATM_MAX_BYTES 4096

static void add_head(struct buf *out, const char *name, const char *type,
                     const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_value(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "%s ", name);
    buf_add_u64(out, value);
    buf_add_char(out, '\n');
}

static void add_cpu(struct buf *out)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0) {
        const char *name = "process_cpu_seconds_total";
        add_head(out, name, "counter", "User and system CPU time spent.");
        buf_printf(out, "%s %lld.%06ld\n", name, (long long)used.tv_sec,
                   used.tv_nsec / 1000);
    }
}

/* Takes a number and the space behind it off the front of `rest`. */
static bool next_number(struct view *rest, uint64_t *out)
{
    struct error err;
    const char *space = rest->len == 0 ? NULL : memchr(rest->data, ' ', rest->len);
    size_t len = space == NULL ? rest->len : (size_t)(space - rest->data);
    if (!parse_u64(view_of(rest->data, len), out, &err)) {
        return false;
    }
    *rest = view_skip(*rest, space == NULL ? len : len + 1);
    return true;
}

static void add_memory(struct buf *out)
{
    struct buf text = { 0 };
    struct error err;
    uint64_t virtual_pages = 0;
    uint64_t resident_pages = 0;
    bool is_read = file_read("/proc/self/statm", STATM_MAX_BYTES, &text, &err);
    struct view rest = buf_view(&text);
    is_read = is_read && next_number(&rest, &virtual_pages) &&
              next_number(&rest, &resident_pages);
    buf_release(&text);
    if (!is_read) {
        return;
    }
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    add_head(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size.");
    add_value(out, "process_virtual_memory_bytes", virtual_pages * page_bytes);
    add_head(out, "process_resident_memory_bytes", "gauge", "Resident memory size.");
    add_value(out, "process_resident_memory_bytes", resident_pages * page_bytes);
}

/* Entries of /proc/self/fd but ".", ".." and the one that reads them; -1: unreadable. */
static long count_open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        return -1;
    }
    long entries = 0;
    while (readdir(folder) != NULL) {
        entries++;
    }
    (void)closedir(folder);
    return entries - 3;
}

static void add_files(struct buf *out)
{
    long open_files = count_open_files();
    if (open_files >= 0) {
        add_head(out, "process_open_fds", "gauge", "Open file descriptors.");
        add_value(out, "process_open_fds", (uint64_t)open_files);
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        add_head(out, "process_max_fds", "gauge",
                 "Most file descriptors that may be open.");
        add_value(out, "process_max_fds", limit.rlim_cur);
    }
}

void process_metrics_write(struct buf *out, int64_t started_at_ms)
{
    add_cpu(out);
    add_memory(out);
    add_files(out);
    add_head(out, "process_start_time_seconds", "gauge",
             "Start of the process since the epoch.");
    buf_printf(out, "process_start_time_seconds %.3f\n", (double)started_at_ms / 1000.0);
}
