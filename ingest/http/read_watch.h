/* read_watch: ends the reading of requests whose time is over.
 *
 * civetweb's mg_read returns only when it has all it was asked for, or the client was
 * silent for its time-out: a client that sends a byte now and then holds a worker for as
 * long as it likes, and civetweb gives no socket away. So each worker says in its slot
 * from whom it reads and until when; a thread looks at the slots four times a second, and
 * shuts the receiving side of a connection that is over its time (found by its two
 * addresses among the process's sockets), which ends the read at once. Only slow clients
 * cost anything.
 */
#ifndef INGEST_HTTP_READ_WATCH_H
#define INGEST_HTTP_READ_WATCH_H

#include "common/base/error.h"

#include <pthread.h>
#include <stdint.h>

struct read_watch;

/* A worker's slot; its memory is the worker's, its content this module's. */
struct read_slot {
    pthread_mutex_t lock;      /* of all below but `next` */
    int64_t deadline_mono_ms;  /* 0: not reading */
    const char *peer_ip;       /* IPv4: what Debian's civetweb listens on */
    int peer_port, local_port; /* host order */
    struct read_slot *next;    /* the watch's */
};

/* Starts the thread; FATAL when the system has none left. */
MUST_CHECK bool read_watch_start(struct read_watch **out, struct error *err);

/* Ends the thread. No slot may be in use. NULL is allowed. */
void read_watch_stop(struct read_watch *w);

/* Makes a zeroed slot known to the watch, until it is removed. */
void read_watch_add(struct read_watch *w, struct read_slot *slot);
void read_watch_remove(struct read_watch *w, struct read_slot *slot);

/* Around each read of the slot's worker: between the two calls the connection, open all
 * the time, may be shut once the deadline has passed. `peer_ip` must live until the
 * second call. */
void read_watch_begin(struct read_slot *slot, const char *peer_ip, int peer_port,
                      int local_port, int64_t deadline_mono_ms);
void read_watch_end(struct read_slot *slot);

#endif
