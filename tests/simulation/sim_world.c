#include "tests/simulation/sim.h"

#include "common/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_RECEIPT_MS 1764842400000

static const struct sim_log logs[SIM_LOGS] = {
    { .topic = "segment.track", .type = EVENT_TRACK, .partition = 0 },
    { .topic = "segment.track", .type = EVENT_TRACK, .partition = 1 },
    { .topic = "segment.page", .type = EVENT_PAGE, .partition = 0 },
    { .topic = "segment.page", .type = EVENT_PAGE, .partition = 1 },
    { .topic = "segment.delete", .type = EVENT_DELETE, .partition = 0 },
};

void sim_world_init(struct sim_world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->random = seed * 0x9E3779B97F4A7C15u + 1;
    w->faults = (1u << SIM_FAULTS) - 1;
    w->now_ms = 1000;
    for (int i = 0; i < SIM_LOGS; i++) {
        w->logs[i] = logs[i];
        w->logs[i].committed = -1;
        w->logs[i].reset_to = -1;
        w->logs[i].owner = -1;
        w->database.position[i] = -1;
    }
}

void sim_world_release(struct sim_world *w)
{
    sim_database_release(&w->database);
    sim_database_release(&w->older);
}

/* splitmix64. */
unsigned sim_random(struct sim_world *w, unsigned count)
{
    uint64_t z = w->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (unsigned)((z ^ (z >> 31)) % count);
}

bool sim_fails(struct sim_world *w, enum sim_fault fault, unsigned in)
{
    bool is_drawn = sim_random(w, in) == 0;
    return is_drawn && (w->faults & (1u << fault)) != 0;
}

void sim_violated(struct sim_world *w, const char *format, ...)
{
    va_list args;
    if (w->violation[0] == '\0') {
        va_start(args, format);
        vsnprintf(w->violation, sizeof w->violation, format, args);
        va_end(args);
    }
}

void sim_tell(struct sim_world *w, const char *format, ...)
{
    va_list args;
    if (!w->is_told) {
        return;
    }
    printf("%8lld  ", (long long)w->now_ms);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

/* ---- records ---- */

/* An event is always of one type, whichever partition its copies come in. */
static enum event_type type_of_event(unsigned event)
{
    return event % 3 == 0 ? EVENT_PAGE : EVENT_TRACK;
}

static unsigned log_for(struct sim_world *w, unsigned event)
{
    unsigned which = sim_random(w, 2);
    return (type_of_event(event) == EVENT_PAGE ? 2 : 0) + which;
}

/* A copy is as old as it likes, but no two were received at the same moment. */
static int64_t receipt_of(const struct sim_world *w, bool is_late)
{
    int64_t number = (int64_t)w->record_count;
    return FIRST_RECEIPT_MS + (is_late ? SIM_RECORDS - number : SIM_RECORDS + number);
}

/* A copy of a request for deletion asks for the same user. */
static uint8_t user_of(unsigned drawn, unsigned event, bool is_request)
{
    return (uint8_t)(is_request ? event % SIM_USERS : drawn);
}

void sim_produce(struct sim_world *w)
{
    if (w->record_count == SIM_RECORDS) {
        return;
    }
    bool is_copy = sim_fails(w, SIM_COPIES, 4);
    bool is_request = sim_fails(w, SIM_DELETIONS, 40);
    unsigned event = sim_random(w, SIM_EVENTS);
    unsigned known = sim_random(w, (unsigned)w->record_count + 1);
    if (is_copy && known < w->record_count) {
        event = w->records[known].event;
    }
    unsigned log_number = log_for(w, event);
    if (is_request) {
        log_number = SIM_LOGS - 1;
    }
    struct sim_log *log = &w->logs[log_number];
    log->end += sim_fails(w, SIM_HOLES, 12) ? 1 + sim_random(w, 3) : 0;
    struct sim_record *r = &w->records[w->record_count];
    *r = (struct sim_record){
        .log = (uint8_t)log_number,
        .event = (uint16_t)event,
        .user = user_of(sim_random(w, SIM_USERS), event, is_request),
        .key = (uint8_t)sim_random(w, 12),
        .is_refused = sim_fails(w, SIM_REFUSED, 25) && !is_request,
        .is_malformed = sim_fails(w, SIM_REFUSED, 25) && !is_request,
        .offset = log->end++,
        .received_at_ms = receipt_of(w, sim_random(w, 4) == 0),
    };
    log->records[log->count++] = (uint16_t)w->record_count++;
}

struct sim_log *sim_log_of(struct sim_world *w, const char *topic, int32_t partition)
{
    for (int i = 0; i < SIM_LOGS; i++) {
        if (w->logs[i].partition == partition && strcmp(w->logs[i].topic, topic) == 0) {
            return &w->logs[i];
        }
    }
    mem_panic(__FILE__, __LINE__, "a partition that is not there");
}

struct sim_record *sim_record_at(struct sim_world *w, const struct sim_log *log,
                                 int64_t offset)
{
    for (size_t i = 0; i < log->count; i++) {
        struct sim_record *r = &w->records[log->records[i]];
        if (r->offset == offset) {
            return r;
        }
    }
    return NULL;
}

struct sim_record *sim_record_of_sequence(struct sim_world *w, int64_t sequence)
{
    int64_t number = sequence / RECORD_SEQ_LIMIT - FIRST_RECEIPT_MS;
    number = number < SIM_RECORDS ? SIM_RECORDS - number : number - SIM_RECORDS;
    return number >= 0 && number < (int64_t)w->record_count ? &w->records[number] : NULL;
}

int sim_table_of(struct view name)
{
    return view_equal_cstr(name, "track") ? 0 : view_equal_cstr(name, "page") ? 1 : -1;
}
