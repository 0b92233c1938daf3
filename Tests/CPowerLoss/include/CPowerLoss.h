#ifndef C_POWER_LOSS_H
#define C_POWER_LOSS_H

// A VFS of SQLite (https://sqlite.org/vfs.html) that lies over the usual one, writes down what is written, cut and synced
// below a folder, and can say what a disk would hold had the power failed after any of these operations.

/// What becomes of what was written and not synced.
enum { POWER_LOSS_DROPS_ALL = 0, POWER_LOSS_KEEPS_SOME = 1, POWER_LOSS_KEEPS_ALL = 2 };

/// Makes the VFS the default and begins to write down what happens to files whose path begins with `folder`. Not 0: it
/// could not be done.
int power_loss_begin(const char *folder);

/// Makes the usual VFS the default again. What was written down stays until the next begin.
void power_loss_end(void);

/// How many operations there were so far.
long power_loss_operations(void);

/// How many of them were syncs.
long power_loss_syncs(void);

/// Says in `text` what operation number `point` did; whether it was a sync is the answer.
int power_loss_describe(long point, char *text, int room);

/// Writes the files into the directory `target` as they would be had the power failed before operation number `point`
/// (from 0). Not 0: it could not be done.
int power_loss_replay(long point, int mode, unsigned long long seed, const char *target);

#endif
