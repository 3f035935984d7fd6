/// RAX: an ordered map in memory as a compressed radix tree. Keys lie along the paths, so that what they begin with in
/// common is there once; a node may end a key and lead on to others.
///
/// Inner nodes lead to buckets, each with the keys below a place, some dozens at most, side by side in their order. A bucket
/// that grows too large becomes two, or an inner node above two; neighbours that shrink become one.
///
/// Nodes are not changed: a change makes a new node and puts it in the old one's place, which is one store into its
/// parent. So a reader never waits, never begins anew, and validates nothing: what it reads was so at one moment between the
/// begin and the end of its call. A writer latches, from the top down, the parent whose pointer it changes and the nodes it
/// replaces: two of them, up to four where nodes are split or joined. Decision 0021.
///
/// Threads     Any method from any thread. A cursor is one thread's at a time. Latch order: parent before child, left
///             before right.
/// Invariants  README.md
/// Source      Morrison: "PATRICIA", J. ACM 15(4), 1968; antirez: rax (what it offers); Leis, Scheibner, Kemper, Neumann:
///             "The ART of Practical Synchronization", DaMoN 2016; Askitis, Zobel: "B-tries for disk-based string management",
///             VLDB Journal 18, 2009 (buckets of a range of bytes). We differ: nodes of exact size, copied on write.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "aether/ordered_index.h"
#include "base/epochs.h"
#include "base/inline_vector.h"
#include "base/sharded.h"
#include "index/rax/node.h"
#include "index/rax/region.h"

namespace aether::index {

struct RaxOptions {
  /// Nodes, also those that are retired and wait for a reader, with what the allocator takes for each. A sixteenth is
  /// kept for removals, which need a node for each that they take.
  uint64_t memory_bytes_max = 1 * GiB;
};

struct RaxStats {
  uint64_t keys = 0;
  uint64_t nodes = 0;         ///< That are in the tree, buckets included.
  uint64_t memory_bytes = 0;  ///< Taken of memory_bytes_max.
  rax::RegionStats region;    ///< Of that, where inner nodes lie.
  base::EpochStats epochs;
};

class RaxCursor;

class Rax {
 public:
  static constexpr uint64_t kKeyBytesMax = 64 * KiB;

  explicit Rax(const RaxOptions& options = {}) noexcept;
  Rax(const Rax&) = delete;
  Rax& operator=(const Rax&) = delete;
  /// No cursor may be left, and nobody inside.
  ~Rax();

  Result<void> get(Bytes key, std::string& value) const;
  Result<void> visit(Bytes key, FunctionRef<void(Bytes)> visitor) const;
  Result<void> put(Bytes key, Bytes value) { return write(Mode::put, key, value); }
  Result<void> insert(Bytes key, Bytes value) { return write(Mode::insert, key, value); }
  Result<void> update(Bytes key, Bytes value) { return write(Mode::update, key, value); }
  Result<void> remove(Bytes key) { return write(Mode::remove, key, {}); }
  RaxCursor cursor() const noexcept;

  RaxStats stats() const noexcept;
  /// Walks the whole tree and compares it with what node.h and bucket.h say. Nobody may write meanwhile.
  Result<void> validate() const;
  /// Frees what nobody reads any more; a write does a part of it now and then.
  void collect() noexcept { epochs_.collect_all(); }

 private:
  friend class RaxCursor;
  using Node = rax::Node;
  enum class Mode : uint8_t { put, insert, update, remove };
  using Stored = rax::Stored;
  /// A way down to where a key is, or would be.
  struct Path;
  /// What a new inner node is to hold.
  struct Content;
  /// A key that a new bucket is to hold, and a list of them in their order.
  struct Item;
  struct Items;
  /// A child of a new inner node.
  struct Added;
  using Prefix = std::array<Bytes, 2>;  ///< Parts, in their order.
  /// What a write has allocated and not linked yet.
  struct Fresh;
  /// Latches of a write, which let go on every way out.
  class Latches;
  enum class Step : uint8_t { done, restart, no_memory, none };

  Result<void> write(Mode mode, Bytes key, Bytes value);
  Result<void> try_write(Mode mode, Bytes key, Bytes value, Fresh& fresh) noexcept;
  Path descend(Bytes key) noexcept;
  bool store_value(Bytes value, Stored& stored, Fresh& fresh) noexcept;
  Step put_first(const Path& path, const Stored& stored, Fresh& fresh) noexcept;
  Step put_entry(const Path& path, const Stored& stored, Fresh& fresh) noexcept;
  Step rebuild(const Path& path, uint32_t place, const Stored& stored, Fresh& fresh) noexcept;
  Step add_child(const Path& path, const Stored& stored, Fresh& fresh) noexcept;
  Step split(const Path& path, const Stored& stored, Fresh& fresh) noexcept;
  Step put_value(const Path& path, const Stored& stored, Fresh& fresh) noexcept;
  Step take_value(const Path& path, Fresh& fresh) noexcept;
  Step take_entry(const Path& path, Fresh& fresh) noexcept;
  Step take_bucket(const Path& path, Fresh& fresh) noexcept;
  Step try_merge(const Path& path, uint64_t bytes, Fresh& fresh) noexcept;
  bool plan_merge(const Path& path, uint32_t left, Items& items) const noexcept;
  Step merge(const Path& path, uint32_t left, uint32_t count, Items& items, Fresh& fresh) noexcept;

