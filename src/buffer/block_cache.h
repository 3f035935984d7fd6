/// Blocks in memory: bytes that nobody changes, and that can be had from the disk again. For what does not lie in frames: the
/// blocks of runs, and values too large for a leaf.
///
/// Shards, each with a mutex, a hash table and S3-FIFO: a block begins in a small queue; one that was found there again goes on
/// to the main queue, where each time it was found spares it a round; the others leave, and are remembered as a hash, so that
/// they begin in the main queue if they come back soon. So a scan that reads everything once displaces nothing.
///
/// A handle keeps its block alive, also when the cache has let go of it: `bytes_max` bounds what the cache holds, not what
/// handles do beside it.
///
/// Threads   Any; a handle is one thread's.
/// Memory    Who inserts may meet std::bad_alloc, before anything has changed.
/// Source    Yang, Zhang, Qiu, Yue, Rashmi, "FIFO Queues are All You Need for Cache Eviction", SOSP 2023.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "buffer/block_memory.h"
#include "os/sync.h"

namespace aether::buffer {

/// Whose block, and which. Owners never come back (BlockCache::new_owner), so nothing need be erased when one goes.
struct BlockKey {
  uint64_t owner = 0;
  uint64_t place = 0;
  bool operator==(const BlockKey&) const = default;
};

namespace detail {

/// Its bytes lie behind it. A line of the processor's cache, where it is one of BlockMemory.
struct Block {
  BlockKey key;
  Block* next_in_bucket = nullptr;
  Block* newer = nullptr;  ///< In its queue.
  Block* older = nullptr;
  BlockMemory* memory = nullptr;  ///< Null: it is of the heap.
  uint32_t bytes = 0;
  std::atomic<uint32_t> references{1};
  uint8_t found = 0;  ///< Times, at most 3. Under the shard's mutex, as all above but bytes.
  bool in_main = false;

  char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
  const char* data() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  static void destroy(Block* block) noexcept;
};
static_assert(sizeof(Block) == 64);

}  // namespace detail

class BlockHandle {
 public:
  BlockHandle() = default;
  /// A block of its own, of the heap, to be filled and perhaps inserted. Less than 4 GiB. Throws std::bad_alloc.
  static BlockHandle make(uint64_t bytes);
  BlockHandle(BlockHandle&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  BlockHandle& operator=(BlockHandle&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~BlockHandle() { reset(); }

  explicit operator bool() const noexcept { return block_ != nullptr; }
  std::string_view bytes() const noexcept { return {block_->data(), block_->bytes}; }
  /// Before it is inserted.
  char* memory() noexcept { return block_->data(); }
  BlockHandle share() const noexcept {
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
    return BlockHandle(block_);
  }
  void reset() noexcept {
    detail::Block* const block = std::exchange(block_, nullptr);
    if (block != nullptr && block->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      detail::Block::destroy(block);
  }

 private:
  friend class BlockCache;
  explicit BlockHandle(detail::Block* block) noexcept : block_(block) {}
  detail::Block* block_ = nullptr;
};

struct BlockCacheStats {
  uint64_t bytes = 0;  ///< Held, with what a block needs beside its bytes.
  uint64_t bytes_max = 0;
  uint64_t blocks = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t inserts = 0;
  uint64_t evictions = 0;
};

class BlockCache {
 public:
  /// Of the values outside their leaves; `place` is the first page.
  static constexpr uint64_t kValues = 0;

  /// 0: it keeps nothing.
  explicit BlockCache(uint64_t bytes_max);
  ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  /// Above 0; never given twice.
  uint64_t new_owner() noexcept { return next_owner_.fetch_add(1, std::memory_order_relaxed); }

  /// A block to be filled and inserted. Of a large cache it lies on huge pages. Throws std::bad_alloc.
  BlockHandle make(uint64_t bytes);

  /// Empty: it is not there.
  BlockHandle find(const BlockKey& key) noexcept;

  /// Asks memory for the block's head and the beginning of its bytes, if it is there: `find` soon.
  void prefetch(const BlockKey& key) noexcept;

  /// What has been erased near `key` so far: taken before a block is read whose place may be given to another.
  uint64_t erasures(const BlockKey& key) noexcept;
  /// Keeps the block, unless one of that key is there already, it is too large, or something near it has been erased since.
  void insert(const BlockKey& key, const BlockHandle& block);
  void insert(const BlockKey& key, const BlockHandle& block, uint64_t erasures_before);
  void erase(const BlockKey& key) noexcept;

  /// Larger ones are not kept.
  uint64_t largest_block() const noexcept { return shard_bytes_max_ / 2; }
  BlockCacheStats stats();

 private:
  struct Shard;
  Shard& shard_of(uint64_t hash) noexcept;
  void insert_if(const BlockKey& key, const BlockHandle& block, const uint64_t* erasures_before);

  BlockMemory::Owner memory_;  ///< Null: the heap serves.
  uint32_t shard_bits_ = 0;
  uint64_t shard_bytes_max_ = 0;
  std::unique_ptr<Shard[]> shards_;
  std::atomic<uint64_t> next_owner_{1};
};

}  // namespace aether::buffer
