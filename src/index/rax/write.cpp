// The steps of a write: each latches what it replaces, makes what comes in its place, and puts it there with one store.
#include <algorithm>
#include <new>

#include "index/rax/write_private.h"

namespace aether::index {

using rax::Bucket;
using rax::kNoChild;

namespace {

/// Neighbours become one where a removal leaves them no larger together than half of what splits: so a key that comes and goes
/// does not split and join again and again.
constexpr uint64_t kMergedMax = Bucket::kBytesMax / 2;

/// May `node` be joined with something of `bytes`? Most are not, and need no closer look.
bool is_small_beside(const rax::Node& node, uint64_t bytes) noexcept {
  return node.is_bucket() && Bucket(node).bytes() + bytes <= kMergedMax;
}

}  // namespace

void Rax::place(const Path& path, Node* placed, Fresh& fresh) noexcept {
  fresh.keep();
  path.parent->slot(path.parent_child).store(Node::link_to(placed), std::memory_order_release);
}

void Rax::place_parent(const Path& path, Node* placed, Fresh& fresh) noexcept {
  fresh.keep();
  path.grand->slot(path.grand_child).store(Node::link_to(placed), std::memory_order_release);
}

// --- A key comes, or gets another value --------------------------------------------------------------

Rax::Step Rax::put_first(const Path& path, const Stored& stored, Fresh& fresh) noexcept {
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, nullptr)) return Step::restart;
  const Item item{{}, path.rest, rax::tag_of(path.key), stored};
  Node* const placed = build({}, &item, 1, 0, false, fresh);
  if (placed == nullptr) return Step::no_memory;
  place(path, placed, fresh);
  return Step::done;
}

Rax::Step Rax::put_entry(const Path& path, const Stored& stored, Fresh& fresh) noexcept {
  const Bucket bucket(*path.node);
  if (path.splits()) return rebuild(path, 0, stored, fresh);
  const Item item{{}, path.rest.substr(path.same), rax::tag_of(path.key), stored};
  const bool is_there = path.child != kNoChild;
  const uint32_t at = is_there ? path.child : bucket.first_from(item.tail, true);
  uint64_t bytes = bucket.bytes() + item.bytes(0);
  Stored before;
  if (is_there) {
    before = bucket[at].stored;
    bytes -= item.bytes(0) - stored.bytes.size() + before.bytes.size();
  }
  const uint32_t count = bucket.count() + (is_there ? 0 : 1);
  const bool fits = bytes <= Bucket::kBytesMax && bucket.prefix().size() <= Bucket::kPrefixMax;
  if (count > 1 && (!fits || count > Bucket::kKeysMax)) return rebuild(path, at, stored, fresh);
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
  Node* const placed = splice(*path.node, at, is_there ? 1 : 0, &item, fresh);
  if (placed == nullptr) return Step::no_memory;
  place(path, placed, fresh);
  retire(*path.node, fresh.hint);
  if (is_there) retire_value(before, fresh.hint);
  return Step::done;
}

