#include "CSimulator.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, LOCKS = 8 };
static const char ROOT[] = "/simulated/";

// MARK: Files

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

// Closing a pool may happen on a thread of the library's.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *nodes;

static void *grown(void *pointer, size_t from, size_t to) {
    unsigned char *larger = realloc(pointer, to);
    if (!larger) abort();
    memset(larger + from, 0, to - from);
    return larger;
}

static void makeRoom(struct bytes *bytes, sqlite3_int64 size) {
    if (size <= bytes->room) return;
    sqlite3_int64 room = size < 65536 ? 131072 : size * 2;
    bytes->data = grown(bytes->data, (size_t)bytes->room, (size_t)room);
    bytes->room = room;
}

static void setSize(struct bytes *bytes, sqlite3_int64 size) {
    makeRoom(bytes, size);
    if (size < bytes->size) memset(bytes->data + size, 0, (size_t)(bytes->size - size));
    bytes->size = size;
}

static void markDirty(struct node *node, sqlite3_int64 from, sqlite3_int64 to) {
    sqlite3_int64 sectors = (to + SECTOR - 1) / SECTOR;
    if (sectors > node->dirtyRoom) {
        sqlite3_int64 room = sectors * 2;
        node->dirty = grown(node->dirty, (size_t)node->dirtyRoom, (size_t)room);
        node->dirtyRoom = room;
    }
    memset(node->dirty + from / SECTOR, 1, (size_t)(sectors - from / SECTOR));
    int wasClean = node->dirtyTo <= node->dirtyFrom;
    if (wasClean || from / SECTOR < node->dirtyFrom) node->dirtyFrom = from / SECTOR;
    if (wasClean || sectors > node->dirtyTo) node->dirtyTo = sectors;
}

static void copySector(struct node *node, struct bytes *target, sqlite3_int64 sector) {
    sqlite3_int64 from = sector * SECTOR, to = from + SECTOR;
    if (to > node->now.size) to = node->now.size;
    if (to <= from) return;
    if (to > target->size) setSize(target, to);
    memcpy(target->data + from, node->now.data + from, (size_t)(to - from));
}

static void syncNode(struct node *node) {
    setSize(&node->durable, node->now.size);
    for (sqlite3_int64 sector = node->dirtyFrom; sector < node->dirtyTo; sector++) {
        if (!node->dirty[sector]) continue;
        node->dirty[sector] = 0;
        copySector(node, &node->durable, sector);
    }
    node->dirtyFrom = node->dirtyTo = 0;
    node->isResized = 0;
}

static struct node *find(const char *name) {
    for (struct node *node = nodes; node; node = node->next)
        if (!node->isDeleted && strcmp(node->name, name) == 0) return node;
    return NULL;
}

static struct node *make(const char *name) {
    struct node *node = calloc(1, sizeof *node);
    if (!node) abort();
    node->name = strdup(name);
    node->next = nodes;
    nodes = node;
    return node;
}

static void freeRegions(struct node *node) {
    for (int i = 0; i < node->regionCount; i++) free(node->regions[i]);
    free(node->regions);
    node->regions = NULL;
    node->regionCount = 0;
}

static void release(struct node *node) {
    if (node->users > 0 || !node->isDeleted) return;
    for (struct node **link = &nodes; *link; link = &(*link)->next) {
        if (*link != node) continue;
        *link = node->next;
        break;
    }
    freeRegions(node);
    free(node->now.data);
    free(node->durable.data);
    free(node->dirty);
    free(node->name);
    free(node);
}

// MARK: The VFS

struct handle {
    sqlite3_file base;
    struct node *node;
    int level;
    unsigned shmShared, shmExclusive;
};

static sqlite3_vfs *usual;
static sqlite3_vfs vfs;

static struct node *nodeOf(sqlite3_file *file) { return ((struct handle *)file)->node; }

static int diskUnlock(sqlite3_file *file, int level);

