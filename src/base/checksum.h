/// Checksums of everything on disk: XXH3-64 with a seed that carries the identity of the bytes.
///
/// Source   Yann Collet: xxHash, XXH3 (Debian package libxxhash-dev).
#pragma once

#include <cstddef>
#include <cstdint>

namespace aether::base {

/// XXH3-64 of `size` bytes at `data`. Not cryptographic: finds damage, not forgery.
uint64_t checksum(const void* data, size_t size, uint64_t seed = 0) noexcept;

}  // namespace aether::base
