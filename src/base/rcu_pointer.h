/// A pointer to an immutable object that is replaced as a whole: readers never wait, and the writer not for readers.
///
///   RcuPointer<Version> current(std::make_unique<const Version>(...));
///   current.read(hint)->runs ...            short: an epoch is pinned meanwhile
///   Ref version = current.acquire(hint);    as long as it likes: a count, and no pin
///   current.publish(next);                  from now on everybody finds it; the old one goes when nobody has it
///
///   current ──► Node 2     the pointer's own reference is dropped two epochs after the swap: so whoever loaded the
///               Node 1     pointer under a pin can still count itself in. Who counted, keeps it.
///
/// Threads     Any method from any thread, but one publish at a time.
/// Source      McKenney: read-copy-update; here by epochs (base/epochs.h). Decision 0025 compares it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/epochs.h"
#include "base/sim_point.h"

namespace aether::base {

template <typename T>
class RcuPointer {
  struct Node {
    Epochs::Link link{0};  // First: a link's address is its node's.
    std::atomic<uint64_t> references{1};
    std::unique_ptr<const T> value;
  };

 public:
  explicit RcuPointer(std::unique_ptr<const T> initial)
      : epochs_(nullptr, drop), node_(make(std::move(initial))) {}
  RcuPointer(const RcuPointer&) = delete;
  RcuPointer& operator=(const RcuPointer&) = delete;
  /// No Guard may be left; a Ref may.
  ~RcuPointer() { release(node_.load(std::memory_order_relaxed)); }

  /// Holds back what others publish meanwhile: short.
  class Guard {
   public:
    const T& operator*() const noexcept { return *node_->value; }
    const T* operator->() const noexcept { return node_->value.get(); }

   private:
    friend class RcuPointer;
    Guard(Epochs::Pin pin, const Node* node) noexcept : pin_(std::move(pin)), node_(node) {}
    Epochs::Pin pin_;
    const Node* node_;
  };

  /// Keeps the object, and nothing else, for as long as it lives.
  class Ref {
   public:
    Ref() noexcept = default;
    Ref(Ref&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    Ref& operator=(Ref&& other) noexcept {
      std::swap(node_, other.node_);
      return *this;
    }
    ~Ref() {
      if (node_ != nullptr) release(node_);
    }
    const T& operator*() const noexcept { return *node_->value; }
    const T* operator->() const noexcept { return node_->value.get(); }
    explicit operator bool() const noexcept { return node_ != nullptr; }

   private:
    friend class RcuPointer;
    explicit Ref(Node* node) noexcept : node_(node) {}
    Node* node_ = nullptr;
  };

  /// Hot path: a pin and a load. `hint`: os::worker_id().
  Guard read(uint32_t hint) const noexcept {
    Epochs::Pin pin = epochs_.pin(hint);
    sim_point();
    const Node* const node = node_.load(std::memory_order_acquire);
    return {std::move(pin), node};
  }
  /// A pin, a load, and a count on a line that all readers share.
  Ref acquire(uint32_t hint) const noexcept {
    const Epochs::Pin pin = epochs_.pin(hint);
    sim_point();
    Node* const node = node_.load(std::memory_order_acquire);
    sim_window();
    node->references.fetch_add(1, std::memory_order_relaxed);
    return Ref(node);
  }

  /// What is ready to be published: that needs no memory then.
  class Prepared {
   public:
    explicit operator bool() const noexcept { return node_ != nullptr; }

   private:
    friend class RcuPointer;
    std::unique_ptr<Node> node_;
  };
  /// Throws std::bad_alloc.
  static Prepared prepare(std::unique_ptr<const T> next) {
    Prepared prepared;
    prepared.node_.reset(make(std::move(next)));
    return prepared;
  }

  /// Throws std::bad_alloc, then nothing has changed.
  void publish(std::unique_ptr<const T> next, uint32_t hint) {
    publish(prepare(std::move(next)), hint);
  }
  /// Frees what was published before and nobody has, if no pin holds that back.
  void publish(Prepared next, uint32_t hint) noexcept {
    Node* const old = node_.exchange(next.node_.release(), std::memory_order_acq_rel);
    sim_window();
    epochs_.retire(old->link, 0, sizeof(Node), hint);
    epochs_.collect_all();
  }
  /// As publish does afterwards.
  void collect() noexcept { epochs_.collect_all(); }
  EpochStats stats() const noexcept { return epochs_.stats(); }

 private:
  static Node* make(std::unique_ptr<const T> value) {
    auto node = std::make_unique<Node>();
    node->value = std::move(value);
    return node.release();
  }
  static void release(Node* node) noexcept {
    if (node->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete node;
  }
  static uint64_t drop(void*, Epochs::Link& link, uint32_t) {
    release(reinterpret_cast<Node*>(&link));
    return sizeof(Node);
  }

  mutable Epochs epochs_;
  alignas(64) std::atomic<Node*> node_;
};

}  // namespace aether::base
