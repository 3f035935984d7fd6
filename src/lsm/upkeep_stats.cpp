// Upkeep: what a store has done and has to do, as figures.

#include <algorithm>

#include "base/ratio.h"
#include "lsm/upkeep.h"

namespace aether::lsm {

LsmStats Upkeep::stats() const {
  os::LockGuard lock(mutex_);
  LsmStats stats = stats_;
  stats.policy = to_string(manifest_.policy().kind);
  stats.nursery_bytes = tree_.nursery_bytes();
  stats.sealed_generations = tree_.sealed_count();
  stats.outside_bytes = outside_.load(std::memory_order_relaxed);
  stats.put_bytes = accepted_.load(std::memory_order_relaxed) + stats.outside_bytes;
  stats.merge_debt_bytes = pacer_.debt();
  for (const auto& [merge, row] : manifest_.merges()) {
    if (!pacer_.has(merge) && row.bytes > row.bytes_read)  // Nothing was written since.
      stats.merge_debt_bytes += row.bytes - row.bytes_read;
  }
  stats.merges_under_way = manifest_.merges().size();
  stats.dropped_runs = manifest_.dropped().size();
  stats.options = options_of(configuration_, manifest_.policy());
  const auto& sorted = manifest_.sorted_runs();
  for (auto each = sorted.rbegin(); each != sorted.rend(); ++each)
    stats.sorted_runs.push_back(stats_of(each->first, each->second));
  for (const SortedRunStats& each : stats.sorted_runs) {
    stats.expiring += each.expiring;
    stats.expired += each.expired;
  }
  add_amplifications(stats);
  return stats;
}

SortedRunStats Upkeep::stats_of(uint64_t age, const std::vector<ManifestRun>& runs) const {
  SortedRunStats sorted;
  sorted.age = age;
  sorted.runs = runs.size();
  const uint64_t now_ms = services_.transactions.now_ms();
  for (const ManifestRun& run : runs) {
    const OpenRun& open = *open_.at(run.run.id);
    const RunSummary& summary = open.summary();
    sorted.parts.push_back({.id = run.run.id,
                            .entries = run.run.entries,
                            .tombstones = run.run.tombstones,
                            .expiring = summary.expiring,
                            .expired = open.expiry().expired(now_ms).entries,
                            .range_tombstones = summary.range_tombstones,
                            .bytes = run.run.bytes,
                            .data_bytes = summary.data_bytes,
                            .disk_bytes = disk_bytes_of(open),
                            .filter_bytes = open.filter().bytes(),
                            .dictionary_bytes = open.run().dictionary_bytes(),
                            .oldest_generation = run.oldest_generation,
                            .newest_generation = run.newest_generation,
                            .smallest_key = run.run.smallest_key,
                            .largest_key = run.run.largest_key});
    const RunStats& part = sorted.parts.back();
    sorted.bytes += part.bytes;
    sorted.entries += part.entries;
    sorted.tombstones += part.tombstones;
    sorted.expiring += part.expiring;
    sorted.expired += part.expired;
    sorted.disk_bytes += part.disk_bytes;
    sorted.values_outside += summary.values_apart;
  }
  for (const auto& [merge, row] : manifest_.merges()) {
    sorted.merging = sorted.merging ||
                     std::find(row.inputs.begin(), row.inputs.end(), age) != row.inputs.end();
  }
  sorted.level = level_of(manifest_.policy(), sorted.bytes,
                          nursery_bytes_.load(std::memory_order_relaxed));
  return sorted;
}

void Upkeep::add_amplifications(LsmStats& stats) const {
  const ManifestNumbers& numbers = manifest_.numbers();
  stats.user_bytes = accepted_before_ + accepted_.load(std::memory_order_relaxed);
  stats.log_bytes = logged_before_ + table_.stats().log_bytes;
  stats.flush_bytes = numbers.flush_bytes;
  stats.merge_bytes = numbers.merge_bytes;
  stats.write_amplification = base::ratio(stats.log_bytes + stats.flush_bytes + stats.merge_bytes,
                                          stats.user_bytes);
  const ObservedWork work = tree_.observed();
  stats.run_reads = work.point_reads + work.point_misses;
  stats.runs_read = tree_.runs_read();
  stats.read_amplification = base::ratio(stats.runs_read, stats.run_reads);
  for (const auto& [id, open] : open_) stats.disk_bytes += disk_bytes_of(*open);
  uint64_t largest = 0;
  for (const SortedRunStats& sorted : stats.sorted_runs) largest = std::max(largest, sorted.bytes);
  stats.space_amplification_max = base::ratio(stats.disk_bytes, largest);
}

}  // namespace aether::lsm
