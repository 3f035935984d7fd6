/* A C library that fails: put before the real one with LD_PRELOAD, for calls below one directory. Needs plain system calls:
 * run the engine with IoMode::threads.
 *
 *   AETHER_FAULT_HOME   the directory; calls elsewhere are passed on
 *   AETHER_FAULT_STATE  a file of 16 bytes that gets two 64-bit numbers: matching calls so far, faults that struck
 *   AETHER_FAULT_CALL   any of read write sync alloc name (open that makes a file, mkdir, rename, unlink), comma-separated
 *   AETHER_FAULT_FILE   only paths that contain this
 *   AETHER_FAULT_AT     the n-th matching call, from 1
 *   AETHER_FAULT_DO     eio enospc       it fails; every later one too, with AETHER_FAULT_STICKY
 *                       short eintr      every second one from the n-th on moves less, or is interrupted
 *                       kill             the process dies before the call
 *                       tear garbage     a write reaches the disk in part (the rest old, or random bytes), then the power goes
 *                       powercut         the power goes: what is not synced is as before, also names
 *                       powercut_some    the same, but each sector and size that is not synced is old or new by chance
 *                       fsyncgate        a sync fails, and what it should have saved is lost at a later power cut, although
 *                                        reads see it and later syncs "succeed"
 *   AETHER_FAULT_SEED   for the chances
 *   AETHER_FAULT_DEAF   syncs of files whose path contains this do nothing, and say that they did: to see that tests notice
 *
 * The program may end with aether_fault_power_cut(). What "the power goes" leaves is stricter than ext4: a name (file,
 * directory, rename, removal) is durable only after fsync of its directory, as POSIX has it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, FDS = 4096 };
enum kind { READ = 1, WRITE = 2, SYNC = 4, ALLOC = 8, NAME = 16 };

struct file {
  dev_t device;
  ino_t inode;
  int raw; /* A descriptor of ours; keeps the file alive when it is unlinked. */
  off_t durable_size;
  struct file* next;
};

/* A change of a file's bytes that no sync has saved. */
struct write_op {
  struct file* file;
  off_t offset;
  size_t size;
  size_t old_size; /* So many of the bytes were there. */
  char* old;
  int lost; /* Its sync has failed: none saves it any more. */
  struct write_op* older;
};

/* A change of a directory that no fsync has saved. */
struct name_op {
  enum { CREATED, RENAMED, REMOVED } what;
  char path[PATH_MAX]; /* The name that came, or went. */
  char from[PATH_MAX];
  char saved[PATH_MAX]; /* What the name had led to; empty: nothing. */
  struct name_op* older;
};

static struct {
  ssize_t (*pread)(int, void*, size_t, off_t);
  ssize_t (*pwrite)(int, const void*, size_t, off_t);
  int (*fdatasync)(int);
  int (*fsync)(int);
  int (*fallocate)(int, int, off_t, off_t);
  int (*ftruncate)(int, off_t);
  int (*openat)(int, const char*, int, ...);
  int (*close)(int);
  int (*rename)(const char*, const char*);
  int (*unlink)(const char*);
  int (*remove)(const char*);
  int (*mkdir)(const char*, mode_t);
} real;

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static const char* home;
static const char* action = "";
static const char* only_file = "";
static const char* deaf;
static unsigned kinds;
static uint64_t at;
static int sticky;
static uint64_t random_state = 1;
static volatile uint64_t* state; /* Calls, faults. */
static uint64_t here[2];
static struct file* files;
static struct write_op* writes;
static struct name_op* names;
static char paths[FDS][256]; /* Of tracked descriptors; empty: not one. */
static unsigned saved_count;

