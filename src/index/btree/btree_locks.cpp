// Explicit locks and the rows that others wrote without one.
#include <algorithm>

#include "index/btree/btree.h"

namespace aether::index {

using buffer::OptimisticGuard;
using buffer::SharedGuard;
using page::SlottedPage;

void BTree::count_locker(txn::TransactionContext& txn) {
  std::vector<std::atomic<uint32_t>*>& counted = txn.locked_stores;
  if (std::find(counted.begin(), counted.end(), &lockers_) != counted.end()) return;
  counted.push_back(&lockers_);  // May fail: then nobody is counted.
  lockers_.fetch_add(1, std::memory_order_seq_cst);
}

// Both look under a shared latch: a writer that has the page after us sees that we are counted, and what one has
// written before us, we see.

Result<void> BTree::check_locked_key(txn::TransactionContext& txn, Bytes key) {
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const OptimisticGuard guard, find_leaf_for(&txn, key));
    const SharedGuard shared = SharedGuard::lock(guard.frame());
    if (!guard.validate()) continue;
    SlottedPage node = services_.pool.node(guard.frame());
    const SlottedPage::Position at = node.lower_bound(key);
    return at.exact ? check_writer(txn, page::meta_of(node.payload(at.slot)).txn())
                    : Result<void>();
  }
}

Result<void> BTree::check_locked_range(txn::TransactionContext& txn, Bytes begin, Bytes end) {
  std::string from(begin);
  std::string key;
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const OptimisticGuard guard, find_leaf(from));
    const SharedGuard shared = SharedGuard::lock(guard.frame());
    if (!guard.validate()) continue;
    SlottedPage node = services_.pool.node(guard.frame());
    for (uint32_t slot = node.lower_bound(from).slot; slot < node.count(); ++slot) {
      node.key(slot, key);
      if (!end.empty() && key >= end) return {};
      AETHER_TRY(check_writer(txn, page::meta_of(node.payload(slot)).txn()));
    }
    const page::Fence upper = node.upper_fence();
    if (!upper || (!end.empty() && *upper >= end)) return {};
    from.assign(*upper);
    backoff = {};
  }
}

Result<std::string> BTree::newest_payload(Bytes key) {
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const OptimisticGuard guard, find_leaf(key));
    SlottedPage node = services_.pool.node(guard.frame());
    const SlottedPage::Position at = node.lower_bound(key);
    std::string payload(at.exact ? node.payload(at.slot) : Bytes());
    if (guard.validate()) return payload;
  }
}

}  // namespace aether::index
