/* sim_mirror: the database in memory held against PostgreSQL: what the one does, the
 * other does by the product's own sink, and then holds the same. One thread.
 */
#ifndef TESTS_SIMULATION_SIM_MIRROR_H
#define TESTS_SIMULATION_SIM_MIRROR_H

#include "tests/simulation/sim.h"

/* A new database on a real server (tests/support/postgres_server.h). One thread. */
struct sim_mirror *sim_mirror_open(void);
void sim_mirror_close(struct sim_mirror *m);

/* Each does to PostgreSQL what was done in memory, and returns the table as it is then,
 * with one reference. */
struct table *sim_mirror_extend(struct sim_mirror *m, const struct table_plan *plan);
struct table *sim_mirror_alter(struct sim_mirror *m, int table, struct view column);

/* Does what memory has done, or has refused with this code ("": done), and holds both
 * against each other: a difference is a violation. Without a mirror: nothing. */
void sim_mirror_move(struct sim_world *w, const char *cluster_id,
                     const struct sink_move *moves, size_t count,
                     const char *expected_code);
void sim_mirror_load(struct sim_world *w, const char *cluster_id,
                     const struct sink_load *load, const char *expected_code);

#endif
