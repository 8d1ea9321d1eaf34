/* delivery: the records of one request from the moment they are handed over until the
 * last of them has ended.
 *
 * A delivery owns all that its records point to: the request's body (borrowed by the
 * values, so that Kafka's client need not copy them), texts of its own, and their share
 * of the process's byte budget. It is told once, to its owner, what became of the
 * request: by the thread that reports Kafka's acknowledgements, by the spool's, or by the
 * one that looks after deadlines; who ends it is decided by one compare-and-set of its
 * state. It outlives that moment until no record is under way any more.
 *
 * References: one of the request, given back when it has ended; one of each record under
 * way; one of the spool while it holds the delivery. Any thread, but for what is said to
 * be before the hand-over.
 */
#ifndef INGEST_DURABLE_DELIVERY_H
#define INGEST_DURABLE_DELIVERY_H

#include "ingest/durable/kafka_ticket.h"
#include "ingest/durable/spool.h"

#include "common/base/arena.h"
#include "common/base/budget.h"
#include "common/base/buf.h"
#include "common/contract/record.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum delivery_outcome {
    DELIVERY_IN_KAFKA, /* every record is durable in Kafka */
    DELIVERY_IN_SPOOL, /* every record is durable, at least one of them in the spool */
    DELIVERY_REFUSED,  /* at least one is not, and there is no room for it elsewhere */
    DELIVERY_LATE,     /* not known in time: the records may still become durable */
};

struct delivery_record {
    struct kafka_ticket ticket; /* while it is under way to Kafka */
    struct delivery *delivery;
    struct view key, value;
    const struct view *rejection; /* reason and detail; NULL: it is an event */
    uint32_t seq;
    uint8_t topic; /* enum event_type */
    bool has_type; /* its type is the path's: said in a header */
    _Atomic bool is_durable;
};

enum delivery_state {                    /* who may end it */
                      DELIVERY_OPEN,     /* its reports, or its deadline */
                      DELIVERY_SPOOLING, /* the spool, or its last deadline */
                      DELIVERY_ENDED,
};

struct delivery_setup {
    struct budget *budget;
    size_t records;            /* how many will be added at most */
    size_t context_bytes;      /* memory for its owner, zeroed */
    int64_t answer_by_mono_ms; /* the request's deadline */
    /* Told once. On any thread, also while the hand-over is still going on. */
    void (*on_end)(void *context, enum delivery_outcome outcome);
};

struct delivery {
    _Atomic unsigned references;
    /* Records under way and, as one more, the hand-over: so it reaches 0 only once all
     * were handed over and have ended. */
    _Atomic unsigned under_way;
    _Atomic int state;
    struct delivery_setup setup;
    int64_t handed_over_mono_ms;
    void *context; /* the owner's memory */
    /* Told when `under_way` reaches 0; of who takes the delivery. */
    void (*on_settled)(struct delivery *d);
    void *taker;
    /* What the records have in common. */
    struct record_facts facts;
    struct view sent_at, integrations, batch_context, traceparent;
    struct buf body;
    struct arena texts;
    uint64_t charged;         /* to the budget */
    struct spool_entry entry; /* while the spool has it; of the taker */
    struct buf frames;        /* the entry's */
    size_t count;
    struct delivery_record records[];
};

/* A delivery without records, with the request's reference. */
struct delivery *delivery_new(const struct delivery_setup *setup);

/* Before the hand-over, in this order: the body with its share of the budget (`body` is
 * empty afterwards); what all records share, copied where it does not lie in that body.
 */
void delivery_take_body(struct delivery *d, struct buf *body, uint64_t *charged);
void delivery_set_common(struct delivery *d, const struct record *common);

/* Before the hand-over: adds a record. With `copies` its value is copied (and lives in
 * the delivery), else it must lie in the body that the delivery has taken. */
void delivery_add(struct delivery *d, const struct record *r, bool copies);

/* Before the hand-over: charges the records' own memory; false: the budget has no room,
 * and the delivery must be refused. */
MUST_CHECK bool delivery_charge(struct delivery *d);

/* The record at `index`, with its headers. `scratch` backs the views. */
size_t delivery_headers(const struct delivery *d, size_t index,
                        char scratch[RECORD_FACTS_BYTES],
                        struct record_header out[RECORD_HEADERS_MAX]);

/* The hand-over: a record is under way (its ticket will end), it is not after all (the
 * last one started), and all have been handed over, or given up. */
void delivery_start(struct delivery *d);
void delivery_not_started(struct delivery *d);
void delivery_seal(struct delivery *d);

/* True when every record is durable. */
bool delivery_is_durable(const struct delivery *d);

/* Moves the state; false: somebody else was first. */
bool delivery_claim(struct delivery *d, enum delivery_state from, enum delivery_state to);

/* Tells the owner, and gives the request's reference back. Only by who claimed ENDED. */
void delivery_end(struct delivery *d, enum delivery_outcome outcome);

/* References. */
void delivery_hold(struct delivery *d);
void delivery_let_go(struct delivery *d);

#endif
