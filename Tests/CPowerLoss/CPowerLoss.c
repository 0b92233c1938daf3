#include "CPowerLoss.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// MARK: What happened

enum kind { WRITES, CUTS, SYNCS, DELETES };

struct operation {
    enum kind kind;
    int file;
    sqlite3_int64 offset;  // CUTS: the new size
    int length;
    unsigned char *bytes;
    int isDurable;  // DELETES: the directory was synced
};

enum { MOST_FILES = 16, SECTOR = 512 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[4096];
static char *names[MOST_FILES];
static int nameCount;
static struct operation *operations;
static long operationCount, operationRoom, syncCount;

static int fileNumber(const char *path) {
    size_t length = strlen(folder);
    if (!path || length == 0 || strncmp(path, folder, length) != 0 || path[length] != '/') return -1;
    const char *name = path + length + 1;
    size_t end = strlen(name);
    // Shared memory is none of the disk's.
    if (end > 4 && strcmp(name + end - 4, "-shm") == 0) return -1;
    for (int i = 0; i < nameCount; i++)
        if (strcmp(names[i], name) == 0) return i;
    if (nameCount == MOST_FILES) abort();
    names[nameCount] = strdup(name);
    return nameCount++;
}

static void note(enum kind kind, int file, sqlite3_int64 offset, const void *bytes, int length, int isDurable) {
    if (file < 0) return;
    pthread_mutex_lock(&lock);
    if (operationCount == operationRoom) {
        operationRoom = operationRoom ? 2 * operationRoom : 1024;
        operations = realloc(operations, (size_t)operationRoom * sizeof *operations);
        if (!operations) abort();
    }
    struct operation *one = &operations[operationCount++];
    *one = (struct operation){kind, file, offset, length, NULL, isDurable};
    if (length > 0) {
        one->bytes = malloc((size_t)length);
        if (!one->bytes) abort();
        memcpy(one->bytes, bytes, (size_t)length);
    }
    if (kind == SYNCS) syncCount++;
    pthread_mutex_unlock(&lock);
}

// MARK: The VFS

struct shim {
    sqlite3_file base;
    int number;
    sqlite3_file *real;
};

static sqlite3_vfs *usual;
static sqlite3_vfs vfs;

#define REAL(file) (((struct shim *)(file))->real)
#define NUMBER(file) (((struct shim *)(file))->number)

static int shimClose(sqlite3_file *f) {
    int code = REAL(f)->pMethods ? REAL(f)->pMethods->xClose(REAL(f)) : SQLITE_OK;
    return code;
}
static int shimRead(sqlite3_file *f, void *b, int n, sqlite3_int64 o) { return REAL(f)->pMethods->xRead(REAL(f), b, n, o); }
static int shimWrite(sqlite3_file *f, const void *b, int n, sqlite3_int64 o) {
    int code = REAL(f)->pMethods->xWrite(REAL(f), b, n, o);
    if (code == SQLITE_OK) note(WRITES, NUMBER(f), o, b, n, 0);
    return code;
}
static int shimTruncate(sqlite3_file *f, sqlite3_int64 n) {
    int code = REAL(f)->pMethods->xTruncate(REAL(f), n);
    if (code == SQLITE_OK) note(CUTS, NUMBER(f), n, NULL, 0, 0);
    return code;
}
static int shimSync(sqlite3_file *f, int flags) {
    int code = REAL(f)->pMethods->xSync(REAL(f), flags);
    if (code == SQLITE_OK) note(SYNCS, NUMBER(f), 0, NULL, 0, 0);
    return code;
}
static int shimSize(sqlite3_file *f, sqlite3_int64 *n) { return REAL(f)->pMethods->xFileSize(REAL(f), n); }
static int shimLock(sqlite3_file *f, int l) { return REAL(f)->pMethods->xLock(REAL(f), l); }
static int shimUnlock(sqlite3_file *f, int l) { return REAL(f)->pMethods->xUnlock(REAL(f), l); }
static int shimReserved(sqlite3_file *f, int *r) { return REAL(f)->pMethods->xCheckReservedLock(REAL(f), r); }
static int shimControl(sqlite3_file *f, int op, void *arg) {
    // Not passed on: the size would change without a write of ours.
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE) return SQLITE_OK;
    return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}
