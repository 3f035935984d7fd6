/// Older versions of rows, for the snapshots that still need them: in memory up to a bound, beyond it in runs on disk.
///
/// The newest version of a row is in the index, with its writer's id. What a write supersedes is entered here under
/// the row's key, newest first, before the page changes and under its exclusive latch. A reader that does not see
/// the writer in the page looks here for the version that its snapshot reads (version.h); none means that the row did
/// not exist. It must then validate the page's version: only then can no rollback have moved a version back.
///
/// A version is needed iff some snapshot sees its writer and not its superseder. Versions wait in the order in which
/// their superseders ended; most go from the front, as soon as no snapshot is older. What an old snapshot holds back is
/// swept whenever it has doubled or fills half the bound, and what lies between two snapshots goes. What then still
/// fills a quarter is spilled: written to a run (version_runs.h), which readers find before it leaves memory.
///
/// Nobody waits for a sweep, spill or merge: who retires versions does a share of it, or none if another thread is at
/// it. Only where memory is above the bound, because it fills faster than a disk takes it, does everybody who retires
/// do his share first. If a spill fails, its versions stay in memory, and it is tried again later.
///
/// Memory      What a write or an end hands over is linked through itself: that needs no memory. Sweeps, spills and merges
///             do; where there is none they wait.
/// Threads     Any. Latch order: page latches before a partition's mutex; the collector's mutex before the queue's and a
///             partition's.
/// Source      Newest in place and a side table of older versions: after LeanStore's OSIC, Alhomssi and Leis,
///             "Scalable and Robust Snapshot Isolation for High-Performance Storage Engines", VLDB 2023; pruning
///             between snapshots: Boettcher et al., "Scalable Garbage Collection for In-Memory MVCC Systems", 2019.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "os/os.h"
#include "os/sync.h"
#include "txn/statistics.h"
#include "txn/transaction_table.h"
#include "txn/version.h"
#include "txn/version_runs.h"
#include "txn/version_spill.h"

namespace aether::txn {

struct VersionOptions {
  std::string directory;          ///< Of the runs: theirs alone.
  uint64_t bytes_max = 64 * MiB;  ///< Of retired versions in memory. At least 64 KiB.
};

struct VersionStats {
  // In memory.
  uint64_t versions = 0;  ///< Retired, not collected.
  uint64_t bytes = 0;
  uint64_t collected = 0;  ///< Needed by nobody and let go of, ever.
  uint64_t spills = 0;
  uint64_t spill_failures = 0;
  VersionRunStats runs;  ///< On disk.
};

class VersionStore {
 public:
  /// `statistics` (null: none) must outlive it.
  VersionStore(const VersionOptions& options, os::Os& os, Statistics* statistics = nullptr);
  VersionStore(const VersionStore&) = delete;
  VersionStore& operator=(const VersionStore&) = delete;
  ~VersionStore();

  /// Errors: invalid_argument (names the option).
  static Result<void> check(const VersionOptions& options);

  /// Lets readers find `version`, which `by` is about to replace. Under the exclusive latch of the row's page.
  void link(Version& version, TxnId writer, TxnId by) noexcept;
  /// Takes it back, after a rollback has restored the row, under the same latch.
  void unlink(Version& version) noexcept;

  /// Copies the payload of the version of the row that `snapshot` reads: the newest whose writer it sees. False: none;
  /// the row did not exist. The caller then validates the page it came from.
  /// Errors: io_error; corruption (names file and offset).
  Result<bool> find(StoreId store, std::string_view key, const Snapshot& snapshot,
                    std::string& payload) const;

  /// Who wrote the newest version of the row that is in memory; nothing: there is none. A row that an open transaction
  /// has replaced has one. `by`: only if it was replaced by that one; 0: by whomever.
  std::optional<TxnId> newest_writer(StoreId store, std::string_view key,
                                     TxnId by = 0) const noexcept;

  /// Hands over the versions that an ended transaction has replaced, and does a share of what keeps memory bounded.
  void retire(VersionList versions, const TransactionTable& table) noexcept;
  /// Versions of a transaction whose rollback an error has stopped: they stay.
  void keep(VersionList versions) noexcept;
  /// Frees what is older than every snapshot.
  void collect(const TransactionTable& table) noexcept;
  VersionStats stats() const;

