/// A table: the rows of a store in memory, in an ordered index of any kind, as transactions see them.
///
/// The index holds the newest version of each row with its writer (row.h), as a leaf of the B+ tree does; what a transaction
/// replaces goes to the VersionStore, a removed row stays as a ghost. So snapshots, conflicts, dependencies between commits,
/// rollback, locks and validation are those of the B+ tree, and one transaction may write both.
///
///   write   under the key's stripe: conflict? ─► version ─► index ─► one log record, without a page
///   read    latches nothing: row, older version if its writer is not seen, and the row again: unchanged?
///   image   a fence raises the GSN of every stripe to one number: what lies below is in the image that is then written beside
///           all others; what lies above is in the log from there on
///
/// Threads     Any method from any thread; a TransactionContext is one thread's at a time. A stripe's mutex is held over one
///             append to the log; under it only the version store's and the transaction table's latches are taken.
/// Errors      not_found, exists, conflict, too_large, no_memory (the bound is reached: the message says so); those of the
///             log and of the version store.
/// Source      LevelDB's and RocksDB's memtables; we differ: a row is replaced where it is, and older ones lie aside.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "base/ids.h"
#include "base/sharded.h"
#include "index/btree/btree.h"
#include "index/btree/read_view.h"
#include "index/btree/services.h"
#include "index/concept/any_index.h"
#include "os/sync.h"
#include "table/layers.h"
#include "table/table_log.h"
#include "txn/transaction_context.h"
#include "txn/validation.h"

namespace aether::table {

struct TableStats {
  uint64_t rows = 0;          ///< Ghosts included.
  uint64_t memory_bytes = 0;  ///< Of the index, with what is retired and not freed yet.
  uint64_t memory_bytes_max = 0;
  uint64_t log_bytes = 0;  ///< Records of its rows, since it was opened.
};

class Table {
 public:
  /// `index` has no bound on memory of its own: rollbacks and removals must not meet one. `layers` (null: none): what it is made
  /// of, then it has the newest row of each key; outlives this.
  Table(const index::Services& services, StoreId store, index::AnyIndex index,
        uint64_t memory_bytes_max, Layers* layers = nullptr);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // As BTree's.
  Result<void> get(Bytes key, std::string& value, txn::TransactionContext* txn);
  Result<void> visit(Bytes key, FunctionRef<void(Bytes)> visitor, txn::TransactionContext* txn);
  Result<void> multi_get(std::span<const Bytes> keys,
                         FunctionRef<void(size_t index, const Bytes* value)> visitor,
                         txn::TransactionContext* txn);
  /// False, and nothing done: of a single record. A row's writer has to be in the transaction table.
  Result<bool> write(txn::TransactionContext& txn, index::WriteKind kind, Bytes key, Bytes value);
  Result<void> undo(txn::TransactionContext& txn, const txn::UndoEntry& entry);
  /// Takes the ghost of `key` that `owner` left. Its commit is durable, and every snapshot sees it. Not logged: recovery
  /// finds the removal, and no ghost survives it.
  Result<void> purge(Bytes key, TxnId owner);

  void count_locker(txn::TransactionContext& txn);
  Result<void> check_locked_range(txn::TransactionContext& txn, Bytes begin, Bytes end);
  Result<void> check_locked_key(txn::TransactionContext& txn, Bytes key);
  Result<bool> still_holds(Bytes key, const txn::Validation& validation);
  Result<bool> still_holds(const txn::RangeRead& range, const txn::Validation& validation);

  /// When the row expires; 0: it stays. Errors: not_found.
  Result<uint64_t> expiry(Bytes key, txn::TransactionContext* txn);
  /// The row as `view` sees it, for cursors.
  Result<void> read(Bytes key, std::string& value, index::ReadView& view,
                    txn::TransactionContext* txn);

  // Recovery, before others use it.
  /// A row of the image.
  Result<void> load(Bytes key, Bytes row);
  /// A change from the log, which counts if the row is older. Empty: there is no row.
  Result<void> redo(Bytes key, Gsn gsn, Bytes payload);
  /// Every change from here on gets a GSN above.
  void raise_gsn(Gsn gsn) noexcept;
  /// The log from `position` on has changes that no image has.
  void set_redo_from(LogPosition position) noexcept { dirty_from_ = position; }

