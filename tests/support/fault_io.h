/* fault_io: a disk that fails as told.
 *
 * Takes the place of the C library's file calls, for files below one folder: linked into
 * a test program, or preloaded into another (libfault_io.so with FAULT_IO in its
 * environment, the same words). Words, separated by spaces:
 *
 *     dir=PATH          the folder; nothing happens elsewhere
 *     eio_sync=N        the Nth fsync or fdatasync from now on fails with EIO, once
 *     eio_write=N       the Nth write fails with EIO, once
 *     enospc_after=N    after N further bytes writes fail with ENOSPC, until set anew
 *     short             each write takes half of what it is given
 *     lose              what was not synced is lost when the process is killed: written
 *                       bytes stay in memory until fsync of the file, and a new file has
 *                       no name until fsync of the folder
 *     slow_sync=MS      each sync takes that long
 *
 * Any thread.
 */
#ifndef TESTS_SUPPORT_FAULT_IO_H
#define TESTS_SUPPORT_FAULT_IO_H

/* From now on; "" turns all off. */
void fault_io_set(const char *words);

/* Syncs of files below the folder since it was set: that they happened is part of a test.
 */
unsigned fault_io_syncs(void);

/* Faults that were given since it was set. */
unsigned fault_io_faults(void);

#endif
