/// A file of the production body: one descriptor, positional transfers, no state of its own. A child made by fork shares
/// the descriptor: it may read, and is refused whatever changes the file.
///
/// Threads   Any method from any thread; `close` when no other call is running.
#pragma once

#include <memory>
#include <string>

#include "os/os.h"
#include "os/process_mark.h"

namespace aether::os {

/// The kernel moves at most a little under 2 GiB a call; larger transfers go in pieces of this size,
/// a multiple of kDirectAlignment.
inline constexpr uint64_t kTransferBytesMax = uint64_t{1} << 30;

class PosixFile final : public File {
 public:
  /// O_CLOEXEC and O_NOFOLLOW; a file it makes has mode 0600 whatever the umask.
  static Result<std::unique_ptr<File>> open(const std::string& path, OpenFlags flags);

  explicit PosixFile(std::string path) noexcept : path_(std::move(path)) {}
  ~PosixFile() override;
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<uint64_t> read_at(uint64_t offset, void* data, uint64_t size) override;
  Result<void> write_at(uint64_t offset, const void* data, uint64_t size) override;
  Result<void> sync() override;
  Result<uint64_t> size() override;
  Result<void> truncate(uint64_t size) override;
  Result<void> allocate(uint64_t offset, uint64_t size) override;
  Result<bool> try_lock() override;
  Result<void> close() override;
  const std::string& path() const noexcept override { return path_; }

  int fd() const noexcept { return fd_; }
  /// After a read came short at `position`: does the file end there? A buffered file answers no, and
  /// the next read says so by moving nothing. With O_DIRECT that read would start unaligned and be
  /// refused, so the size is asked instead.
  bool ends_at(uint64_t position);

 private:
  Result<void> check_process(const char* operation) const;
  Result<void> write_zeros(uint64_t from, uint64_t to);

  int fd_ = -1;
  bool direct_ = false;
  const std::string path_;
  const ProcessMark process_;
};

}  // namespace aether::os
