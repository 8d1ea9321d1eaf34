/* spool_drain: brings what is in the spool to Kafka.
 *
 * One thread. Each topic has its own place in the one log and its own window of records
 * under way, so that a topic that Kafka refuses (it is missing, a right is) holds no
 * other: it is tried again with growing pauses while the others go on. Live traffic goes
 * first: the port says how many records may be sent now. A segment is removed once each
 * of its records is delivered; where only a few records of refused topics are left, it is
 * written anew with those alone.
 *
 * Records are delivered at least once, in order of each topic as far as nothing fails.
 */
#ifndef INGEST_DURABLE_SPOOL_DRAIN_H
#define INGEST_DURABLE_SPOOL_DRAIN_H

#include "ingest/durable/spool_log.h"
#include "ingest/durable/spool_window.h"

/* Where drained records go: Kafka's publisher. On the drain's thread. */
struct spool_port {
    void *context;
    /* How many records may be sent now without holding back live traffic; 0 while Kafka
     * does not acknowledge, but for its one try a second (then 1, and a record follows).
     */
    unsigned (*room)(void *context);
    /* Sends a copy of the record. True: the ticket ends exactly once, on any thread,
     * perhaps before this returns; durable is in its topic or in <prefix>.rejected.
     * False: nothing was taken. */
    bool (*send)(void *context, const struct spool_record *record,
                 struct spool_ticket *ticket);
};

struct spool_drain;

/* Starts the thread. The log and what the port points to must outlive the drain. FATAL:
 * no thread can be had. */
MUST_CHECK bool spool_drain_start(struct spool_log *log, const struct spool_port *port,
                                  struct spool_drain **out, struct error *err);

/* Sends no more; returns at once when the thread has ended. Tickets that are under way
 * still end. NULL is allowed. */
void spool_drain_stop(struct spool_drain *d);

/* After stop, and once every ticket has ended (Kafka's client is closed). NULL is
 * allowed. */
void spool_drain_free(struct spool_drain *d);

#endif
