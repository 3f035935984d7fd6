/// An open environment: the rooms below, wired together.
///
/// Threads       Any, but open and close.
/// Latch order   ddl_mutex_, image_mutex_, repair_mutex_, checkpoint_mutex_, stores_mutex_; none of them under a page latch.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aether/backup.h"
#include "aether/env.h"
#include "buffer/buffer_pool.h"
#include "buffer/data_file.h"
#include "buffer/page_writer.h"
#include "buffer/space_manager.h"
#include "db/archiver.h"
#include "db/garbage.h"
#include "db/live.h"
#include "db/lsm_store.h"
#include "db/lsm_worker.h"
#include "db/prepared.h"
#include "db/resource_managers.h"
#include "db/scrubber.h"
#include "db/table_replay.h"
#include "index/btree/btree.h"
#include "os/os.h"
#include "os/process_mark.h"
#include "os/sync.h"
#include "recovery/control.h"
#include "recovery/deferred_redo.h"
#include "recovery/recovery.h"
#include "table/table.h"
#include "txn/lock_manager.h"
#include "txn/statistics.h"
#include "txn/transaction_table.h"
#include "wal/log.h"

namespace aether::db {

inline constexpr StoreId kCatalogueStore = 1;
inline constexpr PageId kCatalogueRoot{2};

/// The rows of a store of that kind are a table's: in memory, or there first. Else they are in its tree.
constexpr bool has_table(IndexKind kind) noexcept {
  return kind == IndexKind::skiplist || kind == IndexKind::rax || kind == IndexKind::lsm;
}

/// What the catalogue says about a store. The value of its name.
struct CatalogueEntry {
  StoreId id = 0;
  IndexKind index = IndexKind::btree;
  uint8_t dropped = 0;  ///< 1: being given back; found again, that goes on.
  uint8_t reserved[2] = {};
  uint64_t root_page = 0;
};
static_assert(sizeof(CatalogueEntry) == 16);

/// What it says about a store in memory.
struct TableEntry {
  CatalogueEntry store;
  Gsn gsn_floor =
      0;  ///< What the log has of a store of this number up to here is another's, which was dropped.
  uint64_t memory_bytes_max = 0;
};
static_assert(sizeof(TableEntry) == 32);
/// Of either kind. Errors: corruption, unsupported (its kind is not known).
Result<TableEntry> parse_catalogue_entry(Bytes name, Bytes value);

/// What a store's rows are in: one of the two.
struct StoreRows {
  index::BTree* tree = nullptr;
  table::Table* table = nullptr;
  explicit operator bool() const noexcept { return tree != nullptr || table != nullptr; }
};

/// How a transaction's object goes. One whose rollback lacks memory becomes the environment's, which goes on with it
/// (EnvImpl::finish_rollbacks).
struct TransactionRelease {
  void operator()(TransactionImpl* transaction) const noexcept;
};
using TransactionPointer = std::unique_ptr<TransactionImpl, TransactionRelease>;

/// A store that is open in this process. It stays until the environment's object goes, also when it is dropped or the
/// environment closed: a handle that is used too late gets an answer.
class StoreImpl {
 public:
  /// open ◄──► dropping (drop_store: no new writes, until it is sure) ──► dropped; closed: the environment is.
  enum class State : uint8_t { open, dropping, dropped, closed };

  /// `table`: of a store in memory; the tree then holds its image. Null: the tree holds the rows. `lsm`: what the table's rows
  /// lie in, of such a store; the tree then holds its manifest.
  StoreImpl(EnvImpl& env, std::string name, StoreId id, buffer::Frame& root,
            std::unique_ptr<table::Table> table, IndexKind kind = IndexKind::btree,
            std::unique_ptr<LsmStore> lsm = nullptr);

