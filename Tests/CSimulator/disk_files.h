#ifndef DISK_FILES_H
#define DISK_FILES_H

// The files of the simulated disk. Whoever looks for one, makes or releases one holds `disk_lock`.

#include <pthread.h>
#include <sqlite3.h>

enum { SECTOR = 512, LOCKS = 8 };

struct bytes {
    unsigned char *data;
    sqlite3_int64 size, room;
};

struct node {
    char *name;
    struct bytes now, durable;
    /// One flag a sector: written since the last sync.
    unsigned char *dirty;
    sqlite3_int64 dirtyRoom;
    /// All that are dirty lie between these.
    sqlite3_int64 dirtyFrom, dirtyTo;
    /// Whether the size changed since the last sync.
    int isResized;
    int users, isDeleted;
    // Locks of the database file (https://sqlite.org/c3ref/c_lock_exclusive.html).
    int shared, reserved, pending, exclusive;
    // The shared memory of a WAL index.
    void **regions;
    int regionCount, regionSize;
    int shmShared[LOCKS], shmExclusive[LOCKS];
    struct node *next;
};

extern pthread_mutex_t disk_lock;

/// NULL where there is none.
struct node *disk_find(const char *name);
struct node *disk_make(const char *name);
/// Frees a file that was deleted and that nobody has open.
void disk_release(struct node *node);
void disk_set_size(struct bytes *bytes, sqlite3_int64 size);
void disk_mark_dirty(struct node *node, sqlite3_int64 from, sqlite3_int64 to);
/// What was written is durable from now on.
void disk_sync(struct node *node);

#endif
