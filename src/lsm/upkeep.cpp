#include "lsm/upkeep.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/no_memory.h"
#include "base/reached.h"
#include "lsm/outside_values.h"
#include "lsm/policy/expired.h"
#include "lsm/stored_manifest.h"
#include "lsm/tree_row.h"
#include "table/row.h"

namespace aether::lsm {

// --- Making and opening

Result<void> Upkeep::create(txn::TransactionContext& txn, const StoreConfiguration& configuration,
                            const PolicyOptions& policy) {
  AETHER_TRY(lsm::check(policy));
  os::LockGuard lock(mutex_);
  configuration_ = configuration;
  nursery_bytes_ = configuration.nursery_bytes;
  tree_.set_inline_value_max(configuration.inline_value_bytes);
  manifest_ = Manifest(policy);
  ManifestChanges changes;
  manifest_.set_configuration(encode(configuration), changes);
  return apply(txn, manifest_.all_rows());
}

IndexKind Upkeep::nursery() const {
  os::LockGuard lock(mutex_);
  return configuration_.nursery;
}

uint64_t Upkeep::next_generation() const {
  os::LockGuard lock(mutex_);
  return manifest_.numbers().flushed_below;
}

Result<void> Upkeep::load() {
  os::LockGuard lock(mutex_);
  AETHER_TRY_ASSIGN(manifest_, read_manifest(rows_));
  AETHER_TRY_ASSIGN(configuration_, decode_configuration(manifest_.configuration()));
  nursery_bytes_ = configuration_.nursery_bytes;
  tree_.set_inline_value_max(configuration_.inline_value_bytes);
  const auto open = [&](const ManifestRun& described) AETHER_NO_THREAD_SAFETY -> Result<void> {
    AETHER_TRY_ASSIGN(open_[described.run.id], OpenRun::open(services_, described));
    return {};
  };
  for (const auto& [age, runs] : manifest_.sorted_runs()) {
    for (const ManifestRun& run : runs) AETHER_TRY(open(run));
  }
  for (const auto& [merge, row] : manifest_.merges()) {
    for (const ManifestRun& part : manifest_.parts_of(merge)) AETHER_TRY(open(part));
  }
  manifest_.set_rewrite_times([&](uint64_t run_id) AETHER_NO_THREAD_SAFETY {
    const OpenRun& run = *open_.at(run_id);
    return rewrite_at_ms(run.expiry(), run.summary().entry_bytes);
  });
  accepted_before_ = manifest_.numbers().accepted_bytes;
  logged_before_ = manifest_.numbers().log_bytes;
  tree_.publish(levels_of(manifest_, open_));
  return {};
}

Gsn Upkeep::flushed_gsn() const {
  os::LockGuard lock(mutex_);
  return manifest_.numbers().flushed_gsn;
}

LsmTree::PreparedLevels Upkeep::levels_of(const Manifest& manifest,
                                          const std::map<uint64_t, RunPart>& open) const {
  auto levels = std::make_unique<Levels>();
  const auto& runs = manifest.sorted_runs();
  for (auto sorted = runs.rbegin(); sorted != runs.rend(); ++sorted) {
    SortedLevel& level = levels->newest_first.emplace_back();
    for (const ManifestRun& run : sorted->second) {
      level.parts.push_back(open.at(run.run.id));
      level.newest_writer = std::max(level.newest_writer, run.run.newest_writer);
    }
    levels->newest_writer = std::max(levels->newest_writer, level.newest_writer);
  }
  return LsmTree::prepare(std::move(levels));
}

Result<void> Upkeep::apply(txn::TransactionContext& txn, const ManifestChanges& changes) {
  for (const ManifestChange& change : changes) {
    const auto mode = change.value ? index::WriteMode::put : index::WriteMode::remove;
    const Bytes value = change.value ? Bytes(*change.value) : Bytes();
    Result<bool> written = rows_.write(txn, mode, change.key, value);
    // A row that is put and removed by one edit.
    if (!written &&
        !(mode == index::WriteMode::remove && written.error().code() == Code::not_found)) {
      return std::move(written).error();
    }
  }
  return {};
}

// --- Flushing

Result<bool> Upkeep::seal(uint64_t bytes_min) {
  os::LockGuard lock(seal_mutex_);
  // Without rows, but with log that says so: all were taken back.
  const bool has_any = tree_.nursery_rows() > 0 || table_.is_dirty();
  if (!has_any || tree_.nursery_bytes() < bytes_min) return false;
  AETHER_TRY(table_.seal());
  return true;
}

Result<bool> Upkeep::flush() {
  os::LockGuard lock(mutex_);
  const GenerationPointer generation = tree_.oldest_sealed();
  if (generation == nullptr || is_stopped_) return false;
  if (manifest_.is_flushed(generation->number)) {  // There was no memory to let go of it.
    tree_.drop_oldest();
    return true;
  }
  take_accepted();
  Manifest next = manifest_;
  std::map<uint64_t, RunPart> open;
  LsmTree::PreparedLevels levels;
  RunPart added;
  uint64_t written = 0;
  uint64_t moved = 0;
  const uint32_t stream = committer_.stream();
  // From here on nobody replaces a row that owns a value outside (Table::find_to_write).
  generation->state.store(Generation::State::being_written, std::memory_order_seq_cst);
  base::Unless waits(
      [&] { generation->state.store(Generation::State::waiting, std::memory_order_seq_cst); });
  const auto body = [&](txn::TransactionContext& txn) AETHER_NO_THREAD_SAFETY -> Result<void> {
    const uint64_t run_id = next.take_run_id();
    const uint64_t flushed_bytes = generation->rows.memory_bytes();
    AETHER_TRY_ASSIGN(const std::unique_ptr<RunOutput> output,
                      RunOutput::create(services_, stream, rows_.store(), run_id, configuration_,
                                        {flushed_bytes, flushed_bytes + bytes_of_runs()}));
    const auto write = [&](Bytes key, Bytes row, bool owns) -> Result<void> {
      output->note_gsn(table::gsn_of(row));
      Entry entry = entry_of(key, row);
      if (entry.kind != EntryKind::value_apart) return output->add(entry);
      const std::string value = apart_value(entry.value, owns);
      entry.value = value;
      return output->add(entry);
    };
    AETHER_TRY_ASSIGN(moved, table_.write_out(generation->rows, txn, write));
    std::optional<ManifestRun> described;
    open = open_;
    if (!output->empty()) {
      AETHER_TRY_ASSIGN(RunOutput::Finished finished, output->finish(txn));
      written = disk_bytes_of(*finished.part);
      described = std::move(finished.described);
      added = finished.part;
      open[run_id] = std::move(finished.part);
    }
    ManifestChanges changes;
    next.count_flush(logged_before_ + table_.stats().log_bytes, written);
    next.flush(generation->number, generation->fence, std::move(described),
               accepted_before_ + pacer_.accepted(), changes);
    AETHER_TRY(plan(next, changes));
    levels = levels_of(next, open);
    return apply(txn, changes);
  };
  base::make_room(added_);
  AETHER_TRY(committer_.commit(stream, true, body));
  // It is so now: nothing may fail but letting go of the memory.
  if (ingests_ > 0 && added != nullptr) added_.push_back(std::move(added));
  manifest_ = std::move(next);
  open_ = std::move(open);
  tree_.publish(std::move(levels));
  waits.dismiss();
  generation->state.store(Generation::State::written, std::memory_order_seq_cst);
  moved_bytes_.store(moved, std::memory_order_relaxed);
  stats_.flushes += 1;
  stats_.run_bytes_written += written;
  AETHER_REACHED("lsm.flushed");
  tree_.drop_oldest();
  return true;
}

// --- Planning

/// One merge after another, since what one leaves is what the next is planned on.
Result<void> Upkeep::plan(Manifest& manifest, ManifestChanges& changes) {
  const bool is_adaptive = manifest.policy().kind == PolicyKind::adaptive;
  const PolicyOptions options = is_adaptive ? adapt(manifest) : manifest.policy();
  AETHER_TRY_ASSIGN(const std::unique_ptr<MergePolicy> policy, make_policy(options));
  const uint64_t nursery_bytes = nursery_bytes_.load(std::memory_order_relaxed);
  for (;;) {
    const Shape shape = manifest.shape(nursery_bytes);
    const std::vector<PlannedMerge> planned = policy->plan(shape);
    if (planned.empty()) break;
    manifest.begin_merge(planned.front(), shape, changes);
  }
  plan_expired(manifest, changes);
  return {};
}

/// By what was asked of the store since the last time.
PolicyOptions Upkeep::adapt(const Manifest& manifest) {
  const ObservedWork now = tree_.observed();
  const ObservedWork since{.writes = now.writes - looked_at_.writes,
                           .point_reads = now.point_reads - looked_at_.point_reads,
                           .point_misses = now.point_misses - looked_at_.point_misses,
                           .scans = now.scans - looked_at_.scans};
  looked_at_ = now;
  adapted_ = choose(since, manifest.shape(nursery_bytes_.load(std::memory_order_relaxed)),
                    adapted_);
  return adapted_;
}

Result<void> Upkeep::set_policy(const PolicyOptions& policy) {
  AETHER_TRY(lsm::check(policy));
  os::LockGuard lock(mutex_);
  Manifest next = manifest_;
  const auto body = [&](txn::TransactionContext& txn) AETHER_NO_THREAD_SAFETY -> Result<void> {
    ManifestChanges changes;
    next.set_policy(policy, changes);
    AETHER_TRY(plan(next, changes));
    return apply(txn, changes);
  };
  AETHER_TRY(committer_.commit(committer_.stream(), false, body));
  manifest_ = std::move(next);
  return {};
}

void Upkeep::stop() noexcept {
  os::LockGuard lock(mutex_);
  is_stopped_ = true;
  jobs_.clear();
}

void Upkeep::go_on() noexcept {
  os::LockGuard lock(mutex_);
  is_stopped_ = false;
}

uint64_t Upkeep::disk_bytes_of(const OpenRun& run) const noexcept {
  return run.run().reference().pages * services_.pool.page_bytes();
}

}  // namespace aether::lsm
