// Preloaded into the agent: fstat and fstatat report the size STAT_SIZE for regular files whose name ends in
// STAT_SIZE_SUFFIX, as FUSE file systems and sysfs report sizes that differ from the content.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_meant(const char *name) {
    const char *suffix = getenv("STAT_SIZE_SUFFIX");
    if (!suffix) return 0;
    size_t length = strlen(name), end = strlen(suffix);
    return length >= end && strcmp(name + length - end, suffix) == 0;
}

static void resize(struct stat *status) {
    const char *size = getenv("STAT_SIZE");
    if (size && S_ISREG(status->st_mode)) status->st_size = atoll(size);
}

int fstat(int descriptor, struct stat *status) {
    int answer = ((int (*)(int, struct stat *))dlsym(RTLD_NEXT, "fstat"))(descriptor, status);
    if (answer != 0 || !S_ISREG(status->st_mode)) return answer;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return answer;
    path[length] = 0;
    if (is_meant(path)) resize(status);
    return answer;
}

int fstatat(int directory, const char *name, struct stat *status, int flags) {
    int answer = ((int (*)(int, const char *, struct stat *, int))dlsym(RTLD_NEXT, "fstatat"))(
        directory, name, status, flags);
    if (answer == 0 && is_meant(name)) resize(status);
    return answer;
}
