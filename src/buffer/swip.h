/// Swips: 64-bit words inside inner nodes that are a place on disk or a place in memory.
///
///   evicted   the page id
///   hot       bit 63 set, the frame's address
///   cool      bits 63 and 62 set, the frame's address: in memory, and next to go
///
/// Whoever changes a swip holds the latch of the page it lies in exclusively; readers load it atomically and
/// validate that page afterwards.
///
/// Source   Leis, Haubenschild, Kemper, Neumann: "LeanStore: In-Memory Data Management Beyond Main Memory",
///          ICDE 2018.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/ids.h"

namespace aether::buffer {

struct Frame;

class SwipWord {
 public:
  constexpr explicit SwipWord(uint64_t word) noexcept : word_(word) {}
  static SwipWord evicted(PageId id) noexcept { return SwipWord(raw(id)); }
  static SwipWord hot(const Frame* frame) noexcept {
    return SwipWord(reinterpret_cast<uint64_t>(frame) | kInMemory);
  }
  static SwipWord cool(const Frame* frame) noexcept {
    return SwipWord(reinterpret_cast<uint64_t>(frame) | kInMemory | kCool);
  }

  bool is_hot() const noexcept { return (word_ & (kInMemory | kCool)) == kInMemory; }
  bool is_cool() const noexcept { return (word_ & (kInMemory | kCool)) == (kInMemory | kCool); }
  bool is_evicted() const noexcept { return (word_ & kInMemory) == 0; }
  bool in_memory() const noexcept { return !is_evicted(); }
  /// Hot or cool only.
  Frame* frame() const noexcept { return reinterpret_cast<Frame*>(word_ & ~(kInMemory | kCool)); }
  /// Evicted only.
  PageId page_id() const noexcept { return PageId{word_}; }
  uint64_t word() const noexcept { return word_; }

  static SwipWord load(const uint64_t* place) noexcept {
    return SwipWord(__atomic_load_n(place, __ATOMIC_ACQUIRE));
  }
  void store(uint64_t* place) const noexcept { __atomic_store_n(place, word_, __ATOMIC_RELEASE); }

 private:
  static constexpr uint64_t kInMemory = uint64_t{1} << 63;
  static constexpr uint64_t kCool = uint64_t{1} << 62;
  uint64_t word_;
};

}  // namespace aether::buffer
