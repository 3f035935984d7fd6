/// Left-right: two copies of a structure. Readers use one without waiting for anybody; the writer changes the other and swaps.
///
///   LeftRight<Levels, Edit> levels(initial);
///   auto reader = levels.add_reader();               one for each thread that reads, kept
///   reader->read()->runs ...                          a guard: short, or the writer waits for it
///   levels.append(edit); levels.publish([&] { backoff.wait(); });
///
///   readers ──► [ left  ]   [ right ] ◄── the writer: what only left has, then what is new
///               swap: readers come to the right, and the writer has left once all who were there have gone
///
/// A reader counts itself in, loads which copy is readable, reads, counts itself out: no loop, no wait. The writer notes the
/// counters after each swap; before it touches the copy that was readable then it waits for those who were inside. So
/// the wait falls on the publish after, and a reader that stays stops the writer, never another reader.
///
/// An edit is applied to each copy once: it must do the same to both. The first publish copies the whole structure, so does
/// the next one after an edit that threw.
///
/// Threads     Readers from any thread, each Reader one thread's at a time. append, publish and settle: one writer at a
///             time, the caller sees to that.
/// Invariants  spec/LeftRight
/// Source      Ramalhete, Correia: "Left-Right: A Concurrency Control Technique with Wait-Free Population Oblivious Reads",
///             2015. We differ: counters of readers instead of two version indices, an operation log, the wait
///             for the previous swap (as the Rust crate left-right has it).
#pragma once

#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/planted.h"
#include "base/sim_point.h"

namespace aether::base {

template <typename T, typename Edit>
  requires std::copyable<T> && std::invocable<const Edit&, T&>
class LeftRight {
 public:
  static constexpr uint32_t kReadersMax = 64;

  explicit LeftRight(T initial) { copies_[0].emplace(std::move(initial)); }
  LeftRight(const LeftRight&) = delete;
  LeftRight& operator=(const LeftRight&) = delete;
  /// No Reader may be left.
  ~LeftRight() {
    for (const Slot& slot : slots_) AETHER_ASSERT(!slot.taken.load(std::memory_order_acquire));
  }

  class Reader;
  /// What it shows stays as it is while it lives.
  class Guard {
   public:
    explicit Guard(Reader& reader) noexcept : reader_(&reader) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { reader_->leave(); }
    const T& operator*() const noexcept { return *reader_->owner_->copies_[reader_->side_]; }
    const T* operator->() const noexcept { return &**this; }

   private:
    Reader* reader_;
  };

  class Reader {
   public:
    Reader(Reader&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), slot_(other.slot_) {
      AETHER_ASSERT(other.depth_ == 0);
    }
    Reader& operator=(Reader&&) = delete;
    ~Reader() {
      if (owner_ == nullptr) return;
      AETHER_ASSERT(depth_ == 0);
      owner_->slots_[slot_].taken.store(false, std::memory_order_release);
    }
    /// Wait-free: one locked instruction on a line of the reader's own. A guard within another shows the same copy.
    Guard read() noexcept {
      if (depth_++ == 0) enter();
      return Guard(*this);
    }

   private:
    friend class LeftRight;
    friend class Guard;
    Reader(LeftRight& owner, uint32_t slot) noexcept : owner_(&owner), slot_(slot) {}

    void enter() noexcept {
      if (AETHER_PLANTED("base.left_right_loads_first")) {
        side_ = owner_->readable_.load(std::memory_order_seq_cst);
        sim_window();
      }
      owner_->slots_[slot_].count.fetch_add(1, std::memory_order_seq_cst);
      if (AETHER_PLANTED("base.left_right_loads_first")) return;
      sim_window();
      side_ = owner_->readable_.load(std::memory_order_seq_cst);
      sim_point();
    }
    void leave() noexcept {
      if (--depth_ != 0) return;
      owner_->slots_[slot_].count.fetch_add(1, std::memory_order_release);
      sim_point();
    }

    LeftRight* owner_;
    uint32_t slot_;
    uint32_t side_ = 0;
    uint32_t depth_ = 0;
  };

