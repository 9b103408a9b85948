/* Stands between a process and its disk; `disk_switch.py` builds it and loads it before Python.
 *
 * It counts the changes that the process asks for below one folder, whoever asks (Python, or Rust
 * and C inside a package): creating, writing, truncating, fsync, renaming, linking, removing. At the
 * n-th it does what was asked of it: SIGKILL, with a write cut in half; SIGKILL and the loss of
 * whatever no fsync has made safe; "no space left on device", once or from there on; or a signal, perhaps again at the next change.
 * What stdio writes inside the C library itself (fwrite) doesn't pass here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { COUNT, KILL, POWER_CUT, REFUSE_ONCE, REFUSE, SIGNAL, SIGNAL_TWICE };
enum answer { GO_ON, DIE, NO_ROOM };

static char folder[PATH_MAX];
static atomic_long count, wanted;
static int action, signal_number, record = -1;
static atomic_int armed;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Files with bytes that no fsync has made safe, and how many bytes of each are. */
#define MANY 1024
static struct { dev_t device; ino_t inode; int fd; off_t safe; } unsafe[MANY];
static atomic_flag busy = ATOMIC_FLAG_INIT;
static void lock(void) { while (atomic_flag_test_and_set(&busy)) {} }
static void unlock(void) { atomic_flag_clear(&busy); }

/* Begin; `fd` takes one line for each change ("rename /a/new<tab>/a/old"), or is -1. */
void disk_switch_arm(const char *below, int what, long at, int number, int fd) {
    strncpy(folder, below, sizeof folder - 1);
    atomic_store(&count, 0);
    atomic_store(&wanted, at);
    action = what, signal_number = number, record = fd;
    atomic_store(&armed, 1);
}
/* For programs that know nothing of it: DISK_SWITCH="action at /folder", numbers as above. */
__attribute__((constructor)) static void arm_by_environment(void) {
    const char *asked = getenv("DISK_SWITCH");
    int what, begin = 0;
    long at;
    if (asked && sscanf(asked, "%d %ld %n", &what, &at, &begin) >= 2 && begin)
        disk_switch_arm(asked + begin, what, at, SIGTERM, -1);
}
void disk_switch_disarm(void) { atomic_store(&armed, 0); }
long disk_switch_count(void) { return atomic_load(&count); }

static int is_below(const char *path) {
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int name_of(int fd, char *name) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, PATH_MAX - 1);
    name[length < 0 ? 0 : length] = 0;
    return length > 0;
}

/* The path that (at, path) stands for; of the file itself where path is NULL. */
static int full_path(int at, const char *path, char *full) {
    if (path && path[0] == '/') return snprintf(full, PATH_MAX, "%s", path) < PATH_MAX;
    if (at == AT_FDCWD) {
        if (!getcwd(full, PATH_MAX)) return 0;
    } else if (!name_of(at, full)) return 0;
    size_t length = strlen(full);
    return !path || snprintf(full + length, PATH_MAX - length, "/%s", path) > 0;
}

static void lose_what_is_not_safe(void) {
    for (int i = 0; i < MANY; i++)
        if (unsafe[i].fd > 0 && REAL(ftruncate64)(unsafe[i].fd, unsafe[i].safe)) {}
}

__attribute__((noreturn)) static void die(void) {
    if (action == POWER_CUT) lose_what_is_not_safe();
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Count one change and say what becomes of it. */
static enum answer named_change(const char *kind, int at, const char *path, int from, const char *old) {
    char full[PATH_MAX], before[PATH_MAX] = "";
    if (!atomic_load(&armed)) return GO_ON;
    int error = errno, inside = full_path(at, path, full) && is_below(full);
    errno = error;
    if (!inside) return GO_ON;
    long number = atomic_fetch_add(&count, 1) + 1;
    if (record >= 0) {
        char line[2 * PATH_MAX + 32];
        if (old) full_path(from, old, before);
        int length = snprintf(line, sizeof line, "%s %s\t%s\n", kind, full, before);
        if (REAL(write)(record, line, length) < 0) _exit(99);
    }
    int removes = !strcmp(kind, "unlink") || !strcmp(kind, "rmdir");
    if (action == REFUSE && number >= wanted && !removes) return NO_ROOM;
    if (action == SIGNAL_TWICE && number == wanted + 1) kill(getpid(), signal_number);
    if (number != wanted) return GO_ON;
    if (action == SIGNAL || action == SIGNAL_TWICE) kill(getpid(), signal_number);
    if (action == REFUSE_ONCE && !removes) return NO_ROOM;
    return action == KILL || action == POWER_CUT ? DIE : GO_ON;
}

static enum answer change(const char *kind, int at, const char *path) {
    return named_change(kind, at, path, 0, NULL);
}

/* Before a file is changed: from now on its bytes beyond `safe` may be lost. */
static void becomes_unsafe(int fd) {
    struct stat status;
    if (action != POWER_CUT || !atomic_load(&armed) || fstat(fd, &status)) return;
    lock();
    int free_one = -1, known = 0;
    for (int i = 0; i < MANY && !known; i++) {
        known = unsafe[i].fd > 0 && unsafe[i].device == status.st_dev
                && unsafe[i].inode == status.st_ino;
        if (unsafe[i].fd <= 0 && free_one < 0) free_one = i;
    }
    if (!known && free_one >= 0) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        unsafe[free_one].fd = REAL(open)(link, O_RDWR | O_CLOEXEC);
        unsafe[free_one].device = status.st_dev;
        unsafe[free_one].inode = status.st_ino;
        unsafe[free_one].safe = status.st_size;
    }
    unlock();
}

