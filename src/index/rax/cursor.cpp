#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/reached.h"
#include "index/rax/bucket.h"
#include "index/rax/common_private.h"
#include "index/rax/rax.h"
#include "os/sync.h"

namespace aether::index {

using rax::Bucket;
using rax::kNoChild;
using rax::Node;

namespace {

/// How many neighbours are fetched before a walk comes to them.
constexpr uint32_t kFetchAhead = 3;

/// Every key that begins with the first `length` bytes of `key` and then `edge` is at or behind `end`.
bool is_all_from(Bytes end, const char* key, size_t length, uint8_t edge) noexcept {
  const size_t common = std::min(length, end.size());
  const int order = common == 0 ? 0 : std::memcmp(key, end.data(), common);
  if (order != 0) return order > 0;
  if (end.size() <= length) return true;
  const uint8_t byte = static_cast<uint8_t>(end[length]);
  return edge == byte ? end.size() == length + 1 : edge > byte;
}

/// The longest of `bucket` that `rest` begins with: none of these is above `rest`, and what lies between is longer than they.
uint32_t longest_prefix_in(const Bucket& bucket, Bytes rest) noexcept {
  for (uint32_t index = bucket.first_from(rest, false); index > 0; --index) {
    const Bytes at = bucket[index - 1].rest;
    if (rax::begins_with(rest.data(), rest.size(), at.data(), at.size())) return index - 1;
  }
  return kNoChild;
}

}  // namespace

// --- The path ----------------------------------------------------------------------------------------

void RaxCursor::push(Node* node) {
  path_.push_back({node, kNoChild});
  const Bytes prefix = node->prefix();
  key_.append(prefix.data(), prefix.size());
  key_above_ = key_.size();
}

void RaxCursor::push_child(uint32_t index) {
  Frame& frame = path_.back();
  frame.child = index;
  Node* const child = frame.node->child(index);
  fetch_ahead(child);
  push(child);
}

void RaxCursor::shorten(size_t nodes, size_t key_bytes) noexcept {
  path_.shorten(nodes);
  key_.shorten(key_bytes);
  key_above_ = key_bytes;
}

RaxCursor::Found RaxCursor::stand() noexcept {
  AETHER_ASSERT(path_.back().node->has_value());
  value_ = path_.back().node->stored().value();
  positioned_ = true;
  return Found::here;
}

// At a key of the last node, a bucket.
RaxCursor::Found RaxCursor::stand_at(uint32_t index) {
  Frame& frame = path_.back();
  const rax::Entry entry = Bucket(*frame.node)[index];
  key_.shorten(key_above_);
  key_.append(entry.rest.data(), entry.rest.size());
  frame.child = index;
  value_ = entry.stored.value();
  positioned_ = true;
  return Found::here;
}

// The least key of the last node's subtree: an inner node that is no key has ways on.
RaxCursor::Found RaxCursor::least_from_here() {
  while (!path_.back().node->is_bucket()) {
    if (path_.back().node->has_value()) return stand();
    const Node& node = *path_.back().node;
    const uint32_t ahead = std::min(node.children(), kFetchAhead);
    for (uint32_t index = 1; index < ahead; ++index) fetch_ahead(node.child(index));
    push_child(0);
  }
  return stand_at(0);
}

RaxCursor::Found RaxCursor::greatest_from_here() {
  while (!path_.back().node->is_bucket()) push_child(path_.back().node->children() - 1);
  return stand_at(path_.back().node->children() - 1);
}

// The least key after the last node's subtree, if it can be below `end`. Nothing changes before it is found; a node of the
// path that is gone says nothing of what is there now.
RaxCursor::Found RaxCursor::after_here(const Bytes* end) {
  size_t key_bytes = key_above_;
  for (size_t depth = path_.size(); depth > 1; --depth) {
    key_bytes -= path_[depth - 1].node->prefix_bytes();
    const Frame frame = path_[depth - 2];
    if (frame.node->is_gone()) return Found::stale;
    const uint32_t next = frame.child + 1;
    if (next == frame.node->children()) continue;
    if (end != nullptr && is_all_from(*end, key_.data(), key_bytes, frame.node->edge(next))) break;
    if (next + kFetchAhead - 1 < frame.node->children()) {
      fetch_ahead(frame.node->child(next + kFetchAhead - 1));
    }
    shorten(depth - 1, key_bytes);
    push_child(next);
    return least_from_here();
  }
  return Found::nowhere;
}

// The greatest key before the last node's subtree.
RaxCursor::Found RaxCursor::before_here() {
  size_t key_bytes = key_above_;
  for (size_t depth = path_.size(); depth > 1; --depth) {
    key_bytes -= path_[depth - 1].node->prefix_bytes();
    const Frame frame = path_[depth - 2];
    if (frame.node->is_gone()) return Found::stale;
    if (frame.child == 0 && !frame.node->has_value()) continue;
    shorten(depth - 1, key_bytes);
    if (frame.child == 0) return stand();
    push_child(frame.child - 1);
    return greatest_from_here();
  }
  return Found::nowhere;
}

// --- Seeking -----------------------------------------------------------------------------------------

// The first key > `key`, or >= it.
RaxCursor::Found RaxCursor::look_up(Bytes key, bool or_equal) {
  for (;;) {
    const Node& node = *path_.back().node;
    const size_t prefix_bytes = node.prefix_bytes();
    const Bytes prefix{key_.data() + key_above_ - prefix_bytes, prefix_bytes};
    Bytes rest = key.substr(key_above_ - prefix_bytes);
    const size_t same = rax::common_bytes(prefix, rest);
    if (same < prefix.size()) {  // All of the subtree lies on one side of it.
      const bool is_above = same == rest.size() ||
                            static_cast<uint8_t>(prefix[same]) > static_cast<uint8_t>(rest[same]);
      return is_above ? least_from_here() : after_here();
    }
    rest.remove_prefix(same);
    if (node.is_bucket()) {
      const uint32_t index = Bucket(node).first_from(rest, or_equal);
      return index == node.children() ? after_here() : stand_at(index);
    }
    if (rest.empty()) {
      if (or_equal && node.has_value()) return stand();
      push_child(0);
      return least_from_here();
    }
    const uint32_t index = rax::find_child(node, static_cast<uint8_t>(rest[0]));
    if (index == kNoChild) {
      push_child(0);
      return least_from_here();
    }
    push_child(index);
  }
}

// The last key < `key`, or <= it.
RaxCursor::Found RaxCursor::look_down(Bytes key, bool or_equal) {
  for (;;) {
    const Node& node = *path_.back().node;
    const size_t prefix_bytes = node.prefix_bytes();
    const Bytes prefix{key_.data() + key_above_ - prefix_bytes, prefix_bytes};
    Bytes rest = key.substr(key_above_ - prefix_bytes);
    const size_t same = rax::common_bytes(prefix, rest);
    if (same < prefix.size()) {
      const bool is_above = same == rest.size() ||
                            static_cast<uint8_t>(prefix[same]) > static_cast<uint8_t>(rest[same]);
      return is_above ? before_here() : greatest_from_here();
    }
    rest.remove_prefix(same);
    if (node.is_bucket()) {
      const uint32_t index = Bucket(node).first_from(rest, !or_equal);
      return index == 0 ? before_here() : stand_at(index - 1);
    }
    if (rest.empty()) return or_equal && node.has_value() ? stand() : before_here();
    const uint32_t index = rax::find_child(node, static_cast<uint8_t>(rest[0]));
    if (index == kNoChild) return node.has_value() ? stand() : before_here();
    push_child(index);
  }
}

// The longest key that `key` begins with; only `key` itself, if it has to be equal.
RaxCursor::Found RaxCursor::look_along(Bytes key, bool equal) {
  size_t best_nodes = 0;
  size_t best_bytes = 0;
  for (;;) {
    const Node& node = *path_.back().node;
    const size_t prefix_bytes = node.prefix_bytes();
    const Bytes prefix{key_.data() + key_above_ - prefix_bytes, prefix_bytes};
    Bytes rest = key.substr(key_above_ - prefix_bytes);
    if (!rax::begins_with(rest.data(), rest.size(), prefix.data(), prefix_bytes)) break;
    rest.remove_prefix(prefix_bytes);
    if (node.is_bucket()) {
      const uint32_t index = equal ? Bucket(node).find(rest, rax::tag_of(key))
                                   : longest_prefix_in(Bucket(node), rest);
      if (index != kNoChild) return stand_at(index);
      break;
    }
    if (node.has_value()) {
      best_nodes = path_.size();
      best_bytes = key_.size();
    }
    if (rest.empty()) break;
    const uint32_t index = rax::find_child(node, static_cast<uint8_t>(rest[0]));
    if (index == kNoChild) break;
    push_child(index);
  }
  if (best_nodes == 0 || (equal && best_bytes != key.size())) return Found::nowhere;
  shorten(best_nodes, best_bytes);
  return stand();
}

RaxCursor::Found RaxCursor::look(SeekOp op, Bytes key) {
  path_.clear();
  key_.clear();
  Node* const root = tree_->root();
  if (root == nullptr) return Found::nowhere;
  push(root);
  switch (op) {
    case SeekOp::first: return least_from_here();
    case SeekOp::last: return greatest_from_here();
    case SeekOp::greater: return look_up(key, false);
    case SeekOp::at_least: return look_up(key, true);
    case SeekOp::less: return look_down(key, false);
    case SeekOp::at_most: return look_down(key, true);
    case SeekOp::equal: return look_along(key, true);
    case SeekOp::longest_prefix: break;
  }
  return look_along(key, false);
}

Result<bool> RaxCursor::seek(SeekOp op, Bytes key) {
  try {
    // It may be this cursor's own, and the way may have to be found again.
    wanted_.assign(key.data(), key.size());
    for (;;) {
      if (!pin_.holds() || pin_.is_behind()) {
        pin_.release();
        pin_ = tree_->epochs_.pin(os::worker_id());
      }
      const Found found = look(op, {wanted_.data(), wanted_.size()});
      if (found == Found::here) return true;
      if (found == Found::nowhere) return lose();
      AETHER_REACHED("index.rax_cursor_seeks_again");
    }
  } catch (const std::bad_alloc&) {
    lose();
    return Code::no_memory;
  }
}

bool RaxCursor::lose() noexcept {
  positioned_ = false;
  path_.clear();
  pin_.release();
  return false;
}

// --- Moving ------------------------------------------------------------------------------------------

// False: it rests, or what it stands on says nothing of what is there now.
bool RaxCursor::may_step() const noexcept {
  return !path_.empty() && !pin_.is_behind() && !path_.back().node->is_gone();
}

Result<bool> RaxCursor::step_on(const Bytes* end) {
  const auto inside = [&](Result<bool> moved) -> Result<bool> {
    return moved && *moved && end != nullptr && key() >= *end ? Result<bool>(lose())
                                                              : std::move(moved);
  };
  if (!positioned_) return inside(first());
  if (!may_step()) return inside(seek(SeekOp::greater, key()));
  try {
    Found found = Found::here;
    const Frame& frame = path_.back();
    if (!frame.node->is_bucket()) {
      push_child(0);
      found = least_from_here();
    } else if (frame.child + 1 < frame.node->children()) {
      found = stand_at(frame.child + 1);
    } else {
      found = after_here(end);
    }
    if (found == Found::stale) return inside(seek(SeekOp::greater, key()));
    return inside(found == Found::here ? true : lose());
  } catch (const std::bad_alloc&) {
    lose();
    return Code::no_memory;
  }
}

Result<bool> RaxCursor::prev() {
  if (!positioned_) return last();
  if (!may_step()) return seek(SeekOp::less, key());
  try {
    const Frame& frame = path_.back();
    const bool is_inside = frame.node->is_bucket() && frame.child > 0;
    const Found found = is_inside ? stand_at(frame.child - 1) : before_here();
    if (found == Found::stale) return seek(SeekOp::less, key());
    return found == Found::here ? true : lose();
  } catch (const std::bad_alloc&) {
    lose();
    return Code::no_memory;
  }
}

Result<bool> RaxCursor::random(FunctionRef<uint64_t(uint64_t)> below) {
  try {
    pin_.release();
    pin_ = tree_->epochs_.pin(os::worker_id());
    path_.clear();
    key_.clear();
    Node* const root = tree_->root();
    if (root == nullptr) return lose();
    push(root);
    for (;;) {
      const Node& node = *path_.back().node;
      const uint32_t own = node.has_value() ? 1 : 0;
      const uint64_t chosen = below(own + node.children());
      AETHER_ASSERT(chosen < own + node.children());
      if (chosen < own) {
        stand();
        return true;
      }
      const uint32_t index = static_cast<uint32_t>(chosen) - own;
      if (node.is_bucket()) {
        stand_at(index);
        return true;
      }
      push_child(index);
    }
  } catch (const std::bad_alloc&) {
    lose();
    return Code::no_memory;
  }
}

Result<Bytes> RaxCursor::value() {
  if (!positioned_) return Error(Code::invalid_argument, "the cursor is not positioned");
  return path_.empty() ? Bytes(value_copy_) : value_;
}

Result<void> RaxCursor::rest() {
  if (path_.empty()) return {};
  return base::or_no_memory([&]() -> Result<void> {
    value_copy_.assign(value_);
    path_.clear();
    pin_.release();
    return {};
  });
}

}  // namespace aether::index
