/* connection_watch: what each worker's connection is waiting for, and the thread that
 * ends what has waited too long.
 *
 * A connection costs a worker thread, civetweb 1.15 gives no socket away, and its mg_read
 * returns only when it has all it was asked for or the client was silent for its
 * time-out: a client that sends a byte now and then holds a worker for as long as it
 * likes. So each worker says in its slot what it waits for and since when, and a thread
 * looks at all slots twenty times a second:
 * - a body whose time is over: its connection's receiving side is shut, which ends the
 *   read at once; the worker can still answer;
 * - pressure (architecture.md, section 3): more than 80 % of the workers own a
 *   connection: idle ones are shut first, the longest first, then those that have been
 *   reading a head or a body longest, from 1 s on, until 80 % would be left;
 * - a late answer (late_answer.h) whose deadline has passed: its owner is told.
 * Only slow clients and pressure cost anything.
 *
 * A slot's fields belong to its lock. The worker clears the slot's connection, under the
 * lock, before civetweb closes it, so whoever holds the lock and sees a connection may
 * use its socket.
 */
#ifndef INGEST_HTTP_CONNECTION_WATCH_H
#define INGEST_HTTP_CONNECTION_WATCH_H

#include "ingest/http/late_answer.h"

#include <pthread.h>

struct connection_watch;
struct mg_connection;

enum connection_state {
    CONNECTION_NONE, /* the worker owns none */
    CONNECTION_HEAD, /* the first head is awaited */
    CONNECTION_IDLE, /* a further head is awaited */
    CONNECTION_BODY, /* a body is being read */
    CONNECTION_BUSY, /* a request is being handled */
};

/* A worker's slot; its memory is the worker's. */
struct connection_slot {
    pthread_mutex_t lock;                   /* of all below but `next` */
    pthread_cond_t answered;                /* `late` is no longer open */
    const struct mg_connection *connection; /* NULL: none */
    int socket; /* of the connection; -1: not looked for yet */
    enum connection_state state;
    int64_t since_mono_ms;    /* of the state; of a body: when its request began */
    int64_t deadline_mono_ms; /* of a body; 0: none */
    bool was_shut;            /* by the watch: what follows is no fault of the client's */
    unsigned requests;        /* that came on the connection */
    struct http_late late;    /* the answer that somebody else gives */
    struct connection_slot *next; /* the watch's */
};

/* Starts the thread; FATAL when the system has none left. `threads` workers will be
 * watched. */
MUST_CHECK bool connection_watch_start(unsigned threads, struct connection_watch **out,
                                       struct error *err);

/* Ends the thread. No slot may be in use. NULL is allowed. */
void connection_watch_stop(struct connection_watch *w);

/* Makes a zeroed slot known to the watch, until it is removed. */
void connection_watch_add(struct connection_watch *w, struct connection_slot *slot);
void connection_watch_remove(struct connection_watch *w, struct connection_slot *slot);

/* The slot's worker: it has got a connection; it is about to be closed; what it waits
 * for from now on. */
void connection_slot_open(struct connection_slot *s, const struct mg_connection *c);
void connection_slot_close(struct connection_slot *s);
void connection_slot_enter(struct connection_slot *s, enum connection_state state);

/* The same for a body that may be read until `deadline_mono_ms`, of a request that began
 * at `since_mono_ms`. */
void connection_slot_read_body(struct connection_slot *s, int64_t since_mono_ms,
                               int64_t deadline_mono_ms);

/* True when the watch has shut this connection. */
bool connection_slot_was_shut(struct connection_slot *s);

#endif
