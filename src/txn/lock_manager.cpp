#include "txn/lock_manager.h"

#include <bit>

#include "base/checksum.h"
#include "txn/lock_table_private.h"

namespace aether::txn {
namespace {

Result<void> check_request(const LockName& name, LockMode mode) {
  if (mode == LockMode::none) return Error(Code::invalid_argument, "lock: mode none locks nothing");
  const bool leaf = name.level == LockLevel::key || name.level == LockLevel::range;
  if (leaf && mode != LockMode::s && mode != LockMode::x) {
    return Error(Code::invalid_argument,
                 "lock: " + to_string(name) + " cannot be locked in " + to_string(mode) +
                     ": keys and ranges have nothing below them; ask for S or X");
  }
  if (name.level == LockLevel::range && !name.end.empty() && name.end <= name.begin) {
    return Error(Code::invalid_argument,
                 "lock: " + to_string(name) + " is empty: a range ends after it begins");
  }
  return {};
}

// Does all of `name`, a range or key that overlaps `range`, lie in it?
bool encloses(const RangeLock& range, const LockName& name) noexcept {
  if (name.level == LockLevel::key) return true;
  return range.begin <= name.begin &&
         (range.end.empty() || (!name.end.empty() && name.end <= range.end));
}

}  // namespace

LockSet::~LockSet() { manager_.release_all(*this); }

LockManager::LockManager(const LockOptions& options, os::Os& os, Statistics* statistics)
    : options_(options),
      default_timeout_ns_(uint64_t{options.timeout_ms} * 1'000'000),
      os_(os),
      statistics_(statistics),
      partitions_(std::make_unique<Partition[]>(options.partitions)),
      environment_(std::make_unique<Coarse>()) {
  AETHER_ASSERT(std::has_single_bit(options.partitions) && options.partitions <= 32);
  AETHER_ASSERT(options.locks_per_transaction_max >= 8);
}

LockManager::~LockManager() {
  for (uint32_t i = 0; i < options_.partitions; ++i) {
    AETHER_ASSERT(partitions_[i].sets == nullptr && partitions_[i].keys == 0);
  }
  AETHER_ASSERT(environment_->quiet());
  for (const auto& [id, store] : stores_) {
    AETHER_ASSERT(store->coarse.quiet() && store->ranges.empty() && store->queue.empty());
  }
}

Result<void> LockManager::acquire(LockSet& set, const LockName& name, LockMode mode,
                                  uint64_t timeout_ns) {
  AETHER_TRY(check_request(name, mode));
  AETHER_ASSERT(&set.manager_ == this);
  if (set.entries_.size() == 0) set.home_ = os::worker_id() & (options_.partitions - 1);
  Timer timer(os_, timeout_ns);
  if (name.level == LockLevel::environment) return raise(set, name, mode, timer);

  if (covers_below(set.environment_mode(), mode)) return {};
  LockEntry* held = find_store(set, name.store);
  if (name.level == LockLevel::store) {
    if (held != nullptr && covers(held->mode, mode)) return {};
    AETHER_TRY(raise(set, LockName::environment(), intention_of(mode), timer));
    return raise(set, name, mode, timer);
  }
  if (held == nullptr || !covers(held->mode, intention_of(mode))) {
    AETHER_TRY(lock_above(set, name, intention_of(mode), timer));
    held = find_store(set, name.store);
  }
  if (covers_below(held->mode, mode)) return {};
  LockRequest request{.owner = &set, .store = held->store, .name = name, .mode = mode};
  return name.level == LockLevel::key ? acquire_key(set, request, timer)
                                      : acquire_range(set, request, timer);
}

// The set's own entry of that store; only its thread calls this.
LockEntry* LockManager::find_store(LockSet& set, StoreId store) noexcept {
  if (set.last_store_ != nullptr && set.last_store_->store->id == store) return set.last_store_;
  for (LockEntry* entry = set.stores_; entry != nullptr; entry = entry->next) {
    if (entry->store->id == store) return set.last_store_ = entry;
  }
  return nullptr;
}

// Under any latch. Null: nobody ever had a lock there. It stays for as long as the set has one, or waits for one.
StoreLocks* LockManager::known_store(StoreId store) const noexcept {
  const auto found = stores_.find(store);
  return found == stores_.end() ? nullptr : found->second.get();
}

Result<void> LockManager::lock_above(LockSet& set, const LockName& name, LockMode intention,
                                     Timer& timer) {
  if (try_intentions(set, name.store, intention)) return {};
  AETHER_TRY(raise(set, LockName::environment(), intention, timer));
  return raise(set, LockName::of_store(name.store), intention, timer);
}

// The usual case, both levels at one mutex: nobody has or wants more than intention locks there. They get
// along with each other, and who comes for more takes all mutexes and so sees these.
bool LockManager::try_intentions(LockSet& set, StoreId store, LockMode intention) {
  const os::LockGuard guard(partitions_[set.home_].mutex);
  StoreLocks* locks = known_store(store);
  if (locks == nullptr || !environment_->quiet() || !locks->coarse.quiet()) return false;

  const LockMode on_environment = supremum(set.environment_mode(), intention);
  if (on_environment != set.environment_mode()) grant_coarse(set, nullptr, on_environment);
  const LockEntry* held = find_store(set, store);
  const LockMode before = held == nullptr ? LockMode::none : held->mode;
  const LockMode on_store = supremum(before, intention);
  if (on_store != before) grant_coarse(set, locks, on_store);
  return true;
}

// `name` is the environment or a store.
Result<void> LockManager::raise(LockSet& set, const LockName& name, LockMode mode, Timer& timer) {
  const bool is_store = name.level == LockLevel::store;
  const LockEntry* held = is_store ? find_store(set, name.store) : set.environment_;
  const LockMode before = held == nullptr ? LockMode::none : held->mode;
  const LockMode after = supremum(before, mode);
  if (after == before) return {};
  if (is_intention(after)) {
    const os::LockGuard guard(partitions_[set.home_].mutex);
    StoreLocks* store = is_store ? known_store(name.store) : nullptr;
    if ((store != nullptr || !is_store) && coarse_of(store).quiet()) {
      grant_coarse(set, store, after);
      return {};
    }
  }
  return block_or_grant({.owner = &set, .name = name, .mode = after, .conversion = held != nullptr},
                        timer);
}

Result<void> LockManager::acquire_key(LockSet& set, LockRequest& request, Timer& timer) {
  const std::string_view key = request.name.begin;
  request.hash = base::checksum(key.data(), key.size(), request.store->id);
  Partition& partition = partition_of(request.hash);
  Grant grant = Grant::blocked;
  // Most locks are let go of sooner than a thread falls asleep and is woken: it looks again before it queues.
  for (os::Backoff backoff;; backoff.wait()) {
    const os::LockGuard guard(partition.mutex);
    grant = try_key(set, request, partition);
    if (grant != Grant::blocked || !timer.may_wait() || backoff.would_sleep()) break;
  }
  if (grant == Grant::granted) return {};
  return grant == Grant::full ? escalate(set, request) : block_or_grant(request, timer);
}

// Careful rather than clever: whatever looks like a conflict is `blocked`, and block_or_grant decides.
LockManager::Grant LockManager::try_key(LockSet& set, LockRequest& request, Partition& partition) {
  const StoreLocks& store = *request.store;
  KeyLocks* key = partition.find(request.hash, &store, request.name.begin);
  LockEntry* own = nullptr;
  bool blocked = false;
  for (LockEntry* e = key == nullptr ? nullptr : key->holders; e != nullptr; e = e->next) {
    if (e->owner == &set) own = e;
    if (e->owner != &set && !compatible(e->mode, request.mode)) blocked = true;
  }
  if (own != nullptr && covers(own->mode, request.mode)) return Grant::granted;
  request.conversion = own != nullptr;

  if (!store.ranges.empty()) {
    const bool covered = store.ranges.visit_overlapping(request.name, [&](const RangeLock& range) {
      if (range.owner != &set && !compatible(range.mode, request.mode)) blocked = true;
      if (range.owner == &set) request.conversion = true;
      return range.owner == &set && covers(range.mode, request.mode);
    });
    if (covered) return Grant::granted;
  }
  if (set.entries_.size() >= options_.locks_per_transaction_max) return Grant::full;
  for (const LockSet* waiter : store.queue) {
    const LockRequest& ahead = waiter->request_;
    blocked = blocked ||
              (!compatible(ahead.mode, request.mode) && overlap(ahead.name, request.name));
  }
  if (blocked) return Grant::blocked;
  grant_key(request, partition, key, own);
  return Grant::granted;
}

Result<void> LockManager::acquire_range(LockSet& set, LockRequest& request, Timer& timer) {
  bool covered = false;
  {
    const os::LockGuard guard(partitions_[set.home_].mutex);
    covered = request.store->ranges.visit_overlapping(request.name, [&](const RangeLock& range) {
      if (range.owner != &set || !encloses(range, request.name)) return false;
      request.conversion = true;
      return covers(range.mode, request.mode);
    });
  }
  if (covered) return {};
  if (set.entries_.size() >= options_.locks_per_transaction_max) return escalate(set, request);
  return block_or_grant(request, timer);
}

// What the transaction has locked in the store so far stays as it is: it is bounded, and a rollback to a
// savepoint that takes the store's lock back must find it.
Result<void> LockManager::escalate(LockSet& set, const LockRequest& request) {
  const World world(*this);
  const LockMode held = find_store(set, request.store->id)->mode;
  const LockRequest whole{.owner = &set,
                          .store = request.store,
                          .name = LockName::of_store(request.store->id),
                          .mode = supremum(held, request.mode),
                          .conversion = true};
  if (any_blocker(whole, [](const Blocker&) { return true; })) {
    return Error(Code::too_large,
                 "lock: transaction " + std::to_string(set.id()) + " has " +
                     std::to_string(set.count()) +
                     " locks, the most it may have, and cannot lock the whole store instead: " +
                     refusal(whole) + "; roll back and use smaller transactions");
  }
  grant(whole);
  ++counters_.escalations;
  return {};
}

void LockManager::release_to(LockSet& set, LockMark mark) noexcept {
  AETHER_ASSERT(mark.height <= set.entries_.size());
  while (set.entries_.size() > mark.height) {
    const LockEntry& entry = set.entries_.top();
    if (entry.level == LockLevel::key && release_key(set)) continue;
    if (entry.level <= LockLevel::store && release_coarse(set, mark.height)) continue;

    const World world(*this);
    Queue& queue = queue_of(entry);
    undo_top(set);
    grant_waiting(queue);
  }
}

void LockManager::forget_store(StoreId store) {
  const World world(*this);
  const StoreLocks* locks = known_store(store);
  if (locks == nullptr) return;
  for (uint32_t i = 0; i < options_.partitions; ++i) {
    for (const LockSet* set = partitions_[i].sets; set != nullptr; set = set->next_) {
      for (const LockEntry* entry = set->stores_; entry != nullptr; entry = entry->next) {
        if (entry->store == locks) return;
      }
    }
  }
  // Somebody may wait for his first lock there. Keys and ranges have an intention lock above them.
  if (locks->coarse.queue.empty()) stores_.erase(store);
}

}  // namespace aether::txn
