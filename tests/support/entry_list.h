/// Entries in memory, in the order of a run, and a cursor over them: a source for merges.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "lsm/merging_cursor.h"

namespace aether::testing {

struct OwnedEntry {
  std::string key;
  TxnId writer = 0;
  lsm::EntryKind kind = lsm::EntryKind::value;
  uint64_t expiry_ms = 0;
  std::string value = {};

  lsm::Entry borrow() const { return {key, writer, kind, expiry_ms, value}; }
  bool operator==(const OwnedEntry&) const = default;
};

inline OwnedEntry owned(const lsm::Entry& entry) {
  return {std::string(entry.key), entry.writer, entry.kind, entry.expiry_ms,
          std::string(entry.value)};
}

class EntryListCursor {
 public:
  /// `entries` must outlive it.
  explicit EntryListCursor(const std::vector<OwnedEntry>& entries) : entries_(&entries) {}

  Result<bool> first() { return go(0); }
  Result<bool> last() { return go(entries_->size() - 1); }
  Result<bool> seek(Bytes key) {
    const auto at = std::partition_point(entries_->begin(), entries_->end(),
                                         [key](const OwnedEntry& e) { return e.key < key; });
    return go(static_cast<size_t>(at - entries_->begin()));
  }
  Result<bool> seek_for_prev(Bytes key) {
    const auto at = std::partition_point(entries_->begin(), entries_->end(),
                                         [key](const OwnedEntry& e) { return e.key <= key; });
    return go(static_cast<size_t>(at - entries_->begin()) - 1);
  }
  Result<bool> next() { return go(place_ + 1); }
  Result<bool> prev() { return go(place_ - 1); }
  const lsm::Entry& entry() const noexcept { return entry_; }

 private:
  Result<bool> go(size_t place) {
    place_ = place;
    if (place >= entries_->size()) return false;  // Also below 0.
    entry_ = (*entries_)[place].borrow();
    return true;
  }

  const std::vector<OwnedEntry>* entries_;
  size_t place_ = 0;
  lsm::Entry entry_;
};

inline std::unique_ptr<lsm::EntryCursor> cursor_over(const std::vector<OwnedEntry>& entries) {
  return std::make_unique<lsm::EntryCursorOf<EntryListCursor>>(EntryListCursor(entries));
}

}  // namespace aether::testing
