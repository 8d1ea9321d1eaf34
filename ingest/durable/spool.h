/* spool: keeps records on disk while Kafka does not take them (architecture.md, section
 * 3).
 *
 * One thread writes: it takes all entries that wait, writes them with one call, syncs
 * once for all of them (group commit), and ends each. So the disk's latency is shared by
 * the requests that come during it, whatever their number. What an entry holds is durable
 * once its end says so: after any crash the records are delivered, at least once.
 *
 * An error of the disk ends it for good: the kernel may have dropped pages that it calls
 * clean, so nothing is acknowledged any more, `on_failed` is called once and the process
 * has to end; what was acknowledged is recovered by the next one. A full disk is no
 * error: the entries are refused, what is on disk stays, and later ones are tried.
 */
#ifndef INGEST_DURABLE_SPOOL_H
#define INGEST_DURABLE_SPOOL_H

#include "ingest/durable/spool_log.h"

struct spool;

struct spool_setup {
    const char *dir;
    uint64_t max_bytes; /* INGEST_SPOOL_MAX_BYTES */
    void *context;      /* of the callbacks, which come on the writer's thread */
    /* The spool has failed: once. */
    void (*on_failed)(void *context, const struct error *err);
    /* The disk took so long to sync a group; may be NULL. */
    void (*on_synced)(void *context, int64_t duration_us);
};

/* Records that become durable together. Owned by the caller, untouched until its end. */
struct spool_entry {
    struct spool_entry *next; /* the spool's */
    struct view frames;       /* whole frames (spool_frame_encode with the spool's salt),
                                 borrowed until the end */
    /* On the writer's thread, exactly once, when spool_append was true. Must not block:
     * all others wait for it. The entry is the caller's again from its beginning on. */
    void (*on_end)(struct spool_entry *entry, bool is_durable);
};

/* Opens, locks and recovers the folder, and starts the writer. INVALID, BUSY, FATAL as
 * spool_log_open. */
MUST_CHECK bool spool_open(const struct spool_setup *setup, struct spool **out,
                           struct error *err);

/* For spool_frame_encode. */
uint32_t spool_salt(const struct spool *s);

/* The log under it, for the drain. */
struct spool_log *spool_log_of(struct spool *s);

/* Takes the entry; never waits for the disk. False: there is no room, or the spool has
 * failed or is closing; nothing was taken. Any thread. */
MUST_CHECK bool spool_append(struct spool *s, struct spool_entry *entry);

/* Would an entry of `bytes` be taken now? For refusing early. False also for a second
 * after the disk was full. Any thread. */
bool spool_has_room(struct spool *s, uint64_t bytes);

/* An error of the disk has ended it. Any thread. */
bool spool_has_failed(const struct spool *s);

/* The figures now. Any thread. */
void spool_figures(struct spool *s, struct spool_figures *out);

/* Takes no more entries, writes and ends those that wait, then frees. The drain must have
 * ended. NULL is allowed. */
void spool_close(struct spool *s);

#endif
