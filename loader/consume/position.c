#include "loader/consume/position.h"

static struct position_choice choice(enum position_verdict verdict, int64_t offset,
                                     int64_t missing)
{
    struct position_choice c = { verdict, offset, missing };
    return c;
}

/* An operator's offset wins in both directions; what it skips is a gap with a name. */
static struct position_choice operators_choice(const struct position_facts *f)
{
    int64_t loaded = f->in_database < 0 ? f->log_start : f->in_database;
    if (f->committed > loaded) {
        return choice(POSITION_GAP, f->committed, f->committed - loaded);
    }
    return choice(POSITION_RESET, f->committed, 0);
}

static struct position_choice outside(const struct position_facts *f, int64_t position)
{
    if (position < f->log_start) {
        int64_t missing = f->log_start - position;
        return choice(f->accepts_gap ? POSITION_GAP : POSITION_BELOW_LOG, f->log_start,
                      missing);
    }
    if (f->accepts_new_log) {
        return choice(POSITION_RESET, f->log_start, 0);
    }
    return choice(POSITION_ABOVE_LOG, position, 0);
}

struct position_choice position_choose(const struct position_facts *f)
{
    struct position_choice c = choice(POSITION_START, f->in_database, 0);
    if (f->committed >= 0 && !f->is_committed_by_us) {
        c = operators_choice(f);
    } else if (f->in_database < 0) {
        c = choice(POSITION_FIRST, f->log_start, 0);
    }
    if (c.offset < f->log_start || c.offset > f->log_end) {
        return outside(f, c.offset);
    }
    return c;
}

bool position_must_move(const struct position_choice *choice)
{
    return choice->verdict == POSITION_FIRST || choice->verdict == POSITION_RESET ||
           choice->verdict == POSITION_GAP;
}
