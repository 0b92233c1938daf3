#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Own names for what <linux/openat2.h> has, so that older kernel headers will do (openat2(2)).
struct resolve_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};
#define RESOLVE_HOW_NO_MAGICLINKS 0x02
#define RESOLVE_HOW_NO_SYMLINKS 0x04
#define RESOLVE_HOW_BENEATH 0x08

#ifndef SYS_openat2
#define SYS_openat2 437 // the same on every architecture
#endif

static const int step_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

typedef int (*opener)(int directory, const char *name, int flags);

static int by_openat2(int directory, const char *path, int flags) {
    struct resolve_how how;
    memset(&how, 0, sizeof how);
    how.flags = (uint64_t)(unsigned int)flags;
    how.resolve = RESOLVE_HOW_BENEATH | RESOLVE_HOW_NO_SYMLINKS | RESOLVE_HOW_NO_MAGICLINKS;
    long descriptor;
    do {
        descriptor = syscall(SYS_openat2, directory, path, &how, sizeof how);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : (int)descriptor;
}

static int by_openat(int directory, const char *name, int flags) {
    int descriptor;
    do {
        descriptor = openat(directory, name, flags);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : descriptor;
}

static int is_dots(const char *name, size_t length) {
    return (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.');
}

// Where the next piece of a path ends: one component, or as many whole ones as fit into `limit` bytes.
// 0 for what is no path.
static size_t piece_length(const char *path, size_t length, size_t limit) {
    size_t end = 0, start = 0;
    for (size_t index = 0; index <= length; index++) {
        if (index < length && path[index] != '/') {
            if (path[index] == '\0') return 0;
            continue;
        }
        if (index == start) return 0;
        if (end > 0 && index > limit) return end;
        end = index;
        start = index + 1;
        if (limit == 0) return end;
    }
    return end;
}

// Opens piece after piece, each below the directory before it. `limit` 0 takes single components.
static int open_in_pieces(opener open_piece, size_t limit, int directory, const char *path, size_t length, int flags) {
    char piece[PATH_MAX];
    int current = directory;
    for (;;) {
        size_t count = piece_length(path, length, limit);
        int result;
        if (count == 0) {
            result = -EINVAL;
        } else if (count >= sizeof piece) {
            result = -ENAMETOOLONG;
        } else {
            memcpy(piece, path, count);
            piece[count] = '\0';
            int last = count == length;
            result = open_piece(current, piece, last ? (flags | O_NOFOLLOW | O_CLOEXEC) : step_flags);
        }
        if (current != directory) close(current);
        if (result < 0 || count == length) return result;
        current = result;
        path += count + 1;
        length -= count + 1;
    }
}

static int has_dots(const char *path, size_t length) {
    size_t start = 0;
    for (size_t index = 0; index <= length; index++) {
        if (index < length && path[index] != '/') continue;
        if (is_dots(path + start, index - start)) return 1;
        start = index + 1;
    }
    return 0;
}

int clinux_open_beneath_stepwise(int directory, const char *path, size_t length, int flags) {
    if (has_dots(path, length)) return -EXDEV;
    return open_in_pieces(by_openat, 0, directory, path, length, flags);
}

int clinux_open_beneath(int directory, const char *path, size_t length, int flags) {
    if (has_dots(path, length)) return -EXDEV;
    int result = open_in_pieces(by_openat2, PATH_MAX - 2, directory, path, length, flags);
    switch (result) {
    case -ENOSYS: // before Linux 5.6
    case -EPERM:  // a seccomp filter that does not know the call
        return clinux_open_beneath_stepwise(directory, path, length, flags);
    default:
        return result;
    }
}

int clinux_o_path(void) { return O_PATH; }

ssize_t clinux_read_directory(int directory, void *buffer, size_t size) {
    long count;
    do {
        count = syscall(SYS_getdents64, directory, buffer, size);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (ssize_t)count;
}

int clinux_take_read_lease(int file) {
    if (fcntl(file, F_SETSIG, SIGURG) < 0) return -errno;
    return fcntl(file, F_SETLEASE, F_RDLCK) < 0 ? -errno : 0;
}

int clinux_release_lease(int file) { return fcntl(file, F_SETLEASE, F_UNLCK) < 0 ? -errno : 0; }
