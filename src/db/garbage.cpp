#include "db/garbage.h"

#include <utility>

#include "base/no_memory.h"
#include "base/planted.h"
#include "db/env_impl.h"

namespace aether::db {

void Garbage::add(txn::TransactionContext& ended) noexcept {
  index::Services& services = env_.services();
  services.versions.retire(
      ended.single_record ? std::move(ended.versions) : ended.undo.take_versions(),
      services.transactions);
  const size_t ghosts = ended.ghosts.size();
  if (ghosts > 0) {
    os::LockGuard lock(mutex_);
    // Without memory for the list, ghosts stay until their pages need the room.
    static_cast<void>(base::if_memory_allows([&]() AETHER_NO_THREAD_SAFETY {
      for (txn::Ghost& ghost : ended.ghosts) {
        removed_.push_back({std::move(ghost), ended.id(), ended.log.gsn, ended.log.lsn_vector});
      }
    }));
    any_removed_.store(true, std::memory_order_relaxed);
    ended.ghosts.clear();
  }
  collect(kGhostShare + 2 * ghosts);
}

void Garbage::collect(size_t ghosts_max) noexcept {
  index::Services& services = env_.services();
  services.versions.collect(services.transactions);
  if (!any_removed_.load(std::memory_order_relaxed)) return;
  Removed next;
  for (; ghosts_max > 0 && take_next(next); --ghosts_max) {
    // A ghost that stays is invisible, and goes when its page needs the room.
    const bool purged = purge(next);
    end_purge();
    if (!purged) return;
  }
}

/// False: there is none that nobody can look behind, or another thread is at it.
bool Garbage::take_next(Removed& next) noexcept {
  os::LockGuard lock(mutex_);
  if (removed_.empty()) any_removed_.store(false, std::memory_order_relaxed);
  if (purging_ || removed_.empty()) return false;
  const Removed& front = removed_.front();
  const bool seen_by_all = env_.services().transactions.seen_by_all(front.owner) ||
                           AETHER_PLANTED("txn.purge_ghost_early");
  if (!seen_by_all) return false;
  if (front.ghost.in_memory && !front.vector.covered_by(env_.services().log.durable()))
    return false;
  next = std::move(removed_.front());
  removed_.pop_front();
  purging_ = true;
  return true;
}

void Garbage::end_purge() noexcept {
  os::LockGuard lock(mutex_);
  purging_ = false;
  purged_.notify_all();
}

void Garbage::forget_store(StoreId store) noexcept {
  os::LockGuard lock(mutex_);
  std::erase_if(removed_, [&](const Removed& removed) { return removed.ghost.store == store; });
  while (purging_) purged_.wait(mutex_);
}

bool Garbage::purge(const Removed& removed) noexcept {
  // Not opened for this: whoever drops a store waits for us.
  if (removed.ghost.in_memory) {
    table::Table* const table = env_.open_rows(removed.ghost.store).table;
    if (table == nullptr) return true;  // The store has been dropped since.
    return base::or_no_memory([&] { return table->purge(removed.ghost.key, removed.owner); })
        .has_value();
  }
  index::BTree* const tree = env_.open_tree(removed.ghost.store);
  if (tree == nullptr) return true;
  buffer::LogContext system{
      .stream = env_.stream_of_caller(), .gsn = removed.gsn, .lsn_vector = removed.vector};
  return base::or_no_memory([&] { return tree->purge(system, removed.ghost.key, removed.owner); })
      .has_value();
}

}  // namespace aether::db
