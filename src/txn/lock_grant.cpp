// Entering locks into the lock table and taking them out again.
#include <memory>
#include <new>
#include <utility>

#include "txn/lock_table_private.h"

namespace aether::txn {
namespace {

constexpr uint32_t kBucketsMin = 64;
constexpr size_t kSparesMax = 1024;
constexpr size_t kSpareKeyBytesMax = 256;

bool is_strong(LockMode mode) noexcept { return mode > LockMode::ix; }

}  // namespace

// --- A partition's keys -------------------------------------------------------------------------------

LockManager::Partition::Partition()
    : buckets(std::make_unique<KeyLocks*[]>(kBucketsMin)), mask(kBucketsMin - 1) {}

LockManager::Partition::~Partition() {
  while (spare != nullptr) {
    KeyLocks* next = spare->chain;
    delete spare;
    spare = next;
  }
}

KeyLocks* LockManager::Partition::find(uint64_t hash, const StoreLocks* store,
                                       std::string_view key) const noexcept {
  KeyLocks* found = buckets[hash & mask];
  while (found != nullptr && (found->hash != hash || found->store != store || found->key != key)) {
    found = found->chain;
  }
  return found;
}

KeyLocks& LockManager::Partition::make(uint64_t hash, StoreLocks* store, std::string_view key,
                                       bool ordered_too) {
  if (keys > mask) grow();
  std::unique_ptr<KeyLocks> fresh;
  if (spare == nullptr) fresh = std::make_unique<KeyLocks>();
  KeyLocks* const made = spare == nullptr ? fresh.get() : spare;
  made->store = store;
  made->key.assign(key);  // A spare one's string has room already.
  if (ordered_too) ordered.insert(made);
  // From here on it cannot fail.
  if (fresh == nullptr) spare = made->chain;
  static_cast<void>(fresh.release());
  made->hash = hash;
  KeyLocks*& bucket = bucket_of(hash);
  made->chain = bucket;
  bucket = made;
  ++keys;
  return *made;
}

void LockManager::Partition::remove(KeyLocks& key, bool ordered_too) noexcept {
  AETHER_ASSERT(key.holders == nullptr);
  if (ordered_too) ordered.erase(&key);
  KeyLocks** link = &bucket_of(key.hash);
  while (*link != &key) link = &(*link)->chain;
  *link = key.chain;
  --keys;
  const uint64_t spares = spare == nullptr ? 0 : spare->hash;
  if (spares >= kSparesMax || key.key.capacity() > kSpareKeyBytesMax) {
    delete &key;
    return;
  }
  key.chain = spare;
  key.hash = spares + 1;
  spare = &key;
}

// Without memory the buckets stay as they are: looking takes longer.
void LockManager::Partition::grow() noexcept {
  std::unique_ptr<KeyLocks*[]> wider(new (std::nothrow) KeyLocks*[size_t{mask} * 2 + 2]());
  if (wider == nullptr) return;
  const uint32_t old_mask = std::exchange(mask, mask * 2 + 1);
  const auto old = std::exchange(buckets, std::move(wider));
  for (uint32_t i = 0; i <= old_mask; ++i) {
    KeyLocks* key = old[i];
    while (key != nullptr) {
      KeyLocks* next = key->chain;
      KeyLocks*& bucket = bucket_of(key->hash);
      key->chain = bucket;
      bucket = key;
      key = next;
    }
  }
}

// Ranges must find the keys in them. Those who never lock a range do not pay for the order.
void LockManager::order_keys() {
  if (keys_ordered_) return;
  for (uint32_t i = 0; i < options_.partitions; ++i) {
    partitions_[i].ordered.clear();  // Of an attempt for which the memory did not do.
    for (uint32_t bucket = 0; bucket <= partitions_[i].mask; ++bucket) {
      KeyLocks* key = partitions_[i].buckets[bucket];
      for (; key != nullptr; key = key->chain) partitions_[i].ordered.insert(key);
    }
  }
  keys_ordered_ = true;
}

// --- Entering -----------------------------------------------------------------------------------------

// Under all latches. Whole or, without memory, not at all.
void LockManager::grant(const LockRequest& request) {
  switch (request.name.level) {
    case LockLevel::environment:
    case LockLevel::store: return grant_coarse(*request.owner, request.store, request.mode);
    case LockLevel::range: return grant_range(request);
    case LockLevel::key: break;
  }
  Partition& partition = partition_of(request.hash);
  KeyLocks* key = partition.find(request.hash, request.store, request.name.begin);
  LockEntry* own = key == nullptr ? nullptr : key->holders;
  while (own != nullptr && own->owner != request.owner) own = own->next;
  grant_key(request, partition, key, own);
}

// Under the home partition's mutex if both modes are intentions, else under all.
void LockManager::grant_coarse(LockSet& set, StoreLocks* store, LockMode mode) {
  LockEntry* held = store == nullptr ? set.environment_ : find_store(set, store->id);
  set.entries_.make_room();
  LockEntry& entry = set.entries_.push();
  entry.owner = &set;
  entry.level = store == nullptr ? LockLevel::environment : LockLevel::store;
  entry.store = store;
  entry.raises = held;
  entry.before = held == nullptr ? LockMode::none : held->mode;
  if (held == nullptr) held = &entry;
  held->mode = mode;
  if (is_strong(mode) && !is_strong(entry.before)) ++coarse_of(store).strong;
  if (entry.raises != nullptr) return;

  if (store != nullptr) {
    entry.next = set.stores_;
    set.stores_ = set.last_store_ = &entry;
    return;
  }
  // The first lock of all: from here on others can find the set.
  set.environment_ = &entry;
  set.since_ns_ = os_.monotonic_ns();
  LockSet*& first = partitions_[set.home_].sets;
  set.previous_ = nullptr;
  set.next_ = first;
  if (first != nullptr) first->previous_ = &set;
  first = &set;
}

// Under the partition's mutex. `key` is null if nobody holds it, `own` if the requester does not.
void LockManager::grant_key(const LockRequest& request, Partition& partition, KeyLocks* key,
                            LockEntry* own) {
  request.owner->entries_.make_room();
  if (key == nullptr) {
    key = &partition.make(request.hash, request.store, request.name.begin, keys_ordered_);
  }
  LockEntry& entry = request.owner->entries_.push();
  entry.owner = request.owner;
  entry.level = LockLevel::key;
  entry.store = request.store;
  entry.key = key;
  entry.raises = own;
  if (own != nullptr) {
    entry.before = own->mode;
    own->mode = supremum(own->mode, request.mode);
    return;
  }
  entry.mode = request.mode;
  entry.next = key->holders;
  key->holders = &entry;
}

// Under all latches. A stronger lock of the same range is one more range: who owns both does not mind.
void LockManager::grant_range(const LockRequest& request) {
  AETHER_ASSERT(keys_ordered_);
  auto range = std::make_unique<RangeLock>();
  range->owner = request.owner;
  range->mode = request.mode;
  range->begin = request.name.begin;
  range->end = request.name.end;
  request.owner->entries_.make_room();
  request.store->ranges.insert(*range);
  LockEntry& entry = request.owner->entries_.push();
  entry.owner = request.owner;
  entry.level = LockLevel::range;
  entry.store = request.store;
  entry.mode = request.mode;
  entry.range = range.release();
}

// --- Taking out ---------------------------------------------------------------------------------------

// Under all latches.
void LockManager::undo_top(LockSet& set) noexcept {
  LockEntry& entry = set.entries_.top();
  switch (entry.level) {
    case LockLevel::environment:
    case LockLevel::store: return undo_coarse(set, entry);
    case LockLevel::key: return undo_key(entry);
    case LockLevel::range: break;
  }
  const std::unique_ptr<RangeLock> range(entry.range);
  entry.store->ranges.erase(*range);
  set.entries_.pop();
}

void LockManager::undo_coarse(LockSet& set, LockEntry& entry) noexcept {
  LockEntry& held = entry.raises == nullptr ? entry : *entry.raises;
  if (is_strong(held.mode) && !is_strong(entry.before)) --coarse_of(entry.store).strong;
  held.mode = entry.before;
  if (&held == &entry && entry.store != nullptr) {
    AETHER_ASSERT(set.stores_ == &entry);  // The newest: the stack shrinks from above.
    set.stores_ = entry.next;
    set.last_store_ = entry.next;
  } else if (&held == &entry) {
    AETHER_ASSERT(set.entries_.size() == 1);  // Everything else stands above it.
    set.environment_ = nullptr;
    if (set.next_ != nullptr) set.next_->previous_ = set.previous_;
    (set.previous_ == nullptr ? partitions_[set.home_].sets : set.previous_->next_) = set.next_;
  }
  set.entries_.pop();
}

void LockManager::undo_key(LockEntry& entry) noexcept {
  LockSet& set = *entry.owner;
  if (entry.raises != nullptr) {
    entry.raises->mode = entry.before;
  } else {
    LockEntry** link = &entry.key->holders;
    while (*link != &entry) link = &(*link)->next;
    *link = entry.next;
    if (entry.key->holders == nullptr)
      partition_of(entry.key->hash).remove(*entry.key, keys_ordered_);
  }
  set.entries_.pop();
}

// Pops intention locks for which nobody waits, down to `height`. False: there was none on top.
bool LockManager::release_coarse(LockSet& set, size_t height) noexcept {
  const os::LockGuard guard(partitions_[set.home_].mutex);
  bool any = false;
  while (set.entries_.size() > height) {
    LockEntry& entry = set.entries_.top();
    if (entry.level > LockLevel::store) break;
    const LockMode mode = entry.raises == nullptr ? entry.mode : entry.raises->mode;
    if (!is_intention(mode) || !coarse_of(entry.store).queue.empty()) break;
    undo_coarse(set, entry);
    any = true;
  }
  return any;
}

// Pops the key lock on top if nobody waits for it.
bool LockManager::release_key(LockSet& set) noexcept {
  LockEntry& entry = set.entries_.top();
  const os::LockGuard guard(partition_of(entry.key->hash).mutex);
  const LockName name = name_of(entry);
  for (const LockSet* waiter : entry.store->queue) {
    if (overlap(waiter->request_.name, name)) return false;
  }
  undo_key(entry);
  return true;
}

}  // namespace aether::txn
