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
  struct Leaf {
    buffer::Frame* frame;  ///< Null: nothing is known.
    PageId page;           ///< What it held.
  };

  Leaf find(uint64_t row_hash) const noexcept {
    if ((filled_ >> (row_hash % kCount) & 1) == 0) return {nullptr, kNoPage};
    const Entry& entry = entries_[row_hash % kCount];
    return entry.row_hash == row_hash ? entry.leaf : Leaf{nullptr, kNoPage};
  }
  void add(uint64_t row_hash, buffer::Frame& leaf) noexcept {
    entries_[row_hash % kCount] = {row_hash, {&leaf, leaf.page_id.load(std::memory_order_relaxed)}};
    filled_ |= static_cast<uint16_t>(1u << (row_hash % kCount));
  }

 private:
  static constexpr uint32_t kCount = 16;
  struct Entry {
    uint64_t row_hash;
    Leaf leaf;
  };
  uint16_t filled_ = 0;  ///< Bit i: entry i says something. Most transactions end before many do.
  std::array<Entry, kCount> entries_;
};

}  // namespace aether::txn
