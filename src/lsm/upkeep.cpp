#include "lsm/upkeep.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/reached.h"
#include "index/btree/cursor.h"
#include "lsm/outside_values.h"
#include "lsm/tree_row.h"
#include "table/row.h"

namespace aether::lsm {
namespace {

/// Of a merge's output, in nurseries: what a restart begins anew at most.
constexpr uint64_t kPartNurseries = 4;
constexpr uint64_t kPartBytesMin = 1 * MiB;
constexpr uint64_t kPartBytesMax = 256 * MiB;

Result<Manifest> read_rows(index::BTree& rows) {
  Manifest manifest;
  index::BTreeCursor cursor(rows, nullptr);
  Result<bool> more = cursor.first();
  for (; more && *more; more = cursor.next()) {
    AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
    AETHER_TRY(manifest.add_row(cursor.key(), value));
  }
  if (!more) return std::move(more).error();
  return manifest;
}

Result<Manifest> read_manifest(index::BTree& rows) {
  AETHER_TRY_ASSIGN(Manifest manifest, read_rows(rows));
  AETHER_TRY(manifest.check());
  return manifest;
}

}  // namespace

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
  uint64_t written = 0;
  const uint32_t stream = committer_.stream();
  // From here on nobody replaces a row that owns a value outside (Table::find_to_write).
  generation->state.store(Generation::State::being_written, std::memory_order_seq_cst);
  base::Unless waits(
      [&] { generation->state.store(Generation::State::waiting, std::memory_order_seq_cst); });
  const auto body = [&](txn::TransactionContext& txn) AETHER_NO_THREAD_SAFETY -> Result<void> {
    const uint64_t run_id = next.take_run_id();
    AETHER_TRY_ASSIGN(const std::unique_ptr<RunOutput> output,
                      RunOutput::create(services_, stream, rows_.store(), run_id, configuration_));
    const auto write = [&](Bytes key, Bytes row, bool owns) -> Result<void> {
      output->note_gsn(table::gsn_of(row));
      Entry entry = entry_of(key, row);
      if (entry.kind != EntryKind::value_apart) return output->add(entry);
      const std::string value = apart_value(entry.value, owns);
      entry.value = value;
      return output->add(entry);
    };
    AETHER_TRY(table_.write_out(generation->rows, txn, write));
    std::optional<ManifestRun> described;
    open = open_;
    if (!output->empty()) {
      AETHER_TRY_ASSIGN(RunOutput::Finished finished, output->finish(txn));
      written = disk_bytes_of(*finished.part);
      described = std::move(finished.described);
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
  AETHER_TRY(committer_.commit(stream, true, body));
  // It is so now: nothing may fail but letting go of the memory.
  manifest_ = std::move(next);
  open_ = std::move(open);
  tree_.publish(std::move(levels));
  waits.dismiss();
  generation->state.store(Generation::State::written, std::memory_order_seq_cst);
  stats_.flushes += 1;
  stats_.run_bytes_written += written;
  AETHER_REACHED("lsm.flushed");
  tree_.drop_oldest();
  return true;
}

// --- Merging

/// One merge after another, since what one leaves is what the next is planned on.
Result<void> Upkeep::plan(Manifest& manifest, ManifestChanges& changes) {
  const bool is_adaptive = manifest.policy().kind == PolicyKind::adaptive;
  const PolicyOptions options = is_adaptive ? adapt(manifest) : manifest.policy();
  AETHER_TRY_ASSIGN(const std::unique_ptr<MergePolicy> policy, make_policy(options));
  const uint64_t nursery_bytes = nursery_bytes_.load(std::memory_order_relaxed);
  for (;;) {
    const std::vector<PlannedMerge> planned = policy->plan(manifest.shape(nursery_bytes));
    if (planned.empty()) return {};
    manifest.begin_merge(planned.front(), nursery_bytes, changes);
  }
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
  rules.now_ms = committer_.now_ms();
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
    for (const RunPart& part : parts) {
      for (const RangeTombstone& range : part->run().range_tombstones())
        source.range_tombstones.push_back(range);
    }
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

Result<void> Upkeep::open_output(Job& job) {
  if (job.output != nullptr) return {};
  job.stream = committer_.stream();
  AETHER_TRY_ASSIGN(job.output, RunOutput::create(services_, job.stream, rows_.store(),
                                                  manifest_.take_run_id(), configuration_));
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
  AETHER_TRY(open_output(*job));
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

// --- Giving back

Result<bool> Upkeep::give_back() {
  os::LockGuard lock(mutex_);
  if (is_stopped_ || manifest_.dropped().empty()) return false;
  tree_.collect();
  std::vector<uint64_t> free;
  std::vector<buffer::PageRange> pages;
  for (const auto& [id, run] : manifest_.dropped()) {
    const auto opened = open_.find(id);
    if (damaged_.contains(id) || (opened != open_.end() && opened->second.use_count() > 1))
      continue;
    AETHER_TRY_ASSIGN(const RunReference reference, RunReference::decode(run.reference));
    Result<std::vector<buffer::PageRange>> ranges = opened != open_.end()
                                                        ? opened->second->run().ranges()
                                                        : ranges_of_run(services_, reference);
    if (!ranges && ranges.error().code() != Code::corruption) return std::move(ranges).error();
    if (!ranges) {  // It stays in the manifest, and `verify` tells.
      AETHER_REACHED("lsm.damaged_run_stays");
      damaged_.insert(id);
      continue;
    }
    free.push_back(id);
    pages.insert(pages.end(), ranges->begin(), ranges->end());
  }
  if (free.empty()) return false;
  Manifest next = manifest_;
  AETHER_TRY(committer_.commit(committer_.stream(), false,
                               [&](txn::TransactionContext& txn)
                                   AETHER_NO_THREAD_SAFETY -> Result<void> {
                                     ManifestChanges changes;
                                     txn.freed_pages = std::move(pages);
                                     for (const uint64_t id : free) next.forget(id, changes);
                                     return apply(txn, changes);
                                   }));
  for (const uint64_t id : free) open_.erase(id);
  manifest_ = std::move(next);
  AETHER_REACHED("lsm.runs_given_back");
  return true;
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

/// One after another: a commit has to name all of its pages. Values first, while the manifest still says whose they are. What is damaged
/// stays allocated as far as nobody knows its pages, and holds nothing up.
Result<void> Upkeep::drop_runs(index::Services& services, index::BTree& rows,
                               Committer& committer) {
  AETHER_TRY_ASSIGN(const Manifest manifest, read_rows(rows));
  for (const ManifestRun* const run : owning_runs(manifest)) {
    Result<void> dropped = drop_values(services, rows, committer, manifest, *run);
    if (!dropped && dropped.error().code() != Code::corruption) return dropped;
  }
  for (;;) {
    std::string key;
    std::optional<ManifestRun> found;
    {
      index::BTreeCursor cursor(rows, nullptr);
      Result<bool> more = cursor.first();
      for (; more && *more && !found; more = cursor.next()) {
        if (!Manifest::is_run(cursor.key())) continue;
        key = cursor.key();
        AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
        AETHER_TRY_ASSIGN(found, ManifestRun::decode(value));
      }
      if (!more) return std::move(more).error();
    }
    if (!found) return {};
    AETHER_TRY_ASSIGN(const RunReference reference, RunReference::decode(found->reference));
    Result<std::vector<buffer::PageRange>> ranges = ranges_of_run(services, reference);
    if (!ranges && ranges.error().code() != Code::corruption) return std::move(ranges).error();
    const auto body = [&](txn::TransactionContext& txn) AETHER_NO_THREAD_SAFETY -> Result<void> {
      if (ranges) txn.freed_pages = *ranges;
      AETHER_TRY(rows.write(txn, index::WriteMode::remove, key, {}));
      return {};
    };
    AETHER_TRY(committer.commit(committer.stream(), false, body));
  }
}

/// As many in a transaction as its commit can name; a row says how far that has come.
Result<void> Upkeep::drop_values(index::Services& services, index::BTree& rows,
                                 Committer& committer, const Manifest& manifest,
                                 const ManifestRun& described) {
  AETHER_TRY_ASSIGN(const RunReference reference, RunReference::decode(described.reference));
  AETHER_TRY_ASSIGN(const std::shared_ptr<const Run> run, Run::open(services, reference));
  const std::string* const behind = owns_behind(manifest, reference.run_id);
  std::optional<std::string> after;
  if (behind != nullptr) after = *behind;
  for (bool more = run->summary().values_apart > 0; more;) {
    std::vector<page::OverflowReference> values;
    uint64_t extents = 0;
    std::string last;
    more = false;
    const auto take = [&](const Entry& entry, const page::OverflowReference& value) {
      // All that a key has, or nothing of it.
      more = extents >= index::kFreedExtentsMax / 2 && entry.key != Bytes(last);
      if (more) return Result<bool>(false);
      values.push_back(value);
      extents += index::extents_of(value);
      last.assign(entry.key);
      return Result<bool>(true);
    };
    AETHER_TRY(visit_owners(run, after ? &*after : nullptr, take));
    if (values.empty()) break;
    const auto body = [&](txn::TransactionContext& txn) AETHER_NO_THREAD_SAFETY -> Result<void> {
      for (const page::OverflowReference& value : values)
        AETHER_TRY(free_outside(services, txn, value));
      AETHER_TRY(rows.write(txn, index::WriteMode::put,
                            Manifest::key_of_given_back(reference.run_id), last));
      return {};
    };
    AETHER_TRY(committer.commit(committer.stream(), false, body));
    after = std::move(last);
  }
  return {};
}

// --- Looking

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

/// Not under the mutex while it reads: runs do not change, and who has one keeps its pages.
Result<void> Upkeep::check(bool with_values) {
  std::vector<RunPart> parts;
  {
    os::LockGuard lock(mutex_);
    AETHER_TRY(read_manifest(rows_));
    for (const auto& [id, part] : open_) parts.push_back(part);
  }
  for (const RunPart& part : parts) {
    AETHER_TRY(part->run().check([](PageId) { return Result<void>(); }));
    if (with_values) AETHER_TRY(check_values(part));
  }
  return {};
}

Result<void> Upkeep::check_values(const RunPart& part) {
  const uint64_t run_id = part->run().reference().run_id;
  const auto check = [&](const Entry& entry, const page::OverflowReference& value) -> Result<bool> {
    Result<void> checked = index::check_overflow(services_, value,
                                                 [](PageId) { return Result<void>(); });
    // A merge may have given it back meanwhile.
    if (checked || !owns_still(run_id, entry.key)) return true;
    std::string message = "run " + std::to_string(run_id) + " of store " +
                          std::to_string(rows_.store()) + ": the value that begins at page " +
                          std::to_string(value.first_page) + ": ";
    message.append(checked.error().message());
    return Error(checked.error().code(), std::move(message));
  };
  return visit_owners(run_of(part), nullptr, check);
}

bool Upkeep::owns_still(uint64_t run_id, Bytes key) const {
  os::LockGuard lock(mutex_);
  const std::string* const behind = owns_behind(manifest_, run_id);
  if (behind != nullptr && key <= Bytes(*behind)) return false;
  const std::vector<const ManifestRun*> runs = owning_runs(manifest_);
  return std::any_of(runs.begin(), runs.end(),
                     [&](const ManifestRun* run) { return run->run.id == run_id; });
}

Result<void> Upkeep::visit_values(index::Services& services, index::BTree& rows,
                                  VisitValue visit_value) {
  AETHER_TRY_ASSIGN(const Manifest manifest, read_rows(rows));
  std::optional<Error> damage;  // The first; the others are visited nevertheless.
  for (const ManifestRun* const described : owning_runs(manifest)) {
    const auto visit = [&]() -> Result<void> {
      AETHER_TRY_ASSIGN(const RunReference reference, RunReference::decode(described->reference));
      AETHER_TRY_ASSIGN(const std::shared_ptr<const Run> run, Run::open(services, reference));
      return visit_owners(run, owns_behind(manifest, reference.run_id),
                          [&](const Entry&, const page::OverflowReference& value) -> Result<bool> {
                            AETHER_TRY(visit_value(value));
                            return true;
                          });
    };
    Result<void> visited = visit();
    if (!visited && !damage) damage = std::move(visited).error();
  }
  if (damage) return *std::move(damage);
  return {};
}

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
  add_amplifications(stats);
  return stats;
}

SortedRunStats Upkeep::stats_of(uint64_t age, const std::vector<ManifestRun>& runs) const {
  SortedRunStats sorted;
  sorted.age = age;
  sorted.runs = runs.size();
  for (const ManifestRun& run : runs) {
    const OpenRun& open = *open_.at(run.run.id);
    const RunSummary& summary = open.summary();
    sorted.parts.push_back({.id = run.run.id,
                            .entries = run.run.entries,
                            .tombstones = run.run.tombstones,
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
    sorted.disk_bytes += part.disk_bytes;
    sorted.values_outside += summary.values_apart;
  }
  for (const auto& [merge, row] : manifest_.merges()) {
    sorted.merging = sorted.merging ||
                     std::find(row.inputs.begin(), row.inputs.end(), age) != row.inputs.end();
  }
  const uint32_t ratio = size_ratio_of(manifest_.policy());
  const double nurseries = static_cast<double>(sorted.bytes) /
                           static_cast<double>(nursery_bytes_.load(std::memory_order_relaxed));
  // A run is a little smaller than what it is made of: half a step belongs to the level above.
  double bound = ratio - 0.5;
  for (; nurseries >= bound; bound *= ratio) ++sorted.level;
  return sorted;
}

void Upkeep::add_amplifications(LsmStats& stats) const {
  const auto over = [](uint64_t what, uint64_t of) {
    return of == 0 ? 0 : static_cast<double>(what) / static_cast<double>(of);
  };
  const ManifestNumbers& numbers = manifest_.numbers();
  stats.user_bytes = accepted_before_ + accepted_.load(std::memory_order_relaxed);
  stats.log_bytes = logged_before_ + table_.stats().log_bytes;
  stats.flush_bytes = numbers.flush_bytes;
  stats.merge_bytes = numbers.merge_bytes;
  stats.write_amplification = over(stats.log_bytes + stats.flush_bytes + stats.merge_bytes,
                                   stats.user_bytes);
  const ObservedWork work = tree_.observed();
  stats.run_reads = work.point_reads + work.point_misses;
  stats.runs_read = tree_.runs_read();
  stats.read_amplification = over(stats.runs_read, stats.run_reads);
  for (const auto& [id, open] : open_) stats.disk_bytes += disk_bytes_of(*open);
  uint64_t largest = 0;
  for (const SortedRunStats& sorted : stats.sorted_runs) largest = std::max(largest, sorted.bytes);
  stats.space_amplification_max = over(stats.disk_bytes, largest);
}

uint64_t Upkeep::disk_bytes_of(const OpenRun& run) const noexcept {
  return run.run().reference().pages * services_.pool.page_bytes();
}

}  // namespace aether::lsm
