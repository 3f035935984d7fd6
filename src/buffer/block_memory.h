/// Memory for blocks of a cache, on huge pages: a cache that is larger than what the processor's tables of pages reach pays for each
/// look into a block with a walk through those tables, and the heap has small pages.
///
/// Slabs: a chunk is one huge page, cut into slots of one size; sizes are sixteen to a power of two, so that a slot is at most a
/// sixteenth larger than what is asked for. A chunk that is empty is kept if none is, and else goes back to the system.
///
///   chunk   head | slot | slot | slot ...      a slot's chunk is found by its address
///
/// Threads   Any.
/// Memory    Chunks of which few slots are in use stay: after a change of sizes it may hold twice what is in use.
/// Source    Bonwick: "The Slab Allocator", USENIX 1994.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "os/sync.h"

namespace aether::buffer {

class BlockMemory {
 public:
  static constexpr uint64_t kChunkBytes = uint64_t{2} << 20;
  static constexpr uint64_t kBytesMin = uint64_t{4} << 10;    ///< Below this the heap is as good,
  static constexpr uint64_t kBytesMax = uint64_t{128} << 10;  ///< and above there are few.

  /// Its owner; it goes when that has left and all that was taken has been given back.
  struct Leave {
    void operator()(BlockMemory* memory) const noexcept { memory->leave(); }
  };
  using Owner = std::unique_ptr<BlockMemory, Leave>;
  /// Throws std::bad_alloc.
  static Owner make() { return Owner(new BlockMemory()); }
  BlockMemory(const BlockMemory&) = delete;
  BlockMemory& operator=(const BlockMemory&) = delete;

  /// What a block of `bytes` takes; 0: it is for the heap.
  static uint64_t slot_bytes(uint64_t bytes) noexcept;
  /// A slot of `slot` bytes (of `slot_bytes`), at a multiple of 64. Null: there is no memory.
  void* take(uint64_t slot) noexcept;
  void give(void* memory) noexcept;
  /// Of all chunks.
  uint64_t held_bytes() noexcept;

 private:
  struct Chunk;
  BlockMemory() = default;
  ~BlockMemory();
  void leave() noexcept;
  static constexpr uint32_t kSteps = 16;  ///< Sizes to a power of two.
  static constexpr uint32_t kClasses = 5 * kSteps;
  static uint32_t class_of(uint64_t slot) noexcept;

  Chunk* make_chunk(uint64_t slot) noexcept AETHER_REQUIRES(mutex_);
  void give_to_chunk(void* memory) noexcept AETHER_REQUIRES(mutex_);
  void link(Chunk& chunk) noexcept AETHER_REQUIRES(mutex_);
  void unlink(Chunk& chunk) noexcept AETHER_REQUIRES(mutex_);

  os::Mutex mutex_;
  std::array<Chunk*, kClasses> with_room_ AETHER_GUARDED_BY(mutex_) = {};  ///< By size of slots.
  Chunk* spare_ AETHER_GUARDED_BY(mutex_) = nullptr;                       ///< Empty; or null.
  uint64_t chunks_ AETHER_GUARDED_BY(mutex_) = 0;
  uint64_t used_ AETHER_GUARDED_BY(mutex_) = 0;  ///< Slots.
  bool is_left_ AETHER_GUARDED_BY(mutex_) = false;
};

}  // namespace aether::buffer
