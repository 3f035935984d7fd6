/// What one reader sees of many sources: of each key the newest version that he sees, if it is a value.
///
/// Going forward it stands on an entry of a source; going backward it has met the older versions of a key first and keeps the
/// newest that it may show in a buffer. A step passes all versions of a key, so it costs what there is of them; steps allocate
/// nothing once the buffers have grown.
///
/// Threads   One at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "aether/error.h"
#include "lsm/entry.h"
#include "lsm/merge.h"
#include "lsm/merging_cursor.h"

namespace aether::lsm {

/// Of range tombstones that a reader sees, for each key the newest.
class RangeTombstoneMap {
 public:
  struct Given {
    RangeTombstone range;
    size_t source = 0;  ///< 0 is the newest.
  };
  RangeTombstoneMap() = default;
  explicit RangeTombstoneMap(const std::vector<Given>& given);

  /// True if an entry of `source` by `writer` is removed.
  bool removes(Bytes key, size_t source, TxnId writer) const noexcept;

 private:
  /// From `begin` to the next one's: removed by what stands here.
  struct Piece {
    std::string begin;
    bool removes = false;
    size_t source = 0;
    TxnId writer = 0;
  };
  std::vector<Piece> pieces_;
};

class VisibleCursor {
 public:
  /// The newest source first. `sees` tells for a writer; the answer must not change. Expired is what expires at `now_ms`
  /// or before; 0: nothing.
  VisibleCursor(std::vector<MergeSource> newest_first, std::function<bool(TxnId writer)> sees,
                uint64_t now_ms);

  /// As those of aether/ordered_index.h: where it is at no key, next is first and prev is last.
  Result<bool> first();
  Result<bool> last();
  Result<bool> seek(Bytes key);
  Result<bool> seek_for_prev(Bytes key);
  Result<bool> next();
  Result<bool> prev();

  bool positioned() const noexcept { return place_ != Place::nowhere; }
  Bytes key() const noexcept { return key_; }
  /// EntryKind::value or value_apart.
  EntryKind kind() const noexcept { return shown().kind; }
  Bytes value() const noexcept { return shown().value; }
  TxnId writer() const noexcept { return shown().writer; }

 private:
  enum class Place : uint8_t { nowhere, on_entry, in_buffer };

  const Entry& shown() const noexcept {
    return place_ == Place::in_buffer ? buffered_ : inputs_.entry();
  }
  bool shows(const Entry& entry, size_t source) const noexcept;
  Result<bool> settle_forward(Result<bool> is_there);
  Result<bool> settle_backward(Result<bool> is_there);
  Result<bool> pass_key_forward();

  MergingCursor inputs_;
  std::function<bool(TxnId)> sees_;
  uint64_t now_ms_;
  RangeTombstoneMap removed_;
  Place place_ = Place::nowhere;
  std::string key_;
  Entry buffered_;
  std::string buffer_;
};

}  // namespace aether::lsm
