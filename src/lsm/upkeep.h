/// What a store of runs does beside its readers and writers: it writes generations out, merges runs, and gives back the pages of
/// those that nobody reads.
///
/// Each step is one transaction of the engine that edits the manifest, a B+ tree at the store's root; so a crash leaves it done or not
/// begun, and the pages of what was not finished were never allocated. A merge commits part by part, and goes on behind the last part
/// after a restart.
///
///   flush         the oldest sealed generation ──► a run, the newest
///   merge         sorted runs that are neighbours in age ──► one sorted run in their place      which: policy/   when: pacing.h
///   give back     a run that no manifest row names as one to read, and no reader has any more ──► free pages
///
/// Threads   Any; one step at a time. Whoever does one holds no latch.
/// Errors    Those of runs and of the transaction. After an error nothing has changed, and the step may be tried again; but what may
///           have been committed is not known after `failed`.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/stats.h"
#include "index/btree/btree.h"
#include "lsm/ingest.h"
#include "lsm/levels.h"
#include "lsm/lsm_tree.h"
#include "lsm/manifest.h"
#include "lsm/merge.h"
#include "lsm/pacing.h"
#include "lsm/run_output.h"
#include "lsm/store_configuration.h"
#include "os/sync.h"
#include "table/table.h"

namespace aether::lsm {

/// Who can commit.
class Committer {
 public:
  using Body = FunctionRef<Result<void>(txn::TransactionContext& txn)>;
  virtual ~Committer() = default;
  /// Runs `body` in a transaction of its own, on that log stream, and commits it durably; an error of `body` takes all back.
  /// `log_first`: what was logged before the commit is durable before it.
  virtual Result<void> commit(uint32_t stream, bool log_first, Body body) = 0;
  virtual uint32_t stream() const noexcept = 0;
};

class Upkeep {
 public:
  Upkeep(index::Services& services, index::BTree& manifest, table::Table& table, LsmTree& tree,
         Committer& committer) noexcept
      : services_(services), rows_(manifest), table_(table), tree_(tree), committer_(committer) {}

  /// The rows of a store that `txn` makes, and what `load` would find.
  Result<void> create(txn::TransactionContext& txn, const StoreConfiguration& configuration,
                      const PolicyOptions& policy);
  /// Reads the manifest and opens its runs. Once, before others use the store.
  Result<void> load();
  /// Changes with this GSN or one below are in runs.
  Gsn flushed_gsn() const;
  /// How the nursery is to be made, and its number: once it is loaded.
  IndexKind nursery() const;
  uint64_t next_generation() const;

  /// So many bytes of keys and values have been written. Returns how many before, since it was opened.
  uint64_t accept(uint64_t bytes) noexcept {
    return accepted_.fetch_add(bytes, std::memory_order_relaxed);
  }
  /// Those of them that lie outside runs: no merge moves them.
  void count_outside(uint64_t bytes) noexcept {
    outside_.fetch_add(bytes, std::memory_order_relaxed);
  }
  /// Rows of transactions that are open come back into the nursery with every flush: one that has grown by as much as they are,
  /// so that a large transaction's rows are logged again a few times, not with each nursery of others.
  bool nursery_is_full() const noexcept {
    return tree_.nursery_bytes() >= std::max(nursery_bytes_.load(std::memory_order_relaxed),
                                             2 * moved_bytes_.load(std::memory_order_relaxed));
  }
  uint64_t nursery_bytes_max() const noexcept { return nursery_bytes_; }

  /// Seals the nursery if it is as full as that, and has rows. Errors: no_memory.
  Result<bool> seal(uint64_t bytes_min);
  /// The oldest sealed generation. False: there is none.
  Result<bool> flush();
  /// What is due of merging, in a step of about `bytes_max`; `ahead`: what will be due. False: nothing is.
  Result<bool> merge(uint64_t bytes_max, bool ahead);
  /// Begins merges of runs of which much has expired (policy/expired.h). False: there is none.
  Result<bool> begin_expired();
  /// How long whoever does all of this may wait until he looks again, though nobody has called him: until much of a run has expired, or
  /// longer and longer while a reader holds up what is to go. kNever: for good.
  uint64_t rest_ns() const;
  static constexpr uint64_t kNever = ~uint64_t{0};
  /// Gives back what nobody reads. False: there is nothing.
  Result<bool> give_back();

  // Ingest's.
  size_t begin_ingest();
  void leave_ingest() noexcept;
  Result<std::unique_ptr<RunOutput>> open_output(uint32_t stream);
  Result<void> end_ingest(Ingest& ingest, Bytes begin, Bytes end, Ingest::Commit commit);
  /// As large as a run of one commit should be.
  uint64_t part_bytes() const noexcept;

  /// From now on. Errors: invalid_argument.
  Result<void> set_policy(const PolicyOptions& policy);

