// Descent and reading.
#include "index/btree/btree.h"

#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/prefetch.h"
#include "index/btree/overflow.h"
#include "index/btree/prefetch.h"
#include "index/btree/read_view.h"
#include "txn/version.h"

namespace aether::index {

using buffer::Frame;
using buffer::OptimisticGuard;
using buffer::SwipWord;
using page::SlottedPage;

uint32_t BTree::key_bytes_max(uint32_t page_bytes) noexcept {
  return SlottedPage::max_key_bytes(page_bytes);
}

uint32_t BTree::inline_value_max(uint32_t page_bytes, size_t key_bytes) noexcept {
  const uint32_t record_max = SlottedPage::max_record_bytes(page_bytes);
  return record_max - page::kMetaBytes - page::kExpiryBytes - static_cast<uint32_t>(key_bytes);
}

Result<OptimisticGuard> BTree::find_leaf(Bytes key, SeekTo where, buffer::ScanRing* ring,
                                         LeafPlace* place) {
  for (os::Backoff backoff;; backoff.wait()) {
    OptimisticGuard guard = OptimisticGuard::enter(root_);
    if (place != nullptr) *place = {};
    for (;;) {
      SlottedPage node = services_.pool.node(guard.frame());
      if (node.is_leaf()) {
        if (!guard.validate()) break;
        return guard;
      }
      const uint32_t index = where == SeekTo::last ? node.count()
                                                   : node.child_index(key, where == SeekTo::below);
      uint64_t* word_place = node.child_word(index);
      const SwipWord word = SwipWord::load(word_place);
      const bool usable = word.is_hot() || (ring != nullptr && word.is_cool());
      if (!usable) {
        AETHER_TRY(services_.pool.resolve(guard, word_place, ring));
        if (growth_ == Growth::radix)
          backoff = {};  // Nobody was in the way, and the way may be long.
        break;
      }
      // Only now may the pointer be followed; and after entering the child, only if the swip still held.
      if (!guard.validate()) break;
      Frame& child = *word.frame();
      prefetch_node(services_.pool, child, node.header().level == 1);
      OptimisticGuard next = OptimisticGuard::enter(child);
      if (place != nullptr) *place = {&guard.frame(), guard.version(), index};
      if (!guard.validate()) break;
      guard = std::move(next);
    }
  }
}

/// The frame of the leaf beside `place`, a guess until `parent` validates; null: another parent's, or not in memory.
Frame* BTree::sibling(const OptimisticGuard& parent, uint32_t index) noexcept {
  SlottedPage node = services_.pool.node(parent.frame());
  if (index > node.count()) return nullptr;  // Also for the one before the first.
  const SwipWord word = SwipWord::load(node.child_word(index));
  return word.in_memory() && parent.validate() ? word.frame() : nullptr;
}

std::optional<OptimisticGuard> BTree::enter_sibling(LeafPlace& place, bool up) noexcept {
  if (place.parent == nullptr) return std::nullopt;
  const std::optional<OptimisticGuard> parent = OptimisticGuard::try_enter(*place.parent);
  if (!parent || parent->version() != place.version) return std::nullopt;
  const uint32_t index = up ? place.index + 1 : place.index - 1;
  Frame* const leaf = sibling(*parent, index);
  if (leaf == nullptr) return std::nullopt;
  std::optional<OptimisticGuard> guard = OptimisticGuard::try_enter(*leaf);
  // Beside a leaf of a radix tree there may be a subtree.
  if (!guard || !services_.pool.node(*leaf).is_leaf() || !parent->validate()) return std::nullopt;
  place.index = index;
  return guard;
}

const Frame* BTree::prefetch_sibling(const LeafPlace& place, bool up) noexcept {
  if (place.parent == nullptr) return nullptr;
  const std::optional<OptimisticGuard> parent = OptimisticGuard::try_enter(*place.parent);
  if (!parent || parent->version() != place.version) return nullptr;
  const Frame* const leaf = sibling(*parent, up ? place.index + 1 : place.index - 1);
  if (leaf == nullptr) return nullptr;
  prefetch_node(services_.pool, *leaf, true);
  base::prefetch(&leaf->lsn_vector);
  return leaf;
}

namespace {

bool is_within(Bytes key, const SlottedPage& node) noexcept {
  const page::Fence lower = node.lower_fence(), upper = node.upper_fence();
  return (!lower || *lower <= key) && (!upper || key < *upper);
}

}  // namespace

/// The leaf of `key`, if that is what the frame holds now: then it needs no descent.
std::optional<OptimisticGuard> BTree::enter_again(Bytes key, Frame& leaf) {
  OptimisticGuard guard = OptimisticGuard::enter(leaf);
  SlottedPage node = services_.pool.node(leaf);
  const page::PageHeader& header = node.header().page;
  // What is left of a page in a frame that holds none, a new page, and one that waits for a descent after redo and may be
  // free by now, are no leaves of the tree: they have no parent, and are no roots.
  const PageId page = leaf.page_id.load(std::memory_order_relaxed);
  const bool is_linked = leaf.parent.load(std::memory_order_relaxed) != nullptr ||
                         leaf.pinned.load(std::memory_order_relaxed);
  const bool is_leaf = is_linked && page != kNoPage && header.page_id == page &&
                       header.kind == page::PageKind::btree_leaf && header.store == store_;
  if (!is_leaf || !is_within(key, node) || !guard.validate()) return std::nullopt;
  return guard;
}

/// find_leaf_for, but where rows come in key order it mostly needs no descent.
Result<OptimisticGuard> BTree::find_leaf_to_write(txn::TransactionContext& txn, Bytes key) {
  std::atomic<Frame*>& place = append_places_.mine();
  if (Frame* const leaf = place.load(std::memory_order_relaxed); leaf != nullptr) {
    std::optional<OptimisticGuard> again = enter_again(key, *leaf);
    if (again) return *std::move(again);
    place.store(nullptr, std::memory_order_relaxed);
  }
  return find_leaf_for(&txn, key);
}

/// find_leaf, which remembers for a transaction that may write where it has been.
Result<OptimisticGuard> BTree::find_leaf_for(txn::TransactionContext* txn, Bytes key) {
  if (txn == nullptr || txn->id() == 0) return find_leaf(key);
  const uint64_t row = txn::RowKey(store_, key).hash;
  if (Frame* const leaf = txn->recent.find(row); leaf != nullptr) {
    std::optional<OptimisticGuard> again = enter_again(key, *leaf);
    if (again) return *std::move(again);
  }
  AETHER_TRY_ASSIGN(OptimisticGuard guard, find_leaf(key));
  txn->recent.add(row, guard.frame());
  return guard;
}

/// The row as `view` sees it, in the page or copied to `older`.
inline Result<BTree::RowRead> BTree::read_row(const OptimisticGuard& guard, Bytes key,
                                              ReadView& view, std::string& older) {
  SlottedPage node = services_.pool.node(guard.frame());
  const SlottedPage::Position at = node.lower_bound(key);
  if (!at.exact) return RowRead{.in_page = true};
  const Bytes payload = node.payload(at.slot);
  if (view.sees(page::meta_of(payload).txn())) return RowRead{.payload = payload, .in_page = true};
  if (!view.has_snapshot()) {
    if (guard.validate()) view.take_snapshot();
    return RowRead{.again = true};
  }
  Result<bool> found = view.find_version(store_, key, older);
  if (!guard.validate()) return RowRead{.again = true};
  if (!found) return std::move(found).error();
  return RowRead{.payload = *found ? Bytes(older) : Bytes()};
}

Result<void> BTree::get(Bytes key, std::string& value, txn::TransactionContext* txn) {
  ReadView view(services_, txn);
  return get(key, value, view, txn);
}

Result<void> BTree::get(Bytes key, std::string& value, ReadView& view,
                        txn::TransactionContext* txn) {
  std::string older;
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const OptimisticGuard guard, find_leaf_for(txn, key));
    bool again = false;
    Result<void> read = read_at(guard, key, value, older, view, txn, Reading::whole, again);
    if (!again) return read;
  }
}

