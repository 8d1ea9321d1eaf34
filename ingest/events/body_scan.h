/* body_scan: the events of a body in one strict pass over its bytes: what nearly every
 * request is.
 *
 * Notes of each element where it lies, its id and its type, so that records are made
 * without looking at the bytes again. Whatever is not plain (an element that is invalid,
 * too large or of no known type, a `type` beside `batch`, a second `batch`, a wrapped
 * batch, very many elements) is left to body_split, which judges element by element and
 * says what is wrong: so what is refused, and what is said, is decided in one place.
 * Pure.
 */
#ifndef INGEST_EVENTS_BODY_SCAN_H
#define INGEST_EVENTS_BODY_SCAN_H

#include "ingest/events/body_split.h"

#include "common/contract/event_type.h"

#define BODY_SCAN_MAX_ELEMENTS 4096

struct body_element {
    struct view bytes; /* the event, exactly as sent */
    struct view id;    /* empty: it brings none, and it is to be derived */
    enum event_type type;
    bool has_type; /* else its type is the path's */
};

struct body_elements { /* zeroed: empty; the memory is kept from body to body */
    struct body_element *items;
    size_t count, capacity;
};

struct body_scan_setup {
    struct json_doc *doc; /* scratch */
    struct arena *arena;  /* of texts that had to be decoded */
    uint64_t max_event_bytes;
    bool has_path_type; /* the path names the type: for events without one */
    enum event_type path_type;
};

/* Fills `split` as body_split_open does, and `out` with all events. False: not plain, ask
 * body_split. */
bool body_scan(struct view body, const struct body_scan_setup *setup,
               struct body_split *split, struct body_elements *out);

/* Gives memory back so that at most `items` elements are kept. */
void body_elements_shrink(struct body_elements *e, size_t items);

#endif
