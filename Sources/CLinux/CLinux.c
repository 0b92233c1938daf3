#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <sys/ioctl.h>

// Own names for what <linux/openat2.h> has, so that older kernel headers will do (openat2(2)).
struct resolve_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};
#define RESOLVE_HOW_NO_XDEV 0x01
#define RESOLVE_HOW_NO_MAGICLINKS 0x02
#define RESOLVE_HOW_NO_SYMLINKS 0x04
#define RESOLVE_HOW_BENEATH 0x08
#define RESOLVE_HOW_CACHED 0x20

#ifndef SYS_openat2
#define SYS_openat2 437 // the same on every architecture
#endif

static const int step_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

typedef int (*opener)(int directory, const char *name, int flags);

static int resolve(int directory, const char *path, int flags, uint64_t how_to_resolve) {
    struct resolve_how how;
    memset(&how, 0, sizeof how);
    how.flags = (uint64_t)(unsigned int)flags;
    how.resolve = how_to_resolve;
    long descriptor;
    do {
        descriptor = syscall(SYS_openat2, directory, path, &how, sizeof how);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : (int)descriptor;
}

static const uint64_t beneath = RESOLVE_HOW_BENEATH | RESOLVE_HOW_NO_SYMLINKS | RESOLVE_HOW_NO_MAGICLINKS;

static int by_openat2(int directory, const char *path, int flags) { return resolve(directory, path, flags, beneath); }

static int by_cached_openat2(int directory, const char *path, int flags) {
    return resolve(directory, path, flags, beneath | RESOLVE_HOW_NO_XDEV | RESOLVE_HOW_CACHED);
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

int clinux_open_folder_cached(const char *path) {
    return resolve(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_HOW_CACHED);
}

int clinux_open_beneath_cached(int directory, const char *path, size_t length, int flags) {
    if (length >= PATH_MAX) return -ENAMETOOLONG;
    if (has_dots(path, length)) return -EXDEV;
    return open_in_pieces(by_cached_openat2, PATH_MAX - 2, directory, path, length, flags);
}

int clinux_device_cached(int file, uint64_t *device) {
    struct statx status;
    if (statx(file, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &status) < 0) return -errno;
    *device = makedev(status.stx_dev_major, status.stx_dev_minor);
    return 0;
}

ssize_t clinux_read_cached(int file, void *buffer, size_t size, off_t offset) {
    struct iovec piece = {.iov_base = buffer, .iov_len = size};
    ssize_t count = preadv2(file, &piece, 1, offset, RWF_NOWAIT);
    return count < 0 ? -errno : count;
}

int clinux_is_local(int file) {
    struct statfs system;
    if (fstatfs(file, &system) < 0) return 0;
    switch ((unsigned long)system.f_type & 0xFFFFFFFF) {
    case 0xEF53:     // ext2, ext3, ext4
    case 0x58465342: // xfs
    case 0x9123683E: // btrfs
    case 0xF2F52010: // f2fs
    case 0x2FC12FC1: // zfs
    case 0x01021994: // tmpfs
        return 1;
    default:
        return 0;
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

int clinux_event_descriptor(void) {
    int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int clinux_inotify(void) {
    int descriptor = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int clinux_watch_directory(int inotify, int directory, uint32_t mask) {
    char path[sizeof "/proc/self/fd/" + 12];
    snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
    int watch = inotify_add_watch(inotify, path, mask | IN_ONLYDIR);
    return watch < 0 ? -errno : watch;
}

int clinux_file_system(int file, uint64_t *kind) {
    struct statfs system;
    if (fstatfs(file, &system) < 0) return -errno;
    *kind = (unsigned long)system.f_type & 0xFFFFFFFF;
    return 0;
}

int clinux_file_system_id(int file, uint64_t *kind, uint64_t *identity) {
    struct statfs system;
    if (fstatfs(file, &system) < 0) return -errno;
    *kind = (unsigned long)system.f_type & 0xFFFFFFFF;
    memcpy(identity, &system.f_fsid, sizeof *identity);
    return 0;
}

// struct xfs_fsop_geom_v1 of <xfs/xfs_fs.h>, which is part of the kernel's interface and not of its installed headers.
struct xfs_geometry {
    uint32_t sizes[8];
    uint64_t blocks[4];
    unsigned char uuid[16];
    uint32_t rest[8];
};

int clinux_xfs_uuid(int directory, unsigned char *uuid) {
    struct xfs_geometry geometry;
    if (ioctl(directory, _IOR('X', 100, struct xfs_geometry), &geometry) < 0) return -errno;
    memcpy(uuid, geometry.uuid, sizeof geometry.uuid);
    return 0;
}

int clinux_take_read_lease(int file) {
    if (fcntl(file, F_SETSIG, SIGURG) < 0) return -errno;
    return fcntl(file, F_SETLEASE, F_RDLCK) < 0 ? -errno : 0;
}

int clinux_release_lease(int file) { return fcntl(file, F_SETLEASE, F_UNLCK) < 0 ? -errno : 0; }

static volatile sig_atomic_t signal_descriptor = -1;

// Only what is allowed in a handler (signal-safety(7)).
static void tell_signal(int signal) {
    int kept = errno;
    unsigned char number = (unsigned char)signal;
    ssize_t written = write(signal_descriptor, &number, 1);
    (void)written; // a full pipe has told of enough signals
    errno = kept;
}

int clinux_tell_signal(int signal, int descriptor) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = tell_signal;
    action.sa_flags = SA_RESTART;
    signal_descriptor = descriptor;
    return sigaction(signal, &action, NULL) == 0 ? 0 : -errno;
}

int clinux_forbid_dump(void) {
    const struct rlimit none = {0, 0};
    int limited = setrlimit(RLIMIT_CORE, &none) == 0 ? 0 : -errno;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? limited : -errno;
}
