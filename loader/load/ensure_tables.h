/* ensure_tables: makes a batch's plans true: reads tables never seen, adds planned
 * columns, maps the batch again where a table is not what it was mapped for.
 *
 * One attempt over the sink; part of the pipeline, on the writer's thread.
 */
#ifndef LOADER_LOAD_ENSURE_TABLES_H
#define LOADER_LOAD_ENSURE_TABLES_H

#include "loader/load/pipeline.h"

enum settle_result {
    SETTLE_DONE,   /* every table is what the batch was mapped for */
    SETTLE_AGAIN,  /* something changed: try again */
    SETTLE_FAILED, /* *err: by its failure's kind */
};

/* `narrow` as for batch_map, when the batch has to be mapped again. */
enum settle_result settle_tables(struct pipeline *p, struct batch *batch,
                                 struct error *err);

/* Tables closed to DDL are read again once their time has come. */
void settle_reopen(struct pipeline *p, int64_t now_mono_ms);

#endif