static uint64_t draw(void) {
  random_state += 0x9e3779b97f4a7c15u;
  uint64_t x = random_state;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static int is(const char* word) { return strcmp(action, word) == 0; }

static unsigned kinds_of(const char* text) {
  static const struct {
    const char* word;
    unsigned kind;
  } table[] = {{"read", READ}, {"write", WRITE}, {"sync", SYNC}, {"alloc", ALLOC}, {"name", NAME}};
  unsigned all = 0;
  for (size_t i = 0; i < sizeof table / sizeof *table; ++i) {
    if (strstr(text, table[i].word) != NULL) all |= table[i].kind;
  }
  return all;
}

__attribute__((constructor)) static void begin(void) {
  real.pread = (ssize_t(*)(int, void*, size_t, off_t))dlsym(RTLD_NEXT, "pread64");
  real.pwrite = (ssize_t(*)(int, const void*, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
  real.fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  real.fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  real.fallocate = (int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate64");
  real.ftruncate = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate64");
  real.openat = (int (*)(int, const char*, int, ...))dlsym(RTLD_NEXT, "openat64");
  real.close = (int (*)(int))dlsym(RTLD_NEXT, "close");
  real.rename = (int (*)(const char*, const char*))dlsym(RTLD_NEXT, "rename");
  real.unlink = (int (*)(const char*))dlsym(RTLD_NEXT, "unlink");
  real.remove = (int (*)(const char*))dlsym(RTLD_NEXT, "remove");
  real.mkdir = (int (*)(const char*, mode_t))dlsym(RTLD_NEXT, "mkdir");
  state = here;
  home = getenv("AETHER_FAULT_HOME");
  if (home == NULL) return;
  const char* text = getenv("AETHER_FAULT_DO");
  if (text != NULL) action = text;
  if ((text = getenv("AETHER_FAULT_FILE")) != NULL) only_file = text;
  deaf = getenv("AETHER_FAULT_DEAF");
  if ((text = getenv("AETHER_FAULT_CALL")) != NULL) kinds = kinds_of(text);
  if ((text = getenv("AETHER_FAULT_AT")) != NULL) at = strtoull(text, NULL, 10);
  if ((text = getenv("AETHER_FAULT_SEED")) != NULL) random_state = strtoull(text, NULL, 10);
  sticky = getenv("AETHER_FAULT_STICKY") != NULL;
  const char* where = getenv("AETHER_FAULT_STATE");
  const int fd = where == NULL ? -1 : real.openat(AT_FDCWD, where, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* shared = mmap(NULL, sizeof here, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared != MAP_FAILED) state = shared;
  real.close(fd);
}

/* --- what is not synced --------------------------------------------------------------------------------- */

static int is_ours(const char* path) {
  return home != NULL && strncmp(path, home, strlen(home)) == 0;
}
static const char* path_of(int fd) {
  return fd >= 0 && fd < FDS && paths[fd][0] != 0 ? paths[fd] : NULL;
}

static struct file* file_of(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return NULL;
  for (struct file* f = files; f != NULL; f = f->next) {
    if (f->device == info.st_dev && f->inode == info.st_ino) return f;
  }
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  struct file* made = calloc(1, sizeof *made);
  made->device = info.st_dev;
  made->inode = info.st_ino;
  made->raw = real.openat(AT_FDCWD, link, O_RDWR | O_CLOEXEC);
  made->durable_size = info.st_size;
  made->next = files;
  files = made;
  return made;
}

static void remember_bytes(int fd, off_t offset, size_t size) {
  struct write_op* op = calloc(1, sizeof *op);
  op->file = file_of(fd);
  op->offset = offset;
  op->size = size;
  op->old = malloc(size);
  const ssize_t got = real.pread(op->file->raw, op->old, size, offset);
  op->old_size = got > 0 ? (size_t)got : 0;
  op->older = writes;
  writes = op;
}

/* `saved` is on the disk now: where a lost write has touched the same bytes, nothing older comes back. */
static void settle(const struct write_op* saved) {
  for (struct write_op* op = writes; op != NULL; op = op->older) {
    if (op->file != saved->file || !op->lost) continue;
    off_t from = op->offset > saved->offset ? op->offset : saved->offset;
    off_t end = op->offset + (off_t)op->old_size;
    if (saved->offset + (off_t)saved->size < end) end = saved->offset + (off_t)saved->size;
    if (from >= end) continue;
    if (real.pread(op->file->raw, op->old + (from - op->offset), (size_t)(end - from), from) < 0)
      abort();
  }
}

static void forget_bytes(struct file* file) {
  for (struct write_op** p = &writes; *p != NULL;) {
    struct write_op* op = *p;
    if (op->file != file || op->lost) {
      p = &op->older;
      continue;
    }
    settle(op);
    *p = op->older;
    free(op->old);
    free(op);
  }
  struct stat info;
  if (fstat(file->raw, &info) == 0) file->durable_size = info.st_size;
}

/* Keeps what a name leads to, in case the name comes back. */
static void save_name(const char* path, char* saved) {
  saved[0] = 0;
  struct stat info;
  if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode)) return;
  snprintf(saved, PATH_MAX, "%s.saved.%d.%u", getenv("AETHER_FAULT_STATE"), (int)getpid(),
           saved_count++);
  if (link(path, saved) != 0) saved[0] = 0;
}

static struct name_op* remember_name(int what, const char* path) {
  struct name_op* op = calloc(1, sizeof *op);
  op->what = what;
  snprintf(op->path, sizeof op->path, "%s", path);
  op->older = names;
  names = op;
  return op;
}

static void forget_name(struct name_op* op) {
  struct name_op** p = &names;
  while (*p != op) p = &(*p)->older;
  *p = op->older;
  if (op->saved[0] != 0) real.unlink(op->saved);
  free(op);
}

static int lies_in(const char* path, const char* directory) {
  const size_t length = strlen(directory);
  return strncmp(path, directory, length) == 0 && path[length] == '/' &&
         strchr(path + length + 1, '/') == NULL;
}

static void forget_names(const char* directory) {
  for (struct name_op *op = names, *older; op != NULL; op = older) {
    older = op->older;
    if (lies_in(op->path, directory)) forget_name(op);
  }
}

/* --- the power goes ------------------------------------------------------------------------------------- */

/* Of a sector that was written more than once, the newest version that stays hides the older ones. */
static unsigned char* kept;
static off_t kept_from, kept_sectors;

static void put_back(const struct write_op* op, int by_chance) {
  for (size_t done = 0; done < op->size;) {
    const off_t position = op->offset + (off_t)done;
    size_t piece = SECTOR - (size_t)(position % SECTOR);
    if (piece > op->size - done) piece = op->size - done;
    const off_t sector = position / SECTOR - kept_from;
    int keep = by_chance && !op->lost && draw() % 2 == 0;
    if (sector >= 0 && sector < kept_sectors) {
      if (kept[sector]) keep = 1;
      if (keep) kept[sector] = 1;
    }
    if (!keep && done < op->old_size) {
      const size_t there = op->old_size - done < piece ? op->old_size - done : piece;
      if (real.pwrite(op->file->raw, op->old + done, there, position) < 0) abort();
    }
    done += piece;
  }
}

static void put_file_back(struct file* file, int by_chance) {
  struct stat info;
  if (fstat(file->raw, &info) != 0) return;
  kept_sectors = info.st_size / SECTOR + 1;
  kept = calloc(1, (size_t)kept_sectors);
  for (struct write_op* op = writes; op != NULL; op = op->older) {
    if (op->file == file) put_back(op, by_chance);
  }
  const int keeps_size = by_chance && draw() % 2 == 0;
  if (!keeps_size && info.st_size != file->durable_size &&
      real.ftruncate(file->raw, file->durable_size) != 0)
    abort();
  free(kept);
}

static void put_name_back(const struct name_op* op) {
  char command[PATH_MAX + 16];
  switch (op->what) {
    case CREATED:
      snprintf(command, sizeof command, "rm -rf '%s'", op->path);
      unsetenv("LD_PRELOAD");
      if (real.remove(op->path) != 0 && system(command) != 0) abort();
      break;
    case RENAMED: real.rename(op->path, op->from); break;
    case REMOVED: break;
  }
  if (op->saved[0] != 0) real.rename(op->saved, op->path);
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static void cut_power(int by_chance) {
  for (struct file* file = files; file != NULL; file = file->next) put_file_back(file, by_chance);
  for (struct name_op* op = names; op != NULL; op = op->older) put_name_back(op);
  die();
}

__attribute__((visibility("default"))) void aether_fault_power_cut(void) {
  pthread_mutex_lock(&mutex);
  cut_power(0);
}

/* --- the faults ----------------------------------------------------------------------------------------- */

/* The call is about to be made, with the mutex held. 0: let it be; else the errno of its failure, or -1: only in part. */
static int strike(enum kind kind, const char* path) {
  if ((kinds & kind) == 0 || at == 0 || strstr(path, only_file) == NULL) return 0;
  const uint64_t number = ++state[0];
  const int repeated = is("short") || is("eintr");
  if (repeated ? number < at || (number - at) % 2 != 0 : sticky ? number < at : number != at)
    return 0;
  ++state[1];
  if (is("kill")) die();
  if (is("powercut")) cut_power(0);
  if (is("powercut_some")) cut_power(1);
  if (is("eio") || is("fsyncgate")) return EIO;
  if (is("enospc")) return ENOSPC;
  if (is("eintr")) return EINTR;
  return -1;
}

#define EXPORT __attribute__((visibility("default")))

static void tear(int fd, const char* data, size_t size, off_t offset) {
  const size_t sectors = size / SECTOR;
  for (size_t i = 0; i < sectors; ++i) {
    char bytes[SECTOR];
    memcpy(bytes, data + i * SECTOR, SECTOR);
    if (draw() % 2 == 0) {
      if (is("tear")) continue;
      for (size_t b = 0; b < SECTOR; ++b) bytes[b] = (char)draw();
    }
    if (real.pwrite(file_of(fd)->raw, bytes, SECTOR, offset + (off_t)(i * SECTOR)) < 0) abort();
  }
  die();
}

EXPORT ssize_t pwrite64(int fd, const void* data, size_t size, off_t offset) {
  const char* path = path_of(fd);
  if (path == NULL) return real.pwrite(fd, data, size, offset);
  pthread_mutex_lock(&mutex);
  const int fault = strike(WRITE, path);
  ssize_t result = -1;
  if (fault > 0) {
    errno = fault;
  } else {
    if (fault < 0 && !is("short")) tear(fd, data, size, offset);
    if (fault < 0 && size > SECTOR) size = size / 2 / 4096 != 0 ? size / 2 / 4096 * 4096 : size;
    remember_bytes(fd, offset, size);
    result = real.pwrite(fd, data, size, offset);
  }
  const int error = errno;
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}
EXPORT ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return pwrite64(fd, data, size, offset);
}

EXPORT ssize_t pread64(int fd, void* data, size_t size, off_t offset) {
  const char* path = path_of(fd);
  if (path == NULL) return real.pread(fd, data, size, offset);
  pthread_mutex_lock(&mutex);
  const int fault = strike(READ, path);
  pthread_mutex_unlock(&mutex);
  if (fault > 0) {
    errno = fault;
    return -1;
  }
  if (fault < 0 && size / 2 / 4096 != 0) size = size / 2 / 4096 * 4096;
  return real.pread(fd, data, size, offset);
}
EXPORT ssize_t pread(int fd, void* data, size_t size, off_t offset) {
  return pread64(fd, data, size, offset);
}

static int sync_with(int fd, int (*call)(int)) {
  struct stat info;
  if (fstat(fd, &info) != 0) return call(fd);
  char path[PATH_MAX];
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  path[length > 0 ? length : 0] = 0;
  if (home == NULL || (!is_ours(path) && strncmp(home, path, strlen(path)) != 0)) return call(fd);
  pthread_mutex_lock(&mutex);
  const int fault = strike(SYNC, path);
  int result = -1;
  if (fault > 0) {
    if (is("fsyncgate") && !S_ISDIR(info.st_mode)) {
      struct file* file = file_of(fd);
      for (struct write_op* op = writes; op != NULL; op = op->older) {
        if (op->file == file) op->lost = 1;
      }
    }
    errno = fault;
  } else {
    result = call(fd);
    const int saves = result == 0 && (deaf == NULL || strstr(path, deaf) == NULL);
    if (saves && S_ISDIR(info.st_mode)) forget_names(path);
    if (saves && !S_ISDIR(info.st_mode)) forget_bytes(file_of(fd));
  }
  const int error = errno;
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}
EXPORT int fdatasync(int fd) { return sync_with(fd, real.fdatasync); }
EXPORT int fsync(int fd) { return sync_with(fd, real.fsync); }

EXPORT int fallocate64(int fd, int mode, off_t offset, off_t size) {
  const char* path = path_of(fd);
  if (path == NULL) return real.fallocate(fd, mode, offset, size);
  pthread_mutex_lock(&mutex);
  const int fault = strike(ALLOC, path);
  int result = -1;
  if (fault > 0) {
    errno = fault;
  } else {
    file_of(fd); /* Its size before. */
    result = real.fallocate(fd, mode, offset, size);
  }
  const int error = errno;
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}
EXPORT int fallocate(int fd, int mode, off_t offset, off_t size) {
  return fallocate64(fd, mode, offset, size);
}

EXPORT int ftruncate64(int fd, off_t size) {
  const char* path = path_of(fd);
  if (path == NULL) return real.ftruncate(fd, size);
  pthread_mutex_lock(&mutex);
  const int fault = strike(ALLOC, path);
  int result = -1;
  struct stat info;
  if (fault > 0) {
    errno = fault;
  } else {
    file_of(fd);
    if (fstat(fd, &info) == 0 && info.st_size > size)
      remember_bytes(fd, size, (size_t)(info.st_size - size));
    result = real.ftruncate(fd, size);
  }
  const int error = errno;
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}
EXPORT int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int open_tracked(int directory, const char* path, int flags, mode_t mode) {
  if (!is_ours(path) || (flags & O_DIRECTORY) != 0)
    return real.openat(directory, path, flags, mode);
  pthread_mutex_lock(&mutex);
  struct stat info;
  const int makes = (flags & O_CREAT) != 0 && lstat(path, &info) != 0;
  const int fault = makes ? strike(NAME, path) : 0;
  int fd = -1;
  if (fault > 0) {
    errno = fault;
  } else {
    fd = real.openat(directory, path, flags, mode);
    if (fd >= 0 && fd < FDS) snprintf(paths[fd], sizeof paths[fd], "%s", path);
    if (fd >= 0 && makes) {
      remember_name(CREATED, path);
      file_of(fd)->durable_size = 0;
    }
  }
  const int error = errno;
  pthread_mutex_unlock(&mutex);
  errno = error;
  return fd;
}

static mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}
#define OPENER(name, directory, ...)                               \
  EXPORT int name(__VA_ARGS__, const char* path, int flags, ...) { \
    va_list arguments;                                             \
    va_start(arguments, flags);                                    \
    const mode_t mode = mode_of(flags, arguments);                 \
    va_end(arguments);                                             \
    return open_tracked(directory, path, flags, mode);             \
  }
OPENER(openat, directory, int directory)
OPENER(openat64, directory, int directory)

EXPORT int close(int fd) {
  pthread_mutex_lock(&mutex);
  if (fd >= 0 && fd < FDS) paths[fd][0] = 0;
  pthread_mutex_unlock(&mutex);
  return real.close(fd);
}

EXPORT int rename(const char* from, const char* to) {
  if (!is_ours(to)) return real.rename(from, to);
  pthread_mutex_lock(&mutex);
  const int fault = strike(NAME, to);
  int result = -1;
  if (fault > 0) {
    errno = fault;
  } else {
    struct name_op* op = remember_name(RENAMED, to);
    snprintf(op->from, sizeof op->from, "%s", from);
    save_name(to, op->saved);
    result = real.rename(from, to);
    if (result != 0) forget_name(op);
  }
  const int error = errno;
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}

static int remove_with(const char* path, int (*call)(const char*)) {
  if (!is_ours(path)) return call(path);
  pthread_mutex_lock(&mutex);
  const int fault = strike(NAME, path);
  int result = -1;
  if (fault > 0) {
    errno = fault;
  } else {
    struct name_op* op = remember_name(REMOVED, path);
    save_name(path, op->saved);
    result = call(path);
    if (result != 0) forget_name(op);
  }
  const int error = errno;
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}
EXPORT int unlink(const char* path) { return remove_with(path, real.unlink); }
EXPORT int remove(const char* path) { return remove_with(path, real.remove); }

EXPORT int mkdir(const char* path, mode_t mode) {
  if (!is_ours(path)) return real.mkdir(path, mode);
  pthread_mutex_lock(&mutex);
  const int fault = strike(NAME, path);
  int result = -1;
  if (fault > 0) {
    errno = fault;
  } else {
    result = real.mkdir(path, mode);
    if (result == 0) remember_name(CREATED, path);
  }
  const int error = errno;
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}
