// Upkeep: merges, paced.

#include <algorithm>
#include <optional>
#include <utility>

#include "base/no_memory.h"
#include "base/reached.h"
#include "lsm/upkeep.h"

namespace aether::lsm {
namespace {

/// Of a merge's output, in nurseries: what a restart begins anew at most.
constexpr uint64_t kPartNurseries = 4;
constexpr uint64_t kPartBytesMin = 1 * MiB;
constexpr uint64_t kPartBytesMax = 256 * MiB;

uint64_t bytes_of(const std::vector<ManifestRun>& runs) noexcept {
  uint64_t bytes = 0;
  for (const ManifestRun& run : runs) bytes += run.run.bytes;
  return bytes;
}

}  // namespace

void Upkeep::take_accepted() {
  const uint64_t accepted = accepted_.load(std::memory_order_relaxed);
  pacer_.accept(accepted - std::exchange(accepted_taken_, accepted));
}

/// Of merges that have begun since.
void Upkeep::start_pacing() {
  for (const auto& [merge, row] : manifest_.merges()) {
    if (pacer_.has(merge)) continue;
    const uint64_t accepted = manifest_.numbers().accepted_bytes;
    const uint64_t left = row.bytes > row.bytes_read ? row.bytes - row.bytes_read : 0;
    pacer_.start(merge, left, row.due > accepted ? row.due - accepted : 1);
  }
}

Result<Upkeep::Job*> Upkeep::job_of(uint64_t merge) {
  if (const auto found = jobs_.find(merge); found != jobs_.end()) return &found->second;
  const ManifestMerge& row = manifest_.merges().at(merge);
  MergeRules rules;
  rules.snapshots = OpenSnapshots(services_.transactions.snapshots());
  rules.now_ms = services_.transactions.expiry_horizon_ms();
  std::vector<OlderKeys::Range> older;
  std::vector<MergeSource> sources;
  for (const auto& [age, runs] : manifest_.sorted_runs()) {
    if (age < row.inputs.front()) {
      for (const ManifestRun& run : runs)
        older.push_back({run.run.smallest_key, run.run.largest_key});
      continue;
    }
    if (std::find(row.inputs.begin(), row.inputs.end(), age) == row.inputs.end()) continue;
    std::vector<RunPart> parts;
    for (const ManifestRun& run : runs) {
      const bool is_rewritten = std::find(row.rewritten.begin(), row.rewritten.end(), run.run.id) !=
                                row.rewritten.end();
      if (is_rewritten) parts.push_back(open_.at(run.run.id));
    }
    if (parts.empty()) continue;
    MergeSource& source = sources.emplace_back();
    // Not their range tombstones: each row of those has a tombstone of its own (lsm/ingest.h).
    source.cursor = std::make_unique<EntryCursorOf<SortedLevelCursor>>(
        SortedLevelCursor(std::move(parts), RunCursor::Use::once));
  }
  std::reverse(sources.begin(), sources.end());
  rules.older = OlderKeys(std::move(older));
  Job job;
  job.merge = std::make_unique<Merge>(std::move(sources), std::move(rules));
  job.read_before = row.bytes_read;
  if (row.has_parts) {
    AETHER_REACHED("lsm.merge_goes_on_after_restart");
    AETHER_TRY(job.merge->begin_after(row.last_key));
  } else {
    AETHER_TRY(job.merge->begin());
  }
  return &jobs_.emplace(merge, std::move(job)).first->second;
}

uint64_t Upkeep::bytes_of_runs() const noexcept {
  uint64_t bytes = 0;
  for (const auto& [age, runs] : manifest_.sorted_runs()) bytes += bytes_of(runs);
  return bytes;
}

/// Of the whole sorted run that comes of the merge, with the parts that only move.
uint64_t Upkeep::bytes_of_output(const ManifestMerge& merge) const noexcept {
  uint64_t bytes = 0;
  for (const uint64_t age : merge.inputs) {
    const auto input = manifest_.sorted_runs().find(age);
    if (input != manifest_.sorted_runs().end()) bytes += bytes_of(input->second);
  }
  return bytes;
}

Result<void> Upkeep::open_output(Job& job, const ManifestMerge& merge) {
  if (job.output != nullptr) return {};
  job.stream = committer_.stream();
  AETHER_TRY_ASSIGN(job.output,
                    RunOutput::create(services_, job.stream, rows_.store(), manifest_.take_run_id(),
                                      configuration_, {bytes_of_output(merge), bytes_of_runs()}));
  return {};
}

uint64_t Upkeep::part_bytes() const noexcept {
  return std::clamp(kPartNurseries * nursery_bytes_.load(std::memory_order_relaxed), kPartBytesMin,
                    kPartBytesMax);
}

Result<bool> Upkeep::merge(uint64_t bytes_max, bool ahead) {
  os::LockGuard lock(mutex_);
  if (is_stopped_) return false;
  start_pacing();
  take_accepted();
  const std::optional<MergePacer::Due> due = ahead ? pacer_.next() : pacer_.due();
  if (!due) return false;
  Result<void> done = base::or_no_memory(
      [&]() AETHER_NO_THREAD_SAFETY { return step(due->merge, std::min(due->bytes, bytes_max)); });
  if (done) return true;
  // It goes on behind its last part.
  jobs_.erase(due->merge);
  return std::move(done).error();
}

Result<void> Upkeep::step(uint64_t merge, uint64_t bytes) {
  AETHER_TRY_ASSIGN(Job * job, job_of(merge));
  AETHER_TRY(open_output(*job, manifest_.merges().at(merge)));
  AETHER_TRY_ASSIGN(const uint64_t read, job->merge->step(bytes, *job->output));
  stats_.merged_bytes += read;
  pacer_.worked(merge, read);
  const bool is_part = job->merge->has_ended() || job->output->is_full() ||
                       job->output->entry_bytes() >= part_bytes();
  if (!is_part) return {};
  return end_part(merge, *job);
}

Result<void> Upkeep::end_part(uint64_t merge, Job& job) {
  AETHER_TRY_ASSIGN(const bool has_any, job.merge->end_part(*job.output));
  const bool ends = job.merge->has_ended();
  const bool frees = job.output->has_left_out();
  if (!has_any && !ends && !frees) return {};
  Manifest next = manifest_;
  std::map<uint64_t, RunPart> open = open_;
  LsmTree::PreparedLevels levels;
  uint64_t written = 0;
  const auto body = [&](txn::TransactionContext& txn) AETHER_NO_THREAD_SAFETY -> Result<void> {
    ManifestChanges changes;
    if (has_any) {
      AETHER_TRY_ASSIGN(RunOutput::Finished finished, job.output->finish(txn));
      written = disk_bytes_of(*finished.part);
      open[finished.described.run.id] = std::move(finished.part);
      next.count_merge(written);
      next.add_part(merge, std::move(finished.described), job.merge->last_key(),
                    job.read_before + job.merge->bytes_read(), changes);
    } else if (frees) {
      next.note_progress(merge, job.merge->last_key(), job.read_before + job.merge->bytes_read(),
                         changes);
    }
    AETHER_TRY(job.output->free_left_out(txn));
    if (ends) {
      next.end_merge(merge, changes);
      AETHER_TRY(plan(next, changes));
      levels = levels_of(next, open);
    }
    return apply(txn, changes);
  };
  AETHER_TRY(committer_.commit(job.stream, false, body));
  manifest_ = std::move(next);
  open_ = std::move(open);
  job.output = nullptr;
  stats_.run_bytes_written += written;
  if (!ends) {
    AETHER_REACHED("lsm.merge_part_ended");
    return {};
  }
  pacer_.finish(merge);
  jobs_.erase(merge);  // It holds its inputs.
  tree_.publish(std::move(levels));
  stats_.merges += 1;
  AETHER_REACHED("lsm.merge_ended");
  return {};
}

}  // namespace aether::lsm
