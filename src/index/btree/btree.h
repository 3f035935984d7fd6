/// The B+ tree: an ordered map in buffer-managed pages.
///
/// A descent holds no latch: it notes each node's version, reads, and validates (optimistic lock coupling). A
/// change latches its leaf, and when the node must be split or merged, its parent first. The root's page id never
/// changes: a root split moves the content down.
///
/// Rows      A leaf's payload is RecordMeta (who wrote it) and the value. A row of an open transaction is locked
///           against others by that word; who does not see its writer finds an older one in the VersionStore. A
///           removed row stays as a ghost until every snapshot sees the removal.
/// Threads   Any method from any thread; a TransactionContext is one thread's at a time.
/// Errors    not_found, exists, conflict, too_large, invalid_argument; io_error, corruption, busy, failed,
///           no_space from the rooms below.
/// Source    Leis, Haubenschild, Neumann: "Optimistic Lock Coupling", IEEE Data Eng. Bull. 42(1), 2019; LeanStore.
///           Logging: one record per structure modification in place of ARIES/IM's nested top actions.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "base/ids.h"
#include "index/btree/append_places.h"
#include "index/btree/ops.h"
#include "index/btree/services.h"
#include "index/btree/write_kind.h"
#include "page/leaf_record.h"
#include "txn/transaction_context.h"
#include "txn/validation.h"

namespace aether::index {

using Bytes = std::string_view;

class ReadView;

/// Where a descent goes.
enum class SeekTo : uint8_t {
  key,    ///< The leaf that covers the key.
  below,  ///< The leaf that covers the greatest keys < the key.
  last,   ///< The rightmost leaf.
};

struct TreeShape {
  uint32_t height = 0;
  uint64_t leaf_pages = 0;
  uint64_t inner_pages = 0;
};

/// How the inner nodes grow. Leaves, rows and what is read are the same.
enum class Growth : uint8_t {
  balanced,  ///< A full node splits, and its parent takes one more: every leaf lies at the same depth.
  radix,     ///< A full node moves a subtree down into a page of its own: index/btree/README.md.
};

class BTree {
 public:
  /// `root`: pinned (BufferPool::load_pinned).
  BTree(const Services& services, StoreId store, buffer::Frame& root,
        Growth growth = Growth::balanced) noexcept
      : services_(services), store_(store), growth_(growth), root_(root) {}

  /// Makes an empty tree as a change of `txn` that survives only if it commits: the caller links the page in the
  /// catalogue in the same transaction. Returns its pinned root frame.
  static Result<buffer::Frame*> create(Services& services, txn::TransactionContext& txn,
                                       StoreId store);

  /// `txn`: says what is seen, and takes what the answer depends on. Null: the newest committed row.
  Result<void> get(Bytes key, std::string& value, txn::TransactionContext* txn);
  Result<void> get(Bytes key, std::string& value, ReadView& view, txn::TransactionContext* txn);
  /// When the row expires; 0: it stays. Errors: not_found.
  Result<uint64_t> expiry(Bytes key, ReadView& view, txn::TransactionContext* txn);
  /// The values of many keys as one `txn` sees them: `visitor(index, value)` for each, in their order, with null for
  /// what is not there; no latch is held. Without a transaction or its snapshot: each the newest committed row.
  Result<void> multi_get(std::span<const Bytes> keys,
                         FunctionRef<void(size_t index, const Bytes* value)> visitor,
                         txn::TransactionContext* txn);
  /// Brings the leaves of `keys` into the pool, reading side by side, and asks the processor for them. A hint: what fails, fails for
  /// who comes next.
  void prefetch(std::span<const Bytes> keys);
  /// `visitor` runs under the leaf's shared latch.
  Result<void> visit(Bytes key, FunctionRef<void(Bytes)> visitor, txn::TransactionContext* txn);