static void is_safe(int fd) {
    struct stat status;
    if (action != POWER_CUT || !atomic_load(&armed) || fstat(fd, &status)) return;
    lock();
    for (int i = 0; i < MANY; i++)
        if (unsafe[i].fd > 0 && unsafe[i].device == status.st_dev
            && unsafe[i].inode == status.st_ino) {
            close(unsafe[i].fd);
            unsafe[i].fd = 0;
        }
    unlock();
}

static int is_file(int fd) {
    struct stat status;
    return fd > 2 && fd != record && !fstat(fd, &status) && S_ISREG(status.st_mode);
}

static int no_room(void) { errno = ENOSPC; return -1; }

/* A write that is cut in half when it is the one; a full disk takes the half of it that fits. */
#define WRITE(fd, half, whole)                                          \
    if (!is_file(fd)) return whole;                                     \
    enum answer answer = change("write", fd, NULL);                     \
    if (answer == NO_ROOM) { if (half) {} return no_room(); }           \
    becomes_unsafe(fd);                                                 \
    if (answer == DIE) { if (half) {} die(); }                          \
    return whole;

ssize_t write(int fd, const void *data, size_t size) {
    WRITE(fd, REAL(write)(fd, data, size / 2), REAL(write)(fd, data, size))
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    WRITE(fd, REAL(pwrite64)(fd, data, size / 2, at), REAL(pwrite64)(fd, data, size, at))
}
ssize_t writev(int fd, const struct iovec *pieces, int number) {
    WRITE(fd, REAL(writev)(fd, pieces, number / 2), REAL(writev)(fd, pieces, number))
}
int ftruncate64(int fd, off64_t size) { WRITE(fd, 0, REAL(ftruncate64)(fd, size)) }
int ftruncate(int fd, off_t size) { WRITE(fd, 0, REAL(ftruncate)(fd, size)) }

#define SYNC(name)                                                      \
    int name(int fd) {                                                  \
        enum answer answer = change(#name, fd, NULL);                   \
        if (answer == DIE) die();                                       \
        if (answer == NO_ROOM) return no_room();                        \
        int result = REAL(name)(fd);                                    \
        is_safe(fd);                                                    \
        return result;                                                  \
    }
SYNC(fsync)
SYNC(fdatasync)

#define NAMES(kind, at, path, call) BOTH(kind, at, path, 0, NULL, call)
#define BOTH(kind, at, path, from, old, call)                           \
    switch (named_change(kind, at, path, from, old)) {                       \
    case DIE: die();                                                    \
    case NO_ROOM: return no_room();                                     \
    default: return call;                                               \
    }
int rename(const char *a, const char *b) {
    BOTH("rename", AT_FDCWD, b, AT_FDCWD, a, REAL(rename)(a, b))
}
int renameat(int p, const char *a, int q, const char *b) {
    BOTH("rename", q, b, p, a, REAL(renameat)(p, a, q, b))
}
int renameat2(int p, const char *a, int q, const char *b, unsigned flags) {
    BOTH("rename", q, b, p, a, REAL(renameat2)(p, a, q, b, flags))
}
int link(const char *a, const char *b) {
    BOTH("link", AT_FDCWD, b, AT_FDCWD, a, REAL(link)(a, b))
}
int linkat(int p, const char *a, int q, const char *b, int flags) {
    BOTH("link", q, b, p, a, REAL(linkat)(p, a, q, b, flags))
}
int symlink(const char *a, const char *b) { NAMES("link", AT_FDCWD, b, REAL(symlink)(a, b)) }
int unlink(const char *a) { NAMES("unlink", AT_FDCWD, a, REAL(unlink)(a)) }
int unlinkat(int p, const char *a, int flags) {
    NAMES(flags & AT_REMOVEDIR ? "rmdir" : "unlink", p, a, REAL(unlinkat)(p, a, flags))
}
int rmdir(const char *a) { NAMES("rmdir", AT_FDCWD, a, REAL(rmdir)(a)) }
/* What is there already is no change. */
static int is_there(int at, const char *path) {
    int error = errno, found = !faccessat(at, path, F_OK, AT_SYMLINK_NOFOLLOW);
    errno = error;
    return found;
}
int mkdirat(int p, const char *a, mode_t mode) {
    if (is_there(p, a)) return REAL(mkdirat)(p, a, mode);
    NAMES("mkdir", p, a, REAL(mkdirat)(p, a, mode))
}
int mkdir(const char *a, mode_t mode) { return mkdirat(AT_FDCWD, a, mode); }

#define OPEN(name, at, before, given)                                   \
    int name before {                                                   \
        mode_t mode = 0;                                                \
        if (flags & (O_CREAT | O_TRUNC)) {                              \
            va_list rest;                                               \
            va_start(rest, flags);                                      \
            if (flags & O_CREAT) mode = va_arg(rest, mode_t);           \
            va_end(rest);                                               \
            if (flags & O_TRUNC || !is_there(at, path)) {               \
                enum answer answer = change("create", at, path);        \
                if (answer == DIE) die();                               \
                if (answer == NO_ROOM) return no_room();                \
            }                                                           \
        }                                                               \
        return REAL(name) given;                                        \
    }
OPEN(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, at, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPEN(openat64, at, (int at, const char *path, int flags, ...), (at, path, flags, mode))
