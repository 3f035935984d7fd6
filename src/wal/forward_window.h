/// A file that is mostly read forwards, through a window: while the window is used the stretch behind it is read.
///
/// Threads   One at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "aether/error.h"
#include "os/os.h"
#include "wal/aligned_buffer.h"

namespace aether::wal {

class ForwardWindow {
 public:
  enum class Ahead : uint8_t { no, yes };
  /// Reads at least `read_bytes` at a time; no more than that will be asked for at once where it reads ahead.
  ForwardWindow(os::Os& os, IoMode io_mode, uint64_t read_bytes, Ahead ahead)
      : os_(os), io_mode_(io_mode), read_bytes_(read_bytes), ahead_(ahead) {}
  ForwardWindow(const ForwardWindow&) = delete;
  ForwardWindow& operator=(const ForwardWindow&) = delete;
  ~ForwardWindow() { forget(); }

  /// Nothing of what was read before counts, and its file may go.
  void forget() noexcept;
  /// From here on `file` is read, which stays until `forget`; nothing at or behind `end`.
  void begin(os::File& file, uint64_t end) noexcept;
  /// `size` bytes at `offset`, fewer where the file ends. Valid until the next call. Errors: io_error, no_memory.
  Result<std::string_view> bytes(uint64_t offset, uint64_t size);

 private:
  bool holds(uint64_t offset, uint64_t size) const noexcept {
    return offset >= begin_ && offset + size <= begin_ + size_;
  }
  Result<void> move_to(uint64_t offset, uint64_t size);
  Result<void> take_next(uint64_t offset);
  bool follows(uint64_t offset) const noexcept;
  void start_next() noexcept;
  void wait() noexcept;

  os::Os& os_;
  const IoMode io_mode_;
  const uint64_t read_bytes_;
  const Ahead ahead_;
  os::File* file_ = nullptr;
  uint64_t end_ = 0;
  AlignedBuffer buffer_;
  const std::byte* data_ = nullptr;  ///< The window's bytes, in buffer_.
  uint64_t begin_ = 0;               ///< The window's place in the file.
  uint64_t size_ = 0;
  // Read ahead: the second half of `next_` is filled; what the window still holds of a block goes in front of it.
  AlignedBuffer next_;
  os::IoRequest request_;
  bool is_started_ = false;
  std::vector<os::IoRequest*> done_;
  std::unique_ptr<os::IoQueue> queue_;
};

}  // namespace aether::wal
