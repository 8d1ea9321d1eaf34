/* flatten: walks a scanned document and puts each value at its path into a row. Pure.
 *
 * Objects become longer paths, everything else is a value; null and {} are nothing.
 * Members that an equal key shadows, and ignored paths with all that is under them, are
 * not there. A few values of an event are not put but handed back, because more than the
 * document decides about them: its times and its id.
 */
#ifndef LOADER_MAPPING_FLATTEN_H
#define LOADER_MAPPING_FLATTEN_H

#include "loader/mapping/event_time.h"
#include "loader/mapping/row_builder.h"

struct flatten_event {
    const struct json_node *id_field; /* the member that gave the message id, or NULL */
    struct value times[TIME_COLUMNS];
    uint32_t time_paths[TIME_COLUMNS]; /* PATH_ROOT: the event does not have this time */
};

/* Puts an event. Fills `times` and `time_paths`; other keys for the message id than
 * `id_field` go to _sdc_extra. */
void flatten_event(struct row_builder *b, const struct json_doc *doc,
                   struct flatten_event *event);

/* Puts what a batch says for all its events, below `path`, where the event says nothing.
 */
void flatten_batch(struct row_builder *b, const struct json_doc *doc, uint32_t path);

#endif