  /// False: the change needs a transaction of more than one record (overflow pages come or go); nothing was done.
  /// Only if txn.single_record.
  /// `value` by reference, all the way down: by value it would go over the stack, from where a wide load that follows the
  /// stores of its two words waits until all stores before them, to the log of the last write, are in the cache.
  Result<bool> write(txn::TransactionContext& txn, WriteKind kind, Bytes key, const Bytes& value);

  /// Takes one change back, logging a CLR.
  Result<void> undo(txn::TransactionContext& txn, const txn::UndoEntry& entry);
  /// Removes the ghost of `key` that `owner` left, now that its commit is logged (`context` depends on it) and every
  /// snapshot sees it.
  Result<void> purge(buffer::LogContext& context, Bytes key, TxnId owner);

  // Explicit locks. Transactions that have some in this store are counted; while there are any, every write takes a
  // lock on its key too.
  /// Before `txn` asks for its first.
  void count_locker(txn::TransactionContext& txn);
  bool has_lockers() const noexcept { return lockers_.load(std::memory_order_relaxed) != 0; }
  /// `txn` has locked the keys of [begin, end) (empty: no end), or one key: has anybody written there without a lock, who
  /// is still open, or whom its snapshot does not see? Errors: conflict.
  Result<void> check_locked_range(txn::TransactionContext& txn, Bytes begin, Bytes end);
  Result<void> check_locked_key(txn::TransactionContext& txn, Bytes key);
  /// A row as it stands in its leaf, whoever wrote it; empty if there is none. For recovery.
  Result<std::string> newest_payload(Bytes key);

  /// For the commit of a serializable transaction: would it read the same again? `witness`: where it read `key`.
  Result<bool> still_holds(Bytes key, const txn::PageWitness& witness,
                           const txn::Validation& validation);
  Result<bool> still_holds(const txn::RangeRead& range, const txn::Validation& validation);

  /// Where a descent came to a leaf: as long as the parent is unchanged, its neighbours are found without another.
  struct LeafPlace {
    buffer::Frame* parent = nullptr;  ///< Null: the root is the leaf.
    uint64_t version = 0;             ///< Of the parent.
    uint32_t index = 0;               ///< Of the leaf among its children.
  };
  /// The leaf that covers the place; what is read under the guard is a guess until it validates.
  Result<buffer::OptimisticGuard> find_leaf(Bytes key, SeekTo where = SeekTo::key,
                                            buffer::ScanRing* ring = nullptr,
                                            LeafPlace* place = nullptr);
  /// The leaf after (`up`) or before the one at `place`, which moves there. Nothing: a descent has to find it.
  std::optional<buffer::OptimisticGuard> enter_sibling(LeafPlace& place, bool up) noexcept;
  /// Asks the processor for that leaf's head and slots. Its frame, a guess; null: not known.
  const buffer::Frame* prefetch_sibling(const LeafPlace& place, bool up) noexcept;

  /// Fills the empty tree from a sorted run, as rows of the transaction of `context`. One record, which is its commit:
  /// the caller waits until `context`'s vector is durable. Returns the number of rows. Errors: exists, busy (locks).
  Result<uint64_t> bulk_load(buffer::LogContext& context,
                             FunctionRef<Result<bool>(Bytes& key, Bytes& value)> next);

  /// Gives back the rightmost leaf, with the inner nodes that lead to nothing else and the values outside pages; the
  /// last one leaves an empty root. One record: dropping a store is a loop of these, which a crash may interrupt.
  /// False: the tree was empty. Nobody else may use the tree.
  Result<bool> drop_last_leaf(buffer::LogContext& context);

  /// What a walk beside others finds on the way to a leaf.
  struct LeafLook {
    std::optional<std::string> next;  ///< Where the leaf after it begins; nothing: it is the last.
    PageId bad_page = kNoPage;        ///< Damaged: the keys up to `next` cannot be looked at.
    std::string problem;
  };
  /// Looks at the leaf of `key` and at the nodes above it: well-formed, of this tree, one level below their parents and
  /// between their fences, allocated. Each is latched together with its parent, so that nobody can be half-way with it.
  /// `visit` runs under the leaf's shared latch. A walk begins with the empty key and goes on with `next`.
  Result<LeafLook> look_at_leaf(Bytes key, buffer::ScanRing& ring,
                                FunctionRef<void(PageId, const page::SlottedPage&)> visit);

