#include "index/rax/region.h"

#include <new>

#include "base/assert.h"
#include "base/bytes.h"

namespace aether::index::rax {

struct Region::Chunk {
  char* memory = nullptr;
  uint64_t bytes = 0;
  uint64_t used = 0;  ///< Slabs.
};

struct alignas(64) Region::Slab {
  Slab* next = nullptr;
  Slab* before = nullptr;
  Chunk* chunk = nullptr;
  void* freed = nullptr;  ///< The first of a list through the free places that were a node's.
  uint32_t size = 0;      ///< The number of its list.
  uint16_t used = 0;
  uint16_t touched = 0;  ///< Places from here on were never a node's.
  uint16_t places = 0;

  uint64_t place_bytes() const noexcept { return (size + 1) * kPlaceStep; }
  bool is_full() const noexcept { return used == places; }
  void start(uint32_t of_size) noexcept {
    size = of_size;
    freed = nullptr;
    touched = 0;
    places = static_cast<uint16_t>((kSlabBytes - sizeof(Slab)) / place_bytes());
  }
  void* take() noexcept {
    ++used;
    if (freed == nullptr) {
      return reinterpret_cast<char*>(this + 1) + place_bytes() * touched++;
    }
    void* const place = freed;
    freed = reinterpret_cast<void*>(base::load<uint64_t>(static_cast<char*>(place)));
    return place;
  }
  void give(void* place) noexcept {
    AETHER_ASSERT(used > 0);
    --used;
    base::store<uint64_t>(static_cast<char*>(place), reinterpret_cast<uint64_t>(freed));
    freed = place;
  }
};

void Region::List::add(Slab& slab) noexcept {
  slab.before = nullptr;
  slab.next = first;
  if (first != nullptr) first->before = &slab;
  first = &slab;
}

void Region::List::remove(Slab& slab) noexcept {
  (slab.before == nullptr ? first : slab.before->next) = slab.next;
  if (slab.next != nullptr) slab.next->before = slab.before;
}

Region::~Region() {
  const os::LockGuard guard(mutex_);
  AETHER_ASSERT(stats_.places == 0);
  while (empty_.first != nullptr) release(*empty_.first->chunk, 0);
}

void* Region::allocate(uint64_t bytes, uint32_t hint) noexcept {
  if (bytes > kPlaceMax) return nullptr;
  const auto size = static_cast<uint32_t>((bytes - 1) / kPlaceStep);
  const os::LockGuard guard(mutex_);
  Slab* slab = with_room_[size].first;
  if (slab == nullptr) slab = take_slab(size, hint);
  if (slab == nullptr) return nullptr;
  void* const place = slab->take();
  if (slab->is_full()) with_room_[size].remove(*slab);
  ++stats_.places;
  return place;
}

void Region::free(void* place, uint32_t hint) noexcept {
  const uint64_t begin = reinterpret_cast<uint64_t>(place) & ~(kSlabBytes - 1);
  Slab& slab = *reinterpret_cast<Slab*>(begin);
  const os::LockGuard guard(mutex_);
  if (slab.is_full()) with_room_[slab.size].add(slab);
  slab.give(place);
  --stats_.places;
  if (slab.used == 0) leave_slab(slab, hint);
}

Region::Slab* Region::take_slab(uint32_t size, uint32_t hint) noexcept {
  if (empty_.first == nullptr && !add_chunk(hint)) return nullptr;
  Slab& slab = *empty_.first;
  empty_.remove(slab);
  if (slab.chunk->used++ == 0) --idle_chunks_;
  slab.start(size);
  with_room_[size].add(slab);
  return &slab;
}

bool Region::add_chunk(uint32_t hint) noexcept {
  const uint64_t most = budget_.max() / kChunksInBound;
  if (kSmallChunk > most) return false;
  // Large ones when they are no more than what there is already.
  const bool is_large = stats_.chunk_bytes >= kLargeChunk && kLargeChunk <= most;
  const uint64_t bytes = is_large ? kLargeChunk : kSmallChunk;
  if (!budget_.take(bytes, hint)) return false;  // Never of what is kept for removals.
  Chunk* const chunk = new (std::nothrow) Chunk;
  if (chunk != nullptr) chunk->memory = static_cast<char*>(os::reserve_memory(bytes));
  if (chunk == nullptr || chunk->memory == nullptr) {
    delete chunk;
    budget_.give(bytes, hint);
    return false;
  }
  chunk->bytes = bytes;
  for (uint64_t at = bytes; at > 0; at -= kSlabBytes) {  // The first one will be on top.
    Slab* const slab = new (chunk->memory + at - kSlabBytes) Slab;
    slab->chunk = chunk;
    empty_.add(*slab);
  }
  ++stats_.chunks;
  ++idle_chunks_;
  stats_.chunk_bytes += bytes;
  if (bytes == kLargeChunk) ++stats_.large_chunks;
  return true;
}

// One chunk stays while others are in use, so that a tree about as large as some chunks does not take and give one again and again.
void Region::leave_slab(Slab& slab, uint32_t hint) noexcept {
  with_room_[slab.size].remove(slab);
  empty_.add(slab);
  if (--slab.chunk->used > 0) return;
  ++idle_chunks_;
  if (stats_.places == 0) {
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): release takes all slabs of the chunk off the list.
    while (empty_.first != nullptr) release(*empty_.first->chunk, hint);
  } else if (idle_chunks_ > 1) {
    release(*slab.chunk, hint);
  }
}

void Region::release(Chunk& chunk, uint32_t hint) noexcept {
  AETHER_ASSERT(chunk.used == 0);
  for (uint64_t at = 0; at < chunk.bytes; at += kSlabBytes) {
    empty_.remove(*reinterpret_cast<Slab*>(chunk.memory + at));
  }
  --stats_.chunks;
  --idle_chunks_;
  stats_.chunk_bytes -= chunk.bytes;
  if (chunk.bytes == kLargeChunk) --stats_.large_chunks;
  budget_.give(chunk.bytes, hint);
  os::release_memory(chunk.memory, chunk.bytes);
  delete &chunk;
}

RegionStats Region::stats() const noexcept {
  const os::LockGuard guard(mutex_);
  return stats_;
}

}  // namespace aether::index::rax
