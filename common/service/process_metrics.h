/* process_metrics: the process' CPU, memory and files, named as Prometheus' clients do.
 *
 * Read from the kernel at each scrape; a figure that cannot be read is left out. Only
 * metrics.c uses it. Any thread.
 */
#ifndef COMMON_SERVICE_PROCESS_METRICS_H
#define COMMON_SERVICE_PROCESS_METRICS_H

#include "common/base/buf.h"

#include <stdint.h>

/* Appends the figures; `started_at_ms` is the process' start in real time. */
void process_metrics_write(struct buf *out, int64_t started_at_ms);

#endif