static int diskClose(sqlite3_file *file) {
    diskUnlock(file, SQLITE_LOCK_NONE);
    pthread_mutex_lock(&lock);
    struct node *node = nodeOf(file);
    node->users--;
    release(node);
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int diskRead(sqlite3_file *file, void *buffer, int count, sqlite3_int64 offset) {
    struct node *node = nodeOf(file);
    sqlite3_int64 there = node->now.size > offset ? node->now.size - offset : 0;
    if (there > count) there = count;
    if (there > 0) memcpy(buffer, node->now.data + offset, (size_t)there);
    if (there == count) return SQLITE_OK;
    memset((char *)buffer + there, 0, (size_t)(count - there));
    return SQLITE_IOERR_SHORT_READ;
}

static int diskWrite(sqlite3_file *file, const void *buffer, int count, sqlite3_int64 offset) {
    struct node *node = nodeOf(file);
    if (offset + count > node->now.size) setSize(&node->now, offset + count);
    memcpy(node->now.data + offset, buffer, (size_t)count);
    markDirty(node, offset, offset + count);
    return SQLITE_OK;
}

static int diskTruncate(sqlite3_file *file, sqlite3_int64 size) {
    struct node *node = nodeOf(file);
    setSize(&node->now, size);
    node->isResized = 1;
    return SQLITE_OK;
}

static int diskSync(sqlite3_file *file, int flags) {
    (void)flags;
    syncNode(nodeOf(file));
    return SQLITE_OK;
}

static int diskSize(sqlite3_file *file, sqlite3_int64 *size) {
    *size = nodeOf(file)->now.size;
    return SQLITE_OK;
}

static int diskLock(sqlite3_file *file, int level) {
    struct handle *handle = (struct handle *)file;
    struct node *node = handle->node;
    if (handle->level >= level) return SQLITE_OK;
    switch (level) {
    case SQLITE_LOCK_SHARED:
        if (node->exclusive || node->pending) return SQLITE_BUSY;
        node->shared++;
        break;
    case SQLITE_LOCK_RESERVED:
        if (node->reserved) return SQLITE_BUSY;
        node->reserved = 1;
        break;
    case SQLITE_LOCK_EXCLUSIVE:
        if (node->shared > 1) return SQLITE_BUSY;
        if (handle->level < SQLITE_LOCK_RESERVED && node->reserved) return SQLITE_BUSY;
        node->reserved = node->exclusive = 1;
        break;
    }
    handle->level = level;
    return SQLITE_OK;
}

static int diskUnlock(sqlite3_file *file, int level) {
    struct handle *handle = (struct handle *)file;
    struct node *node = handle->node;
    if (handle->level <= level) return SQLITE_OK;
    if (handle->level >= SQLITE_LOCK_RESERVED) node->reserved = node->exclusive = node->pending = 0;
    if (level == SQLITE_LOCK_NONE) node->shared--;
    handle->level = level;
    return SQLITE_OK;
}

static int diskReserved(sqlite3_file *file, int *result) {
    *result = nodeOf(file)->reserved;
    return SQLITE_OK;
}

static int diskControl(sqlite3_file *file, int operation, void *argument) {
    (void)file, (void)operation, (void)argument;
    return SQLITE_NOTFOUND;
}

static int diskSector(sqlite3_file *file) {
    (void)file;
    return SECTOR;
}

static int diskDevice(sqlite3_file *file) {
    (void)file;
    return 0;
}

static int diskMap(sqlite3_file *file, int region, int size, int extends, void volatile **memory) {
    struct node *node = nodeOf(file);
    if (region >= node->regionCount) {
        if (!extends) {
            *memory = NULL;
            return SQLITE_OK;
        }
        node->regions = realloc(node->regions, (size_t)(region + 1) * sizeof *node->regions);
        if (!node->regions) abort();
        for (; node->regionCount <= region; node->regionCount++) {
            node->regions[node->regionCount] = calloc(1, (size_t)size);
            if (!node->regions[node->regionCount]) abort();
        }
        node->regionSize = size;
    }
    *memory = node->regions[region];
    return SQLITE_OK;
}

static int diskShmLock(sqlite3_file *file, int offset, int count, int flags) {
    struct handle *handle = (struct handle *)file;
    struct node *node = handle->node;
    for (int i = offset; i < offset + count; i++) {
        unsigned bit = 1u << i;
        if (flags & SQLITE_SHM_UNLOCK) {
            if (flags & SQLITE_SHM_SHARED && handle->shmShared & bit) node->shmShared[i]--, handle->shmShared &= ~bit;
            if (flags & SQLITE_SHM_EXCLUSIVE && handle->shmExclusive & bit)
                node->shmExclusive[i] = 0, handle->shmExclusive &= ~bit;
        } else if (flags & SQLITE_SHM_SHARED) {
            if (node->shmExclusive[i] && !(handle->shmExclusive & bit)) return SQLITE_BUSY;
        } else {
            int others = node->shmShared[i] - (handle->shmShared & bit ? 1 : 0);
            if (others > 0 || (node->shmExclusive[i] && !(handle->shmExclusive & bit))) return SQLITE_BUSY;
        }
    }
    if (flags & SQLITE_SHM_UNLOCK) return SQLITE_OK;
    for (int i = offset; i < offset + count; i++) {
        unsigned bit = 1u << i;
        if (flags & SQLITE_SHM_SHARED) {
            if (!(handle->shmShared & bit)) node->shmShared[i]++, handle->shmShared |= bit;
        } else {
            node->shmExclusive[i] = 1, handle->shmExclusive |= bit;
        }
    }
    return SQLITE_OK;
}

static void diskBarrier(sqlite3_file *file) { (void)file; }

static int diskUnmap(sqlite3_file *file, int deletes) {
    (void)deletes;
    diskShmLock(file, 0, LOCKS, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
    diskShmLock(file, 0, LOCKS, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
    return SQLITE_OK;
}

// Version 2: with shared memory, without memory maps.
static const sqlite3_io_methods methods = {
    2, diskClose, diskRead, diskWrite, diskTruncate, diskSync, diskSize, diskLock, diskUnlock, diskReserved, diskControl,
    diskSector, diskDevice, diskMap, diskShmLock, diskBarrier, diskUnmap, 0, 0,
};

static int isOurs(const char *name) { return name && strncmp(name, ROOT, sizeof ROOT - 1) == 0; }

static int diskOpen(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *file, int flags, int *out) {
    (void)v;
    if (!isOurs(name)) return usual->xOpen(usual, name, file, flags, out);
    pthread_mutex_lock(&lock);
    struct node *node = find(name);
    if (!node && flags & SQLITE_OPEN_CREATE) node = make(name);
    if (node) node->users++;
    pthread_mutex_unlock(&lock);
    if (!node) return SQLITE_CANTOPEN;
    *(struct handle *)file = (struct handle){.base = {&methods}, .node = node};
    if (out) *out = flags;
    return SQLITE_OK;
}

static int diskDelete(sqlite3_vfs *v, const char *name, int syncsDirectory) {
    (void)v;
    if (!isOurs(name)) return usual->xDelete(usual, name, syncsDirectory);
    pthread_mutex_lock(&lock);
    struct node *node = find(name);
    if (node) {
        node->isDeleted = 1;
        release(node);
    }
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int diskAccess(sqlite3_vfs *v, const char *name, int flags, int *result) {
    (void)v;
    if (!isOurs(name)) return usual->xAccess(usual, name, flags, result);
    pthread_mutex_lock(&lock);
    struct node *node = find(name);
    // As the usual VFS has it: an empty file does not exist.
    *result = node && (flags != SQLITE_ACCESS_EXISTS || node->now.size > 0);
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int diskFullPath(sqlite3_vfs *v, const char *name, int room, char *path) {
    (void)v;
    if (!isOurs(name)) return usual->xFullPathname(usual, name, room, path);
    snprintf(path, (size_t)room, "%s", name);
    return SQLITE_OK;
}

int simulated_disk_install(void) {
    if (usual) return 0;
    usual = sqlite3_vfs_find(NULL);
    if (!usual) return 1;
    vfs = *usual;
    vfs.zName = "simulated";
    if (vfs.szOsFile < (int)sizeof(struct handle)) vfs.szOsFile = (int)sizeof(struct handle);
    vfs.pNext = NULL;
    vfs.xOpen = diskOpen;
    vfs.xDelete = diskDelete;
    vfs.xAccess = diskAccess;
    vfs.xFullPathname = diskFullPath;
    return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK ? 0 : 1;
}

// MARK: What becomes of a disk

static unsigned long long draw(unsigned long long *state) {
    // splitmix64
    unsigned long long z = (*state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/// The file's name below `directory`; NULL where it is not below it.
static const char *below(const struct node *node, const char *directory) {
    size_t length = strlen(directory);
    if (node->isDeleted || strncmp(node->name, directory, length) != 0 || node->name[length] != '/') return NULL;
    return node->name + length + 1;
}

static struct node *replaced(const char *directory, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    struct node *old = find(path);
    if (old) {
        old->isDeleted = 1;
        release(old);
    }
    return make(path);
}

static void fill(struct bytes *target, const struct bytes *source) {
    setSize(target, source->size);
    if (source->size > 0) memcpy(target->data, source->data, (size_t)source->size);
}

void simulated_disk_copy(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    for (struct node *node = nodes; node; node = node->next) {
        const char *name = below(node, from);
        if (!name) continue;
        struct node *copy = replaced(to, name);
        fill(&copy->now, &node->now);
        fill(&copy->durable, &node->now);
    }
    pthread_mutex_unlock(&lock);
}

long simulated_disk_lose_power(const char *from, const char *to, int keepsSome, unsigned long long seed) {
    long lost = 0;
    pthread_mutex_lock(&lock);
    for (struct node *node = nodes; node; node = node->next) {
        const char *name = below(node, from);
        if (!name) continue;
        struct node *copy = replaced(to, name);
        fill(&copy->now, &node->durable);
        if (keepsSome && node->isResized && draw(&seed) % 2) setSize(&copy->now, node->now.size);
        for (sqlite3_int64 sector = node->dirtyFrom; sector < node->dirtyTo; sector++) {
            if (!node->dirty[sector]) continue;
            if (keepsSome && draw(&seed) % 2) copySector(node, &copy->now, sector);
            else lost++;
        }
        fill(&copy->durable, &copy->now);
    }
    pthread_mutex_unlock(&lock);
    return lost;
}

void simulated_disk_remove(const char *directory) {
    pthread_mutex_lock(&lock);
    for (struct node *node = nodes, *next; node; node = next) {
        next = node->next;
        if (!below(node, directory)) continue;
        node->isDeleted = 1;
        release(node);
    }
    pthread_mutex_unlock(&lock);
}