  // Images. One at a time.
  /// Every change with this GSN or one below has been made, and every later one gets one above.
  Gsn begin_image() noexcept;
  /// Visits every row that recovery may need, ghosts of open transactions too; takes away the other ghosts that nobody
  /// needs. Beside writers.
  Result<void> visit_rows(FunctionRef<Result<void>(Bytes key, Bytes row)> visitor);
  /// `is_there`: the image is durable, and in the place of the one before.
  void end_image(bool is_there) noexcept;

  // Of layers, in the place of images. One at a time.
  /// The active layer gets no more rows. Errors: no_memory.
  Result<void> seal();
  /// Visits all rows of a sealed layer whose transactions have ended, ghosts too. Those of open ones are logged again by `flusher` as
  /// rows of the active layer, and what they had replaced takes their place. `owns`: a value outside is the row's own. Beside writers.
  /// Returns how many bytes of rows have become the active layer's.
  Result<uint64_t> write_out(index::AnyIndex& sealed, txn::TransactionContext& flusher,
                             FunctionRef<Result<void>(Bytes key, Bytes row, bool owns)> visitor);
  /// Rows of [begin, end) are about to come to runs, below memory: makes sure that there are none in memory, and none is locked, and
  /// calls `commit`, which shows them, before anybody may write. Errors: busy; those of `commit`.
  Result<void> add_below(Bytes begin, Bytes end, FunctionRef<Result<void>()> commit);
  /// Errors: busy: a row of that range is in memory or somebody has locks in the store.
  Result<void> check_below(Bytes begin, Bytes end) const;
  /// Of a row that does not come by `write`: those of its key and value.
  Result<void> check_row(Bytes key, Bytes value) const {
    return check_arguments(index::WriteMode::insert, key, value);
  }
  bool lies_outside(Bytes key, Bytes value) const noexcept {
    return lies_outside(index::WriteMode::insert, key, value);
  }
  /// As Layers'; false if there are none.
  Result<bool> pass_removed(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                            std::string& next) const {
    return layers_ == nullptr ? Result<bool>(false) : layers_->pass_removed(key, sees, next);
  }
  Result<bool> pass_removed_below(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                                  std::string& next) const {
    return layers_ == nullptr ? Result<bool>(false) : layers_->pass_removed_below(key, sees, next);
  }
  /// As Layers'; true if there are none.
  Result<bool> may_have(Bytes begin, Bytes end) const {
    return layers_ == nullptr ? Result<bool>(true) : layers_->may_have(begin, end);
  }
  bool has_layers() const noexcept { return layers_ != nullptr; }
  uint64_t layer_changes() const noexcept { return layers_ == nullptr ? 0 : layers_->changes(); }
  /// The log has changes of rows that are in no image, and in no sealed layer.
  bool is_dirty() const noexcept { return dirty_from_.load(std::memory_order_seq_cst) != 0; }

  /// The log from here on has changes that the last image has not; 0: there are none.
  LogPosition redo_from() const noexcept;

  /// Of a store that has been dropped: gives the memory back.
  void clear() noexcept;

  /// Key and value together; one log record must hold the row, and the one before it.
  uint64_t row_bytes_max() const noexcept;
  TableStats stats() const noexcept;
  void set_memory_bytes_max(uint64_t bytes) noexcept { memory_bytes_max_ = bytes; }
  StoreId store() const noexcept { return store_; }
  index::Services& services() noexcept { return services_; }
  index::AnyCursor cursor() const { return index_.cursor(); }

 private:
  enum class Step : uint8_t { done, needs_lock, needs_transaction, being_written, needs_value };
  /// What a write meets: nothing; a row that it replaces, or one that it hides; one that must be left alone for a moment.
  enum class Met : uint8_t { nothing, replaced, hidden, being_written };
  /// begin_image holds all of them, and ThreadSanitizer follows at most 64 mutexes of a thread.
  static constexpr size_t kStripes = 32;

