// Who waits for whom: conflicts, queues, deadlocks. All but `sleep` under all latches of the manager.
#include <algorithm>
#include <utility>

#include "base/no_memory.h"
#include "base/probes.h"
#include "base/reached.h"
#include "txn/lock_table_private.h"
#include "txn/wait_for_graph.h"

namespace aether::txn {
namespace {

constexpr uint64_t
    kSliceNs = 3'600'000'000'000;  // What a condition can add to a clock without overflow.

std::string transaction(TxnId id) { return "transaction " + std::to_string(id); }

}  // namespace

LockManager::Queue& LockManager::queue_of(const LockRequest& request) const noexcept {
  const bool leaf = request.name.level > LockLevel::store;
  return leaf ? request.store->queue : coarse_of(request.store).queue;
}

LockManager::Queue& LockManager::queue_of(const LockEntry& entry) const noexcept {
  const bool leaf = entry.level > LockLevel::store;
  return leaf ? entry.store->queue : coarse_of(entry.store).queue;
}

LockName LockManager::name_of(const LockEntry& entry) noexcept {
  switch (entry.level) {
    case LockLevel::environment: return LockName::environment();
    case LockLevel::store: return LockName::of_store(entry.store->id);
    case LockLevel::key: return LockName::key(entry.store->id, entry.key->key);
    case LockLevel::range: break;
  }
  return LockName::range(entry.store->id, entry.range->begin, entry.range->end);
}

// --- Conflicts. Each visits, until `visit` returns true, what stands against a request. ------------------

bool LockManager::any_granted_conflict(const LockRequest& request,
                                       const BlockerVisitor& visit) const {
  if (request.name.level <= LockLevel::store) return any_coarse_conflict(request, visit);
  const bool among_keys = request.name.level == LockLevel::key ? any_key_conflict(request, visit)
                                                               : any_range_conflict(request, visit);
  if (among_keys) return true;
  const StoreId store = request.store->id;
  return request.store->ranges.visit_overlapping(request.name, [&](const RangeLock& range) {
    if (range.owner == request.owner || compatible(range.mode, request.mode)) return false;
    return visit({range.owner, LockName::range(store, range.begin, range.end), range.mode, true});
  });
}

bool LockManager::any_coarse_conflict(const LockRequest& request,
                                      const BlockerVisitor& visit) const {
  if (is_intention(request.mode) && coarse_of(request.store).strong == 0) return false;
  for (uint32_t i = 0; i < options_.partitions; ++i) {
    for (LockSet* set = partitions_[i].sets; set != nullptr; set = set->next_) {
      const LockEntry* held = request.store == nullptr ? set->environment_ : set->stores_;
      while (held != nullptr && held->store != request.store) held = held->next;
      if (held == nullptr || set == request.owner || compatible(held->mode, request.mode)) continue;
      if (visit({set, request.name, held->mode, true})) return true;
    }
  }
  return false;
}

bool LockManager::any_key_conflict(const LockRequest& request, const BlockerVisitor& visit) const {
  const KeyLocks* key = partition_of(request.hash)
                            .find(request.hash, request.store, request.name.begin);
  for (LockEntry* e = key == nullptr ? nullptr : key->holders; e != nullptr; e = e->next) {
    if (e->owner == request.owner || compatible(e->mode, request.mode)) continue;
    if (visit({e->owner, request.name, e->mode, true})) return true;
  }
  return false;
}

bool LockManager::any_range_conflict(const LockRequest& request,
                                     const BlockerVisitor& visit) const {
  AETHER_ASSERT(keys_ordered_);
  const StoreId store = request.store->id;
  for (uint32_t i = 0; i < options_.partitions; ++i) {
    const auto& ordered = partitions_[i].ordered;
    auto at = ordered.lower_bound(KeyOrder::Place{store, request.name.begin});
    for (; at != ordered.end() && (*at)->store == request.store; ++at) {
      if (!request.name.end.empty() && (*at)->key >= request.name.end) break;
      for (LockEntry* e = (*at)->holders; e != nullptr; e = e->next) {
        if (e->owner == request.owner || compatible(e->mode, request.mode)) continue;
        if (visit({e->owner, LockName::key(store, (*at)->key), e->mode, true})) return true;
      }
    }
  }
  return false;
}

bool LockManager::waits_for_lock_of(const LockRequest& waiting, const LockSet& set) const {
  if (waiting.name.level > LockLevel::store) {
    return any_granted_conflict(waiting, [&](const Blocker& held) { return held.set == &set; });
  }
  const LockEntry* held = waiting.store == nullptr ? set.environment_ : set.stores_;
  while (held != nullptr && held->store != waiting.store) held = held->next;
  return held != nullptr && !compatible(held->mode, waiting.mode);
}

// The one definition of "waits for", for granting and for deadlocks alike. A request that stands in its queue
// waits for those ahead of it; one that does not yet, for those it would stand behind. Waiters that `search`
// has passed are left out, but for the one that it began with.
bool LockManager::any_blocker(const LockRequest& request, const BlockerVisitor& visit,
                              uint64_t search) const {
  if (any_granted_conflict(request, visit)) return true;
  for (LockSet* set : queue_of(request)) {
    const LockRequest& ahead = set->request_;
    if (set == request.owner || (request.conversion && !ahead.conversion)) break;
    if (search != 0 && set->search_ == search && set != search_from_) continue;
    if (compatible(ahead.mode, request.mode) || !overlap(ahead.name, request.name)) continue;
    if (waits_for_lock_of(ahead, *request.owner)) continue;  // It cannot go first.
    if (visit({set, ahead.name, ahead.mode, false})) return true;
  }
  return false;
}

// --- Waiting --------------------------------------------------------------------------------------------

// Decides what the fast ways in did not. A store that nobody had a lock in yet gets its state here.
Result<void> LockManager::block_or_grant(LockRequest request, Timer& timer) {
  LockSet& set = *request.owner;
  {
    const World world(*this);
    if (request.name.level == LockLevel::range) order_keys();
    if (request.name.level == LockLevel::store) {
      request.store = known_store(request.name.store);
      if (request.store == nullptr) {
        auto store = std::make_unique<StoreLocks>(request.name.store);
        request.store = stores_.emplace(request.name.store, std::move(store)).first->second.get();
      }
    }
    if (!any_blocker(request, [](const Blocker&) { return true; })) {
      grant(request);
      return {};
    }
    if (!timer.may_wait()) return Error(Code::busy, "lock: " + refusal(request));
    timer.start();
    enqueue(set, request);
    // Who cannot look for a deadlock must not wait: it may have closed one.
    if (!base::if_memory_allows([&] { resolve_deadlocks(set); }) && set.queued_) {
      leave_queue(set);
      return Code::no_memory;
    }
  }
  AETHER_PROBE(lock_wait_begin, set.id(), request.name.store, static_cast<int>(request.mode));
  Result<void> slept = sleep(set, timer);
  AETHER_PROBE(lock_wait_end, set.id(), slept.has_value());
  if (statistics_ != nullptr)
    statistics_->waited_for_lock(os_.monotonic_ns() - set.waits_since_ns_);
  return slept;
}

void LockManager::enqueue(LockSet& set, const LockRequest& request) {
  base::make_room(queue_of(request));
  ++counters_.waits;
  set.request_ = request;
  set.waits_since_ns_ = os_.monotonic_ns();
  set.queued_ = true;
  {
    const os::LockGuard guard(set.mutex_);
    set.wait_ = LockSet::Wait::waiting;
  }
  Queue& queue = queue_of(request);
  auto place = queue.end();
  if (request.conversion) {
    place = std::find_if(queue.begin(), queue.end(),
                         [](const LockSet* waiter) { return !waiter->request_.conversion; });
  }
  queue.insert(place, &set);
}

Result<void> LockManager::sleep(LockSet& set, const Timer& timer) {
  {
    const os::LockGuard guard(set.mutex_);
    while (set.wait_ == LockSet::Wait::waiting) {
      const uint64_t left = timer.left_ns();
      const uint64_t slice = std::min(left, kSliceNs);
      if (left == 0 || (!set.woken_.wait_for(set.mutex_, slice) && slice == left)) break;
    }
    if (set.wait_ != LockSet::Wait::waiting) return outcome(set);
  }
  return time_out(set, timer);
}

Result<void> LockManager::outcome(LockSet& set) {
  if (set.wait_ == LockSet::Wait::granted) return {};
  if (set.wait_ == LockSet::Wait::no_memory) return Code::no_memory;
  return Error(Code::deadlock, std::move(set.deadlock_));
}

Result<void> LockManager::time_out(LockSet& set, const Timer& timer) {
  const World world(*this);
  if (!set.queued_) {  // Somebody ended the wait since.
    const os::LockGuard guard(set.mutex_);
    return outcome(set);
  }
  AETHER_REACHED("txn.lock_timed_out");
  ++counters_.timeouts;
  std::string message;
  static_cast<void>(base::if_memory_allows([&] {
    message = "lock: waited " + std::to_string(timer.timeout_ns() / 1'000'000) +
              " ms: " + refusal(set.request_) + "; roll back and retry, or allow a longer wait";
  }));
  leave_queue(set);
  return Error(Code::timed_out, std::move(message));
}

// It waits no longer; those behind it may go on.
void LockManager::leave_queue(LockSet& set) noexcept {
  Queue& queue = queue_of(set.request_);
  std::erase(queue, &set);
  set.queued_ = false;
  grant_waiting(queue);
}

// After something was released or somebody left the queue. One pass is enough: a grant only ever holds up
// those behind it.
void LockManager::grant_waiting(Queue& queue) noexcept {
  for (size_t i = 0; i < queue.size();) {
    LockSet& set = *queue[i];
    if (any_blocker(set.request_, [](const Blocker&) { return true; })) {
      ++i;
      continue;
    }
    queue.erase(queue.begin() + static_cast<ptrdiff_t>(i));
    const bool granted = base::if_memory_allows([&] { grant(set.request_); });
    end_wait(set, granted ? LockSet::Wait::granted : LockSet::Wait::no_memory);
  }
}

// It is out of its queue. Notifies under the mutex: once that is let go, the set may be gone.
void LockManager::end_wait(LockSet& set, LockSet::Wait how) noexcept {
  set.queued_ = false;
  const os::LockGuard guard(set.mutex_);
  AETHER_ASSERT(set.wait_ == LockSet::Wait::waiting);
  set.wait_ = how;
  set.woken_.notify_one();
}

std::string LockManager::refusal(const LockRequest& request) const {
  std::string text = transaction(request.owner->id()) + " wants " + to_string(request.mode) +
                     " on " + to_string(request.name);
  any_blocker(request, [&](const Blocker& blocker) {
    text += ", but " + transaction(blocker.set->id()) +
            (blocker.granted ? " holds " : " waits ahead for ") + to_string(blocker.mode) + " on " +
            to_string(blocker.name);
    return true;
  });
  return text;
}

// --- Deadlocks ------------------------------------------------------------------------------------------

std::vector<LockSet*> LockManager::find_cycle(LockSet& set) {
  const uint64_t search = ++searches_;
  search_from_ = &set;
  const auto reach = [search](LockSet* node) {
    return std::exchange(node->search_, search) != search;
  };
  const auto blockers_of = [this, search](LockSet* node, const auto& visit) {
    if (!node->queued_) return;
    any_blocker(
        node->request_, [&](const Blocker& blocker) { return visit(blocker.set); }, search);
  };
  return shortest_cycle(&set, reach, blockers_of);
}

// `set` has just begun to wait. It may have closed several cycles; each costs one transaction.
void LockManager::resolve_deadlocks(LockSet& set) {
  while (set.queued_) {
    const std::vector<LockSet*> cycle = find_cycle(set);
    if (cycle.empty()) return;
    LockSet& victim = **std::min_element(
        cycle.begin(), cycle.end(), [](const LockSet* a, const LockSet* b) {
          return a->count() != b->count() ? a->count() < b->count() : a->id() > b->id();
        });
    DeadlockReport report = describe(cycle, victim);
    AETHER_REACHED("txn.deadlock");
    if (victim.request_.conversion) AETHER_REACHED("txn.deadlock_of_an_upgrade");
    victim.deadlock_ = to_string(report);
    deadlocks_.push_back(std::move(report));
    if (deadlocks_.size() > kDeadlockReports) deadlocks_.pop_front();
    ++counters_.deadlocks;
    Queue& queue = queue_of(victim.request_);
    std::erase(queue, &victim);
    end_wait(victim, LockSet::Wait::victim);
    grant_waiting(queue);
  }
}

DeadlockReport LockManager::describe(const std::vector<LockSet*>& cycle,
                                     const LockSet& victim) const {
  DeadlockReport report{.wall_ns = os_.wall_ns(), .victim = victim.id(), .cycle = {}};
  for (size_t i = 0; i < cycle.size(); ++i) {
    const LockSet& waiter = *cycle[i];
    const LockSet* next = cycle[(i + 1) % cycle.size()];
    DeadlockStep step;
    step.waiter = waiter.id();
    step.waiter_locks = waiter.count();
    step.wants = OwnedLockName(waiter.request_.name);
    step.wanted = waiter.request_.mode;
    any_blocker(waiter.request_, [&](const Blocker& blocker) {
      if (blocker.set != next) return false;
      step.blocker = next->id();
      step.has = OwnedLockName(blocker.name);
      step.mode = blocker.mode;
      step.granted = blocker.granted;
      return true;
    });
    report.cycle.push_back(std::move(step));
  }
  return report;
}

std::string to_string(const DeadlockReport& report) {
  std::string text = "deadlock: ";
  for (const DeadlockStep& step : report.cycle) {
    text += transaction(step.waiter) + " (locks: " + std::to_string(step.waiter_locks) +
            ") waits for " + to_string(step.wanted) + " on " + to_string(step.wants.view()) + ", " +
            (step.granted ? "held by " : "behind ") + transaction(step.blocker) +
            (step.granted ? " in " : ", which waits for ") + to_string(step.mode);
    if (to_string(step.has.view()) != to_string(step.wants.view())) {
      text += " on " + to_string(step.has.view());
    }
    text += "; ";
  }
  return text + transaction(report.victim) +
         " has the fewest locks, or is the youngest of those, and gives way: roll back and retry";
}

// --- Looking at it --------------------------------------------------------------------------------------

void LockManager::snapshot_holders(const LockSet& set, size_t holders_max,
                                   LockSnapshot& into) const {
  for (size_t i = 0; i < set.entries_.size(); ++i) {
    const LockEntry& entry = set.entries_[i];
    if (entry.raises != nullptr) continue;
    ++into.holders_total;
    if (into.holders.size() >= holders_max) continue;
    into.holders.push_back({set.id(), OwnedLockName(name_of(entry)), entry.mode, set.since_ns_});
  }
}

std::vector<HeldLock> LockManager::held(const LockSet& set) {
  std::vector<HeldLock> result;
  for (size_t i = 0; i < set.entries_.size(); ++i) {
    const LockEntry& entry = set.entries_[i];
    if (entry.raises != nullptr || is_intention(entry.mode)) continue;
    result.push_back({OwnedLockName(name_of(entry)), entry.mode});
  }
  return result;
}

LockSnapshot LockManager::snapshot(size_t holders_max) const {
  LockSnapshot result;
  const auto add_waiters = [&](const Queue& queue) {
    for (const LockSet* set : queue) {
      const LockRequest& request = set->request_;
      result.waiters.push_back(
          {set->id(), OwnedLockName(request.name), request.mode, set->waits_since_ns_});
    }
  };
  const World world(*this);
  for (uint32_t i = 0; i < options_.partitions; ++i) {
    for (const LockSet* set = partitions_[i].sets; set != nullptr; set = set->next_) {
      snapshot_holders(*set, holders_max, result);
    }
  }
  add_waiters(environment_->queue);
  for (const auto& [id, store] : stores_) {
    add_waiters(store->coarse.queue);
    add_waiters(store->queue);
  }
  result.deadlocks.assign(deadlocks_.begin(), deadlocks_.end());
  result.counters = counters_;
  return result;
}

LockCounters LockManager::counters() const {
  const os::LockGuard any(partitions_[0].mutex);
  return counters_;
}

}  // namespace aether::txn
