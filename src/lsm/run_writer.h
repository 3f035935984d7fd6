/// Makes a run: entries come in order, blocks go to extents of `data` that nothing refers to yet.
///
/// Nothing of it is in the log before `finish`: that logs the allocation of all of its pages as a change of the transaction that
/// is to refer to the run, which takes it back if it aborts. Until then the extents are reserved in memory alone, so a crash
/// leaves them free, and a writer that is dropped gives them back. Format: docs/formats/run.md.
///
/// Threads   One.
/// Errors    io_error, no_space, failed; invalid_argument: an entry is out of order. After an error only dropping it helps.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "aether/error.h"
#include "index/btree/services.h"
#include "lsm/entry.h"
#include "lsm/run_summary.h"
#include "txn/transaction_context.h"

namespace aether::lsm {

struct RunOptions {
  uint64_t run_id = 0;  ///< Never given twice in an environment.
  StoreId store = 0;
  Compression codec = Compression::lz4;
  int zstd_level = 3;
  /// With zstd: a dictionary of at most so many bytes is trained on the run's first megabytes. 0: none.
  uint32_t dictionary_bytes = 0;
  uint32_t block_bytes = 16 * KiB;  ///< 4-64 KiB; a block of one large entry may be larger.
  uint32_t restart_interval = 16;   ///< Every so many entries a key stands whole. 1-256.
  uint32_t extent_bytes = 1 * MiB;  ///< 64 KiB - 8 MiB.
};

/// Filters and other things that others keep in a run: bytes, by a number of theirs. 1-999 are the engine's.
using SectionType = uint32_t;

class RunWriter {
 public:
  /// `stream`: the log stream of the transaction that will finish it. Errors: invalid_argument (an option).
  static Result<std::unique_ptr<RunWriter>> create(index::Services& services, uint32_t stream,
                                                   const RunOptions& options);
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  /// In the order of a run (entry.h); range tombstones among themselves or with the others in any order. Errors: also too_large (a key beyond kMaxRunKeyBytes).
  Result<void> add(const Entry& entry);
  /// A change with this GSN is in the run.
  void note_gsn(Gsn gsn) noexcept;
  /// Is kept with the run as it is. Once for each type.
  Result<void> add_section(SectionType type, std::string bytes);
  /// Writes what is left, and logs the allocation of all pages as a change of `txn`, whose commit syncs the data file first.
  /// `txn` is to log what refers to the run. A run without an entry is a run, too.
  Result<RunReference> finish(txn::TransactionContext& txn);

  /// As far as it has come.
  const RunSummary& summary() const noexcept;
  /// What has gone to the disk, page headers and padding included.
  uint64_t disk_bytes() const noexcept;

 private:
  class Impl;
  explicit RunWriter(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aether::lsm
