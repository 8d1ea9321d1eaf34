#include "loader/postgres/copies.h"

#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Ids of one batch mostly begin alike ("ajs-next-1796378.."): what follows the common
 * beginning is compared as one number first, which decides nearly always. */
#define PREFIX_BYTES 8

struct sort_key {
    uint64_t prefix;
    const struct row *row;
    bool newest_wins; /* qsort has no context argument */
};

static int compare_sequences(const struct sort_key *x, const struct sort_key *y)
{
    int64_t a = x->row->sequence;
    int64_t b = y->row->sequence;
    int order = (a > b) - (a < b);
    return x->newest_wins ? -order : order;
}

/* Equal sequences are the same copy twice: the one that was taken first comes first, so
 * that the result does not depend on the sort. */
static int compare_keys(const void *a, const void *b)
{
    const struct sort_key *x = a;
    const struct sort_key *y = b;
    if (x->prefix != y->prefix) {
        return x->prefix < y->prefix ? -1 : 1;
    }
    int order = view_compare(x->row->message_id, y->row->message_id);
    order = order != 0 ? order : compare_sequences(x, y);
    return order != 0 ? order : (x->row > y->row) - (x->row < y->row);
}

static size_t common_beginning(const struct row *rows, size_t count)
{
    struct view first = rows[0].message_id;
    size_t len = first.len;
    for (size_t i = 1; i < count && len > 0; i++) {
        struct view id = rows[i].message_id;
        len = id.len < len ? id.len : len;
        while (len > 0 && memcmp(first.data, id.data, len) != 0) {
            len--;
        }
    }
    return len;
}

/* Missing bytes count as 0: an id that ends here is equal in this number to one that goes
 * on with NULs, which the whole comparison then tells apart. */
static uint64_t prefix_of(struct view id, size_t skipped)
{
    uint64_t prefix = 0;
    for (size_t i = 0; i < PREFIX_BYTES; i++) {
        size_t at = skipped + i;
        prefix = prefix << 8 | (at < id.len ? (unsigned char)id.data[at] : 0);
    }
    return prefix;
}

static void sort(struct copies *c)
{
    struct sort_key *keys = mem_calloc(c->row_count, sizeof *keys);
    size_t skipped = common_beginning(c->rows, c->row_count);
    for (size_t i = 0; i < c->row_count; i++) {
        keys[i] = (struct sort_key){ prefix_of(c->rows[i].message_id, skipped),
                                     &c->rows[i], c->newest_wins };
    }
    qsort(keys, c->row_count, sizeof *keys, compare_keys);
    for (size_t i = 0; i < c->row_count; i++) {
        c->order[i] = (uint32_t)(keys[i].row - c->rows);
    }
    free(keys);
}

static struct view id_at(const struct copies *c, size_t at)
{
    return c->rows[c->order[at]].message_id;
}

static void group(struct copies *c)
{
    for (size_t i = 0; i < c->row_count; i++) {
        if (i == 0 || !view_equal(id_at(c, i - 1), id_at(c, i))) {
            c->groups[c->group_count++] =
                (struct copies_group){ .first = (uint32_t)i, .fate = COPIES_DIRECT };
        }
        c->groups[c->group_count - 1].count++;
    }
}

void copies_init(struct copies *c, const struct row *rows, size_t count, bool newest_wins)
{
    *c = (struct copies){ .rows = rows, .row_count = count, .newest_wins = newest_wins };
    c->order = mem_calloc(count, sizeof *c->order);
    c->groups = mem_calloc(count, sizeof *c->groups);
    if (count > 0) {
        sort(c);
        group(c);
    }
}

void copies_release(struct copies *c)
{
    free(c->order);
    free(c->groups);
    *c = (struct copies){ 0 };
}

const struct row *copies_winner(const struct copies *c, const struct copies_group *group)
{
    return &c->rows[c->order[group->first]];
}

static struct copies_group *find(struct copies *c, struct view message_id)
{
    size_t low = 0;
    size_t high = c->group_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = view_compare(id_at(c, c->groups[middle].first), message_id);
        if (order == 0) {
            return &c->groups[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

void copies_note_present(struct copies *c, struct view message_id,
                         const int64_t *sequence)
{
    struct copies_group *group = find(c, message_id);
    if (group == NULL || group->fate == COPIES_STAGED) {
        return;
    }
    int64_t best = copies_winner(c, group)->sequence;
    bool can_win =
        sequence != NULL && ((c->newest_wins ? best > *sequence : best < *sequence) ||
                             (c->overwrites && best == *sequence));
    group->fate = can_win ? COPIES_STAGED : COPIES_BEATEN;
}

static int compare_views(const void *a, const void *b)
{
    return view_compare(*(const struct view *)a, *(const struct view *)b);
}

void copies_note_users(struct copies *c, const struct view *users, size_t count)
{
    for (size_t i = 0; count > 0 && i < c->group_count; i++) {
        struct copies_group *g = &c->groups[i];
        for (uint32_t j = g->first; j < g->first + g->count; j++) {
            const struct view *user = &c->rows[c->order[j]].user_id;
            if (user->len > 0 &&
                bsearch(user, users, count, sizeof *users, compare_views) != NULL) {
                g->fate = COPIES_STAGED;
            }
        }
    }
}

size_t copies_count(const struct copies *c, enum copies_fate fate)
{
    size_t count = 0;
    for (size_t i = 0; i < c->group_count; i++) {
        count += c->groups[i].fate == fate ? c->groups[i].count : 0;
    }
    return count;
}
