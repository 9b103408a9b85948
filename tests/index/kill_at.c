/* Loaded before a process: counts what it changes on the disk, whoever asks for it (Python or the
 * Rust inside LanceDB), and ends the process with SIGKILL at the n-th change. A write is cut in half.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long count;
static atomic_long wanted = -1;

void kill_at_start(long n) { atomic_store(&count, 0); atomic_store(&wanted, n); }
long kill_at_count(void) { return atomic_load(&count); }

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

/* 1 when this change is the one */
static int reached(void) {
    if (atomic_load(&wanted) < 0) return 0;
    return atomic_fetch_add(&count, 1) + 1 == atomic_load(&wanted);
}

static int is_file(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
    if (is_file(fd) && reached()) { REAL(write)(fd, data, size / 2); die(); }
    return REAL(write)(fd, data, size);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    if (is_file(fd) && reached()) { REAL(pwrite64)(fd, data, size / 2, at); die(); }
    return REAL(pwrite64)(fd, data, size, at);
}
int fsync(int fd) { if (reached()) die(); return REAL(fsync)(fd); }
int fdatasync(int fd) { if (reached()) die(); return REAL(fdatasync)(fd); }
int ftruncate64(int fd, off64_t size) { if (reached()) die(); return REAL(ftruncate64)(fd, size); }
int rename(const char *a, const char *b) { if (reached()) die(); return REAL(rename)(a, b); }
int renameat(int p, const char *a, int q, const char *b) {
    if (reached()) die();
    return REAL(renameat)(p, a, q, b);
}
int link(const char *a, const char *b) { if (reached()) die(); return REAL(link)(a, b); }
int linkat(int p, const char *a, int q, const char *b, int flags) {
    if (reached()) die();
    return REAL(linkat)(p, a, q, b, flags);
}
int unlink(const char *a) { if (reached()) die(); return REAL(unlink)(a); }
int unlinkat(int p, const char *a, int flags) {
    if (reached()) die();
    return REAL(unlinkat)(p, a, flags);
}
int rmdir(const char *a) { if (reached()) die(); return REAL(rmdir)(a); }
int mkdir(const char *a, mode_t mode) { if (reached()) die(); return REAL(mkdir)(a, mode); }

#define OPEN(name, before, given, flags)                                                            \
    int name before {                                                                              \
        mode_t mode = 0;                                                                           \
        if (flags & O_CREAT) {                                                                     \
            va_list rest;                                                                          \
            va_start(rest, flags);                                                                 \
            mode = va_arg(rest, mode_t);                                                           \
            va_end(rest);                                                                          \
            if (reached()) die();                                                                  \
        }                                                                                          \
        return REAL(name) given;                                                                   \
    }
OPEN(open, (const char *path, int flags, ...), (path, flags, mode), flags)
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), flags)
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), flags)
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode), flags)
