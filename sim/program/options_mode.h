/// The same histories under many option sets: every answer and the final contents must be equal, byte for byte.
#pragma once

#include <cstdint>

namespace aether::program {

/// Histories from `seed` on. 0 no breach, 1 a breach.
int options_mode(uint64_t seed, uint64_t histories);

}  // namespace aether::program
