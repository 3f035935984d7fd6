/// A run in the making, with its filter: where a flush and a merge write to.
///
/// Threads   One at a time.
#pragma once

#include <memory>
#include <vector>

#include "aether/error.h"
#include "lsm/filter/filter.h"
#include "lsm/levels.h"
#include "lsm/manifest.h"
#include "lsm/merge.h"
#include "lsm/run_writer.h"
#include "lsm/store_configuration.h"

namespace aether::lsm {

class RunOutput final : public MergeOutput {
 public:
  static Result<std::unique_ptr<RunOutput>> create(index::Services& services, uint32_t stream,
                                                   StoreId store, uint64_t run_id,
                                                   const StoreConfiguration& configuration);

  Result<void> add(const Entry& entry) override;
  Result<void> leave_out_value_apart(const Entry& entry) override;
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
  index::Services& services_;
  const uint64_t run_id_;
  std::unique_ptr<RunWriter> writer_;
  std::unique_ptr<FilterBuilder> filter_;  ///< Null: none.
};

}  // namespace aether::lsm
