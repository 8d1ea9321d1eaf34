/* context_ip: whether an event without an address gets the sender's (mapping.md, section
 * 4). Pure. */
#ifndef LOADER_MAPPING_CONTEXT_IP_H
#define LOADER_MAPPING_CONTEXT_IP_H

#include "common/contract/json_doc.h"

/* True for events of a browser or mobile library, or with context.direct true: what sends
 * them is the user's own device. `event` is the scanned event, `context` the batch's (may
 * be empty); the event's own word goes first. `arena` holds decoded text. */
bool context_ip_is_sender(const struct json_doc *event, const struct json_doc *context,
                          struct arena *arena);

#endif
