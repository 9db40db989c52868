// Has reads of sealed files fail as a disk with a bad sector has them fail. The file named by HM_BAD_SECTORS says where: a
// part of the path, and the first byte that is bad and the first one after it that is not.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef ssize_t (*reading)(int, void *, size_t);

ssize_t read(int fd, void *buffer, size_t length) {
    static reading really;
    if (!really) really = (reading)dlsym(RTLD_NEXT, "read");
    char link[64], path[4096] = "", line[4200] = "", part[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t named = readlink(link, path, sizeof path - 1);
    const char *told = getenv("HM_BAD_SECTORS");
    if (named <= 0 || !told || !strstr(path, ".sealed")) return really(fd, buffer, length);
    int list = open(told, O_RDONLY | O_CLOEXEC);
    if (list < 0) return really(fd, buffer, length);
    ssize_t got = really(list, line, sizeof line - 1);
    close(list);
    long long from, to, at = lseek(fd, 0, SEEK_CUR);
    if (got <= 0 || sscanf(line, "%4095s %lld %lld", part, &from, &to) != 3 || !strstr(path, part)) {
        return really(fd, buffer, length);
    }
    if (at >= to || at + (long long)length <= from) return really(fd, buffer, length);
    if (at < from) return really(fd, buffer, (size_t)(from - at));
    errno = EIO;
    return -1;
}