// The key comes, or gets its value, at `at` of a bucket that is too small for it, or whose prefix it leaves.
Rax::Step Rax::rebuild(const Path& path, uint32_t at, const Stored& stored, Fresh& fresh) noexcept {
  const Bucket bucket(*path.node);
  const Bytes lead = bucket.prefix().substr(path.same);
  const Item item{{}, path.rest.substr(path.same), rax::tag_of(path.key), stored};
  if (!lead.empty() && !item.tail.empty() && item.at(0) > static_cast<uint8_t>(lead[0])) {
    at = bucket.count();
  }
  Items items;
  items.add(bucket, lead);
  const bool is_there = path.child != kNoChild;
  Stored before;
  if (is_there) {
    before = items.list[at].stored;
    items.list[at] = item;
  } else {
    std::copy_backward(items.list.begin() + at, items.list.begin() + items.count,
                       items.list.begin() + items.count + 1);
    items.list[at] = item;
    ++items.count;
  }
  const Item* const list = items.list.data();
  const size_t common = list[0].common(list[items.count - 1], 0);
  const bool is_appended = !is_there && at + 1 == items.count;
  const bool fits = items.count <= Bucket::kKeysMax && items.bytes(0) <= Bucket::kBytesMax &&
                    path.same + common <= Bucket::kPrefixMax;
  const Bytes prefix = path.rest.substr(0, path.same);
  // An inner node has the keys of just its edge, and the bucket's edge may be a lower one: of keys that have gone.
  const bool goes_on_with_edge = path.same + common > 0 &&
                                 (path.same > 0
                                      ? static_cast<uint8_t>(prefix[0])
                                      : list[0].at(0)) == path.parent->edge(path.parent_child);
  Latches latches;
  if (path.parent == &top_.node || fits || goes_on_with_edge) {
    if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
    Node* const placed = build({prefix}, list, items.count, 0, is_appended, fresh);
    if (placed == nullptr) return Step::no_memory;
    place(path, placed, fresh);
  } else {  // Other edges: children of the parent.
    if (!latches.take(*path.grand, path.grand_child, path.parent)) return Step::restart;
    if (path.parent->child(path.parent_child) != path.node || !latches.take(*path.node)) {
      return Step::restart;
    }
    std::array<Added, Bucket::kKeysMax + 1> added;
    uint32_t pieces = 0;
    if (prefix.empty()) {
      pieces = build_pieces(list, items.count, 0, is_appended, added.data(), fresh);
    } else {
      added[0] = {static_cast<uint8_t>(prefix[0]),
                  build({prefix}, list, items.count, 0, is_appended, fresh)};
      pieces = added[0].child == nullptr ? 0 : 1;
    }
    if (pieces == 0) return Step::no_memory;
    Content content = Content::of(*path.parent);
    content.change(path.parent_child, 1, added.data(), pieces);
    Node* const placed = make(content, fresh);
    if (placed == nullptr) return Step::no_memory;
    place_parent(path, placed, fresh);
    retire(*path.parent, fresh.hint);
  }
  retire(*path.node, fresh.hint);
  if (is_there) retire_value(before, fresh.hint);
  return Step::done;
}

// The key goes on where no edge leads: one more child.
Rax::Step Rax::add_child(const Path& path, const Stored& stored, Fresh& fresh) noexcept {
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
  const Item item{{}, path.rest.substr(path.same), rax::tag_of(path.key), stored};
  const Added added{item.at(0), build({}, &item, 1, 0, false, fresh)};
  if (added.child == nullptr) return Step::no_memory;
  Content content = Content::of(*path.node);
  content.change(path.child + 1, 0, &added, 1);
  Node* const placed = make(content, fresh);
  if (placed == nullptr) return Step::no_memory;
  place(path, placed, fresh);
  retire(*path.node, fresh.hint);
  return Step::done;
}

// The key leaves an inner node's prefix, or ends in it: a node for what is common, the old one's rest below it.
Rax::Step Rax::split(const Path& path, const Stored& stored, Fresh& fresh) noexcept {
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
  const Bytes prefix = path.node->prefix();
  Content below = Content::of(*path.node);
  below.prefix[0] = prefix.substr(path.same);
  std::array<Added, 2> added{};
  added[0] = {static_cast<uint8_t>(prefix[path.same]), make(below, fresh)};
  if (added[0].child == nullptr) return Step::no_memory;
  Content above;
  above.prefix[0] = prefix.substr(0, path.same);
  above.change(0, 0, added.data(), 1);
  const Item item{{}, path.rest.substr(path.same), rax::tag_of(path.key), stored};
  if (item.tail.empty()) {
    above.stored = stored;
  } else {
    added[1] = {item.at(0), build({}, &item, 1, 0, false, fresh)};
    if (added[1].child == nullptr) return Step::no_memory;
    if (added[1].edge < added[0].edge) std::swap(added[0], added[1]);
    above.added_count = 2;
  }
  Node* const placed = make(above, fresh);
  if (placed == nullptr) return Step::no_memory;
  place(path, placed, fresh);
  retire(*path.node, fresh.hint);
  return Step::done;
}