  /// Nothing more is done: each step answers that there is nothing.
  void stop() noexcept;
  void go_on() noexcept;
  /// For a drop: gives back the pages of all runs that the manifest in `rows` names, whether or not somebody has it open.
  static Result<void> drop_runs(index::Services& services, index::BTree& rows,
                                Committer& committer);
  /// Checks the rows of the manifest and reads every run. A value outside that an entry of a run owns is a VisitValue's.
  using VisitValue = FunctionRef<Result<void>(const page::OverflowReference& reference)>;
  /// Errors: the first damage; of values only `with_values`.
  Result<void> check(bool with_values);
  /// Of the store with that manifest, open or being dropped; nobody changes it meanwhile.
  static Result<void> visit_values(index::Services& services, index::BTree& rows,
                                   VisitValue visit_value);

  LsmStats stats() const;

 private:
  struct Job {
    std::unique_ptr<Merge> merge;
    std::unique_ptr<RunOutput> output;
    uint32_t stream = 0;
    uint64_t read_before = 0;  ///< In parts of an earlier life.
  };
  Result<void> apply(txn::TransactionContext& txn, const ManifestChanges& changes);
  Result<void> plan(Manifest& manifest, ManifestChanges& changes) AETHER_REQUIRES(mutex_);
  void plan_expired(Manifest& manifest, ManifestChanges& changes);
  PolicyOptions adapt(const Manifest& manifest) AETHER_REQUIRES(mutex_);
  LsmTree::PreparedLevels levels_of(const Manifest& manifest,
                                    const std::map<uint64_t, RunPart>& open) const;
  static Result<void> drop_values(index::Services& services, index::BTree& rows,
                                  Committer& committer, const Manifest& manifest,
                                  const ManifestRun& run);
  void start_pacing() AETHER_REQUIRES(mutex_);
  void take_accepted() AETHER_REQUIRES(mutex_);
  Result<Job*> job_of(uint64_t merge) AETHER_REQUIRES(mutex_);
  Result<void> open_output(Job& job, const ManifestMerge& merge) AETHER_REQUIRES(mutex_);
  uint64_t bytes_of_output(const ManifestMerge& merge) const noexcept AETHER_REQUIRES(mutex_);
  uint64_t bytes_of_runs() const noexcept AETHER_REQUIRES(mutex_);
  Result<void> step(uint64_t merge, uint64_t bytes) AETHER_REQUIRES(mutex_);
  Result<void> end_part(uint64_t merge, Job& job) AETHER_REQUIRES(mutex_);
  Result<void> check_added(size_t since, Bytes begin, Bytes end) const AETHER_REQUIRES(mutex_);
  Result<void> check_values(const RunPart& part);
  bool owns_still(uint64_t run_id, Bytes key) const;
  uint64_t disk_bytes_of(const OpenRun& run) const noexcept;
  SortedRunStats stats_of(uint64_t age, const std::vector<ManifestRun>& runs) const
      AETHER_REQUIRES(mutex_);
  void add_amplifications(LsmStats& stats) const AETHER_REQUIRES(mutex_);

  index::Services& services_;
  index::BTree& rows_;
  table::Table& table_;
  LsmTree& tree_;
  Committer& committer_;
  std::atomic<uint64_t> nursery_bytes_{64 * MiB};
  std::atomic<uint64_t> moved_bytes_{0};  ///< By the last flush, back into the nursery.
  alignas(64) std::atomic<uint64_t> accepted_{0};
  std::atomic<uint64_t> outside_{0};

  mutable os::Mutex mutex_;  ///< One step at a time.
  Manifest manifest_ AETHER_GUARDED_BY(mutex_);
  StoreConfiguration configuration_ AETHER_GUARDED_BY(mutex_);
  /// By id; dropped ones, too, if they were dropped in this life.
  std::map<uint64_t, RunPart> open_ AETHER_GUARDED_BY(mutex_);
  std::set<uint64_t> damaged_
      AETHER_GUARDED_BY(mutex_);  ///< Dropped runs whose pages nobody knows.
  std::map<uint64_t, Job> jobs_ AETHER_GUARDED_BY(mutex_);
  MergePacer pacer_ AETHER_GUARDED_BY(mutex_);
  uint32_t ingests_ AETHER_GUARDED_BY(mutex_) = 0;  ///< That are under way.
  std::vector<RunPart> added_
      AETHER_GUARDED_BY(mutex_);  ///< While there are any: what has become a run.
  uint64_t accepted_taken_ AETHER_GUARDED_BY(mutex_) = 0;
  LsmStats stats_ AETHER_GUARDED_BY(mutex_);
  PolicyOptions adapted_ AETHER_GUARDED_BY(mutex_){
      .kind = PolicyKind::adaptive};  ///< What `adaptive` has chosen.
  ObservedWork looked_at_ AETHER_GUARDED_BY(mutex_);
  uint64_t accepted_before_ AETHER_GUARDED_BY(mutex_) = 0;  ///< In earlier lives.
  uint64_t logged_before_ AETHER_GUARDED_BY(mutex_) = 0;
  bool is_stopped_ AETHER_GUARDED_BY(mutex_) = false;
  uint64_t held_since_ms_ AETHER_GUARDED_BY(mutex_) = 0;  ///< A reader has a dropped run; 0: none.
  os::Mutex seal_mutex_;  ///< Not the other: who seals does not wait for a step.
};

}  // namespace aether::lsm
