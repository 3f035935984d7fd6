// Making room: purging ghosts, splitting nodes, growing the root.
//
// Phases of a structure modification: (1) take frames and page ids, may wait and fail; (2) latch top down, work out,
// log: may fail, nothing has changed; (3) change the bytes: cannot fail.
#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/reached.h"
#include "buffer/unswizzle.h"
#include "index/btree/btree.h"
#include "index/btree/scratch_page.h"

namespace aether::index {

using buffer::ExclusiveGuard;
using buffer::Frame;
using buffer::OptimisticGuard;
using buffer::PageRef;
using buffer::SwipWord;
using page::SlottedPage;

Result<buffer::Frame*> BTree::create(Services& services, txn::TransactionContext& txn,
                                     StoreId store) {
  AETHER_TRY_ASSIGN(NewPage root, NewPage::take(services, txn.log));
  txn.pin(services.transactions);
  SlottedPage node = services.pool.node(root.latch());
  node.format(root.id(), store, 0, std::nullopt, std::nullopt);
  const std::string image = node.image();
  const Bytes image_view = image;
  std::vector<PageRef> pages{services.pool.ref(root.frame())};
  std::vector<wal::PartSpec> parts(1);
  PageParts::format(parts[0], store, image_view);
  // The map comes first, so that undo of this record gives the page back.
  buffer::SpaceManager::MapChange map = services.space.change(buffer::SpaceOp::allocate,
                                                              {&root.range(), 1}, txn.log);
  map.append_to(pages, parts);
  std::rotate(pages.begin(), pages.begin() + 1, pages.end());
  std::rotate(parts.begin(), parts.begin() + 1, parts.end());
  const Lsn previous = txn.log.last_lsn;
  std::string undo(sizeof(uint64_t) + sizeof(uint32_t), '\0');
  base::store(undo.data(), raw(root.id()));
  base::store(undo.data() + sizeof(uint64_t), uint32_t{1});
  const std::string_view undo_view(undo);
  txn.undo.make_room();
  base::make_room(txn.new_roots);
  txn::OwnedVersion taken(txn::Version::make(store, {}, undo));
  AETHER_TRY(buffer::log_change(services.log, txn.log, {}, pages, parts, {&undo_view, 1}));
  map.apply();
  txn.undo.push({.manager = wal::ResourceManager::space,
                 .op = static_cast<uint8_t>(buffer::SpaceOp::allocate),
                 .lsn = txn.log.last_lsn,
                 .previous = previous,
                 .key = {},
                 .before = {},
                 .version = taken.release()});
  Frame& frame = root.frame();
  root.keep(nullptr);
  txn.new_roots.push_back(&frame);
  return &frame;
}

/// The node at `level` on the way to `key`, or the one before that is `depth_max` below the root; and its parent.
Result<BTree::Path> BTree::find_path(Bytes key, uint32_t level, uint32_t depth_max,
                                     buffer::ScanRing* ring) {
  for (os::Backoff backoff;; backoff.wait()) {
    std::optional<OptimisticGuard> parent;
    OptimisticGuard guard = OptimisticGuard::enter(root_);
    for (uint32_t depth = 0;; ++depth) {
      SlottedPage node = services_.pool.node(guard.frame());
      const uint32_t here = node.header().level;
      if (!guard.validate()) break;
      if (here <= level || depth == depth_max) {
        // A tree lower than asked for: the caller looks again.
        AETHER_ASSERT(here >= level || !parent);
        return Path{std::move(parent), std::move(guard)};
      }
      uint64_t* place = node.child_word(node.child_index(key));
      const SwipWord word = SwipWord::load(place);
      if (!word.is_hot() && (ring == nullptr || !word.is_cool())) {
        parent.reset();
        AETHER_TRY(services_.pool.resolve(guard, place, ring));
        backoff = {};  // Nobody was in the way, and that of a radix tree may be long.
        break;
      }
      if (!guard.validate()) break;
      OptimisticGuard next = OptimisticGuard::enter(*word.frame());
      if (!guard.validate()) break;
      parent = std::move(guard);
      guard = std::move(next);
    }
  }
}

Result<void> BTree::make_room(buffer::LogContext& context, Bytes key, uint32_t payload_bytes) {
  AETHER_TRY_ASSIGN(const bool purged, purge_ghosts(context, key));
  if (purged) return {};
  return growth_ == Growth::radix ? split_radix(context, key, payload_bytes)
                                  : split(context, key, 0, payload_bytes);
}

/// Its value lies in the leaf, and no reader, now or later, finds the row. `horizon_ms` is asked for once. 0: not yet.
bool BTree::has_expired_for_all(Bytes payload, uint64_t& horizon_ms) const noexcept {
  if (page::meta_of(payload).overflow()) return false;
  const uint64_t expiry_ms = page::expiry_of(payload);
  if (expiry_ms == 0) return false;
  if (horizon_ms == 0) horizon_ms = services_.transactions.expiry_horizon_ms();
  return page::has_expired(expiry_ms, horizon_ms);
}

/// Ghosts in the leaf of `key` that nobody can look behind any more make room before a split does, and so do expired rows.
Result<bool> BTree::purge_ghosts(buffer::LogContext& context, Bytes key) {
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(OptimisticGuard guard, find_leaf(key));
    const std::optional<ExclusiveGuard> leaf = guard.try_upgrade();
    if (!leaf) continue;
    SlottedPage node = services_.pool.node(leaf->frame());
    bool purged = false;
    uint64_t horizon_ms = 0;
    for (uint32_t slot = node.count(); slot-- > 0;) {
      const page::RecordMeta meta = page::meta_of(node.payload(slot));
      if (meta.stays() || !services_.transactions.seen_by_all(meta.txn())) continue;
      if (!meta.removed() && !has_expired_for_all(node.payload(slot), horizon_ms)) continue;
      buffer::LogContext system = context.system();
      services_.transactions.add_dependency(meta.txn(), system.lsn_vector);
      std::string ghost;
      node.key(slot, ghost);
      RowPart part(BTreeOp::remove, store_, ghost, {}, {});
      const PageRef page = services_.pool.ref(leaf->frame());
      AETHER_TRY(buffer::log_change(services_.log, system, {}, {&page, 1}, {&part.spec(), 1}));
      AETHER_REACHED("btree.ghost_made_room");
      node.remove(slot);
      purged = true;
    }
    return purged;
  }
}

