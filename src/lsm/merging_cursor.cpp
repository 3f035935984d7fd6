#include "lsm/merging_cursor.h"

#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "index/concept/key_order.h"

namespace aether::lsm {
namespace {

/// Zeros follow a shorter key: so two keys whose beginnings differ compare as those do.
uint64_t begin_of(Bytes key) noexcept {
  if (key.size() >= 8) return index::key_head(key.data());
  char padded[8] = {};
  if (!key.empty()) std::memcpy(padded, key.data(), key.size());
  return index::key_head(padded);
}

}  // namespace

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

void MergingCursor::arrived(size_t source, bool is_there) noexcept {
  Head& head = heads_[source];
  head.entry = is_there ? &sources_[source]->entry() : nullptr;
  if (is_there) head.begin = begin_of(head.entry->key);
}

/// After an error it is at no entry.
Error MergingCursor::lost(Error error) noexcept {
  for (Head& head : heads_) head.entry = nullptr;
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

Result<bool> MergingCursor::seek(Bytes key) {
  return move_all(true, [key](EntryCursor& source) { return source.seek(key); });
}

Result<bool> MergingCursor::seek_for_prev(Bytes key) {
  return move_all(false, [key](EntryCursor& source) { return source.seek_for_prev(key); });
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
  size_t moved = winner();
  Result<bool> is_there = kForward ? sources_[moved]->next() : sources_[moved]->prev();
  if (!is_there) return lost(std::move(is_there).error());
  arrived(moved, *is_there);
  if (turns) {
    play_all<kForward>();
    return valid();
  }
  // Up from its leaf: who loses stays, who wins goes on.
  for (size_t node = (moved + sources_.size()) / 2; node > 0; node /= 2) {
    if (is_before<kForward>(losers_[node], moved)) {
      const uint32_t other = losers_[node];
      losers_[node] = static_cast<uint32_t>(moved);
      moved = other;
    }
  }
  losers_[0] = static_cast<uint32_t>(moved);
  return valid();
}

Result<bool> MergingCursor::next() { return step<true>(); }
Result<bool> MergingCursor::prev() { return step<false>(); }

}  // namespace aether::lsm
