#include "txn/version_spill.h"

#include <utility>

#include "base/assert.h"
#include "base/reached.h"

namespace aether::txn {

void VersionSpill::take(Version* version) noexcept {
  AETHER_ASSERT(writer_ == nullptr && version->linked);
  parts_[version->hash >> 56].push_back(version);
  ++versions_;
  memory_bytes_ += version->memory_bytes();
  newest_superseder_ = std::max(newest_superseder_, version->superseded_by);
}

Result<bool> VersionSpill::write_some(VersionRuns& runs, size_t versions_max) {
  if (writer_ == nullptr) {
    AETHER_TRY_ASSIGN(writer_, runs.create(versions_));
  }
  for (size_t done = 0; done < versions_max; ++written_) {
    if (written_ == kParts) {
      AETHER_TRY_ASSIGN(std::shared_ptr<const VersionRun> run, writer_->finish());
      AETHER_REACHED("txn.versions_left_memory");
      runs.publish(std::move(run));
      return false;
    }
    sorted_.clear();
    const Version* version = parts_[written_].front();
    for (; version != nullptr; version = version->following) sorted_.push_back(version);
    std::sort(sorted_.begin(), sorted_.end(), [](const Version* left, const Version* right) {
      return comes_before(VersionView(*left), VersionView(*right));
    });
    for (const Version* each : sorted_) AETHER_TRY(writer_->add(VersionView(*each)));
    done += sorted_.size();
  }
  return true;
}

VersionList VersionSpill::give_back(size_t versions_max) noexcept {
  VersionList result;
  while (given_back_ < kParts && result.size() < versions_max) result.append(parts_[given_back_++]);
  return result;
}

}  // namespace aether::txn
