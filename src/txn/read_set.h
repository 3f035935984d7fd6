/// What a serializable transaction has read: rows by their keys, also keys that had no row, and ranges.
///
/// At the commit the indexes look whether others have changed any of it (db/validation.h). What is remembered is
/// bounded: when it has grown too large, neighbouring reads are taken together as one range each, which finds every
/// change that they would have found, and some that do not matter.
///
/// Threads   One at a time, as its transaction.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "buffer/frame.h"

namespace aether::txn {

/// Where a read met its page: while the frame has that version, nothing in it has changed.
struct PageWitness {
  static constexpr uint64_t kNoVersion = 0;  ///< No page ever has it: the row was changed already.
  buffer::Frame* frame = nullptr;
  uint64_t version = kNoVersion;
};

struct PointRead {
  StoreId store = 0;
  uint32_t key_bytes = 0;
  uint64_t key_offset = 0;  ///< Of its bytes, in the set.
  PageWitness witness;
};

/// All keys from `first` to `last`; unbounded: all from `first` on.
struct RangeRead {
  StoreId store = 0;
  bool unbounded = false;
  bool excludes_last = false;
  bool in_use = false;  ///< A cursor still extends it.
  std::string first;
  std::string last;

  /// Takes the keys between it and `key` in.
  void extend_to(std::string_view key) {
    if (last < key || (excludes_last && last == key)) {
      last.assign(key);
      excludes_last = false;
    }
    if (key < first) first.assign(key);
  }
  /// Takes `other` in, which begins no earlier; of no use afterwards.
  void take_in(RangeRead& other) noexcept {
    if (last < other.last || (excludes_last && last == other.last)) {
      last.swap(other.last);
      excludes_last = false;
    }
  }
  void extend_to_before(std::string_view end) {
    if (end <= last) return;
    last.assign(end);
    excludes_last = true;
  }
  bool ends_before(std::string_view key) const noexcept {
    return !unbounded && (excludes_last ? last <= key : last < key);
  }
};

class ReadSet {
 public:
  /// `bytes_max`: of memory, about; what cursors still extend comes on top.
  explicit ReadSet(uint64_t bytes_max) noexcept : bytes_max_(bytes_max) {}

  void add_key(StoreId store, std::string_view key, const PageWitness& witness);
  /// A range of one key for a cursor to extend; stays where it is until `end_range`.
  RangeRead& begin_range(StoreId store, std::string_view key);
  void end_range(RangeRead& range) noexcept;

  const std::vector<PointRead>& points() const noexcept { return points_; }
  const std::vector<std::unique_ptr<RangeRead>>& ranges() const noexcept { return ranges_; }
  std::string_view key(const PointRead& read) const noexcept {
    return std::string_view(keys_).substr(read.key_offset, read.key_bytes);
  }
  uint64_t memory_bytes() const noexcept;

 private:
  void make_room();
  void coarsen();

  const uint64_t bytes_max_;
  std::string keys_;
  std::vector<PointRead> points_;
  std::vector<std::unique_ptr<RangeRead>> ranges_;
  uint64_t range_bytes_ = 0;  ///< Of the keys of `ranges_`, when they began.
};

}  // namespace aether::txn
