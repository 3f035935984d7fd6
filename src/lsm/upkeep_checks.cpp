// Upkeep: runs and values outside, looked through.

#include <algorithm>
#include <optional>
#include <utility>

#include "lsm/outside_values.h"
#include "lsm/stored_manifest.h"
#include "lsm/upkeep.h"

namespace aether::lsm {

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
  AETHER_TRY_ASSIGN(const Manifest manifest, read_manifest_rows(rows));
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

}  // namespace aether::lsm