  Node* make(const Content& content, Fresh& fresh) noexcept;
  Node* make_bucket(const Prefix& prefix, const Item* items, uint32_t count, size_t from,
                    size_t skip, Fresh& fresh) noexcept;
  Node* splice(const Node& node, uint32_t at, uint32_t removed, const Item* added,
               Fresh& fresh) noexcept;
  Node* build(const Prefix& prefix, const Item* items, uint32_t count, size_t from,
              bool is_appended, Fresh& fresh) noexcept;
  uint32_t build_pieces(const Item* items, uint32_t count, size_t skip, bool is_appended,
                        Added* added, Fresh& fresh) noexcept;
  Node* join(const Node& above, const Node& only, Fresh& fresh) noexcept;
  void* allocate(uint64_t bytes, Fresh& fresh) noexcept;
  void* allocate_inner(uint64_t bytes, bool& in_region, Fresh& fresh) noexcept;
  void free_node(Node* node, uint32_t hint) noexcept;
  void place(const Path& path, Node* placed, Fresh& fresh) noexcept;
  void place_parent(const Path& path, Node* placed, Fresh& fresh) noexcept;
  void retire(Node& node, uint32_t hint) noexcept;
  void retire_value(const Stored& stored, uint32_t hint) noexcept;
  void release(Node* node, uint32_t hint) noexcept;
  void release(rax::Apart* apart, uint32_t hint) noexcept;
  static uint64_t free_retired(void* self, base::Epochs::Link& link, uint32_t kind);

  Node* root() const noexcept { return top_.node.child(0); }

  /// Stands above the root, as a node with one child: so the root has a parent like every other.
  struct Top {
    Node node{};
    std::array<uint8_t, 8> edges{};
    std::atomic<uint64_t> child{0};
  };
  Top top_;
  base::ShardedCounter keys_;
  base::ShardedCounter nodes_;
  base::MemoryBudget budget_;
  rax::Region region_{budget_};
  mutable base::Epochs epochs_;
};

/// Walks both ways along the tree; each step follows its own path as long as the nodes on it are in the tree, and finds
/// the way anew by its key where one is not.
///
/// Between moves it pins the epoch, so that value() needs no copy: what others replace meanwhile stays in memory until it
/// moves (then it pins anew, if the epoch has moved on) or `rest`s. A move for which there is no memory leaves it
/// unpositioned.
class RaxCursor {
 public:
  explicit RaxCursor(const Rax& tree) noexcept : tree_(&tree) {}

  Result<bool> seek(Bytes key) { return seek(SeekOp::at_least, key); }
  Result<bool> seek_for_prev(Bytes key) { return seek(SeekOp::at_most, key); }
  /// Each in one descent.
  Result<bool> seek(SeekOp op, Bytes key);
  Result<bool> first() { return seek(SeekOp::first, {}); }
  Result<bool> last() { return seek(SeekOp::last, {}); }
  Result<bool> next() { return step_on(nullptr); }
  /// As next, but to a key below `end` only, which lies elsewhere; what is not below it is not looked at.
  Result<bool> next_before(Bytes end) { return step_on(&end); }
  Result<bool> prev();
  /// To some key, by choosing at each node among its own and the ways down: `below(n)` gives a number below n. Any key may
  /// come; those on short paths more often. False: there is none.
  Result<bool> random(FunctionRef<uint64_t(uint64_t n)> below);

  bool positioned() const noexcept { return positioned_; }
  Bytes key() const noexcept { return {key_.data(), key_.size()}; }
  Result<Bytes> value();

  /// Lets go of what it holds back, and stays where it is. Errors: no_memory (then it holds on).
  Result<void> rest();

 private:
  enum class Found : uint8_t { here, nowhere, stale };
  struct Frame {
    rax::Node* node;
    uint32_t
        child;  ///< Where the path goes on; of the last one: nothing, or which key of the bucket.
  };

  Result<bool> step_on(const Bytes* end);
  Found look(SeekOp op, Bytes key);
  Found look_up(Bytes key, bool or_equal);
  Found look_down(Bytes key, bool or_equal);
  Found look_along(Bytes key, bool equal);
  Found least_from_here();
  Found greatest_from_here();
  Found after_here(const Bytes* end = nullptr);
  Found before_here();
  Found stand() noexcept;
  Found stand_at(uint32_t index);
  void push(rax::Node* node);
  void push_child(uint32_t index);
  void shorten(size_t nodes, size_t key_bytes) noexcept;
  bool lose() noexcept;
  bool may_step() const noexcept;

  const Rax* tree_;
  base::Epochs::Pin pin_;
  base::InlineVector<Frame, 16> path_;  ///< While it is pinned.
  base::InlineVector<char, 128> key_;   ///< Along the path.
  size_t key_above_ = 0;  ///< Bytes of it up to the prefix of the last node, that included.
  base::InlineVector<char, 128> wanted_;  ///< What a seek goes for.
  Bytes value_;
  std::string value_copy_;  ///< While it rests.
  bool positioned_ = false;
};

inline RaxCursor Rax::cursor() const noexcept { return RaxCursor(*this); }

static_assert(OrderedIndex<Rax>);
static_assert(StepsUpTo<RaxCursor>);

}  // namespace aether::index