 private:
  static constexpr size_t kPartitions = 64;
  static constexpr size_t kBucketsMin = 64;
  static constexpr size_t kBatch = 1024;  ///< Freed before others get their turn.
  static constexpr size_t kShare = 256;   ///< Versions that one call sweeps, writes or merges.
  /// So many of an ended transaction are looked through again only when twice as many wait.
  static constexpr size_t kSweepMin = 1024;

  struct alignas(64) Partition {
    mutable os::Mutex mutex;
    std::vector<Version*> buckets = std::vector<Version*>(kBucketsMin);
    size_t count = 0;
  };

  Partition& partition(uint64_t hash) noexcept { return partitions_[hash >> 58]; }
  const Partition& partition(uint64_t hash) const noexcept { return partitions_[hash >> 58]; }
  static void grow(Partition& partition) noexcept;
  bool find_in_memory(const RowKey& row, const Snapshot& snapshot, std::string& payload) const;

  // Collecting (version_collect.cpp).
  /// Memory is above the bound, and the disk takes what is written to it.
  bool must_help() const noexcept {
    return bytes_.load(std::memory_order_relaxed) > options_.bytes_max &&
           !spill_failed_.load(std::memory_order_relaxed);
  }
  void take_incoming() noexcept AETHER_REQUIRES(collector_mutex_);
  void leave_memory(Version* version) noexcept;
  void destroy(Version* version) noexcept;
  bool destroy_front(TxnId horizon) noexcept AETHER_REQUIRES(collector_mutex_);
  bool work_if_memory_allows(const TransactionTable& table) noexcept
      AETHER_REQUIRES(collector_mutex_);
  bool work(const TransactionTable& table) AETHER_REQUIRES(collector_mutex_);
  bool is_sweep_due() const AETHER_REQUIRES(collector_mutex_);
  void begin_sweep(const TransactionTable& table) AETHER_REQUIRES(collector_mutex_);
  void sweep_share() AETHER_REQUIRES(collector_mutex_);
  void spill_share() AETHER_REQUIRES(collector_mutex_);
  void give_up_spill() noexcept AETHER_REQUIRES(collector_mutex_);

  const VersionOptions options_;
  Statistics* const statistics_;
  std::array<Partition, kPartitions> partitions_;
  VersionRuns runs_;
  std::atomic<uint64_t> versions_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> collected_{0};
  std::atomic<uint64_t> spills_{0};
  std::atomic<uint64_t> spill_failures_{0};
  std::atomic<bool> spill_failed_{false};  ///< The last one; memory may be above the bound.

  os::Mutex queue_mutex_;
  VersionList incoming_ AETHER_GUARDED_BY(queue_mutex_);
  VersionList kept_ AETHER_GUARDED_BY(queue_mutex_);

  /// One thread at a time collects. Others do not wait for it, but above the bound.
  os::Mutex collector_mutex_;
  VersionList swept_ AETHER_GUARDED_BY(collector_mutex_);
  VersionList unswept_ AETHER_GUARDED_BY(collector_mutex_);  ///< All newer than those.
  size_t to_sweep_ AETHER_GUARDED_BY(collector_mutex_) = 0;  ///< Of unswept_; 0: no sweep runs.
  size_t sweep_at_ AETHER_GUARDED_BY(collector_mutex_) = kSweepMin;
  std::vector<SnapshotBounds> snapshots_ AETHER_GUARDED_BY(collector_mutex_);  ///< Of the sweep.
  enum class Spilling : uint8_t { no, gathers, writes, leaves_memory };
  Spilling spilling_ AETHER_GUARDED_BY(collector_mutex_) = Spilling::no;
  std::unique_ptr<VersionSpill> spill_ AETHER_GUARDED_BY(collector_mutex_);
  uint64_t spill_bytes_ AETHER_GUARDED_BY(collector_mutex_) = 0;  ///< To be gathered.
  uint64_t arrived_bytes_ AETHER_GUARDED_BY(collector_mutex_) = 0;
  /// After a failure: what must have arrived before another is tried.
  uint64_t retry_at_ AETHER_GUARDED_BY(collector_mutex_) = 0;
};

}  // namespace aether::txn
