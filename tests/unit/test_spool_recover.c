/* What a spool finds at its start, by what had happened to its files. The names follow
 * the known errors that the tests of Vector's disk buffers list.
 */
#include "tests/support/capture.h"
#include "tests/support/spool_bed.h"

#include "common/base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST 100 /* three digits, so that all frames are of one length */
#define RECORDS 10
#define VALUE_BYTES 100

static struct spool_contents contents;

struct bed {
    char path[256];
    char segment[320]; /* the first segment's path */
    size_t frame;      /* length of a frame */
    size_t bytes;      /* length of the segment */
};

static size_t length_of(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? (size_t)facts.st_size : SIZE_MAX;
}

static bool exists(const struct bed *b, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", b->path, name);
    return length_of(path) != SIZE_MAX;
}

static void write_records(const struct bed *b, unsigned first, unsigned count)
{
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, NULL);
    for (unsigned i = 0; i < count; i++) {
        assert_true(spool_bed_put(s, first + i, EVENT_TRACK, VALUE_BYTES));
    }
    spool_close(s);
}

/* A segment of RECORDS records, numbers from FIRST on. */
static int make(void **state)
{
    struct bed *b = calloc(1, sizeof *b);
    struct buf frame = { 0 };
    spool_bed_make(b->path);
    snprintf(b->segment, sizeof b->segment, "%s/000000000001.spool", b->path);
    spool_bed_encode(FIRST, EVENT_TRACK, VALUE_BYTES, 1, &frame);
    b->frame = frame.len;
    buf_release(&frame);
    write_records(b, FIRST, RECORDS);
    b->bytes = length_of(b->segment);
    assert_int_equal(b->bytes, SPOOL_SEGMENT_HEAD_BYTES + RECORDS * b->frame);
    *state = b;
    return 0;
}

static int drop(void **state)
{
    struct bed *b = *state;
    spool_bed_remove(b->path);
    free(b);
    return 0;
}

/* Where record i begins. */
static size_t start_of(const struct bed *b, unsigned i)
{
    return SPOOL_SEGMENT_HEAD_BYTES + i * b->frame;
}

static void overwrite(const struct bed *b, size_t at, const char *bytes, size_t len)
{
    int fd = open(b->segment, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, (off_t)at), len);
    close(fd);
}

