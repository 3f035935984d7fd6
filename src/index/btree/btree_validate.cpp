// Looking again at what a serializable transaction has read (txn/validation.h).
#include "index/btree/btree.h"

namespace aether::index {

using buffer::OptimisticGuard;
using page::SlottedPage;
using txn::Validation;

/// May `validation`'s transaction have read the row at `slot`? A guess until the page validates.
bool BTree::row_holds(SlottedPage node, uint32_t slot, Bytes key, const Validation& validation) {
  const TxnId writer = page::meta_of(node.payload(slot)).txn();
  const Validation::Writer judged = validation.judge(writer);
  if (judged != Validation::Writer::later) return judged == Validation::Writer::harmless;
  // It replaced what another may have changed and committed before it. That version is there as long as it is open: if
  // it no longer is, the look may have missed it.
  const std::optional<TxnId> before = services_.versions.newest_writer(store_, key);
  if (validation.judge(writer) != Validation::Writer::later) return false;
  return !before || *before == validation.self || validation.snapshot.sees(*before);
}

Result<bool> BTree::still_holds(Bytes key, const txn::PageWitness& witness,
                                const Validation& validation) {
  if (witness.frame->latch.validate(witness.version)) return true;
  for (os::Backoff backoff;; backoff.wait()) {
    std::optional<OptimisticGuard> guard = enter_again(key, *witness.frame);
    if (!guard) {
      AETHER_TRY_ASSIGN(OptimisticGuard found, find_leaf(key));
      guard.emplace(std::move(found));
    }
    SlottedPage node = services_.pool.node(guard->frame());
    const SlottedPage::Position at = node.lower_bound(key);
    const bool holds = !at.exact || row_holds(node, at.slot, key, validation);
    if (guard->validate()) return holds;
  }
}

Result<bool> BTree::still_holds(const txn::RangeRead& range, const Validation& validation) {
  std::string from = range.first;
  std::string key;
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const OptimisticGuard guard, find_leaf(from));
    SlottedPage node = services_.pool.node(guard.frame());
    const uint32_t count = node.count();
    bool holds = true;
    // Most leaves have not been written since, by anybody.
    if (!validation.snapshot.sees_all_to(node.header().page.newest_txn)) {
      for (uint32_t slot = node.lower_bound(from).slot; slot < count && holds; ++slot) {
        node.key(slot, key);
        if (range.ends_before(key)) break;
        holds = row_holds(node, slot, key, validation);
      }
    }
    const page::Fence upper = node.upper_fence();
    const bool is_last = !upper || range.ends_before(*upper);
    std::string next(upper.value_or(Bytes()));
    if (!guard.validate()) continue;
    if (!holds || is_last) return holds;
    from = std::move(next);
    backoff = {};
  }
}

}  // namespace aether::index
