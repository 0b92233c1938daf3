// Preloaded into the program: while the file FAILING_DISK_SWITCH exists, what is written below FAILING_DISK_FOLDER fails
// with the errno that the file holds, as on a disk that breaks or is mounted read-only by its kernel.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int failing(int descriptor) {
    const char *file = getenv("FAILING_DISK_SWITCH"), *folder = getenv("FAILING_DISK_FOLDER");
    if (!file || !folder || access(file, F_OK) != 0) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder)) != 0) return 0;
    FILE *stream = fopen(file, "re");
    int code = EIO;
    if (stream) {
        if (fscanf(stream, "%d", &code) != 1) code = EIO;
        fclose(stream);
    }
    return code;
}

#define REAL(name, type, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))
#define REFUSE(descriptor) \
    do { int code = failing(descriptor); if (code) { errno = code; return -1; } } while (0)

ssize_t write(int d, const void *b, size_t n) {
    REFUSE(d);
    return REAL("write", ssize_t, int, const void *, size_t)(d, b, n);
}
ssize_t pwrite(int d, const void *b, size_t n, off_t o) {
    REFUSE(d);
    return REAL("pwrite", ssize_t, int, const void *, size_t, off_t)(d, b, n, o);
}
ssize_t pwrite64(int d, const void *b, size_t n, off64_t o) {
    REFUSE(d);
    return REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t)(d, b, n, o);
}
int fsync(int d) {
    REFUSE(d);
    return REAL("fsync", int, int)(d);
}
int fdatasync(int d) {
    REFUSE(d);
    return REAL("fdatasync", int, int)(d);
}
int ftruncate64(int d, off64_t n) {
    REFUSE(d);
    return REAL("ftruncate64", int, int, off64_t)(d, n);
}