  struct alignas(64) Stripe {
    os::Mutex mutex;
    Gsn gsn = 0;  ///< The highest that was given to a row of it.
  };
  /// What a write is to do, and what it has prepared for that.
  struct Given;
  /// What a change makes of a row; it is put in place, logged, or put back.
  struct Change;

  Stripe& stripe_of(Bytes key) noexcept;
  /// The record that `log` ends with is one of a row.
  void count_record(const buffer::LogContext& log) noexcept {
    const uint64_t bytes = log.lsn_vector.at[log.stream] - log.last_lsn;
    log_bytes_.add(static_cast<int64_t>(bytes), log.stream);
  }
  Result<bool> find(Bytes key, std::string& row) const;
  bool is_still(Bytes key, Gsn gsn) const;
  void remember(txn::TransactionContext* txn, Bytes key) const;
  Result<void> check_arguments(index::WriteKind kind, Bytes key, Bytes value) const;
  Result<void> check_bound();
  Result<void> check_writer(txn::TransactionContext& txn, TxnId writer) const;
  Result<Step> try_write(txn::TransactionContext& txn, Bytes key, Given& given);
  Result<Step> try_expire(txn::TransactionContext& txn, Bytes key, Bytes old_row, Given& given,
                          std::string& room) const;
  Result<void> write_outside(txn::TransactionContext& txn, Bytes value, Given& given);
  Result<void> copy_outside(txn::TransactionContext& txn, Bytes key, Given& given);
  bool lies_outside(index::WriteKind kind, Bytes key, Bytes value) const noexcept;
  Result<void> read_outside(std::string& value, const index::ReadView& view, Bytes key, Gsn newest,
                            bool& is_same);
  Result<void> write_row(txn::TransactionContext& txn, Stripe& stripe, const Change& change);
  static Result<void> put_back(index::AnyIndex& index, Bytes key, Bytes old_row);
  Result<bool> find_own(Bytes key, std::string& row) const;
  Result<bool> row_holds(TxnId writer, Bytes key, const txn::Validation& validation) const;
  Result<std::optional<TxnId>> writer_before(TxnId writer, Bytes key) const;
  Result<void> read(Bytes key, std::string& value, index::ReadView& view,
                    txn::TransactionContext* txn, bool is_head);
  Result<void> read_layers(Bytes key, std::string& value, index::ReadView& view,
                           txn::TransactionContext* txn, bool is_head);
  Result<Met> find_to_write(txn::TransactionContext& txn, index::WriteMode mode, Stripe& stripe,
                            Bytes key, std::string& row);
  Result<bool> settle_row(index::AnyIndex& sealed, txn::TransactionContext& flusher, Bytes key,
                          std::string& row, bool& owns, uint64_t& moved_bytes);
  Result<void> move_up(txn::TransactionContext& logger, Stripe& stripe, index::AnyIndex& sealed,
                       Bytes key, Bytes row);
  index::AnyIndex& home(Bytes key) { return layers_ == nullptr ? index_ : layers_->home_of(key); }
  index::AnyCursor cursor_of_later(TxnId from) const {
    return layers_ == nullptr ? index_.cursor() : layers_->cursor_of_later(from);
  }
  Gsn next_gsn(const buffer::LogContext& context, const Stripe& stripe) const noexcept;
  void mark_dirty() noexcept;
  Gsn lock_stripes() noexcept;
  void raise_and_unlock_stripes(Gsn gsn) noexcept;
  bool may_go(Bytes row, uint64_t& horizon_ms) const;
  Result<void> take_ghost(Bytes key, Gsn gsn);

  index::Services services_;
  const StoreId store_;
  index::AnyIndex index_;
  Layers* const layers_;
  std::atomic<uint64_t> memory_bytes_max_;
  std::atomic<uint32_t> lockers_{0};  ///< Transactions with locks here.
  base::ShardedCounter log_bytes_;
  /// Where the log begins that has changes since the last image began; and of the one that is being made, what it would
  /// replace. 0: none.
  std::atomic<LogPosition> dirty_from_{0};
  std::atomic<LogPosition> image_from_{0};
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace aether::table
