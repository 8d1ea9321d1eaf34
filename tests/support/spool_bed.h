/* spool_bed: a spool's folder of a test's own, records that are computed from a number,
 * and what is in a folder.
 */
#ifndef TESTS_SUPPORT_SPOOL_BED_H
#define TESTS_SUPPORT_SPOOL_BED_H

#include "ingest/durable/spool.h"
#include "ingest/durable/spool_drain.h"

#include <pthread.h>
#include <stdatomic.h>

#define SPOOL_BED_QUOTA ((uint64_t)4 << 20)
#define SPOOL_BED_RECORDS 20000 /* numbers are below it */

/* A new, empty folder below TMPDIR (or /tmp). */
void spool_bed_make(char out_path[256]);

/* Removes it with all files in it. */
void spool_bed_remove(const char *path);

/* Appends the frame of record `number`: its key is the number in digits, its value `size`
 * bytes that follow from it. */
void spool_bed_encode(unsigned number, enum event_type topic, size_t size, uint32_t salt,
                      struct buf *out);

/* The number of a record that spool_bed_encode made, every byte of it checked. */
unsigned spool_bed_number(const struct spool_record *record);

/* A spool on the folder that must open; ends with the test when the disk fails, unless
 * *failures counts that. */
struct spool *spool_bed_open(const char *path, uint64_t max_bytes,
                             _Atomic unsigned *failures);

/* Appends one record and waits for its end: durable or not. False too when it was not
 * taken. */
bool spool_bed_put(struct spool *s, unsigned number, enum event_type topic, size_t size);

/* What a folder holds: opened, recovered, surveyed, read, closed. */
struct spool_contents {
    unsigned counts[SPOOL_BED_RECORDS]; /* by number: how often */
    unsigned order[SPOOL_BED_RECORDS];  /* numbers as they stand in the log */
    unsigned total;
    struct spool_figures figures;
};
void spool_bed_read(const char *path, struct spool_contents *out);

/* Kafka, for the drain. */
struct fake_port {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned room;
    bool is_held;                       /* keeps tickets until fake_port_release */
    bool refuses[EVENT_TYPES];          /* ends them as not durable */
    bool takes_nothing;                 /* send says no */
    unsigned fail_next;                 /* so many end as not durable */
    unsigned counts[SPOOL_BED_RECORDS]; /* delivered, by number */
    unsigned order[EVENT_TYPES][SPOOL_BED_RECORDS]; /* first deliveries, by topic */
    unsigned delivered[EVENT_TYPES];                /* of those: how many */
    unsigned sent;
    struct spool_ticket *held[SPOOL_WINDOW_RECORDS * EVENT_TYPES];
    unsigned held_numbers[SPOOL_WINDOW_RECORDS * EVENT_TYPES];
    enum event_type held_topics[SPOOL_WINDOW_RECORDS * EVENT_TYPES];
    unsigned held_count;
};

/* Takes everything at once. On the heap. */
struct fake_port *fake_port_new(void);
void fake_port_free(struct fake_port *p);
struct spool_port fake_port_port(struct fake_port *p);

/* Waits until `is_met` says so under the port's lock; false after 10 s. */
bool fake_port_wait(struct fake_port *p,
                    bool (*is_met)(const struct fake_port *p, unsigned number),
                    unsigned number);

/* Ends what is held, in an order that follows from `seed`: durable or not. */
void fake_port_release(struct fake_port *p, bool is_durable, unsigned seed);

#endif