Result<uint64_t> BTree::expiry(Bytes key, ReadView& view, txn::TransactionContext* txn) {
  std::string value;
  std::string older;
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const OptimisticGuard guard, find_leaf_for(txn, key));
    bool again = false;
    view.forget_expiry();
    Result<void> read = read_at(guard, key, value, older, view, txn, Reading::head, again);
    if (again) continue;
    AETHER_TRY(std::move(read));
    return view.expiry_ms();
  }
}

/// One look at `key` in its leaf: the one place where a row is read for its value. `again`: what was read did not hold,
/// or needs Reading::whole, and the answer means nothing. Errors: not_found, corruption, io_error.
Result<void> BTree::read_at(const OptimisticGuard& leaf, Bytes key, std::string& value,
                            std::string& older, ReadView& view, txn::TransactionContext* txn,
                            Reading reading, bool& again) {
  const auto look_again = [&again]() -> Result<void> {
    again = true;
    return {};
  };
  // Used where it lies: to move it out of the result, and not to inline read_row, are 30 instructions more.
  Result<RowRead> found = read_row(leaf, key, view, older);
  if (!found) return std::move(found).error();
  const RowRead& row = *found;
  if (row.again) return look_again();
  const Bytes payload = row.payload;
  const uint64_t version = row.in_page ? leaf.version() : txn::PageWitness::kNoVersion;
  if (txn != nullptr)
    txn->log.lsn_vector.raise(leaf.frame().lsn_vector, services_.log.stream_count());
  const page::RecordMeta meta = page::meta_of(payload);
  const bool is_there = !payload.empty() &&
                        (meta.stays() || (!meta.removed() && !view.finds_expired(payload)));
  if (!is_there) {
    if (!leaf.validate()) return look_again();
    remember(txn, key, leaf.frame(), version);
    if (txn != nullptr) services_.transactions.add_dependency(meta.txn(), txn->log.lsn_vector);
    return Code::not_found;
  }
  if (reading == Reading::head) {
    if (!leaf.validate()) return look_again();
  } else if (meta.overflow()) {
    if (reading == Reading::inside) return look_again();
    const Bytes where = page::value_of(payload, meta);
    if (where.size() != sizeof(page::OverflowReference)) {
      if (!leaf.validate()) return look_again();
      return Error(Code::corruption, "a row's reference to its value is damaged");
    }
    const auto reference = base::load<page::OverflowReference>(where.data());
    if (!leaf.validate()) return look_again();
    const uint64_t before = before_value(services_, reference);
    const bool is_kept = find_value(services_, reference, value);
    Result<void> read = is_kept ? Result<void>() : read_overflow(services_, reference, value);
    // A snapshot keeps the pages; else they may have been given back while they were read.
    if (!view.has_snapshot()) {
      AETHER_TRY_ASSIGN(const bool same, holds_reference(key, meta, reference));
      if (!same) return look_again();
    }
    AETHER_TRY(std::move(read));
    if (!is_kept) keep_value(services_, reference, value, before);
  } else {
    value.assign(page::value_of(payload, meta));
    if (!leaf.validate()) return look_again();
  }
  remember(txn, key, leaf.frame(), version);
  if (txn != nullptr) services_.transactions.add_dependency(meta.txn(), txn->log.lsn_vector);
  return {};
}

