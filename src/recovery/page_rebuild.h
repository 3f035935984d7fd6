/// One page made again: from its newest copy in a backup and the log after it, or from the record that began its life.
///
/// The archive's indexes say which blocks of a segment change the page, so a rebuild reads those, and of the environment's own
/// log all that is not archived. It is refused where it cannot be sure to have seen every change: a piece of log is missing, or
/// the chain of GSNs has a gap.
///
/// Threads   One at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "os/os.h"
#include "recovery/recovery.h"
#include "wal/log_reader.h"

namespace aether::recovery {

struct RebuildSources {
  std::vector<std::string> backups;   ///< Of any environment; those of another are not looked at.
  std::vector<std::string> archives;  ///< The same.
  wal::LogReaderOptions log;          ///< The environment's own.
  std::vector<wal::EpochExtent> extents;  ///< What lies there, all of it with ends.
  uint32_t page_bytes = 0;
};

/// Fills `to`, sealed, with the page as the end of the log has it; gives its GSN. Errors: corruption (says what is missing),
/// io_error.
Result<Gsn> rebuild_page(PageId page, const RebuildSources& sources,
                         const ResourceManagers& managers, std::byte* to, os::Os& os);

/// The backups in `directory`: itself, or directories in it. What is none is passed over.
std::vector<std::string> find_backups(const std::string& directory, os::Os& os);

}  // namespace aether::recovery
