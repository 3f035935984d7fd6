#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "os/errors.h"
#include "os/local_socket_private.h"
#include "os/os.h"

namespace aether::os {
namespace {

constexpr mode_t kSocketMode = 0600;
constexpr int kBacklog = 128;
constexpr uint64_t kNsPerMs = 1'000'000;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const noexcept { return fd_; }
  bool valid() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

/// The directory of a socket, open, and the address by which the system finds the socket in it.
class Place {
 public:
  static Result<Place> of(const std::string& path, const char* operation) {
    const size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    Descriptor opened(::openat(AT_FDCWD, directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const int errnum = errno;
    Place place(path, path.substr(slash == std::string::npos ? 0 : slash + 1), std::move(opened));
    if (!place.directory_.valid()) return os_error(errnum, operation, path);
    // A path that does not fit is found through the open directory.
    const std::string by_descriptor = "/proc/self/fd/" + std::to_string(place.directory_.get()) +
                                      "/" + place.name_;
    const std::string& shown = path.size() < sizeof place.address_.sun_path ? path : by_descriptor;
    if (shown.size() >= sizeof place.address_.sun_path) {
      return os_error(ENAMETOOLONG, operation, path);
    }
    place.address_.sun_family = AF_UNIX;
    shown.copy(place.address_.sun_path, shown.size());
    return place;
  }

  const std::string& path() const noexcept { return path_; }
  const sockaddr* address() const noexcept { return reinterpret_cast<const sockaddr*>(&address_); }
  static constexpr socklen_t kAddressBytes = sizeof(sockaddr_un);
  bool remove() const noexcept { return ::unlinkat(directory_.get(), name_.c_str(), 0) == 0; }
  bool restrict() const noexcept {
    return ::fchmodat(directory_.get(), name_.c_str(), kSocketMode, 0) == 0;
  }

 private:
  Place(std::string path, std::string name, Descriptor directory)
      : path_(std::move(path)), name_(std::move(name)), directory_(std::move(directory)) {}

  std::string path_;
  std::string name_;
  Descriptor directory_;
  sockaddr_un address_{};
};

/// A moment from which a wait takes what is left.
class Deadline {
 public:
  explicit Deadline(uint64_t timeout_ns) noexcept
      : begun_ns_(production().monotonic_ns()), timeout_ns_(timeout_ns) {}
  int left_ms() const noexcept {
    const uint64_t passed = production().monotonic_ns() - begun_ns_;
    if (passed >= timeout_ns_) return 0;
    constexpr uint64_t kLongestMs = 3'600'000;
    return static_cast<int>(std::min((timeout_ns_ - passed + kNsPerMs - 1) / kNsPerMs, kLongestMs));
  }

 private:
  const uint64_t begun_ns_;
  const uint64_t timeout_ns_;
};

class PosixConnection final : public Connection {
 public:
  /// `stop`: readable once nothing is to be waited for any more; -1: never.
  PosixConnection(Descriptor socket, int stop, std::string path) noexcept
      : socket_(std::move(socket)), stop_(stop), path_(std::move(path)) {}

  Result<uint64_t> read(void* data, uint64_t size, uint64_t timeout_ns) override {
    const Deadline deadline(timeout_ns);
    for (;;) {
      const ssize_t got = ::recv(socket_.get(), data, size, MSG_DONTWAIT);
      if (got >= 0) return static_cast<uint64_t>(got);
      AETHER_TRY(retry(errno, POLLIN, deadline, "read from"));
    }
  }

  Result<void> write(const void* data, uint64_t size, uint64_t timeout_ns) override {
    const Deadline deadline(timeout_ns);
    const char* at = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t sent = ::send(socket_.get(), at, size, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) {
        at += sent;
        size -= static_cast<uint64_t>(sent);
      } else {
        AETHER_TRY(retry(errno, POLLOUT, deadline, "write to"));
      }
    }
    return {};
  }

 private:
  /// Waits until a call that failed with `errnum` may do better.
  Result<void> retry(int errnum, short event, const Deadline& deadline, const char* operation) {
    if (errnum == EINTR) return {};
    if (errnum != EAGAIN && errnum != EWOULDBLOCK) return os_error(errnum, operation, path_);
    std::array<pollfd, 2> waiting = {{{socket_.get(), event, 0}, {stop_, POLLIN, 0}}};
    const int ready = ::poll(waiting.data(), waiting.size(), deadline.left_ms());
    if (ready < 0 && errno != EINTR) return os_error(errno, operation, path_);
    if (ready == 0 && deadline.left_ms() == 0)
      return Error(Code::timed_out, path_ + ": no answer in time");
    if (ready > 0 && waiting[1].revents != 0) return Error(Code::closed, path_ + ": stopped");
    return {};
  }

  Descriptor socket_;
  const int stop_;
  const std::string path_;
};

class PosixListener final : public Listener {
 public:
  PosixListener(Descriptor socket, Descriptor stop, Place place) noexcept
      : socket_(std::move(socket)), stop_(std::move(stop)), place_(std::move(place)) {}
  ~PosixListener() override { place_.remove(); }
  PosixListener(const PosixListener&) = delete;
  PosixListener& operator=(const PosixListener&) = delete;