Result<void> BTree::split(buffer::LogContext& context, Bytes key, uint32_t level,
                          uint32_t payload_bytes) {
  for (os::Backoff backoff;; backoff.wait()) {
    std::string separator;
    AETHER_TRY_ASSIGN(const Step step, try_split(context, key, level, payload_bytes, separator));
    if (step == Step::done) return {};
    if (step == Step::full) AETHER_TRY(split(context, separator, level + 1, sizeof(uint64_t)));
  }
}

/// full: the parent has no room for `separator`; split it first.
Result<BTree::Step> BTree::try_split(buffer::LogContext& context, Bytes key, uint32_t level,
                                     uint32_t payload_bytes, std::string& separator) {
  AETHER_TRY_ASSIGN(NewPage right, NewPage::take(services_, context));
  std::optional<NewPage> left;  // The root's content moves down into two new pages.
  bool splits_root = false;
  {
    const OptimisticGuard guard = OptimisticGuard::enter(root_);
    const uint32_t root_level = services_.pool.node(root_).header().level;
    if (!guard.validate()) return Step::restart;
    if (root_level < level)
      return Step::done;  // The tree has shrunk: the caller looks again from below.
    splits_root = root_level == level;
  }
  if (splits_root) {
    AETHER_TRY_ASSIGN(NewPage page, NewPage::take(services_, context));
    left.emplace(std::move(page));
  }

  AETHER_TRY_ASSIGN(Path path, find_path(key, level));
  if (path.parent.has_value() == splits_root) return Step::restart;
  std::optional<ExclusiveGuard> parent;
  if (path.parent) {
    parent = path.parent->try_upgrade();
    if (!parent) return Step::restart;
  }
  std::optional<ExclusiveGuard> latched = path.node.try_upgrade();
  if (!latched) return Step::restart;
  SlottedPage node = services_.pool.node(latched->frame());
  if (node.header().level != level) return Step::restart;
  if (node.fits(static_cast<uint32_t>(key.size()), payload_bytes)) return Step::done;

  const SlottedPage::SplitPoint point = node.choose_split(key, payload_bytes);
  buffer::LogContext system = context.system();
  if (splits_root) {
    if (level > 0) AETHER_REACHED("btree.third_level");
    AETHER_TRY(split_in_place(system, latched->frame(), point, *left, right));
    return Step::done;
  }
  SlottedPage parent_node = services_.pool.node(parent->frame());
  if (!parent_node.fits(static_cast<uint32_t>(point.separator.size()), sizeof(uint64_t))) {
    AETHER_REACHED("btree.parent_split_first");
    separator = point.separator;
    return Step::full;
  }
  AETHER_TRY(split_node(system, parent->frame(), latched->frame(), point, right));
  return Step::done;
}

