// Recovery of an environment: the log's end and its fence, redo, then undo through the indexes.
#include <algorithm>
#include <atomic>
#include <utility>

#include "base/assert.h"
#include "base/planted.h"
#include "base/probes.h"
#include "base/reached.h"
#include "base/trace.h"
#include "db/env_impl.h"
#include "db/log_visit.h"
#include "db/transaction_end.h"
#include "page/space_map_page.h"
#include "recovery/log_reach.h"
#include "recovery/log_tail.h"

namespace aether::db {

Result<void> EnvImpl::recover() {
  const uint64_t begin_ns = os_.monotonic_ns();
  recovery_report_.ran = true;
  AETHER_PROBE(recovery_phase, 1);
  AETHER_TRY_ASSIGN(const buffer::AreaReport area,
                    buffer::restore_torn_pages(home_ + "/doublewrite", *data_, os_));
  recovery_report_.pages_restored = area.pages_restored;
  area_log_durable_ = area.log_durable;
  AETHER_TRY(recovery::restore_log_tail(reader_options(), control_->state().epoch, os_));
  AETHER_TRY_ASSIGN(pool_, buffer::BufferPool::open(pool_options(), *data_, os_));
  btree_manager_ = std::make_unique<BTreeManager>(this);
  space_manager_ = std::make_unique<SpaceResourceManager>(this);
  table_manager_ = std::make_unique<TableManager>(this);
  replay_ = std::make_unique<TableReplay>();
  AETHER_PROBE(recovery_phase, 2);
  AETHER_TRY_ASSIGN(recovery::RedoResult redo, redo_log());
  AETHER_TRY_ASSIGN(const std::vector<BrokenPage> broken, look_at_broken(redo));
  // Nothing to undo: the maps stay as they are. Then a refusal leaves all as it was. A repair needs the new epoch.
  if (redo.losers.empty() && !may_repair()) AETHER_TRY(check_broken_pages(broken));
  if (log_ == nullptr) AETHER_TRY(end_last_epoch(redo.end));
  AETHER_TRY(data_->refresh_capacity());
  const uint64_t deferred_end = redo.deferred != nullptr ? redo.deferred->pages_end : 0;
  AETHER_TRY(data_->ensure_capacity(std::max(pool_->redone_end(), deferred_end)));
  // Ids must not meet those that stand in pages and log records.
  AETHER_TRY(open_pool(std::max(control_->state().next_txn, redo.max_txn + 1)));
  AETHER_TRY(drop_redone_pages());
  if (redo.deferred != nullptr) defer_redo(std::move(redo.deferred));
  AETHER_TRY(open_catalogue());
  AETHER_PROBE(recovery_phase, 3);
  AETHER_TRY(undo_losers(redo));
  AETHER_TRY(check_broken_pages(broken));
  AETHER_TRACE_EVENT("recovered", {});
  AETHER_PROBE(recovery_phase, 4);
  AETHER_TRY(finish_drops());
  recovery_report_.seconds = static_cast<double>(os_.monotonic_ns() - begin_ns) / 1e9;
  // The log stays as it is until a checkpoint has written the pages; CONTROL holds only so many fences.
  constexpr size_t kFencesKept = 32;
  if (control_->state().fences.size() > 3) AETHER_REACHED("recovery.after_three_interrupted");
  if (control_->state().fences.size() > kFencesKept) return checkpoint_now(~LogPosition{0}, false);
  checkpoint_wanted_ = true;
  checkpoint_below_ = ~LogPosition{0};
  return {};
}

recovery::ResourceManagers EnvImpl::resource_managers() const noexcept {
  recovery::ResourceManagers managers{};
  managers[static_cast<size_t>(wal::ResourceManager::space)] = space_manager_.get();
  managers[static_cast<size_t>(wal::ResourceManager::btree)] = btree_manager_.get();
  managers[static_cast<size_t>(wal::ResourceManager::table)] = table_manager_.get();
  return managers;
}

Result<recovery::RedoResult> EnvImpl::redo_log() {
  // What waits for its pages is in memory meanwhile: as much as the pool, at most.
  constexpr uint64_t kWaitingBytesMax = 256 * MiB;
  recovery::RedoOptions options{
      .reader = reader_options(),
      .extents = recovery::log_extents(control_->state()),
      .lsn = control_->state().lsn,
      .redo_position = control_->state().redo_position,
      .workers = recovery_workers(),
      .defer = options_.redo_on_demand,
      .make_room = [this] { return write_redone_pages(); },
      .io_mode = options_.io_mode,
      .redo_row = [this](const wal::PartView& part, Gsn gsn) { return replay_->add(part, gsn); }};
  if (options.defer) options.window_bytes = std::min(options_.pool_bytes, kWaitingBytesMax);
  return recovery::analyze_and_redo(options, resource_managers(), *data_, *pool_, os_,
                                    recovery_report_);
}

/// From here on whoever loads a page applies what waits for it.
void EnvImpl::defer_redo(std::unique_ptr<recovery::DeferredParts> parts) {
  recovery::DeferredRedoOptions options{
      .workers = recovery_workers(),
      .io_mode = options_.io_mode,
      .is_used = [this](PageId id) { return space_->is_allocated(id); },
      .repair = {}};
  if (may_repair())
    options.repair = [this](PageId id, Gsn at_least) { return repair_page(id, at_least); };
  deferred_redo_ = std::make_unique<recovery::DeferredRedo>(
      std::move(parts), std::move(options), resource_managers(), *data_, *pool_, os_);
  recovery_report_.pages_waiting = deferred_redo_->waiting();
  pool_->set_pending(*deferred_redo_);
}

/// A page that cannot be had keeps the log as it is: nothing more is written then.
Result<void> EnvImpl::drain_redo() {
  if (deferred_redo_ == nullptr || AETHER_PLANTED("checkpoint.leaves_waiting_pages")) return {};
  Result<void> drained = deferred_redo_->drain();
  if (!drained && drained.error().code() != Code::no_memory && drained.error().code() != Code::busy)
    fail(drained.error());
  return drained;
}

/// Redo has more pages than the pool has frames: they go to the file. Before the first one does, the log's end is fenced.
Result<void> EnvImpl::write_redone_pages() {
  if (log_ == nullptr) {
    AETHER_TRY_ASSIGN(const recovery::LogEnd end,
                      recovery::find_log_end(reader_options(), control_->state(), os_));
    AETHER_TRY(end_last_epoch(end));
  }
  return pool_->flush_redone(*writer_);
}

uint32_t EnvImpl::recovery_workers() const {
  return options_.background_threads ? os_.core_count() : 1;
}

/// What recovery has found is durable, and fenced: from here on every recovery, also one that starts over, cuts where this
/// one does. Before that nothing is written.
Result<void> EnvImpl::end_last_epoch(const recovery::LogEnd& end) {
  if (end.last_block != 0 && !AETHER_PLANTED("recovery.tail_not_synced")) {
    AETHER_TRY(
        recovery::secure_log_tail(reader_options(), end.last_block, control_->state().epoch, os_));
  }
  // Not counted on: what a killed process has left unsynced is either in the double-write area, and was written again from it, or
  // past the pool and not referred to yet. But files may also have been copied here, by whoever did not sync them.
  AETHER_TRY(data_->sync());
  return start_epoch(end);
}

/// Redo has also met pages that are free by now, or hold a value's unlogged bytes: whoever uses those reads or writes them
/// past the pool.
Result<void> EnvImpl::drop_redone_pages() {
  // Of values that were logged as images (there is an archive): the file has to have them.
  AETHER_TRY(pool_->write_redone(*writer_, page::PageKind::overflow));
  pool_->drop_redone([this](PageId id, page::PageKind kind) {
    return !recovery::is_node(kind) || !space_->is_allocated(id);
  });
  return {};
}

Result<void> EnvImpl::undo_losers(recovery::RedoResult& redo) {
  if (redo.losers.empty()) return load_tables();
  // All of them are open before any is undone: a row of one is locked against the undo of another.
  for (const recovery::Loser& loser : redo.losers) {
    // The log stays whole until recovery is through, and from the first record on for those in doubt.
    LogPosition pin = 1;
    if (loser.prepared) pin = loser.undo.empty() ? loser.prepared->block : loser.undo.front().block;
    transactions_->reopen(loser.txn, pin);
  }
  std::vector<const recovery::Loser*> to_undo;
  for (const recovery::Loser& loser : redo.losers) {
    AETHER_TRACE_EVENT(
        "loser",
        {{"txn", loser.txn}, {"left", loser.undo.size()}, {"prepared", loser.prepared ? 1u : 0u}});
    if (loser.prepared) continue;
    to_undo.push_back(&loser);
    ++recovery_report_.transactions_undone;
    recovery_report_.records_undone += loser.undo.size();
  }
  AETHER_TRY(undo_side_by_side(to_undo));
  AETHER_TRY(load_tables());
  AETHER_TRY_ASSIGN(const auto reader, open_undo_reader());
  for (const recovery::Loser& loser : redo.losers) {
    if (!loser.prepared) continue;
    AETHER_TRY(restore_prepared(loser, *reader));
    ++recovery_report_.transactions_prepared;
  }
  return {};
}

Result<std::unique_ptr<wal::LogReader>> EnvImpl::open_undo_reader() {
  std::vector<wal::EpochExtent> extents = recovery::log_extents(control_->state());
  extents.pop_back();  // The new epoch.
  return wal::LogReader::open(reader_options(), extents, os_);
}

/// Losers wait for nobody but each other's latches: what they have changed nobody else has changed since.
Result<void> EnvImpl::undo_side_by_side(const std::vector<const recovery::Loser*>& losers) {
  std::atomic<size_t> next{0};
  const size_t workers = std::min<size_t>(losers.size(), recovery_workers());
  std::vector<Result<void>> results(workers);
  const auto work = [&](size_t worker) -> Result<void> {
    AETHER_TRY_ASSIGN(const auto reader, open_undo_reader());
    for (size_t i; (i = next.fetch_add(1)) < losers.size();)
      AETHER_TRY(undo_loser(*losers[i], *reader));
    AETHER_MAYBE(worker > 0);
    return {};
  };
  std::vector<std::unique_ptr<os::Thread>> threads;
  for (size_t i = 1; i < workers; ++i) {
    Result<std::unique_ptr<os::Thread>> thread = os_.spawn(
        "aether-undo", [&work, &results, i] { results[i] = work(i); });
    if (thread) threads.push_back(std::move(*thread));  // Else the others do its share.
  }
  if (workers > 0) results[0] = work(0);
  for (std::unique_ptr<os::Thread>& thread : threads) thread->join();
  for (Result<void>& result : results) AETHER_TRY(std::move(result));
  return {};
}

recovery::ResourceManager& EnvImpl::manager_of(const wal::PartView& part) const noexcept {
  if (part.header.manager == wal::ResourceManager::space) return *space_manager_;
  if (part.header.manager == wal::ResourceManager::table) return *table_manager_;
  return *btree_manager_;
}

/// What undoing `record` takes. Borrows its bytes.
Result<txn::UndoEntry> EnvImpl::undo_entry(const wal::RecordView& record) const {
  const std::optional<wal::PartView> part = wal::PartCursor(record).next();
  if (!part) {
    return Error(Code::corruption,
                 "a change at LSN " + std::to_string(record.lsn) + " of the log changes nothing");
  }
  return manager_of(*part).undo_entry(record, *part);
}

Result<void> EnvImpl::undo_loser(const recovery::Loser& loser, wal::LogReader& reader) {
  txn::TransactionContext context;
  context.log.txn = loser.txn;
  context.log.stream = loser.stream;
  context.log.last_lsn = loser.last_lsn;
  context.pinned = true;
  for (size_t left = loser.undo.size(); left-- > 0;) {
    if (AETHER_PLANTED("recovery.skip_undo")) break;
    const size_t i = AETHER_PLANTED("recovery.undo_order") ? loser.undo.size() - 1 - left : left;
    AETHER_TRY(visit_record(reader, loser, loser.undo[i],
                            [&](const wal::RecordView& record) -> Result<void> {
                              AETHER_TRY_ASSIGN(const txn::UndoEntry entry, undo_entry(record));
                              return undo_change(*this, context, entry);
                            }));
  }
  AETHER_TRY(buffer::log_change(*log_, context.log, {.type = wal::RecordType::end}, {}, {}));
  transactions_->end(loser.txn, context.log.lsn_vector);
  return {};
}

/// The pages whose changes could not all be applied, as redo has left them: undo may change what is there.
Result<std::vector<EnvImpl::BrokenPage>> EnvImpl::look_at_broken(const recovery::RedoResult& redo) {
  std::vector<BrokenPage> result;
  buffer::AlignedBuffer page(data_->page_bytes());
  std::set<PageId> all = redo.broken_pages;
  all.insert(redo.pages_beyond_log.begin(), redo.pages_beyond_log.end());
  for (const PageId id : all) {
    // Undo may give a free one another life.
    if (const Result<bool> is_allocated = is_allocated_now(id); is_allocated && !*is_allocated) {
      AETHER_REACHED("recovery.broken_page_is_free");
      continue;
    }
    BrokenPage& broken = result.emplace_back();
    broken.id = id;
    Result<void> read;
    if (!pool_->read_redone(id, page.data())) read = data_->read(id, page.data());
    const auto* header = reinterpret_cast<const page::PageHeader*>(page.data());
    broken.at_least = read ? header->gsn + 1 : 0;
    broken.is_overflow = read && header->kind == page::PageKind::overflow;
    broken.why = read ? "its GSN leaves a gap" : std::string(read.error().message());
    if (!redo.broken_pages.contains(id)) {
      AETHER_REACHED("recovery.page_beyond_the_log");
      broken.why = recovery::kBeyondLog;
    }
  }
  return result;
}

/// A page whose chain of changes had a gap is no loss if nothing owns it any more: it was freed, or holds the
/// unlogged pages of a value. Else the log and the data file do not belong together.
Result<void> EnvImpl::check_broken_pages(const std::vector<BrokenPage>& broken) {
  for (const BrokenPage& page : broken) {
    if (page.is_overflow) continue;
    AETHER_TRY_ASSIGN(const bool is_allocated, is_allocated_now(page.id));
    if (!is_allocated) {
      AETHER_REACHED("recovery.broken_page_is_free");
      continue;
    }
    if (may_repair()) {
      if (repair_page(page.id, page.at_least)) {
        AETHER_REACHED("recovery.broken_page_repaired");
        pool_->forget_redone(page.id, 1);
        continue;
      }
    }
    return Error(Code::corruption, home_ + "/data: page " + std::to_string(raw(page.id)) +
                                       " is not what the log was written for (" + page.why +
                                       "): restore the environment from a backup");
  }
  return {};
}

/// Also before there is a space manager.
Result<bool> EnvImpl::is_allocated_now(PageId id) {
  if (space_ != nullptr) return space_->is_allocated(id);
  const uint32_t page_bytes = data_->page_bytes();
  const uint64_t per_group = page::pages_per_group(page_bytes);
  const PageId map_id{raw(id) / per_group * per_group + 1};
  buffer::AlignedBuffer bytes(page_bytes);
  if (!pool_->read_redone(map_id, bytes.data())) {
    AETHER_TRY(data_->read_raw(map_id, bytes.data()));
    if (raw(map_id) > 1 && page::is_zero(bytes.data(), page_bytes)) {
      AETHER_TRY_ASSIGN(const bool is_lost, data_->was_written(map_id));
      if (!is_lost) return false;
    }
    AETHER_TRY(data_->check(map_id, bytes.data()));  // An older map would call a page free.
  }
  page::SpaceMapPage map(bytes.data(), page_bytes);
  AETHER_TRY(map.check_map());
  return map.test(static_cast<uint32_t>(raw(id) % per_group));
}

}  // namespace aether::db
