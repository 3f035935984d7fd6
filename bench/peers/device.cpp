#include "device.h"

#include <fcntl.h>
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

Timing timing_of(const RunOptions& options) {
  return Timing{options.warm_up_seconds, options.seconds};
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

Result<Measured> run_device_read(const RunOptions& options, const std::string& dir) {
  const uint64_t data_bytes = options.records * (kKeyBytes + options.value_bytes);
  const uint64_t blocks = std::max<uint64_t>(data_bytes / kBlockBytes, 1);
  const std::string name = dir + "/read";
  AETHER_TRY(fill(name, blocks * kBlockBytes, true));
  File file;
  AETHER_TRY(file.open(name, O_RDONLY | O_DIRECT));
  std::vector<std::unique_ptr<Worker>> workers;
  for (unsigned lane = 0; lane < options.threads; ++lane) {
    workers.push_back(
        std::make_unique<ReadWorker>(file.fd(), blocks, options.seed * 1000003 + lane));
  }
  return drive(workers, timing_of(options));
}

}  // namespace aether::bench
