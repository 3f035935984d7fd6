/// Figures an environment gives about itself. Plain values, taken at the moment of the call.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aether/options.h"

namespace aether {

/// A run of a store of kind `lsm`, a file in all but name.
struct RunStats {
  uint64_t id = 0;
  uint64_t entries = 0;
  uint64_t tombstones = 0;         ///< Of those.
  uint64_t expiring = 0;           ///< Of those, entries that expire at some time.
  uint64_t expired = 0;            ///< Of those, about so many have; they go with a merge.
  uint64_t range_tombstones = 0;   ///< Beside them.
  uint64_t bytes = 0;              ///< Keys and values.
  uint64_t data_bytes = 0;         ///< What they have become in blocks, compressed.
  uint64_t disk_bytes = 0;         ///< Of all pages.
  uint64_t filter_bytes = 0;       ///< 0: it has none.
  uint64_t dictionary_bytes = 0;   ///< 0: it has none.
  uint64_t oldest_generation = 0;  ///< Of the nurseries that its rows come from.
  uint64_t newest_generation = 0;
  std::string smallest_key;
  std::string largest_key;
};

/// A sorted run of a store of kind `lsm`: runs with disjoint keys, which a read passes as one.
struct SortedRunStats {
  uint64_t age = 0;  ///< The newest has the greatest.
  uint64_t runs = 0;
  uint64_t entries = 0;
  uint64_t tombstones = 0;      ///< Of those.
  uint64_t expiring = 0;        ///< Of those, entries that expire at some time.
  uint64_t expired = 0;         ///< Of those, about so many have; they go with a merge.
  uint64_t values_outside = 0;  ///< Of the entries, with their value outside.
  uint64_t bytes = 0;           ///< Keys and values; of those outside where they lie.
  uint64_t disk_bytes = 0;
  bool merging = false;
  /// By its size: 0 is that of a nursery, and each is as many times the one before as the policy has it.
  uint32_t level = 0;
  std::vector<RunStats> parts;  ///< By key.
};

/// What is in memory and in runs, and what has been done since the store was opened.
struct LsmStats {
  std::string policy;  ///< By which runs are merged.
  LsmOptions options;  ///< As it was made, the policy as it is now.
  uint64_t nursery_bytes = 0;
  uint64_t sealed_generations = 0;  ///< Waiting to be written out.
  uint64_t put_bytes = 0;           ///< Keys and values written.
  uint64_t outside_bytes = 0;       ///< Of those, values that lie outside of runs.
  uint64_t flushes = 0;
  uint64_t merges = 0;
  uint64_t merged_bytes = 0;  ///< Keys and values that merges have read.
  uint64_t run_bytes_written = 0;
  uint64_t merges_under_way = 0;
  uint64_t merge_debt_bytes = 0;            ///< That those still have to read.
  uint64_t dropped_runs = 0;                ///< That a reader still has.
  uint64_t expiring = 0;                    ///< Entries of runs that expire at some time.
  uint64_t expired = 0;                     ///< Of those, about so many have.
  std::vector<SortedRunStats> sorted_runs;  ///< The newest first.
  // Since the store was made; of what was not in a run yet when a crash came, nothing.
  uint64_t user_bytes = 0;  ///< Keys and values written.
  uint64_t log_bytes = 0;   ///< Records of rows; the commits of larger transactions are no store's.
  uint64_t flush_bytes = 0;  ///< Of runs, pages whole.
  uint64_t merge_bytes = 0;
  double write_amplification = 0;  ///< Those three over user_bytes; 0: nothing was written.
  // Of gets that found nothing in memory, since the store was opened.
  uint64_t run_reads = 0;         ///< Such gets.
  uint64_t runs_read = 0;         ///< Runs that they looked into: all that had no filter to say no.
  double read_amplification = 0;  ///< Runs a get; 0: there was none.
  uint64_t disk_bytes = 0;        ///< Of all runs, those of unfinished merges and dropped ones too.
  /// disk_bytes over the keys and values of the largest sorted run, of which there is no less: the true one, which only a walk
  /// through all rows tells, is at most this. 0: there is no run.
  double space_amplification_max = 0;
};

/// One store, as `stats()` sees it. Counting walks the tree's inner pages only.
struct StoreStats {
  std::string name;
  uint32_t id = 0;
  std::string index = "btree";
  uint32_t height = 0;  ///< Levels, leaves included.
  uint64_t leaf_pages = 0;
  uint64_t inner_pages = 0;
  // Of a store in memory, whose pages hold its image.
  uint64_t rows = 0;  ///< Removed ones that somebody may need included.
  uint64_t memory_bytes = 0;
  uint64_t memory_bytes_max = 0;
  LsmStats lsm;  ///< Of such a store, whose pages hold its manifest.
};

/// How long something took, since the environment was opened. Percentiles are off by 1.6 % at most.
struct LatencySummary {
  uint64_t count = 0;  ///< 0: all others are, too.
  double mean_us = 0;
  double p50_us = 0;
  double p90_us = 0;
  double p99_us = 0;
  double p99_9_us = 0;
  double max_us = 0;
};

/// The same of numbers without a unit.
struct LengthSummary {
  uint64_t count = 0;
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  double p99_9 = 0;
  double max = 0;
};

/// Why transactions were aborted.
struct AbortCounts {
  uint64_t user = 0;      ///< `abort` was called, and no call had failed.
  uint64_t dropped = 0;   ///< The Transaction went without commit or abort, and no call had failed.
  uint64_t conflict = 0;  ///< Before either, a write had answered `conflict`.
  uint64_t deadlock = 0;
  uint64_t timed_out = 0;
  uint64_t serialization = 0;  ///< The commit of a serializable one answered `conflict`.
  uint64_t error = 0;          ///< I/O, memory, or a commit that could not be logged.
};

/// What verifying or scrubbing has found.
struct VerifyProblem {
  uint64_t page_id = 0;
  std::string store;    ///< Empty if no store is concerned.
  std::string message;  ///< What is wrong, and what it means.
};

struct EnvStats {
  // Environment
  std::string uuid;
  uint32_t format_version = 0;
  uint32_t page_bytes = 0;
  std::string state;  ///< "open", "read_only", "failed" or "closed" (then the rest is empty).
  // Options, as they hold now
  uint64_t pool_bytes = 0;
  uint64_t log_bytes_max = 0;
  uint64_t version_bytes_max = 0;
  Durability durability = Durability::group;
  uint32_t flush_interval_ms = 0;
  IoMode io_mode = IoMode::automatic;
  // Pool
  uint64_t pool_frames = 0;
  uint64_t pool_frames_free = 0;
  uint64_t pool_frames_dirty = 0;
  uint64_t page_reads = 0;  ///< Pages read from the data file.
  uint64_t page_writes =
      0;  ///< Pages written to the data file (each once more to the double-write area).
  uint64_t page_evictions = 0;
  // Block cache
  uint64_t block_cache_bytes_max = 0;
  uint64_t block_cache_bytes = 0;  ///< In use.
  uint64_t block_cache_hits = 0;
  uint64_t block_cache_misses = 0;
  uint64_t block_cache_evictions = 0;
  // Data file
  uint64_t data_pages = 0;       ///< Pages the data file has room for.
  uint64_t data_pages_free = 0;  ///< Of these, free for reuse.
  // Log
  uint32_t log_streams = 0;
  uint64_t log_bytes_on_disk = 0;    ///< From the last checkpoint's start to the end.
  double reopen_seconds = 0;         ///< What replaying the log would take now: an estimate.
  uint64_t pages_to_redo = 0;        ///< That wait to be met, or for the background: since a crash.
  uint64_t log_bytes_appended = 0;   ///< Records, since open.
  uint64_t log_bytes_written = 0;    ///< Blocks with padding, since open.
  uint64_t log_flushes = 0;          ///< Writes followed by fdatasync, since open.
  LatencySummary log_room_wait;      ///< Of writers, for the disk: too much was not durable yet.
  uint64_t log_position = 0;         ///< Position of the next log block.
  uint64_t checkpoint_position = 0;  ///< Where recovery would start now.
  uint64_t checkpoints = 0;
  // Archive of the log; all zero without one
  std::string archive_directory;
  uint64_t archive_position = 0;  ///< All log below it is archived.
  uint64_t archive_segments = 0;  ///< Copied since open.
  uint64_t archive_bytes = 0;
  uint64_t archive_failures = 0;
  std::string archive_error;  ///< Of the last try; empty: it went well.
  // Damaged pages, since open
  uint64_t pages_repaired = 0;   ///< Made again from a backup and the log.
  uint64_t repair_failures = 0;  ///< That could not be.
  // Scrubbing, since open, DbEnv::scrub included
  uint64_t scrub_bytes_per_second = 0;  ///< As opened; 0: only when it is asked for.
  uint64_t scrub_pages = 0;             ///< Looked at.
  uint64_t scrub_bytes = 0;             ///< Read, of all files.
  uint64_t scrub_rounds = 0;            ///< Over everything.
  uint64_t
      scrub_last_end_ns = 0;      ///< When the last one ended: wall clock, since 1970; 0: none has.
  double scrub_last_seconds = 0;  ///< How long it took.
  uint64_t scrub_repaired = 0;    ///< Damaged pages and copies that were written anew.
  uint64_t scrub_damaged = 0;     ///< Known to be damaged now.
  std::string scrub_error;        ///< Why the last round broke off; empty: it did not.
  std::vector<VerifyProblem> scrub_problems;  ///< Those, the first hundred.
  // Transactions, since open: those begun, and those that a large value or the making of a store needed.
  // A small write alone is one log record and not counted, but for its conflicts.
  uint64_t txn_begun = 0;
  uint64_t txn_committed = 0;
  uint64_t txn_aborted = 0;
  uint64_t txn_active = 0;
  uint64_t txn_conflicts = 0;
  uint64_t txn_prepared = 0;  ///< In doubt now; each keeps the log from its first record on.
  AbortCounts txn_aborted_by;
  LatencySummary txn_begin;   ///< Of one in 16.
  LatencySummary txn_commit;  ///< Of those that had written; of one in 16 that do not wait.
  LatencySummary txn_durability_wait;  ///< The part of it that waited for the disk, where it did.
  double txn_oldest_seconds = 0;       ///< Age of the oldest that may write.
  // Snapshots.
  uint64_t snapshots = 0;                   ///< Open now.
  double snapshot_oldest_seconds = 0;       ///< Its age.
  uint64_t snapshot_oldest_ids_behind = 0;  ///< Transactions begun since, single writes counted.
  // Older versions of rows, which open snapshots hold back.
  LengthSummary versions_walked;    ///< In memory, by a read that did not see the newest row.
  uint64_t versions_in_memory = 0;  ///< Replaced by transactions that have ended.
  uint64_t version_bytes_in_memory = 0;
  uint64_t versions_on_disk = 0;
  uint64_t version_bytes_on_disk = 0;
  uint64_t version_runs = 0;         ///< Files that those on disk lie in.
  uint64_t version_index_bytes = 0;  ///< Memory for finding them there.
  // Of these, since open:
  uint64_t version_spills = 0;          ///< Times that versions were written out.
  uint64_t version_spill_failures = 0;  ///< Times that it failed: those versions stayed in memory.
  uint64_t version_merges = 0;
  uint64_t version_merge_failures = 0;
  uint64_t version_disk_searches = 0;  ///< Reads that had to look there.
  // Locks. A lock that was there at once is not counted.
  uint64_t lock_deadlocks = 0;
  uint64_t lock_timeouts = 0;
  uint64_t lock_escalations = 0;
  LatencySummary lock_wait;
  /// The channel for other processes (docs/formats/live.md): "open", "off", or why there is none.
  std::string live;
  std::vector<StoreStats> stores;
};

/// What DbEnv::scrub has done.
struct ScrubReport {
  uint64_t pages = 0;     ///< Looked at.
  uint64_t bytes = 0;     ///< Read, of all files.
  uint64_t repaired = 0;  ///< Damaged pages and copies that were written anew.
  uint64_t damaged = 0;   ///< Those that could not be.
  /// What was damaged and is so still; the first hundred. Page 0: a file, or the data file's header.
  std::vector<VerifyProblem> problems;
  double seconds = 0;
};

/// What DbEnv::archive_log has done.
struct ArchiveReport {
  std::string directory;
  uint64_t segments = 0;  ///< Copied by this call.
  uint64_t bytes = 0;
  uint64_t position = 0;   ///< All log below it is archived.
  uint64_t log_bytes = 0;  ///< What is not: the segment that is being written, if all is well.
};

/// A transaction between its two phases.
struct PreparedTransaction {
  /// As given to Transaction::prepare; a branch of XA has one of 138 bytes (docs/XA.md).
  std::string gid;
  uint64_t id = 0;
  uint64_t prepared_at_ns = 0;  ///< Wall clock, since 1970.
  double age_seconds = 0;       ///< By the wall clock; 0 if that went backwards.
  bool recovered = false;       ///< Prepared before the environment was opened.
};

struct RecoveryReport {
  bool ran = false;  ///< False: the environment was closed cleanly.
  uint64_t log_bytes_read = 0;
  uint64_t records_read = 0;
  uint64_t records_redone = 0;  ///< Page changes applied before it was open.
  uint64_t pages_redone = 0;
  /// With EnvOptions::redo_on_demand: pages that were left to be redone when they are met; not counted in the two above.
  uint64_t pages_waiting = 0;
  uint64_t pages_restored = 0;  ///< Torn pages taken from the double-write area.
  uint64_t transactions_committed = 0;
  uint64_t transactions_undone = 0;
  uint64_t transactions_prepared = 0;  ///< In doubt: DbEnv::prepared lists them.
  uint64_t records_undone = 0;
  double seconds = 0;
};

struct VerifyReport {
  uint64_t pages_checked = 0;
  uint64_t pages_free = 0;
  uint64_t keys = 0;
  std::vector<VerifyProblem> problems;  ///< Empty: all is well.
  /// Everything was proved, of one moment. False: others wrote meanwhile, and what only a file at rest can show was not
  /// looked for: pages that are allocated though nothing leads to them.
  bool complete = true;
  bool ok() const noexcept { return problems.empty(); }
};

}  // namespace aether
