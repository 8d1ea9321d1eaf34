#include "loader/load/task.h"

#include "common/base/mem.h"

#include <stdlib.h>

void task_result_release(struct task_result *r)
{
    for (size_t i = 0; i < r->table_count; i++) {
        table_unref(r->tables[i]);
    }
    free((void *)r->tables);
    free(r->loaded);
    free(r->holds);
    free(r->held);
    free(r->ranges);
    *r = (struct task_result){ .outcome = r->outcome, .task = r->task };
}

void task_result_note_loaded(struct task_result *r, const struct sink_load *load)
{
    size_t count = r->loaded_count + load->interval_count;
    if (count > r->loaded_capacity) {
        r->loaded_capacity = count * 2;
        r->loaded = mem_resize(r->loaded, r->loaded_capacity, sizeof *r->loaded);
    }
    for (size_t i = 0; i < load->interval_count; i++) {
        r->loaded[r->loaded_count++] = load->intervals[i];
    }
    count = r->hold_count + load->hold_count;
    if (count > r->hold_capacity) {
        r->hold_capacity = count * 2;
        r->holds = mem_resize(r->holds, r->hold_capacity, sizeof *r->holds);
    }
    for (size_t i = 0; i < load->hold_count; i++) {
        r->holds[r->hold_count++] = load->holds[i].range;
    }
    if (load->slice != NULL) {
        r->slice_from = load->slice->to;
    }
}
