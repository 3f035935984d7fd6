#include "lsm/merge.h"

#include <algorithm>

#include "base/assert.h"

namespace aether::lsm {
namespace {

std::vector<std::unique_ptr<EntryCursor>> cursors_of(std::vector<MergeSource>& sources) {
  std::vector<std::unique_ptr<EntryCursor>> cursors;
  cursors.reserve(sources.size());
  for (MergeSource& source : sources) cursors.push_back(std::move(source.cursor));
  return cursors;
}

}  // namespace

Merge::Merge(std::vector<MergeSource> newest_first, MergeRules rules)
    : inputs_(cursors_of(newest_first)), rules_(std::move(rules)) {
  for (size_t source = 0; source < newest_first.size(); ++source) {
    for (RangeTombstone& range : newest_first[source].range_tombstones) {
      const size_t first_to_see = rules_.snapshots.first_to_see(range.writer);
      range_tombstones_.push_back({std::move(range), source, first_to_see});
    }
  }
  std::stable_sort(
      range_tombstones_.begin(), range_tombstones_.end(),
      [](const Covering& a, const Covering& b) { return a.range.begin < b.range.begin; });
  covering_.reserve(range_tombstones_.size());
  undecided_.reserve(rules_.snapshots.count() + 1);
}

Result<void> Merge::begin() {
  AETHER_TRY(inputs_.first());
  has_begun_ = true;
  return {};
}

Result<void> Merge::begin_after(Bytes key) {
  key_ = key;
  part_begin_ = key;
  part_begin_.push_back('\0');
  AETHER_TRY(inputs_.seek(part_begin_));
  has_begun_ = true;
  return {};
}

Result<uint64_t> Merge::step(uint64_t bytes, MergeOutput& output) {
  AETHER_ASSERT(has_begun_);
  const uint64_t before = bytes_read_;
  while (inputs_.valid()) {
    const Entry& entry = inputs_.entry();
    if (!is_in_key_ || entry.key != Bytes(key_)) {
      if (is_in_key_) AETHER_TRY(end_key(output));
      if (bytes_read_ - before >= bytes || output.is_full()) break;
      AETHER_TRY(start_key(entry.key));
    }
    bytes_read_ += std::max<uint64_t>(1, entry.key.size() + entry.value.size());
    ++entries_read_;
    AETHER_TRY(take(entry, inputs_.source(), output));
    AETHER_TRY(inputs_.next());
  }
  if (is_in_key_) AETHER_TRY(end_key(output));
  return bytes_read_ - before;
}

Result<void> Merge::start_key(Bytes key) {
  key_.assign(key);
  is_in_key_ = true;
  seen_newer_from_ = kNobody;
  previous_writer_ = 0;
  if (!range_tombstones_.empty()) find_covering();
  return {};
}

void Merge::find_covering() {
  while (next_range_ < range_tombstones_.size() &&
         range_tombstones_[next_range_].range.begin <= key_) {
    covering_.push_back(next_range_++);
  }
  covering_.erase(
      std::remove_if(covering_.begin(), covering_.end(),
                     [this](size_t i) { return range_tombstones_[i].range.end <= key_; }),
      covering_.end());
}

/// The first snapshot that sees a range tombstone over `entry`.
size_t Merge::first_to_see_covering(const Entry& entry, size_t source) const noexcept {
  size_t first = kNobody;
  for (const size_t i : covering_) {
    const Covering& covering = range_tombstones_[i];
    const bool is_newer = covering.source < source ||
                          (covering.source == source && covering.range.writer > entry.writer);
    if (is_newer) first = std::min(first, covering.first_to_see);
  }
  return first;
}

Result<void> Merge::take(const Entry& entry, size_t source, MergeOutput& output) {
  const size_t first_to_see = rules_.snapshots.first_to_see(entry.writer);
  size_t hidden_from = seen_newer_from_;
  if (!covering_.empty()) {
    hidden_from = std::min(hidden_from, first_to_see_covering(entry, source));
  }
  seen_newer_from_ = std::min(seen_newer_from_, first_to_see);
  const bool is_tombstone = entry.kind == EntryKind::tombstone || entry.has_expired(rules_.now_ms);
  const bool is_needed = first_to_see < hidden_from;
  // What lies apart goes when the entry does, and when all that stays of it is a tombstone.
  // The same row in two sources (a generation that was logged again) has one value.
  const bool is_again = previous_writer_ == entry.writer;
  previous_writer_ = entry.writer;
  if (entry.kind == EntryKind::value_apart && (!is_needed || is_tombstone) && !is_again) {
    AETHER_TRY(output.leave_out_value_apart(entry));
  }
  if (!is_needed) return {};
  if (is_tombstone) {
    undecided_.push_back(entry.writer);
    return {};
  }
  AETHER_TRY(write_undecided(output));
  return write(entry, output);
}

Result<void> Merge::end_key(MergeOutput& output) {
  is_in_key_ = false;
  if (undecided_.empty()) return {};
  if (!rules_.older.may_have(key_)) {
    // Who does not see a removal asks it for the version that it replaced in memory, which is in no run.
    std::erase_if(undecided_,
                  [this](TxnId writer) { return rules_.snapshots.first_to_see(writer) == 0; });
  }
  return write_undecided(output);
}

Result<void> Merge::write_undecided(MergeOutput& output) {
  for (const TxnId writer : undecided_) {
    const Entry tombstone{
        .key = key_, .writer = writer, .kind = EntryKind::tombstone, .expiry_ms = 0, .value = {}};
    AETHER_TRY(write(tombstone, output));
  }
  undecided_.clear();
  return {};
}

Result<void> Merge::write(const Entry& entry, MergeOutput& output) {
  part_is_empty_ = false;
  ++entries_written_;
  return output.add(entry);
}

Result<bool> Merge::end_part(MergeOutput& output) {
  AETHER_ASSERT(has_begun_ && !is_in_key_);
  std::string end = key_;
  end.push_back('\0');
  if (has_last_part_ || (!has_ended() && entries_read_ == 0)) return false;
  has_last_part_ = has_ended();
  AETHER_TRY_ASSIGN(const bool has_ranges, write_range_tombstones(end, !has_last_part_, output));
  const bool has_any = has_ranges || !part_is_empty_;
  part_begin_ = std::move(end);
  part_is_empty_ = true;
  return has_any;
}

/// Those of [part_begin_, end), cut to it.
Result<bool> Merge::write_range_tombstones(Bytes end, bool has_end, MergeOutput& output) {
  bool has_any = false;
  for (const Covering& covering : range_tombstones_) {
    const Bytes from = std::max<Bytes>(covering.range.begin, part_begin_);
    const Bytes to = has_end ? std::min<Bytes>(covering.range.end, end) : Bytes(covering.range.end);
    if (from >= to) continue;
    // All see it: then nothing that it covers has been written. What is older than the inputs may still need it.
    if (covering.first_to_see == 0 && !rules_.older.may_have_between(from, to)) continue;
    has_any = true;
    AETHER_TRY(output.add({.key = from,
                           .writer = covering.range.writer,
                           .kind = EntryKind::range_tombstone,
                           .expiry_ms = 0,
                           .value = to}));
  }
  return has_any;
}

}  // namespace aether::lsm
