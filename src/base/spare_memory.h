/// Memory of objects that come and go on one thread, many a microsecond: transactions, versions of rows. What went last is
/// at hand for the next of that size, one block a size; the heap has the rest.
///
/// Threads   Any; what one thread has taken another may give back.
/// Memory    At most one block of each size a thread, until it ends: some 70 KiB if it has had all of them.
#pragma once

#include <cstddef>

namespace aether::base {

/// At least `bytes`, aligned for any object. Throws std::bad_alloc.
void* take_memory(size_t bytes);
/// `bytes`: as they were asked for. Null: nothing.
void give_memory(void* memory, size_t bytes) noexcept;
/// What this thread has at hand goes back to the heap: for who counts what is not given back.
void drop_spare_memory() noexcept;

}  // namespace aether::base
