/* memory_limit: how much memory this process may use: the least limit of its cgroups (v2
 * memory.max, v1 memory.limit_in_bytes, of its own and of all around it), else the
 * machine's memory.
 *
 * In a container the machine's memory says nothing: what is sized by it is killed. Read
 * at the start; a limit that is changed later is not noticed. Linux: proc(5), cgroups(7).
 */
#ifndef COMMON_SERVICE_MEMORY_LIMIT_H
#define COMMON_SERVICE_MEMORY_LIMIT_H

#include <stdint.h>

/* In bytes, never 0. */
uint64_t memory_limit_bytes(void);

/* The same, from these files instead of /proc/self/cgroup and below /sys/fs/cgroup; for
 * tests. `machine` is taken where no cgroup has a lower limit. */
uint64_t memory_limit_of(const char *cgroup_file, const char *mount, uint64_t machine);

#endif
