#include "device.h"

#include <fcntl.h>
#if AETHER_HAVE_URING
#include <liburing.h>
#endif
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "data.h"
#include "drive.h"

namespace aether::bench {
namespace {

constexpr size_t kBlockBytes = 4096;
constexpr size_t kFillBytes = 1 << 20;
constexpr uint64_t kAppendFileBytes = 256 * MiB;  ///< Appends start over at its end.

Error device_error(const std::string& what) {
  const int error = errno;
  const bool no_direct = error == EINVAL;
  return Error(no_direct ? Code::unsupported : Code::io_error,
               what + ": " + std::strerror(error) +
                   (no_direct ? " (no O_DIRECT here? choose another --dir)" : ""),
               error);
}

struct Freed {
  void operator()(char* memory) const noexcept { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<char, Freed>;

AlignedBytes aligned(size_t bytes) {
  char* memory = static_cast<char*>(std::aligned_alloc(kBlockBytes, bytes));
  std::memset(memory, 0, bytes);
  return AlignedBytes(memory);
}

class File {
 public:
  File() = default;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  Result<void> open(const std::string& name, int flags) {
    fd_ = ::open(name.c_str(), flags | O_CLOEXEC, 0600);
    if (fd_ < 0) return device_error("open " + name);
    return {};
  }
  int fd() const noexcept { return fd_; }

 private:
  int fd_ = -1;
};

/// Writes `bytes` of zeros or of random words, and syncs. A file that has its size already is kept.
Result<void> fill(const std::string& name, uint64_t bytes, bool random) {
  struct stat info {};
  if (::stat(name.c_str(), &info) == 0 && static_cast<uint64_t>(info.st_size) == bytes) return {};
  File file;
  AETHER_TRY(file.open(name, O_WRONLY | O_CREAT | O_TRUNC));
  const AlignedBytes block = aligned(kFillBytes);
  Rng rng(bytes);
  for (uint64_t at = 0; at < bytes; at += kFillBytes) {
    for (size_t i = 0; random && i < kFillBytes; i += sizeof(uint64_t)) {
      const uint64_t word = rng.next();
      std::memcpy(block.get() + i, &word, sizeof word);
    }
    const auto size = static_cast<size_t>(std::min<uint64_t>(kFillBytes, bytes - at));
    if (::pwrite(file.fd(), block.get(), size, static_cast<off_t>(at)) !=
        static_cast<ssize_t>(size)) {
      return device_error("write " + name);
    }
  }
  if (::fsync(file.fd()) != 0) return device_error("sync " + name);
  return {};
}

class AppendWorker final : public Worker {
 public:
  explicit AppendWorker(int fd) : fd_(fd), block_(aligned(kBlockBytes)) {}

  bool step() override {
    std::memcpy(block_.get(), &count_, sizeof count_);
    const auto at = static_cast<off_t>(count_++ * kBlockBytes % kAppendFileBytes);
    if (::pwrite(fd_, block_.get(), kBlockBytes, at) != static_cast<ssize_t>(kBlockBytes)) {
      return fail(std::string(device_error("append").message()));
    }
    return ::fdatasync(fd_) == 0 || fail(std::string(device_error("fdatasync").message()));
  }

 private:
  const int fd_;
  AlignedBytes block_;
  uint64_t count_ = 0;
};

class ReadWorker final : public Worker {
 public:
  ReadWorker(int fd, uint64_t blocks, uint64_t seed)
      : fd_(fd), blocks_(blocks), rng_(seed), block_(aligned(kBlockBytes)) {}

  bool step() override {
    const auto at = static_cast<off_t>(rng_.below(blocks_) * kBlockBytes);
    return ::pread(fd_, block_.get(), kBlockBytes, at) == static_cast<ssize_t>(kBlockBytes) ||
           fail(std::string(device_error("read").message()));
  }

 private:
  const int fd_;
  const uint64_t blocks_;
  Rng rng_;
  AlignedBytes block_;
};

#if AETHER_HAVE_URING
/// `depth` reads in flight: a step waits for one of them and sends another.
class DeepReadWorker final : public Worker {
 public:
  DeepReadWorker(int fd, uint64_t blocks, uint64_t seed, unsigned depth)
      : fd_(fd),
        blocks_(blocks),
        rng_(seed),
        depth_(depth),
        memory_(aligned(depth * kBlockBytes)) {}
  ~DeepReadWorker() override {
    if (open_) ::io_uring_queue_exit(&ring_);
  }

  bool step() override {
    if (!open_ && !start()) return false;
    io_uring_cqe* done = nullptr;
    if (const int error = ::io_uring_wait_cqe(&ring_, &done); error != 0) {
      return refuse("io_uring_wait_cqe", -error);
    }
    const uint64_t slot = ::io_uring_cqe_get_data64(done);
    const int read = done->res;
    ::io_uring_cqe_seen(&ring_, done);
    if (read != static_cast<int>(kBlockBytes)) return refuse("read", read < 0 ? -read : EIO);
    return send(slot);
  }

 private:
  bool start() {
    if (const int error = ::io_uring_queue_init(depth_, &ring_, 0); error != 0) {
      return refuse("io_uring_queue_init", -error);
    }
    open_ = true;
    for (uint64_t slot = 0; slot < depth_; ++slot) {
      if (!send(slot)) return false;
    }
    return true;
  }

  bool send(uint64_t slot) {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_read(entry, fd_, memory_.get() + slot * kBlockBytes, kBlockBytes,
                         rng_.below(blocks_) * kBlockBytes);
    ::io_uring_sqe_set_data64(entry, slot);
    const int sent = ::io_uring_submit(&ring_);
    return sent == 1 || refuse("io_uring_submit", -sent);
  }

  bool refuse(const char* what, int error) {
    errno = error;
    return fail(std::string(device_error(what).message()));
  }

  const int fd_;
  const uint64_t blocks_;
  Rng rng_;
  const unsigned depth_;
  AlignedBytes memory_;
  io_uring ring_{};
  bool open_ = false;
};
#endif

Result<std::unique_ptr<Worker>> make_read_worker(int fd, uint64_t blocks, uint64_t seed,
                                                 unsigned depth) {
  if (depth == 1) return std::unique_ptr<Worker>(std::make_unique<ReadWorker>(fd, blocks, seed));
#if AETHER_HAVE_URING
  return std::unique_ptr<Worker>(std::make_unique<DeepReadWorker>(fd, blocks, seed, depth));
#else
  return Error(Code::unsupported,
               "many reads in flight need io_uring; install liburing-dev and "
               "build again");
#endif
}

Timing timing_of(const RunOptions& options) {
  return Timing{std::min(options.warm_up_seconds, options.seconds), options.seconds};
}

}  // namespace

Result<Measured> run_device_append(AppendForm form, const RunOptions& options,
                                   const std::string& dir) {
  const std::string name = dir + "/append";
  AETHER_TRY(fill(name, kAppendFileBytes, false));
  File file;
  AETHER_TRY(file.open(name, O_WRONLY | (form == AppendForm::direct ? O_DIRECT : 0)));
  std::vector<std::unique_ptr<Worker>> workers;
  workers.push_back(std::make_unique<AppendWorker>(file.fd()));
  return drive(workers, timing_of(options));
}

Result<Measured> run_device_read(const RunOptions& options, unsigned depth,
                                 const std::string& dir) {
  const uint64_t data_bytes = options.records * (kKeyBytes + options.value_bytes);
  const uint64_t blocks = std::max<uint64_t>(data_bytes / kBlockBytes, 1);
  const std::string name = dir + "/read";
  AETHER_TRY(fill(name, blocks * kBlockBytes, true));
  File file;
  AETHER_TRY(file.open(name, O_RDONLY | O_DIRECT));
  std::vector<std::unique_ptr<Worker>> workers;
  for (unsigned lane = 0; lane < options.threads; ++lane) {
    AETHER_TRY_ASSIGN(std::unique_ptr<Worker> worker,
                      make_read_worker(file.fd(), blocks, options.seed * 1000003 + lane, depth));
    workers.push_back(std::move(worker));
  }
  return drive(workers, timing_of(options));
}

}  // namespace aether::bench