  Result<void> write(TransactionImpl* txn, index::WriteKind kind, Bytes key, const Bytes& value);
  /// When the row expires; 0: it stays. `txn` null: alone. Errors: not_found.
  Result<uint64_t> expiry(Bytes key, txn::TransactionContext* txn);
  /// `txn` null: alone. Removes all of it or nothing.
  Result<uint64_t> remove_range(TransactionImpl* txn, const Range& range);
  Result<uint64_t> bulk_load(FunctionRef<bool(Bytes& key, Bytes& value)> next);
  /// It may be read. Errors: closed, not_found (dropped).
  Result<void> check() const {
    if (state_.load(std::memory_order_relaxed) <= State::dropping && process_.is_here()) [[likely]]
      return {};
    return why_not();
  }
  /// It may be written. Errors: those, and busy (it may be about to be dropped).
  Result<void> check_writable() const {
    if (state_.load(std::memory_order_relaxed) == State::open && process_.is_here()) [[likely]]
      return {};
    return why_not();
  }
  EnvImpl& env() noexcept { return env_; }
  /// Rows, or their image or manifest.
  index::BTree& tree() noexcept { return tree_; }
  /// Null: the rows are in the tree.
  table::Table* table() noexcept { return table_.get(); }
  /// Null: the store is of another kind.
  LsmStore* lsm() noexcept { return lsm_.get(); }
  StoreRows rows() noexcept {
    return table_ != nullptr ? StoreRows{.table = table_.get()} : StoreRows{.tree = &tree_};
  }
  Result<bool> write_row(txn::TransactionContext& txn, index::WriteKind kind, Bytes key,
                         const Bytes& value) {
    if (table_ != nullptr) [[unlikely]] {
      if (lsm_ == nullptr) return table_->write(txn, kind, key, value);
      AETHER_TRY(lsm_->before_write(txn));
      Result<bool> written = table_->write(txn, kind, key, value);
      if (written && *written) lsm_->after_write(key.size(), value.size());
      return written;
    }
    return tree_.write(txn, kind, key, value);
  }
  IndexKind kind() const noexcept { return kind_; }
  bool is_open() const noexcept { return state_.load() == State::open; }
  const std::string& name() const noexcept { return name_; }
  StoreId id() const noexcept { return tree_.store(); }
  void set_state(State state) noexcept { state_.store(state); }

 private:
  Result<void> write_in(TransactionImpl& txn, index::WriteKind kind, Bytes key, const Bytes& value);
  Result<void> write_alone(index::WriteKind kind, Bytes key, const Bytes& value);
  Result<void> gather_keys(TransactionImpl& txn, Bytes begin, Bytes end, bool is_begun,
                           std::vector<std::string>& keys);
  Result<uint64_t> remove_rows(TransactionImpl& txn, const Range& range);
  /// Of a store of runs (lsm_ingest.cpp).
  Result<TransactionPointer> begin_ingest();
  Result<void> end_ingest(lsm::Ingest& ingest, TransactionImpl& whole, const Range& range);
  Result<void> load_row(lsm::Ingest& ingest, TransactionImpl& whole, Bytes key, Bytes value);
  Result<uint64_t> load_runs(FunctionRef<bool(Bytes& key, Bytes& value)> next);
  Result<bool> has_many(const Range& range);
  /// Nothing: it has to be done one by one.
  Result<std::optional<uint64_t>> remove_by_run(const Range& range);
  template <typename RowCursor>
  Result<uint64_t> load_rows(RowCursor& cursor, TransactionImpl& whole,
                             FunctionRef<bool(Bytes& key, Bytes& value)> next);
  Result<bool> write_lone_row(txn::TransactionContext& single, index::WriteKind kind, Bytes key,
                              Bytes value);
  Error why_not() const;

  std::atomic<State> state_{State::open};
  const os::ProcessMark process_;
  EnvImpl& env_;
  const std::string name_;
  index::BTree tree_;
  const std::unique_ptr<LsmStore> lsm_;
  const std::unique_ptr<table::Table> table_;
  const IndexKind kind_;
};

class EnvImpl {
 public:
  static Result<std::unique_ptr<EnvImpl>> open(const std::string& home, const EnvOptions& options,
                                               os::Os& os);
  ~EnvImpl();
  Result<void> close();

  Result<StoreImpl*> open_store(const std::string& name, const StoreOptions& options);
  Result<void> drop_store(const std::string& name);
  Result<std::vector<std::string>> list_stores();
  /// The store's tree if it is open, else null.
  index::BTree* open_tree(StoreId id);
  /// The store's tree, opened if need be: for undo. Errors: corruption (no such store).
  Result<index::BTree*> tree(StoreId id);
  /// The same of what holds its rows.
  StoreRows open_rows(StoreId id);
  Result<StoreRows> rows(StoreId id);
  /// Takes a change of a table's row back.
  Result<void> undo_row(txn::TransactionContext& txn, const txn::UndoEntry& entry);

