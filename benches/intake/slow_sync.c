/*
 * Makes every fsync and fdatasync of the preloading process take at least KENH_SLOW_SYNC_US
 * longer, as on a disk whose cache is written through. Built and preloaded by the benchmark.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void pause_for_disk(void) {
    const char *text = getenv("KENH_SLOW_SYNC_US");
    long us = text ? strtol(text, NULL, 10) : 0;
    struct timespec wait = {us / 1000000, (us % 1000000) * 1000};
    nanosleep(&wait, NULL);
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    pause_for_disk();
    return real(fd);
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    pause_for_disk();
    return real(fd);
}