Result<void> BTree::split_node(buffer::LogContext& context, Frame& parent, Frame& node_frame,
                               const SlottedPage::SplitPoint& point, NewPage& right) {
  SlottedPage node = services_.pool.node(node_frame);
  SlottedPage parent_node = services_.pool.node(parent);
  SlottedPage right_node = services_.pool.node(right.latch());
  node.copy_right_half(point, right_node, right.id());
  const std::string image = logged_image(right_node);

  const uint64_t child = raw(right.id());
  const Bytes child_bytes(reinterpret_cast<const char*>(&child), sizeof child);
  const Bytes separator = point.separator;
  RowPart link(BTreeOp::insert, store_, separator, child_bytes, {});
  std::vector<PageRef> pages{services_.pool.ref(right.frame()), services_.pool.ref(node_frame),
                             services_.pool.ref(parent)};
  std::vector<wal::PartSpec> parts(3);
  const Bytes image_view = image;
  PageParts::format(parts[0], store_, image_view);
  PageParts::set(parts[1], BTreeOp::truncate, store_, separator);
  parts[2] = link.spec();
  buffer::SpaceManager::MapChange map = services_.space.change(buffer::SpaceOp::allocate,
                                                               {&right.range(), 1}, context);
  map.append_to(pages, parts);
  AETHER_TRY(buffer::log_change(services_.log, context, {}, pages, parts));

  map.apply();
  node.truncate(separator);
  const uint64_t swip = SwipWord::hot(&right.frame()).word();
  parent_node.insert(parent_node.lower_bound(separator).slot, separator,
                     Bytes(reinterpret_cast<const char*>(&swip), sizeof swip));
  right.keep(&parent);
  if (!node.is_leaf()) services_.pool.adopt_children(node_frame);
  return {};
}

/// The content moves down into two new pages: the node stays where it is, above them.
Result<void> BTree::split_in_place(buffer::LogContext& context, Frame& frame,
                                   const SlottedPage::SplitPoint& point, NewPage& left,
                                   NewPage& right) {
  SlottedPage node = services_.pool.node(frame);
  SlottedPage left_node = services_.pool.node(left.latch());
  SlottedPage right_node = services_.pool.node(right.latch());
  const Bytes separator = point.separator;
  node.copy_right_half(point, right_node, right.id());
  std::copy_n(node.bytes(), node.page_bytes(), left_node.bytes());
  left_node.header().page.page_id = left.id();
  left_node.truncate(separator);

  ScratchPage scratch(node.page_bytes());
  SlottedPage above = scratch.node();
  const uint32_t level = growth_ == Growth::radix ? page::kRadixLevel : node.header().level + 1u;
  above.format(frame.page_id.load(), store_, static_cast<uint8_t>(level), node.lower_fence(),
               node.upper_fence());
  above.header().page.newest_txn = node.header().page.newest_txn;
  above.header().leftmost = raw(left.id());
  const uint64_t child = raw(right.id());
  above.insert(0, separator, Bytes(reinterpret_cast<const char*>(&child), sizeof child));

  const std::string images[] = {logged_image(left_node), logged_image(right_node), above.image()};
  const Bytes views[] = {images[0], images[1], images[2]};
  std::vector<PageRef> pages{services_.pool.ref(left.frame()), services_.pool.ref(right.frame()),
                             services_.pool.ref(frame)};
  std::vector<wal::PartSpec> parts(3);
  for (size_t i = 0; i < 3; ++i) PageParts::format(parts[i], store_, views[i]);
  const buffer::PageRange ranges[] = {left.range(), right.range()};
  buffer::SpaceManager::MapChange map = services_.space.change(buffer::SpaceOp::allocate, ranges,
                                                               context);
  map.append_to(pages, parts);
  AETHER_TRY(buffer::log_change(services_.log, context, {}, pages, parts));

  map.apply();
  above.header().page.gsn = node.header().page.gsn;
  std::copy_n(above.bytes(), node.page_bytes(), node.bytes());
  SwipWord::hot(&left.frame()).store(node.child_word(0));
  SwipWord::hot(&right.frame()).store(node.child_word(1));
  frame.swizzled_children.store(0, std::memory_order_relaxed);
  left.keep(&frame);
  right.keep(&frame);
  return {};
}

}  // namespace aether::index
