/// What a transaction needs to take itself back, in memory, in the order it happened.
///
/// The same entries are in the log, for a rollback after a crash; these spare a running rollback from reading
/// it, and are what older versions of rows will be read from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "wal/record.h"

namespace aether::txn {

/// One change to be taken back. Borrows its bytes.
struct UndoEntry {
  wal::ResourceManager manager = wal::ResourceManager::btree;
  uint8_t op = 0;
  StoreId store = 0;
  Lsn lsn = kNoLsn;       ///< Of the record that made the change.
  Lsn previous = kNoLsn;  ///< Of the transaction's record before it: the CLR's undo-next.
  std::string_view key;
  std::string_view before;
};

class UndoLog {
 public:
  void push(const UndoEntry& entry) {
    places_.push_back({entry, bytes_.size()});
    bytes_.append(entry.key);
    bytes_.append(entry.before);
  }
  bool empty() const noexcept { return places_.empty(); }
  size_t size() const noexcept { return places_.size(); }
  /// Valid until the next push or pop.
  UndoEntry back() const noexcept {
    const Place& place = places_.back();
    UndoEntry entry = place.entry;
    const std::string_view all(bytes_);
    entry.key = all.substr(place.offset, place.entry.key.size());
    entry.before = all.substr(place.offset + place.entry.key.size(), place.entry.before.size());
    return entry;
  }
  void pop() noexcept {
    bytes_.resize(places_.back().offset);
    places_.pop_back();
  }
  uint64_t memory_bytes() const noexcept { return bytes_.size() + places_.size() * sizeof(Place); }

 private:
  struct Place {
    UndoEntry entry;  ///< Its views tell lengths only.
    size_t offset = 0;
  };
  std::vector<Place> places_;
  std::string bytes_;
};

}  // namespace aether::txn
