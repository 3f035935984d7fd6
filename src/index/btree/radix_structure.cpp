// The tree as a radix tree in pages: how it grows and shrinks. Its leaves and what an inner node is are those of the B+ tree,
// and so are rows, redo and reading.
//
//   full leaf     splits at the shortest path between two of its keys; its parent takes one more child
//   full parent   moves a run of neighbouring children down into a page of its own: low ones, whose paths begin alike
//   no parent     (the root is a leaf), or one that is full with a handful of long paths: the leaf becomes an inner node
//                 where it is, above two new leaves
//
// Nothing is balanced: a change never goes further up than the parent, and depth follows where keys crowd. An inner node
// has two children at least: two leaves that come to fit into one become their parent.
#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

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

/// Neighbouring children of an inner node.
struct Run {
  uint32_t first = 0;
  uint32_t last = 0;
};

/// With fewer separators than this a move would leave pages of nearly nothing.
constexpr uint32_t kSeparatorsMin = 4;

uint32_t common_bytes(const std::string& a, const std::string& b) noexcept {
  const auto differ = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<uint32_t>(differ.first - a.begin());
}

/// How many levels lie below a child, as far as the ways along both edges of its subtree are in memory; a guess, and no
/// more than kLooks. Its parent is latched.
constexpr uint32_t kLooks = 4;
uint32_t guess_height(const buffer::BufferPool& pool, SwipWord word, uint32_t looks = kLooks) {
  if (looks == 0 || !word.in_memory()) return 0;
  const std::optional<OptimisticGuard> guard = OptimisticGuard::try_enter(*word.frame());
  if (!guard) return 0;
  const SlottedPage node = pool.node(*word.frame());
  if (node.is_leaf()) return 0;
  const SwipWord first = SwipWord::load(node.child_word(0));
  const SwipWord last = SwipWord::load(node.child_word(node.count()));
  if (!guard->validate()) return 0;
  return 1 + std::max(guess_height(pool, first, looks - 1), guess_height(pool, last, looks - 1));
}

/// Where to take a run from: the lowest children, since what lies below them is going to lie one deeper. Of those, the
/// longest path in common; of those, about half of the node. At least an eighth. Not child `stays`: where rows arrive, the
/// way stays short.
std::optional<Run> choose_run(const buffer::BufferPool& pool, const SlottedPage& node,
                              uint32_t stays) {
  const uint32_t count = node.count();
  if (count < kSeparatorsMin) return std::nullopt;
  std::vector<std::string> paths(count);
  std::vector<uint32_t> heights(count + size_t{1});
  for (uint32_t i = 0; i < count; ++i) node.key(i, paths[i]);
  for (uint32_t i = 0; i <= count; ++i)
    heights[i] = i == stays ? 0 : guess_height(pool, SwipWord::load(node.child_word(i)));
  std::vector<uint32_t> same(count);  // As many bytes have path i and the one before in common.
  for (uint32_t i = 1; i < count; ++i) same[i] = common_bytes(paths[i - 1], paths[i]);
  const uint32_t least = std::max(2u, (count + 1) / 8);
  std::optional<Run> best;
  std::tuple<uint32_t, int64_t, uint32_t> best_cost;
  for (uint32_t first = 0; first < count; ++first) {
    auto common = static_cast<uint32_t>(paths[first].size());
    uint32_t height = heights[first];
    for (uint32_t last = first + 1; last <= count; ++last) {  // Paths first to last - 1.
      if (first <= stays && stays <= last) break;
      height = std::max(height, heights[last]);
      if (last > first + 1) common = std::min(common, same[last - 1]);
      const uint32_t size = last - first + 1;
      if (size < least) continue;
      const uint32_t off = 2 * size > count ? 2 * size - count : count - 2 * size;
      const std::tuple<uint32_t, int64_t, uint32_t> cost(height, -int64_t{common}, off);
      if (best && cost >= best_cost) continue;
      best = Run{first, last};
      best_cost = cost;
    }
  }
  return best;
}

