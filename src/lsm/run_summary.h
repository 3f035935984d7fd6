/// What is known of a run without reading its blocks, and where it lies: what a manifest keeps of it.
///
/// Threads   Values.
#pragma once

#include <cstdint>
#include <string>

#include "aether/error.h"
#include "aether/options.h"
#include "base/ids.h"

namespace aether::lsm {

struct RunSummary {
  uint64_t entries = 0;           ///< All kinds but range tombstones.
  uint64_t tombstones = 0;        ///< Of those.
  uint64_t expiring = 0;          ///< Of those.
  uint64_t values_apart = 0;      ///< Of those.
  uint64_t range_tombstones = 0;  ///< Beside them.
  uint64_t entry_bytes = 0;       ///< Keys and values as they were given.
  uint64_t data_blocks = 0;
  uint64_t data_bytes = 0;          ///< Of the data blocks, compressed.
  uint64_t bytes = 0;               ///< Of the whole run, without page headers.
  uint64_t pages = 0;               ///< That it has allocated.
  TxnId newest_writer = 0;          ///< Who sees it sees all entries.
  TxnId oldest_writer = 0;          ///< Who does not see it sees none.
  Gsn newest_gsn = 0;               ///< As the writer was told (RunWriter::note_gsn).
  uint64_t earliest_expiry_ms = 0;  ///< 0: nothing expires.
  bool many_versions = false;       ///< Some key stands more than once.
  std::string smallest_key;         ///< Of entries, and where range tombstones begin.
  std::string largest_key;          ///< Of entries, and where range tombstones end.
};

/// Which run, and where. A manifest's row keeps it as `encode` gives it; a run cannot be opened without.
struct RunReference {
  uint64_t run_id = 0;       ///< Never given twice in an environment.
  uint64_t first_page = 0;   ///< Of the chain of extents.
  uint64_t footer_page = 0;  ///< Where the footer begins.
  uint64_t bytes = 0;        ///< Of the whole run, without page headers.
  uint64_t pages = 0;
  uint64_t checksum = 0;  ///< Of the footer.
  uint32_t footer_bytes = 0;
  StoreId store = 0;

  static constexpr size_t kBytes = 64;
  std::string encode() const;
  /// Errors: corruption; unsupported (a newer format).
  static Result<RunReference> decode(Bytes row);
  bool operator==(const RunReference&) const = default;
};

}  // namespace aether::lsm
