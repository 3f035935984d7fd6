#include "buffer/block_cache.h"

#include <algorithm>
#include <bit>
#include <new>

#include "base/assert.h"
#include "base/prefetch.h"

namespace aether::buffer {

using detail::Block;

namespace {

/// With fewer bytes a shard could not keep a value of a megabyte.
constexpr uint64_t kShardBytesMin = 8 << 20;
constexpr uint32_t kShardBitsMax = 4;
constexpr uint8_t kFoundMax = 3;

uint64_t hash_of(const BlockKey& key) noexcept {
  uint64_t hash = (key.owner * 0x9e37'79b9'7f4a'7c15) ^ key.place;
  hash = (hash ^ hash >> 32) * 0xd6e8'feb8'6659'fd93;
  hash = (hash ^ hash >> 32) * 0xd6e8'feb8'6659'fd93;
  return hash ^ hash >> 32;
}

/// A smaller cache takes no chunks of memory: a few that are half empty would count, and small pages reach it as well.
constexpr uint64_t kBytesForChunks = 32 << 20;
#if defined(AETHER_ASAN)
constexpr bool kTakesChunks = false;  // The sanitizer is to see each block's life.
#else
constexpr bool kTakesChunks = true;
#endif

uint64_t cost_of(const Block& block) noexcept {
  const uint64_t bytes = sizeof(Block) + block.bytes;
  return block.memory == nullptr ? bytes : BlockMemory::slot_bytes(bytes);
}

/// The newest at one end, the oldest at the other.
struct Queue {
  Block* newest = nullptr;
  Block* oldest = nullptr;
  uint64_t bytes = 0;

  void push(Block* block) noexcept {
    block->newer = nullptr;
    block->older = newest;
    (newest != nullptr ? newest->newer : oldest) = block;
    newest = block;
    bytes += cost_of(*block);
  }
  void remove(Block* block) noexcept {
    (block->newer != nullptr ? block->newer->older : newest) = block->older;
    (block->older != nullptr ? block->older->newer : oldest) = block->newer;
    bytes -= cost_of(*block);
  }
};

}  // namespace

void Block::destroy(Block* block) noexcept {
  BlockMemory* const memory = block->memory;
  block->~Block();
  if (memory != nullptr) return memory->give(block);
  ::operator delete(block);
}

BlockHandle BlockHandle::make(uint64_t bytes) {
  AETHER_ASSERT(bytes <= ~uint32_t{0});
  auto* const block = new (::operator new(sizeof(Block) + bytes)) Block();
  block->bytes = static_cast<uint32_t>(bytes);
  return BlockHandle(block);
}

BlockHandle BlockCache::make(uint64_t bytes) {
  const uint64_t slot = memory_ == nullptr ? 0 : BlockMemory::slot_bytes(sizeof(Block) + bytes);
  void* const taken = slot == 0 ? nullptr : memory_->take(slot);
  if (taken == nullptr) return BlockHandle::make(bytes);
  auto* const block = new (taken) Block();
  block->memory = memory_.get();
  block->bytes = static_cast<uint32_t>(bytes);
  return BlockHandle(block);
}

struct alignas(64) BlockCache::Shard {
  os::Mutex mutex;
  std::vector<Block*> buckets AETHER_GUARDED_BY(mutex);
  std::vector<uint32_t> ghosts
      AETHER_GUARDED_BY(mutex);  ///< Of who left the small queue: half a hash, by the other half.
  Queue small AETHER_GUARDED_BY(mutex);
  Queue main AETHER_GUARDED_BY(mutex);
  uint64_t bytes_max = 0;
  uint64_t erasures AETHER_GUARDED_BY(mutex) = 0;
  BlockCacheStats stats AETHER_GUARDED_BY(mutex);

  Block** place_of(uint64_t hash, const BlockKey& key) noexcept AETHER_REQUIRES(mutex) {
    Block** at = &buckets[hash & (buckets.size() - 1)];
    while (*at != nullptr && (*at)->key != key) at = &(*at)->next_in_bucket;
    return at;
  }
  uint32_t& ghost_of(uint64_t hash) noexcept AETHER_REQUIRES(mutex) {
    return ghosts[(hash >> 32) & (ghosts.size() - 1)];
  }
  static uint32_t ghost_mark(uint64_t hash) noexcept { return static_cast<uint32_t>(hash) | 1; }

