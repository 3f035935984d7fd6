/// A cursor over a table, both ways, as a transaction sees it: index::BTreeCursor's way of use.
///
/// Each step looks at the row on which the index's cursor stands, and copies key and value if it is seen. Without a
/// snapshot of its transaction it takes one of its own for each step, unless the last one still shows all. While it stands
/// it holds back what others remove, as the index's own cursors do.
///
/// A move that fails has not happened: the cursor stands where it stood.
///
/// Threads   One at a time.
#pragma once

#include <optional>
#include <string>

#include "aether/error.h"
#include "index/btree/cursor.h"
#include "table/table.h"
#include "txn/range_recorder.h"

namespace aether::table {

class TableCursor {
 public:
  /// `txn`: says what is seen, and takes what the answers depend on. Null: the newest committed rows.
  TableCursor(Table& table, txn::TransactionContext* txn);
  TableCursor(const TableCursor&) = delete;
  TableCursor& operator=(const TableCursor&) = delete;
  ~TableCursor();

  /// Of a scan of the keys from `begin` up to `end` (empty: no end): what lies outside is not read, or does not count as read. Borrowed.
  void set_limits(Bytes begin, Bytes end) {
    recorder_.set_limits(begin, end);
    at_.set_limits(begin, end);
  }
  Result<bool> seek(Bytes key);
  Result<bool> seek_for_prev(Bytes key);
  Result<bool> first() { return seek({}); }
  Result<bool> last();
  Result<bool> next();
  Result<bool> prev();

  bool positioned() const noexcept { return positioned_; }
  Bytes key() const noexcept { return key_; }
  Result<Bytes> value();
  Result<uint64_t> expiry();

  using Visit = index::BTreeCursor::Visit;
  /// Visits the row on which it stands. False: the visit is over.
  Result<bool> visit_leaf(Visit& visit);
  /// Moves on in its direction, and visits that row, and those after it that the index shows as they are. False: there is none, or the
  /// visit is over; then, and after an error, it may stand nowhere.
  Result<bool> visit_on(Visit& visit);

 private:
  void take_snapshot();
  bool may_step() noexcept;
  Result<bool> walk(Result<bool> moved, bool up);
  Result<bool> pass_removed(bool up);
  Result<bool> settle();
  bool may_be_plain() const noexcept;
  bool is_plain(const index::ReadView& view, Bytes row) const noexcept;
  Result<bool> visit_plain_rows(Visit& visit);

  Table& table_;
  txn::TransactionContext* txn_;
  uint64_t changes_ = 0;  ///< Of rows, when at_ stepped last: by txn_, or by anybody.
  bool is_scan_ = false;
  index::AnyCursor at_;
  bool at_is_here_ = false;                  ///< at_ stands on key_, or where that was.
  const txn::Snapshot* snapshot_ = nullptr;  ///< The transaction's, or own_.
  txn::Snapshot own_;
  txn::RangeRecorder recorder_;
  bool positioned_ = false;
  std::string key_;
  std::string value_;
  uint64_t expiry_ms_ = 0;
  std::string next_key_;
  std::string next_value_;
  uint64_t next_expiry_ms_ = 0;
  std::string from_;
};

}  // namespace aether::table
