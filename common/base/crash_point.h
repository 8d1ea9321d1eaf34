/* crash_point: a place where a test ends the process as a power cut would.
 *
 * Compiled into test builds only (BACKSTITCH_CRASH_POINTS); elsewhere it is nothing. The
 * environment's CRASH_AT names the point, and with ":N" its Nth time: "spool_synced:3".
 * The process is then killed on the spot. Any thread.
 */
#ifndef COMMON_BASE_CRASH_POINT_H
#define COMMON_BASE_CRASH_POINT_H

/* Ends the process here, if CRASH_AT says so. */
#ifdef BACKSTITCH_CRASH_POINTS
void crash_point(const char *name);
#else
#define crash_point(name) ((void)0)
#endif

#endif