static void flip(const struct bed *b, size_t at)
{
    char byte = 0;
    int fd = open(b->segment, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte = (char)(byte ^ 0x10);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

static void cut(const struct bed *b, size_t bytes)
{
    assert_int_equal(truncate(b->segment, (off_t)bytes), 0);
}

static void put_file(const struct bed *b, const char *name, const char *bytes, size_t len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", b->path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

/* Another segment behind the first: then that one was closed, whole. */
static void make_another(const struct bed *b)
{
    write_records(b, FIRST + RECORDS, 1);
    assert_true(exists(b, "000000000002.spool"));
}

/* All but those from `gone` up to `until` are there, once. */
static void assert_gone(const struct bed *b, unsigned gone, unsigned until, unsigned all)
{
    spool_bed_read(b->path, &contents);
    for (unsigned i = 0; i < all; i++) {
        unsigned wanted = i >= gone && i < until ? 0 : 1;
        if (contents.counts[FIRST + i] != wanted) {
            fail_msg("record %u is there %u times, not %u", i, contents.counts[FIRST + i],
                     wanted);
        }
    }
    assert_int_equal(contents.total, all - (until - gone));
    assert_int_equal(contents.figures.records, contents.total);
}

static void drain_all(const struct bed *b)
{
    struct spool_figures figures = { .segments = 1 };
    struct spool *s = spool_bed_open(b->path, SPOOL_BED_QUOTA, NULL);
    struct fake_port *port = fake_port_new();
    struct spool_port api = fake_port_port(port);
    struct spool_drain *drain = NULL;
    struct error err;
    assert_true(spool_drain_start(spool_log_of(s), &api, &drain, &err));
    for (int i = 0; i < 5000 && figures.segments > 0; i++) {
        const struct timespec pause = { 0, 2000000 };
        nanosleep(&pause, NULL);
        spool_figures(s, &figures);
    }
    assert_int_equal(figures.segments, 0);
    spool_drain_stop(drain);
    spool_drain_free(drain);
    spool_close(s);
    fake_port_free(port);
}

/* ---- nothing had happened ---- */

static void test_what_was_acknowledged_is_there_in_order(void **state)
{
    const struct bed *b = *state;
    assert_gone(b, 0, 0, RECORDS);
    for (unsigned i = 0; i < RECORDS; i++) {
        assert_int_equal(contents.order[i], FIRST + i);
    }
    assert_int_equal(contents.figures.corrupt_records, 0);
    assert_int_equal(contents.figures.disk_bytes, 4096);
}

static void test_a_process_begins_a_segment_of_its_own(void **state)
{
    const struct bed *b = *state;
    make_another(b);
    assert_int_equal(length_of(b->segment), b->bytes);
    assert_gone(b, 0, 0, RECORDS + 1);
}

/* ---- the last write was not finished ---- */

static void test_a_last_record_that_was_not_flushed_is_cut_off(void **state)
{
    const struct bed *b = *state;
    cut(b, b->bytes - 1);
    assert_gone(b, RECORDS - 1, RECORDS, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 0);
    assert_int_equal(length_of(b->segment), start_of(b, RECORDS - 1));
    cut(b, start_of(b, RECORDS - 2) + SPOOL_FRAME_HEAD_BYTES);
    assert_gone(b, RECORDS - 2, RECORDS, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 0);
    assert_int_equal(length_of(b->segment), start_of(b, RECORDS - 2));
}

static void test_a_head_of_a_frame_that_is_cut_is_cut_off(void **state)
{
    const struct bed *b = *state;
    cut(b, start_of(b, RECORDS - 1) + SPOOL_FRAME_HEAD_BYTES - 1);
    assert_gone(b, RECORDS - 1, RECORDS, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 0);
    assert_int_equal(length_of(b->segment), start_of(b, RECORDS - 1));
}

static void test_zeros_behind_the_last_record_are_cut_off(void **state)
{
    const struct bed *b = *state;
    cut(b, b->bytes + 5000); /* a file that grew, and its pages never came */
    assert_gone(b, 0, 0, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 0);
    assert_int_equal(length_of(b->segment), b->bytes);
}

static void test_a_torn_tail_is_no_record_and_what_follows_it_is_found(void **state)
{
    const struct bed *b = *state;
    cut(b, b->bytes - 1);
    make_another(b);
    assert_gone(b, RECORDS - 1, RECORDS, RECORDS + 1);
    assert_int_equal(contents.figures.corrupt_records, 0);
}

static void test_a_last_file_without_a_whole_head_is_removed(void **state)
{
    const struct bed *b = *state;
    put_file(b, "000000000002.spool", "BSSPOOL", 7);
    assert_gone(b, 0, 0, RECORDS);
    assert_false(exists(b, "000000000002.spool"));
    put_file(b, "000000000003.spool", "", 0);
    assert_gone(b, 0, 0, RECORDS);
    assert_false(exists(b, "000000000003.spool"));
    assert_int_equal(contents.figures.corrupt_records, 0);
}

/* ---- damage ---- */

static void test_a_scrambled_record_costs_itself_alone(void **state)
{
    const struct bed *b = *state;
    flip(b, start_of(b, 4) + b->frame / 2);
    assert_gone(b, 4, 5, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 1);
}

static void test_a_record_whose_length_is_damaged_costs_itself_alone(void **state)
{
    const struct bed *b = *state;
    flip(b, start_of(b, 4) + 6); /* 1 MiB longer */
    assert_gone(b, 4, 5, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 1);
    assert_int_equal(length_of(b->segment), b->bytes);
}

static void test_a_record_whose_length_is_zero_costs_itself_alone(void **state)
{
    const struct bed *b = *state;
    overwrite(b, start_of(b, 4) + 4, "\0\0\0\0", 4);
    assert_gone(b, 4, 5, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 1);
}

static void test_damage_over_several_records_is_skipped_to_the_next_good_one(void **state)
{
    const struct bed *b = *state;
    char noise[4096];
    memset(noise, 'n', sizeof noise);
    overwrite(b, start_of(b, 2) + 3, noise, 3 * b->frame);
    assert_gone(b, 2, 6, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 1);
}

/* It may have been acknowledged: kept, counted, never cut off. */
static void test_a_whole_last_record_with_a_wrong_checksum_is_damage(void **state)
{
    const struct bed *b = *state;
    flip(b, b->bytes - 1);
    assert_gone(b, RECORDS - 1, RECORDS, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 1);
    assert_int_equal(length_of(b->segment), b->bytes);
}

static void test_a_damaged_head_of_the_last_record_is_damage(void **state)
{
    const struct bed *b = *state;
    flip(b, start_of(b, RECORDS - 1) + 1);
    assert_gone(b, RECORDS - 1, RECORDS, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 1);
    assert_int_equal(length_of(b->segment), b->bytes);
}

static void test_a_finished_segment_that_is_cut_is_damage(void **state)
{
    const struct bed *b = *state;
    make_another(b);
    cut(b, b->bytes - 1);
    assert_gone(b, RECORDS - 1, RECORDS, RECORDS + 1);
    assert_int_equal(contents.figures.corrupt_records, 1);
    assert_int_equal(length_of(b->segment), b->bytes - 1);
}

static void test_a_frame_that_is_no_record_is_damage(void **state)
{
    const struct bed *b = *state;
    struct buf whole = { 0 };
    struct spool_record odd = { .topic = (enum event_type)77, .key = view_cstr("k") };
    struct spool_reader reader;
    struct spool_folder folder;
    enum spool_head_state head;
    struct error err;
    assert_true(spool_folder_open(b->path, &folder, &err));
    assert_true(spool_reader_open(&folder, 1, &reader, &head, &err));
    assert_true(spool_frame_encode(&odd, reader.head.salt, &whole, &err));
    spool_reader_close(&reader);
    spool_folder_close(&folder);
    overwrite(b, b->bytes, whole.data, whole.len);
    buf_release(&whole);
    assert_gone(b, 0, 0, RECORDS);
    assert_int_equal(contents.figures.corrupt_records, 1);
}

static void test_a_damaged_segment_is_set_aside_once_the_rest_is_delivered(void **state)
{
    const struct bed *b = *state;
    flip(b, start_of(b, 4) + b->frame / 2);
    drain_all(b);
    assert_false(exists(b, "000000000001.spool"));
    assert_true(exists(b, "000000000001.spool.damaged"));
    spool_bed_read(b->path, &contents);
    assert_int_equal(contents.total, 0);
    assert_int_equal(contents.figures.unread_files, 1);
    assert_int_equal(contents.figures.disk_bytes, 4096);
    assert_int_equal(contents.figures.corrupt_records, 0); /* it was counted before */
}

/* ---- damaged heads and other files ---- */

static void test_a_segment_whose_head_is_damaged_is_set_aside(void **state)
{
    const struct bed *b = *state;
    make_another(b);
    flip(b, 9);
    spool_bed_read(b->path, &contents);
    assert_int_equal(contents.total, 1);
    assert_int_equal(contents.figures.corrupt_records, 1);
    assert_int_equal(contents.figures.unread_files, 1);
    assert_false(exists(b, "000000000001.spool"));
    assert_true(exists(b, "000000000001.spool.damaged"));
}

static void test_an_empty_file_before_the_last_is_set_aside(void **state)
{
    const struct bed *b = *state;
    make_another(b);
    cut(b, 0);
    spool_bed_read(b->path, &contents);
    assert_int_equal(contents.total, 1);
    assert_int_equal(contents.figures.corrupt_records, 1);
    assert_true(exists(b, "000000000001.spool.damaged"));
}

static void test_a_segment_of_another_version_is_left_and_not_read(void **state)
{
    const struct bed *b = *state;
    char bytes[SPOOL_SEGMENT_HEAD_BYTES + 4] = { 0 };
    const struct spool_head head = { .version = SPOOL_VERSION + 1, .salt = 7 };
    spool_head_format(&head, bytes);
    put_file(b, "000000000007.spool", bytes, sizeof bytes);
    assert_gone(b, 0, 0, RECORDS);
    assert_true(exists(b, "000000000007.spool"));
    assert_int_equal(contents.figures.unread_files, 1);
    assert_int_equal(contents.figures.disk_bytes, 2 * 4096);
    write_records(b, FIRST + RECORDS, 1);
    assert_true(exists(b, "000000000008.spool")); /* numbers go on behind it */
}

static void test_files_that_are_not_ours_are_left_and_count(void **state)
{
    const struct bed *b = *state;
    char lost[512];
    put_file(b, "notes.txt", "x", 1);
    put_file(b, "000000000009.spool.damaged", "y", 1);
    snprintf(lost, sizeof lost, "%s/lost+found", b->path);
    assert_int_equal(mkdir(lost, 0700), 0);
    assert_gone(b, 0, 0, RECORDS);
    assert_int_equal(contents.figures.unread_files, 2);
    assert_int_equal(contents.figures.disk_bytes, 3 * 4096);
    assert_true(exists(b, "notes.txt"));
    assert_true(exists(b, "000000000009.spool.damaged"));
    write_records(b, FIRST + RECORDS, 1);
    assert_true(exists(b, "000000000010.spool"));
}

static void test_an_unfinished_new_file_is_removed(void **state)
{
    const struct bed *b = *state;
    put_file(b, "000000000001.spool.new", "BSSPOOL\nhalf", 12);
    assert_gone(b, 0, 0, RECORDS);
    assert_false(exists(b, "000000000001.spool.new"));
}

/* ---- the folder ---- */

static int open_second(const void *context)
{
    const struct bed *b = context;
    struct spool_folder folder;
    struct error err;
    if (spool_folder_open(b->path, &folder, &err)) {
        return 1;
    }
    (void)fprintf(stderr, "%s", err.text);
    return err.class == ERROR_BUSY ? 42 : 2;
}

static void test_a_second_process_is_refused_and_told_by_whom(void **state)
{
    const struct bed *b = *state;
    struct spool_folder folder;
    struct capture second;
    struct error err;
    char wanted[64];
    assert_true(spool_folder_open(b->path, &folder, &err));
    capture_run(open_second, b, &second);
    assert_int_equal(second.exit_code, 42);
    snprintf(wanted, sizeof wanted, "another process (pid %ld)", (long)getpid());
    assert_non_null(strstr(buf_cstr(&second.err), wanted));
    assert_non_null(strstr(buf_cstr(&second.err), b->path));
    capture_release(&second);
    spool_folder_close(&folder);
    capture_run(open_second, b, &second);
    assert_int_equal(second.exit_code, 1); /* it is free again */
    capture_release(&second);
}

static void test_a_folder_is_made_but_not_its_parents(void **state)
{
    const struct bed *b = *state;
    struct spool_folder folder;
    struct error err;
    char path[512];
    snprintf(path, sizeof path, "%s/new", b->path);
    assert_true(spool_folder_open(path, &folder, &err));
    spool_folder_close(&folder);
    char lock[600];
    snprintf(lock, sizeof lock, "%s/lock", path);
    assert_int_equal(unlink(lock), 0);
    snprintf(path, sizeof path, "%s/no/parent", b->path);
    assert_false(spool_folder_open(path, &folder, &err));
    assert_int_equal(err.class, ERROR_INVALID);
    assert_non_null(strstr(err.text, path));
    assert_false(spool_folder_open(b->segment, &folder, &err)); /* a file */
    assert_int_equal(err.class, ERROR_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_acknowledged_is_there_in_order),
        TEST(test_a_process_begins_a_segment_of_its_own),
        TEST(test_a_last_record_that_was_not_flushed_is_cut_off),
        TEST(test_a_head_of_a_frame_that_is_cut_is_cut_off),
        TEST(test_zeros_behind_the_last_record_are_cut_off),
        TEST(test_a_torn_tail_is_no_record_and_what_follows_it_is_found),
        TEST(test_a_last_file_without_a_whole_head_is_removed),
        TEST(test_a_scrambled_record_costs_itself_alone),
        TEST(test_a_record_whose_length_is_damaged_costs_itself_alone),
        TEST(test_a_record_whose_length_is_zero_costs_itself_alone),
        TEST(test_damage_over_several_records_is_skipped_to_the_next_good_one),
        TEST(test_a_whole_last_record_with_a_wrong_checksum_is_damage),
        TEST(test_a_damaged_head_of_the_last_record_is_damage),
        TEST(test_a_finished_segment_that_is_cut_is_damage),
        TEST(test_a_frame_that_is_no_record_is_damage),
        TEST(test_a_damaged_segment_is_set_aside_once_the_rest_is_delivered),
        TEST(test_a_segment_whose_head_is_damaged_is_set_aside),
        TEST(test_an_empty_file_before_the_last_is_set_aside),
        TEST(test_a_segment_of_another_version_is_left_and_not_read),
        TEST(test_files_that_are_not_ours_are_left_and_count),
        TEST(test_an_unfinished_new_file_is_removed),
        TEST(test_a_second_process_is_refused_and_told_by_whom),
        TEST(test_a_folder_is_made_but_not_its_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