Rax::Step Rax::put_value(const Path& path, const Stored& stored, Fresh& fresh) noexcept {
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
  Content content = Content::of(*path.node);
  content.stored = stored;
  Node* const placed = make(content, fresh);
  if (placed == nullptr) return Step::no_memory;
  place(path, placed, fresh);
  retire(*path.node, fresh.hint);
  retire_value(path.node->stored(), fresh.hint);
  return Step::done;
}

// --- A key goes --------------------------------------------------------------------------------------

// Of an inner node. With one way left, it is joined with where that leads.
Rax::Step Rax::take_value(const Path& path, Fresh& fresh) noexcept {
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
  Node* only = nullptr;
  Node* placed = nullptr;
  if (path.node->children() == 1) {
    only = path.node->child(0);
    if (!latches.take(*only)) return Step::restart;
    placed = join(*path.node, *only, fresh);
  } else {
    Content content = Content::of(*path.node);
    content.stored.reset();
    placed = make(content, fresh);
  }
  if (placed == nullptr) return Step::no_memory;
  place(path, placed, fresh);
  retire(*path.node, fresh.hint);
  retire_value(path.node->stored(), fresh.hint);
  if (only != nullptr) retire(*only, fresh.hint);
  return Step::done;
}

// Of a bucket.
Rax::Step Rax::take_entry(const Path& path, Fresh& fresh) noexcept {
  const Bucket bucket(*path.node);
  if (bucket.count() == 1) return take_bucket(path, fresh);
  const uint64_t gone = bucket.begin_of(path.child + 1) - bucket.begin_of(path.child) + 3;
  const uint64_t left_bytes = bucket.bytes() - gone;
  if (left_bytes <= kMergedMax && path.parent != &top_.node) {
    const Step step = try_merge(path, left_bytes, fresh);
    if (step != Step::none) return step;
  }
  Latches latches;
  if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
  Node* const placed = splice(*path.node, path.child, 1, nullptr, fresh);
  if (placed == nullptr) return Step::no_memory;
  place(path, placed, fresh);
  retire(*path.node, fresh.hint);
  retire_value(bucket[path.child].stored, fresh.hint);
  return Step::done;
}

// With a neighbour that is a bucket, or the parent's own key.
Rax::Step Rax::try_merge(const Path& path, uint64_t bytes, Fresh& fresh) noexcept {
  const Node& parent = *path.parent;
  const uint32_t children = parent.children();
  for (const uint32_t left : {path.parent_child - 1, path.parent_child}) {
    if (left == kNoChild || left + 1 >= children) continue;
    const uint32_t other = left == path.parent_child ? left + 1 : left;
    if (!is_small_beside(*parent.child(other), bytes)) continue;
    Items items;
    if (plan_merge(path, left, items)) return merge(path, left, 2, items, fresh);
  }
  if (children > 1) return Step::none;
  Items items;
  return plan_merge(path, kNoChild, items) ? merge(path, 0, 1, items, fresh) : Step::none;
}

// What a bucket of the children `left` and the next would hold; kNoChild: of the parent's own key and its only child. False:
// too much, or one of them is no bucket.
bool Rax::plan_merge(const Path& path, uint32_t left, Items& items) const noexcept {
  const Node& parent = *path.parent;
  items.count = 0;
  if (left == kNoChild) {
    items.add({{}, {}, rax::tag_of(path.key_above()), parent.stored()});
  }
  for (uint32_t index = left == kNoChild ? 0 : left; index != left + 2; ++index) {
    const Node* const node = index == path.parent_child ? path.node : parent.child(index);
    if (!node->is_bucket()) return false;
    const Bucket bucket(*node);
    if (items.count + bucket.count() > Bucket::kKeysMax) return false;
    items.add(bucket, bucket.prefix(), node == path.node ? path.child : kNoChild);
  }
  return items.bytes(0) <= kMergedMax && parent.prefix_bytes() <= Bucket::kPrefixMax;
}

