/// Bits with a directory that counts them: ranks in one step, selects by a short search. 64-bit positions throughout.
///
///   words      the bits, 64 to a word
///   far        64 bits for each 65,536: ones before them
///   near       16 bits for each 512: ones before them, since the last `far`
///   samples    64 bits for each 16,384 ones: in which 512 bits the first of them is; only where ones are selected
///
/// The last three take at most 3.7 % of the bits, and some bytes. In memory alone, and only once somebody asks for it:
///
///   places     32 bits for each 32 ones: where the first of them is. A select is then a look and a short walk.
///
/// Threads     Views are const, once `keep_places` has been called.
/// Invariants  Every question has an answer, whatever the bytes say: nothing is read outside of them.
/// Source      Vigna: "Broadword Implementation of Rank/Select Queries", WEA 2008: counts at two distances. Zhou, Andersen, Kaminsky:
///             "Space-Efficient, High-Performance Rank & Select Structures", SEA 2013: places of samples.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace aether::lsm {

inline uint32_t count_ones(uint64_t word) noexcept {
#if defined(__POPCNT__) || !defined(__x86_64__)
  return static_cast<uint32_t>(std::popcount(word));
#else  // Without the instruction the compiler calls a function for it.
  word -= word >> 1 & 0x5555'5555'5555'5555;
  word = (word & 0x3333'3333'3333'3333) + (word >> 2 & 0x3333'3333'3333'3333);
  return static_cast<uint32_t>(
      ((word + (word >> 4)) & 0x0f0f'0f0f'0f0f'0f0f) * 0x0101'0101'0101'0101 >> 56);
#endif
}

/// Bits while they are put together.
class BitList {
 public:
  uint64_t size() const noexcept { return size_; }
  uint64_t ones() const noexcept;
  bool get(uint64_t at) const noexcept { return (words_[at / 64] >> at % 64 & 1) != 0; }
  void set(uint64_t at) noexcept { words_[at / 64] |= uint64_t{1} << at % 64; }
  void grow(uint64_t size) { words_.resize((size_ = size) / 64 + 1); }
  void push(bool bit) { push_bits(bit ? 1 : 0, 1); }
  /// The low `count` bits of `bits`, 1 to 64; the others are zero.
  void push_bits(uint64_t bits, uint32_t count);
  void append(const BitList& other);
  /// Words, then a directory: `selects`: with samples.
  void write(bool selects, std::string& out) const;
  /// Words alone, and 8 bytes more: so that any 64 bits that begin within can be loaded.
  void write_plain(std::string& out) const;

 private:
  std::vector<uint64_t> words_;
  uint64_t size_ = 0;
};

class BitVector {
 public:
  static uint64_t bytes_for(uint64_t bits, bool selects, uint64_t ones) noexcept;

  BitVector() noexcept = default;
  /// `from`: bytes_for(bits, selects, ones) bytes.
  BitVector(const char* from, uint64_t bits, bool selects, uint64_t ones) noexcept;

  /// Makes selects fast. Nothing happens where ones are not selected, or two of them lie far apart. May throw std::bad_alloc.
  void keep_places();

  uint64_t size() const noexcept { return size_; }
  bool get(uint64_t at) const noexcept { return at < size_ && (word(at / 64) >> at % 64 & 1) != 0; }
  /// Ones before `at`.
  uint64_t rank(uint64_t at) const noexcept;
  /// Where the one is that has `rank` ones before it; size() if there is none.
  uint64_t select(uint64_t rank) const noexcept;
  /// Where the first one from `at` on is; size() if there is none before `end`.
  uint64_t next_one(uint64_t at, uint64_t end) const noexcept;

 private:
  uint64_t word(uint64_t i) const noexcept { return base::load<uint64_t>(words_ + 8 * i); }
  uint64_t select_by_place(uint64_t rank) const noexcept;
  uint64_t before_block(uint64_t block) const noexcept {
    return base::load<uint64_t>(far_ + block / 128 * 8) + base::load<uint16_t>(near_ + block * 2);
  }

  const char* words_ = nullptr;
  const char* far_ = nullptr;
  const char* near_ = nullptr;
  const char* samples_ = nullptr;
  uint64_t size_ = 0;
  uint64_t ones_ = 0;  ///< 0: not selected.
  std::vector<uint32_t> places_;
};

}  // namespace aether::lsm