  /// Counts pages by walking the inner ones.
  Result<TreeShape> shape();

  static uint32_t key_bytes_max(uint32_t page_bytes) noexcept;
  /// Largest value kept in the leaf with a key of that size.
  static uint32_t inline_value_max(uint32_t page_bytes, size_t key_bytes) noexcept;

  StoreId store() const noexcept { return store_; }
  buffer::Frame& root() noexcept { return root_; }
  Services& services() noexcept { return services_; }

 private:
  enum class Step : uint8_t { done, restart, full, underfull, needs_transaction, needs_lock };
  /// A node and its parent, as a descent found them.
  struct Path {
    std::optional<buffer::OptimisticGuard> parent;
    buffer::OptimisticGuard node;
  };

  buffer::Frame* sibling(const buffer::OptimisticGuard& parent, uint32_t index) noexcept;
  std::optional<buffer::OptimisticGuard> enter_again(Bytes key, buffer::Frame& leaf);
  Result<buffer::OptimisticGuard> find_leaf_to_write(txn::TransactionContext& txn, Bytes key);
  Result<buffer::OptimisticGuard> find_leaf_for(txn::TransactionContext* txn, Bytes key);
  bool row_holds(page::SlottedPage node, uint32_t slot, Bytes key,
                 const txn::Validation& validation);
  void remember(txn::TransactionContext* txn, Bytes key, buffer::Frame& leaf,
                uint64_t version) const;
  /// A row as one transaction sees it.
  struct RowRead {
    Bytes payload = {};    ///< Empty: there is none.
    bool in_page = false;  ///< A guess until the caller validates; else copied, and validated.
    bool again = false;    ///< What was read did not hold.
  };
  Result<RowRead> read_row(const buffer::OptimisticGuard& guard, Bytes key, ReadView& view,
                           std::string& older);
  /// What a read may do while it has entered its leaf.
  enum class Reading : uint8_t {
    whole,   ///< Whatever it takes.
    inside,  ///< Nothing that waits: values outside their leaf are not read.
    head,    ///< The value is not read.
  };
  Result<void> read_at(const buffer::OptimisticGuard& leaf, Bytes key, std::string& value,
                       std::string& older, ReadView& view, txn::TransactionContext* txn,
                       Reading reading, bool& again);
  // Many keys at once (multi_get.cpp).
  class Misses;
  class Descents;
  struct Answers;
  Result<void> get_in_memory(std::span<const Bytes> keys, Answers& answers, Misses& misses,
                             ReadView& view, txn::TransactionContext* txn);
  Result<void> get_chunk(std::span<const Bytes> keys, Answers& answers, ReadView& view,
                         txn::TransactionContext* txn);

  Result<bool> holds_reference(Bytes key, page::RecordMeta meta,
                               const page::OverflowReference& reference);

  Result<void> check_loadable();
  Result<void> look_at_child(const page::SlottedPage& parent, const uint64_t* place,
                             const buffer::Frame& frame, Bytes key);

