#ifndef C_SIMULATOR_H
#define C_SIMULATOR_H

// What the simulator needs below Swift: a disk in memory for SQLite, and the one variable that the runtime's hook reads.

/// Makes a VFS of SQLite (https://sqlite.org/vfs.html) the default that keeps every file whose path begins with
/// "/simulated/" in memory, and passes all others on to the usual VFS. It remembers which 512-byte sectors were written
/// since the last sync of their file. Not 0: it could not be done.
int simulated_disk_install(void);

/// Copies the files below one directory to another, as `cp -a` of a database that nobody writes.
void simulated_disk_copy(const char *from, const char *to);

/// The same as after a power failure: sectors that were not synced are lost, all of them where `keepsSome` is 0, else
/// each by chance. Returns how many were lost.
long simulated_disk_lose_power(const char *from, const char *to, int keepsSome, unsigned long long seed);

/// Forgets the files below a directory. Connections to them must be closed.
void simulated_disk_remove(const char *directory);

/// The scheduler whose jobs run on this thread now; NULL where none does.
void *simulator_current(void);
void simulator_set_current(void *scheduler);

#endif