// Instead of `count` children from `left` on, one with `items`; where no other is left, instead of the parent.
Rax::Step Rax::merge(const Path& path, uint32_t left, uint32_t count, Items& items,
                     Fresh& fresh) noexcept {
  const Node& parent = *path.parent;
  const bool is_all = count == 1 || (parent.children() == 2 && !parent.has_value());
  Latches latches;
  if (!latches.take(*path.grand, path.grand_child, path.parent)) return Step::restart;
  if (parent.child(path.parent_child) != path.node) return Step::restart;
  std::array<Node*, 2> merged{};
  for (uint32_t i = 0; i < count; ++i) {
    merged[i] = parent.child(left + i);
    if (!latches.take(*merged[i])) return Step::restart;
  }
  // The neighbour was looked at before it was latched.
  if (!plan_merge(path, count == 1 ? kNoChild : left, items)) return Step::restart;
  const Stored gone = Bucket(*path.node)[path.child].stored;
  Node* placed = build({is_all ? parent.prefix() : Bytes{}}, items.list.data(), items.count, 0,
                       false, fresh);
  if (placed != nullptr && !is_all) {
    const Added added{items.list[0].at(0), placed};
    Content content = Content::of(parent);
    content.change(left, count, &added, 1);
    placed = make(content, fresh);
  }
  if (placed == nullptr) return Step::no_memory;
  place_parent(path, placed, fresh);
  retire(*path.parent, fresh.hint);
  for (uint32_t i = 0; i < count; ++i) retire(*merged[i], fresh.hint);
  retire_value(gone, fresh.hint);
  return Step::done;
}

// With its only key: its parent is replaced by one without it; where that leaves a parent with one way or none, by what
// is left.
Rax::Step Rax::take_bucket(const Path& path, Fresh& fresh) noexcept {
  const Stored gone = Bucket(*path.node)[0].stored;
  Latches latches;
  if (path.parent == &top_.node) {
    if (!latches.take(*path.parent, path.parent_child, path.node)) return Step::restart;
    place(path, nullptr, fresh);
    retire(*path.node, fresh.hint);
    retire_value(gone, fresh.hint);
    return Step::done;
  }
  Node& parent = *path.parent;
  if (!latches.take(*path.grand, path.grand_child, &parent)) return Step::restart;
  if (parent.child(path.parent_child) != path.node) return Step::restart;
  Node* joined = nullptr;
  if (parent.children() == 2 && !parent.has_value()) {
    const uint32_t other = 1 - path.parent_child;
    joined = parent.child(other);
    Node* const left = other == 0 ? joined : path.node;
    Node* const right = other == 0 ? path.node : joined;
    if (!latches.take(*left) || !latches.take(*right)) return Step::restart;
  } else if (!latches.take(*path.node)) {
    return Step::restart;
  }
  Node* placed = nullptr;
  if (joined != nullptr) {
    placed = join(parent, *joined, fresh);
  } else if (parent.children() == 1) {
    const Item own{{}, {}, rax::tag_of(path.key_above()), parent.stored()};
    placed = build({parent.prefix()}, &own, 1, 0, false, fresh);
  } else {
    Content content = Content::of(parent);
    content.change(path.parent_child, 1, nullptr, 0);
    placed = make(content, fresh);
  }
  if (placed == nullptr) return Step::no_memory;
  place_parent(path, placed, fresh);
  retire(parent, fresh.hint);
  retire(*path.node, fresh.hint);
  if (joined != nullptr) retire(*joined, fresh.hint);
  retire_value(gone, fresh.hint);
  return Step::done;
}

}  // namespace aether::index
