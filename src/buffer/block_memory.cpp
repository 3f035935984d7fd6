#include "buffer/block_memory.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "base/assert.h"

namespace aether::buffer {

/// At the beginning of its memory.
struct alignas(64) BlockMemory::Chunk {
  Chunk* next = nullptr;  ///< Among those with room of its size.
  Chunk* previous = nullptr;
  void* given = nullptr;  ///< A slot that was in use; in it lies the next such one.
  uint64_t slot = 0;      ///< Bytes.
  uint32_t slots = 0;
  uint32_t fresh =
      0;  ///< Slots from this one on were never in use, so that their memory is not touched.
  uint32_t used = 0;

  bool is_full() const noexcept { return used == slots; }
  void* take() noexcept {
    ++used;
    if (given != nullptr) {
      void* const taken = given;
      given = *static_cast<void**>(taken);
      return taken;
    }
    return reinterpret_cast<char*>(this + 1) + fresh++ * slot;
  }
};

uint64_t BlockMemory::slot_bytes(uint64_t bytes) noexcept {
  if (bytes <= kBytesMin || bytes > kBytesMax) return 0;
  const uint64_t step = std::bit_floor(bytes - 1) / kSteps;
  AETHER_ASSERT(step > 0);
  return (bytes + step - 1) / step * step;
}

uint32_t BlockMemory::class_of(uint64_t slot) noexcept {
  const uint64_t power = std::bit_floor(slot - 1);
  const uint64_t step = power / kSteps;
  AETHER_ASSERT(step > 0);
  const auto above = static_cast<uint32_t>((slot - power) / step);  // 1 to kSteps.
  return static_cast<uint32_t>(std::countr_zero(power / kBytesMin)) * kSteps + above - 1;
}

BlockMemory::~BlockMemory() {
  os::LockGuard lock(mutex_);
  AETHER_ASSERT(chunks_ == (spare_ != nullptr ? 1 : 0));
  if (spare_ != nullptr) os::release_memory(spare_, kChunkBytes);
}

void BlockMemory::leave() noexcept {
  bool is_last = false;
  {
    os::LockGuard lock(mutex_);
    is_left_ = true;
    is_last = used_ == 0;
  }
  if (is_last) delete this;
}

void BlockMemory::link(Chunk& chunk) noexcept {
  Chunk*& first = with_room_[class_of(chunk.slot)];
  chunk.previous = nullptr;
  chunk.next = std::exchange(first, &chunk);
  if (chunk.next != nullptr) chunk.next->previous = &chunk;
}

void BlockMemory::unlink(Chunk& chunk) noexcept {
  Chunk*& first = with_room_[class_of(chunk.slot)];
  (chunk.previous != nullptr ? chunk.previous->next : first) = chunk.next;
  if (chunk.next != nullptr) chunk.next->previous = chunk.previous;
}

BlockMemory::Chunk* BlockMemory::make_chunk(uint64_t slot) noexcept {
  void* memory = std::exchange(spare_, nullptr);
  if (memory == nullptr) {
    memory = os::reserve_memory(kChunkBytes);
    if (memory == nullptr) return nullptr;
    ++chunks_;
  }
  auto* const chunk = new (memory) Chunk();
  chunk->slot = slot;
  chunk->slots = static_cast<uint32_t>((kChunkBytes - sizeof(Chunk)) / slot);
  link(*chunk);
  return chunk;
}

void* BlockMemory::take(uint64_t slot) noexcept {
  os::LockGuard lock(mutex_);
  Chunk* chunk = with_room_[class_of(slot)];
  if (chunk == nullptr) chunk = make_chunk(slot);
  if (chunk == nullptr) return nullptr;
  ++used_;
  void* const taken = chunk->take();
  if (chunk->is_full()) unlink(*chunk);
  return taken;
}

void BlockMemory::give(void* memory) noexcept {
  bool is_last = false;
  {
    os::LockGuard lock(mutex_);
    AETHER_ASSERT(used_ > 0);
    is_last = --used_ == 0 && is_left_;
    give_to_chunk(memory);
  }
  if (is_last) delete this;
}

void BlockMemory::give_to_chunk(void* memory) noexcept {
  auto* const chunk = reinterpret_cast<Chunk*>(reinterpret_cast<uintptr_t>(memory) &
                                               ~uintptr_t{kChunkBytes - 1});
  AETHER_ASSERT(chunk->used > 0);
  if (chunk->is_full()) link(*chunk);
  *static_cast<void**>(memory) = std::exchange(chunk->given, memory);
  if (--chunk->used > 0) return;
  unlink(*chunk);
  if (spare_ == nullptr) {
    spare_ = chunk;
  } else {
    os::release_memory(chunk, kChunkBytes);
    --chunks_;
  }
}

uint64_t BlockMemory::held_bytes() noexcept {
  os::LockGuard lock(mutex_);
  return chunks_ * kChunkBytes;
}

}  // namespace aether::buffer