  Result<void> commit_prepared(Bytes gid);
  Result<void> rollback_prepared(Bytes gid);
  Result<std::vector<PreparedTransaction>> prepared();

  Result<TransactionPointer> begin(const TxnOptions& options);
  /// A transaction without an object, whose rollback lacks memory.
  void keep_unfinished(TransactionImpl& transaction) noexcept;
  /// Goes on with those, as far as there is memory.
  void finish_rollbacks() noexcept;
  Result<Transaction> begin_transaction(const TxnOptions& options);
  Result<void> write(const WriteBatch& batch, Durability durability);
  Result<void> checkpoint();
  /// An error of `step` ends it.
  Result<VerifyReport> verify(FunctionRef<Result<void>(uint64_t done, uint64_t total)> step);
  EnvStats stats();
  /// 16 hexadecimal digits. While it is open.
  std::string uuid() const;
  /// Empty: no store of that number is open.
  std::string name_of(StoreId id);

  /// Errors: closed, also in a child of fork.
  Result<void> check_open() const {
    if (!is_closed()) [[likely]]
      return {};
    return why_closed();
  }
  /// False in a child made by fork: nothing here may be touched then, not even to take it apart.
  bool is_here() const noexcept { return process_.is_here(); }
  bool is_closed() const noexcept { return closed_.load(std::memory_order_relaxed) || !is_here(); }
  /// Errors: failed (a write or sync failed before), invalid_argument (opened read-only).
  Result<void> check_writable() const {
    if (takes_writes()) [[likely]]
      return {};
    return why_not_writable();
  }
  Error why_closed() const;
  Error why_not_writable() const;
  bool takes_writes() const noexcept {
    return is_here() && !options_.read_only && !failed_.load(std::memory_order_relaxed) &&
           !log_->failed() && !writer_->failed();
  }
  /// Before a write: lets a checkpoint begin when the log has grown, waits for it when it has grown too far. `frees`: it is
  /// one that gives space back. Errors: no_space (there is no room for more log, or the archive takes none; nothing has been
  /// written).
  Result<void> pace_log(bool frees = false) {
    const bool is_easy = !log_->is_short_of_space() && archiver_ == nullptr &&
                         !any_unfinished_.load(std::memory_order_relaxed) &&
                         log_bytes_to_redo() < easy_log_bytes_;
    if (is_easy) [[likely]]
      return {};
    return slow_down(frees);
  }
  /// After rows in memory have become a run: has the log's old segments let go of, if that costs next to nothing.
  void let_go_of_log();
  /// Copies the log that is full into the archive now. Errors: invalid_argument (none is configured), io_error, ...
  Result<ArchiveReport> archive();
  Result<BackupReport> backup(const BackupOptions& options);
  /// Makes a page again that is damaged in the file, or older there than `at_least`: a write that was lost. Whole: nothing.
  /// With no latch held. Errors: corruption (what would be needed), failed, io_error.
  Result<void> repair_page(PageId id, Gsn at_least = 0);
  bool may_repair() const noexcept;
  /// Verification while others write: no problem is false, and no leak is looked for.
  Result<VerifyReport> verify_online(FunctionRef<Result<void>(uint64_t done, uint64_t total)> step);

  /// Applies what redo has left for later: for who reads the data file past the pool. With no latch and no mutex held. Errors:
  /// corruption (of a page; the environment writes nothing more then), io_error, busy (no frame).
  Result<void> drain_redo();

  // Scrubbing (env_scrub.cpp).
  Result<ScrubReport> scrub(uint64_t bytes_per_second,
                            FunctionRef<bool(uint64_t done, uint64_t total)> progress);
  /// What has come of looking at a file that is not `data`.
  struct Scrubbed {
    uint64_t bytes = 0;  ///< That were read and not told of before.
    uint64_t mended = 0;
    std::vector<std::string> problems;
  };
  Result<Scrubbed> scrub_control(bool mends);
  Result<Scrubbed> scrub_tags(uint64_t first_block, uint64_t blocks, bool mends);
  uint64_t tag_blocks();
  /// The log that recovery would need, as far as its segments are full.
  Result<Scrubbed> scrub_log(FunctionRef<Result<void>(uint64_t bytes)> passed);

