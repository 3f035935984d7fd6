// Dropping a tree: from the right, a leaf at a time.
#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/reached.h"
#include "index/btree/btree.h"
#include "index/btree/overflow.h"
#include "index/btree/scratch_page.h"

namespace aether::index {

using buffer::ExclusiveGuard;
using buffer::OptimisticGuard;
using buffer::PageRange;
using buffer::PageRef;
using buffer::SwipWord;
using page::SlottedPage;

namespace {

/// Pages of the values that the leaf's rows keep outside it.
Result<void> collect_values(Services& services, const SlottedPage& leaf,
                            std::vector<PageRange>& ranges) {
  for (uint32_t slot = 0; slot < leaf.count(); ++slot) {
    const page::RecordMeta meta = page::meta_of(leaf.payload(slot));
    const Bytes where = page::value_of(leaf.payload(slot));
    if (!meta.overflow() || meta.removed() || where.size() != sizeof(page::OverflowReference))
      continue;
    AETHER_TRY_ASSIGN(
        const std::vector<PageRange> pages,
        overflow_ranges(services.pool.data(), base::load<page::OverflowReference>(where.data())));
    ranges.insert(ranges.end(), pages.begin(), pages.end());
  }
  return {};
}

}  // namespace

Result<bool> BTree::drop_last_leaf(buffer::LogContext& context) {
  for (os::Backoff backoff;; backoff.wait()) {
    // The rightmost path, latched from the root down; nobody else is in this tree.
    std::vector<ExclusiveGuard> path;
    path.push_back(ExclusiveGuard::lock(root_));
    bool complete = true;
    for (;;) {
      SlottedPage node = services_.pool.node(path.back().frame());
      if (node.is_leaf()) break;
      uint64_t* place = node.child_word(node.count());
      const SwipWord word = SwipWord::load(place);
      if (word.in_memory()) {
        path.push_back(ExclusiveGuard::lock(*word.frame()));
        continue;
      }
      buffer::Frame& parent = path.back().frame();
      path.clear();  // No latch across the disk.
      OptimisticGuard guard = OptimisticGuard::enter(parent);
      AETHER_TRY(services_.pool.resolve(guard, place, nullptr, buffer::Fences::may_end_early));
      complete = false;
      break;
    }
    if (complete) return drop_path(context, std::move(path));
  }
}

/// Cuts the path below the lowest node that has other children; a path without one is the whole tree.
Result<bool> BTree::drop_path(buffer::LogContext& context, std::vector<ExclusiveGuard> path) {
  std::vector<PageRange> ranges;
  const SlottedPage leaf = services_.pool.node(path.back().frame());
  AETHER_TRY(collect_values(services_, leaf, ranges));
  size_t keep = path.size() - 1;
  while (keep > 0 &&
         (keep == path.size() - 1 || services_.pool.node(path[keep].frame()).count() == 0))
    --keep;
  SlottedPage kept = services_.pool.node(path[keep].frame());
  const bool whole_tree = kept.is_leaf() || kept.count() == 0;
  if (whole_tree && kept.is_leaf() && kept.count() == 0) return false;

  buffer::LogContext system = context.system();
  for (size_t i = keep + 1; i < path.size(); ++i) {
    ranges.push_back({path[i].frame().page_id.load(), 1});
    system.gsn = std::max(system.gsn, services_.pool.node(path[i].frame()).header().page.gsn);
    system.lsn_vector.raise(path[i].frame().lsn_vector);
  }
  if (path.size() - keep > 2) AETHER_REACHED("btree.drop_cuts_an_inner_node");
  std::vector<PageRef> pages{services_.pool.ref(path[keep].frame())};
  std::vector<wal::PartSpec> parts(1);
  ScratchPage scratch(kept.page_bytes());
  std::string bytes;
  if (whole_tree) {
    scratch.node().format(root_.page_id.load(), store_, 0, std::nullopt, std::nullopt);
    bytes = scratch.node().image();
  } else {
    kept.key(kept.count() - 1, bytes);
  }
  const Bytes view = bytes;
  RowPart unlink(BTreeOp::remove, store_, whole_tree ? Bytes() : view, {}, {});
  if (whole_tree) {
    PageParts::format(parts[0], store_, view);
  } else {
    parts[0] = unlink.spec();
  }
  AETHER_TRY(services_.space.check_in_use(ranges));
  buffer::SpaceManager::MapChange map = services_.space.change(buffer::SpaceOp::free, ranges,
                                                               system);
  map.append_to(pages, parts);
  AETHER_TRY(buffer::log_change(services_.log, system, {}, pages, parts));

  map.apply();
  if (whole_tree) {
    scratch.node().header().page.gsn = kept.header().page.gsn;
    std::copy_n(scratch.node().bytes(), kept.page_bytes(), kept.bytes());
    root_.swizzled_children.store(0, std::memory_order_relaxed);
  } else {
    kept.remove(kept.count() - 1);
    path[keep].frame().swizzled_children.fetch_sub(1, std::memory_order_relaxed);
  }
  while (path.size() > keep + 1) {
    services_.pool.discard(std::move(path.back()));
    path.pop_back();
  }
  return !whole_tree;
}

}  // namespace aether::index
