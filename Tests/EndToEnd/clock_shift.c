/*
 * The wall clock of one program, shifted: a library to be preloaded (man 8 ld.so, LD_PRELOAD). $CLOCK_SHIFT_FILE holds
 * the shift as 8 bytes, in nanoseconds; it is mapped, so that it can be set while the program runs.
 *
 * libfaketime (0.9.10) does not serve here. It shifts CLOCK_BOOTTIME together with the wall clock, even where monotonic
 * clocks are to stay true, while the kernel's timers on that clock do not follow: every wait of a Swift program would
 * end at once, or never. And it sets a variable as it is loaded, which moves the environment, by whose place Swift's
 * runtime finds the program's arguments.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("CLOCK_SHIFT_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) _exit(99);
    void *map = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) _exit(99);
    close(file);
    shift = map;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result != 0 || !shift || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
    int64_t nanoseconds = time->tv_nsec + *shift % 1000000000;
    time->tv_sec += *shift / 1000000000 + (nanoseconds >= 1000000000) - (nanoseconds < 0);
    time->tv_nsec = nanoseconds + (nanoseconds < 0 ? 1000000000 : nanoseconds >= 1000000000 ? -1000000000 : 0);
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec time;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &time) != 0) return -1;
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}
