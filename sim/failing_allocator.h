/// Replaces operator new and delete of the program that includes this, so that its allocations can fail (alloc_faults.h).
///
/// Include it in exactly one source file of a program: the operators below are the program's own. Until a fault is armed
/// they do what the library's do, and count.
#pragma once

#include <cstddef>
#include <new>

#include "sim/alloc_faults.h"

void* operator new(std::size_t bytes) {
  return aether::sim::alloc_faults::detail::allocate_or_throw(bytes, alignof(std::max_align_t));
}
void* operator new[](std::size_t bytes) {
  return aether::sim::alloc_faults::detail::allocate_or_throw(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return aether::sim::alloc_faults::detail::allocate_or_throw(bytes,
                                                              static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return aether::sim::alloc_faults::detail::allocate_or_throw(bytes,
                                                              static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return aether::sim::alloc_faults::detail::allocate(bytes, alignof(std::max_align_t));
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return aether::sim::alloc_faults::detail::allocate(bytes, alignof(std::max_align_t));
}
void operator delete(void* memory) noexcept { aether::sim::alloc_faults::detail::release(memory); }
void operator delete[](void* memory) noexcept {
  aether::sim::alloc_faults::detail::release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  aether::sim::alloc_faults::detail::release(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  aether::sim::alloc_faults::detail::release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  aether::sim::alloc_faults::detail::release(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  aether::sim::alloc_faults::detail::release(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  aether::sim::alloc_faults::detail::release(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  aether::sim::alloc_faults::detail::release(memory);
}
