/// A look inside: log records and pages, decoded for `aether printlog` and `aether inspect`.
///
/// Threads     Plain functions; each call opens and closes the files it reads.
/// Processes   Nothing is changed. The environment must not be open in another process: `busy`, naming
///             its pid.
/// Errors      not_found (no environment there), busy, unsupported (newer format), corruption (names the
///             place), io_error.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"

namespace aether::os {
class Os;
}

namespace aether::db {

/// One log record, described.
struct LogLine {
  uint64_t position = 0;  ///< Of the log block that holds the record: bytes since the log began.
  uint64_t epoch = 0;     ///< Rises with every recovery.
  uint32_t stream = 0;
  uint64_t lsn = 0;  ///< Of the record in its stream.
  uint64_t txn = 0;  ///< 0: belongs to no transaction.
  std::string type;
  std::string detail;           ///< Printable, on one line.
  std::vector<uint64_t> pages;  ///< That it changes.
};

/// Calls `visit` for every record of the log on disk, in the order of their blocks, until it returns
/// false. The torn end of a log is its end; damage before it is `corruption`.
Result<void> print_log(os::Os& os, const std::string& home,
                       FunctionRef<bool(const LogLine&)> visit);

/// One page, decoded.
struct PageDump {
  uint64_t page_id = 0;
  std::string kind;
  uint64_t gsn = 0;
  uint32_t store = 0;
  bool checksum_ok = false;  ///< False: what follows is what the damaged bytes seem to say.
  /// Name and printable value, in page order.
  std::vector<std::pair<std::string, std::string>> fields;
  /// Key bytes, and value bytes or what stands for them.
  std::vector<std::pair<std::string, std::string>> entries;
};

/// Reads page `page_id` from the data file as it is on disk.
/// Errors: invalid_argument (beyond the end of the file), and those above.
Result<PageDump> inspect_page(os::Os& os, const std::string& home, uint64_t page_id);

}  // namespace aether::db
