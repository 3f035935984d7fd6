// Walking a tree beside those who change it: for verifying.
#include <utility>

#include "index/btree/btree.h"

namespace aether::index {

using buffer::Frame;
using buffer::OptimisticGuard;
using buffer::SharedGuard;
using buffer::SwipWord;
using page::SlottedPage;

namespace {

std::optional<std::string> owned(const page::Fence& fence) {
  return fence ? std::optional<std::string>(*fence) : std::nullopt;
}

PageId id_of(const Frame& frame) noexcept { return frame.page_id.load(std::memory_order_relaxed); }

}  // namespace

/// With the parent's latch held: nobody splits, merges or frees the child, and its page is not written to another place.
/// An inner node is looked at whole on the way to its first leaf only.
Result<void> BTree::look_at_child(const SlottedPage& parent, const uint64_t* place,
                                  const Frame& frame, Bytes key) {
  const SlottedPage child = services_.pool.node(frame);
  AETHER_TRY(buffer::BufferPool::check_kinship(parent, child));
  const bool is_first = child.is_leaf() || !child.lower_fence() || *child.lower_fence() == key;
  if (is_first) AETHER_TRY(child.check_node());
  AETHER_TRY(buffer::BufferPool::check_fences(parent, place, child, buffer::Fences::as_in_parent));
  if (!is_first || services_.space.is_allocated(id_of(frame))) return {};
  return Error(Code::corruption,
               "in use, but free in the space map: the next allocation would overwrite it");
}

Result<BTree::LeafLook> BTree::look_at_leaf(Bytes key, buffer::ScanRing& ring,
                                            FunctionRef<void(PageId, const SlottedPage&)> visit) {
  for (os::Backoff backoff;; backoff.wait()) {
    std::optional<SharedGuard> guard(SharedGuard::lock(root_));
    if (key.empty()) {
      const SlottedPage root = services_.pool.node(root_);
      Result<void> looked = root.check_node();
      if (looked && root.header().page.store != store_)
        looked = Error(Code::corruption, "the root belongs to another store");
      if (!looked) return LeafLook{{}, id_of(root_), std::string(looked.error().message())};
    }
    for (;;) {
      Frame& frame = guard->frame();
      SlottedPage node = services_.pool.node(frame);
      if (node.is_leaf()) {
        visit(id_of(frame), node);
        return LeafLook{owned(node.upper_fence()), kNoPage, {}};
      }
      const uint32_t index = node.child_index(key);
      std::optional<std::string> next;
      if (index < node.count()) {
        node.key(index, next.emplace());
      } else {
        next = owned(node.upper_fence());
      }
      uint64_t* place = node.child_word(index);
      const SwipWord word = SwipWord::load(place);
      if (word.is_evicted()) {
        OptimisticGuard parent = OptimisticGuard::enter(frame);
        guard.reset();  // No latch is held across the disk.
        Result<void> loaded = services_.pool.resolve(parent, place, &ring);
        if (loaded) break;
        if (loaded.error().code() != Code::corruption && loaded.error().code() != Code::io_error)
          return std::move(loaded).error();
        return LeafLook{std::move(next), word.page_id(), std::string(loaded.error().message())};
      }
      SharedGuard child = SharedGuard::lock(*word.frame());
      const Result<void> looked = look_at_child(node, place, child.frame(), key);
      if (!looked) {
        return LeafLook{std::move(next), id_of(child.frame()),
                        std::string(looked.error().message())};
      }
      guard.emplace(std::move(child));
    }
  }
}

}  // namespace aether::index
