#include "lsm/levels.h"

#include <algorithm>

namespace aether::lsm {

Result<std::shared_ptr<const OpenRun>> OpenRun::open(index::Services& services,
                                                     const ManifestRun& described) {
  AETHER_TRY_ASSIGN(const RunReference reference, RunReference::decode(described.reference));
  std::shared_ptr<OpenRun> opened(new OpenRun);
  AETHER_TRY_ASSIGN(opened->run_, Run::open(services, reference));
  if (opened->run_->has_section(kFilterSection)) {
    AETHER_TRY_ASSIGN(opened->filter_bytes_, opened->run_->section(kFilterSection));
    AETHER_TRY_ASSIGN(opened->filter_, FilterView::open(opened->filter_bytes_));
  }
  return std::shared_ptr<const OpenRun>(std::move(opened));
}

const OpenRun* SortedLevel::find(Bytes key) const noexcept {
  const auto after = std::upper_bound(
      parts.begin(), parts.end(), key,
      [](Bytes wanted, const RunPart& part) { return wanted < part->smallest_key(); });
  if (after == parts.begin()) return nullptr;
  const OpenRun& part = **std::prev(after);
  return key <= part.largest_key() ? &part : nullptr;
}

void SortedLevelCursor::open(size_t part) {
  at_ = part;
  if (cursor_ != nullptr && cursor_part_ == part) return;
  cursor_ = std::make_unique<RunCursor>(run_of(parts_[part]), use_);
  cursor_part_ = part;
}

/// On to the parts that follow, if this one has no more.
Result<bool> SortedLevelCursor::forward(Result<bool> moved) {
  while (moved && !*moved && at_ + 1 < parts_.size()) {
    open(at_ + 1);
    moved = cursor_->first();
  }
  return moved;
}

Result<bool> SortedLevelCursor::backward(Result<bool> moved) {
  while (moved && !*moved && at_ > 0) {
    open(at_ - 1);
    moved = cursor_->last();
  }
  return moved;
}

Result<bool> SortedLevelCursor::first() {
  if (parts_.empty()) return false;
  open(0);
  return forward(cursor_->first());
}

Result<bool> SortedLevelCursor::last() {
  if (parts_.empty()) return false;
  open(parts_.size() - 1);
  return backward(cursor_->last());
}

Result<bool> SortedLevelCursor::seek(Bytes key) {
  const auto part = std::lower_bound(
      parts_.begin(), parts_.end(), key,
      [](const RunPart& each, Bytes wanted) { return each->largest_key() < wanted; });
  if (part == parts_.end()) return false;
  open(static_cast<size_t>(part - parts_.begin()));
  return forward(cursor_->seek(key));
}

Result<bool> SortedLevelCursor::seek_for_prev(Bytes key) {
  const auto part = std::upper_bound(
      parts_.begin(), parts_.end(), key,
      [](Bytes wanted, const RunPart& each) { return wanted < each->smallest_key(); });
  if (part == parts_.begin()) return false;
  open(static_cast<size_t>(part - parts_.begin()) - 1);
  return backward(cursor_->seek_for_prev(key));
}

Result<bool> SortedLevelCursor::next() { return forward(cursor_->next()); }
Result<bool> SortedLevelCursor::prev() { return backward(cursor_->prev()); }

}  // namespace aether::lsm
