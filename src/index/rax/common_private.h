/// Comparing a key with a node's prefix.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "aether/options.h"
#include "base/bytes.h"

namespace aether::index::rax {

/// How many bytes `a` and `b` begin with in common.
inline size_t common_bytes(Bytes a, Bytes b) noexcept {
  const size_t most = std::min(a.size(), b.size());
  size_t same = 0;
  for (; same + 8 <= most; same += 8) {
    const uint64_t differ = base::load<uint64_t>(a.data() + same) ^
                            base::load<uint64_t>(b.data() + same);
    if (differ != 0) return same + static_cast<size_t>(std::countr_zero(differ)) / 8;
  }
  while (same < most && a[same] == b[same]) ++same;
  return same;
}

}  // namespace aether::index::rax
