#include "base/spare_memory.h"

#include <array>
#include <new>
#include <utility>

namespace aether::base {
namespace {

constexpr size_t kStep = 16;
#if defined(AETHER_ASAN)
constexpr size_t kBytesMax = 0;  // The sanitizer is to see each object's life.
#else
constexpr size_t kBytesMax = 1536;  // A transaction and most rows.
#endif

/// As many bytes as the heap would give.
constexpr size_t class_of(size_t bytes) noexcept { return (bytes + kStep - 1) / kStep; }
constexpr size_t kClasses = class_of(kBytesMax) + 1;

struct Spares {
  ~Spares() {
    is_over = true;
    drop();
  }
  void drop() noexcept {
    for (void*& spare : of) ::operator delete(std::exchange(spare, nullptr));
  }
  std::array<void*, kClasses> of{};
  bool is_over = false;  ///< The thread ends: what other objects of it give now goes to the heap.
};
thread_local Spares spares;

}  // namespace

void* take_memory(size_t bytes) {
  const size_t size_class = class_of(bytes);
  if (size_class >= kClasses) return ::operator new(bytes);
  Spares& mine = spares;
  if (void* const spare = mine.of[size_class]) {
    mine.of[size_class] = nullptr;
    return spare;
  }
  return ::operator new(size_class* kStep);
}

void give_memory(void* memory, size_t bytes) noexcept {
  const size_t size_class = class_of(bytes);
  Spares& mine = spares;
  if (size_class >= kClasses || mine.of[size_class] != nullptr || mine.is_over)
    return ::operator delete(memory);
  mine.of[size_class] = memory;
}

void drop_spare_memory() noexcept { spares.drop(); }

}  // namespace aether::base