  /// Calls `visit` unless the store has been dropped, and keeps it from being dropped meanwhile. False: it has been.
  Result<bool> while_it_stays(StoreImpl& store, FunctionRef<Result<void>()> visit);
  index::BTree& catalogue() noexcept { return *catalogue_; }
  /// For a backup. What CONTROL says then, and the log from its start on is kept.
  Result<recovery::ControlState> begin_backup();
  wal::LogReaderOptions log_to_read() const { return reader_options(); }
  /// Before a write of an open transaction: its first record keeps the log. Errors: too_large.
  Result<void> check_log_share(const txn::TransactionContext& txn) const {
    if (!txn.pinned || log_->append_position() < txn.pin_position + options_.log_bytes_max)
        [[likely]]
      return {};
    return why_too_old(txn);
  }
  /// A rollback could not be finished: nothing more is written; the next open finishes it.
  void fail(const Error& why) noexcept;
  Durability durability(const TxnOptions& options) const noexcept {
    return options.env_durability ? options_.durability : options.durability;
  }
  uint32_t stream_of_caller() const noexcept { return os::worker_id() % log_->stream_count(); }

  // Of stores of kind lsm (lsm_stores.cpp).
  /// As lsm::Committer.
  Result<void> commit_upkeep(uint32_t stream, bool log_first, lsm::Committer::Body body);
  LsmWorker& lsm_worker() noexcept { return lsm_worker_; }
  /// Those that are open.
  void collect_lsm_stores(std::vector<StoreImpl*>& stores);

  index::Services& services() noexcept { return *services_; }
  /// For who may outlive the log: a commit's ticket.
  std::weak_ptr<wal::Log> log() const noexcept { return log_; }
  /// For who has waited for the log and holds no mutex: see wal::Log.
  void run_completions() {
    if (log_ != nullptr && is_here()) log_->run_completions();
  }
  Garbage& garbage() noexcept { return garbage_; }
  txn::LockManager& locks() noexcept { return *locks_; }
  PreparedTable& prepared_table() noexcept { return prepared_; }
  os::Os& os() noexcept { return os_; }
  /// Stays until this object goes, also when the environment is closed.
  txn::TransactionTable& transactions() noexcept { return *transactions_; }
  txn::Statistics& statistics() noexcept { return statistics_; }
  uint64_t now_ns() const { return os_.monotonic_ns(); }
  const EnvOptions& options() const noexcept { return options_; }
  const std::string& home() const noexcept { return home_; }
  const RecoveryReport& recovery_report() const noexcept { return recovery_report_; }

  std::atomic<uint64_t> conflicts_{0};  ///< For stats.

 private:
  EnvImpl(std::string home, const EnvOptions& options, os::Os& os);

  // Opening and closing (env_open.cpp, env_create.cpp).
  Result<void> prepare_home();
  Result<void> lock_home();
  Result<void> check_not_lost();
  Result<void> sync_name_of_home();
  Result<void> create_files();
  Result<void> write_first_pages(buffer::DataFile& data);
  Result<void> open_files();
  Result<void> close_parts() noexcept;
  Result<void> last_checkpoint();
  Result<void> slow_down(bool frees);
  Error why_too_old(const txn::TransactionContext& txn) const;
  Result<void> check_first_pages();
  Result<void> check_segment_numbers();
  Result<void> open_tags();
  Result<void> open_parts(const wal::LogStart& start);
  Result<void> open_pool(TxnId next_txn);
  Result<void> open_catalogue();
  buffer::PoolOptions pool_options() const;
  Result<void> start_epoch(const recovery::LogEnd& end);
  Result<void> remove_if_there(const std::string& path);
  wal::LogOptions log_options() const;
  wal::LogReaderOptions reader_options() const;
  txn::VersionOptions version_options() const;

  // Recovery (env_recovery.cpp).
  Result<void> recover();
  Result<void> undo_losers(recovery::RedoResult& redo);
  Result<void> undo_loser(const recovery::Loser& loser, wal::LogReader& reader);
  Result<void> restore_prepared(const recovery::Loser& loser, wal::LogReader& reader);
  Result<txn::UndoEntry> undo_entry(const wal::RecordView& record) const;
  recovery::ResourceManager& manager_of(const wal::PartView& part) const noexcept;
  /// A page whose chain of changes has a gap.
  struct BrokenPage {
    PageId id = kNoPage;
    bool is_overflow = false;
    Gsn at_least = 0;  ///< What it has to be made again to; 0: whatever the log says.
    std::string why;
  };
  Result<std::vector<BrokenPage>> look_at_broken(const recovery::RedoResult& redo);
  Result<void> check_broken_pages(const std::vector<BrokenPage>& broken);
  Result<bool> is_allocated_now(PageId id);
  Result<recovery::RedoResult> redo_log();
  recovery::ResourceManagers resource_managers() const noexcept;
  void defer_redo(std::unique_ptr<recovery::DeferredParts> parts);
  Result<void> write_redone_pages();
  uint32_t recovery_workers() const;
  Result<void> end_last_epoch(const recovery::LogEnd& end);
  Result<void> drop_redone_pages();
  Result<std::unique_ptr<wal::LogReader>> open_undo_reader();
  Result<void> undo_side_by_side(const std::vector<const recovery::Loser*>& losers);

