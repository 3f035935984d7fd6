#include "lsm/tree_cursor.h"

#include <utility>

#include "lsm/tree_row.h"

namespace aether::lsm {
namespace {

/// The rows of a generation as entries.
class MemoryEntries final : public EntryCursor {
 public:
  explicit MemoryEntries(index::AnyCursor at) : at_(std::move(at)) {}
  Result<bool> first() override { return arrive(at_.first()); }
  Result<bool> last() override { return arrive(at_.last()); }
  Result<bool> seek(Bytes key) override { return arrive(at_.seek(key)); }
  Result<bool> seek_for_prev(Bytes key) override { return arrive(at_.seek_for_prev(key)); }
  Result<bool> next() override { return arrive(at_.next()); }
  Result<bool> prev() override { return arrive(at_.prev()); }
  const Entry& entry() const noexcept override { return entry_; }

 private:
  Result<bool> arrive(Result<bool> moved) {
    if (!moved || !*moved) return moved;
    AETHER_TRY_ASSIGN(const Bytes row, at_.value());
    entry_ = entry_of(at_.key(), row);
    return true;
  }
  index::AnyCursor at_;
  Entry entry_;
};

}  // namespace

/// Memory first, then what is below: what moves is in one of them.
void TreeCursor::open() {
  version_ = tree_->version();
  inputs_ = nullptr;  // Before what they go over.
  memory_ = tree_->memory();
  levels_ = tree_->levels();
  std::vector<std::unique_ptr<EntryCursor>> sources;
  sources.reserve(memory_->newest_first.size() + levels_->newest_first.size());
  for (const GenerationPointer& generation : memory_->newest_first)
    sources.push_back(std::make_unique<MemoryEntries>(generation->rows.cursor()));
  for (const SortedLevel& level : levels_->newest_first) {
    if (level.newest_writer < from_) continue;
    sources.push_back(std::make_unique<EntryCursorOf<SortedLevelCursor>>(
        SortedLevelCursor(std::span<const RunPart>(level.parts), RunCursor::Use::cached)));
  }
  inputs_ = std::make_unique<MergingCursor>(std::move(sources));
  if (has_limits_) inputs_->set_limits(begin_, end_);
  tree_->count_scan();
}

void TreeCursor::set_limits(Bytes begin, Bytes end) noexcept {
  begin_ = begin;
  end_ = end;
  has_limits_ = true;
  if (inputs_ != nullptr) inputs_->set_limits(begin_, end_);
}

void TreeCursor::make_key() {
  const Bytes key = inputs_->entry().key;
  keys_[at_].assign(key.data(), key.size());
}

Result<bool> TreeCursor::arrive_forward(Result<bool> moved) {
  place_ = Place::nowhere;
  if (!moved || !*moved) return moved;
  make_key();
  make_row_of(inputs_->entry(), row_, is_of_run());
  place_ = Place::on_newest;
  return true;
}

Result<bool> TreeCursor::arrive_backward(Result<bool> moved) {
  place_ = Place::nowhere;
  if (!moved || !*moved) return moved;
  make_key();
  while (inputs_->valid() && inputs_->entry().key == key()) {
    make_row_of(inputs_->entry(), row_, is_of_run());
    Result<bool> more = inputs_->prev();
    if (!more) return more;
  }
  place_ = Place::before_key;
  return true;
}

/// Over what is of the key that is sought, where `moved` has led to.
Result<bool> TreeCursor::pass_key(Result<bool> moved, bool forward) {
  while (moved && *moved && inputs_->entry().key == sought())
    moved = forward ? inputs_->next() : inputs_->prev();
  return moved;
}

/// `move` is told whether it goes on from where it stands: else all sources have been opened anew. Again, if a row has moved meanwhile
/// from one source to another.
template <typename Move>
Result<bool> TreeCursor::move_settled(Move move) {
  bool goes_on = version_ == tree_->version();
  for (;; goes_on = false) {
    if (!goes_on) open();
    Result<bool> moved = move(goes_on);
    if (!moved || version_ == tree_->version()) return moved;
  }
}

Result<bool> TreeCursor::first() {
  return move_settled([this](bool) { return arrive_forward(inputs_->first()); });
}

Result<bool> TreeCursor::last() {
  return move_settled([this](bool) { return arrive_backward(inputs_->last()); });
}

Result<bool> TreeCursor::seek(Bytes key) {
  seek_by(key);  // It may be our own.
  return move_settled([this](bool) { return arrive_forward(inputs_->seek(sought())); });
}

Result<bool> TreeCursor::seek_for_prev(Bytes key) {
  seek_by(key);
  return move_settled([this](bool) { return arrive_backward(inputs_->seek_for_prev(sought())); });
}

Result<bool> TreeCursor::next() {
  if (place_ == Place::nowhere) return first();
  go_on_from_key();
  const Place from = place_;
  return move_settled([this, from](bool goes_on) {
    const bool steps = goes_on && from == Place::on_newest;
    return arrive_forward(pass_key(steps ? inputs_->next() : inputs_->seek(sought()), true));
  });
}

Result<bool> TreeCursor::prev() {
  if (place_ == Place::nowhere) return last();
  go_on_from_key();
  const Place from = place_;
  return move_settled([this, from](bool goes_on) {
    if (!goes_on) return arrive_backward(pass_key(inputs_->seek_for_prev(sought()), false));
    if (from == Place::before_key) return arrive_backward(inputs_->valid());
    return arrive_backward(pass_key(inputs_->prev(), false));
  });
}

}  // namespace aether::lsm
