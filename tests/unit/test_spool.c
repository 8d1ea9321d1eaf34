/* The spool's writer: groups, quota, and a disk that is full, slow, or broken. */
#include "ingest/durable/spool.h"

#include "tests/support/fault_io.h"
#include "tests/support/spool_bed.h"

#include "common/base/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define VALUE_BYTES 1000
#define MANY 200

static struct spool_contents contents;

struct bed {
    char path[256];
    _Atomic unsigned failures;
};

static int make(void **state)
{
    struct bed *b = calloc(1, sizeof *b);
    spool_bed_make(b->path);
    *state = b;
    return 0;
}

static int drop(void **state)
{
    struct bed *b = *state;
    fault_io_set("");
    spool_bed_remove(b->path);
    free(b);
    return 0;
}

static void faults(const struct bed *b, const char *words)
{
    char all[512];
    snprintf(all, sizeof all, "dir=%s %s", b->path, words);
    fault_io_set(all);
}

/* What `du` says of the files, in bytes. */
static uint64_t on_disk(const struct bed *b)
{
    struct spool_folder f = { .fd = -1, .lock = -1 };
    struct spool_file *files = NULL;
    size_t count = 0;
    uint64_t sum = 0;
    struct error err;
    f.path = (char *)(uintptr_t)b->path;
    f.fd = open(b->path, O_RDONLY | O_DIRECTORY);
    assert_true(spool_folder_list(&f, &files, &count, &err));
    for (size_t i = 0; i < count; i++) {
        sum += files[i].disk_bytes;
    }
    free(files);
    close(f.fd);
    return sum;
}

/* ---- many entries at once ---- */

struct crowd {
    struct spool_entry entries[MANY];
    struct buf frames[MANY];
    _Atomic unsigned durable, refused;
};

static struct crowd crowd;

static void count_end(struct spool_entry *entry, bool is_durable)
{
    (void)entry;
    atomic_fetch_add(is_durable ? &crowd.durable : &crowd.refused, 1);
}

/* Appends MANY records, numbers from `first` on; returns how many were taken. */
static unsigned append_crowd(struct spool *s, unsigned first, size_t size)
{
    unsigned taken = 0;
    crowd = (struct crowd){ .durable = 0 };
    for (unsigned i = 0; i < MANY; i++) {
        spool_bed_encode(first + i, (enum event_type)(i % EVENT_TYPES), size,
                         spool_salt(s), &crowd.frames[i]);
        crowd.entries[i].frames = buf_view(&crowd.frames[i]);
        crowd.entries[i].on_end = count_end;
        taken += spool_append(s, &crowd.entries[i]) ? 1 : 0;
    }
    return taken;
}

static void wait_for_crowd(unsigned taken)
{
    int64_t deadline = clock_mono_ms() + 20000;
    while (atomic_load(&crowd.durable) + atomic_load(&crowd.refused) < taken) {
        assert_true(clock_mono_ms() < deadline);
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
}

static void free_crowd(void)
{
    for (unsigned i = 0; i < MANY; i++) {
        buf_release(&crowd.frames[i]);
    }
}

static void test_entries_that_wait_share_a_sync(void **state)
{
    struct bed *b = *state;
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, NULL);
    faults(b, "slow_sync=20");
    assert_int_equal(append_crowd(s, 0, 10), MANY);
    wait_for_crowd(MANY);
    assert_int_equal(atomic_load(&crowd.durable), MANY);
    /* The first alone or with some, its folder, then the rest: not one each. */
    assert_in_range(fault_io_syncs(), 2, MANY / 10);
    spool_close(s);
    free_crowd();
    spool_bed_read(b->path, &contents);
    assert_int_equal(contents.total, MANY);
}

static void test_closing_writes_and_ends_what_waits(void **state)
{
    struct bed *b = *state;
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, NULL);
    faults(b, "slow_sync=20");
    assert_int_equal(append_crowd(s, 0, VALUE_BYTES), MANY);
    spool_close(s);
    assert_int_equal(atomic_load(&crowd.durable), MANY);
    free_crowd();
    spool_bed_read(b->path, &contents);
    assert_int_equal(contents.total, MANY);
}

static void test_segments_roll_and_nothing_is_lost_between_them(void **state)
{
    struct bed *b = *state;
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, NULL);
    struct spool_figures figures;
    for (unsigned i = 0; i < 30; i++) {
        assert_true(spool_bed_put(s, i, EVENT_TRACK, 30000));
    }
    spool_figures(s, &figures);
    assert_int_equal(figures.segments, 8); /* four in 128 KiB */
    assert_int_equal(figures.records, 30);
    assert_int_equal(figures.disk_bytes, on_disk(b));
    spool_close(s);
    spool_bed_read(b->path, &contents);
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(contents.order[i], i);
    }
}

