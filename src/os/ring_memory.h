/// Memory that repeats: one block mapped twice, side by side, so that what runs over its end goes on at
/// its beginning and every piece of a ring is contiguous.
///
///   data()             data() + bytes         data() + 2 * bytes
///     │  first mapping   │  second mapping      │      both show the same `bytes`
///
/// Threads   A value; no shared state. The memory itself is the caller's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "aether/error.h"

namespace aether::os {

class RingMemory {
 public:
  RingMemory() = default;
  RingMemory(RingMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  RingMemory& operator=(RingMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~RingMemory();

  /// Maps `bytes`, a multiple of the system's page size, zeroed. Errors: no_memory.
  static Result<RingMemory> map(uint64_t bytes);

  std::byte* data() const noexcept { return data_; }
  uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace aether::os
