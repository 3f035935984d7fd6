#include "lsm/levels.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "index/concept/key_order.h"

namespace aether::lsm {
namespace {

Result<ExpiryTimes> read_expiry(const Run& run) {
  AETHER_TRY_ASSIGN(const std::string bytes, run.section(kExpirySection));
  Result<ExpiryTimes> times = ExpiryTimes::decode(bytes);
  const bool is_of_it = times && times->all().entries == run.summary().expiring;
  if (is_of_it) return times;
  std::string message = "run " + std::to_string(run.reference().run_id) + ": ";
  message.append(times ? Bytes("its times of expiry are of other entries")
                       : Bytes(times.error().message()));
  return Error(times ? Code::corruption : times.error().code(), std::move(message));
}

}  // namespace

/// Whole huge pages, where at least half of the last one is needed.
uint64_t FilterMemory::reserved(uint64_t bytes) noexcept {
  constexpr uint64_t kHugePage = 2 * MiB;
  const uint64_t last = bytes % kHugePage;
  return last < kHugePage / 2 ? bytes : bytes + (kHugePage - last);
}

FilterMemory::FilterMemory(std::string_view bytes)
    : at_(static_cast<char*>(os::reserve_memory(reserved(bytes.size())))), bytes_(bytes.size()) {
  if (at_ == nullptr) throw std::bad_alloc();
  std::memcpy(at_, bytes.data(), bytes.size());
}

Result<std::shared_ptr<const OpenRun>> OpenRun::open(index::Services& services,
                                                     const ManifestRun& described) {
  AETHER_TRY_ASSIGN(const RunReference reference, RunReference::decode(described.reference));
  std::shared_ptr<OpenRun> opened(new OpenRun);
  AETHER_TRY_ASSIGN(opened->run_, Run::open(services, reference));
  opened->smallest_begin_ = index::key_begin(opened->smallest_key());
  opened->largest_begin_ = index::key_begin(opened->largest_key());
  if (opened->run_->has_section(kFilterSection)) {
    AETHER_TRY_ASSIGN(const std::string filter, opened->run_->section(kFilterSection));
    opened->filter_bytes_ = FilterMemory(filter);
    AETHER_TRY_ASSIGN(opened->filter_, FilterView::open(opened->filter_bytes_.bytes()));
  }
  if (opened->run_->has_section(kExpirySection)) {
    AETHER_TRY_ASSIGN(opened->expiry_, read_expiry(*opened->run_));
  }
  return std::shared_ptr<const OpenRun>(std::move(opened));
}

const OpenRun* SortedLevel::find(Bytes key) const noexcept {
  const uint64_t begin = index::key_begin(key);
  const auto after = std::upper_bound(
      parts.begin(), parts.end(), key,
      [begin](Bytes wanted, const RunPart& part) { return part->is_above(wanted, begin); });
  if (after == parts.begin()) return nullptr;
  const OpenRun& part = **std::prev(after);
  return part.is_below(key, begin) ? nullptr : &part;
}

const OpenRun* SortedLevel::find_below(Bytes key) const noexcept {
  const auto from = std::lower_bound(
      parts.begin(), parts.end(), key,
      [](const RunPart& part, Bytes wanted) { return part->smallest_key() < wanted; });
  return from == parts.begin() ? nullptr : std::prev(from)->get();
}

bool SortedLevel::may_have(Bytes begin, Bytes end) const noexcept {
  auto part = std::lower_bound(
      parts.begin(), parts.end(), begin,
      [](const RunPart& each, Bytes wanted) { return each->largest_key() < wanted; });
  for (; part != parts.end() && (*part)->smallest_key() < end; ++part) {
    if ((*part)->filter().may_contain_range(begin, end)) return true;
  }
  return false;
}

void SortedLevelCursor::open(size_t part) {
  at_ = part;
  if (cursor_ && cursor_part_ == part) return;
  cursor_.emplace(kept_run_of(parts_[part]), use_);
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

const RunPart* SortedLevelCursor::part_from(Bytes key) const {
  const uint64_t begin = index::key_begin(key);
  return std::lower_bound(
      parts_.data(), parts_.data() + parts_.size(), key,
      [begin](const RunPart& each, Bytes wanted) { return each->is_below(wanted, begin); });
}

Outlook SortedLevelCursor::foresee(Bytes key, std::string& bound) const {
  const RunPart* const end = parts_.data() + parts_.size();
  for (const RunPart* part = part_from(key); part != end; ++part) {
    const OpenRun& run = **part;
    if (key < run.smallest_key()) {
      bound.assign(run.smallest_key());
      return Outlook::not_before;
    }
    if (!run.filter().answers_ranges()) return Outlook::unknown;
    if (run.filter().first_at_least(key, bound)) return Outlook::not_before;
  }
  return Outlook::nothing;
}

bool SortedLevelCursor::may_have(Bytes from, Bytes to) const {
  const RunPart* const end = parts_.data() + parts_.size();
  std::string behind(to);
  behind.push_back('\0');
  for (const RunPart* part = part_from(from); part != end && (*part)->smallest_key() <= to;
       ++part) {
    if ((*part)->filter().may_contain_range(from, behind)) return true;
  }
  return false;
}

Result<bool> SortedLevelCursor::seek(Bytes key) {
  const RunPart* const part = part_from(key);
  if (part == parts_.data() + parts_.size()) return false;
  open(static_cast<size_t>(part - parts_.data()));
  return forward(cursor_->seek(key));
}

Result<bool> SortedLevelCursor::seek_in_steps(Bytes key, SeekStep step) {
  const size_t none = parts_.size();
  if (step == SeekStep::locate) {
    at_ = static_cast<size_t>(part_from(key) - parts_.data());
    if (at_ != none) open(at_);
  }
  if (at_ == none) return false;
  if (step != SeekStep::arrive) return cursor_->seek_in_steps(key, step);
  return forward(cursor_->seek_in_steps(key, step));
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
