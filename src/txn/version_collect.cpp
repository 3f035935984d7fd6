// What becomes of retired versions: freed, swept, spilled.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "txn/version_store.h"

namespace aether::txn {

void VersionStore::retire(VersionList versions, const TransactionTable& table) noexcept {
  // They have ended: a snapshot that is opened from here on sees what has replaced these.
  VersionList needed;
  uint64_t bytes = 0;
  while (!versions.empty()) {
    Version* const version = versions.pop_front();
    if (table.may_need_version(version->writer)) {
      bytes += version->memory_bytes();
      needed.push_back(version);
    } else {
      unlink(*version);
      Version::destroy(version);
    }
  }
  if (needed.empty()) return;
  versions_.fetch_add(needed.size(), std::memory_order_relaxed);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  {
    os::LockGuard lock(queue_mutex_);
    incoming_.append(needed);
  }
  for (bool more = true; more;) {
    if (must_help()) {
      collector_mutex_.lock();
    } else if (!collector_mutex_.try_lock()) {
      return;
    }
    take_incoming();
    more = work_if_memory_allows(table) && must_help();
    collector_mutex_.unlock();
  }
}

void VersionStore::keep(VersionList versions) noexcept {
  os::LockGuard lock(queue_mutex_);
  kept_.append(versions);
}

void VersionStore::collect(const TransactionTable& table) noexcept {
  for (bool more = true; more;) {
    if (versions_.load(std::memory_order_relaxed) == 0 && runs_.empty()) return;
    if (!collector_mutex_.try_lock()) return;
    take_incoming();
    const TxnId horizon = table.horizon();
    // Without memory: with the next end.
    static_cast<void>(base::if_memory_allows([&] { runs_.drop_below(horizon); }));
    more = destroy_front(horizon);
    collector_mutex_.unlock();
  }
}

void VersionStore::take_incoming() noexcept {
  VersionList arriving;
  {
    os::LockGuard lock(queue_mutex_);
    arriving.append(incoming_);
  }
  for (const Version* version = arriving.front(); version != nullptr; version = version->following)
    arrived_bytes_ += version->memory_bytes();
  unswept_.append(arriving);
}

void VersionStore::leave_memory(Version* version) noexcept {
  unlink(*version);
  versions_.fetch_sub(1, std::memory_order_relaxed);
  bytes_.fetch_sub(version->memory_bytes(), std::memory_order_relaxed);
  Version::destroy(version);
}

void VersionStore::destroy(Version* version) noexcept {
  collected_.fetch_add(1, std::memory_order_relaxed);
  leave_memory(version);
}

/// True: it has done a batch, and there is more.
bool VersionStore::destroy_front(TxnId horizon) noexcept {
  // Nobody reads what is being spilled, here or in its run.
  if (spill_ != nullptr && spill_->versions() > 0 && spill_->newest_superseder() < horizon)
    give_up_spill();
  for (size_t i = 0; i < kBatch; ++i) {
    const bool is_swept = !swept_.empty();
    VersionList& queue = is_swept ? swept_ : unswept_;
    const bool any_age = AETHER_PLANTED("txn.collect_version_early");
    if (queue.empty() || (queue.front()->superseded_by >= horizon && !any_age)) return false;
    destroy(queue.pop_front());
    if (!is_swept && to_sweep_ > 0) --to_sweep_;
  }
  return true;
}

/// False also if there was no memory for it: it is tried again with the next end.
bool VersionStore::work_if_memory_allows(const TransactionTable& table) noexcept {
  bool worked = false;
  static_cast<void>(
      base::if_memory_allows([&]() AETHER_NO_THREAD_SAFETY { worked = work(table); }));
  return worked;
}

/// Does a share of what is to be done. False: nothing is. Whenever an allocation fails, no version has been lost.
bool VersionStore::work(const TransactionTable& table) {
  if (spilling_ != Spilling::no) {
    spill_share();
  } else if (to_sweep_ > 0) {
    sweep_share();
  } else if (is_sweep_due()) {
    begin_sweep(table);
  } else {
    return runs_.merge_some(table, kShare);
  }
  return true;
}

bool VersionStore::is_sweep_due() const {
  if (swept_.size() + unswept_.size() >= sweep_at_) return true;
  return bytes_.load(std::memory_order_relaxed) > options_.bytes_max / 2 &&
         arrived_bytes_ >= retry_at_;
}

void VersionStore::begin_sweep(const TransactionTable& table) {
  // Snapshots that are opened from here on see what has replaced these versions.
  snapshots_ = table.snapshots();
  unswept_.prepend(swept_);
  to_sweep_ = unswept_.size();
}

void VersionStore::sweep_share() {
  for (size_t i = 0; i < kShare && to_sweep_ > 0; ++i, --to_sweep_) {
    Version* const version = unswept_.pop_front();
    if (is_needed(version->writer, version->superseded_by, snapshots_)) {
      swept_.push_back(version);
    } else {
      destroy(version);
    }
  }
  if (to_sweep_ > 0) return;
  sweep_at_ = std::max(kSweepMin, 2 * (swept_.size() + unswept_.size()));
  const uint64_t bytes = bytes_.load(std::memory_order_relaxed);
  if (bytes <= options_.bytes_max / 4 || arrived_bytes_ < retry_at_) return;
  // The newest stay: they are those that most snapshots are about to read, and that go soonest.
  spill_ = std::make_unique<VersionSpill>();
  spill_bytes_ = bytes - options_.bytes_max / 8;
  spilling_ = Spilling::gathers;
}

void VersionStore::spill_share() {
  if (spilling_ == Spilling::gathers) {
    for (size_t i = 0; i < kShare; ++i) {
      if (swept_.empty() || spill_->memory_bytes() >= spill_bytes_) {
        spilling_ = Spilling::writes;
        if (spill_->versions() == 0) give_up_spill();
        return;
      }
      spill_->take(swept_.pop_front());
    }
  } else if (spilling_ == Spilling::writes) {
    const Result<bool> more = base::or_no_memory(
        [&]() AETHER_NO_THREAD_SAFETY { return spill_->write_some(runs_, kShare); });
    spill_failed_.store(!more, std::memory_order_relaxed);
    if (!more) {
      spill_failures_.fetch_add(1, std::memory_order_relaxed);
      retry_at_ = arrived_bytes_ + options_.bytes_max / 4;
      give_up_spill();
    } else if (!*more) {
      spills_.fetch_add(1, std::memory_order_relaxed);
      spilling_ = Spilling::leaves_memory;
    }
  } else {
    VersionList versions = spill_->give_back(kShare);
    const bool any = !versions.empty();
    while (!versions.empty()) leave_memory(versions.pop_front());
    if (any) return;
    spilling_ = Spilling::no;
    spill_.reset();
    sweep_at_ = std::max(kSweepMin, 2 * (swept_.size() + unswept_.size()));
  }
}

/// Its versions stay in memory. They are the oldest, but no longer in order.
void VersionStore::give_up_spill() noexcept {
  VersionList versions = spill_->give_back(spill_->versions());
  swept_.prepend(versions);
  spilling_ = Spilling::no;
  spill_.reset();
}

}  // namespace aether::txn
