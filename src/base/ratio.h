/// A quotient of two counts, as reports show it.
#pragma once

#include <cstdint>

namespace aether::base {

/// 0 where there is nothing to divide by.
constexpr double ratio(uint64_t what, uint64_t of) noexcept {
  return of == 0 ? 0 : static_cast<double>(what) / static_cast<double>(of);
}

}  // namespace aether::base
