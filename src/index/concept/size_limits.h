/// The errors that every index in memory answers in the same words.
#pragma once

#include <string>

#include "aether/error.h"
#include "aether/options.h"
#include "base/epochs.h"

namespace aether::index {

/// What the allocator takes for `bytes` (glibc: 8 bytes before each block, sizes in steps of 16).
constexpr uint64_t charge(uint64_t bytes) noexcept {
  const uint64_t with_header = (bytes + 8 + 15) & ~uint64_t{15};
  return with_header < 32 ? 32 : with_header;
}

/// Fits `key` and `value` into any index in memory?
Result<void> check_sizes(const char* index, Bytes key, Bytes value, uint64_t key_bytes_max);

/// Of an index whose bound on memory is reached.
Error bound_reached(const char* index, uint64_t used, uint64_t max, const base::EpochStats& epochs);

}  // namespace aether::index