/// Before the leaf is let go, or its version would say nothing.
void BTree::remember(txn::TransactionContext* txn, Bytes key, Frame& leaf, uint64_t version) const {
  if (txn == nullptr || txn->reads == nullptr) return;
  txn->reads->add_key(store_, key, {.frame = &leaf, .version = version});
}

/// True if the row still refers to that value: what was read of it meanwhile counts. (To give the pages back, a
/// transaction has to write the row first.)
Result<bool> BTree::holds_reference(Bytes key, page::RecordMeta meta,
                                    const page::OverflowReference& reference) {
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const OptimisticGuard guard, find_leaf(key));
    SlottedPage node = services_.pool.node(guard.frame());
    const SlottedPage::Position at = node.lower_bound(key);
    const Bytes payload = at.exact ? node.payload(at.slot) : Bytes();
    const Bytes where = page::value_of(payload);
    const bool same = page::meta_of(payload).word() == meta.word() &&
                      where.size() == sizeof reference &&
                      base::load<page::OverflowReference>(where.data()).first_page ==
                          reference.first_page;
    if (guard.validate()) return same;
  }
}

Result<void> BTree::visit(Bytes key, FunctionRef<void(Bytes)> visitor,
                          txn::TransactionContext* txn) {
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const OptimisticGuard guard, find_leaf(key));
    const buffer::SharedGuard shared = buffer::SharedGuard::lock(guard.frame());
    if (!guard.validate()) continue;
    SlottedPage node = services_.pool.node(guard.frame());
    const SlottedPage::Position at = node.lower_bound(key);
    if (txn != nullptr) txn->log.lsn_vector.raise(guard.frame().lsn_vector);
    const Bytes payload = at.exact ? node.payload(at.slot) : Bytes();
    const page::RecordMeta meta = page::meta_of(payload);
    ReadView view(services_, txn);
    const bool elsewhere = at.exact && (!view.sees(meta.txn()) || meta.overflow());
    if (elsewhere) break;
    remember(txn, key, guard.frame(), guard.version());
    if (!at.exact) return Code::not_found;
    if (txn != nullptr) services_.transactions.add_dependency(meta.txn(), txn->log.lsn_vector);
    if (!meta.stays() && (meta.removed() || view.finds_expired(payload))) return Code::not_found;
    visitor(page::value_of(payload, meta));
    return {};
  }
  std::string value;  // Not in the leaf, or an older version: it has to be put together.
  AETHER_TRY(get(key, value, txn));
  visitor(value);
  return {};
}

Result<TreeShape> BTree::shape() {
  if (growth_ == Growth::radix) {
    buffer::ScanRing ring;
    return radix_shape(ring);
  }
  TreeShape result;
  std::vector<std::string> starts{std::string()};  // Lower fences of the nodes of one level.
  const uint32_t top = services_.pool.node(root_).header().level;
  result.height = top + 1;
  for (uint32_t level = top; level > 0; --level) {
    std::vector<std::string> next_starts;
    for (const std::string& start : starts) {
      for (os::Backoff backoff;; backoff.wait()) {
        AETHER_TRY_ASSIGN(const Path path, find_path(start, level));
        std::vector<std::string> found{start};
        SlottedPage node = services_.pool.node(path.node.frame());
        const uint32_t count = node.count();
        for (uint32_t i = 0; i < count && level > 1; ++i) {
          std::string key;
          node.key(i, key);
          found.push_back(std::move(key));
        }
        if (!path.node.validate()) continue;
        ++result.inner_pages;
        if (level == 1) result.leaf_pages += count + 1;
        next_starts.insert(next_starts.end(), found.begin(), found.end());
        break;
      }
    }
    starts = std::move(next_starts);
  }
  if (top == 0) result.leaf_pages = 1;
  return result;
}

}  // namespace aether::index
