/// Makes one sorted sequence of many and leaves out what nobody needs (merge_rules.h), in steps of as many bytes as are due.
///
/// The output can be cut into parts between any two keys; each is a run of its own, and their key ranges, range tombstones
/// included, are disjoint. A part that is committed with the manifest is never made again: after a restart the merge goes on behind
/// its last key (`begin_after`).
///
/// Memory    A key, the range tombstones that cover it and a number for each tombstone of it that is not decided yet. In the
///           steady state nothing is allocated.
/// Threads   One at a time; not always the same.
/// Source    Of a snapshot's needs: decision 0022, and txn/version_filter.h for versions in memory.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "lsm/entry.h"
#include "lsm/merge_rules.h"
#include "lsm/merging_cursor.h"

namespace aether::lsm {

/// Where a merge writes to.
class MergeOutput {
 public:
  virtual ~MergeOutput() = default;
  /// By key, within a key the newest first; range tombstones at the end of each part.
  virtual Result<void> add(const Entry& entry) = 0;
  /// An entry whose value lies apart is left out, and with it the last reference to the value: it can be freed by the
  /// transaction that replaces the inputs by the output.
  virtual Result<void> leave_out_value_apart(const Entry& entry) = 0;
  /// What has been left out is as much as one transaction can free: a step ends, that the part may.
  virtual bool is_full() const noexcept { return false; }
};

struct MergeSource {
  std::unique_ptr<EntryCursor> cursor;
  std::vector<RangeTombstone> range_tombstones;  ///< In any order.
};

class Merge {
 public:
  /// The newest source first.
  Merge(std::vector<MergeSource> newest_first, MergeRules rules);

  /// Before the first step: from the beginning; or behind the last key of the parts that are there.
  Result<void> begin();
  Result<void> begin_after(Bytes key);

  /// Reads entries of at least `bytes`, above 0 (key and value; each counts 1 at least), and on to the end of a key, or to the end of all
  /// inputs; fewer, if `output` is full. Returns how many bytes were read. Ended: 0.
  /// Errors: those of the sources and of `output`; then only a new merge helps.
  Result<uint64_t> step(uint64_t bytes, MergeOutput& output);
  bool has_ended() const noexcept { return has_begun_ && !inputs_.valid(); }

  /// Between steps: what was written since the last cut, or the beginning, is a part; its range tombstones are written now. To
  /// be called after the last step as well. False: there was nothing in it.
  Result<bool> end_part(MergeOutput& output);
  /// The last key that was read, written or not: a part that ends now reaches up to it.
  Bytes last_key() const noexcept { return key_; }

  uint64_t bytes_read() const noexcept { return bytes_read_; }
  uint64_t entries_read() const noexcept { return entries_read_; }
  uint64_t entries_written() const noexcept { return entries_written_; }

 private:
  static constexpr size_t kNobody = std::numeric_limits<size_t>::max();

  struct Covering {
    RangeTombstone range;
    size_t source = 0;
    size_t first_to_see = 0;
  };

  Result<void> start_key(Bytes key);
  Result<void> take(const Entry& entry, size_t source, MergeOutput& output);
  Result<void> end_key(MergeOutput& output);
  Result<void> write(const Entry& entry, MergeOutput& output);
  Result<void> write_undecided(MergeOutput& output);
  void find_covering();
  size_t first_to_see_covering(const Entry& entry, size_t source) const noexcept;
  Result<bool> write_range_tombstones(Bytes end, bool has_end, MergeOutput& output);

  MergingCursor inputs_;
  MergeRules rules_;
  bool has_begun_ = false;

  // Of the key that is being read.
  std::string key_;
  bool is_in_key_ = false;
  size_t seen_newer_from_ =
      kNobody;  // The first snapshot that sees something newer than what is read next.
  TxnId previous_writer_ = 0;
  std::vector<TxnId>
      undecided_;  // Tombstones that are needed if something older of this key stays.

  std::vector<Covering> range_tombstones_;  // By begin.
  size_t next_range_ = 0;                   // The first that does not begin at key_ or before.
  std::vector<size_t> covering_;            // Those that cover key_.

  std::string part_begin_;  // Range tombstones of this part begin here at the earliest.
  bool part_is_empty_ = true;
  bool has_last_part_ = false;
  uint64_t bytes_read_ = 0;
  uint64_t entries_read_ = 0;
  uint64_t entries_written_ = 0;
};

}  // namespace aether::lsm