Bytes word_bytes(const uint64_t& word) noexcept {
  return {reinterpret_cast<const char*>(&word), sizeof word};
}

/// False: there is no room.
bool append_child(SlottedPage& node, const std::string& path, uint64_t word) noexcept {
  if (!node.fits(static_cast<uint32_t>(path.size()), sizeof word)) return false;
  node.insert(node.count(), path, word_bytes(word));
  return true;
}

/// Makes `below` the node of the children of `run`.
bool fill_below(const SlottedPage& node, const Run& run, PageId id, SlottedPage below) {
  std::string lower;
  std::string upper;
  if (run.first > 0) node.key(run.first - 1, lower);
  if (run.last < node.count()) node.key(run.last, upper);
  below.format(id, node.header().page.store, page::kRadixLevel,
               run.first > 0 ? page::Fence(lower) : node.lower_fence(),
               run.last < node.count() ? page::Fence(upper) : node.upper_fence());
  below.header().page.newest_txn = node.header().page.newest_txn;
  below.header().leftmost = SwipWord::load(node.child_word(run.first)).word();
  std::string path;
  for (uint32_t i = run.first; i < run.last; ++i) {
    node.key(i, path);
    if (!append_child(below, path, SwipWord::load(node.child_word(i + 1)).word())) return false;
  }
  return true;
}

/// Makes `above` the node with page `below` in place of the children of `run`.
bool fill_above(const SlottedPage& node, const Run& run, PageId below, SlottedPage above) {
  const auto child = [&](uint32_t index) {
    return index == run.first ? raw(below) : SwipWord::load(node.child_word(index)).word();
  };
  above.format(node.header().page.page_id, node.header().page.store, page::kRadixLevel,
               node.lower_fence(), node.upper_fence());
  above.header().page.newest_txn = node.header().page.newest_txn;
  above.header().leftmost = child(0);
  std::string path;
  for (uint32_t i = 0; i < node.count(); ++i) {
    if (i >= run.first && i < run.last) continue;
    node.key(i, path);
    if (!append_child(above, path, child(i + 1))) return false;
  }
  return true;
}

}  // namespace

Result<void> BTree::split_radix(buffer::LogContext& context, Bytes key, uint32_t payload_bytes) {
  bool needs_two = false;
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const Step step, try_split_radix(context, key, payload_bytes, needs_two));
    if (step == Step::done) return {};
  }
}

/// `needs_two`: whether it has come to where two new pages are needed.
Result<BTree::Step> BTree::try_split_radix(buffer::LogContext& context, Bytes key,
                                           uint32_t payload_bytes, bool& needs_two) {
  AETHER_TRY_ASSIGN(NewPage right, NewPage::take(services_, context));
  std::optional<NewPage> left;
  if (needs_two) {
    AETHER_TRY_ASSIGN(NewPage page, NewPage::take(services_, context));
    left.emplace(std::move(page));
  }
  AETHER_TRY_ASSIGN(Path path, find_path(key, 0));
  std::optional<ExclusiveGuard> parent;
  if (path.parent) {
    parent = path.parent->try_upgrade();
    if (!parent) return Step::restart;
  }
  const std::optional<ExclusiveGuard> leaf = path.node.try_upgrade();
  if (!leaf) return Step::restart;
  SlottedPage node = services_.pool.node(leaf->frame());
  if (node.fits(static_cast<uint32_t>(key.size()), payload_bytes)) return Step::done;

  const SlottedPage::SplitPoint point = node.choose_split(key, payload_bytes);
  buffer::LogContext system = context.system();
  if (parent) {
    const SlottedPage parent_node = services_.pool.node(parent->frame());
    if (parent_node.fits(static_cast<uint32_t>(point.separator.size()), sizeof(uint64_t))) {
      AETHER_TRY(split_node(system, parent->frame(), leaf->frame(), point, right));
      return Step::done;
    }
    AETHER_TRY_ASSIGN(const bool has_moved, move_down(system, parent->frame(), key, right));
    if (has_moved) return Step::restart;
  }
  if (!left) {
    needs_two = true;
    return Step::restart;
  }
  AETHER_TRY(split_in_place(system, leaf->frame(), point, *left, right));
  return Step::done;
}