  // Stores of kind lsm (lsm_stores.cpp).
  Result<void> drop_runs(const CatalogueEntry& entry, index::BTree& tree);

  // Stores in memory (table_images.cpp).
  std::unique_ptr<table::Table> make_table(const TableEntry& entry, uint64_t memory_bytes_max,
                                           LsmStore* lsm);
  Result<void> load_table(StoreImpl& store, const TableEntry& entry);
  Result<void> load_image(StoreImpl& store, Gsn& floor);
  Result<void> load_tables();
  Result<void> write_images(LogPosition below, bool closing);
  Result<void> write_rows(StoreImpl& store);
  Result<void> write_image(StoreImpl& store);
  Result<void> put_image(StoreImpl& store, txn::TransactionContext& context, Gsn floor);
  LogPosition tables_redo_from(LogPosition otherwise);

  // Checkpoints (checkpoint.cpp).
  Result<void> checkpoint_now(LogPosition flush_below, bool closing);
  Result<void> write_tags();
  Result<void> write_control(LogPosition redo, LogPosition start, LogPosition durable, bool clean);
  void run_checkpointer();
  Result<void> make_log_room(bool frees);

  // The archive (env_archive.cpp).
  Result<void> open_archive();
  Result<void> archive_before(const wal::LogTail& end) AETHER_REQUIRES(checkpoint_mutex_);
  LogPosition start_bound() const noexcept;
  void archive_soon() noexcept;
  Result<void> why_archive_behind();
  void add_archive(EnvStats& stats);
  uint64_t log_bytes_used() const noexcept;
  /// The log that redo needs: what a checkpoint can shorten. An old transaction may keep more of it.
  uint64_t log_bytes_to_redo() const noexcept {
    const LogPosition now = log_->append_position();
    const LogPosition start = redo_start_.load(std::memory_order_relaxed);
    return now > start ? now - start : 0;
  }
  uint64_t log_bytes_bound() const noexcept;
  void set_pace() noexcept;
  double replay_bytes_per_second() const noexcept;

  // Figures (stats.cpp), and their way out (live.h).
  void fill(EnvStats& stats);
  void add_transactions(EnvStats& stats);
  void add_versions(EnvStats& stats);
  void add_stores(EnvStats& stats);
  void open_live();
  Result<void> open_scrubber();

  // Verification (env_verify.cpp).
  /// What does not move while nobody writes.
  struct Stillness {
    uint64_t log_bytes = 0;
    uint64_t pages_written = 0;
    uint64_t pages_dirty = 0;
    bool operator==(const Stillness&) const = default;
  };
  Stillness stillness() const;
  Result<VerifyReport> verify_still(FunctionRef<bool(uint64_t, uint64_t)> progress);
  Result<void> visit_values(const std::string& name, StoreId id, PageId root,
                            FunctionRef<Result<void>(const page::OverflowReference& value)> visit);

  Result<StoreImpl*> create_store(const std::string& name, const StoreOptions& options);
  Result<void> take_name(StoreImpl& store, const std::string& hidden_name,
                         const CatalogueEntry& entry);
  Result<void> finish_drop(const std::string& hidden_name, const CatalogueEntry& entry);
  Result<void> finish_drops();
  using Stores = std::map<std::string, std::unique_ptr<StoreImpl>>;
  Stores make_store(const std::string& name, const TableEntry& entry, uint64_t memory_bytes_max,
                    buffer::Frame& root);
  Result<void> start_worker(const StoreImpl& store);
  StoreImpl* add_store(Stores& made) noexcept;
  Result<StoreImpl*> attach_store(const std::string& name, const TableEntry& entry,
                                  uint64_t memory_bytes_max);

