/* spool_log: the spool's segments on disk, within a quota.
 *
 * One log for all topics, not one a topic: a group of records then costs one fdatasync,
 * whatever its topics are (measured on a virtual disk: 1.2 to 6.6 ms for one file, 11 to
 * 25 ms for the same bytes in six). What that costs is space: a topic that Kafka refuses
 * would pin segments whose other records are long delivered. So a segment that is mostly
 * delivered can be written anew with what is left (spool_log_rewrite).
 *
 * A process never writes to a file that another one began. A segment is closed before the
 * next one begins, and all of it is synced by then: so only the last one can have a torn
 * tail. What cannot be read is never deleted: its segment is set aside under another name
 * once the rest of it is delivered.
 *
 * The writer (one thread) uses write; the drain (one thread) uses survey, find, read,
 * retire, remove, rewrite, delivered and damaged; the rest is for any thread.
 */
#ifndef INGEST_DURABLE_SPOOL_LOG_H
#define INGEST_DURABLE_SPOOL_LOG_H

#include "ingest/durable/spool_inventory.h"
#include "ingest/durable/spool_rewrite.h"

#include <sys/uio.h>

struct spool_log;

/* Opens and locks the folder, and recovers what is there (spool_recover.h). INVALID or
 * BUSY as spool_folder_open, FATAL as spool_recover. */
MUST_CHECK bool spool_log_open(const char *path, uint64_t max_bytes,
                               struct spool_log **out, struct error *err);

/* Frees and unlocks; files stay. NULL is allowed. */
void spool_log_close(struct spool_log *l);

/* The salt of the frames that are written here. */
uint32_t spool_log_salt(const struct spool_log *l);

/* The most that goes into a segment; a single write that is larger has one of its own. */
uint64_t spool_log_segment_bytes(const struct spool_log *l);

/* Sets room aside for frames of `bytes`, so that they never take the folder above its
 * quota; false when there is none. Given back by spool_log_write, or by cancel. */
bool spool_log_reserve(struct spool_log *l, uint64_t bytes);
void spool_log_cancel(struct spool_log *l, uint64_t bytes);

/* Would frames of `bytes` have room? Sets nothing aside. */
bool spool_log_has_room(struct spool_log *l, uint64_t bytes);

/* Whole frames of several entries, each reserved, for one write. */
struct spool_group {
    struct iovec *parts; /* an entry each; changed by the write */
    int count;
    uint64_t bytes;    /* their sum */
    uint64_t reserved; /* what spool_log_charge says of each, summed up */
    struct spool_tally tally;
};

/* What is set aside for an entry of `bytes`: also for its share of heads and blocks. */
uint64_t spool_log_charge(const struct spool_log *l, uint64_t bytes);

enum spool_written {
    SPOOL_DURABLE,  /* on disk, its name too */
    SPOOL_NO_SPACE, /* the disk has none (or no file can be opened): nothing was kept */
    SPOOL_BROKEN,   /* writing or syncing failed: what the disk holds is not known */
};

/* Writes the group to the end of the log and syncs it; its reservation is over. *err says
 * why it is not durable; *out_sync_us is how long the disk took to sync. */
enum spool_written spool_log_write(struct spool_log *l, struct spool_group *group,
                                   int64_t *out_sync_us, struct error *err);

/* A copy of the first segment with this number or a higher one; false: there is none. */
bool spool_log_find(struct spool_log *l, uint64_t number, struct spool_segment *out);

/* Reads through the next segment that an earlier process left, counts its records and its
 * damage. False when all are known: nothing was done. */
bool spool_log_survey(struct spool_log *l);

/* Opens a segment for reading. A head that is not good any more is an error. */
MUST_CHECK bool spool_log_read(struct spool_log *l, uint64_t number,
                               struct spool_reader *out, struct error *err);

/* Closes the segment that is being written, when it has exactly `bytes` and nothing is on
 * its way to the log; true when it is closed. */
bool spool_log_retire(struct spool_log *l, uint64_t number, uint64_t bytes);

/* Removes a closed segment whose records are delivered; a damaged one is set aside. */
MUST_CHECK bool spool_log_remove(struct spool_log *l, uint64_t number, struct error *err);

/* Writes a closed, undamaged segment anew with what is to be kept, which then begins at
 * its first frame. False: it is as it was. */
MUST_CHECK bool spool_log_rewrite(struct spool_log *l, uint64_t number,
                                  const struct spool_keep *keep, struct error *err);

/* So many records are delivered: for the figures. */
void spool_log_delivered(struct spool_log *l, uint64_t records);

/* A segment that was good cannot be read any more (a disk that goes bad): it is set aside
 * in the end. Counted once a segment. */
void spool_log_damaged(struct spool_log *l, uint64_t number);

struct spool_figures {
    uint64_t disk_bytes; /* of all files in the folder, in whole blocks */
    uint64_t max_bytes;
    uint64_t records; /* to be delivered, as far as is_surveyed says */
    uint64_t segments;
    uint64_t corrupt_records;
    uint64_t unread_files;     /* set aside, of another version, not ours */
    int64_t oldest_made_at_ms; /* when the oldest segment was begun; 0: there is none */
    bool is_surveyed;
};

/* The figures now. */
void spool_log_figures(struct spool_log *l, struct spool_figures *out);

#endif