/// Makes room in `parent`: some of its children, not the one that leads to `key`, go below `page`. False: nothing was done,
/// and `page` was not used.
Result<bool> BTree::move_down(buffer::LogContext& context, Frame& parent, Bytes key,
                              NewPage& page) {
  SlottedPage node = services_.pool.node(parent);
  const std::optional<Run> run = choose_run(services_.pool, node, node.child_index(key));
  if (!run) return false;
  ScratchPage below(node.page_bytes());
  ScratchPage above(node.page_bytes());
  if (!fill_below(node, *run, page.id(), below.node()) ||
      !fill_above(node, *run, page.id(), above.node()))
    return false;
  std::copy_n(below.node().bytes(), node.page_bytes(), services_.pool.node(page.latch()).bytes());

  const std::string images[] = {logged_image(below.node()), logged_image(above.node())};
  const Bytes views[] = {images[0], images[1]};
  std::vector<PageRef> pages{services_.pool.ref(page.frame()), services_.pool.ref(parent)};
  std::vector<wal::PartSpec> parts(2);
  for (size_t i = 0; i < 2; ++i) PageParts::format(parts[i], store_, views[i]);
  buffer::SpaceManager::MapChange map = services_.space.change(buffer::SpaceOp::allocate,
                                                               {&page.range(), 1}, context);
  map.append_to(pages, parts);
  AETHER_TRY(buffer::log_change(services_.log, context, {}, pages, parts));

  map.apply();
  above.node().header().page.gsn = node.header().page.gsn;
  std::copy_n(above.node().bytes(), node.page_bytes(), node.bytes());
  SwipWord::hot(&page.frame()).store(node.child_word(run->first));
  page.keep(&parent);
  services_.pool.adopt_children(parent);
  return true;
}

Result<void> BTree::merge_radix(buffer::LogContext& context, Bytes key) {
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const Step step, try_merge_radix(context, key));
    if (step == Step::done) return {};
    if (step == Step::underfull) backoff = {};
  }
}

/// Merges the leaf of `key`, if it is underfull, with one beside it under the same parent, if both fit into one.
/// underfull: done, and what they have become may have such a neighbour in its turn.
Result<BTree::Step> BTree::try_merge_radix(buffer::LogContext& context, Bytes key) {
  AETHER_TRY_ASSIGN(Path path, find_path(key, 0));
  if (!path.parent) return Step::done;
  SlottedPage parent_node = services_.pool.node(path.parent->frame());
  const uint32_t count = parent_node.count();
  const uint32_t index = parent_node.child_index(key);
  if (!path.parent->validate()) return Step::restart;
  for (const uint32_t other : {index + 1, index - 1}) {
    if (other > count) continue;  // Also the one before the first.
    uint64_t* place = parent_node.child_word(other);
    const SwipWord word = SwipWord::load(place);
    if (!word.is_hot()) {
      path.node.leave();
      AETHER_TRY(services_.pool.resolve(*path.parent, place));
      return Step::restart;
    }
    if (!path.parent->validate()) return Step::restart;
    {
      const std::optional<OptimisticGuard> beside = OptimisticGuard::try_enter(*word.frame());
      if (!beside) return Step::restart;
      const bool is_leaf = services_.pool.node(*word.frame()).is_leaf();
      if (!beside->validate() || !path.parent->validate()) return Step::restart;
      if (!is_leaf) continue;
    }
    const std::optional<ExclusiveGuard> parent = path.parent->try_upgrade();
    if (!parent) return Step::restart;
    std::optional<ExclusiveGuard> node = path.node.try_upgrade();
    if (!node) return Step::restart;
    std::optional<ExclusiveGuard> neighbour = ExclusiveGuard::try_lock(*word.frame());
    if (!neighbour || !services_.pool.node(neighbour->frame()).is_leaf()) return Step::restart;
    if (!is_underfull(services_.pool.node(node->frame()))) return Step::done;
    buffer::LogContext system = context.system();
    ExclusiveGuard left = std::move(other > index ? *node : *neighbour);
    ExclusiveGuard right = std::move(other > index ? *neighbour : *node);
    if (count == 1)
      return merge_into_parent(system, parent->frame(), std::move(left), std::move(right));
    AETHER_TRY(merge_nodes(system, parent->frame(), std::min(index, other), std::move(left),
                           std::move(right)));
    return parent_node.count() < count ? Step::underfull : Step::done;
  }
  return Step::done;  // Only subtrees beside it.
}

