// Upkeep: pages of runs and of values outside, given back.

#include <optional>
#include <utility>

#include "base/reached.h"
#include "index/btree/cursor.h"
#include "lsm/outside_values.h"
#include "lsm/stored_manifest.h"
#include "lsm/upkeep.h"

namespace aether::lsm {

Result<bool> Upkeep::give_back() {
  os::LockGuard lock(mutex_);
  if (is_stopped_ || manifest_.dropped().empty()) return false;
  tree_.collect();
  const uint64_t held_since_ms = std::exchange(held_since_ms_, 0);
  std::vector<uint64_t> free;
  std::vector<buffer::PageRange> pages;
  for (const auto& [id, run] : manifest_.dropped()) {
    const auto opened = open_.find(id);
    if (damaged_.contains(id)) continue;
    if (opened != open_.end() && opened->second.use_count() > 1) {
      held_since_ms_ = held_since_ms != 0 ? held_since_ms : services_.transactions.now_ms();
      continue;
    }
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
  held_since_ms_ = 0;
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

/// One after another: a commit has to name all of its pages. Values first, while the manifest still says whose they are. What is damaged
/// stays allocated as far as nobody knows its pages, and holds nothing up.
Result<void> Upkeep::drop_runs(index::Services& services, index::BTree& rows,
                               Committer& committer) {
  AETHER_TRY_ASSIGN(const Manifest manifest, read_manifest_rows(rows));
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

}  // namespace aether::lsm
