#include "lsm/visible_cursor.h"

#include <algorithm>
#include <set>
#include <utility>

namespace aether::lsm {
namespace {

std::vector<std::unique_ptr<EntryCursor>> cursors_of(std::vector<MergeSource>& sources) {
  std::vector<std::unique_ptr<EntryCursor>> cursors;
  cursors.reserve(sources.size());
  for (MergeSource& source : sources) cursors.push_back(std::move(source.cursor));
  return cursors;
}

/// Those that the reader sees.
std::vector<RangeTombstoneMap::Given> seen(std::vector<MergeSource>& sources,
                                           const std::function<bool(TxnId)>& sees) {
  std::vector<RangeTombstoneMap::Given> given;
  for (size_t source = 0; source < sources.size(); ++source) {
    for (RangeTombstone& range : sources[source].range_tombstones) {
      if (sees(range.writer)) given.push_back({std::move(range), source});
    }
  }
  return given;
}

}  // namespace

// A sweep over begins and ends. Of the range tombstones over a piece the newest is enough: what another one removes is older
// than that one, and so than this.
RangeTombstoneMap::RangeTombstoneMap(const std::vector<Given>& given) {
  struct Edge {
    const std::string* at;
    const Given* given;
    bool begins;
  };
  std::vector<Edge> edges;
  for (const Given& each : given) {
    edges.push_back({&each.range.begin, &each, true});
    edges.push_back({&each.range.end, &each, false});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return *a.at < *b.at; });
  const auto is_newer = [](const Given* a, const Given* b) {
    return a->source != b->source ? a->source < b->source : a->range.writer > b->range.writer;
  };
  std::multiset<const Given*, decltype(is_newer)> open(is_newer);
  for (size_t i = 0; i < edges.size();) {
    const std::string& at = *edges[i].at;
    for (; i < edges.size() && *edges[i].at == at; ++i) {
      if (edges[i].begins) {
        open.insert(edges[i].given);
      } else if (const auto one = open.find(edges[i].given); one != open.end()) {
        open.erase(one);  // Of those that are as new any will do: they remove the same.
      }
    }
    if (open.empty()) {
      pieces_.push_back({at, false, 0, 0});
    } else {
      const Given* newest = *open.begin();
      pieces_.push_back({at, true, newest->source, newest->range.writer});
    }
  }
}

bool RangeTombstoneMap::removes(Bytes key, size_t source, TxnId writer) const noexcept {
  const auto after = std::upper_bound(
      pieces_.begin(), pieces_.end(), key,
      [](Bytes wanted, const Piece& piece) { return wanted < Bytes(piece.begin); });
  if (after == pieces_.begin()) return false;
  const Piece& piece = *std::prev(after);
  if (!piece.removes) return false;
  return piece.source < source || (piece.source == source && piece.writer > writer);
}

VisibleCursor::VisibleCursor(std::vector<MergeSource> newest_first,
                             std::function<bool(TxnId writer)> sees, uint64_t now_ms)
    : inputs_(cursors_of(newest_first)),
      sees_(std::move(sees)),
      now_ms_(now_ms),
      removed_(seen(newest_first, sees_)) {}

/// Whether the newest version that the reader sees is something to show.
bool VisibleCursor::shows(const Entry& entry, size_t source) const noexcept {
  return entry.kind != EntryKind::tombstone && !entry.has_expired(now_ms_) &&
         !removed_.removes(entry.key, source, entry.writer);
}

/// From the newest version of a key on, to the first that is shown.
Result<bool> VisibleCursor::settle_forward(Result<bool> is_there) {
  place_ = Place::nowhere;
  for (;;) {
    AETHER_TRY_ASSIGN(const bool there, std::move(is_there));
    if (!there) return false;
    const Entry& entry = inputs_.entry();
    if (!sees_(entry.writer)) {
      is_there = inputs_.next();  // An older version, or the next key.
      continue;
    }
    key_.assign(entry.key);
    if (shows(entry, inputs_.source())) {
      place_ = Place::on_entry;
      return true;
    }
    is_there = pass_key_forward();
  }
}

Result<bool> VisibleCursor::pass_key_forward() {
  for (;;) {
    AETHER_TRY_ASSIGN(const bool there, inputs_.next());
    if (!there || inputs_.entry().key != Bytes(key_)) return there;
  }
}

/// From the oldest version of a key back, to the last key that is shown; then the inputs stand before it.
Result<bool> VisibleCursor::settle_backward(Result<bool> is_there) {
  place_ = Place::nowhere;
  for (;;) {
    AETHER_TRY_ASSIGN(bool there, std::move(is_there));
    if (!there) return false;
    key_.assign(inputs_.entry().key);
    bool shows_it = false;
    while (there && inputs_.entry().key == Bytes(key_)) {
      const Entry& entry = inputs_.entry();
      if (sees_(entry.writer)) {  // Newer than those before.
        shows_it = shows(entry, inputs_.source());
        if (shows_it) {
          buffer_.assign(entry.value);
          buffered_ = entry;
        }
      }
      AETHER_TRY_ASSIGN(there, inputs_.prev());
    }
    if (shows_it) {
      buffered_.key = key_;
      buffered_.value = buffer_;
      place_ = Place::in_buffer;
      return true;
    }
    is_there = there;
  }
}

Result<bool> VisibleCursor::first() { return settle_forward(inputs_.first()); }
Result<bool> VisibleCursor::last() { return settle_backward(inputs_.last()); }
Result<bool> VisibleCursor::seek(Bytes key) { return settle_forward(inputs_.seek(key)); }
Result<bool> VisibleCursor::seek_for_prev(Bytes key) {
  return settle_backward(inputs_.seek_for_prev(key));
}

Result<bool> VisibleCursor::next() {
  switch (place_) {
    case Place::nowhere: return first();
    case Place::on_entry: return settle_forward(pass_key_forward());
    case Place::in_buffer: break;
  }
  key_.push_back('\0');  // The smallest key above.
  buffer_.assign(key_);
  return seek(buffer_);
}

Result<bool> VisibleCursor::prev() {
  switch (place_) {
    case Place::nowhere: return last();
    case Place::in_buffer: return settle_backward(inputs_.valid());
    case Place::on_entry: break;
  }
  for (;;) {
    Result<bool> is_there = inputs_.prev();
    if (!is_there || !*is_there || inputs_.entry().key != Bytes(key_)) {
      return settle_backward(std::move(is_there));
    }
  }
}

}  // namespace aether::lsm
