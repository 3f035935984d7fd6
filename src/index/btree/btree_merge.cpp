// Giving pages back: merging underfull nodes with a neighbour, and collapsing the root.
#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "base/planted.h"
#include "base/reached.h"
#include "index/btree/btree.h"
#include "index/btree/scratch_page.h"

namespace aether::index {

using buffer::ExclusiveGuard;
using buffer::Frame;
using buffer::OptimisticGuard;
using buffer::PageRef;
using buffer::SwipWord;
using page::SlottedPage;

namespace {

/// A node below this share of its page looks for a neighbour to join.
constexpr uint32_t kUnderfullPercent = 30;

}  // namespace

bool BTree::is_underfull(const SlottedPage& node) const noexcept {
  // Long fences alone may take more than that.
  if (growth_ == Growth::radix && node.count() == 0) return true;
  return node.used_bytes() < node.page_bytes() * kUnderfullPercent / 100;
}

Result<void> BTree::purge(buffer::LogContext& context, Bytes key, TxnId owner) {
  bool underfull = false;
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(OptimisticGuard guard, find_leaf(key));
    const std::optional<ExclusiveGuard> leaf = guard.try_upgrade();
    if (!leaf) continue;
    SlottedPage node = services_.pool.node(leaf->frame());
    const SlottedPage::Position at = node.lower_bound(key);
    if (!at.exact) return {};  // Purged already, to make room.
    const page::RecordMeta meta = page::meta_of(node.payload(at.slot));
    if (!meta.removed() || meta.txn() != owner) return {};  // The key lives again.
    RowPart part(BTreeOp::remove, store_, key, {}, {});
    const PageRef page = services_.pool.ref(leaf->frame());
    AETHER_TRY(buffer::log_change(services_.log, context, {}, {&page, 1}, {&part.spec(), 1}));
    node.remove(at.slot);
    underfull = is_underfull(node);
    break;
  }
  return underfull ? merge(context, key, 0) : Result<void>();
}

Result<void> BTree::merge(buffer::LogContext& context, Bytes key, uint32_t level) {
  if (growth_ == Growth::radix) return merge_radix(context, key);
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const Step step, try_merge(context, key, level));
    if (step == Step::done) return {};
    if (step == Step::underfull) ++level;  // The parent has become so in its turn.
  }
}

/// Merges the node at `level` on the way to `key` with a neighbour under the same parent, if both fit into one.
Result<BTree::Step> BTree::try_merge(buffer::LogContext& context, Bytes key, uint32_t level) {
  AETHER_TRY_ASSIGN(Path path, find_path(key, level));
  if (!path.parent) {
    // The root, most often: where reading latches (AETHER_TSAN), it would be in its own way.
    path.node.leave();
    return collapse_root(context);
  }
  SlottedPage parent_node = services_.pool.node(path.parent->frame());
  const uint32_t count = parent_node.count();
  const uint32_t index = parent_node.child_index(key);
  if (!path.parent->validate()) return Step::restart;
  if (count == 0) {
    AETHER_REACHED("btree.no_neighbour_to_merge");
    return Step::done;
  }
  const uint32_t left_index = index < count ? index : index - 1;
  const uint32_t other = index < count ? index + 1 : index - 1;
  uint64_t* place = parent_node.child_word(other);
  const SwipWord word = SwipWord::load(place);
  if (!word.is_hot()) {
    path.node.leave();
    AETHER_TRY(services_.pool.resolve(*path.parent, place));
    return Step::restart;
  }
  if (!path.parent->validate()) return Step::restart;
  const std::optional<ExclusiveGuard> parent = path.parent->try_upgrade();
  if (!parent) return Step::restart;
  std::optional<ExclusiveGuard> node = path.node.try_upgrade();
  if (!node) return Step::restart;
  std::optional<ExclusiveGuard> neighbour = ExclusiveGuard::try_lock(*word.frame());
  if (!neighbour) return Step::restart;
  if (!is_underfull(services_.pool.node(node->frame()))) return Step::done;
  const bool node_is_left = index == left_index;
  buffer::LogContext system = context.system();
  return merge_nodes(system, parent->frame(), left_index,
                     std::move(node_is_left ? *node : *neighbour),
                     std::move(node_is_left ? *neighbour : *node));
}

