/// What a cursor has passed since its last seek, for the reads of a serializable transaction (read_set.h). For all others
/// nothing is recorded.
///
/// Threads   The cursor's.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "aether/error.h"
#include "base/ids.h"
#include "txn/read_set.h"
#include "txn/transaction_context.h"

namespace aether::txn {

class RangeRecorder {
 public:
  /// `txn` may be null; it must outlive this.
  RangeRecorder(TransactionContext* txn, StoreId store) noexcept : txn_(txn), store_(store) {}
  RangeRecorder(const RangeRecorder&) = delete;
  RangeRecorder& operator=(const RangeRecorder&) = delete;
  ~RangeRecorder() {
    if (range_ != nullptr) txn_->reads->end_range(*range_);
  }

  /// Of a scan of the keys from `begin` up to `end` (empty: no end): what lies outside does not count as read, though
  /// the cursor steps on it to see that. Borrowed.
  void set_limits(std::string_view begin, std::string_view end) noexcept {
    begin_ = begin;
    end_ = end;
  }
  bool is_recording() const noexcept { return range_ != nullptr; }

  /// It seeks the first key >= `key`.
  void seek(std::string_view key) {
    if (txn_ == nullptr || txn_->reads == nullptr) return;
    if (range_ != nullptr) txn_->reads->end_range(*range_);
    range_ = &txn_->reads->begin_range(store_, key);
  }
  /// It seeks the last key <= `key`.
  void seek_for_prev(std::string_view key) {
    seek(key);
    if (range_ != nullptr && key == end_) range_->excludes_last = true;
  }
  /// It has sought the last of all keys, and stands on `key`, or has found none.
  void seek_last(bool found, std::string_view key) {
    seek(found ? key : begin_);
    if (range_ != nullptr) range_->unbounded = true;
  }
  /// It has moved to `key`, or to where there is none: all that lies between has been read.
  Result<bool> move(Result<bool> moved, const std::string& key, bool up) {
    if (range_ == nullptr || !moved) return moved;
    const bool within = *moved && begin_ <= key && (end_.empty() || key < end_);
    if (within) {
      range_->extend_to(key);
    } else if (!up) {
      range_->extend_to(begin_);
    } else if (!end_.empty()) {
      range_->extend_to_before(end_);
    } else {
      range_->unbounded = true;
    }
    return moved;
  }

 private:
  TransactionContext* txn_;
  const StoreId store_;
  std::string_view begin_;  ///< Limits of what counts as read.
  std::string_view end_;
  RangeRead* range_ = nullptr;
};

}  // namespace aether::txn
