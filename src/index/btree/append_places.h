/// Where threads have last put a row behind all others of its leaf: rows that come in key order go there again, without a
/// descent.
///
/// A hint: who takes it looks whether the leaf covers the key. Frames never go, so what one holds can always be looked at.
///
/// Threads   Any; each mostly has a place of its own.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "buffer/frame.h"
#include "os/sync.h"

namespace aether::index {

class AppendPlaces {
 public:
  /// Of the calling thread. Null: its last row did not end a leaf.
  std::atomic<buffer::Frame*>& mine() noexcept { return places_[os::worker_id() % kPlaces].leaf; }

 private:
  static constexpr size_t kPlaces = 8;
  struct alignas(64) Place {
    std::atomic<buffer::Frame*> leaf{nullptr};
  };
  std::array<Place, kPlaces> places_;
};

}  // namespace aether::index
