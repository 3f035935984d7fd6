/// A lock-free ordered map in memory: a skiplist whose readers wait for nobody and whose writers for nobody either.
///
/// A remove takes effect when it marks the node's value; then it marks the node's next pointers from the top down, and
/// whoever comes by unlinks it. An insert takes effect when the lowest level points to the node; the levels above follow. Who
/// inserted a node may still be linking it while another removes it: the later of the two retires it (node.h, `done`).
///
/// Threads     Any method from any thread. A cursor is one thread's at a time.
/// Invariants  README.md
/// Source      Harris: "A pragmatic implementation of non-blocking linked-lists", DISC 2001; Fraser, UCAM-CL-TR-579, 2004,
///             section 4.3.3; Herlihy, Shavit: "The Art of Multiprocessor Programming", chapter 14. We differ: the value
///             word decides who removes, so that update and remove of one key are ordered; the height comes from the key.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/ordered_index.h"
#include "base/epochs.h"
#include "base/sharded.h"
#include "index/skiplist/node.h"

namespace aether::index {

struct SkiplistOptions {
  /// Nodes and values, also those that are retired and wait for a reader, with what the allocator takes for each.
  uint64_t memory_bytes_max = 1 * GiB;
  /// Makes the heights of towers unpredictable to whoever chooses the keys.
  uint64_t seed = 0;
};

struct SkiplistStats {
  uint64_t keys = 0;
  uint64_t memory_bytes = 0;  ///< Taken of memory_bytes_max.
  base::EpochStats epochs;
};

class SkiplistCursor;

class Skiplist {
 public:
  static constexpr uint32_t
      kHeightMax = 16;  ///< A quarter of the nodes of a level reaches the next.
  static constexpr uint64_t kKeyBytesMax = 64 * KiB;

  explicit Skiplist(const SkiplistOptions& options = {}) noexcept;
  Skiplist(const Skiplist&) = delete;
  Skiplist& operator=(const Skiplist&) = delete;
  /// No cursor may be left, and nobody inside.
  ~Skiplist();

  Result<void> get(Bytes key, std::string& value) const;
  Result<void> visit(Bytes key, FunctionRef<void(Bytes)> visitor) const;
  Result<void> put(Bytes key, Bytes value) { return write(Mode::put, key, value); }
  Result<void> insert(Bytes key, Bytes value) { return write(Mode::insert, key, value); }
  Result<void> update(Bytes key, Bytes value) { return write(Mode::update, key, value); }
  Result<void> remove(Bytes key);
  SkiplistCursor cursor() const noexcept;

  SkiplistStats stats() const noexcept;
  /// Frees what nobody reads any more; a write does a part of it now and then.
  void collect() noexcept { epochs_.collect_all(); }

 private:
  friend class SkiplistCursor;
  using Node = skiplist::Node;
  using Tower = skiplist::Tower;
  enum class Mode : uint8_t { put, insert, update };
  /// Where a key belongs: on each level the last node before it, and what follows.
  struct Place {
    std::array<Tower, kHeightMax> before;
    std::array<Node*, kHeightMax> after;
  };
  enum : uint32_t { kKindNode, kKindValue };

  /// What a write has allocated and not linked yet.
  struct Fresh;

  Result<void> write(Mode mode, Bytes key, Bytes value);
  Result<void> try_write(Mode mode, Bytes key, Bytes value, Fresh& fresh) noexcept;
  Node* find(Bytes key, Place& place) noexcept;
  std::optional<Node*> try_find(Bytes key, Place& place) noexcept;
  bool try_link(Node& node, const Place& place) noexcept;
  void link_above(Node& node, Place& place, uint32_t hint) noexcept;
  bool link_level(Node& node, uint32_t level, Place& place) noexcept;
  static void mark(Node& node) noexcept;
  void unlink(Node& node, uint32_t hint) noexcept;
  void retire(skiplist::Value& value, uint32_t hint) noexcept;

  Node* lower_bound(Bytes key, bool& is_equal) const noexcept;
  Node* first_node() const noexcept {
    return skiplist::node_of(head_[0].load(std::memory_order_acquire));
  }
  Node* last_before(std::optional<Bytes> key) const noexcept;

  bool make_node(Bytes key, Bytes value, Fresh& fresh) noexcept;
  bool make_value(Bytes value, Fresh& fresh) noexcept;
  void* allocate(uint64_t bytes, Fresh& fresh) noexcept;
  void release(void* memory, uint64_t bytes, uint32_t hint) noexcept;
  static uint64_t free_retired(void* self, base::Epochs::Link& link, uint32_t kind);

  const uint64_t seed_;
  std::atomic<uint32_t> height_{1};  ///< No level from here on was ever used.
  mutable std::array<std::atomic<uint64_t>, kHeightMax> head_{};
  base::ShardedCounter keys_;
  base::MemoryBudget budget_;
  mutable base::Epochs epochs_;
};

/// Walks both ways. A step forward is one load; a step back is a search from the top, as nodes have no way back.
///
/// Between moves it pins the epoch, so that key() and value() need no copy: what others remove meanwhile stays in memory
/// until it moves (then it pins anew, if the epoch has moved on) or `rest`s. Moving takes no memory; resting takes a copy
/// of key and value.
class SkiplistCursor {
 public:
  explicit SkiplistCursor(const Skiplist& list) noexcept : list_(&list) {}

  Result<bool> seek(Bytes key) { return seek(SeekOp::at_least, key); }
  Result<bool> seek_for_prev(Bytes key) { return seek(SeekOp::at_most, key); }
  /// All but longest_prefix in one search.
  Result<bool> seek(SeekOp op, Bytes key);
  Result<bool> first() { return seek(SeekOp::first, {}); }
  Result<bool> last() { return seek(SeekOp::last, {}); }
  Result<bool> next();
  Result<bool> prev();

  bool positioned() const noexcept { return positioned_; }
  Bytes key() const noexcept;
  Result<Bytes> value();

  /// Lets go of what it holds back, and stays where it is. Errors: no_memory (then it holds on).
  Result<void> rest();

 private:
  bool seek_pinned(SeekOp op, Bytes key) noexcept;
  bool stand_on(skiplist::Node* node, bool forward) noexcept;

  const Skiplist* list_;
  base::Epochs::Pin pin_;
  skiplist::Node* node_ = nullptr;  ///< While it is pinned.
  Bytes value_;
  std::string key_copy_;  ///< While it rests.
  std::string value_copy_;
  bool positioned_ = false;
};

inline SkiplistCursor Skiplist::cursor() const noexcept { return SkiplistCursor(*this); }

static_assert(OrderedIndex<Skiplist>);

}  // namespace aether::index