static int shimSector(sqlite3_file *f) { return REAL(f)->pMethods->xSectorSize(REAL(f)); }
static int shimDevice(sqlite3_file *f) { return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f)); }
static int shimMap(sqlite3_file *f, int p, int n, int x, void volatile **m) {
    return REAL(f)->pMethods->xShmMap(REAL(f), p, n, x, m);
}
static int shimShmLock(sqlite3_file *f, int o, int n, int l) { return REAL(f)->pMethods->xShmLock(REAL(f), o, n, l); }
static void shimBarrier(sqlite3_file *f) { REAL(f)->pMethods->xShmBarrier(REAL(f)); }
static int shimUnmap(sqlite3_file *f, int d) { return REAL(f)->pMethods->xShmUnmap(REAL(f), d); }

// Version 2: with shared memory, without memory maps, which would write past us.
static const sqlite3_io_methods methods = {
    2, shimClose, shimRead, shimWrite, shimTruncate, shimSync, shimSize, shimLock, shimUnlock, shimReserved, shimControl,
    shimSector, shimDevice, shimMap, shimShmLock, shimBarrier, shimUnmap, 0, 0,
};

static int shimOpen(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags, int *out) {
    (void)v;
    struct shim *shim = (struct shim *)f;
    shim->real = (sqlite3_file *)(shim + 1);
    pthread_mutex_lock(&lock);
    shim->number = fileNumber(name);
    pthread_mutex_unlock(&lock);
    int code = usual->xOpen(usual, name, shim->real, flags, out);
    f->pMethods = shim->real->pMethods ? &methods : NULL;
    return code;
}
static int shimDelete(sqlite3_vfs *v, const char *name, int syncsDirectory) {
    (void)v;
    int code = usual->xDelete(usual, name, syncsDirectory);
    if (code == SQLITE_OK) {
        pthread_mutex_lock(&lock);
        int number = fileNumber(name);
        pthread_mutex_unlock(&lock);
        note(DELETES, number, 0, NULL, 0, syncsDirectory);
    }
    return code;
}

int power_loss_begin(const char *path) {
    pthread_mutex_lock(&lock);
    for (long i = 0; i < operationCount; i++) free(operations[i].bytes);
    for (int i = 0; i < nameCount; i++) free(names[i]);
    operationCount = syncCount = 0;
    nameCount = 0;
    snprintf(folder, sizeof folder, "%s", path);
    pthread_mutex_unlock(&lock);
    if (!usual) {
        usual = sqlite3_vfs_find(NULL);
        if (!usual) return 1;
        vfs = *usual;
        vfs.zName = "power-loss";
        vfs.szOsFile = (int)sizeof(struct shim) + usual->szOsFile;
        vfs.pNext = NULL;
        vfs.xOpen = shimOpen;
        vfs.xDelete = shimDelete;
    }
    return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK ? 0 : 1;
}

void power_loss_end(void) {
    if (usual) sqlite3_vfs_register(usual, 1);
}

long power_loss_operations(void) {
    pthread_mutex_lock(&lock);
    long count = operationCount;
    pthread_mutex_unlock(&lock);
    return count;
}

long power_loss_syncs(void) {
    pthread_mutex_lock(&lock);
    long count = syncCount;
    pthread_mutex_unlock(&lock);
    return count;
}

int power_loss_describe(long point, char *text, int room) {
    static const char *const words[] = {"write", "cut", "sync", "delete"};
    pthread_mutex_lock(&lock);
    int isSync = 0;
    if (point < operationCount) {
        const struct operation *one = &operations[point];
        isSync = one->kind == SYNCS;
        snprintf(
            text, (size_t)room, "%s %s at %lld, %d bytes", words[one->kind], names[one->file], one->offset, one->length);
    } else {
        snprintf(text, (size_t)room, "the end");
    }
    pthread_mutex_unlock(&lock);
    return isSync;
}

