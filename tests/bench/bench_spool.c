/* bench_spool: how many events a second the spool alone takes.
 *
 *     bench_spool FOLDER SENDERS RECORDS [SECONDS]
 *
 * SENDERS entries of RECORDS records of 1,500 bytes are always under way, each begun anew
 * as soon as it is durable, as that many connections would. The folder must be new.
 * Prints events/s, groups/s, and the reference: write and fdatasync of the same bytes a
 * group in one file, without a spool.
 */
#include "ingest/durable/spool.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/parse.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define VALUE_BYTES 1500
#define QUOTA ((uint64_t)8 << 30)
#define PAUSE_MS 50

static struct spool *spool;
static _Atomic uint64_t entries, groups, sync_us;
static _Atomic bool is_over;

static void on_end(struct spool_entry *entry, bool is_durable)
{
    REQUIRE(is_durable);
    atomic_fetch_add(&entries, 1);
    if (!atomic_load(&is_over)) {
        bool is_taken = spool_append(spool, entry);
        REQUIRE(is_taken);
    }
}

static void on_synced(void *context, int64_t duration_us)
{
    (void)context;
    atomic_fetch_add(&groups, 1);
    atomic_fetch_add(&sync_us, (uint64_t)duration_us);
}

static void on_failed(void *context, const struct error *err)
{
    (void)context;
    (void)fprintf(stderr, "%s\n", err->text);
    abort();
}

static void make_frames(unsigned records, struct buf *out)
{
    static char value[VALUE_BYTES];
    struct error err;
    for (unsigned i = 0; i < records; i++) {
        struct spool_record r = { .topic = (enum event_type)(i % EVENT_TYPES),
                                  .key = view_cstr("0b2c1a2e-8a3c-4a58-9c57-1f6c2a"),
                                  .value = view_of(value, sizeof value) };
        bool is_encoded = spool_frame_encode(&r, spool_salt(spool), out, &err);
        REQUIRE(is_encoded);
    }
}

/* Groups a second of the same size by plain calls. */
static double reference(const char *folder, struct view group, double seconds)
{
    char path[512];
    snprintf(path, sizeof path, "%s.reference", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(fd >= 0);
    unsigned done = 0;
    int64_t start = clock_mono_us();
    while ((double)(clock_mono_us() - start) < seconds * 1e6) {
        REQUIRE(write(fd, group.data, group.len) == (ssize_t)group.len);
        REQUIRE(fdatasync(fd) == 0);
        done++;
    }
    close(fd);
    unlink(path);
    return done / seconds;
}

static unsigned number_of(const char *text)
{
    uint64_t number = 0;
    struct error err;
    bool is_number = parse_u64(view_cstr(text), &number, &err);
    REQUIRE(is_number);
    return (unsigned)number;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        (void)fprintf(stderr, "usage: bench_spool FOLDER SENDERS RECORDS [SECONDS]\n");
        return 2;
    }
    const struct spool_setup setup = {
        .dir = argv[1], .max_bytes = QUOTA, .on_failed = on_failed, .on_synced = on_synced
    };
    unsigned senders = number_of(argv[2]);
    unsigned records = number_of(argv[3]);
    unsigned seconds = argc > 4 ? number_of(argv[4]) : 3;
    struct error err;
    struct buf frames = { 0 };
    if (!spool_open(&setup, &spool, &err)) {
        on_failed(NULL, &err);
    }
    make_frames(records, &frames);
    struct spool_entry *all = mem_calloc(senders, sizeof *all);
    int64_t start = clock_mono_us();
    for (unsigned i = 0; i < senders; i++) {
        all[i] = (struct spool_entry){ .frames = buf_view(&frames), .on_end = on_end };
        bool is_taken = spool_append(spool, &all[i]);
        REQUIRE(is_taken);
    }
    while (clock_mono_us() - start < (int64_t)seconds * 1000000) {
        nanosleep(&(struct timespec){ 0, PAUSE_MS * 1000000 }, NULL);
    }
    double took = (double)(clock_mono_us() - start) / 1e6;
    double per_s = (double)atomic_load(&entries) * records / took;
    double groups_per_s = (double)atomic_load(&groups) / took;
    double share = (double)atomic_load(&sync_us) / 1e6 / took;
    atomic_store(&is_over, true);
    spool_close(spool);
    struct view group = view_of(mem_calloc(senders, frames.len), senders * frames.len);
    printf("%u senders, %u records each: %.0f events/s, %.0f groups/s, %.0f MB/s, %.0f "
           "%% of "
           "the time syncing; plain calls: %.0f groups of %u/s\n",
           senders, records, per_s, groups_per_s,
           (double)atomic_load(&entries) * (double)frames.len / took / 1e6, share * 100,
           reference(argv[1], group, 1), senders);
    free(all);
    return 0;
}
