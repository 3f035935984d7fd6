#include "base/no_memory.h"
#include "base/prefetch.h"
#include "index/concept/key_order.h"
#include "index/skiplist/skiplist.h"
#include "os/sync.h"

namespace aether::index {

using base::Epochs;
using skiplist::is_marked;
using skiplist::Node;
using skiplist::node_of;
using skiplist::word_of;

namespace {

/// A walk waits for each node, as only the one before says where it lies: but those that reach higher know one that comes some
/// steps later. Of the others, the next. Nodes reach higher by chance, so a branch could not be guessed.
void prefetch_ahead(Node& node) noexcept {
  const size_t level = node.height() > 1 ? 1 : 0;
  const uint64_t later = word_of(node_of(node.tower()[level].load(std::memory_order_relaxed)));
  base::prefetch(reinterpret_cast<const char*>(later));
  base::prefetch(reinterpret_cast<const char*>(later + 64));
}

}  // namespace

// On `node`, or where that has been removed, on the next one in the direction of the walk. The caller is pinned.
bool SkiplistCursor::stand_on(Node* node, bool forward) noexcept {
  for (; node != nullptr;) {
    const uint64_t word = node->value.load(std::memory_order_acquire);
    if (!Epochs::is_gone(word)) {
      if (forward) prefetch_ahead(*node);
      node_ = node;
      value_ = skiplist::value_of(*node, word);
      positioned_ = true;
      return true;
    }
    node = forward ? node_of(node->tower()[0].load(std::memory_order_acquire))
                   : list_->last_before(node->key());
  }
  positioned_ = false;
  node_ = nullptr;
  pin_.release();
  return false;
}

Result<bool> SkiplistCursor::seek(SeekOp op, Bytes key) {
  if (op == SeekOp::longest_prefix) {
    return base::or_no_memory([&] { return detail::seek_longest_prefix(*this, key); });
  }
  // The new pin before the old one goes: `key` may be this cursor's own.
  if (!pin_.holds() || pin_.is_behind()) {
    Epochs::Pin fresh = list_->epochs_.pin(os::worker_id());
    std::swap(pin_, fresh);
    return seek_pinned(op, key);
  }
  return seek_pinned(op, key);
}

bool SkiplistCursor::seek_pinned(SeekOp op, Bytes key) noexcept {
  bool is_equal = false;
  switch (op) {
    case SeekOp::first: return stand_on(list_->first_node(), true);
    case SeekOp::last: return stand_on(list_->last_before(std::nullopt), false);
    case SeekOp::less: return stand_on(list_->last_before(key), false);
    case SeekOp::at_least: return stand_on(list_->lower_bound(key, is_equal), true);
    default: break;
  }
  Node* node = list_->lower_bound(key, is_equal);
  if (is_equal && Epochs::is_gone(node->value.load(std::memory_order_acquire))) is_equal = false;
  switch (op) {
    case SeekOp::at_most: return stand_on(is_equal ? node : list_->last_before(key), false);
    case SeekOp::equal:
      // Removed since: then it stands on another now, which is not meant.
      return stand_on(is_equal ? node : nullptr, true) &&
             (node_ == node || stand_on(nullptr, true));
    default: break;
  }
  while (node != nullptr && compare_keys(node->key(), key) == 0) {
    node = node_of(node->tower()[0].load(std::memory_order_acquire));
  }
  return stand_on(node, true);
}

Result<bool> SkiplistCursor::next() {
  if (!positioned_) return first();
  if (node_ == nullptr || pin_.is_behind()) return seek(SeekOp::greater, key());
  const uint64_t next = node_->tower()[0].load(std::memory_order_acquire);
  // Since it was removed, others may have come behind it that it does not lead to.
  if (is_marked(next)) return seek(SeekOp::greater, key());
  return stand_on(node_of(next), true);
}

Result<bool> SkiplistCursor::prev() { return positioned_ ? seek(SeekOp::less, key()) : last(); }

Bytes SkiplistCursor::key() const noexcept { return node_ != nullptr ? node_->key() : key_copy_; }

Result<Bytes> SkiplistCursor::value() {
  if (!positioned_) return Error(Code::invalid_argument, "the cursor is not positioned");
  return node_ != nullptr ? value_ : Bytes(value_copy_);
}

Result<void> SkiplistCursor::rest() {
  if (node_ == nullptr) return {};
  return base::or_no_memory([&]() -> Result<void> {
    key_copy_.assign(node_->key());
    value_copy_.assign(value_);
    node_ = nullptr;
    pin_.release();
    return {};
  });
}

}  // namespace aether::index
