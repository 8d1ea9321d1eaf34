/* spool_window: the records of one topic that are on their way from the spool to Kafka.
 *
 * Records are sent in order and may end in any order. What counts as delivered is only
 * what has nothing undelivered before it: so a place in the log says it all. After a
 * failure the window waits until nothing is under way and then begins again at the first
 * record that was not delivered; what was delivered behind it is sent twice, which the
 * message id absorbs. Pure: the owner guards it.
 */
#ifndef INGEST_DURABLE_SPOOL_WINDOW_H
#define INGEST_DURABLE_SPOOL_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Enough to keep Kafka busy at its latency, few enough to be a small part of the budget
 * of bytes under way. */
#define SPOOL_WINDOW_RECORDS 1024u
#define SPOOL_WINDOW_BYTES ((uint64_t)4 << 20)

/* Where a record begins; places compare by segment, then offset. */
struct spool_place {
    uint64_t segment;
    uint64_t offset;
};

/* What a record is sent with: told once what became of it. */
struct spool_ticket {
    void (*on_end)(struct spool_ticket *ticket, bool is_durable);
};

enum spool_flight_state { SPOOL_UNDER_WAY, SPOOL_DELIVERED, SPOOL_FAILED };

struct spool_flight {
    struct spool_ticket ticket; /* first: the ticket's address is the flight's */
    void *owner;
    enum spool_flight_state state;
    struct spool_place behind; /* where the next record may begin */
    uint64_t bytes;
};

struct spool_window {
    struct spool_flight flights[SPOOL_WINDOW_RECORDS];
    unsigned first, count; /* a ring */
    unsigned under_way;
    uint64_t bytes; /* of all in the window */
    bool has_failed;
};

/* Room for another record: nothing has failed, and the window is not full. A record
 * larger than the window goes alone. */
bool spool_window_has_room(const struct spool_window *w);

/* A record is about to be sent. Only when there was room; one that has failed since then
 * is no hindrance: this one is sent again with it. */
struct spool_flight *spool_window_add(struct spool_window *w, struct spool_place behind,
                                      uint64_t bytes);

/* It was not sent after all: the newest one, which has not ended. */
void spool_window_take_back(struct spool_window *w);

/* A record's end. */
void spool_window_end(struct spool_window *w, struct spool_flight *flight,
                      bool is_durable);

/* Takes what is delivered from the front; *base moves behind it. Returns how many. */
unsigned spool_window_advance(struct spool_window *w, struct spool_place *base);

/* After a failure, once nothing is under way: empties the window, true. */
bool spool_window_rewind(struct spool_window *w);

#endif
