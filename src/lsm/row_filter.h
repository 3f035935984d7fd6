/// Which keys a generation in memory may have rows of: a Bloom filter that grows no further, so that a reader who looks for what
/// lies below does not search every generation first.
///
/// A key's bits are all in one word (a blocked Bloom filter with blocks of a word): a question is one load, an addition one
/// atomic OR, and none if the bits are there. Nothing is taken out: a row that goes leaves its bits.
///
/// Threads     Any. Who adds a key before its row is there is found by whoever could find the row.
/// Invariants  No false "no". Without memory for it the answer is "perhaps".
/// Source      Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters", WEA 2007.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/bloom_line.h"

namespace aether::lsm {

class RowFilter {
 public:
  /// Rounded down to words; 0: it answers "perhaps".
  explicit RowFilter(uint64_t bytes) noexcept
      // Pages that nobody has written to are no work: the generation is made while writers wait.
      : words_(static_cast<uint64_t*>(std::calloc(bytes / sizeof(uint64_t), sizeof(uint64_t)))),
        count_(words_ == nullptr ? 0 : bytes / sizeof(uint64_t)) {}

  /// `hash`: filter_hash of the key.
  void add(uint64_t hash) noexcept {
    if (count_ == 0) return;
    const uint64_t bits = bits_of(hash);
    std::atomic_ref<uint64_t> word = word_of(hash);
    if ((word.load(std::memory_order_relaxed) & bits) != bits)
      word.fetch_or(bits, std::memory_order_relaxed);
  }
  bool may_have(uint64_t hash) const noexcept {
    if (count_ == 0) return true;
    const uint64_t bits = bits_of(hash);
    return (word_of(hash).load(std::memory_order_relaxed) & bits) == bits;
  }

 private:
  struct Free {
    void operator()(uint64_t* words) const noexcept { std::free(words); }
  };
  /// The word is chosen by the hash's upper bits, these by its lower.
  static uint64_t bits_of(uint64_t hash) noexcept {
    uint64_t bits = 0;
    for (uint32_t i = 0; i < kProbes; ++i) bits |= uint64_t{1} << (hash >> (6 * i) & 63);
    return bits;
  }
  std::atomic_ref<uint64_t> word_of(uint64_t hash) const noexcept {
    return std::atomic_ref<uint64_t>(words_.get()[base::scale(hash, count_)]);
  }

  static constexpr uint32_t kProbes = 4;
  std::unique_ptr<uint64_t[], Free> words_;
  uint64_t count_;
};

}  // namespace aether::lsm
