#include "lsm/ingest.h"

#include <utility>

#include "base/reached.h"
#include "lsm/upkeep.h"

namespace aether::lsm {

Ingest::Ingest(Upkeep& upkeep, txn::TransactionContext& txn, Kind kind)
    : upkeep_(upkeep), txn_(txn), kind_(kind), since_(upkeep.begin_ingest()) {}

Ingest::~Ingest() { upkeep_.leave_ingest(); }

Result<void> Ingest::add(Entry entry) {
  if (output_ == nullptr) {
    AETHER_TRY_ASSIGN(output_, upkeep_.open_output(txn_.log.stream));
    if (parts_.empty()) smallest_key_.assign(entry.key);
    part_begin_.assign(entry.key);
  }
  entry.writer = txn_.id();
  AETHER_TRY(output_->add(entry));
  largest_key_.assign(entry.key);
  bytes_ += entry.key.size() + entry.value.size();
  if (output_->entry_bytes() < upkeep_.part_bytes()) return {};
  return end_part();
}

/// A range tombstone beside those of the rows is for cursors alone, and ends with its run.
Result<void> Ingest::end_part() {
  if (output_ == nullptr) return {};
  if (kind_ == Kind::removals) {
    std::string end(largest_key_);
    end.push_back('\0');
    AETHER_TRY(output_->add({.key = part_begin_,
                             .writer = txn_.id(),
                             .kind = EntryKind::range_tombstone,
                             .value = end}));
  }
  AETHER_TRY_ASSIGN(RunOutput::Finished finished, output_->finish(txn_));
  parts_.push_back(std::move(finished));
  output_ = nullptr;
  return {};
}

Result<void> Ingest::end(Bytes begin, Bytes end, Commit commit) {
  AETHER_TRY(end_part());
  return upkeep_.end_ingest(*this, begin, end, commit);
}

// --- Upkeep's part

size_t Upkeep::begin_ingest() {
  os::LockGuard lock(mutex_);
  ++ingests_;
  return added_.size();
}

void Upkeep::leave_ingest() noexcept {
  os::LockGuard lock(mutex_);
  if (--ingests_ == 0) added_.clear();
}

Result<std::unique_ptr<RunOutput>> Upkeep::open_output(uint32_t stream) {
  os::LockGuard lock(mutex_);
  return RunOutput::create(services_, stream, rows_.store(), manifest_.take_run_id(),
                           configuration_, RunOutput::Share{});
}

/// Nothing came to runs in the range since.
Result<void> Upkeep::check_added(size_t since, Bytes begin, Bytes end) const {
  for (size_t i = since; i < added_.size(); ++i) {
    SortedLevelCursor at({added_[i]}, RunCursor::Use::cached);
    AETHER_TRY_ASSIGN(const bool found, at.seek(begin));
    if (!found || (!end.empty() && at.entry().key >= end)) continue;
    AETHER_REACHED("lsm.ingest_meets_a_newer_run");
    return Error(Code::busy, "others have written rows in the range meanwhile: try it again");
  }
  return {};
}

Result<void> Upkeep::end_ingest(Ingest& ingest, Bytes begin, Bytes end, Ingest::Commit commit) {
  os::LockGuard lock(mutex_);
  if (is_stopped_) return Error(Code::busy, "the store is about to be dropped: try it again");
  AETHER_TRY(check_added(ingest.since_, begin, end));
  accept(ingest.bytes_);
  take_accepted();
  Manifest next = manifest_;
  std::map<uint64_t, RunPart> open = open_;
  std::vector<RunPart> added = added_;
  std::vector<ManifestRun> described;
  uint64_t written = 0;
  for (const RunOutput::Finished& part : ingest.parts_) {
    described.push_back(part.described);
    open[part.described.run.id] = part.part;
    added.push_back(part.part);
    written += disk_bytes_of(*part.part);
  }
  ManifestChanges changes;
  next.count_flush(logged_before_ + table_.stats().log_bytes, written);
  next.ingest(std::move(described), accepted_before_ + pacer_.accepted(), changes);
  AETHER_TRY(plan(next, changes));
  LsmTree::PreparedLevels levels = levels_of(next, open);
  const auto edit = [&]() AETHER_NO_THREAD_SAFETY { return apply(ingest.txn_, changes); };
  const auto publish = [&] { tree_.publish_rows(std::move(levels)); };
  AETHER_TRY(commit(edit, publish));
  manifest_ = std::move(next);
  open_ = std::move(open);
  added_ = std::move(added);
  stats_.run_bytes_written += written;
  AETHER_REACHED("lsm.ingested");
  return {};
}

}  // namespace aether::lsm