/// The only two children of `parent`, leaves, become it.
Result<BTree::Step> BTree::merge_into_parent(buffer::LogContext& context, Frame& parent,
                                             ExclusiveGuard left, ExclusiveGuard right) {
  SlottedPage parent_node = services_.pool.node(parent);
  const SlottedPage left_node = services_.pool.node(left.frame());
  const SlottedPage right_node = services_.pool.node(right.frame());
  std::string separator;
  parent_node.key(0, separator);
  if (!left_node.can_merge(right_node, separator, kMergedPercent)) return Step::done;

  ScratchPage scratch(parent_node.page_bytes());
  SlottedPage merged = scratch.node();
  left_node.merge_into(right_node, separator, merged);
  merged.header().page.page_id = parent.page_id.load();
  const std::string image = merged.image();
  const Bytes image_view = image;
  std::vector<PageRef> pages{services_.pool.ref(parent)};
  std::vector<wal::PartSpec> parts(1);
  PageParts::format(parts[0], store_, image_view);
  // The pages change no more, but their next lives must come after these.
  for (const ExclusiveGuard* child : {&left, &right}) {
    context.gsn = std::max(context.gsn, services_.pool.node(child->frame()).header().page.gsn);
    context.lsn_vector.raise(child->frame().lsn_vector);
  }
  const buffer::PageRange freed[] = {{left.frame().page_id.load(), 1},
                                     {right.frame().page_id.load(), 1}};
  AETHER_TRY(services_.space.check_in_use(freed));
  buffer::SpaceManager::MapChange map = services_.space.change(buffer::SpaceOp::free, freed,
                                                               context);
  map.append_to(pages, parts);
  AETHER_TRY(buffer::log_change(services_.log, context, {}, pages, parts));

  map.apply();
  merged.header().page.gsn = parent_node.header().page.gsn;
  std::copy_n(merged.bytes(), merged.page_bytes(), parent_node.bytes());
  parent.swizzled_children.store(0, std::memory_order_relaxed);
  services_.pool.discard(std::move(right));
  services_.pool.discard(std::move(left));
  return Step::underfull;
}

/// A node does not say of what kind its children are: each is read, through a ring.
Result<TreeShape> BTree::radix_shape(buffer::ScanRing& ring) {
  struct Start {
    std::string key;  ///< Where the node begins.
    uint32_t depth;
  };
  TreeShape result;
  std::vector<Start> pending{{std::string(), 0}};
  while (!pending.empty()) {
    const Start start = std::move(pending.back());
    pending.pop_back();
    for (os::Backoff backoff;; backoff.wait()) {
      AETHER_TRY_ASSIGN(const Path path, find_path(start.key, 0, start.depth, &ring));
      SlottedPage node = services_.pool.node(path.node.frame());
      const bool is_leaf = node.is_leaf();
      std::vector<Start> below;
      if (!is_leaf) below.push_back({start.key, start.depth + 1});
      for (uint32_t i = 0; !is_leaf && i < node.count(); ++i) {
        node.key(i, below.emplace_back(Start{{}, start.depth + 1}).key);
      }
      if (!path.node.validate()) continue;
      (is_leaf ? result.leaf_pages : result.inner_pages) += 1;
      result.height = std::max(result.height, start.depth + 1);
      std::move(below.begin(), below.end(), std::back_inserter(pending));
      break;
    }
  }
  return result;
}

}  // namespace aether::index
