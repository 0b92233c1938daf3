#include "disk_files.h"
#include "CSimulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Closing a pool may happen on a thread of the library's.
pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;
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

void disk_set_size(struct bytes *bytes, sqlite3_int64 size) {
    makeRoom(bytes, size);
    if (size < bytes->size) memset(bytes->data + size, 0, (size_t)(bytes->size - size));
    bytes->size = size;
}

void disk_mark_dirty(struct node *node, sqlite3_int64 from, sqlite3_int64 to) {
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
    if (to > target->size) disk_set_size(target, to);
    memcpy(target->data + from, node->now.data + from, (size_t)(to - from));
}

void disk_sync(struct node *node) {
    disk_set_size(&node->durable, node->now.size);
    for (sqlite3_int64 sector = node->dirtyFrom; sector < node->dirtyTo; sector++) {
        if (!node->dirty[sector]) continue;
        node->dirty[sector] = 0;
        copySector(node, &node->durable, sector);
    }
    node->dirtyFrom = node->dirtyTo = 0;
    node->isResized = 0;
}

struct node *disk_find(const char *name) {
    for (struct node *node = nodes; node; node = node->next)
        if (!node->isDeleted && strcmp(node->name, name) == 0) return node;
    return NULL;
}

struct node *disk_make(const char *name) {
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

void disk_release(struct node *node) {
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
    struct node *old = disk_find(path);
    if (old) {
        old->isDeleted = 1;
        disk_release(old);
    }
    return disk_make(path);
}

static void fill(struct bytes *target, const struct bytes *source) {
    disk_set_size(target, source->size);
    if (source->size > 0) memcpy(target->data, source->data, (size_t)source->size);
}

void simulated_disk_copy(const char *from, const char *to) {
    pthread_mutex_lock(&disk_lock);
    for (struct node *node = nodes; node; node = node->next) {
        const char *name = below(node, from);
        if (!name) continue;
        struct node *copy = replaced(to, name);
        fill(&copy->now, &node->now);
        fill(&copy->durable, &node->now);
    }
    pthread_mutex_unlock(&disk_lock);
}

long simulated_disk_lose_power(const char *from, const char *to, int keepsSome, unsigned long long seed) {
    long lost = 0;
    pthread_mutex_lock(&disk_lock);
    for (struct node *node = nodes; node; node = node->next) {
        const char *name = below(node, from);
        if (!name) continue;
        struct node *copy = replaced(to, name);
        fill(&copy->now, &node->durable);
        if (keepsSome && node->isResized && draw(&seed) % 2) disk_set_size(&copy->now, node->now.size);
        for (sqlite3_int64 sector = node->dirtyFrom; sector < node->dirtyTo; sector++) {
            if (!node->dirty[sector]) continue;
            if (keepsSome && draw(&seed) % 2) copySector(node, &copy->now, sector);
            else lost++;
        }
        fill(&copy->durable, &copy->now);
    }
    pthread_mutex_unlock(&disk_lock);
    return lost;
}

void simulated_disk_remove(const char *directory) {
    pthread_mutex_lock(&disk_lock);
    for (struct node *node = nodes, *next; node; node = next) {
        next = node->next;
        if (!below(node, directory)) continue;
        node->isDeleted = 1;
        disk_release(node);
    }
    pthread_mutex_unlock(&disk_lock);
}
