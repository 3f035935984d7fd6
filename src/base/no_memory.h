/// Memory that runs out: where std::bad_alloc becomes an error, and what keeps it from leaving anything half done.
///
///   public call          or_no_memory: an allocation that fails inside is the answer no_memory
///   change of shared     what it needs is there before the first step that cannot be taken back (`make_room`, a
///   state                Version, a list's node); NoAllocationScope is open from there on
///   background threads   or_no_memory around a round; it is tried again with the next one
///
/// Between the two the exception runs through guards that let go of latches, frames, pages and names, as an error does.
/// Decision 0011 has the reasons.
///
/// Threads   Any; a scope is its thread's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>

#include "aether/error.h"

namespace aether::base {

/// `call`'s Result; no_memory if an allocation in it failed.
template <typename Call>
auto or_no_memory(Call&& call) -> decltype(call()) {
  try {
    return std::forward<Call>(call)();
  } catch (const std::bad_alloc&) {
    return Code::no_memory;
  }
}

/// For what may as well not happen, or happens again later. False: an allocation failed, and it is half done or not at all.
template <typename Call>
bool if_memory_allows(Call&& call) noexcept {
  try {
    std::forward<Call>(call)();
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

/// So that `count` more elements can be appended without memory. Grows as appending does.
template <typename Vector>
void make_room(Vector& vector, size_t count = 1) {
  if (vector.capacity() - vector.size() >= count) [[likely]]
    return;
  vector.reserve(std::max(vector.size() + count, 2 * vector.capacity()));
}

/// Calls `undo` on every way out, an exception's too, but for the one that dismisses it. `undo` must not throw.
template <typename Undo>
class Unless {
 public:
  explicit Unless(Undo undo) noexcept : undo_(std::move(undo)) {}
  Unless(const Unless&) = delete;
  Unless& operator=(const Unless&) = delete;
  ~Unless() {
    if (armed_) undo_();
  }
  void dismiss() noexcept { armed_ = false; }

 private:
  Undo undo_;
  bool armed_ = true;
};

#if defined(AETHER_CHECKED)
namespace detail {
inline constinit thread_local int no_allocation_scopes = 0;
}

/// The thread is between a step that cannot be taken back and what completes it: an allocation that throws would be a
/// mistake of ours. A test's operator new asks `allocation_forbidden` and stops. Nothing in builds that are not checked.
class NoAllocationScope {
 public:
  NoAllocationScope() noexcept { ++detail::no_allocation_scopes; }
  ~NoAllocationScope() { --detail::no_allocation_scopes; }
  NoAllocationScope(const NoAllocationScope&) = delete;
  NoAllocationScope& operator=(const NoAllocationScope&) = delete;
};
inline bool allocation_forbidden() noexcept { return detail::no_allocation_scopes > 0; }
#else
class NoAllocationScope {
 public:
  NoAllocationScope() noexcept {}  // Not trivial: a scope that is never named is no warning.
};
inline bool allocation_forbidden() noexcept { return false; }
#endif

}  // namespace aether::base
