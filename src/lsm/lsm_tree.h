/// The rows of a store of kind `lsm`: generations in memory over sorted runs, as an index whose rows lie in layers.
///
/// A generation (the literature's memtable; the newest is the nursery) is any ordered index; its rows are those of a table
/// (table/row.h). It is sealed when it is full, and goes when it is in a run. A run's entries look like rows, too: in the place of a
/// GSN they have their writer, which tells two versions of a key apart as well.
///
/// A flush publishes the run before its generation goes, and readers look at generations first: what moves is found in one of the two.
///
///   reader ──► memory ──► [nursery][sealed][sealed]          the newest first
///          ──► levels ──► [run][run, run, run][run]
///
/// Threads   Any; seal, drop_oldest and publish: one at a time each, and no guard of a reader waits for them.
/// Errors    io_error, corruption: of runs. no_memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/rcu_pointer.h"
#include "base/sharded.h"
#include "index/concept/any_index.h"
#include "lsm/levels.h"
#include "lsm/row_filter.h"
#include "os/sync.h"
#include "page/leaf_record.h"
#include "table/layers.h"

namespace aether::lsm {

struct Generation {
  Generation(uint64_t its_number, index::AnyIndex its_rows, uint64_t filter_bytes)
      : number(its_number), rows(std::move(its_rows)), filter(filter_bytes) {}
  const uint64_t number;
  mutable index::AnyIndex rows;
  mutable RowFilter filter;  ///< Of all keys that have a row, or had one.
  enum class State : uint8_t { waiting, being_written, written };
  std::atomic<State> state{State::waiting};  ///< Written: its run has been published, durably.
  // Once it is sealed.
  Gsn fence = 0;              ///< No row here has a higher GSN, but for what is taken back.
  LogPosition redo_from = 0;  ///< 0: no row of it is needed from the log.
};
using GenerationPointer = std::shared_ptr<Generation>;

class LsmTree final : public table::Layers {
 public:
  using MakeNursery = std::function<index::AnyIndex()>;
  /// May throw std::bad_alloc.
  explicit LsmTree(MakeNursery make_nursery);
  ~LsmTree() override;

  /// The newest row of each key, whoever wrote it; writes go to the nursery. As index::OrderedIndex.
  index::AnyIndex as_index();

  // As table::Layers.
  Result<Seen> find_seen(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                         std::string& value) const override;
  Result<void> visit_all(Bytes key, FunctionRef<bool(Bytes row)> visit) const override;
  Result<Place> find_in_memory(Bytes key, std::string& row) const override;
  Result<bool> find_in_runs(Bytes key, std::string& row) const override;
  TxnId newest_writer_in_runs() const noexcept override;
  index::AnyCursor cursor_of_later(TxnId from) const override;
  Result<bool> has_in_memory(Bytes begin, Bytes end) const override;
  Result<bool> may_have(Bytes begin, Bytes end) const override;
  Result<bool> pass_removed(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                            std::string& next) const override;
  Result<bool> pass_removed_below(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                                  std::string& next) const override;
  index::AnyIndex& home_of(Bytes key) override;
  index::AnyIndex& active(Bytes key) noexcept override;
  uint64_t inline_value_max() const noexcept override {
    return inline_value_max_.load(std::memory_order_relaxed);
  }
  void note_move() noexcept override {
    moves_.fetch_add(1, std::memory_order_seq_cst);
    version_.fetch_add(1, std::memory_order_seq_cst);
  }
  uint64_t changes() const noexcept override { return changes_.load(std::memory_order_acquire); }
  Result<void> seal(Gsn fence, LogPosition redo_from) override;
  LogPosition sealed_redo_from() const noexcept override;

