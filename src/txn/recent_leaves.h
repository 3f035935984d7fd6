/// Where a transaction has met the rows that it read last, so that a write after a read of the same key need not
/// descend again.
///
/// A hint, kept by the hash of the row's name: who takes it looks whether the leaf still covers the key.
///
/// Threads   One at a time, as its transaction.
#pragma once

#include <array>
#include <cstdint>

#include "base/ids.h"
#include "buffer/frame.h"

namespace aether::txn {

class RecentLeaves {
 public:
  RecentLeaves() noexcept {}  // NOLINT(modernize-use-equals-default): no entry is cleared.

  /// Null: nothing is known.
  buffer::Frame* find(uint64_t row_hash) const noexcept {
    const uint64_t at = row_hash % kCount;
    if ((filled_ >> at & 1) == 0 || entries_[at].row_hash != row_hash) return nullptr;
    return entries_[at].leaf;
  }
  void add(uint64_t row_hash, buffer::Frame& leaf) noexcept {
    const uint64_t at = row_hash % kCount;
    entries_[at] = {row_hash, &leaf};
    filled_ |= 1u << at;
  }

 private:
  static constexpr uint32_t
      kCount = 12;  // With them a TransactionImpl is small enough for malloc's fast bins.
  struct Entry {
    uint64_t row_hash;
    buffer::Frame* leaf;
  };
  uint32_t filled_ = 0;  ///< Bit i: entry i says something. Most transactions end before many do.
  std::array<Entry, kCount> entries_;
};

}  // namespace aether::txn
