#include "index/rax/rax.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>

#include "base/assert.h"
#include "base/reached.h"
#include "index/concept/size_limits.h"
#include "index/rax/common_private.h"
#include "os/sync.h"

namespace aether::index {

using base::Epochs;
using rax::common_bytes;
using rax::kNoChild;

struct Rax::Path {
  Node* grand = nullptr;
  uint32_t grand_child = 0;
  Node* parent = nullptr;
  uint32_t parent_child = 0;
  Node* node = nullptr;  ///< Null only below the top of an empty tree.
  Bytes rest;            ///< Of the key, from the node's prefix on.
  size_t same = 0;       ///< Bytes of the prefix that agree with it.

  bool splits() const noexcept { return node != nullptr && same < node->prefix_bytes(); }
  bool ends_here() const noexcept { return node != nullptr && !splits() && same == rest.size(); }
};

struct Rax::Content {
  struct Added {
    uint8_t edge;
    Node* child;
  };
  std::array<Bytes, 3> prefix{};  ///< Parts, in their order.
  std::optional<Bytes> value;
  const Node* children_of = nullptr;
  uint32_t without = kNoChild;   ///< But for this one.
  std::array<Added, 2> added{};  ///< And these, by their edges.
  uint32_t added_count = 0;

  /// What `node` holds.
  static Content of(const Node& node) noexcept {
    Content content;
    content.prefix[0] = node.prefix();
    if (node.has_value()) content.value = node.value();
    content.children_of = &node;
    return content;
  }
  void add(uint8_t edge, Node* child) noexcept {
    added[added_count++] = {edge, child};
    if (added_count == 2 && added[1].edge < added[0].edge) std::swap(added[0], added[1]);
  }
};

struct Rax::Fresh {
  Rax& tree;
  const uint32_t hint;
  const base::MemoryBudget::For purpose;
  std::array<Node*, 3> nodes{};
  uint32_t count = 0;
  bool bound_reached = false;

