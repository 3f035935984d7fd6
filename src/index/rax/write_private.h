/// What a write of a RAX works with.
#pragma once

#include <array>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "index/concept/size_limits.h"
#include "index/rax/bucket.h"
#include "index/rax/rax.h"
#include "os/sync.h"

namespace aether::index {

struct Rax::Path {
  Bytes key;
  Node* grand = nullptr;
  uint32_t grand_child = 0;
  Node* parent = nullptr;
  uint32_t parent_child = 0;
  Node* node = nullptr;  ///< Null only below the top of an empty tree.
  Bytes rest;            ///< Of the key, from the node's prefix on.
  size_t same = 0;       ///< Bytes of the prefix that agree with it.
  /// Of an inner node: the last child that lies before the key, which leads nowhere near; of a bucket: the key, if it is
  /// there. Or kNoChild.
  uint32_t child = rax::kNoChild;

  bool splits() const noexcept { return same < node->prefix_bytes(); }
  bool ends_here() const noexcept { return !splits() && same == rest.size(); }
  bool is_there() const noexcept {
    if (node == nullptr) return false;
    return node->is_bucket() ? child != rax::kNoChild : ends_here() && node->has_value();
  }
  /// The key that ends at the parent.
  Bytes key_above() const noexcept { return key.substr(0, key.size() - rest.size()); }
};

/// Its bytes from where the new node's parent ends are `lead` and then `tail`.
struct Rax::Item {
  Bytes lead;
  Bytes tail;
  uint8_t tag = 0;
  Stored stored;

  size_t size() const noexcept { return lead.size() + tail.size(); }
  uint8_t at(size_t index) const noexcept {
    return static_cast<uint8_t>(index < lead.size() ? lead[index] : tail[index - lead.size()]);
  }
  /// What it takes in a bucket whose prefix ends behind `skip` of its bytes.
  uint64_t bytes(size_t skip) const noexcept {
    return rax::Bucket::kBytesPerKey + size() - skip + stored.bytes.size();
  }
  /// The two parts of its bytes from `from` up to `to`.
  std::array<Bytes, 2> parts(size_t from, size_t to) const noexcept {
    const size_t lead_from = std::min(from, lead.size());
    const size_t lead_to = std::min(to, lead.size());
    return {lead.substr(lead_from, lead_to - lead_from),
            tail.substr(from - lead_from, (to - lead_to) - (from - lead_from))};
  }
  size_t common(const Item& other, size_t from) const noexcept {
    const size_t most = std::min(size(), other.size());
    size_t same = from;
    while (same < most && at(same) == other.at(same)) ++same;
    return same;
  }
};

struct Rax::Items {
  std::array<Item, 2 * rax::Bucket::kKeysMax + 1> list;
  uint32_t count = 0;

  void add(const Item& item) noexcept { list[count++] = item; }
  /// All of `bucket` but `without`, each with `lead` before its rest.
  void add(const rax::Bucket& bucket, Bytes lead, uint32_t without = rax::kNoChild) noexcept {
    for (uint32_t index = 0; index < bucket.count(); ++index) {
      if (index == without) continue;
      const rax::Entry entry = bucket[index];
      add({lead, entry.rest, bucket.tag(index), entry.stored});
    }
  }
  uint64_t bytes(size_t skip) const noexcept {
    uint64_t bytes = 0;
    for (uint32_t index = 0; index < count; ++index) bytes += list[index].bytes(skip);
    return bytes;
  }
};

struct Rax::Added {
  uint8_t edge;
  Node* child;
};

struct Rax::Content {
  std::array<Bytes, 4> prefix{};  ///< Parts, in their order.
  std::optional<Stored> stored;
  const Node* children_of = nullptr;
  uint32_t at = 0;       ///< Of its children, from here on
  uint32_t removed = 0;  ///< so many go,
  const Added* added = nullptr;
  uint32_t added_count = 0;  ///< and these come.

  /// What `node` holds.
  static Content of(const Node& node) noexcept {
    Content content;
    content.prefix[0] = node.prefix();
    if (node.has_value()) content.stored = node.stored();
    content.children_of = &node;
    return content;
  }
  void change(uint32_t from, uint32_t go, const Added* come, uint32_t count) noexcept {
    at = from;
    removed = go;
    added = come;
    added_count = count;
  }
};

/// What a write has made and not linked: a list through the words of the nodes, which are nobody else's yet.
struct Rax::Fresh {
  Rax& tree;
  const uint32_t hint;
  const base::MemoryBudget::For purpose;
  Node* nodes = nullptr;
  rax::Apart* apart = nullptr;
  uint64_t apart_address = 0;
  bool bound_reached = false;

  Fresh(Rax& of, uint32_t by, Mode mode) noexcept
      : tree(of),
        hint(by),
        purpose(mode == Mode::remove ? base::MemoryBudget::For::shrinking
                                     : base::MemoryBudget::For::growing) {}
  Fresh(const Fresh&) = delete;
  Fresh& operator=(const Fresh&) = delete;
  ~Fresh() {
    while (nodes != nullptr) tree.release(take(), hint);
    if (apart != nullptr) tree.release(apart, hint);
  }
  void add(Node* node) noexcept {
    node->word.store(reinterpret_cast<uint64_t>(nodes), std::memory_order_relaxed);
    nodes = node;
  }
  /// All will be linked now.
  void keep() noexcept {
    while (nodes != nullptr) take();
    apart = nullptr;
  }

 private:
  Node* take() noexcept {
    Node* const node = nodes;
    nodes = reinterpret_cast<Node*>(node->word.load(std::memory_order_relaxed));
    node->word.store(0, std::memory_order_relaxed);
    return node;
  }
};

/// Latches of a write, which let go on every way out.
class Rax::Latches {
 public:
  Latches() noexcept = default;
  Latches(const Latches&) = delete;
  Latches& operator=(const Latches&) = delete;
  ~Latches() {
    for (uint32_t i = 0; i < count_; ++i) {
      // What has been retired is never let go: its word is a link now.
      if (!base::Epochs::is_gone(held_[i]->word.load(std::memory_order_relaxed))) {
        held_[i]->word.store(0, std::memory_order_release);
      }
    }
  }
  /// False: the node is gone.
  bool take(Node& node) noexcept {
    for (os::Backoff backoff;; backoff.wait()) {
      uint64_t word = node.word.load(std::memory_order_relaxed);
      if (base::Epochs::is_gone(word)) return false;
      if (word == 0 &&
          node.word.compare_exchange_weak(word, Node::kLatched, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
        held_[count_++] = &node;
        return true;
      }
    }
  }
  /// `parent` and its child, if that is `node` still.
  bool take(Node& parent, uint32_t child, Node* node) noexcept {
    if (!take(parent) || parent.child(child) != node) return false;
    return node == nullptr || take(*node);
  }

 private:
  std::array<Node*, 4> held_{};
  uint32_t count_ = 0;
};

}  // namespace aether::index
