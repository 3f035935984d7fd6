#include "index/btree/cursor.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/prefetch.h"
#include "index/btree/overflow.h"
#include "index/btree/prefetch.h"
#include "index/btree/read_view.h"

namespace aether::index {

using buffer::OptimisticGuard;
using page::SlottedPage;

BTreeCursor::BTreeCursor(BTree& tree, txn::TransactionContext* txn)
    : tree_(tree),
      txn_(txn),
      copy_(tree.services().pool.page_bytes()),
      recorder_(txn, tree.store()) {}

BTreeCursor::~BTreeCursor() { tree_.services().transactions.close_snapshot(own_); }

class BTreeCursor::Move {
 public:
  explicit Move(BTreeCursor& cursor) noexcept
      : cursor_(cursor), was_positioned_(cursor.positioned_) {
    cursor.has_moved_ = false;
  }
  Move(const Move&) = delete;
  Move& operator=(const Move&) = delete;
  ~Move() {
    if (succeeded_) return;
    cursor_.frame_ = nullptr;
    if (cursor_.has_moved_) cursor_.key_.swap(cursor_.next_key_);
    cursor_.positioned_ = was_positioned_;
  }
  Result<bool> end(Result<bool> moved) noexcept {
    succeeded_ = moved.has_value();
    return moved;
  }

 private:
  BTreeCursor& cursor_;
  const bool was_positioned_;
  bool succeeded_ = false;
};

/// Before a copy is made: so what it shows of open transactions is told from the rest.
void BTreeCursor::take_snapshot() {
  if (txn_ != nullptr && txn_->snapshot != nullptr) {
    snapshot_ = txn_->snapshot;
  } else {
    tree_.services().transactions.renew_snapshot(own_);
    snapshot_ = &own_;
  }
}

/// False: the leaf changed meanwhile.
bool BTreeCursor::take_copy(const OptimisticGuard& guard) {
  base::prefetch(&guard.frame().lsn_vector);
  tree_.services().pool.node(guard.frame()).copy_to(leaf());
  const wal::LsnVector vector = guard.frame().lsn_vector;
  if (!guard.validate()) return false;
  if (txn_ != nullptr) txn_->log.lsn_vector.raise(vector);
  frame_ = &guard.frame();
  version_ = guard.version();
  writes_ = txn_ == nullptr ? 0 : txn_->writes;

  txn::TransactionTable& transactions = tree_.services().transactions;
  const TxnId newest = leaf().header().page.newest_txn;
  if (newest >= transactions.settled_below()) transactions.settle(snapshot_->bounds().next);
  is_plain_ = newest < transactions.settled_below() && snapshot_->sees_all_to(newest);
  return true;
}

Result<void> BTreeCursor::copy_leaf(Bytes key, SeekTo where) {
  take_snapshot();
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const OptimisticGuard guard, tree_.find_leaf(key, where, &ring_, &place_));
    if (take_copy(guard)) return {};
  }
}

/// The leaf on the other side of the fence that fence_ holds.
Result<void> BTreeCursor::copy_neighbour(bool up) {
  take_snapshot();
  const std::optional<OptimisticGuard> guard = tree_.enter_sibling(place_, up);
  if (!guard || !take_copy(*guard)) AETHER_TRY(copy_leaf(fence_, up ? SeekTo::key : SeekTo::below));
  return {};
}

/// The copy still shows all that this cursor may see: what others write is not for its snapshot.
bool BTreeCursor::is_current() const noexcept {
  if (frame_ == nullptr) return false;
  if (snapshot_ != &own_ && txn_->writes == writes_) return true;
  return frame_->latch.validate(version_);
}

