#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <new>
#include <system_error>
#include <thread>

#include "base/assert.h"
#include "os/errors.h"
#include "os/file_posix_private.h"
#include "os/io_queue_private.h"
#include "os/local_socket_private.h"
#include "os/os.h"

namespace aether::os {

namespace {

constexpr mode_t kDirectoryMode = 0700;

uint64_t read_clock(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

int open_directory(const std::string& path) noexcept {
  return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

class StdThread final : public Thread {
 public:
  StdThread() = default;
  ~StdThread() override { AETHER_ASSERT(!thread_.joinable()); }  // Else: join was forgotten.
  StdThread(const StdThread&) = delete;
  StdThread& operator=(const StdThread&) = delete;
  void join() override { thread_.join(); }
  template <typename Body>
  void start(Body body) {
    thread_ = std::thread(std::move(body));
  }

 private:
  std::thread thread_;
};

/// Blocks the signals that a program handles in threads of its own choice while a thread of ours is
/// started, which inherits the mask. Faults of the thread itself stay deliverable.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF}) {
      sigdelset(&blocked, fault);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

class Production final : public Os {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenFlags flags) override {
    return PosixFile::open(path, flags);
  }
  Result<void> create_directory(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<IoQueue>> make_io_queue(uint32_t depth, IoMode mode) override;

  Result<std::unique_ptr<Listener>> listen(const std::string& path) override {
    return listen_posix(path);
  }
  Result<std::unique_ptr<Connection>> connect(const std::string& path,
                                              uint64_t timeout_ns) override {
    return connect_posix(path, timeout_ns);
  }

  uint64_t monotonic_ns() override { return read_clock(CLOCK_MONOTONIC); }
  uint64_t wall_ns() override { return read_clock(CLOCK_REALTIME); }
  void sleep_ns(uint64_t nanoseconds) override;
  uint64_t random() override;
  uint64_t process_id() override { return static_cast<uint64_t>(::getpid()); }
  uint32_t core_count() override { return std::max(1u, std::thread::hardware_concurrency()); }
  Result<std::unique_ptr<Thread>> spawn(const std::string& name,
                                        std::function<void()> body) override;
};

Result<void> Production::create_directory(const std::string& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) != 0) {
    return os_error(errno, "create directory", path);
  }
  // The umask may have taken bits away that the owner needs.
  const int fd = open_directory(path);
  const bool ok = fd >= 0 && ::fchmod(fd, kDirectoryMode) == 0;
  const int errnum = errno;
  if (fd >= 0) ::close(fd);
  if (ok) return {};
  ::rmdir(path.c_str());
  return os_error(errnum, "create directory", path);
}

Result<void> Production::remove(const std::string& path) {
  if (std::remove(path.c_str()) != 0) return os_error(errno, "remove", path);
  return {};
}

Result<void> Production::rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return os_error(errno, "rename", from + " to " + to);
  }
  return {};
}

Result<std::vector<std::string>> Production::list(const std::string& path) {
  const auto close_directory = [](DIR* open) { ::closedir(open); };
  const std::unique_ptr<DIR, decltype(close_directory)> opened(::opendir(path.c_str()));
  DIR* const directory = opened.get();
  if (directory == nullptr) return os_error(errno, "list", path);
  std::vector<std::string> names;
  errno = 0;  // readdir tells its end from an error by errno alone.
  while (const dirent* entry = ::readdir(directory)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
    errno = 0;
  }
  if (const int errnum = errno; errnum != 0) return os_error(errnum, "list", path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<bool> Production::exists(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return os_error(errno, "stat", path);
}

Result<uint64_t> Production::free_bytes(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return os_error(errno, "statvfs", path);
  return uint64_t{info.f_bavail} * info.f_frsize;
}

Result<void> Production::sync_directory(const std::string& path) {
  const int fd = open_directory(path);
  if (fd < 0) return os_error(errno, "open directory", path);
  int rc = ::fsync(fd);
  while (rc != 0 && errno == EINTR) rc = ::fsync(fd);
  const int errnum = errno;
  ::close(fd);
  if (rc != 0) return os_error(errnum, "sync directory", path);
  return {};
}

Result<std::unique_ptr<IoQueue>> Production::make_io_queue(uint32_t depth, IoMode mode) {
  const uint32_t bounded = std::clamp(depth, 1u, kQueueDepthMax);
  if (mode != IoMode::threads) {
    Result<std::unique_ptr<IoQueue>> ring = make_uring_queue(bounded);
    if (ring || mode == IoMode::uring) return ring;
  }
  return make_thread_queue(bounded, *this);
}

void Production::sleep_ns(uint64_t nanoseconds) {
  constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
  timespec left{static_cast<time_t>(nanoseconds / kNanosecondsPerSecond),
                static_cast<long>(nanoseconds % kNanosecondsPerSecond)};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

uint64_t Production::random() {
  uint64_t value = 0;
  // 8 bytes are never cut short once the kernel's pool is seeded; before, a signal may interrupt.
  while (::getrandom(&value, sizeof value, 0) != sizeof value) AETHER_ASSERT(errno == EINTR);
  return value;
}

Result<std::unique_ptr<Thread>> Production::spawn(const std::string& name,
                                                  std::function<void()> body) {
  constexpr size_t kNameBytesMax = 15;
  auto run = [label = name.substr(0, kNameBytesMax), work = std::move(body)] {
    pthread_setname_np(pthread_self(), label.c_str());
    work();
  };
  auto thread = std::make_unique<StdThread>();  // First: a thread that runs has to be joined.
  const SignalsBlocked blocked;
  try {
    thread->start(std::move(run));
    return std::unique_ptr<Thread>(std::move(thread));
  } catch (const std::system_error& refused) {  // The library's only way to tell.
    return Error(Code::no_memory,
                 "start thread " + name + ": " + refused.what() +
                     "; raise the limit of processes (ulimit -u) or of memory",
                 refused.code().value());
  }
}

}  // namespace

Result<uint64_t> Os::free_bytes(const std::string& /*path*/) { return UINT64_MAX; }

Result<std::unique_ptr<Listener>> Os::listen(const std::string& path) {
  return Error(Code::unsupported, path + ": no sockets here");
}

Result<std::unique_ptr<Connection>> Os::connect(const std::string& path, uint64_t /*timeout_ns*/) {
  return Error(Code::unsupported, path + ": no sockets here");
}

Os& production() {
  // Never destroyed: threads may use it until the very end of the process.
  alignas(Production) static std::byte place[sizeof(Production)];
  static Production& body = *new (place) Production;
  return body;
}

}  // namespace aether::os