Result<BTree::Step> BTree::merge_nodes(buffer::LogContext& context, Frame& parent,
                                       uint32_t left_index, ExclusiveGuard left,
                                       ExclusiveGuard right) {
  SlottedPage parent_node = services_.pool.node(parent);
  SlottedPage left_node = services_.pool.node(left.frame());
  SlottedPage right_node = services_.pool.node(right.frame());
  std::string separator;
  parent_node.key(left_index, separator);  // Child i + 1 belongs to separator i.
  if (!left_node.can_merge(right_node, separator, kMergedPercent)) return Step::done;

  ScratchPage scratch(left_node.page_bytes());
  SlottedPage merged = scratch.node();
  left_node.merge_into(right_node, separator, merged);
  const std::string image = logged_image(merged);
  const Bytes image_view = image;
  RowPart unlink(BTreeOp::remove, store_, separator, {}, {});
  std::vector<PageRef> pages{services_.pool.ref(left.frame()), services_.pool.ref(parent)};
  std::vector<wal::PartSpec> parts(2);
  PageParts::format(parts[0], store_, image_view);
  parts[1] = unlink.spec();
  // The right page changes no more, but its next life must come after this one.
  context.gsn = std::max(context.gsn, right_node.header().page.gsn);
  context.lsn_vector.raise(right.frame().lsn_vector);
  const uint32_t freed_count = AETHER_PLANTED("btree.merge_leaks_page") ? 0 : 1;
  const buffer::PageRange freed{right.frame().page_id.load(), freed_count};
  AETHER_TRY(services_.space.check_in_use({&freed, 1}));
  buffer::SpaceManager::MapChange map = services_.space.change(buffer::SpaceOp::free, {&freed, 1},
                                                               context);
  map.append_to(pages, parts);
  AETHER_TRY(buffer::log_change(services_.log, context, {}, pages, parts));

  map.apply();
  merged.header().page.gsn = left_node.header().page.gsn;
  std::copy_n(merged.bytes(), merged.page_bytes(), left_node.bytes());
  AETHER_REACHED("btree.merged");
  if (!left_node.is_leaf()) AETHER_REACHED("btree.inner_nodes_merged");
  services_.pool.adopt_children(left.frame());
  parent_node.remove(left_index);
  parent.swizzled_children.fetch_sub(1, std::memory_order_relaxed);
  services_.pool.discard(std::move(right));
  const bool parent_underfull = &parent == &root_ ? parent_node.count() == 0
                                                  : is_underfull(parent_node);
  return parent_underfull ? Step::underfull : Step::done;
}

/// A root with a single child takes its content: the tree loses a level.
Result<BTree::Step> BTree::collapse_root(buffer::LogContext& context) {
  OptimisticGuard guard = OptimisticGuard::enter(root_);
  SlottedPage root_node = services_.pool.node(root_);
  const bool single = !root_node.is_leaf() && root_node.count() == 0;
  uint64_t* place = root_node.child_word(0);
  const SwipWord word = SwipWord::load(place);
  if (!guard.validate()) return Step::restart;
  if (!single) return Step::done;
  if (!word.is_hot()) {
    AETHER_TRY(services_.pool.resolve(guard, place));
    return Step::restart;
  }
  const std::optional<ExclusiveGuard> root = guard.try_upgrade();
  if (!root) return Step::restart;
  std::optional<ExclusiveGuard> child = ExclusiveGuard::try_lock(*word.frame());
  if (!child) return Step::restart;

  SlottedPage child_node = services_.pool.node(child->frame());
  ScratchPage scratch(root_node.page_bytes());
  std::copy_n(child_node.bytes(), root_node.page_bytes(), scratch.node().bytes());
  scratch.node().header().page.page_id = root_.page_id.load();
  const std::string image = logged_image(scratch.node());
  const Bytes image_view = image;
  buffer::LogContext system = context.system();
  system.gsn = std::max(system.gsn, child_node.header().page.gsn);
  system.lsn_vector.raise(child->frame().lsn_vector);
  std::vector<PageRef> pages{services_.pool.ref(root_)};
  std::vector<wal::PartSpec> parts(1);
  PageParts::format(parts[0], store_, image_view);
  const buffer::PageRange freed{child->frame().page_id.load(), 1};
  AETHER_TRY(services_.space.check_in_use({&freed, 1}));
  buffer::SpaceManager::MapChange map = services_.space.change(buffer::SpaceOp::free, {&freed, 1},
                                                               system);
  map.append_to(pages, parts);
  AETHER_TRY(buffer::log_change(services_.log, system, {}, pages, parts));

  map.apply();
  scratch.node().header().page.gsn = root_node.header().page.gsn;
  std::copy_n(scratch.node().bytes(), root_node.page_bytes(), root_node.bytes());
  AETHER_REACHED("btree.root_collapsed");
  services_.pool.adopt_children(root_);
  services_.pool.discard(*std::move(child));
  return Step::underfull;  // The new root may have a single child as well.
}

}  // namespace aether::index
