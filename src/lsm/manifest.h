/// What a store of runs is made of: rows in a B+ tree of the same environment, so that a flush, a merge and a transaction commit or
/// fail together, and recovery needs to know nothing of them. Format: docs/formats/manifest.md.
///
///     's'                     numbers that go on: run ids, merges, ages; all generations below one are in runs
///     'c'                     how the store was made: its options (store_options.h)
///     'p'                     the policy
///     'g' generation          one above those that is in a run, too
///     'r' age, run id         a run; runs of one age are one sorted run
///     'm' merge               a merge under way: its inputs, and how far it has come
///     'o' merge, run id       a part of its output, finished; nobody reads it before the merge has ended
///     'f' run id              of a store that is being dropped: the values outside of that run are free, up to a key
///     'd' run id              a run that is no more; its pages are given back when nobody reads them
///
/// Edits change a `Manifest` in memory and tell which rows to put and remove; who makes one works on a copy, and takes it over
/// when his transaction has committed.
///
/// Threads   Values.
/// Errors    corruption (names the row), unsupported (a newer format).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/options.h"
#include "lsm/policy/merge_policy.h"

namespace aether::lsm {

struct ManifestRun {
  RunDescription run;
  std::string reference;  ///< Of lsm/run_summary.h: where it lies. Not looked into here.
  uint64_t oldest_generation = 0;
  uint64_t newest_generation = 0;
  uint64_t earliest_expiry_ms = 0;  ///< 0: nothing expires.

  std::string encode() const;
  static Result<ManifestRun> decode(Bytes bytes);
};

struct ManifestMerge {
  uint64_t output_age = 0;
  uint64_t due = 0;                 ///< Accepted bytes, as counted in `accepted_bytes`.
  uint64_t bytes = 0;               ///< Of its inputs.
  uint64_t bytes_read = 0;          ///< Of those, behind the last part.
  std::vector<uint64_t> inputs;     ///< Ages of sorted runs, the oldest first.
  std::vector<uint64_t> rewritten;  ///< Ids of runs among them; the others only move.
  bool has_parts = false;           ///< Or all that a part would hold has been left out.
  std::string last_key;             ///< It goes on behind it. With parts only.

  std::string encode() const;
  static Result<ManifestMerge> decode(Bytes bytes);
};

struct ManifestNumbers {
  uint64_t next_run_id = 1;
  uint64_t next_merge = 1;
  uint64_t next_age = 1;
  uint64_t flushed_below = 1;   ///< All generations below are in runs.
  uint64_t accepted_bytes = 0;  ///< As of the last flush.
  Gsn flushed_gsn = 0;  ///< Changes with this GSN or one below are in runs: redo skips them.
  // To disk, since the store was made.
  uint64_t log_bytes = 0;  ///< As of the last flush.
  uint64_t flush_bytes = 0;
  uint64_t merge_bytes = 0;

  std::string encode() const;
  static Result<ManifestNumbers> decode(Bytes bytes);
};

std::string encode(const PolicyOptions& policy);
Result<PolicyOptions> decode_policy(Bytes bytes);

/// A row to put, or without a value to remove.
struct ManifestChange {
  std::string key;
  std::optional<std::string> value;
};
using ManifestChanges = std::vector<ManifestChange>;

class Manifest {
 public:
  /// For a store that is made now: the rows to put come from `all_rows`.
  Manifest() = default;
  explicit Manifest(const PolicyOptions& policy) : policy_(policy) {}

  /// Reading: every row, in any order, then `check`.
  Result<void> add_row(Bytes key, Bytes value);
  /// That rows agree with each other.
  Result<void> check() const;
  ManifestChanges all_rows() const;
  /// The row of that key is a run, whatever becomes of it.
  static bool is_run(Bytes key) noexcept {
    return !key.empty() && (key[0] == 'r' || key[0] == 'o' || key[0] == 'd');
  }

