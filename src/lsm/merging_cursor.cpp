#include "lsm/merging_cursor.h"

#include "base/assert.h"
#include "index/concept/key_order.h"

namespace aether::lsm {
MergingCursor::MergingCursor(std::vector<std::unique_ptr<EntryCursor>> newest_first)
    : sources_(std::move(newest_first)),
      heads_(sources_.size()),
      losers_(std::max<size_t>(1, sources_.size()), 0) {}

template <bool kForward>
bool MergingCursor::is_before(size_t a, size_t b) const noexcept {
  const Head& one = heads_[a];
  const Head& other = heads_[b];
  if (one.entry == nullptr || other.entry == nullptr) return one.entry != nullptr;
  if (one.begin != other.begin) return (one.begin < other.begin) == kForward;
  const int order = index::compare_keys(one.entry->key, other.entry->key);
  if (order != 0) return (order < 0) == kForward;
  if (one.is_ahead != other.is_ahead) return one.is_ahead;  // It may have a newer version.
  return (a < b) == kForward;  // The newest version first, going forward.
}

/// Plays the matches below `node`; returns who won.
template <bool kForward>
size_t MergingCursor::play(size_t node) noexcept {
  const size_t count = sources_.size();
  if (node >= count) return node - count;
  const size_t left = play<kForward>(2 * node);
  const size_t right = play<kForward>(2 * node + 1);
  const bool is_left = is_before<kForward>(left, right);
  losers_[node] = static_cast<uint32_t>(is_left ? right : left);
  return is_left ? left : right;
}

template <bool kForward>
void MergingCursor::play_all() noexcept {
  if (!sources_.empty()) losers_[0] = static_cast<uint32_t>(play<kForward>(1));
}

/// One has moved. Up from its leaf: who loses stays, who wins goes on.
template <bool kForward>
void MergingCursor::replay(size_t moved) noexcept {
  for (size_t node = (moved + sources_.size()) / 2; node > 0; node /= 2) {
    if (is_before<kForward>(losers_[node], moved)) {
      const uint32_t other = losers_[node];
      losers_[node] = static_cast<uint32_t>(moved);
      moved = other;
    }
  }
  losers_[0] = static_cast<uint32_t>(moved);
}

void MergingCursor::arrived(size_t source, bool is_there) noexcept {
  Head& head = heads_[source];
  head.is_ahead = false;
  head.entry = is_there ? &sources_[source]->entry() : nullptr;
  if (is_there) head.begin = index::key_begin(head.entry->key);
}

void MergingCursor::leave() noexcept {
  for (Head& head : heads_) head = {};
}

/// After an error it is at no entry.
Error MergingCursor::lost(Error error) noexcept {
  leave();
  return error;
}

template <typename Move>
Result<bool> MergingCursor::move_all(bool forward, Move move) {
  for (size_t i = 0; i < sources_.size(); ++i) {
    Result<bool> is_there = move(*sources_[i]);
    if (!is_there) return lost(std::move(is_there).error());
    arrived(i, *is_there);
  }
  forward_ = forward;
  if (forward) {
    play_all<true>();
  } else {
    play_all<false>();
  }
  return valid();
}

Result<bool> MergingCursor::first() {
  return move_all(true, [](EntryCursor& source) { return source.first(); });
}

Result<bool> MergingCursor::last() {
  return move_all(false, [](EntryCursor& source) { return source.last(); });
}

/// Whether it is told where a source that seeks `key` comes to at the earliest: there it stands, then.
bool MergingCursor::foresees(size_t source, Bytes key) {
  Ahead& ahead = ahead_[source];
  heads_[source] = {};
  switch (sources_[source]->foresee(key, ahead.bound)) {
    case Outlook::unknown: return false;
    case Outlook::nothing: break;
    case Outlook::not_before:
      ahead.entry.key = ahead.bound;
      heads_[source] = {
          .entry = &ahead.entry, .begin = index::key_begin(ahead.bound), .is_ahead = true};
  }
  return true;
}

/// Where the sources come to that seek `key`, or where they will at the earliest.
Result<void> MergingCursor::seek_all(Bytes key) {
  for (size_t i = 0; i < sources_.size(); ++i) ahead_[i].is_sought = !foresees(i, key);
  for (const SeekStep step : {SeekStep::locate, SeekStep::load, SeekStep::arrive}) {
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (!ahead_[i].is_sought) continue;
      AETHER_TRY_ASSIGN(const bool is_there, sources_[i]->seek_in_steps(key, step));
      if (step == SeekStep::arrive) arrived(i, is_there);
    }
  }
  return {};
}

/// Until the first of all is an entry, and no bound.
Result<bool> MergingCursor::settled() {
  while (valid() && heads_[winner()].is_ahead) {
    const size_t first = winner();
    const Bytes bound = heads_[first].entry->key;
    if (has_limits_ && !end_.empty() && bound >= end_) {
      leave();
      return false;
    }
    Result<bool> is_there = sources_[first]->seek(bound);
    if (!is_there) return lost(std::move(is_there).error());
    arrived(first, *is_there);
    replay<true>(first);
  }
  return valid();
}

Result<bool> MergingCursor::seek(Bytes key) {
  ahead_.resize(sources_.size());
  if (Result<void> sought = seek_all(key); !sought) return lost(std::move(sought).error());
  forward_ = true;
  play_all<true>();
  return settled();
}

Result<bool> MergingCursor::seek_for_prev(Bytes key) {
  return move_all(false, [this, key](EntryCursor& source) -> Result<bool> {
    if (has_limits_ && !source.may_have(begin_, key)) return false;
    return source.seek_for_prev(key);
  });
}

/// All other sources go to the other side of where this is.
template <bool kForward>
Result<void> MergingCursor::turn() {
  const size_t current = winner();
  const std::string key(entry().key);
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (i == current) continue;
    EntryCursor& source = *sources_[i];
    // Of versions of this key those of newer sources come before it, those of older ones after.
    const bool is_newer = i < current;
    heads_[i].entry = nullptr;
    bool is_there = false;
    if (is_newer == kForward) {
      // Past the key, in the new direction.
      AETHER_TRY_ASSIGN(is_there, kForward ? source.seek_for_prev(key) : source.seek(key));
      if (is_there) {
        AETHER_TRY_ASSIGN(is_there, kForward ? source.next() : source.prev());
      } else {
        AETHER_TRY_ASSIGN(is_there, kForward ? source.first() : source.last());
      }
    } else {
      AETHER_TRY_ASSIGN(is_there, kForward ? source.seek(key) : source.seek_for_prev(key));
    }
    arrived(i, is_there);
  }
  forward_ = kForward;
  return {};
}

template <bool kForward>
Result<bool> MergingCursor::step() {
  AETHER_ASSERT(valid());
  const bool turns = forward_ != kForward;
  if (turns) {
    if (Result<void> turned = turn<kForward>(); !turned) return lost(std::move(turned).error());
  }
  const size_t moved = winner();
  if (kForward && !turns && sources_[moved]->try_next()) {
    arrived(moved, true);
    replay<true>(moved);
    return settled();
  }
  Result<bool> is_there = kForward ? sources_[moved]->next() : sources_[moved]->prev();
  if (!is_there) return lost(std::move(is_there).error());
  arrived(moved, *is_there);
  if (turns) {
    play_all<kForward>();
    return valid();
  }
  replay<kForward>(moved);
  return kForward ? settled() : Result<bool>(valid());
}

Result<bool> MergingCursor::next() { return step<true>(); }
Result<bool> MergingCursor::prev() { return step<false>(); }

}  // namespace aether::lsm
