/// Versions on their way from memory to a run, a share at a time: gathered, then sorted and written part by part; when
/// the run is published, they are taken out of memory part by part. Readers find them in memory until then.
///
/// Threads   One at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "aether/error.h"
#include "txn/version.h"
#include "txn/version_runs.h"

namespace aether::txn {

class VersionSpill {
 public:
  void take(Version* version) noexcept;
  uint64_t versions() const noexcept { return versions_; }
  uint64_t memory_bytes() const noexcept { return memory_bytes_; }
  TxnId newest_superseder() const noexcept { return newest_superseder_; }

  /// Writes about `versions_max` versions; false: all are written, and the run is published.
  Result<bool> write_some(VersionRuns& runs, size_t versions_max);
  /// About so many of those that it has, to be destroyed by the caller or kept. Empty: that was all.
  VersionList give_back(size_t versions_max) noexcept;

 private:
  static constexpr size_t kParts = 256;  ///< By the top byte of the hash: a part is soon sorted.

  std::array<VersionList, kParts> parts_;
  std::vector<const Version*> sorted_;  ///< Of the part that is being written.
  uint64_t versions_ = 0;
  uint64_t memory_bytes_ = 0;
  TxnId newest_superseder_ = 0;
  std::unique_ptr<VersionRunWriter> writer_;
  size_t written_ = 0;     ///< Parts.
  size_t given_back_ = 0;  ///< Parts.
};

}  // namespace aether::txn
