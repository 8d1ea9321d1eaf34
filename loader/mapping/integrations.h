/* integrations: whether an event's `integrations` select us (mapping.md, section 1).
 * Pure.
 *
 * Names are looked up in the event's own `integrations` first, then in the batch's. Only
 * true, false and, for a name of ours, an object decide; any other value is as if absent.
 */
#ifndef LOADER_MAPPING_INTEGRATIONS_H
#define LOADER_MAPPING_INTEGRATIONS_H

#include "common/contract/json_doc.h"

/* False when the event is not meant for us. `batch` is the batch's integrations (an empty
 * document: none); `names` NULL-ended: those that select us beside Stitch, Stitch Data
 * and Backstitch. */
bool integrations_select(const struct json_doc *event, const struct json_doc *batch,
                         const char *const *names);

#endif