  // Writing (btree_write.cpp)
  Result<void> check_arguments(WriteKind kind, Bytes key, Bytes value) const;
  Result<bool> write_outside(txn::TransactionContext& txn, WriteKind kind, Bytes key, Bytes value);
  Result<bool> write_body(txn::TransactionContext& txn, WriteKind kind, Bytes key,
                          const Bytes& body, uint8_t flags);
  Result<Step> try_write(txn::TransactionContext& txn, WriteKind kind, Bytes key,
                         const Bytes& value, uint8_t flags, bool has_lock);
  Result<Step> write_row(txn::TransactionContext& txn, buffer::Frame& leaf,
                         page::SlottedPage::Position at, Bytes key, const Bytes& value,
                         uint8_t flags);
  Result<void> make_room_to_write(txn::TransactionContext& txn, WriteKind kind, Bytes key,
                                  Bytes value);
  Result<Step> remove_row(txn::TransactionContext& txn, buffer::Frame& leaf,
                          page::SlottedPage::Position at, Bytes key);
  Result<Step> expire_row(txn::TransactionContext& txn, buffer::Frame& leaf,
                          page::SlottedPage::Position at, Bytes key, Bytes expiry);
  Result<void> check_writer(txn::TransactionContext& txn, TxnId writer) const;
  Result<void> log_row(txn::TransactionContext& txn, buffer::Frame& leaf, RowPart& part, Bytes key,
                       Bytes old, Bytes before);
  Result<Step> try_undo(txn::TransactionContext& txn, const txn::UndoEntry& entry,
                        uint32_t& payload_bytes);

  // Structure (btree_structure.cpp, btree_merge.cpp)
  Result<Path> find_path(Bytes key, uint32_t level, uint32_t depth_max = ~uint32_t{0},
                         buffer::ScanRing* ring = nullptr);
  Result<void> make_room(buffer::LogContext& context, Bytes key, uint32_t payload_bytes);
  Result<bool> purge_ghosts(buffer::LogContext& context, Bytes key);
  bool has_expired_for_all(Bytes payload, uint64_t& horizon_ms) const noexcept;
  Result<void> split(buffer::LogContext& context, Bytes key, uint32_t level,
                     uint32_t payload_bytes);
  Result<Step> try_split(buffer::LogContext& context, Bytes key, uint32_t level,
                         uint32_t payload_bytes, std::string& separator);
  Result<void> split_in_place(buffer::LogContext& context, buffer::Frame& frame,
                              const page::SlottedPage::SplitPoint& point, NewPage& left,
                              NewPage& right);
  Result<void> split_node(buffer::LogContext& context, buffer::Frame& parent, buffer::Frame& node,
                          const page::SlottedPage::SplitPoint& point, NewPage& right);
  bool is_underfull(const page::SlottedPage& node) const noexcept;
  Result<void> merge(buffer::LogContext& context, Bytes key, uint32_t level);
  Result<Step> try_merge(buffer::LogContext& context, Bytes key, uint32_t level);
  Result<Step> merge_nodes(buffer::LogContext& context, buffer::Frame& parent, uint32_t left_index,
                           buffer::ExclusiveGuard left, buffer::ExclusiveGuard right);
  Result<Step> collapse_root(buffer::LogContext& context);
  Result<bool> drop_path(buffer::LogContext& context, std::vector<buffer::ExclusiveGuard> path);

  /// Merged nodes may fill that much, so that the next few inserts do not split what was just merged.
  static constexpr uint32_t kMergedPercent = 75;

  // Growing and shrinking as a radix tree (radix_structure.cpp)
  Result<void> split_radix(buffer::LogContext& context, Bytes key, uint32_t payload_bytes);
  Result<Step> try_split_radix(buffer::LogContext& context, Bytes key, uint32_t payload_bytes,
                               bool& needs_two);
  Result<bool> move_down(buffer::LogContext& context, buffer::Frame& parent, Bytes key,
                         NewPage& page);
  Result<void> merge_radix(buffer::LogContext& context, Bytes key);
  Result<Step> try_merge_radix(buffer::LogContext& context, Bytes key);
  Result<Step> merge_into_parent(buffer::LogContext& context, buffer::Frame& parent,
                                 buffer::ExclusiveGuard left, buffer::ExclusiveGuard right);
  Result<TreeShape> radix_shape(buffer::ScanRing& ring);

  Services services_;
  const StoreId store_;
  const Growth growth_;
  std::atomic<uint32_t> lockers_{0};  ///< Transactions with locks here.
  AppendPlaces append_places_;
  buffer::Frame& root_;
};

}  // namespace aether::index
