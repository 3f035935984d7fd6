/// A cursor over all layers of an LsmTree: of each key the newest row, whoever wrote it, removals too. As index::OrderedCursor.
///
/// Going backward it meets the older rows of a key first, and keeps the newest in a buffer. When a generation is sealed or a run comes
/// or goes, it opens its sources anew with its next move; a row that it has met ahead may have changed since, so who cares looks
/// again (table/cursor.cpp).
///
/// Threads   One at a time; must not outlive the tree.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "base/inline_vector.h"
#include "lsm/lsm_tree.h"
#include "lsm/merging_cursor.h"

namespace aether::lsm {

class TreeCursor {
 public:
  /// Over the layers that may have rows by writers from `from` on. Opens nothing yet.
  TreeCursor(const LsmTree& tree, TxnId from) noexcept : tree_(&tree), from_(from) {}

  /// As index::TakesLimits. Filters are asked with them.
  void set_limits(Bytes begin, Bytes end) noexcept;
  Result<bool> seek(Bytes key);
  Result<bool> seek_for_prev(Bytes key);
  Result<bool> first();
  Result<bool> last();
  Result<bool> next();
  Result<bool> prev();
  bool positioned() const noexcept { return place_ != Place::nowhere; }
  Bytes key() const noexcept { return {keys_[at_].data(), keys_[at_].size()}; }
  /// The row (table/row.h). Of a run, if it says so; else it may have been met before others have changed it.
  Result<Bytes> value() { return Bytes(row_); }

 private:
  enum class Place : uint8_t { nowhere, on_newest, before_key };

  void open();
  Bytes sought() const noexcept { return {keys_[at_ ^ 1].data(), keys_[at_ ^ 1].size()}; }
  void seek_by(Bytes key) { keys_[at_ ^ 1].assign(key.data(), key.size()); }
  void go_on_from_key() noexcept { at_ ^= 1; }
  void make_key();
  bool is_of_run() const noexcept { return inputs_->source() >= memory_->newest_first.size(); }
  template <typename Move>
  Result<bool> move_settled(Move move);
  Result<bool> arrive_forward(Result<bool> moved);
  Result<bool> arrive_backward(Result<bool> moved);
  Result<bool> pass_key(Result<bool> moved, bool forward);

  const LsmTree* tree_;
  TxnId from_;
  uint64_t version_ = 0;
  LsmTree::MemoryRef memory_;  // Its generations are what the first sources go over,
  LsmTree::LevelsRef levels_;  // its runs what the others do.
  std::unique_ptr<MergingCursor> inputs_;
  Place place_ = Place::nowhere;
  base::InlineVector<char, 64> keys_[2];  ///< Where it is, and what the move under way goes by.
  uint8_t at_ = 0;
  std::string row_;
  bool has_limits_ = false;
  Bytes begin_;
  Bytes end_;
};

}  // namespace aether::lsm
