/// The data that is loaded and asked for: everything follows from a record's number.
///
/// Key     16 bytes: a bijective hash of the number, big-endian, so that keys are spread over the
///         64-bit space; then 8 bytes of a second hash.
/// Value   First word: record number and version, scrambled; the rest follows from that word. A
///         reader that knows the record can check any word, whoever wrote the value.
/// Threads Values; no shared state.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "aether/options.h"

namespace aether::bench {

inline constexpr size_t kKeyBytes = 16;
inline constexpr unsigned kRecordBits = 40;
/// Records from here on are never stored: keys for get-miss.
inline constexpr uint64_t kMissingRecords = uint64_t{1} << 38;

namespace detail {
inline constexpr uint64_t kMultiplier1 = 0xd6e8feb86659fd93;
inline constexpr uint64_t kMultiplier2 = 0x9e3779b97f4a7c15;

/// The inverse of an odd number modulo 2^64, by Newton's iteration: a step doubles the right bits.
constexpr uint64_t inverse(uint64_t odd) {
  uint64_t x = odd;
  for (int step = 0; step < 6; ++step) x *= 2 - odd * x;
  return x;
}
}  // namespace detail

/// A bijection of 64-bit words: every step can be undone.
constexpr uint64_t mix(uint64_t x) noexcept {
  x ^= x >> 32;
  x *= detail::kMultiplier1;
  x ^= x >> 32;
  x *= detail::kMultiplier2;
  return x ^ (x >> 32);
}

constexpr uint64_t unmix(uint64_t x) noexcept {
  x ^= x >> 32;
  x *= detail::inverse(detail::kMultiplier2);
  x ^= x >> 32;
  x *= detail::inverse(detail::kMultiplier1);
  return x ^ (x >> 32);
}
static_assert(unmix(mix(0x0123456789abcdef)) == 0x0123456789abcdef);

inline uint64_t key_hash(uint64_t record) noexcept { return mix(record + 1); }
inline uint64_t record_of_hash(uint64_t hash) noexcept { return unmix(hash) - 1; }

class Key {
 public:
  explicit Key(uint64_t record) noexcept {
    const uint64_t first = __builtin_bswap64(key_hash(record));
    const uint64_t second = mix(~record);
    std::memcpy(bytes_, &first, sizeof first);
    std::memcpy(bytes_ + sizeof first, &second, sizeof second);
  }
  Bytes bytes() const noexcept { return {bytes_, kKeyBytes}; }
  operator Bytes() const noexcept { return bytes(); }  // NOLINT(google-explicit-constructor)

 private:
  char bytes_[kKeyBytes];
};

/// The record that `key` belongs to. `key` has kKeyBytes bytes.
inline uint64_t record_of(Bytes key) noexcept {
  uint64_t word;
  std::memcpy(&word, key.data(), sizeof word);
  return record_of_hash(__builtin_bswap64(word));
}

namespace detail {
inline constexpr uint64_t kValueSalt = 0x5bd1e995a3c59ac3;
inline uint64_t value_word(uint64_t first, uint64_t index) noexcept {
  return (first + index) * kMultiplier1 ^ ((first * kMultiplier2) >> 17) * (2 * index + 1);
}
}  // namespace detail

/// Fills all of `value` for this version of the record.
inline void make_value(uint64_t record, uint64_t version, std::string& value) noexcept {
  const uint64_t first = (version << kRecordBits | record) ^ detail::kValueSalt;
  size_t at = 0;
  uint64_t index = 0;
  for (; at + sizeof first <= value.size(); at += sizeof first, ++index) {
    const uint64_t word = index == 0 ? first : detail::value_word(first, index);
    std::memcpy(value.data() + at, &word, sizeof word);
  }
  const uint64_t word = index == 0 ? first : detail::value_word(first, index);
  std::memcpy(value.data() + at, &word, value.size() - at);
}

/// Checks length, record number and the last whole word: a sample that touches both ends.
inline bool value_is_right(uint64_t record, Bytes value, size_t value_bytes) noexcept {
  if (value.size() != value_bytes) return false;
  if (value_bytes < sizeof(uint64_t)) return true;
  uint64_t first;
  std::memcpy(&first, value.data(), sizeof first);
  constexpr uint64_t kRecordMask = (uint64_t{1} << kRecordBits) - 1;
  if (((first ^ detail::kValueSalt) & kRecordMask) != (record & kRecordMask)) return false;
  const uint64_t index = value_bytes / sizeof(uint64_t) - 1;
  if (index == 0) return true;
  uint64_t last;
  std::memcpy(&last, value.data() + index * sizeof last, sizeof last);
  return last == detail::value_word(first, index);
}

/// A small fast generator: one state word stepped by an odd constant, then mixed.
class Rng {
 public:
  explicit Rng(uint64_t seed) noexcept : state_(mix(seed)) {}
  uint64_t next() noexcept { return mix(state_ += detail::kMultiplier2); }
  /// Below `bound`, by the high half of a product: no division.
  uint64_t below(uint64_t bound) noexcept {
    return static_cast<uint64_t>((static_cast<Product>(next()) * bound) >> 64);
  }
  /// In [0, 1).
  double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  __extension__ using Product = unsigned __int128;
  uint64_t state_;
};

/// Zipf-distributed records with theta 0.99, the hot ones spread over all records.
///
/// Source  Gray et al.: "Quickly Generating Billion-Record Synthetic Databases", SIGMOD 1994.
class Zipf {
 public:
  explicit Zipf(uint64_t records);
  uint64_t draw(Rng& rng) const noexcept { return mix(draw_rank(rng)) % records_; }
  /// 0 is drawn most often; below `records`.
  uint64_t draw_rank(Rng& rng) const noexcept;

 private:
  uint64_t records_;
  double zeta_n_ = 0;
  double alpha_ = 0;
  double eta_ = 0;
  double second_ = 0;
};

/// Hashes of the records [0, records) in ascending order: the order of their keys.
std::vector<uint64_t> sorted_hashes(uint64_t records);

}  // namespace aether::bench
