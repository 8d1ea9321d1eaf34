/* kafka_ticket: what comes back when a record has ended: whoever hands a record to Kafka
 * keeps the ticket, and all that the record points to, until then.
 */
#ifndef INGEST_DURABLE_KAFKA_TICKET_H
#define INGEST_DURABLE_KAFKA_TICKET_H

#include <stdbool.h>

struct kafka_ticket {
    /* Once: the record is durable (acknowledged by all in-sync replicas, as what it is or
     * in <prefix>.rejected), or will not be. On the publisher's thread. */
    void (*on_end)(struct kafka_ticket *ticket, bool is_durable);
};

#endif