  Result<std::unique_ptr<Connection>> accept() override {
    for (;;) {
      AETHER_TRY(wait(socket_.get(), -1));
      Descriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (socket.valid()) {
        return std::unique_ptr<Connection>(
            std::make_unique<PosixConnection>(std::move(socket), stop_.get(), place_.path()));
      }
      const bool scarce = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      constexpr int kPauseMs = 100;
      if (scarce) AETHER_TRY(wait(-1, kPauseMs));  // Else it would be tried without a pause.
    }
  }

  void stop() noexcept override {
    const uint64_t one = 1;
    AETHER_ASSERT(::write(stop_.get(), &one, sizeof one) == sizeof one);
  }

 private:
  Result<void> wait(int socket, int timeout_ms) {
    std::array<pollfd, 2> waiting = {{{socket, POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    const int ready = ::poll(waiting.data(), waiting.size(), timeout_ms);
    if (ready < 0 && errno != EINTR) return os_error(errno, "wait at", place_.path());
    if (ready > 0 && waiting[1].revents != 0)
      return Error(Code::closed, place_.path() + ": stopped");
    return {};
  }

  Descriptor socket_;
  Descriptor stop_;
  Place place_;
};

}  // namespace

Result<std::unique_ptr<Listener>> listen_posix(const std::string& path) {
  AETHER_TRY_ASSIGN(Place place, Place::of(path, "listen at"));
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  Descriptor stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!socket.valid() || !stop.valid()) return os_error(errno, "listen at", path);
  place.remove();
  // The mode of the open socket is the most that its name gets; the umask may have taken too much.
  if (::fchmod(socket.get(), kSocketMode) != 0 ||
      ::bind(socket.get(), place.address(), Place::kAddressBytes) != 0) {
    return os_error(errno, "listen at", path);
  }
  if (!place.restrict() || ::listen(socket.get(), kBacklog) != 0) {
    const int errnum = errno;
    place.remove();
    return os_error(errnum, "listen at", path);
  }
  return std::unique_ptr<Listener>(
      std::make_unique<PosixListener>(std::move(socket), std::move(stop), std::move(place)));
}

Result<std::unique_ptr<Connection>> connect_posix(const std::string& path, uint64_t timeout_ns) {
  AETHER_TRY_ASSIGN(const Place place, Place::of(path, "connect to"));
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Where the queue of those who connect is full, connect waits, for as long as it may send.
  const uint64_t timeout_us = std::max<uint64_t>(timeout_ns / 1000, 1);  // 0 would be for ever.
  const timeval limit{.tv_sec = static_cast<time_t>(timeout_us / 1'000'000),
                      .tv_usec = static_cast<suseconds_t>(timeout_us % 1'000'000)};
  if (!socket.valid() ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) {
    return os_error(errno, "connect to", path);
  }
  int rc = ::connect(socket.get(), place.address(), Place::kAddressBytes);
  while (rc != 0 && errno == EINTR)
    rc = ::connect(socket.get(), place.address(), Place::kAddressBytes);
  if (rc != 0 && errno == ECONNREFUSED) {
    return Error(Code::not_found, path + ": nobody listens there", ECONNREFUSED);
  }
  if (rc != 0 && errno == EAGAIN) {
    return Error(Code::timed_out, path + ": too many wait to be served");
  }
  if (rc != 0) return os_error(errno, "connect to", path);
  return std::unique_ptr<Connection>(
      std::make_unique<PosixConnection>(std::move(socket), -1, path));
}

}  // namespace aether::os