  /// Nothing: there are kReadersMax already.
  std::optional<Reader> add_reader() noexcept {
    for (uint32_t i = 0; i < kReadersMax; ++i) {
      bool taken = false;
      if (!slots_[i].taken.compare_exchange_strong(taken, true)) continue;
      return Reader(*this, i);
    }
    return std::nullopt;
  }

  /// Nobody sees it before it is published. Throws std::bad_alloc, then it is not appended.
  void append(Edit edit) { log_.push_back(std::move(edit)); }
  bool has_unpublished() const noexcept { return log_.size() > published_; }

  /// What has been appended is readable when it returns true. False: a reader has not left what it saw before the last swap;
  /// nothing has changed. Throws what an edit or copying T throws: then nothing is published, and the edits stay.
  bool try_publish() {
    if (!has_unpublished()) return true;
    if (!bring_up(log_.size())) return false;
    sim_window();
    if (AETHER_PLANTED("base.left_right_looks_before_swap")) note_readers();
    sim_window();
    readable_.store(stale(), std::memory_order_seq_cst);
    sim_window();
    if (!AETHER_PLANTED("base.left_right_looks_before_swap")) note_readers();
    published_ = log_.size();
    return true;
  }
  /// Tries, and `wait()`s in between, at most `tries` times: a reader that stays may make it give up.
  template <std::invocable Wait>
  bool try_publish(uint64_t tries, Wait&& wait) {
    for (uint64_t i = 0; i < tries; ++i) {
      if (try_publish()) return true;
      wait();
    }
    return false;
  }
  /// Waits for readers for as long as they stay.
  template <std::invocable Wait>
  void publish(Wait&& wait) {
    while (!try_publish()) wait();
  }
  /// The other copy gets what has been published: both are equal then, and the edits gone. False: as try_publish.
  bool try_settle() {
    AETHER_ASSERT(!has_unpublished());
    if (log_.empty() && is_whole_) return true;
    return bring_up(published_);
  }
  /// Both copies. Nobody may be inside or publish: for tests and checks.
  template <typename Look>
  void look_at_both(Look&& look) const {
    look(*copies_[readable_.load()],
         copies_[stale()] ? *copies_[stale()] : *copies_[readable_.load()]);
  }

 private:
  struct alignas(64) Slot {
    std::atomic<uint64_t> count{0};  ///< Odd: inside. Goes on from reader to reader.
    std::atomic<bool> taken{false};
  };

  uint32_t stale() const noexcept { return 1 - readable_.load(std::memory_order_relaxed); }

  bool readers_have_left() const noexcept {
    for (uint32_t i = 0; i < kReadersMax; ++i) {
      if (seen_[i] % 2 == 0) continue;
      if (slots_[i].count.load(std::memory_order_acquire) == seen_[i]) return false;
    }
    return true;
  }
  void note_readers() noexcept {
    for (uint32_t i = 0; i < kReadersMax; ++i) {
      seen_[i] = slots_[i].count.load(std::memory_order_seq_cst);
    }
  }

  // The stale copy has the log up to `end` then, but for what both have, which leaves the log.
  bool bring_up(size_t end) {
    if (!AETHER_PLANTED("base.left_right_does_not_wait") && !readers_have_left()) return false;
    std::optional<T>& copy = copies_[stale()];
    size_t from = 0;
    if (!is_whole_) {
      copy = *copies_[readable_.load(std::memory_order_relaxed)];
      from = published_;
    }
    is_whole_ = false;
    if (AETHER_PLANTED("base.left_right_applies_once")) from = published_;
    for (size_t i = from; i < end; ++i) {
      sim_window();
      std::as_const(log_[i])(*copy);
    }
    is_whole_ = true;
    // Both have what was published before.
    log_.erase(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(published_));
    published_ = 0;
    return true;
  }

  std::array<std::optional<T>, 2> copies_;  ///< The second one from the first publish on.
  alignas(64) std::atomic<uint32_t> readable_{0};
  std::array<Slot, kReadersMax> slots_;
  // The writer's.
  std::array<uint64_t, kReadersMax> seen_{};  ///< The counters after the last swap.
  std::vector<Edit> log_;  ///< What the readable copy has and the other not, then what neither has.
  size_t published_ = 0;   ///< Of the log, what the readable copy has.
  bool is_whole_ = false;  ///< The stale copy lacks nothing but the log.
};

}  // namespace aether::base