/// Stands on `slot` unless there is no row for this cursor.
Result<bool> BTreeCursor::settle(uint32_t slot) {
  const Bytes payload = leaf().payload(slot);
  const page::RecordMeta meta = page::meta_of(payload);
  ReadView view(tree_.services(), txn_, snapshot_);
  is_older_ = !is_plain_ && !view.sees(meta.txn());
  if (is_older_) {
    leaf().key(slot, fence_);
    Result<void> got = tree_.get(fence_, older_value_, view, txn_);
    if (!got && got.error().code() == Code::not_found) return false;
    AETHER_TRY(std::move(got));
  } else {
    if (txn_ != nullptr && !is_plain_)
      tree_.services().transactions.add_dependency(meta.txn(), txn_->log.lsn_vector);
    if (!meta.stays() && (meta.removed() || view.finds_expired(payload))) return false;
  }
  leaf().key(slot, next_key_);
  slot_ = slot;
  key_.swap(next_key_);
  has_moved_ = true;
  positioned_ = true;
  return true;
}

/// To the first row at or after `slot`, over as many leaves as it takes.
Result<bool> BTreeCursor::forward(uint32_t slot) {
  for (;;) {
    const uint32_t count = leaf().count();
    for (; slot < count; ++slot) {
      AETHER_TRY_ASSIGN(const bool is_row, settle(slot));
      if (is_row) return true;
    }
    const page::Fence upper = leaf().upper_fence();
    if (!upper) break;
    fence_ = *upper;
    AETHER_TRY(copy_neighbour(true));
    tree_.prefetch_sibling(place_, true);
    slot = leaf().lower_bound(fence_).slot;
  }
  positioned_ = false;
  return false;
}

/// To the last row among the first `slots` of this leaf, or before it.
Result<bool> BTreeCursor::backward(uint32_t slots) {
  for (;;) {
    while (slots > 0) {
      AETHER_TRY_ASSIGN(const bool is_row, settle(--slots));
      if (is_row) return true;
    }
    const page::Fence lower = leaf().lower_fence();
    if (!lower) break;
    fence_ = *lower;
    AETHER_TRY(copy_neighbour(false));
    tree_.prefetch_sibling(place_, false);
    // The leaf may have grown to the right since: keys at or above the fence were there before.
    const page::Fence upper = leaf().upper_fence();
    slots = upper && Bytes(*upper) <= Bytes(fence_) ? leaf().count()
                                                    : leaf().lower_bound(fence_).slot;
  }
  positioned_ = false;
  return false;
}

Result<bool> BTreeCursor::seek(Bytes key) {
  Move move(*this);
  return move.end(first_at(key));
}

Result<bool> BTreeCursor::seek_for_prev(Bytes key) {
  Move move(*this);
  return move.end(last_at(key));
}

Result<bool> BTreeCursor::last() {
  Move move(*this);
  return move.end(last_of_all());
}

Result<bool> BTreeCursor::first_at(Bytes key) {
  fence_ = key;  // `key` may be our own key_.
  recorder_.seek(fence_);
  AETHER_TRY(copy_leaf(fence_, SeekTo::key));
  return recorder_.move(forward(leaf().lower_bound(fence_).slot), key_, true);
}

Result<bool> BTreeCursor::last_at(Bytes key) {
  fence_ = key;
  recorder_.seek_for_prev(fence_);
  AETHER_TRY(copy_leaf(fence_, SeekTo::key));
  const SlottedPage::Position at = leaf().lower_bound(fence_);
  return recorder_.move(backward(at.slot + (at.exact ? 1 : 0)), key_, false);
}

Result<bool> BTreeCursor::last_of_all() {
  AETHER_TRY(copy_leaf({}, SeekTo::last));
  AETHER_TRY_ASSIGN(const bool found, backward(leaf().count()));
  recorder_.seek_last(found, key_);
  return found;
}

Result<bool> BTreeCursor::next() {
  if (!positioned_) return first();
  Move move(*this);
  if (is_current()) return move.end(recorder_.move(forward(slot_ + 1), key_, true));
  AETHER_TRY(copy_leaf(key_, SeekTo::key));
  const SlottedPage::Position at = leaf().lower_bound(key_);
  return move.end(recorder_.move(forward(at.slot + (at.exact ? 1 : 0)), key_, true));
}

