/// Where the inner nodes of a RAX lie: side by side, in few pages, and not among the buckets, of which there is forty times as
/// much. So the way down stays in the nearer caches and needs few pages' addresses.
///
/// Chunks are cut into slabs of a page, and a slab into places of one size. A slab whose places are all free serves any size
/// again; a chunk whose slabs are all free goes back.
///
///   chunk    | slab: 48 | slab: free | slab: 112 | slab: 48 | ...         64 KiB; 2 MiB, a huge page, when there is as much
///   slab     | header, 64 bytes | place | place | ... |
///
/// What it holds, free places included, counts against the tree's bound. Where that does not allow a chunk, or a node is
/// larger than a place may be, `allocate` says so and the heap serves.
///
/// Threads      Any method from any thread; one mutex. Inner nodes change once for some writes, and readers never come here.
/// Invariants   Every slab is in one list: those of its size with a free place, or those that are empty; in none when it is full.
/// Source       Bonwick: "The slab allocator", USENIX 1994. We differ: slabs of all sizes come from shared chunks.
#pragma once

#include <array>
#include <cstdint>

#include "aether/options.h"
#include "base/sharded.h"
#include "os/sync.h"

/// Sanitizers know the heap's blocks, and find who reads one that was freed: there inner nodes lie in it, as buckets do. And the
/// simulator may end a thread wherever it takes a mutex, which a write's steps are not made for.
#if !defined(AETHER_ASAN) && !defined(AETHER_TSAN) && !defined(AETHER_SIM)
#define AETHER_RAX_HAS_REGION 1
#endif

namespace aether::index::rax {

struct RegionStats {
  uint64_t chunks = 0;
  uint64_t large_chunks = 0;  ///< Of these.
  uint64_t chunk_bytes = 0;
  uint64_t places = 0;  ///< That nodes have.
};

class Region {
 public:
  static constexpr uint64_t kSlabBytes = 4 * KiB;
  static constexpr uint64_t kPlaceStep = 16;
  static constexpr uint64_t kPlaceMax = 496;  ///< Bytes of the largest node that it takes.
  static constexpr uint64_t kSmallChunk = 64 * KiB;
  static constexpr uint64_t kLargeChunk = 2 * MiB;
  /// A chunk may be this part of the bound: a small store has no bytes to leave free.
  static constexpr uint64_t kChunksInBound = 64;

  /// `budget` outlives it.
  explicit Region(base::MemoryBudget& budget) noexcept : budget_(budget) {}
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  /// Every place has been freed.
  ~Region();

  /// Aligned to 16 bytes; not cleared. Null: the heap has to serve.
  void* allocate(uint64_t bytes, uint32_t hint) noexcept;
  /// What `allocate` has given.
  void free(void* place, uint32_t hint) noexcept;

  RegionStats stats() const noexcept;

 private:
  struct Chunk;
  struct Slab;
  /// Slabs linked both ways.
  struct List {
    Slab* first = nullptr;
    void add(Slab& slab) noexcept;
    void remove(Slab& slab) noexcept;
  };
  static constexpr uint64_t kSizes = kPlaceMax / kPlaceStep;

  Slab* take_slab(uint32_t size, uint32_t hint) noexcept AETHER_REQUIRES(mutex_);
  bool add_chunk(uint32_t hint) noexcept AETHER_REQUIRES(mutex_);
  void leave_slab(Slab& slab, uint32_t hint) noexcept AETHER_REQUIRES(mutex_);
  void release(Chunk& chunk, uint32_t hint) noexcept AETHER_REQUIRES(mutex_);

  base::MemoryBudget& budget_;
  mutable os::Mutex mutex_;
  std::array<List, kSizes> with_room_ AETHER_GUARDED_BY(mutex_);
  List empty_ AETHER_GUARDED_BY(mutex_);
  RegionStats stats_ AETHER_GUARDED_BY(mutex_);
  uint64_t idle_chunks_ AETHER_GUARDED_BY(mutex_) = 0;  ///< With no slab in use.
};

}  // namespace aether::index::rax
