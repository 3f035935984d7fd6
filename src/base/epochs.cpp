#include "base/epochs.h"

#include <algorithm>

#include "base/assert.h"
#include "base/planted.h"
#include "base/reached.h"
#include "base/sim_point.h"

namespace aether::base {
namespace {

constexpr uint64_t kPinsMask = 0xffff;
constexpr uint64_t kPointerMask = ~uint64_t{7};

uint64_t announced(uint64_t epoch) noexcept { return epoch << 16 | 1; }

Epochs::Link* object_of(uint64_t head) noexcept {
  return reinterpret_cast<Epochs::Link*>(head & kPointerMask);
}

/// What comes after a locked instruction may not be read before it. x86 keeps to that by itself.
void fence_after_rmw() noexcept {
#if defined(__x86_64__)
  std::atomic_signal_fence(std::memory_order_seq_cst);
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace

Epochs::~Epochs() {
  AETHER_ASSERT(stats().pinned == 0);
  // Two epochs and all slices; nobody holds them back.
  while (stats().retired_objects != 0) collect();
}

bool Epochs::try_claim(uint32_t slot, uint64_t epoch) noexcept {
  // Before the claim, so that whoever does not see the higher bound does not see the claim either.
  uint32_t used = slots_used_.load(std::memory_order_relaxed);
  while (used <= slot && !slots_used_.compare_exchange_weak(used, slot + 1)) {
  }
  std::atomic<uint64_t>& word = slots_[slot].word;
  if (word.load(std::memory_order_relaxed) != 0) return false;
  uint64_t nobody = 0;
  return word.compare_exchange_strong(nobody, announced(epoch));
}

Epochs::Pin Epochs::pin(uint32_t hint) noexcept {
  const uint64_t epoch = epoch_.load(std::memory_order_acquire);
  sim_window();
  const uint32_t home = hint % kSlots;
  if (!try_claim(home, epoch)) [[unlikely]]
    return pin_elsewhere(home, epoch);
  fence_after_rmw();  // The announcement before any pointer is loaded (spec: PinsBeforeLoading).
  sim_point();
  return {this, home, epoch};
}

Epochs::Pin Epochs::pin_elsewhere(uint32_t hint, uint64_t epoch) noexcept {
  for (uint32_t i = 1; i < kSlots; ++i) {
    const uint32_t slot = (hint + i) % kSlots;
    if (!try_claim(slot, epoch)) continue;
    fence_after_rmw();
    return {this, slot, epoch};
  }
  // All have readers. Whoever joins the commons announces the epoch of those who are there: it may be older than
  // needed, never newer.
  AETHER_REACHED("base.epoch_commons");
  std::atomic<uint64_t>& word = slots_[kCommons].word;
  uint64_t seen = word.load(std::memory_order_relaxed);
  uint64_t next = 0;
  do {
    AETHER_ASSERT((seen & kPinsMask) != kPinsMask);
    next = (seen & kPinsMask) == 0 ? announced(epoch) : seen + 1;
  } while (!word.compare_exchange_weak(seen, next));
  fence_after_rmw();
  return {this, kCommons, next >> 16};
}

void Epochs::unpin(uint32_t slot) noexcept {
  std::atomic<uint64_t>& word = slots_[slot].word;
  if (slot == kCommons) {
    word.fetch_sub(1, std::memory_order_release);
  } else {
    word.store(0, std::memory_order_release);
  }
}

void Epochs::retire(Link& link, uint32_t kind, uint64_t bytes, uint32_t hint) noexcept {
  const uint64_t self = reinterpret_cast<uint64_t>(&link);
  AETHER_ASSERT((self & ~kPointerMask) == 0 && kind < kKinds);
  Shard& shard = shards_[hint % kShards];
  // Counted before it can be freed, so that no difference of the two counts is ever negative.
  const uint64_t count = shard.objects.fetch_add(1, std::memory_order_relaxed);
  shard.bytes.fetch_add(bytes, std::memory_order_relaxed);
  sim_point();
  uint64_t head = shard.pending.load(std::memory_order_relaxed);
  do {
    link.store((head & kPointerMask) | kind << 1 | kGone, std::memory_order_relaxed);
    sim_point();
  } while (!shard.pending.compare_exchange_weak(head, self, std::memory_order_release,
                                                std::memory_order_relaxed));
  if (count % kCollectEvery == kCollectEvery - 1) collect();
}

bool Epochs::everybody_is_at(uint64_t epoch) const noexcept {
  // Whoever announces after this fence loads its pointers after it too, and finds nothing that was retired before.
  if (AETHER_PLANTED("base.epochs_ignore_pins")) return true;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const auto is_there = [&](uint32_t slot) {
    const uint64_t word = slots_[slot].word.load(std::memory_order_seq_cst);
    return (word & kPinsMask) == 0 || word >> 16 == epoch;
  };
  const uint32_t used = slots_used_.load(std::memory_order_seq_cst);
  for (uint32_t slot = 0; slot < used; ++slot) {
    if (!is_there(slot)) return false;
    sim_point();
  }
  return is_there(kCommons);
}

bool Epochs::advance() noexcept {
  const uint64_t epoch = epoch_.load(std::memory_order_relaxed);
  if (!everybody_is_at(epoch)) {
    held_back_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  sim_window();
  const uint64_t next = epoch + 1;
  epoch_.store(next, std::memory_order_seq_cst);
  sim_window();
  Lists& lists = waiting_[next % 2];
  // Stamped two epochs ago (spec: WaitsTwoEpochs).
  safe_ = std::exchange(AETHER_PLANTED("base.epochs_free_early") ? waiting_[epoch % 2] : lists,
                        Lists{});
  // Stamped `next`: an epoch that was not there yet when these were unlinked (spec: LoadsAfterRetiring).
  for (uint32_t i = 0; i < kShards; ++i) {
    if (shards_[i].pending.load(std::memory_order_relaxed) == 0) continue;
    lists.heads[i] = shards_[i].pending.exchange(0, std::memory_order_acquire);
    sim_point();
  }
  return true;
}

void Epochs::free_list(uint64_t head, uint32_t& budget, uint64_t& rest) noexcept {
  uint64_t objects = 0;
  uint64_t bytes = 0;
  for (; head != 0 && budget != 0; --budget) {
    Link& link = *object_of(head);
    const uint64_t word = link.load(std::memory_order_relaxed);
    head = word & kPointerMask;
    bytes += free_(owner_, link, static_cast<uint32_t>(word >> 1) % kKinds);
    ++objects;
  }
  rest = head;
  freed_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  freed_objects_.fetch_add(objects, std::memory_order_relaxed);
}

bool Epochs::free_slice() noexcept {
  uint32_t budget = kSlice;
  for (uint64_t& head : safe_.heads) {
    if (head == 0) continue;
    free_list(head, budget, head);
    if (budget == 0) break;
  }
  return budget != kSlice;
}

bool Epochs::collect() noexcept {
  if (collecting_.exchange(true, std::memory_order_acquire)) return false;
  // What is safe goes first: the epoch moves on when its list is empty.
  const bool drained = std::all_of(safe_.heads.begin(), safe_.heads.end(),
                                   [](uint64_t head) { return head == 0; });
  const bool moved = drained && advance();
  const bool freed = free_slice();
  collecting_.store(false, std::memory_order_release);
  return moved || freed;
}

void Epochs::collect_all() noexcept {
  // An idle epoch moves on without end: as far as what is retired now needs it.
  const uint64_t target = epoch_.load(std::memory_order_relaxed) + 4;
  while (stats().retired_objects != 0 && epoch_.load(std::memory_order_relaxed) < target) {
    if (!collect()) return;
  }
}

EpochStats Epochs::stats() const noexcept {
  EpochStats stats;
  // Freed first: what is freed was retired, so no difference is negative.
  const uint64_t freed_objects = freed_objects_.load(std::memory_order_acquire);
  const uint64_t freed_bytes = freed_bytes_.load(std::memory_order_acquire);
  for (const Shard& shard : shards_) {
    stats.retired_objects += shard.objects.load(std::memory_order_relaxed);
    stats.retired_bytes += shard.bytes.load(std::memory_order_relaxed);
  }
  stats.retired_objects -= std::min(freed_objects, stats.retired_objects);
  stats.retired_bytes -= std::min(freed_bytes, stats.retired_bytes);
  stats.epoch = epoch_.load(std::memory_order_acquire);
  stats.oldest_epoch = stats.epoch;
  for (const Slot& slot : slots_) {
    const uint64_t word = slot.word.load(std::memory_order_acquire);
    if ((word & kPinsMask) == 0) continue;
    stats.pinned += word & kPinsMask;
    stats.oldest_epoch = std::min(stats.oldest_epoch, word >> 16);
  }
  stats.held_back = held_back_.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace aether::base