  Fresh(Rax& of, uint32_t by, Mode mode) noexcept
      : tree(of),
        hint(by),
        purpose(mode == Mode::remove ? base::MemoryBudget::For::shrinking
                                     : base::MemoryBudget::For::growing) {}
  Fresh(const Fresh&) = delete;
  Fresh& operator=(const Fresh&) = delete;
  ~Fresh() {
    while (count != 0) tree.release(nodes[--count], hint);
  }
  /// They are linked.
  void keep() noexcept { count = 0; }
};

class Rax::Latches {
 public:
  Latches() noexcept = default;
  Latches(const Latches&) = delete;
  Latches& operator=(const Latches&) = delete;
  ~Latches() {
    for (uint32_t i = 0; i < count_; ++i) {
      // What has been retired is never let go: its word is a link now.
      if (!Epochs::is_gone(held_[i]->word.load(std::memory_order_relaxed))) {
        held_[i]->word.store(0, std::memory_order_release);
      }
    }
  }
  /// False: the node is gone.
  bool take(Node& node) noexcept {
    for (os::Backoff backoff;; backoff.wait()) {
      uint64_t word = node.word.load(std::memory_order_relaxed);
      if (Epochs::is_gone(word)) return false;
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

Rax::Rax(const RaxOptions& options) noexcept
    : budget_(options.memory_bytes_max, options.memory_bytes_max / 16),
      epochs_(this, free_retired) {
  static_assert(offsetof(Top, edges) == sizeof(Node) && offsetof(Top, child) == sizeof(Node) + 8);
  top_.node.shape = 1U << Node::kPrefixBits;
}

Rax::~Rax() {
  // Not by recursion: keys of one byte each longer than the last make a path as deep as the longest.
  const uint32_t hint = os::worker_id();
  Node* list = root();
  while (list != nullptr) {
    Node* const node = list;
    list = reinterpret_cast<Node*>(node->word.load(std::memory_order_relaxed));
    for (uint32_t i = 0; i < node->children(); ++i) {
      Node* const child = node->child(i);
      child->word.store(reinterpret_cast<uint64_t>(list), std::memory_order_relaxed);
      list = child;
    }
    release(node, hint);
  }
}

// --- Reading -----------------------------------------------------------------------------------------

Result<void> Rax::get(Bytes key, std::string& value) const {
  try {
    return visit(key, [&](Bytes found) { value.assign(found); });
  } catch (const std::bad_alloc&) {
    return Code::no_memory;
  }
}

Result<void> Rax::visit(Bytes key, FunctionRef<void(Bytes)> visitor) const {
  const Epochs::Pin pin = epochs_.pin(os::worker_id());
  const char* at = key.data();
  const char* const end = at + key.size();
  for (const Node* node = root(); node != nullptr;) {
    const uint32_t prefix = node->prefix_bytes();
    const char* const prefix_at = reinterpret_cast<const char*>(node->edges()) + node->children();
    if (!rax::begins_with(at, static_cast<size_t>(end - at), prefix_at, prefix)) break;
    at += prefix;
    if (at == end) {
      if (!node->has_value()) break;
      visitor(node->value());
      return {};
    }
    const uint32_t index = find_child(*node, static_cast<uint8_t>(*at++));
    if (index == kNoChild) break;
    node = node->child(index);
    fetch_ahead(node);
  }
  return Code::not_found;
}

// --- Writing -----------------------------------------------------------------------------------------

Rax::Path Rax::descend(Bytes key) noexcept {
  Path path;
  path.parent = &top_.node;
  path.node = root();
  path.rest = key;
  while (path.node != nullptr) {
    path.same = common_bytes(path.node->prefix(), path.rest);
    if (path.splits() || path.ends_here()) break;
    const uint32_t index = find_child(*path.node, static_cast<uint8_t>(path.rest[path.same]));
    if (index == kNoChild) break;
    path.grand = path.parent;
    path.grand_child = path.parent_child;
    path.parent = path.node;
    path.parent_child = index;
    path.node = path.node->child(index);
    path.rest.remove_prefix(path.same + 1);
  }
  return path;
}

Result<void> Rax::write(Mode mode, Bytes key, Bytes value) {
  AETHER_TRY(check_sizes("RAX", key, value, kKeyBytesMax));
  const uint32_t hint = os::worker_id();
  {
    Fresh fresh(*this, hint, mode);
    Result<void> written = try_write(mode, key, value, fresh);
    if (!fresh.bound_reached) [[likely]]
      return written;
  }
  AETHER_REACHED("index.rax_bound_reached");
  epochs_
      .collect_all();  // What has been removed counts until it is freed, and this call pins nothing now.
  Fresh fresh(*this, hint, mode);
  Result<void> written = try_write(mode, key, value, fresh);
  if (!fresh.bound_reached) return written;
  return bound_reached("RAX", budget_.used(), budget_.max(), epochs_.stats());
}

Result<void> Rax::try_write(Mode mode, Bytes key, Bytes value, Fresh& fresh) noexcept {
  const Epochs::Pin pin = epochs_.pin(fresh.hint);
  for (;;) {
    const Path path = descend(key);
    const bool is_there = path.ends_here() && path.node->has_value();
    if (is_there && mode == Mode::insert) return Code::exists;
    if (!is_there && (mode == Mode::update || mode == Mode::remove)) return Code::not_found;
    Step step = Step::restart;
    if (mode == Mode::remove) {
      step = path.node->children() == 0 ? take_leaf(path, fresh) : take_value(path, fresh);
    } else if (path.ends_here()) {
      step = replace_value(path, value, fresh);
    } else {
      step = path.splits() ? split(path, value, fresh) : add(path, value, fresh);
    }
    if (step == Step::restart) continue;
    if (step == Step::no_memory) return Code::no_memory;
    if (mode == Mode::remove) keys_.add(-1, fresh.hint);
    if (mode != Mode::remove && !is_there) keys_.add(1, fresh.hint);
    return {};
  }
}

// The key goes on where no edge leads: one more child.
Rax::Step Rax::add(const Path& path, Bytes value, Fresh& fresh) noexcept {
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
  Content leaf;
  leaf.prefix[0] = path.rest.substr(path.node == nullptr ? 0 : path.same + 1);
  leaf.value = value;
  Node* placed = make(leaf, fresh);
  if (placed != nullptr && path.node != nullptr) {
    Content content = Content::of(*path.node);
    content.add(static_cast<uint8_t>(path.rest[path.same]), placed);
    placed = make(content, fresh);
  }
  if (placed == nullptr) return Step::no_memory;
  path.parent->slot(path.parent_child).store(placed, std::memory_order_release);
  fresh.keep();
  if (path.node != nullptr) retire(*path.node, fresh.hint);
  return Step::done;
}

// The key leaves the node's prefix, or ends in it: a node for what is common, the old one's rest below it.
Rax::Step Rax::split(const Path& path, Bytes value, Fresh& fresh) noexcept {
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
  const Bytes prefix = path.node->prefix();
  Content above;
  above.prefix[0] = prefix.substr(0, path.same);
  Content below = Content::of(*path.node);
  below.prefix[0] = prefix.substr(path.same + 1);
  Node* const lower = make(below, fresh);
  if (lower == nullptr) return Step::no_memory;
  above.add(static_cast<uint8_t>(prefix[path.same]), lower);
  if (path.rest.size() == path.same) {
    above.value = value;
  } else {
    Content leaf;
    leaf.prefix[0] = path.rest.substr(path.same + 1);
    leaf.value = value;
    Node* const beside = make(leaf, fresh);
    if (beside == nullptr) return Step::no_memory;
    above.add(static_cast<uint8_t>(path.rest[path.same]), beside);
  }
  Node* const placed = make(above, fresh);
  if (placed == nullptr) return Step::no_memory;
  path.parent->slot(path.parent_child).store(placed, std::memory_order_release);
  fresh.keep();
  retire(*path.node, fresh.hint);
  return Step::done;
}

Rax::Step Rax::replace_value(const Path& path, Bytes value, Fresh& fresh) noexcept {
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
  Content content = Content::of(*path.node);
  content.value = value;
  Node* const placed = make(content, fresh);
  if (placed == nullptr) return Step::no_memory;
  path.parent->slot(path.parent_child).store(placed, std::memory_order_release);
  fresh.keep();
  retire(*path.node, fresh.hint);
  return Step::done;
}

// Of a node that leads on. With one way left, it is joined with where that leads.
Rax::Step Rax::take_value(const Path& path, Fresh& fresh) noexcept {
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
  Content content = Content::of(*path.node);
  content.value.reset();
  Node* only = nullptr;
  if (path.node->children() == 1) {
    only = path.node->child(0);
    if (!latches.take(*only)) return Step::restart;
    content = Content::of(*only);
    content.prefix = {path.node->prefix(),
                      {reinterpret_cast<const char*>(path.node->edges()), 1},
                      only->prefix()};
  }
  Node* const placed = make(content, fresh);
  if (placed == nullptr) return Step::no_memory;
  path.parent->slot(path.parent_child).store(placed, std::memory_order_release);
  fresh.keep();
  retire(*path.node, fresh.hint);
  if (only != nullptr) retire(*only, fresh.hint);
  return Step::done;
}

// Of a node that leads nowhere: it goes, and its parent is replaced by one without it; where that leaves a parent that is
// no key with one way, by the node that this leads to, with a longer prefix.
Rax::Step Rax::take_leaf(const Path& path, Fresh& fresh) noexcept {
  Latches latches;
  if (path.parent == &top_.node) {
    if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
    path.parent->slot(path.parent_child).store(nullptr, std::memory_order_release);
    retire(*path.node, fresh.hint);
    return Step::done;
  }
  Node& parent = *path.parent;
  if (!latches.take(*path.grand, path.grand_child, &parent)) return Step::restart;
  if (parent.child(path.parent_child) != path.node) return Step::restart;
  Content content = Content::of(parent);
  content.without = path.parent_child;
  Node* joined = nullptr;
  if (parent.children() == 2 && !parent.has_value()) {
    const uint32_t other = 1 - path.parent_child;
    joined = parent.child(other);
    // Left before right; both have this parent, which is latched, so neither is gone.
    if (!latches.take(*parent.child(0)) || !latches.take(*parent.child(1))) return Step::restart;
    content = Content::of(*joined);
    content.prefix = {parent.prefix(),
                      {reinterpret_cast<const char*>(parent.edges()) + other, 1},
                      joined->prefix()};
  } else if (!latches.take(*path.node)) {
    return Step::restart;
  }
  Node* const placed = make(content, fresh);
  if (placed == nullptr) return Step::no_memory;
  path.grand->slot(path.grand_child).store(placed, std::memory_order_release);
  fresh.keep();
  retire(parent, fresh.hint);
  retire(*path.node, fresh.hint);
  if (joined != nullptr) retire(*joined, fresh.hint);
  return Step::done;
}

// --- Nodes -------------------------------------------------------------------------------------------

Rax::Node* Rax::make(const Content& content, Fresh& fresh) noexcept {
  const Node* const from = content.children_of;
  const uint32_t kept = from == nullptr ? 0
                                        : from->children() - (content.without != kNoChild ? 1 : 0);
  const uint32_t children = kept + content.added_count;
  uint64_t prefix_bytes = 0;
  for (const Bytes part : content.prefix) prefix_bytes += part.size();
  const Bytes value = content.value.value_or(Bytes{});
  const uint64_t bytes = Node::bytes_for(children, prefix_bytes, value.size());
  if (!budget_.take(charge(bytes), fresh.hint, fresh.purpose)) {
    fresh.bound_reached = true;
    return nullptr;
  }
  void* const memory = ::operator new(bytes, std::nothrow);
  if (memory == nullptr) {
    budget_.give(charge(bytes), fresh.hint);
    return nullptr;
  }
  AETHER_ASSERT(children <= 256 && prefix_bytes <= kKeyBytesMax);
  Node* const node = new (memory) Node{};
  node->shape = static_cast<uint32_t>(prefix_bytes) | children << Node::kPrefixBits |
                (content.value ? Node::kHasValue : 0);
  node->value_bytes = static_cast<uint32_t>(value.size());

  uint8_t* const edges = const_cast<uint8_t*>(node->edges());
  if (children != 0) {  // The zeros; the rest is written over them.
    base::store<uint64_t>(edges + Node::head_bytes(children, prefix_bytes) - 8, 0);
  }
  uint32_t next = 0;
  uint32_t next_added = 0;
  const auto append = [&](uint8_t edge, Node* child) {
    new (&node->slot(next)) std::atomic<Node*>(child);
    edges[next++] = edge;
  };
  for (uint32_t i = 0; from != nullptr && i < from->children(); ++i) {
    if (i == content.without) continue;
    const uint8_t edge = from->edge(i);
    while (next_added < content.added_count && content.added[next_added].edge < edge) {
      append(content.added[next_added].edge, content.added[next_added].child);
      ++next_added;
    }
    append(edge, from->child(i));
  }
  for (; next_added < content.added_count; ++next_added) {
    append(content.added[next_added].edge, content.added[next_added].child);
  }

  char* at = reinterpret_cast<char*>(edges) + children;
  for (const Bytes part : content.prefix) {
    if (part.empty()) continue;
    std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  if (!value.empty())
    std::memcpy(const_cast<char*>(node->value().data()), value.data(), value.size());
  nodes_.add(1, fresh.hint);
  fresh.nodes[fresh.count++] = node;
  return node;
}

void Rax::retire(Node& node, uint32_t hint) noexcept {
  nodes_.add(-1, hint);
  epochs_.retire(node.word, 0, charge(node.bytes()), hint);
}

// One that nobody has seen, or in the end.
void Rax::release(Node* node, uint32_t hint) noexcept {
  nodes_.add(-1, hint);
  budget_.give(charge(node->bytes()), hint);
  ::operator delete(node);
}

uint64_t Rax::free_retired(void* self, Epochs::Link& link, uint32_t) {
  Rax& tree = *static_cast<Rax*>(self);
  Node* const node = reinterpret_cast<Node*>(&link);
  const uint64_t bytes = charge(node->bytes());
  ::operator delete(node);
  tree.budget_.give(bytes, os::worker_id());
  return bytes;
}

RaxStats Rax::stats() const noexcept {
  RaxStats stats;
  stats.keys = static_cast<uint64_t>(std::max<int64_t>(keys_.sum(), 0));
  stats.nodes = static_cast<uint64_t>(std::max<int64_t>(nodes_.sum(), 0));
  stats.memory_bytes = budget_.used();
  stats.epochs = epochs_.stats();
  return stats;
}

}  // namespace aether::index