static void test_an_entry_larger_than_a_segment_has_one_of_its_own(void **state)
{
    struct bed *b = *state;
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, NULL);
    struct spool_figures figures;
    assert_true(spool_bed_put(s, 1, EVENT_TRACK, 10));
    assert_true(spool_bed_put(s, 2, EVENT_TRACK, 1000000));
    assert_true(spool_bed_put(s, 3, EVENT_TRACK, 10));
    spool_figures(s, &figures);
    assert_int_equal(figures.segments, 3);
    assert_int_equal(figures.disk_bytes, on_disk(b));
    spool_close(s);
    spool_bed_read(b->path, &contents);
    assert_int_equal(contents.total, 3);
}

/* ---- quota ---- */

/* Sizes from a few bytes to more than a segment; whatever comes, du stays below. */
static void test_the_folder_never_takes_more_than_its_quota(void **state)
{
    struct bed *b = *state;
    const uint64_t quotas[] = { (uint64_t)1 << 20, (uint64_t)3 << 20 };
    unsigned number = 0;
    uint32_t random = 42;
    for (size_t q = 0; q < sizeof quotas / sizeof quotas[0]; q++) {
        struct spool *s = spool_bed_open(b->path, quotas[q], NULL);
        unsigned refused = 0;
        for (unsigned i = 0; i < 600; i++) {
            random = random * 1103515245u + 12345u;
            size_t size = (random >> 16) % (i % 10 == 0 ? 150000 : 4000);
            refused += spool_bed_put(s, number++, EVENT_TRACK, size) ? 0 : 1;
            assert_true(on_disk(b) <= quotas[q]);
        }
        assert_true(refused > 0);
        assert_false(spool_has_room(s, 150000));
        /* It was used: what is left is less than a segment or two. */
        assert_true(on_disk(b) > quotas[q] - quotas[q] / 4);
        spool_close(s);
    }
}

static void test_a_crowd_does_not_pass_the_quota_together(void **state)
{
    struct bed *b = *state;
    const uint64_t quota = (uint64_t)1 << 20;
    struct spool *s = spool_bed_open(b->path, quota, NULL);
    faults(b, "slow_sync=5"); /* so that entries pile up */
    for (unsigned round = 0; round < 12; round++) {
        unsigned taken = append_crowd(s, round * MANY, 37 + 97 * round);
        wait_for_crowd(taken);
        assert_int_equal(atomic_load(&crowd.refused), 0);
        assert_true(on_disk(b) <= quota);
        free_crowd();
    }
    assert_false(spool_has_room(s, 200000));
    spool_close(s);
}

static void test_at_the_quota_to_the_byte(void **state)
{
    struct bed *b = *state;
    const uint64_t quota = (uint64_t)1 << 20;
    struct spool_log *log = NULL;
    struct error err;
    assert_true(spool_log_open(b->path, quota, &log, &err));
    uint64_t most = 0;
    for (uint64_t step = quota; step > 0; step /= 2) {
        most += spool_log_has_room(log, most + step) ? step : 0;
    }
    /* Half a segment is never given: a segment may have to be written anew. */
    uint64_t kept = quota - spool_log_charge(log, most);
    assert_in_range(kept, spool_log_segment_bytes(log) / 2, spool_log_segment_bytes(log));
    assert_true(spool_log_reserve(log, most));
    assert_false(spool_log_reserve(log, 1));
    spool_log_cancel(log, most);
    assert_false(spool_log_reserve(log, most + 1));
    assert_false(spool_log_reserve(log, UINT32_MAX));
    assert_true(spool_log_reserve(log, most));
    spool_log_cancel(log, most);
    spool_log_close(log);
}

/* ---- a full disk ---- */

static void test_a_full_disk_refuses_and_keeps_what_was_acknowledged(void **state)
{
    struct bed *b = *state;
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, &b->failures);
    struct spool_figures before;
    struct spool_figures after;
    assert_true(spool_bed_put(s, 1, EVENT_TRACK, VALUE_BYTES));
    spool_figures(s, &before);
    faults(b, "enospc_after=700"); /* in the middle of a frame */
    assert_false(spool_bed_put(s, 2, EVENT_TRACK, VALUE_BYTES));
    assert_int_equal(fault_io_faults(), 1);
    assert_false(spool_has_room(s, 1)); /* for a second */
    spool_figures(s, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_false(spool_bed_put(s, 3, EVENT_TRACK, VALUE_BYTES));
    faults(b, ""); /* there is room again */
    assert_true(spool_bed_put(s, 4, EVENT_TRACK, VALUE_BYTES));
    spool_close(s);
    assert_int_equal(b->failures, 0);
    spool_bed_read(b->path, &contents);
    assert_int_equal(contents.total, 2);
    assert_int_equal(contents.counts[1], 1);
    assert_int_equal(contents.counts[4], 1);
    assert_int_equal(contents.figures.corrupt_records, 0);
}

