/* log_record: a record of the log, as it is taken from there and until it is loaded.
 *
 * Views in it point into `message`, which whoever owns the record gives back to the
 * stream it came from (consume/stream.h, release).
 */
#ifndef LOADER_LOAD_LOG_RECORD_H
#define LOADER_LOAD_LOG_RECORD_H

#include "common/contract/record.h"

#include <stdbool.h>
#include <stdint.h>

struct log_record {
    struct record record;
    const char *topic; /* lives as long as the process's streams */
    int32_t partition;
    int64_t offset;
    bool headers_are_valid; /* else `header_fault` says what is wrong */
    char header_fault[120];
    void *message;   /* NULL: there is nothing to give back */
    bool is_skipped; /* it is passed, and counted, but not loaded: a replay does not want
                        it */
};

/* Where records are given back: a stream's own function. */
struct log_release {
    void *context;
    void (*release)(void *context, void *message);
};

#endif
