/// Walks the tree in key order, both ways, over a private copy of one leaf at a time.
///
/// No latch is held between calls and no user code runs under one. With a snapshot a copy stays good until the
/// cursor's own transaction writes: what others write is not for it. Without one each copy has a snapshot of its own,
/// and the leaf's version is compared before each step. If the copy is stale, the leaf is copied again and the
/// position found anew by key. A row whose newest version is not seen is looked up by its key.
///
/// A move that fails, for whatever reason, has not happened: the cursor stands where it stood, and may be moved again.
///
/// Threads   One at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aether/error.h"
#include "index/btree/btree.h"
#include "txn/range_recorder.h"

namespace aether::index {

class BTreeCursor {
 public:
  /// `txn`: says what is seen, and takes what the answers depend on. Null: the newest committed rows.
  BTreeCursor(BTree& tree, txn::TransactionContext* txn);
  BTreeCursor(const BTreeCursor&) = delete;
  BTreeCursor& operator=(const BTreeCursor&) = delete;
  ~BTreeCursor();

  /// Of a scan of the keys from `begin` up to `end` (empty: no end): what lies outside does not count as read. Borrowed.
  void set_limits(Bytes begin, Bytes end) noexcept { recorder_.set_limits(begin, end); }

  /// To the first key >= `key`, or to the last key <= `key`. False: there is none.
  Result<bool> seek(Bytes key);
  Result<bool> seek_for_prev(Bytes key);
  Result<bool> first() { return seek({}); }
  Result<bool> last();
  Result<bool> next();
  Result<bool> prev();

  bool positioned() const noexcept { return positioned_; }
  Bytes key() const noexcept { return key_; }
  Result<Bytes> value();
  /// When the row on which it stands expires; 0: it stays. Errors: those of value.
  Result<uint64_t> expiry();

  /// What a scan does from one row to the next, for all rows of a leaf at once.
  struct Visit {
    Bytes begin;  ///< Where it ends: the least key, or the one above the greatest; empty: nowhere.
    Bytes end;
    bool up = true;
    FunctionRef<bool(Bytes key, Bytes value)> visitor;  ///< False: enough.
    uint64_t visited = 0;

    bool is_outside(Bytes key) const noexcept {
      return up ? !end.empty() && end <= key : key < begin;
    }
  };
  /// Visits the row on which it stands, and those after it that this copy of the leaf shows as they are; it then stands
  /// on the last one. False: the visit is over. `visitor` may do anything but move this cursor.
  Result<bool> visit_leaf(Visit& visit);
  /// Moves to the row after that, downwards to the one before, and goes on as visit_leaf. False: there is none, or the visit
  /// is over.
  Result<bool> visit_on(Visit& visit);

 private:
  /// One move: unless it succeeds, the position is what it was, and the copy is no longer trusted.
  class Move;
  Result<bool> first_at(Bytes key);
  Result<bool> last_at(Bytes key);
  Result<bool> last_of_all();
  Result<void> copy_leaf(Bytes key, SeekTo where);
  Result<void> copy_neighbour(bool up);
  void take_snapshot();
  bool take_copy(const buffer::OptimisticGuard& guard);
  Result<bool> visit_row(Visit& visit);
  bool visit_plain_rows(Visit& visit);
  Result<bool> visit_next_leaf(Visit& visit);
  bool has_expired(Bytes payload) const noexcept;
  bool copy_is_enough() const noexcept;
  bool is_as_copied() const noexcept;
  Result<bool> forward(uint32_t slot);
  Result<bool> backward(uint32_t slots);
  bool is_current() const noexcept;
  Result<bool> settle(uint32_t slot);
  page::SlottedPage leaf() noexcept { return copy_.node(); }

  BTree& tree_;
  txn::TransactionContext* txn_;
  class Copy {
   public:
    explicit Copy(uint32_t page_bytes)
        : bytes_(std::make_unique_for_overwrite<std::byte[]>(page_bytes)),
          page_bytes_(page_bytes) {}
    page::SlottedPage node() noexcept { return {bytes_.get(), page_bytes_}; }

   private:
    std::unique_ptr<std::byte[]> bytes_;  ///< Nothing before the first copy.
    uint32_t page_bytes_;
  } copy_;
  buffer::ScanRing ring_;
  const txn::Snapshot* snapshot_ = nullptr;  ///< The transaction's, or own_.
  txn::Snapshot own_;
  txn::RangeRecorder recorder_;
  BTree::LeafPlace place_;  ///< Of the copy's leaf.
  bool is_plain_ = false;   ///< All rows of the copy are seen as they are, and depend on nothing.
  buffer::Frame* frame_ = nullptr;  ///< Where the copy came from, and at which version.
  uint64_t version_ = 0;
  uint64_t writes_ = 0;  ///< The transaction's, when it was copied.
  uint32_t slot_ = 0;
  bool is_older_ = false;  ///< The row's value is in older_value_.
  bool positioned_ = false;
  std::string key_;
  std::string next_key_;  ///< The last position's, once a move has set key_.
  bool has_moved_ = false;
  std::string fence_;
  std::string older_value_;
  std::string large_value_;
};

}  // namespace aether::index
