/// Memory that may be handed to a file opened with `direct`.
///
/// Threads   A value; no shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "aether/error.h"
#include "base/bytes.h"
#include "os/os.h"
#include "os/sync.h"

namespace aether::wal {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~AlignedBuffer() { os::release_memory(data_, bytes_); }

  /// Zeroed; at least `bytes`, rounded up to kDirectAlignment. Errors: no_memory.
  static Result<AlignedBuffer> make(uint64_t bytes) {
    AlignedBuffer buffer;
    const uint64_t rounded = base::align_up(bytes, os::kDirectAlignment);
    buffer.data_ = static_cast<std::byte*>(os::reserve_memory(rounded));
    if (buffer.data_ == nullptr) {
      return Error(Code::no_memory,
                   "no memory for a log buffer of " + std::to_string(rounded) + " bytes");
    }
    buffer.bytes_ = rounded;
    return buffer;
  }

  std::byte* data() const noexcept { return data_; }
  uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace aether::wal
