// Opening and closing an environment.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/reached.h"
#include "base/trace.h"
#include "db/env_impl.h"
#include "db/transaction_impl.h"
#include "recovery/control_age.h"

namespace aether::db {
namespace {

constexpr uint64_t kRingBytes = 4 * MiB;
constexpr uint64_t kBlockBytesMax = 1 * MiB;

/// A file without which the environment, whose CONTROL is there, is not whole.
Error missing_is_corruption(Error error) {
  if (error.code() != Code::not_found) return error;
  return Error(Code::corruption,
               std::string(error.message()) +
                   ": a part of the environment is missing; restore it from a backup",
               error.os_errno());
}

}  // namespace

EnvImpl::EnvImpl(std::string home, const EnvOptions& options, os::Os& os)
    : home_(std::move(home)), options_(options), os_(os), statistics_(os.core_count()) {}

Result<std::unique_ptr<EnvImpl>> EnvImpl::open(const std::string& home, const EnvOptions& options,
                                               os::Os& os) {
  auto env = std::unique_ptr<EnvImpl>(new EnvImpl(home, options, os));
  AETHER_TRY(env->prepare_home());
  AETHER_TRY(env->lock_home());
  AETHER_TRY_ASSIGN(const bool is_there, os.exists(home + "/" + recovery::kControlName));
  if (!is_there) AETHER_TRY(env->create_files());
  Result<void> opened = env->open_files();
  if (!opened) return missing_is_corruption(std::move(opened).error());
  AETHER_TRY(env->open_scrubber());
  env->open_live();
  return env;
}

/// A channel that cannot be had is no reason not to open.
void EnvImpl::open_live() {
  if (!options_.live || !options_.background_threads || options_.read_only) return;
  Result<std::unique_ptr<Live>> live = Live::listen(*this, os_);
  if (!live) {
    live_state_ = live.error().message();
    return;
  }
  live_state_ = "open";  // Before there is a thread that tells it.
  if (Result<void> started = (*live)->start(); !started) {
    live_state_ = started.error().message();
    return;
  }
  live_ = *std::move(live);
}

wal::LogOptions EnvImpl::log_options() const {
  const recovery::ControlState& state = control_->state();
  return {.directory = home_ + "/log",
          .environment_id = state.environment_id,
          .streams = state.streams,
          .segment_bytes = state.segment_bytes,
          .ring_bytes = kRingBytes,
          .block_bytes_max = std::min(kBlockBytesMax, state.segment_bytes / 4),
          .flush_interval_ms = options_.flush_interval_ms,
          .fill_segments = options_.durability == Durability::sync,
          .background_thread = options_.background_threads};
}

txn::VersionOptions EnvImpl::version_options() const {
  return {.directory = home_ + "/versions", .bytes_max = options_.version_bytes_max};
}

wal::LogReaderOptions EnvImpl::reader_options() const {
  const recovery::ControlState& state = control_->state();
  return {.directory = home_ + "/log",
          .environment_id = state.environment_id,
          .streams = state.streams,
          .segment_bytes = state.segment_bytes,
          .block_bytes_max = std::min(kBlockBytesMax, state.segment_bytes / 4),
          .io_mode = options_.io_mode,
          .known_durable = std::max(state.known_durable, area_log_durable_)};
}

Result<void> EnvImpl::open_files() {
  AETHER_TRY_ASSIGN(control_, recovery::Control::open(home_, !options_.read_only, os_));
  const recovery::ControlState& state = control_->state();
  options_.page_bytes = state.page_bytes;
  options_.log_streams = state.streams;
  options_.log_segment_bytes = state.segment_bytes;
  options_.log_bytes_max = std::max(options_.log_bytes_max, 4 * state.segment_bytes);
  AETHER_TRY(buffer::BufferPool::check(
      {.pool_bytes = options_.pool_bytes, .page_bytes = options_.page_bytes}));
  AETHER_TRY(txn::VersionStore::check(version_options()));
  if (!(options_.reopen_seconds_max >= 0)) {
    return Error(Code::invalid_argument, "reopen_seconds_max must be 0 or more, not " +
                                             std::to_string(options_.reopen_seconds_max));
  }
  AETHER_TRY(recovery::check_control_age(reader_options(), state.epoch, os_));
  if (!options_.read_only) AETHER_TRY(open_archive());
  AETHER_TRY_ASSIGN(data_, buffer::DataFile::open(home_ + "/data", state.page_bytes,
                                                  state.environment_id, !options_.read_only, os_));
  constexpr uint64_t kSegmentsLeft = 2;  // One to go on in, one for the next life to begin in.
  data_->leave_free(kSegmentsLeft * state.segment_bytes, os_);
  AETHER_TRY(open_tags());
  if (options_.read_only) {
    if (!state.clean) {
      return Error(Code::unsupported,
                   home_ +
                       ": the environment was not closed in order and needs recovery, which "
                       "writes: open it once for writing, or run 'aether recover'");
    }
    log_ = wal::Log::detached(state.streams, os_);
    writer_ = buffer::PageWriter::detached(*data_, *log_);
    AETHER_TRY(open_pool(state.next_txn));
    return open_catalogue();
  }
  AETHER_TRY(check_segment_numbers());
  if (state.clean) {
    if (!may_repair()) AETHER_TRY(check_first_pages());
    AETHER_TRY(start_epoch({.position = state.start_position, .cut = state.lsn}));
    AETHER_TRY(open_pool(state.next_txn));
    AETHER_TRY(open_catalogue());
    AETHER_TRY(finish_drops());  // Of one that an error has stopped.
  } else {
    AETHER_TRY(recover());
  }
  is_whole_ = true;
  transactions_->settle(
      transactions_->next_id());  // Of earlier lives only those in doubt are open.
  log_start_ = control_->state().start_position;
  redo_start_ = control_->state().redo_position;
  set_pace();
  if (options_.background_threads) {
    AETHER_TRY_ASSIGN(checkpointer_, os_.spawn("aether-ckpt", [this] { run_checkpointer(); }));
    for (const auto& [name, store] : stores_) AETHER_TRY(start_worker(*store));
  }
  return {};
}

/// Where CONTROL says that there are no tags that count (a copy put together from parts), a page is known from when it is
/// next read or written.
Result<void> EnvImpl::open_tags() {
  const recovery::ControlState& state = control_->state();
  const std::string path = home_ + "/tags";
  if (state.tags_sequence == 0) {
    if (options_.read_only) return {};
    AETHER_TRY(buffer::PageTags::create(path, state.environment_id, os_));
    AETHER_TRY(os_.sync_directory(home_));
  }
  AETHER_TRY_ASSIGN(auto tags,
                    buffer::PageTags::open(path, state.environment_id, !options_.read_only,
                                           state.tags_sequence, os_));
  if (!options_.read_only) AETHER_TRY(tags->ensure_capacity(data_->capacity_pages()));
  data_->set_tags(std::move(tags));
  return {};
}

/// Of an environment that needs no recovery: what cannot be opened is refused before anything is written.
Result<void> EnvImpl::check_first_pages() {
  buffer::AlignedBuffer page(data_->page_bytes());
  AETHER_TRY(data_->read(PageId{1}, page.data()));
  return data_->read(kCatalogueRoot, page.data());
}

/// Before anything is written: the next segment needs a number, too.
Result<void> EnvImpl::check_segment_numbers() {
  const Result<std::vector<uint64_t>> segments = wal::list_segments(home_ + "/log", os_);
  if (!segments) {
    if (segments.error().code() == Code::not_found) return {};  // Whoever needs it says so.
    return segments.error().clone();
  }
  constexpr LogPosition kPositionMax = uint64_t{1} << 62;
  if (segments->empty() || segments->back() < kPositionMax / control_->state().segment_bytes)
    return {};
  return Error(Code::corruption, home_ + "/log/" + wal::segment_name(segments->back()) +
                                     ": no log comes to a segment of that number: take it away");
}

/// A new epoch in a new segment; the fence of the last one, if it was not closed in order, is durable before
/// anything is appended.
Result<void> EnvImpl::start_epoch(const recovery::LogEnd& end) {
  recovery::ControlState state = control_->state();
  AETHER_TRY_ASSIGN(const std::vector<uint64_t> segments, wal::list_segments(home_ + "/log", os_));
  const uint64_t next_segment = std::max(segments.empty() ? 1 : segments.back() + 1,
                                         end.position / state.segment_bytes + 1);
  // Segments are about to be used again that the older slot still needs, and until CONTROL is replaced it is asked if the
  // newer one rots: so both say now that the log is not needed.
  if (state.clean) AETHER_TRY(control_->write(state));
  const uint32_t epoch = state.epoch + (AETHER_PLANTED("recovery.same_epoch") ? 0 : 1);
  const wal::LogStart start{
      .epoch = epoch, .segment = next_segment, .lsn = end.cut, .older_needed = !state.clean};
  AETHER_TRY_ASSIGN(log_, wal::Log::create(log_options(), start, os_));
  const LogPosition begin = next_segment * state.segment_bytes;
  if (archiver_ != nullptr) {
    // All that this epoch is going to follow: while CONTROL still tells it.
    std::vector<wal::EpochExtent> older = recovery::log_extents(state);
    older.back().end = std::max(end.position, older.back().begin);
    older.back().cut = end.cut;
    AETHER_TRY(archiver_->begin(std::move(older), start.epoch, begin));
  }
  if (state.clean) {
    state.fences.clear();
    state.redo_position = begin;
    state.start_position = begin;
    state.known_durable = begin;
  } else if (end.position > state.epoch_begin && !AETHER_PLANTED("recovery.forget_fence")) {
    AETHER_REACHED("recovery.epoch_fenced");
    state.fences.push_back({state.epoch, state.epoch_begin, end.position, end.cut});
  }
  state.clean = false;
  state.epoch = start.epoch;
  state.epoch_begin = begin;
  state.lsn = end.cut;
  state.tags_sequence = data_->tags()->sequence();
  // Closed in order: what it held is in its places, and on a full disk CONTROL needs the room.
  if (control_->state().clean) AETHER_TRY(remove_if_there(home_ + "/doublewrite"));
  // Both slots: if the newer one rots, the older is not one from before this life.
  AETHER_TRY(control_->replace(home_, state, os_));
  AETHER_TRACE_EVENT("cut", {{"epoch", state.epoch}, {"cut", end.cut.at}});
  // A new file: the name of the one that is there may not be durable, after a failed sync. What it held is restored.
  AETHER_TRY(remove_if_there(home_ + "/doublewrite"));
  AETHER_TRY_ASSIGN(writer_, buffer::PageWriter::open(home_ + "/doublewrite", *data_, *log_,
                                                      options_.io_mode, os_));
  if (archiver_ != nullptr) writer_->log_images(true);
  if (AETHER_PLANTED("buffer.skip_directory_sync")) return {};
  if (AETHER_PLANTED("control.skip_directory_sync")) return {};
  return os_.sync_directory(home_);
}

Result<void> EnvImpl::remove_if_there(const std::string& path) {
  Result<void> removed = os_.remove(path);
  if (!removed && removed.error().code() == Code::not_found) return {};
  return removed;
}

buffer::PoolOptions EnvImpl::pool_options() const {
  return {.pool_bytes = options_.pool_bytes,
          .page_bytes = options_.page_bytes,
          .background_thread = options_.background_threads && !options_.read_only,
          .io_mode = options_.io_mode};
}

Result<void> EnvImpl::open_pool(TxnId next_txn) {
  if (!btree_manager_) btree_manager_ = std::make_unique<BTreeManager>(this);
  if (!space_manager_) space_manager_ = std::make_unique<SpaceResourceManager>(this);
  if (!table_manager_) table_manager_ = std::make_unique<TableManager>(this);
  if (may_repair()) data_->set_repair([this](PageId id) { return repair_page(id); });
  if (pool_ == nullptr) {
    AETHER_TRY_ASSIGN(pool_, buffer::BufferPool::open(pool_options(), *data_, os_));
  }
  AETHER_TRY_ASSIGN(space_, buffer::SpaceManager::open(*data_, *log_, pool_.get()));
  AETHER_TRY(pool_->attach(*writer_));
  if (AETHER_PLANTED("recovery.ids_again")) next_txn = 1;
  transactions_ = std::make_unique<txn::TransactionTable>(*log_, next_txn);
  if (!options_.read_only)
    AETHER_TRY(txn::VersionRuns::remove_leftovers(version_options().directory, os_));
  versions_ = std::make_unique<txn::VersionStore>(version_options(), os_, &statistics_);
  locks_ = std::make_unique<txn::LockManager>(txn::LockOptions{}, os_, &statistics_);
  space_->set_horizon([this] { return transactions_->horizon(); });
  blocks_ = std::make_unique<buffer::BlockCache>(
      options_.block_cache_bytes != 0 ? options_.block_cache_bytes : options_.pool_bytes / 8);
  services_ = std::make_unique<index::Services>(
      index::Services{*pool_, *log_, *space_, *writer_, *transactions_, *versions_, *blocks_});
  return {};
}

EnvImpl::~EnvImpl() {
  if (!closed_) static_cast<void>(close_parts().has_value());
}

Result<void> EnvImpl::close() {
  AETHER_TRY(check_open());
  return close_parts();
}

Result<void> EnvImpl::close_parts() noexcept {
  finish_rollbacks();
  closed_ = true;
  live_.reset();  // First of all: its thread looks at everything.
  if (scrubber_ != nullptr) scrubber_->stop();
  lsm_worker_.stop();
  if (checkpointer_) {
    {
      os::LockGuard lock(checkpointer_mutex_);
      stop_ = true;
      checkpointer_wake_.notify_all();
    }
    checkpointer_->join();
  }
  // What they call finds the environment closed, but whole.
  if (log_ != nullptr) log_->finish_completions();
  Result<void> result;
  // What could not be opened is not closed in order either: the next open must find it as this one did.
  if (is_whole_ && !options_.read_only)
    result = base::or_no_memory([&] { return last_checkpoint(); });
  finish_rollbacks();  // Those that are left are the next open's.
  for (const auto& [name, store] : stores_) {
    if (store->lsm() != nullptr) store->lsm()->stop();
  }
  // In this order: what uses before what is used. The stores stay, to answer that they are closed; and the
  // transaction table, for snapshots that are still open.
  for (const auto& [name, store] : stores_) store->set_state(StoreImpl::State::closed);
  prepared_.clear();
  catalogue_.reset();
  services_.reset();
  blocks_.reset();
  versions_.reset();
  pool_.reset();
  deferred_redo_.reset();
  space_.reset();
  writer_.reset();
  archiver_.reset();
  log_.reset();
  data_.reset();
  control_.reset();
  lock_file_.reset();
  return result;
}

Result<void> EnvImpl::last_checkpoint() {
  AETHER_TRY(check_writable());
  const uint64_t open_count = transactions_->open_count() - prepared_.count();
  if (open_count > 0) {
    return Error(Code::busy, std::to_string(open_count) +
                                 " transactions were still open: the environment is closed; "
                                 "the next open rolls them back");
  }
  // What is in doubt is found in the log again: then the next open has to read it.
  return checkpoint_now(~LogPosition{0}, prepared_.count() == 0);
}

Error EnvImpl::why_closed() const {
  if (!is_here()) {
    return Error(Code::closed,
                 home_ +
                     ": the environment was opened before the fork that made this process: only "
                     "the process that opened it may use it; open another one here");
  }
  return Error(Code::closed, home_ + ": the environment is closed: open it again");
}

Error EnvImpl::why_not_writable() const {
  if (!is_here()) return why_closed();
  if (options_.read_only) return Error(Code::invalid_argument, home_ + " was opened read-only");
  os::LockGuard lock(failure_mutex_);
  return Error(
      Code::failed,
      home_ + ": a write to the " +
          (failure_.empty() ? std::string("disk failed") : "disk failed (" + failure_ + ")") +
          "; nothing more is written: close the environment, see to the disk, open it again");
}

void EnvImpl::fail(const Error& why) noexcept {
  AETHER_REACHED("db.environment_failed");
  os::LockGuard lock(failure_mutex_);
  static_cast<void>(base::if_memory_allows([&] {
    if (failure_.empty()) failure_ = std::string(why.message());
  }));
  failed_.store(true, std::memory_order_release);
}

Result<TransactionPointer> EnvImpl::begin(const TxnOptions& options) {
  if (any_unfinished_.load(std::memory_order_relaxed)) [[unlikely]]
    finish_rollbacks();
  TransactionPointer transaction(new TransactionImpl(*this, options));
  AETHER_TRY(transaction->open());
  transaction->is_timed_ = statistics_.count_begin();
  if (transaction->is_timed_) statistics_.begun(now_ns() - transaction->begun_ns());
  return transaction;
}

Result<Transaction> EnvImpl::begin_transaction(const TxnOptions& options) {
  AETHER_TRY(check_open());
  AETHER_TRY_ASSIGN(TransactionPointer impl, begin(options));
  return Transaction(share(std::move(impl)));
}

}  // namespace aether::db
