/// Epoch reclamation: memory that is unlinked while others may still read it is freed when nobody can any more.
///
/// A reader pins the epoch before it loads a pointer and keeps the pin as long as it uses what it points to. Whoever has
/// unlinked an object retires it. The epoch moves on when all who are pinned have announced it; what was retired before
/// an epoch is freed two epochs later, a few objects a call, so that no caller pays for a long list.
///
///   retire ──► pending, by shard ──(epoch moves on to e)──► waits, stamped e ──(e+2)──► freed in slices
///
/// An object is listed through a word of its own that readers may look at: bit 0 of it says that the object is gone for
/// ever, and such a word never becomes another. So retiring takes no memory and cannot fail.
///
/// A reader that stays pinned holds back everything retired since, up to the bound of the structure that owns the
/// memory: that counts what is retired, and answers writes with an error (`stats` tells whom to blame). It never
/// corrupts.
///
/// Threads      Any method from any thread; a Pin is one thread's at a time and may move to another.
/// Invariants   spec/Epochs; DESIGN: memory reclaimed by an epoch is unreachable for every reader in an older epoch.
/// Source       Fraser: "Practical lock-freedom", Cambridge UCAM-CL-TR-579, 2004, section 5.2.3. We differ: no thread
///              registers (a pin claims a free slot), and lists are stamped when the epoch moves on, not at each retire.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

namespace aether::base {

struct EpochStats {
  uint64_t epoch = 0;
  uint64_t pinned = 0;           ///< Pins that are held.
  uint64_t oldest_epoch = 0;     ///< Of those; `epoch`, if there are none.
  uint64_t retired_objects = 0;  ///< Not freed yet.
  uint64_t retired_bytes = 0;
  uint64_t held_back = 0;  ///< Times that the epoch could not move on because of a pin.
};

class Epochs {
 public:
  /// The word of an object that links it when it is retired. Aligned to 8 bytes.
  using Link = std::atomic<uint64_t>;
  static constexpr uint64_t kGone = 1;  ///< Bit 0 of a link: retired, or about to be.
  static constexpr uint32_t kKinds = 4;
  /// Frees a retired object of `kind`; returns its bytes as they were given to `retire`.
  using Free = uint64_t (*)(void* owner, Link& link, uint32_t kind);

  static constexpr uint32_t kSlots = 128;  ///< Pins at a time that have a line of their own.
  static constexpr uint32_t
      kCollectEvery = 64;  ///< Objects that a shard takes between two looks at the epoch.
  static constexpr uint32_t kSlice = 256;  ///< Objects that one call frees at most.

  Epochs(void* owner, Free free) noexcept : owner_(owner), free_(free) {}
  Epochs(const Epochs&) = delete;
  Epochs& operator=(const Epochs&) = delete;
  /// Nobody may be pinned. Frees everything.
  ~Epochs();

  class Pin {
   public:
    Pin() noexcept = default;
    Pin(Pin&& other) noexcept
        : domain_(std::exchange(other.domain_, nullptr)),
          slot_(other.slot_),
          epoch_(other.epoch_) {}
    Pin& operator=(Pin&& other) noexcept {
      if (this != &other) {
        release();
        domain_ = std::exchange(other.domain_, nullptr);
        slot_ = other.slot_;
        epoch_ = other.epoch_;
      }
      return *this;
    }
    ~Pin() { release(); }
    void release() noexcept {
      if (domain_ != nullptr) std::exchange(domain_, nullptr)->unpin(slot_);
    }
    bool holds() const noexcept { return domain_ != nullptr; }
    /// The epoch has moved on since: this pin is what keeps it from moving again.
    bool is_behind() const noexcept {
      return domain_->epoch_.load(std::memory_order_relaxed) != epoch_;
    }

   private:
    friend class Epochs;
    Pin(Epochs* domain, uint32_t slot, uint64_t epoch) noexcept
        : domain_(domain), slot_(slot), epoch_(epoch) {}
    Epochs* domain_ = nullptr;
    uint32_t slot_ = 0;
    uint64_t epoch_ = 0;
  };

  /// Hot path: one locked instruction on a line of the caller's own. `hint`: a small number of the calling thread
  /// (os::worker_id); threads of equal numbers are correct, and slower. Cannot fail.
  Pin pin(uint32_t hint) noexcept;

  /// `link`'s object is unlinked: nobody who pins from now on finds it. Once for each object. `bytes`: what freeing it
  /// gives back. Lock-free; every kCollectEvery-th call collects.
  void retire(Link& link, uint32_t kind, uint64_t bytes, uint32_t hint) noexcept;

  /// Moves the epoch on if that is allowed, and frees a slice of what nobody can reach. False: there was nothing to do,
  /// or a pin, or another thread that collects, did not let it.
  bool collect() noexcept;
  /// Collects until nothing more can be freed now.
  void collect_all() noexcept;

  EpochStats stats() const noexcept;

  static bool is_gone(uint64_t link) noexcept { return (link & kGone) != 0; }

 private:
  static constexpr uint32_t kShards = 16;
  static constexpr uint32_t
      kCommons = kSlots;  ///< The slot that all share for whom no other is free.

  // A slot's word: epoch << 16 | pins. No pins: nobody, whatever the epoch.
  struct alignas(64) Slot {
    std::atomic<uint64_t> word{0};
  };
  struct alignas(64) Shard {
    std::atomic<uint64_t> pending{0};  ///< Head of the list, as a link's word.
    std::atomic<uint64_t> objects{0};  ///< Ever retired here.
    std::atomic<uint64_t> bytes{0};
  };
  struct Lists {
    std::array<uint64_t, kShards> heads{};
  };

  Pin pin_elsewhere(uint32_t hint, uint64_t epoch) noexcept;
  void unpin(uint32_t slot) noexcept;
  bool try_claim(uint32_t slot, uint64_t epoch) noexcept;
  bool everybody_is_at(uint64_t epoch) const noexcept;
  bool advance() noexcept;
  bool free_slice() noexcept;
  void free_list(uint64_t head, uint32_t& budget, uint64_t& rest) noexcept;

  void* const owner_;
  const Free free_;
  std::array<Slot, kSlots + 1> slots_;
  alignas(64) std::atomic<uint64_t> epoch_{1};
  std::atomic<uint32_t> slots_used_{
      0};  ///< No slot from here on was ever claimed, but the commons.
  std::array<Shard, kShards> shards_;
  alignas(64) std::atomic<bool> collecting_{false};  ///< Who sets it owns what follows.
  std::array<Lists, 2> waiting_;                     ///< [stamp % 2]
  Lists safe_;                                       ///< Nobody can reach these.
  std::atomic<uint64_t> freed_objects_{0};
  std::atomic<uint64_t> freed_bytes_{0};
  std::atomic<uint64_t> held_back_{0};
};

}  // namespace aether::base
