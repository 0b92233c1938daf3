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

/// getdents64(2): the number of bytes filled, 0 at the end of the directory.
ssize_t clinux_read_directory(int directory, void *buffer, size_t size);

/// Takes a read lease on `file` (fcntl(2), F_SETLEASE): 0 where the kernel grants it, which it does only while
/// nobody has the file open for writing or mapped writable. -EAGAIN where somebody has.
/// A break of the lease is announced with SIGURG, which is ignored by default; the default of SIGIO would be to kill.
int clinux_take_read_lease(int file);

/// Gives the lease back.
int clinux_release_lease(int file);

#endif
