/* copies: the rows of one table's part of a load, by message id: what is to become of
 * each. Pure.
 *
 * Rows with the same id are copies of one event and form a group; the copy that wins by
 * LOADER_DUPLICATES comes first in it. Groups are in the order of their ids, byte by
 * byte, which is the order of the primary key (COLLATE "C"): two loaders that hold the
 * same ids then wait for each other instead of deadlocking. What the database knows of an
 * id, or of a user, decides a group's fate. Rows and their bytes are borrowed.
 */
#ifndef LOADER_POSTGRES_COPIES_H
#define LOADER_POSTGRES_COPIES_H

#include "loader/mapping/map_event.h"

enum copies_fate {
    COPIES_DIRECT, /* the id is new: the winner goes straight into the table */
    COPIES_BEATEN, /* a row is there that none of them can replace */
    COPIES_STAGED, /* all of them go by the staging table, whose statement decides */
};

struct copies_group {
    uint32_t first, count; /* in `order` */
    enum copies_fate fate;
};

struct copies {
    const struct row *rows;
    size_t row_count;
    bool newest_wins;
    bool overwrites; /* the same copy wins over its own row */
    uint32_t *order; /* numbers of rows */
    struct copies_group *groups;
    size_t group_count;
};

/* Sorts the rows into groups, all COPIES_DIRECT. Free it with copies_release. */
void copies_init(struct copies *c, const struct row *rows, size_t count,
                 bool newest_wins);
void copies_release(struct copies *c);

/* The table has a row of this id, with this sequence; NULL: it has none, which no copy
 * beats. An id that is not among the rows is ignored. */
void copies_note_present(struct copies *c, struct view message_id,
                         const int64_t *sequence);

/* These users, sorted by their bytes, have asked for deletion: what is theirs is for the
 * staged statement to judge, with all copies of the same event. */
void copies_note_users(struct copies *c, const struct view *users, size_t count);

/* The winner of a group. */
const struct row *copies_winner(const struct copies *c, const struct copies_group *group);

/* How many rows there are in groups of this fate. */
size_t copies_count(const struct copies *c, enum copies_fate fate);

#endif
