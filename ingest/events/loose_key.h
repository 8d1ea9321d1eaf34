/* loose_key: the write key in a body that is no JSON.
 *
 * Phones keep batches in files while they are offline, and a torn file is sent as it is:
 * {"batch":[,{..}],"writeKey":".."} is a known one. Such a body can never be split, but
 * it must not be thrown away as a stranger's where it says whose it is (promise P2).
 * Pure.
 */
#ifndef INGEST_EVENTS_LOOSE_KEY_H
#define INGEST_EVENTS_LOOSE_KEY_H

#include "common/base/view.h"

/* The text of the last member "writeKey" that has a plain one (no escapes): the
 * envelope's stands behind its events. Empty when there is none. A view of `body`. */
struct view loose_key_find(struct view body);

#endif