  const std::string home_;
  EnvOptions options_;
  os::Os& os_;
  const os::ProcessMark process_;
  std::unique_ptr<os::File> lock_file_;
  std::unique_ptr<recovery::Control> control_;
  std::unique_ptr<buffer::DataFile> data_;
  std::unique_ptr<Archiver> archiver_;      ///< Null: no archive.
  std::atomic<uint64_t> archive_asked_{0};  ///< The segment that was being written then.
  std::atomic<bool> archive_behind_{false};
  std::atomic<LogPosition> backup_start_{
      ~LogPosition{0}};  ///< What a running backup needs of the log.
  std::atomic<bool> backup_runs_{false};
  os::Mutex repair_mutex_;
  std::atomic<uint64_t> pages_repaired_{0};
  std::atomic<uint64_t> repair_failures_{0};
  std::shared_ptr<wal::Log> log_;  ///< Nobody else holds on to it: see log().
  std::unique_ptr<buffer::PageWriter> writer_;
  std::unique_ptr<buffer::SpaceManager> space_;
  std::unique_ptr<recovery::DeferredRedo> deferred_redo_;  ///< Null: nothing was left for later.
  std::unique_ptr<buffer::BufferPool> pool_;
  txn::Statistics statistics_;
  std::unique_ptr<txn::TransactionTable> transactions_;
  std::unique_ptr<txn::VersionStore> versions_;
  std::unique_ptr<txn::LockManager> locks_;
  std::unique_ptr<buffer::BlockCache> blocks_;
  std::unique_ptr<index::Services> services_;
  Garbage garbage_{*this};
  PreparedTable prepared_;
  std::unique_ptr<BTreeManager> btree_manager_;
  std::unique_ptr<SpaceResourceManager> space_manager_;
  std::unique_ptr<TableManager> table_manager_;
  /// During recovery, until the trees are as they were: only then images can be read. Null: tables are loaded at once.
  std::unique_ptr<TableReplay> replay_;
  std::unique_ptr<index::BTree> catalogue_;
  RecoveryReport recovery_report_;
  LogPosition area_log_durable_ = 0;  ///< What the double-write area says was durable of the log.
  bool is_whole_ = false;             ///< Opened for writing, to the end.
  std::atomic<bool> closed_{false};

  os::Mutex unfinished_mutex_;
  TransactionImpl* unfinished_ AETHER_GUARDED_BY(unfinished_mutex_) = nullptr;
  std::atomic<bool> any_unfinished_{false};

  os::Mutex ddl_mutex_;
  os::Mutex stores_mutex_;
  Stores stores_;
  std::vector<std::unique_ptr<StoreImpl>> dropped_stores_;  ///< For handles that are still around.
  StoreId next_store_ = kCatalogueStore + 1;

  /// An image is a transaction that does not count as one: who counts them excludes it. After ddl_mutex_, before
  /// repair_mutex_ (an image reads pages) and stores_mutex_.
  os::Mutex image_mutex_;
  os::Mutex checkpoint_mutex_;
  std::atomic<LogPosition> log_start_{0};  ///< Where recovery would start now.
  std::atomic<LogPosition> redo_start_{
      0};  ///< And redo: above, if an open transaction keeps more of the log.
  uint64_t easy_log_bytes_ =
      0;  ///< With less for redo no writer does anything about it. 0: not open yet.
  std::atomic<uint64_t> checkpoints_{0};
  std::atomic<bool> failed_{false};
  mutable os::Mutex failure_mutex_;
  std::string failure_;

  os::Mutex log_room_mutex_;  ///< One writer at a time looks for room; before checkpoint_mutex_.
  // The checkpointer thread.
  os::Mutex checkpointer_mutex_;
  os::CondVar checkpointer_wake_;
  os::CondVar checkpointer_done_;
  bool checkpoint_wanted_ = false;
  bool archive_wanted_ = false;
  LogPosition checkpoint_below_ = 0;  ///< What the next one writes, unless 0.
  bool stop_ = false;
  std::atomic<bool> checkpoint_requested_{false};
  std::unique_ptr<os::Thread> checkpointer_;

  LsmWorker lsm_worker_{*this};
  std::unique_ptr<Scrubber> scrubber_;
  std::string live_state_ = "off";  ///< As EnvStats::live.
  std::unique_ptr<Live> live_;
};

}  // namespace aether::db
