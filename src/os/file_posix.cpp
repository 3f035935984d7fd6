#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/bytes.h"
#include "os/errors.h"
#include "os/file_posix_private.h"

namespace aether::os {

namespace {

constexpr mode_t kFileMode = 0600;

/// Calls `system_call` again for as long as a signal interrupts it.
template <typename Call>
auto uninterrupted(Call system_call) {
  auto result = system_call();
  while (result < 0 && errno == EINTR) result = system_call();
  return result;
}

off_t to_off(uint64_t offset) noexcept { return static_cast<off_t>(offset); }

/// Like openat, but a file that is made gets kFileMode even under a umask that takes more away.
int open_or_create(const std::string& path, int flags, OpenFlags wanted) {
  for (;;) {
    if (!(wanted.create && wanted.exclusive)) {
      const int fd = uninterrupted([&] { return ::openat(AT_FDCWD, path.c_str(), flags); });
      if (fd >= 0 || errno != ENOENT || !wanted.create) return fd;
    }
    const int fd = uninterrupted(
        [&] { return ::openat(AT_FDCWD, path.c_str(), flags | O_CREAT | O_EXCL, kFileMode); });
    if (fd >= 0) {
      if (::fchmod(fd, kFileMode) == 0) return fd;
      const int errnum = errno;
      ::close(fd);
      ::unlink(path.c_str());
      errno = errnum;
      return -1;
    }
    // Somebody made it between the two calls: open theirs, unless the caller insists on a new one.
    if (errno != EEXIST || wanted.exclusive) return -1;
  }
}

}  // namespace

Result<std::unique_ptr<File>> PosixFile::open(const std::string& path, OpenFlags flags) {
  const int mode = (flags.write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
  // Before there is a descriptor that somebody has to close.
  auto file = std::make_unique<PosixFile>(path);
  const int fd = open_or_create(path, mode, flags);
  if (fd < 0) return os_error(errno, flags.create ? "create" : "open", path);
  file->fd_ = fd;
  struct stat info;
  if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) return os_error(EISDIR, "open", path);
  // Asked for afterwards, because an open that is refused for O_DIRECT has already made its file. Where
  // the file system has no O_DIRECT the file stays buffered.
  file->direct_ = flags.direct && ::fcntl(fd, F_SETFL, mode | O_DIRECT) == 0;
  return std::unique_ptr<File>(std::move(file));
}

PosixFile::~PosixFile() {
  if (fd_ >= 0) ::close(fd_);
}

bool PosixFile::ends_at(uint64_t position) {
  if (!direct_) return false;
  const Result<uint64_t> bytes = size();
  return bytes.has_value() && position >= *bytes;
}

Result<uint64_t> PosixFile::read_at(uint64_t offset, void* data, uint64_t size) {
  uint64_t done = 0;
  while (done < size) {
    const uint64_t piece = std::min(size - done, kTransferBytesMax);
    const ssize_t moved = uninterrupted([&] {
      return ::pread(fd_, static_cast<char*>(data) + done, piece, to_off(offset + done));
    });
    if (moved < 0) return os_error_at(errno, "read", path_, offset, size);
    if (moved == 0) break;
    done += static_cast<uint64_t>(moved);
    if (static_cast<uint64_t>(moved) < piece && ends_at(offset + done)) break;
  }
  return done;
}

/// The last line of defence: the environment has refused the call before it came here.
Result<void> PosixFile::check_process(const char* operation) const {
  if (process_.is_here()) [[likely]]
    return {};
  return Error(Code::closed, std::string(operation) + " " + path_ +
                                 ": the file was opened before the fork that made this process: "
                                 "only the process that opened it may change it");
}

Result<void> PosixFile::write_at(uint64_t offset, const void* data, uint64_t size) {
  AETHER_TRY(check_process("write"));
  uint64_t done = 0;
  while (done < size) {
    const uint64_t piece = std::min(size - done, kTransferBytesMax);
    const ssize_t moved = uninterrupted([&] {
      return ::pwrite(fd_, static_cast<const char*>(data) + done, piece, to_off(offset + done));
    });
    if (moved < 0) return os_error_at(errno, "write", path_, offset, size);
    if (moved == 0) return os_error_at(EIO, "write", path_, offset, size);
    done += static_cast<uint64_t>(moved);
  }
  return {};
}

Result<void> PosixFile::sync() {
  if (uninterrupted([&] { return ::fdatasync(fd_); }) != 0) return os_error(errno, "sync", path_);
  return {};
}

Result<uint64_t> PosixFile::size() {
  struct stat info;
  if (::fstat(fd_, &info) != 0) return os_error(errno, "stat", path_);
  return static_cast<uint64_t>(info.st_size);
}

Result<void> PosixFile::truncate(uint64_t size) {
  AETHER_TRY(check_process("truncate"));
  if (uninterrupted([&] { return ::ftruncate(fd_, to_off(size)); }) != 0) {
    return os_error_at(errno, "truncate", path_, size, 0);
  }
  return {};
}

Result<void> PosixFile::allocate(uint64_t offset, uint64_t size) {
  if (size == 0) return {};
  AETHER_TRY(check_process("allocate"));
  AETHER_TRY_ASSIGN(const uint64_t old_size, this->size());
  if (uninterrupted([&] { return ::fallocate(fd_, 0, to_off(offset), to_off(size)); }) == 0) {
    return {};
  }
  if (errno != EOPNOTSUPP && errno != ENOSYS) {
    const int errnum = errno;
    // ext4 and others keep what they had found before the space ran out: the last of a full disk, which others need.
    Result<void> restored = truncate(old_size);
    static_cast<void>(restored);  // The first error is the one to tell.
    return os_error_at(errnum, "allocate", path_, offset, size);
  }
  // No fallocate here: bytes beyond the end are written as zeros. Holes before the end stay holes,
  // because filling them could race with somebody's write.
  const uint64_t end = offset + size;
  if (end <= old_size) return {};
  Result<void> written = write_zeros(old_size, end);
  if (!written) {
    // Give back what was taken; the first error is the one to tell.
    Result<void> restored = truncate(old_size);
    static_cast<void>(restored);
  }
  return written;
}

/// Aligned, because the file may be open with O_DIRECT.
Result<void> PosixFile::write_zeros(uint64_t from, uint64_t to) {
  constexpr uint64_t kChunk = 256 * KiB;
  alignas(kDirectAlignment) static const char zeros[kChunk] = {};
  uint64_t position = base::align_up(from, kDirectAlignment);
  if (position != from) AETHER_TRY(truncate(position));
  while (position < to) {
    const uint64_t piece = std::min(kChunk, base::align_up(to - position, kDirectAlignment));
    AETHER_TRY(write_at(position, zeros, piece));
    position += piece;
  }
  if (position != to) AETHER_TRY(truncate(to));
  return {};
}

Result<bool> PosixFile::try_lock() {
  // flock, not fcntl: it belongs to the open file description, so a second open in this very process
  // is refused as well, and closing some other descriptor of the file does not drop it.
  if (uninterrupted([&] { return ::flock(fd_, LOCK_EX | LOCK_NB); }) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return os_error(errno, "lock", path_);
}

Result<void> PosixFile::close() {
  if (fd_ < 0) return {};
  const int fd = fd_;
  fd_ = -1;
  // Linux has released the descriptor even when close says EINTR; a second close could hit another file.
  if (::close(fd) != 0 && errno != EINTR) return os_error(errno, "close", path_);
  return {};
}

}  // namespace aether::os
