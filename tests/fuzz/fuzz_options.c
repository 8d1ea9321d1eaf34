/* Command lines: one argument a line, over ingest's own table. Every mistake is told, and
 * what was taken is within its limits.
 */
#include "ingest/commands/options.h"

#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define MAX_ARGS 16

/* 0 stays 0 where a flag was not given. */
static void check(const struct ingest_options *o)
{
    REQUIRE(o->max_body_bytes == 0 || o->max_body_bytes >= 1024);
    REQUIRE(o->max_event_bytes <= (uint64_t)1 << 24);
    REQUIRE(o->request_deadline_ms <= 60000);
    REQUIRE(o->log_level <= 3 && o->log_format <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view rest = fuzz_view(data, size);
    char *args[MAX_ARGS + 1] = { NULL };
    struct ingest_options options = { 0 };
    struct buf mistakes = { 0 };
    int count = 0;
    while (rest.len > 0 && count < MAX_ARGS) {
        struct view line = fuzz_until(&rest, '\n');
        line.len = line.len > 0 ? strnlen(line.data, line.len) : 0;
        args[count++] = mem_strdup_view(line);
    }
    for (int i = 0; i < count;) {
        int before = i;
        if (!options_read_flag(&ingest_option_table, &options, count, args, &i,
                               &mistakes)) {
            i++;
        }
        REQUIRE(i > before && i <= count);
    }
    check(&options);
    options_release(&ingest_option_table, &options);
    for (int i = 0; i < count; i++) {
        free(args[i]);
    }
    buf_release(&mistakes);
    return 0;
}
