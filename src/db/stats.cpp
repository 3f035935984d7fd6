// What an environment tells about itself.
#include "aether/stats.h"

#include <cstdio>

#include "aether/version.h"
#include "base/no_memory.h"
#include "db/env_impl.h"

namespace aether::db {
namespace {

LatencySummary latency_of(const base::Histogram& ns) {
  constexpr double kNsPerUs = 1e3;
  return {.count = ns.count(),
          .mean_us = ns.mean() / kNsPerUs,
          .p50_us = ns.percentile(50) / kNsPerUs,
          .p90_us = ns.percentile(90) / kNsPerUs,
          .p99_us = ns.percentile(99) / kNsPerUs,
          .p99_9_us = ns.percentile(99.9) / kNsPerUs,
          .max_us = static_cast<double>(ns.max()) / kNsPerUs};
}

LengthSummary length_of(const base::Histogram& lengths) {
  return {.count = lengths.count(),
          .mean = lengths.mean(),
          .p50 = lengths.percentile(50),
          .p90 = lengths.percentile(90),
          .p99 = lengths.percentile(99),
          .p99_9 = lengths.percentile(99.9),
          .max = static_cast<double>(lengths.max())};
}

/// 0: there is none.
double seconds_since(uint64_t then_ns, uint64_t now_ns) noexcept {
  return then_ns == 0 || then_ns > now_ns ? 0 : static_cast<double>(now_ns - then_ns) / 1e9;
}

AbortCounts aborts_of(const txn::Statistics& statistics) {
  using Reason = txn::AbortReason;
  return {.user = statistics.aborts(Reason::user),
          .dropped = statistics.aborts(Reason::dropped),
          .conflict = statistics.aborts(Reason::conflict),
          .deadlock = statistics.aborts(Reason::deadlock),
          .timed_out = statistics.aborts(Reason::timed_out),
          .serialization = statistics.aborts(Reason::serialization),
          .error = statistics.aborts(Reason::error)};
}

}  // namespace

std::string EnvImpl::uuid() const {
  char id[17];
  std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(data_->environment_id()));
  return id;
}

EnvStats EnvImpl::stats() {
  EnvStats stats;
  stats.state = "closed";
  if (is_closed()) return stats;
  static_cast<void>(base::if_memory_allows([&] { fill(stats); }));
  return stats;
}

void EnvImpl::fill(EnvStats& stats) {
  stats.uuid = uuid();
  stats.format_version = kFormatVersion;
  stats.page_bytes = options_.page_bytes;
  stats.state = options_.read_only ? "read_only" : check_writable() ? "open" : "failed";
  stats.pool_bytes = options_.pool_bytes;
  stats.log_bytes_max = options_.log_bytes_max;
  stats.version_bytes_max = options_.version_bytes_max;
  stats.durability = options_.durability;
  stats.flush_interval_ms = options_.flush_interval_ms;
  stats.io_mode = options_.io_mode;
  stats.pool_frames = pool_->frame_count();
  stats.pool_frames_free = pool_->free_count();
  stats.pool_frames_dirty = pool_->dirty_count();
  stats.page_reads = pool_->page_reads();
  stats.page_writes = writer_->pages_written();
  stats.page_evictions = pool_->evictions();
  const buffer::BlockCacheStats blocks = blocks_->stats();
  stats.block_cache_bytes_max = blocks.bytes_max;
  stats.block_cache_bytes = blocks.bytes;
  stats.block_cache_hits = blocks.hits;
  stats.block_cache_misses = blocks.misses;
  stats.block_cache_evictions = blocks.evictions;
  stats.data_pages = data_->capacity_pages();
  stats.data_pages_free = space_->free_count();
  stats.log_streams = log_->stream_count();
  stats.log_bytes_on_disk = log_bytes_used();
  stats.pages_to_redo = deferred_redo_ == nullptr ? 0 : deferred_redo_->waiting();
  stats.reopen_seconds = static_cast<double>(log_bytes_to_redo()) / replay_bytes_per_second();
  const wal::LogStats log = log_->stats();
  stats.log_bytes_appended = log.bytes_appended;
  stats.log_bytes_written = log.bytes_written;
  stats.log_flushes = log.flushes;
  stats.log_room_wait = latency_of(log_->room_wait());
  stats.log_position = log_->append_position();
  stats.checkpoint_position = log_start_.load(std::memory_order_relaxed);
  stats.checkpoints = checkpoints_.load(std::memory_order_relaxed);
  add_transactions(stats);
  add_versions(stats);
  add_archive(stats);
  scrubber_->fill(stats);
  add_stores(stats);
  stats.live = live_state_;
}