  /// Of the nursery.
  uint64_t nursery_bytes() const noexcept;
  uint64_t nursery_rows() const noexcept;
  uint64_t sealed_count() const noexcept;
  /// Null: none is sealed.
  GenerationPointer oldest_sealed() const;
  /// Values outside that rows in memory own, of which no run has a row; beside no writer.
  Result<void> visit_own_values(
      FunctionRef<void(const page::OverflowReference& reference)> visit) const;
  void set_inline_value_max(uint64_t bytes) noexcept {
    inline_value_max_.store(bytes, std::memory_order_relaxed);
  }
  /// Its rows are in a run that has been published. May throw std::bad_alloc; then it stays. Its memory goes in `collect`.
  void drop_oldest();
  /// Generations begin here, and are sealed when they have about so many bytes. Before others use it.
  void set_next_generation(uint64_t number, uint64_t nursery_bytes);

  using PreparedLevels = base::RcuPointer<Levels>::Prepared;
  /// May throw std::bad_alloc.
  static PreparedLevels prepare(std::unique_ptr<const Levels> levels) {
    return base::RcuPointer<Levels>::prepare(std::move(levels));
  }
  /// In the place of the runs before.
  void publish(PreparedLevels levels) noexcept;
  /// The same, with rows that were nowhere before.
  void publish_rows(PreparedLevels levels) noexcept {
    publish(std::move(levels));
    changes_.fetch_add(1, std::memory_order_acq_rel);
  }
  /// Lets go of generations and runs that are no longer published and that nobody reads. Freeing a generation takes a tenth of a second
  /// and more, so nobody else does: neither a writer that seals the next one nor a reader that had it last.
  void collect() noexcept;

  /// What a cursor reads.
  struct Memory {
    std::vector<GenerationPointer> newest_first;
  };
  using MemoryRef = base::RcuPointer<Memory>::Ref;
  using LevelsRef = base::RcuPointer<Levels>::Ref;
  MemoryRef memory() const noexcept { return memory_.acquire(os::worker_id()); }
  LevelsRef levels() const noexcept { return levels_.acquire(os::worker_id()); }
  /// So far: reads that came to the runs, and writes.
  ObservedWork observed() const noexcept {
    return {.writes = changes(),
            .point_reads = static_cast<uint64_t>(found_.sum()),
            .point_misses = static_cast<uint64_t>(missed_.sum()),
            .scans = static_cast<uint64_t>(scans_.sum())};
  }
  /// Runs that gets have looked into.
  uint64_t runs_read() const noexcept { return static_cast<uint64_t>(runs_read_.sum()); }
  void count_scan() const noexcept { scans_.add(1, os::worker_id()); }
  /// Changes when either does, or a row moves: before it is gone from where it was.
  uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

 private:
  class Index;
  Result<Seen> try_find_seen(Bytes key, uint64_t hash, FunctionRef<bool(TxnId writer)> sees,
                             std::string& value) const;
  Result<bool> find_newest(Bytes key, std::string& row) const;
  GenerationPointer make_generation(uint64_t number) const;
  GenerationPointer take_left() noexcept;

  const MakeNursery make_nursery_;
  uint64_t filter_bytes_ = 0;  ///< Of a generation.
  base::RcuPointer<Memory> memory_;
  base::RcuPointer<Levels> levels_;
  /// False: a row has moved meanwhile, and may have been missed.
  bool is_same(uint64_t moves) const noexcept {
    return moves_.load(std::memory_order_seq_cst) == moves;
  }

  std::atomic<uint64_t> inline_value_max_{0};
  std::atomic<uint64_t> version_{1};
  std::atomic<uint64_t> moves_{0};
  alignas(64) std::atomic<uint64_t> changes_{0};
  mutable base::ShardedCounter found_, missed_, scans_;  ///< Reads that came to the runs.
  mutable base::ShardedCounter runs_read_;
  os::Mutex publish_mutex_;  ///< Of memory_: sealing, and dropping.
  std::vector<GenerationPointer> leaving_ AETHER_GUARDED_BY(publish_mutex_);  ///< Dropped.
};

}  // namespace aether::lsm