static void test_a_disk_without_room_for_a_file_leaves_none(void **state)
{
    struct bed *b = *state;
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, &b->failures);
    faults(b, "enospc_after=40"); /* a head, and 8 bytes */
    assert_false(spool_bed_put(s, 1, EVENT_TRACK, VALUE_BYTES));
    assert_int_equal(on_disk(b), 0);
    faults(b, "");
    assert_true(spool_bed_put(s, 2, EVENT_TRACK, VALUE_BYTES));
    spool_close(s);
    assert_int_equal(b->failures, 0);
    spool_bed_read(b->path, &contents);
    assert_int_equal(contents.total, 1);
    assert_int_equal(contents.counts[2], 1);
}

static void test_short_writes_are_gone_on_with(void **state)
{
    struct bed *b = *state;
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, NULL);
    faults(b, "short slow_sync=2");
    assert_int_equal(append_crowd(s, 0, VALUE_BYTES), MANY);
    wait_for_crowd(MANY);
    assert_int_equal(atomic_load(&crowd.durable), MANY);
    assert_true(fault_io_faults() > MANY);
    spool_close(s);
    free_crowd();
    spool_bed_read(b->path, &contents);
    assert_int_equal(contents.total, MANY);
    assert_int_equal(contents.figures.corrupt_records, 0);
}

/* ---- a broken disk ---- */

/* Nothing is acknowledged any more, not even when the disk would work again: the kernel
 * may have thrown pages away that it calls written. */
static void assert_ends_it(struct bed *b, const char *words, unsigned durable_before)
{
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, &b->failures);
    for (unsigned i = 0; i < durable_before; i++) {
        assert_true(spool_bed_put(s, i, EVENT_TRACK, VALUE_BYTES));
    }
    faults(b, words);
    assert_false(spool_bed_put(s, 100, EVENT_TRACK, VALUE_BYTES));
    assert_int_equal(fault_io_faults(), 1);
    faults(b, "");
    assert_true(spool_has_failed(s));
    assert_int_equal(b->failures, 1);
    assert_false(spool_has_room(s, 1));
    assert_false(spool_bed_put(s, 101, EVENT_TRACK, VALUE_BYTES));
    assert_int_equal(append_crowd(s, 200, 10), 0);
    free_crowd();
    spool_close(s);
    assert_int_equal(b->failures, 1);
    spool_bed_read(b->path, &contents);
    for (unsigned i = 0; i < durable_before; i++) {
        assert_int_equal(contents.counts[i], 1);
    }
    assert_int_equal(contents.counts[101], 0);
}

static void test_an_error_of_a_sync_ends_it(void **state)
{
    assert_ends_it(*state, "eio_sync=1", 3);
}

static void test_an_error_of_a_sync_of_a_new_file_ends_it(void **state)
{
    assert_ends_it(*state, "eio_sync=1", 0);
}

static void test_an_error_of_the_folder_s_sync_ends_it(void **state)
{
    assert_ends_it(*state, "eio_sync=2", 0);
}

static void test_an_error_of_a_write_ends_it(void **state)
{
    assert_ends_it(*state, "eio_write=1", 3);
}

static void test_what_waits_when_the_disk_breaks_is_refused(void **state)
{
    struct bed *b = *state;
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, &b->failures);
    assert_true(spool_bed_put(s, 9999, EVENT_TRACK, VALUE_BYTES));
    faults(b, "slow_sync=20 eio_sync=2");
    unsigned taken = append_crowd(s, 0, VALUE_BYTES);
    wait_for_crowd(taken);
    assert_int_equal(b->failures, 1);
    assert_true(atomic_load(&crowd.refused) > 0);
    unsigned durable = atomic_load(&crowd.durable);
    spool_close(s);
    free_crowd();
    faults(b, "");
    spool_bed_read(b->path, &contents);
    assert_true(contents.total >= durable + 1); /* each acknowledged one, at least */
    for (unsigned i = 0; i < durable; i++) {
        assert_int_equal(contents.counts[i], 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_entries_that_wait_share_a_sync),
        TEST(test_closing_writes_and_ends_what_waits),
        TEST(test_segments_roll_and_nothing_is_lost_between_them),
        TEST(test_an_entry_larger_than_a_segment_has_one_of_its_own),
        TEST(test_the_folder_never_takes_more_than_its_quota),
        TEST(test_a_crowd_does_not_pass_the_quota_together),
        TEST(test_at_the_quota_to_the_byte),
        TEST(test_a_full_disk_refuses_and_keeps_what_was_acknowledged),
        TEST(test_a_disk_without_room_for_a_file_leaves_none),
        TEST(test_short_writes_are_gone_on_with),
        TEST(test_an_error_of_a_sync_ends_it),
        TEST(test_an_error_of_a_sync_of_a_new_file_ends_it),
        TEST(test_an_error_of_the_folder_s_sync_ends_it),
        TEST(test_an_error_of_a_write_ends_it),
        TEST(test_what_waits_when_the_disk_breaks_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