void EnvImpl::add_transactions(EnvStats& stats) {
  stats.txn_begin = latency_of(statistics_.begin());
  stats.txn_commit = latency_of(statistics_.commit());
  stats.txn_durability_wait = latency_of(statistics_.durability_wait());
  stats.txn_begun = statistics_.begins();
  stats.txn_committed = statistics_.commits();
  stats.txn_aborted_by = aborts_of(statistics_);
  const AbortCounts& by = stats.txn_aborted_by;
  stats.txn_aborted = by.user + by.dropped + by.conflict + by.deadlock + by.timed_out +
                      by.serialization + by.error;
  stats.txn_active = transactions_->open_count();
  stats.txn_conflicts = conflicts_.load(std::memory_order_relaxed);
  stats.txn_prepared = prepared_.count();

  const uint64_t now = now_ns();
  const txn::OldestOpen oldest = transactions_->oldest();
  stats.txn_oldest_seconds = seconds_since(oldest.transaction_ns, now);
  stats.snapshots = transactions_->snapshot_count();
  stats.snapshot_oldest_seconds = seconds_since(oldest.snapshot_ns, now);
  stats.snapshot_oldest_ids_behind = oldest.snapshot_ids_behind;
  const txn::LockCounters locks = locks_->counters();
  stats.lock_deadlocks = locks.deadlocks;
  stats.lock_timeouts = locks.timeouts;
  stats.lock_escalations = locks.escalations;
  stats.lock_wait = latency_of(statistics_.lock_wait());
}

void EnvImpl::add_versions(EnvStats& stats) {
  const txn::VersionStats versions = versions_->stats();
  stats.versions_walked = length_of(statistics_.versions_walked());
  stats.versions_in_memory = versions.versions;
  stats.version_bytes_in_memory = versions.bytes;
  stats.versions_on_disk = versions.runs.versions;
  stats.version_bytes_on_disk = versions.runs.disk_bytes;
  stats.version_runs = versions.runs.runs;
  stats.version_index_bytes = versions.runs.memory_bytes;
  stats.version_spills = versions.spills;
  stats.version_spill_failures = versions.spill_failures;
  stats.version_merges = versions.runs.merges;
  stats.version_merge_failures = versions.runs.merge_failures;
  stats.version_disk_searches = versions.runs.searches;
}

void EnvImpl::add_stores(EnvStats& stats) {
  Result<std::vector<std::string>> names = list_stores();
  if (!names) return;
  for (const std::string& name : *names) {
    Result<StoreImpl*> store = open_store(name, {.create = false});
    if (!store) continue;
    os::LockGuard ddl(ddl_mutex_);  // Nobody drops it while its pages are counted.
    if (!(*store)->check()) continue;
    StoreStats& one = stats.stores.emplace_back();
    one.name = name;
    one.id = (*store)->id();
    if (table::Table* const table = (*store)->table()) {
      const table::TableStats rows = table->stats();
      one.rows = rows.rows;
      one.memory_bytes = rows.memory_bytes;
      one.memory_bytes_max = rows.memory_bytes_max;
      constexpr const char* kNames[] = {"btree", "skiplist", "rax", "lsm"};
      one.index = kNames[static_cast<size_t>((*store)->kind()) - 1];
    } else if ((*store)->kind() == IndexKind::rax_paged) {
      one.index = "rax_paged";
    }
    if (LsmStore* const lsm = (*store)->lsm()) {
      one.lsm = lsm->upkeep().stats();
      one.memory_bytes_max = 0;
      for (const SortedRunStats& run : one.lsm.sorted_runs) one.rows += run.entries;
    }
    if (Result<index::TreeShape> shape = (*store)->tree().shape()) {
      one.height = shape->height;
      one.leaf_pages = shape->leaf_pages;
      one.inner_pages = shape->inner_pages;
    }
  }
}

}  // namespace aether::db
