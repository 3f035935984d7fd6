/// Entries in any ordered index, so that it serves as a nursery or a level: what a MergingCursor, a VisibleCursor or a Merge
/// reads beside runs.
///
///   row: key     the entry's key, each 0x00 in it as 00 ff; 00 01; ~writer, the highest byte first
///        value   kind, a byte; expiry, a varint; the entry's value
///
/// So rows lie as the entries of a run do: by key, within a key the newest first. The index has to take keys of the
/// entry's bytes and 10 more, and one for each 0x00 in it. Range tombstones lie beside it: MergeSource::range_tombstones.
///
/// Threads   put_entry: as the index's own. A cursor: one at a time.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "aether/codec.h"
#include "aether/ordered_index.h"
#include "base/no_memory.h"
#include "lsm/merging_cursor.h"

namespace aether::lsm {

/// Appends the key of the row of (`key`, `writer`).
void append_row_key(std::string& to, Bytes key, TxnId writer);
/// Appends what the row has as its value.
void append_row_value(std::string& to, const Entry& entry);
/// The entry of a row; it borrows the row's bytes, or `key_room`'s. Errors: corruption; may throw std::bad_alloc.
Result<void> read_row(Bytes row_key, Bytes row_value, std::string& key_room, Entry& entry);

/// Adds `entry`, or replaces what the same writer has put there. Errors: those of the index; invalid_argument (a range
/// tombstone).
template <index::Index I>
Result<void> put_entry(I& index, const Entry& entry) {
  if (entry.kind == EntryKind::range_tombstone) {
    return Error(Code::invalid_argument, "range tombstones do not lie among the rows of an index");
  }
  return base::or_no_memory([&]() -> Result<void> {
    std::string key;
    std::string value;
    append_row_key(key, entry.key, entry.writer);
    append_row_value(value, entry);
    return index.put(key, value);
  });
}

/// Models SortedEntries. To be moved only where it stands at no entry: that may borrow what lies in the cursor itself.
template <index::OrderedCursor C>
class IndexEntries {
 public:
  explicit IndexEntries(C cursor) : cursor_(std::move(cursor)) {}

  Result<bool> first() { return arrived(cursor_.first()); }
  Result<bool> last() { return arrived(cursor_.last()); }
  Result<bool> seek(Bytes key) {
    return to_row(key, kEveryWriter, [this] { return cursor_.seek(wanted_); });
  }
  Result<bool> seek_for_prev(Bytes key) {
    return to_row(key, 0, [this] { return cursor_.seek_for_prev(wanted_); });
  }
  Result<bool> next() { return arrived(cursor_.next()); }
  Result<bool> prev() { return arrived(cursor_.prev()); }
  const Entry& entry() const noexcept { return entry_; }

 private:
  template <typename Move>
  Result<bool> to_row(Bytes key, TxnId writer, Move move) {
    return base::or_no_memory([&]() -> Result<bool> {
      wanted_.clear();
      append_row_key(wanted_, key, writer);
      return arrived(move());
    });
  }
  Result<bool> arrived(Result<bool> moved) {
    if (!moved || !*moved) return moved;
    return base::or_no_memory([&]() -> Result<bool> {
      AETHER_TRY_ASSIGN(const Bytes value, cursor_.value());
      AETHER_TRY(read_row(cursor_.key(), value, key_, entry_));
      return true;
    });
  }

  C cursor_;
  Entry entry_;
  std::string key_;  ///< Of an entry whose key is not in the row as it is.
  std::string wanted_;
};

/// A source for merges and readers. `index` must outlive it. May throw std::bad_alloc.
template <index::OrderedIndex I>
std::unique_ptr<EntryCursor> entries_of(const I& index) {
  using Entries = IndexEntries<decltype(index.cursor())>;
  return std::make_unique<EntryCursorOf<Entries>>(Entries(index.cursor()));
}

}  // namespace aether::lsm
