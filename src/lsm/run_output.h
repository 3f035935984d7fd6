/// A run in the making, with its filter: where a flush and a merge write to.
///
/// Threads   One at a time.
#pragma once

#include <memory>
#include <vector>

#include "aether/error.h"
#include "index/btree/overflow.h"
#include "lsm/expiry_times.h"
#include "lsm/filter/filter.h"
#include "lsm/levels.h"
#include "lsm/manifest.h"
#include "lsm/merge.h"
#include "lsm/run_writer.h"
#include "lsm/store_configuration.h"

namespace aether::lsm {

class RunOutput final : public MergeOutput {
 public:
  /// How much the sorted run will have, about, of what all of the store's runs will: it decides how many bits a filter has.
  struct Share {
    uint64_t bytes = 1;
    uint64_t of_bytes = 1;
  };
  static Result<std::unique_ptr<RunOutput>> create(index::Services& services, uint32_t stream,
                                                   StoreId store, uint64_t run_id,
                                                   const StoreConfiguration& configuration,
                                                   Share share);

  Result<void> add(const Entry& entry) override;
  Result<void> leave_out_value_apart(const Entry& entry) override;
  bool is_full() const noexcept override { return left_out_extents_ >= kLeftOutExtentsMax; }
  /// Values outside that go with the part that is being made.
  bool has_left_out() const noexcept { return !left_out_.empty(); }
  /// They are given back when `txn` commits, which replaces who referred to them.
  Result<void> free_left_out(txn::TransactionContext& txn);
  void note_gsn(Gsn gsn) noexcept { writer_->note_gsn(gsn); }
  bool empty() const noexcept {
    return writer_->summary().entries == 0 && writer_->summary().range_tombstones == 0;
  }
  /// Keys and values so far.
  uint64_t entry_bytes() const noexcept { return writer_->summary().entry_bytes; }

  struct Finished {
    ManifestRun described;
    RunPart part;
  };
  /// Logs its pages as a change of `txn`, and opens it. Once.
  Result<Finished> finish(txn::TransactionContext& txn);

 private:
  RunOutput(index::Services& services, uint64_t run_id) noexcept
      : services_(services), run_id_(run_id) {}
  void note_expiry(const Entry& entry);
  /// A commit has to name all that it gives back.
  static constexpr uint64_t kLeftOutExtentsMax = index::kFreedExtentsMax / 2;
  index::Services& services_;
  const uint64_t run_id_;
  std::unique_ptr<RunWriter> writer_;
  std::unique_ptr<FilterBuilder> filter_;  ///< Null: none.
  ExpiryTimes expiry_;
  std::vector<page::OverflowReference> left_out_;
  uint64_t left_out_extents_ = 0;
};

}  // namespace aether::lsm
