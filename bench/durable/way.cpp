#include "way.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "aether/options.h"
#include "peers/process.h"

#if defined(AETHER_HAVE_URING)
#include <liburing.h>
#endif

namespace aether::bench::durable {
namespace {

constexpr uint64_t
    kFileBytes = 32 * MiB;  ///< Writes begin again at its end; a growing one is then emptied.
constexpr size_t kBlockBytes = 4096;
constexpr size_t kFillBytes = 1 * MiB;

Error error_of(const std::string& what, int number) {
  const bool is_unknown = number == EINVAL || number == EOPNOTSUPP || number == ENOSYS;
  const Code code = is_unknown                             ? Code::unsupported
                    : number == ENOSPC || number == EDQUOT ? Code::no_space
                                                           : Code::io_error;
  return Error(code, what + ": " + std::strerror(number), number);
}

struct Freed {
  void operator()(char* memory) const noexcept { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<char, Freed>;

AlignedBytes zeros(size_t bytes) {
  char* memory = static_cast<char*>(std::aligned_alloc(kBlockBytes, bytes));
  std::memset(memory, 0, bytes);
  return AlignedBytes(memory);
}

class File {
 public:
  File(std::string path, const Way& way) : path_(std::move(path)), way_(way) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
    ::unlink(path_.c_str());  // Where there is none, that is as it should be.
  }

  Result<void> make() {
    AETHER_TRY(open(O_CREAT | O_TRUNC));
    if (way_.layout == Layout::allocated) {
      const int failed = ::posix_fallocate(fd_, 0, static_cast<off_t>(kFileBytes));
      if (failed != 0) return error_of("allocate " + path_, failed);
    }
    if (way_.layout == Layout::written) AETHER_TRY(fill());
    if (::fsync(fd_) != 0) return error_of("sync " + path_, errno);
    ::close(std::exchange(fd_, -1));
    return open((way_.call == Call::o_dsync ? O_DSYNC : 0) | (way_.direct ? O_DIRECT : 0));
  }
  /// A growing file is empty again, durably; not timed.
  Result<void> begin_again() {
    if (way_.layout != Layout::growing) return {};
    if (::ftruncate(fd_, 0) != 0 || ::fsync(fd_) != 0) return error_of("empty " + path_, errno);
    return {};
  }
  int fd() const noexcept { return fd_; }

 private:
  Result<void> open(int flags) {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | flags, 0600);
    if (fd_ < 0) return error_of("open " + path_, errno);
    return {};
  }
  Result<void> fill() {
    const AlignedBytes block = zeros(kFillBytes);
    for (uint64_t at = 0; at < kFileBytes; at += kFillBytes) {
      if (::pwrite(fd_, block.get(), kFillBytes, static_cast<off_t>(at)) !=
          static_cast<ssize_t>(kFillBytes))
        return error_of("write " + path_, errno);
    }
    return {};
  }

  const std::string path_;
  const Way way_;
  int fd_ = -1;
};

/// One durable write of the way's kind.
class Writer {
 public:
  explicit Writer(const Way& way) : way_(way), bytes_(zeros(way.bytes)) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
#if defined(AETHER_HAVE_URING)
  ~Writer() {
    if (has_ring_) io_uring_queue_exit(&ring_);
  }
  Result<void> open() {
    if (way_.call != Call::uring) return {};
    const int made = io_uring_queue_init(4, &ring_, 0);
    if (made < 0) return Error(Code::unsupported, std::string("io_uring: ") + std::strerror(-made));
    has_ring_ = true;
    return {};
  }
#else
  Result<void> open() const {
    if (way_.call != Call::uring) return {};
    return Error(Code::unsupported, "io_uring: built without liburing");
  }
#endif

  Result<void> write(int fd, uint64_t at) {
    ++count_;
    std::memcpy(bytes_.get(), &count_, sizeof count_);
    if (way_.call == Call::uring) return write_by_ring(fd, at);
    iovec vector{bytes_.get(), way_.bytes};
    const ssize_t written = ::pwritev2(fd, &vector, 1, static_cast<off_t>(at),
                                       way_.call == Call::rwf_dsync ? RWF_DSYNC : 0);
    if (written != static_cast<ssize_t>(way_.bytes)) return error_of("write", errno);
    if (way_.call == Call::fsync && ::fsync(fd) != 0) return error_of("fsync", errno);
    if (way_.call == Call::fdatasync && ::fdatasync(fd) != 0) return error_of("fdatasync", errno);
    return {};
  }

 private:
#if defined(AETHER_HAVE_URING)
  Result<void> write_by_ring(int fd, uint64_t at) {
    io_uring_sqe* const write = io_uring_get_sqe(&ring_);
    io_uring_prep_write(write, fd, bytes_.get(), way_.bytes, at);
    write->flags |= IOSQE_IO_LINK;
    io_uring_sqe* const sync = io_uring_get_sqe(&ring_);
    io_uring_prep_fsync(sync, fd, IORING_FSYNC_DATASYNC);
    const int submitted = io_uring_submit_and_wait(&ring_, 2);
    if (submitted < 0) return error_of("io_uring", -submitted);
    Result<void> outcome;
    for (const int32_t wanted : {static_cast<int32_t>(way_.bytes), 0}) {
      io_uring_cqe* done = nullptr;
      const int waited = io_uring_wait_cqe(&ring_, &done);
      if (waited < 0) return error_of("io_uring", -waited);
      if (done->res != wanted && outcome)
        outcome = error_of("write and fdatasync by io_uring", done->res < 0 ? -done->res : EIO);
      io_uring_cqe_seen(&ring_, done);
    }
    return outcome;
  }
  io_uring ring_{};
  bool has_ring_ = false;
#else
  Result<void> write_by_ring(int /*fd*/, uint64_t /*at*/) { return open(); }
#endif

  const Way way_;
  AlignedBytes bytes_;
  uint64_t count_ = 0;
};

}  // namespace

const char* word_of(Call call) noexcept {
  switch (call) {
    case Call::fsync: return "fsync";
    case Call::fdatasync: return "fdatasync";
    case Call::o_dsync: return "o_dsync";
    case Call::rwf_dsync: return "rwf_dsync";
    case Call::uring: return "uring";
  }
  return "";
}

const char* word_of(Layout layout) noexcept {
  switch (layout) {
    case Layout::growing: return "growing";
    case Layout::allocated: return "allocated";
    case Layout::written: return "written";
  }
  return "";
}

Result<Histogram> time_way(const Way& way, const std::string& path, double seconds) {
  Writer writer(way);
  AETHER_TRY(writer.open());
  File file(path, way);
  AETHER_TRY(file.make());
  Histogram ns;
  const uint64_t end = clock_ns() + static_cast<uint64_t>(seconds * 1e9);
  for (uint64_t at = 0; clock_ns() < end; at += way.bytes) {
    if (at + way.bytes > kFileBytes) {
      at = 0;
      AETHER_TRY(file.begin_again());
    }
    const uint64_t begin = clock_ns();
    AETHER_TRY(writer.write(file.fd(), at));
    ns.record(clock_ns() - begin);
  }
  return ns;
}

}  // namespace aether::bench::durable