  const PolicyOptions& policy() const noexcept { return policy_; }
  const std::string& configuration() const noexcept { return configuration_; }
  /// Runs whose pages are still to be given back, by id.
  const std::map<uint64_t, ManifestRun>& dropped() const noexcept { return dropped_; }
  /// By run: up to which key the values outside that it owned have been given back.
  const std::map<uint64_t, std::string>& values_given_back() const noexcept { return given_back_; }
  static std::string key_of_given_back(uint64_t run_id);
  const ManifestNumbers& numbers() const noexcept { return numbers_; }
  /// Of sorted runs, by age.
  const std::map<uint64_t, std::vector<ManifestRun>>& sorted_runs() const noexcept { return runs_; }
  const std::map<uint64_t, ManifestMerge>& merges() const noexcept { return merges_; }
  const std::vector<ManifestRun>& parts_of(uint64_t merge) const;
  bool is_flushed(uint64_t generation) const noexcept;
  /// For a policy. The n-th sorted run of it is the n-th of `sorted_runs`.
  Shape shape(uint64_t nursery_bytes, uint64_t now_ms = 0) const;
  /// RunDescription::rewrite_at_ms of each run, by its id, which no row has.
  void set_rewrite_times(FunctionRef<uint64_t(uint64_t run_id)> rewrite_at_ms);
  /// The first of those, of runs that no merge reads.
  uint64_t next_rewrite_ms() const noexcept;

  /// A generation has become `run`, the newest; or nothing, when it was empty. `run.run.id` is given by `take_run_id`.
  /// `fence`: the generation's.
  void flush(uint64_t generation, Gsn fence, std::optional<ManifestRun> run,
             uint64_t accepted_bytes, ManifestChanges& changes);
  /// `runs` without common keys, and without a generation of their own, are the newest sorted run.
  void ingest(std::vector<ManifestRun> runs, uint64_t accepted_bytes, ManifestChanges& changes);
  uint64_t take_run_id(ManifestChanges& changes);
  /// The same before anybody knows when it will be committed: every edit that has a run says what has been given.
  uint64_t take_run_id() noexcept { return numbers_.next_run_id++; }
  /// `before`: the `shape` that it was planned on. Returns its number. 0: nothing had to be rewritten, it has been done.
  uint64_t begin_merge(const PlannedMerge& planned, const Shape& before, ManifestChanges& changes);
  /// A part of its output is finished. Its generations are set here.
  void add_part(uint64_t merge, ManifestRun part, Bytes last_key, uint64_t bytes_read,
                ManifestChanges& changes);
  /// All up to `last_key` has been left out: there is no part of it.
  void note_progress(uint64_t merge, Bytes last_key, uint64_t bytes_read, ManifestChanges& changes);
  /// The output takes the place of the inputs. Returns the runs that are no more: they are `dropped` until `forget`.
  std::vector<ManifestRun> end_merge(uint64_t merge, ManifestChanges& changes);
  /// It is as if it had not begun. Returns the parts that are no more.
  std::vector<ManifestRun> give_up_merge(uint64_t merge, ManifestChanges& changes);
  /// A dropped run's pages are given back.
  void forget(uint64_t run_id, ManifestChanges& changes);
  /// Of what is edited next.
  void count_flush(uint64_t log_bytes, uint64_t run_bytes) noexcept {
    numbers_.log_bytes = log_bytes;
    numbers_.flush_bytes += run_bytes;
  }
  void count_merge(uint64_t run_bytes) noexcept { numbers_.merge_bytes += run_bytes; }
  void set_policy(const PolicyOptions& policy, ManifestChanges& changes);
  void set_configuration(std::string configuration, ManifestChanges& changes);

 private:
  void put_numbers(ManifestChanges& changes) const;
  void put_runs_in_order(std::vector<ManifestRun>& runs) const;
  void drop(const std::vector<ManifestRun>& gone, ManifestChanges& changes);

  PolicyOptions policy_;
  std::string configuration_;
  ManifestNumbers numbers_;
  std::set<uint64_t> flushed_;  // At flushed_below and above.
  std::map<uint64_t, std::vector<ManifestRun>> runs_;
  std::map<uint64_t, ManifestMerge> merges_;
  std::map<uint64_t, std::vector<ManifestRun>> parts_;
  std::map<uint64_t, ManifestRun> dropped_;
  std::map<uint64_t, std::string> given_back_;
};

}  // namespace aether::lsm