  void grow() AETHER_REQUIRES(mutex) {
    std::vector<Block*> wider(buckets.size() * 2);
    for (Block* chain : buckets) {
      while (chain != nullptr) {
        Block* const block = std::exchange(chain, chain->next_in_bucket);
        Block*& head = wider[hash_of(block->key) & (wider.size() - 1)];
        block->next_in_bucket = std::exchange(head, block);
      }
    }
    buckets.swap(wider);
  }
  /// Out of table and queue; the cache's hold on it is let go.
  void drop(Block** at) noexcept AETHER_REQUIRES(mutex) {
    Block* const block = *at;
    *at = block->next_in_bucket;
    (block->in_main ? main : small).remove(block);
    --stats.blocks;
    if (block->references.fetch_sub(1, std::memory_order_acq_rel) == 1) Block::destroy(block);
  }
  void make_room(uint64_t bytes) noexcept AETHER_REQUIRES(mutex) {
    while (small.bytes + main.bytes + bytes > bytes_max) {
      const bool from_small = main.oldest == nullptr || small.bytes > bytes_max / 10;
      Block* const block = from_small ? small.oldest : main.oldest;
      if (block == nullptr) return;
      if (block->found > 0) {
        (from_small ? small : main).remove(block);
        block->found = from_small ? uint8_t{0} : static_cast<uint8_t>(block->found - 1);
        block->in_main = true;
        main.push(block);
        continue;
      }
      const uint64_t hash = hash_of(block->key);
      if (from_small) ghost_of(hash) = ghost_mark(hash);
      drop(place_of(hash, block->key));
      ++stats.evictions;
    }
  }
};

BlockCache::BlockCache(uint64_t bytes_max) {
  if (kTakesChunks && bytes_max >= kBytesForChunks) memory_ = BlockMemory::make();
  while (shard_bits_ < kShardBitsMax && bytes_max >> (shard_bits_ + 1) >= kShardBytesMin)
    ++shard_bits_;
  const uint64_t shards = uint64_t{1} << shard_bits_;
  shard_bytes_max_ = bytes_max / shards;
  shards_ = std::make_unique<Shard[]>(shards);
  for (uint64_t i = 0; i < shards; ++i) {
    os::LockGuard lock(shards_[i].mutex);
    shards_[i].bytes_max = shard_bytes_max_;
    shards_[i].buckets.resize(64);
    // As many as there could be blocks of the smallest size that pages have.
    shards_[i].ghosts.resize(std::bit_ceil(std::max<uint64_t>(shard_bytes_max_ / 4096, 64)));
  }
}

BlockCache::~BlockCache() {
  for (uint64_t i = 0; i < uint64_t{1} << shard_bits_; ++i) {
    Shard& shard = shards_[i];
    os::LockGuard lock(shard.mutex);
    for (Block*& chain : shard.buckets) {
      while (chain != nullptr) shard.drop(&chain);
    }
  }
}

BlockCache::Shard& BlockCache::shard_of(uint64_t hash) noexcept {
  // Bits that neither buckets nor ghosts use.
  return shards_[shard_bits_ == 0 ? 0 : hash >> (64 - shard_bits_)];
}

BlockHandle BlockCache::find(const BlockKey& key) noexcept {
  const uint64_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  os::LockGuard lock(shard.mutex);
  Block* const block = *shard.place_of(hash, key);
  if (block == nullptr) {
    ++shard.stats.misses;
    return {};
  }
  ++shard.stats.hits;
  if (block->found < kFoundMax) ++block->found;
  block->references.fetch_add(1, std::memory_order_relaxed);
  return BlockHandle(block);
}

void BlockCache::prefetch(const BlockKey& key) noexcept {
  constexpr size_t kLine = 64;
  constexpr size_t kLines = 5;
  const uint64_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  os::LockGuard lock(shard.mutex);
  // The first of its bucket, which it mostly is.
  const auto* const at = reinterpret_cast<const char*>(
      shard.buckets[hash & (shard.buckets.size() - 1)]);
  if (at == nullptr) return;
  for (size_t line = 0; line < kLines; ++line) base::prefetch(at + line * kLine);
}

uint64_t BlockCache::erasures(const BlockKey& key) noexcept {
  Shard& shard = shard_of(hash_of(key));
  os::LockGuard lock(shard.mutex);
  return shard.erasures;
}

void BlockCache::insert(const BlockKey& key, const BlockHandle& block) {
  insert_if(key, block, nullptr);
}

void BlockCache::insert(const BlockKey& key, const BlockHandle& block, uint64_t erasures_before) {
  insert_if(key, block, &erasures_before);
}

void BlockCache::insert_if(const BlockKey& key, const BlockHandle& block,
                           const uint64_t* erasures_before) {
  AETHER_ASSERT(block);
  if (cost_of(*block.block_) > largest_block()) return;
  const uint64_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  os::LockGuard lock(shard.mutex);
  if (erasures_before != nullptr && *erasures_before != shard.erasures) return;
  if (*shard.place_of(hash, key) != nullptr) return;
  if (shard.stats.blocks >= shard.buckets.size()) shard.grow();
  shard.make_room(cost_of(*block.block_));
  Block* const kept = block.block_;
  kept->key = key;
  uint32_t& ghost = shard.ghost_of(hash);
  kept->in_main = ghost == Shard::ghost_mark(hash);
  if (kept->in_main) ghost = 0;
  kept->found = 0;
  kept->references.fetch_add(1, std::memory_order_relaxed);
  Block** const at = shard.place_of(hash, key);
  kept->next_in_bucket = std::exchange(*at, kept);
  (kept->in_main ? shard.main : shard.small).push(kept);
  ++shard.stats.blocks;
  ++shard.stats.inserts;
}

void BlockCache::erase(const BlockKey& key) noexcept {
  const uint64_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  os::LockGuard lock(shard.mutex);
  ++shard.erasures;
  Block** const at = shard.place_of(hash, key);
  if (*at != nullptr) shard.drop(at);
}

BlockCacheStats BlockCache::stats() {
  BlockCacheStats sum;
  for (uint64_t i = 0; i < uint64_t{1} << shard_bits_; ++i) {
    Shard& shard = shards_[i];
    os::LockGuard lock(shard.mutex);
    sum.bytes += shard.small.bytes + shard.main.bytes;
    sum.bytes_max += shard.bytes_max;
    sum.blocks += shard.stats.blocks;
    sum.hits += shard.stats.hits;
    sum.misses += shard.stats.misses;
    sum.inserts += shard.stats.inserts;
    sum.evictions += shard.stats.evictions;
  }
  return sum;
}

}  // namespace aether::buffer