// MARK: What a disk would hold

struct image {
    unsigned char *bytes;
    sqlite3_int64 size, room;
    int exists;
};

static void grow(struct image *image, sqlite3_int64 size) {
    if (size > image->room) {
        sqlite3_int64 room = size * 2;
        image->bytes = realloc(image->bytes, (size_t)room);
        if (!image->bytes) abort();
        memset(image->bytes + image->room, 0, (size_t)(room - image->room));
        image->room = room;
    }
}

static void resize(struct image *image, sqlite3_int64 size) {
    grow(image, size);
    if (size < image->size) memset(image->bytes + size, 0, (size_t)(image->size - size));
    image->size = size;
    image->exists = 1;
}

static void put(struct image *image, const struct operation *one, sqlite3_int64 from, sqlite3_int64 to) {
    sqlite3_int64 end = one->offset + to;
    if (end > image->size) resize(image, end);
    image->exists = 1;
    memcpy(image->bytes + one->offset + from, one->bytes + from, (size_t)(to - from));
}

static unsigned long long draw(unsigned long long *state) {
    // splitmix64
    unsigned long long z = (*state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/// Writes reach the disk in any order, sector by sector.
static void apply(struct image *image, const struct operation *one, int keepsSome, unsigned long long *random) {
    if (keepsSome && draw(random) % 4 == 0) return;
    switch (one->kind) {
    case CUTS: resize(image, one->offset); return;
    case DELETES: image->exists = 0; image->size = 0; return;
    case SYNCS: return;
    case WRITES: break;
    }
    int tears = keepsSome && draw(random) % 3 == 0;
    for (sqlite3_int64 from = 0; from < one->length;) {
        sqlite3_int64 to = (one->offset + from) / SECTOR * SECTOR + SECTOR - one->offset;
        if (to > one->length) to = one->length;
        if (!tears || draw(random) % 2) put(image, one, from, to);
        from = to;
    }
}

int power_loss_replay(long point, int mode, unsigned long long seed, const char *target) {
    struct image images[MOST_FILES] = {0};
    long synced[MOST_FILES];
    long lastSync = -1;
    for (int i = 0; i < MOST_FILES; i++) synced[i] = -1;
    pthread_mutex_lock(&lock);
    if (point > operationCount) point = operationCount;
    // A sync makes everything durable that was written to its file before it.
    for (long i = 0; i < point; i++) {
        int isDurable = operations[i].kind == SYNCS || (operations[i].kind == DELETES && operations[i].isDurable);
        if (isDurable) synced[operations[i].file] = i;
        // File systems with a journal write changes of directories in their order: what was deleted before a sync of any
        // file is gone with it.
        if (operations[i].kind == SYNCS) lastSync = i;
    }
    for (long i = 0; i < lastSync; i++)
        if (operations[i].kind == DELETES && synced[operations[i].file] < i) synced[operations[i].file] = i;
    unsigned long long random = seed;
    for (long i = 0; i < point; i++) {
        const struct operation *one = &operations[i];
        struct image *image = &images[one->file];
        if (i <= synced[one->file]) {
            apply(image, one, 0, &random);
            if (one->kind == SYNCS) image->exists = 1;
        } else if (mode != POWER_LOSS_DROPS_ALL) {
            apply(image, one, mode == POWER_LOSS_KEEPS_SOME, &random);
        }
    }
    int code = 0;
    for (int i = 0; i < nameCount && code == 0; i++) {
        if (!images[i].exists) continue;
        char path[8192];
        snprintf(path, sizeof path, "%s/%s", target, names[i]);
        int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (file < 0) code = 1;
        for (sqlite3_int64 at = 0; code == 0 && at < images[i].size;) {
            ssize_t count = write(file, images[i].bytes + at, (size_t)(images[i].size - at));
            if (count <= 0) code = 1;
            else at += count;
        }
        if (file >= 0) close(file);
    }
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < MOST_FILES; i++) free(images[i].bytes);
    return code;
}
