/// What a transaction needs to take itself back, in memory, in the order it happened.
///
/// The same entries are in the log, for a rollback after a crash; these spare a running rollback from reading
/// it. A row's payload before the change is kept as a Version, which readers of older snapshots use too, and which
/// outlives the transaction if it must.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "base/few_vector.h"
#include "base/ids.h"
#include "base/no_memory.h"
#include "txn/version.h"
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
  Version* version = nullptr;  ///< What readers may have found; null after a restart.
};

class UndoLog {
 public:
  UndoLog() = default;
  UndoLog(UndoLog&&) noexcept = default;
  UndoLog& operator=(UndoLog&& other) noexcept {
    std::swap(places_, other.places_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  UndoLog(const UndoLog&) = delete;
  UndoLog& operator=(const UndoLog&) = delete;
  ~UndoLog() {
    for (const Place& place : places_) Version::destroy(place.version);
  }

  /// Before the change is logged: then `push` needs no memory.
  void make_room() { base::make_room(places_); }
  /// Takes `entry.version`, which has the entry's store, key and before.
  void push(const UndoEntry& entry) noexcept {
    bytes_ += entry.version->memory_bytes();
    places_.push_back({entry.manager, entry.op, entry.lsn, entry.previous, entry.version});
  }
  bool empty() const noexcept { return places_.empty(); }
  size_t size() const noexcept { return places_.size(); }
  /// Valid until the next pop.
  UndoEntry back() const noexcept {
    const Place& place = places_.back();
    return {.manager = place.manager,
            .op = place.op,
            .store = place.version->store,
            .lsn = place.lsn,
            .previous = place.previous,
            .key = place.version->key(),
            .before = place.version->payload(),
            .version = place.version};
  }
  /// What it took back is no version of anything: no reader may be able to find it.
  void pop() noexcept {
    bytes_ -= places_.back().version->memory_bytes();
    Version::destroy(places_.back().version);
    places_.pop_back();
  }
  /// The transaction has committed: what it replaced, for VersionStore::retire. Empties the log.
  VersionList take_versions() noexcept {
    VersionList versions;
    for (const Place& place : places_) {
      if (place.version->linked) {
        versions.push_back(place.version);
      } else {
        Version::destroy(place.version);
      }
    }
    places_.clear();
    bytes_ = 0;
    return versions;
  }
  uint64_t memory_bytes() const noexcept { return bytes_ + places_.size() * sizeof(Place); }

 private:
  struct Place {
    wal::ResourceManager manager;
    uint8_t op;
    Lsn lsn;
    Lsn previous;
    Version* version;
  };
  base::FewVector<Place, 4> places_;
  uint64_t bytes_ = 0;
};

}  // namespace aether::txn