Result<bool> BTreeCursor::prev() {
  if (!positioned_) return last();
  Move move(*this);
  if (is_current()) return move.end(recorder_.move(backward(slot_), key_, false));
  AETHER_TRY(copy_leaf(key_, SeekTo::key));
  return move.end(recorder_.move(backward(leaf().lower_bound(key_).slot), key_, false));
}

Result<Bytes> BTreeCursor::value() {
  if (!positioned_) return Error(Code::invalid_argument, "the cursor stands on no key: seek first");
  // Without a frame a move has failed, and the copy is not that of the key.
  if (frame_ != nullptr) {
    if (is_older_) return Bytes(older_value_);
    const Bytes payload = leaf().payload(slot_);
    const page::RecordMeta meta = page::meta_of(payload);
    if (!meta.overflow()) return page::value_of(payload, meta);
  }
  // Read by key, not by the copied reference: the pages may have been given back since.
  const std::string key = key_;
  ReadView view(tree_.services(), txn_, snapshot_);
  AETHER_TRY(tree_.get(key, large_value_, view, txn_));
  return Bytes(large_value_);
}

Result<uint64_t> BTreeCursor::expiry() {
  if (!positioned_) return Error(Code::invalid_argument, "the cursor stands on no key: seek first");
  if (frame_ != nullptr && !is_older_) return page::expiry_of(leaf().payload(slot_));
  const std::string key = key_;
  ReadView view(tree_.services(), txn_, snapshot_);
  return tree_.expiry(key, view, txn_);
}

Result<bool> BTreeCursor::visit_leaf(Visit& visit) {
  AETHER_TRY_ASSIGN(const bool more, visit_row(visit));
  return more && visit_plain_rows(visit);
}

Result<bool> BTreeCursor::visit_on(Visit& visit) {
  const bool is_at_end = slot_ + (visit.up ? 1 : 0) == (visit.up ? leaf().count() : 0);
  if (is_at_end && copy_is_enough() && is_as_copied()) return visit_next_leaf(visit);
  AETHER_TRY_ASSIGN(const bool more, visit.up ? next() : prev());
  return more ? visit_leaf(visit) : Result<bool>(false);
}

/// From the end of a plain copy: if the next leaf's is plain too, its rows need no move of the cursor each.
Result<bool> BTreeCursor::visit_next_leaf(Visit& visit) {
  Move move(*this);
  const page::Fence fence = visit.up ? leaf().upper_fence() : leaf().lower_fence();
  if (!fence) return move.end(visit.up ? forward(leaf().count()) : backward(0));
  fence_ = *fence;
  AETHER_TRY(copy_neighbour(visit.up));
  const page::Fence begin = visit.up ? leaf().lower_fence() : leaf().upper_fence();
  const bool is_beside = begin && *begin == fence_;  // It was neither split nor merged since.
  if (!is_beside || !copy_is_enough()) {
    const uint32_t slot = leaf().lower_bound(fence_).slot;
    AETHER_TRY_ASSIGN(
        const bool more,
        move.end(recorder_.move(visit.up ? forward(slot) : backward(slot), key_, visit.up)));
    return more ? visit_leaf(visit) : Result<bool>(false);
  }
  slot_ = visit.up ? ~0u : leaf().count();  // On none of them yet, and key_ is the last row's.
  static_cast<void>(move.end(true));
  return visit_plain_rows(visit);
}

bool BTreeCursor::has_expired(Bytes payload) const noexcept {
  return page::has_expired(page::expiry_of(payload),
                           tree_.services().transactions.now_ms(*snapshot_));
}

/// The row on which it stands, whatever it takes.
Result<bool> BTreeCursor::visit_row(Visit& visit) {
  if (visit.is_outside(key_)) return false;
  Result<Bytes> value = this->value();
  // Removed since: not a row any more.
  if (!value && value.error().code() == Code::not_found) return true;
  AETHER_TRY_ASSIGN(const Bytes bytes, std::move(value));
  ++visit.visited;
  return visit.visitor(key_, bytes);
}

/// Nothing but a plain copy has to be looked at for the next row as long as `is_as_copied`; no range is recorded.
bool BTreeCursor::copy_is_enough() const noexcept {
  return is_plain_ && frame_ != nullptr && snapshot_ != &own_ && !recorder_.is_recording();
}

