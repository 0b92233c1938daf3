#include "CSimulator.h"
#include "disk_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ROOT[] = "/simulated/";

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
    pthread_mutex_lock(&disk_lock);
    struct node *node = nodeOf(file);
    node->users--;
    disk_release(node);
    pthread_mutex_unlock(&disk_lock);
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
    if (offset + count > node->now.size) disk_set_size(&node->now, offset + count);
    memcpy(node->now.data + offset, buffer, (size_t)count);
    disk_mark_dirty(node, offset, offset + count);
    return SQLITE_OK;
}

static int diskTruncate(sqlite3_file *file, sqlite3_int64 size) {
    struct node *node = nodeOf(file);
    disk_set_size(&node->now, size);
    node->isResized = 1;
    return SQLITE_OK;
}

static int diskSync(sqlite3_file *file, int flags) {
    (void)flags;
    disk_sync(nodeOf(file));
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
    pthread_mutex_lock(&disk_lock);
    struct node *node = disk_find(name);
    if (!node && flags & SQLITE_OPEN_CREATE) node = disk_make(name);
    if (node) node->users++;
    pthread_mutex_unlock(&disk_lock);
    if (!node) return SQLITE_CANTOPEN;
    *(struct handle *)file = (struct handle){.base = {&methods}, .node = node};
    if (out) *out = flags;
    return SQLITE_OK;
}

static int diskDelete(sqlite3_vfs *v, const char *name, int syncsDirectory) {
    (void)v;
    if (!isOurs(name)) return usual->xDelete(usual, name, syncsDirectory);
    pthread_mutex_lock(&disk_lock);
    struct node *node = disk_find(name);
    if (node) {
        node->isDeleted = 1;
        disk_release(node);
    }
    pthread_mutex_unlock(&disk_lock);
    return SQLITE_OK;
}

static int diskAccess(sqlite3_vfs *v, const char *name, int flags, int *result) {
    (void)v;
    if (!isOurs(name)) return usual->xAccess(usual, name, flags, result);
    pthread_mutex_lock(&disk_lock);
    struct node *node = disk_find(name);
    // As the usual VFS has it: an empty file does not exist.
    *result = node && (flags != SQLITE_ACCESS_EXISTS || node->now.size > 0);
    pthread_mutex_unlock(&disk_lock);
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
