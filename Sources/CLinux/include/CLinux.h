// System calls, and constants, that Swift's Glibc module does not have. Every function returns a negative errno on
// failure, since errno itself does not survive the way through Swift's runtime for certain.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Opens the file that `path` names beneath `directory`, following no symbolic link in any component.
///
/// `path` is `length` bytes of names joined by single slashes, without NUL; it may be longer than PATH_MAX.
/// "." and ".." as a component are refused with -EXDEV. Uses openat2 (RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS,
/// RESOLVE_NO_MAGICLINKS), or openat by component where the kernel or a seccomp filter does not allow it.
/// O_CLOEXEC and O_NOFOLLOW are always added. With O_PATH a link as the last component is opened itself.
int clinux_open_beneath(int directory, const char *path, size_t length, int flags);

/// The same without openat2, one component after the other.
int clinux_open_beneath_stepwise(int directory, const char *path, size_t length, int flags);

/// O_PATH of open(2).
int clinux_o_path(void);

/// Whatever follows with "cached" in its name answers from the kernel's caches or fails, and so never waits for a
/// disk or a server: -EAGAIN where it would have to wait; other errors mean no more than "ask the slow way".
///
/// Opens a directory as a place (O_PATH), links followed: openat2 with RESOLVE_CACHED, Linux 5.12.
int clinux_open_folder_cached(const char *path);

/// clinux_open_beneath from the cache, within one mount (RESOLVE_NO_XDEV), for paths shorter than PATH_MAX.
int clinux_open_beneath_cached(int directory, const char *path, size_t length, int flags);

/// The device number of an open file as makedev(3) has it (statx with AT_STATX_DONT_SYNC); 0, or a negative errno.
int clinux_device_cached(int file, uint64_t *device);

/// pread(2) from the page cache (preadv2 with RWF_NOWAIT).
ssize_t clinux_read_cached(int file, void *buffer, size_t size, off_t offset);

/// Whether an open file lies on a file system of this machine (ext, xfs, btrfs, f2fs, zfs, tmpfs), where what is
/// cached needs no server to confirm it. May wait (fstatfs).
int clinux_is_local(int file);

/// getdents64(2): the number of bytes filled, 0 at the end of the directory.
ssize_t clinux_read_directory(int directory, void *buffer, size_t size);

/// eventfd(2), non-blocking and closed on exec: a descriptor with which one thread wakes another out of poll(2).
int clinux_event_descriptor(void);

/// inotify_init1(2), non-blocking and closed on exec.
int clinux_inotify(void);

/// inotify_add_watch(2) on an open directory (O_PATH will do), by way of /proc/self/fd, so that no name on the way
/// to it can lead elsewhere meanwhile. -ENOENT where /proc is not mounted.
int clinux_watch_directory(int inotify, int directory, uint32_t mask);

/// The kind of file system that an open file lies on, as statfs(2) numbers it (f_type); 0, or a negative errno.
int clinux_file_system(int file, uint64_t *kind);

/// Its kind, and its identity as statfs(2) has it in f_fsid; 0, or a negative errno.
int clinux_file_system_id(int file, uint64_t *kind, uint64_t *identity);

/// The UUID of the XFS file system of an open directory (ioctl_xfs_fsgeometry(2)), 16 bytes; 0, or a negative errno.
int clinux_xfs_uuid(int directory, unsigned char *uuid);

/// Takes a read lease on `file` (fcntl(2), F_SETLEASE): 0 where the kernel grants it, which it does only while
/// nobody has the file open for writing or mapped writable. -EAGAIN where somebody has.
/// A break of the lease is announced with SIGURG, which is ignored by default; the default of SIGIO would be to kill.
int clinux_take_read_lease(int file);

/// Gives the lease back.
int clinux_release_lease(int file);

/// Has each coming of `signal` written to `descriptor` as one byte, its number, instead of what it does by default;
/// 0, or a negative errno. One descriptor, non-blocking, for all signals of the process.
int clinux_tell_signal(int signal, int descriptor);

/// Forbids core dumps of this process, and reading its memory without privileges (prctl(2), PR_SET_DUMPABLE). The
/// limit beside it (setrlimit(2), RLIMIT_CORE) is one more bar before the same door; 0, or a negative errno.
int clinux_forbid_dump(void);

#endif