/// Its snapshot is still open, and its transaction has written nothing since.
bool BTreeCursor::is_as_copied() const noexcept {
  return txn_->snapshot == snapshot_ && txn_->writes == writes_;
}

namespace {

/// The key of one row after the other of a leaf, put together in `key`: the leaf's prefix, then what the row has of its own.
class KeyOfRow {
 public:
  KeyOfRow(std::string& key, Bytes prefix) noexcept : key_(key), prefix_(prefix) {
    if (prefix.size() < sizeof first_) base::copy_short(&first_, prefix.data(), prefix.size());
  }
  /// Behind `suffix` lies a payload, whose meta word makes it no matter that a whole word is read where `suffix` begins.
  void set(Bytes suffix) {
    const size_t bytes = prefix_.size() + suffix.size();
    if (bytes != bytes_) [[unlikely]]
      resize(bytes);
    if (by_word_) [[likely]] {
      // The first word with one store: who reads it as a word would have to wait until two are in the cache.
      base::store(at_, first_ | base::load<uint64_t>(suffix.data()) << 8 * prefix_.size());
      base::copy_short(at_ + sizeof first_, suffix.data() + sizeof first_ - prefix_.size(),
                       bytes - sizeof first_);
    } else {
      base::copy_short(at_ + prefix_.size(), suffix.data(), suffix.size());
    }
  }
  Bytes get() const noexcept { return {at_, bytes_}; }

 private:
  void resize(size_t bytes) {
    key_.resize(bytes);
    at_ = key_.data();
    bytes_ = bytes;
    by_word_ = prefix_.size() < sizeof first_ && bytes >= sizeof first_;
    base::copy_short(at_, prefix_.data(), prefix_.size());
  }

  std::string& key_;
  const Bytes prefix_;
  uint64_t first_ = 0;  ///< Of a prefix shorter than that, with zeros behind it.
  char* at_ = nullptr;  ///< Nowhere before the first row.
  size_t bytes_ = ~size_t{0};
  bool by_word_ = false;
};

}  // namespace

/// The rows of the copy after the one on which it stands, up to the first that needs more than the copy. False: the visit
/// is over.
bool BTreeCursor::visit_plain_rows(Visit& visit) {
  if (!copy_is_enough()) return true;
  constexpr uint8_t kNotPlain = page::RecordMeta::kRemoved | page::RecordMeta::kExpires |
                                page::RecordMeta::kOverflow;
  const SlottedPage node = leaf();
  const uint32_t count = node.count();
  const bool is_bounded = !(visit.up ? visit.end : visit.begin).empty();
  const uint32_t step = visit.up ? 1 : ~0u;
  const buffer::Frame* const next = tree_.prefetch_sibling(place_, visit.up);
  LeafAhead ahead(next == nullptr ? nullptr : tree_.services().pool.page(*next), node,
                  visit.up ? count - std::min(slot_ + 1, count) : slot_);
  KeyOfRow key(key_, node.prefix());
  is_older_ = false;
  // Below the first slot wraps round, to above the last.
  for (uint32_t slot = slot_ + step; slot < count && is_as_copied(); slot += step) {
    ahead.ask();
    const SlottedPage::Record record = node.record(slot);
    if (record.payload.size() < page::kMetaBytes) [[unlikely]]
      return true;
    const page::RecordMeta meta(base::load<uint64_t>(record.payload.data()));
    Bytes value(record.payload.data() + page::kMetaBytes, record.payload.size() - page::kMetaBytes);
    if ((meta.flags() & kNotPlain) != 0) [[unlikely]] {
      if (!meta.stays() && (meta.removed() || has_expired(record.payload))) continue;
      if (meta.overflow()) return true;
      value = page::value_of(record.payload, meta);
    }
    key.set(record.suffix);
    slot_ = slot;
    if (is_bounded && visit.is_outside(key.get())) return false;
    ++visit.visited;
    if (!visit.visitor(key.get(), value)) return false;
  }
  return true;
}

}  // namespace aether::index
