/* Counts, fails or kills at the k-th call that changes something below a folder.

   Preloaded (LD_PRELOAD) it stands between the program and the C library for every call that
   makes, writes, flushes, renames, cuts or removes a file. It does nothing until a process calls
   faults_arm; what a fork inherits stays armed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { KILL = -1, TORN = -2 };

static char below[4096];
static size_t below_length;
static long at, seen;
static int fault, log_fd = -1;

/* fault: 0 only counts, an errno fails the call, -1 kills before it, -2 kills after half a write */
void faults_arm(const char *folder, long k, int what, const char *log)
{
    snprintf(below, sizeof below, "%s", folder);
    at = k, fault = what, seen = 0;
    log_fd = log[0] ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    below_length = strlen(below);
}

static int is_below(const char *path)
{
    return !strncmp(path, below, below_length) &&
           (path[below_length] == '/' || path[below_length] == '\0');
}

static void link_of(int fd, char *into, size_t size)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlink, name, into, size - 1);
    into[length < 0 ? 0 : length] = '\0';
}

static void whole_path(int folder, const char *path, char *into, size_t size)
{
    char start[4096] = "";
    if (path == NULL) {
        link_of(folder, into, size);
        return;
    }
    if (path[0] != '/') {
        if (folder == AT_FDCWD)
            syscall(SYS_getcwd, start, sizeof start);
        else
            link_of(folder, start, sizeof start);
        strncat(start, "/", sizeof start - strlen(start) - 1);
    }
    snprintf(into, size, "%s%s", start, path);
}

/* What is to become of this call: 0 nothing, else the fault. */
static int met(const char *call, int folder, const char *path)
{
    char whole[8192], line[8400];
    if (!below_length)
        return 0;
    int before = errno;
    whole_path(folder, path, whole, sizeof whole);
    errno = before;
    if (!is_below(whole))
        return 0;
    long number = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    if (log_fd >= 0) {
        int length = snprintf(line, sizeof line, "%s %s\n", call, whole);
        syscall(SYS_write, log_fd, line, (size_t)length);
    }
    if (number != at)
        return 0;
    if (fault == KILL)
        kill(getpid(), SIGKILL);
    return fault;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))
#define STOP(call, folder, path)                                                                   \
    do {                                                                                           \
        int found = met(call, folder, path);                                                       \
        if (found > 0) {                                                                           \
            errno = found;                                                                         \
            return -1;                                                                             \
        }                                                                                          \
    } while (0)
#define CHANGES(flags) ((flags) & (O_CREAT | O_WRONLY | O_RDWR))

#define READ_MODE                                                                                  \
    va_list rest;                                                                                  \
    va_start(rest, flags);                                                                         \
    mode_t mode = va_arg(rest, mode_t);                                                            \
    va_end(rest)

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        READ_MODE;                                                                                 \
        if (CHANGES(flags))                                                                        \
            STOP("open", AT_FDCWD, path);                                                          \
        return REAL(int, #name, const char *, int, mode_t)(path, flags, mode);                     \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
    int name(int folder, const char *path, int flags, ...)                                         \
    {                                                                                              \
        READ_MODE;                                                                                 \
        if (CHANGES(flags))                                                                        \
            STOP("open", folder, path);                                                            \
        return REAL(int, #name, int, const char *, int, mode_t)(folder, path, flags, mode);        \
    }
OPENAT(openat)
OPENAT(openat64)

/* As STOP, for writes: half of one, then the end. */
#define STOP_WRITE(half)                                                                           \
    do {                                                                                           \
        int found = met("write", fd, NULL);                                                        \
        if (found == TORN) {                                                                       \
            half;                                                                                  \
            kill(getpid(), SIGKILL);                                                               \
        }                                                                                          \
        if (found > 0) {                                                                           \
            errno = found;                                                                         \
            return -1;                                                                             \
        }                                                                                          \
    } while (0)

ssize_t write(int fd, const void *data, size_t size)
{
    STOP_WRITE(syscall(SYS_write, fd, data, size / 2));
    return REAL(ssize_t, "write", int, const void *, size_t)(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    STOP_WRITE(syscall(SYS_write, fd, parts[0].iov_base, parts[0].iov_len / 2));
    return REAL(ssize_t, "writev", int, const struct iovec *, int)(fd, parts, count);
}

#define PWRITE(name)                                                                               \
    ssize_t name(int fd, const void *data, size_t size, off64_t offset)                            \
    {                                                                                              \
        STOP_WRITE(syscall(SYS_pwrite64, fd, data, size / 2, offset));                             \
        return REAL(ssize_t, #name, int, const void *, size_t, off64_t)(fd, data, size, offset);   \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define ON_FILE(name, call)                                                                        \
    int name(int fd)                                                                               \
    {                                                                                              \
        STOP(call, fd, NULL);                                                                      \
        return REAL(int, #name, int)(fd);                                                          \
    }
ON_FILE(fsync, "fsync")
ON_FILE(fdatasync, "fsync")

#define TRUNCATE(name)                                                                             \
    int name(int fd, off64_t size)                                                                 \
    {                                                                                              \
        STOP("ftruncate", fd, NULL);                                                               \
        return REAL(int, #name, int, off64_t)(fd, size);                                           \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

int rename(const char *from, const char *to)
{
    STOP("rename", AT_FDCWD, to);
    return REAL(int, "rename", const char *, const char *)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    STOP("rename", to_folder, to);
    return REAL(int, "renameat", int, const char *, int, const char *)(from_folder, from, to_folder, to);
}

int unlink(const char *path)
{
    STOP("unlink", AT_FDCWD, path);
    return REAL(int, "unlink", const char *)(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    STOP("unlink", folder, path);
    return REAL(int, "unlinkat", int, const char *, int)(folder, path, flags);
}

int rmdir(const char *path)
{
    STOP("unlink", AT_FDCWD, path);
    return REAL(int, "rmdir", const char *)(path);
}

int mkdir(const char *path, mode_t mode)
{
    STOP("mkdir", AT_FDCWD, path);
    return REAL(int, "mkdir", const char *, mode_t)(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    STOP("mkdir", folder, path);
    return REAL(int, "mkdirat", int, const char *, mode_t)(folder, path, mode);
}
