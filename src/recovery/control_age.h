/// Is CONTROL the newest there was? A block of the log that is younger says no.
///
/// A slot that rots, or a CONTROL put back from an old copy, leaves a state that is whole but says nothing of the lives after
/// it: what they acknowledged would be gone without a word. A life appends only after CONTROL knows it, so an intact block
/// of a later epoch proves that CONTROL has lost what it knew.
///
/// Threads   One.
#pragma once

#include <cstdint>

#include "aether/error.h"
#include "os/os.h"
#include "wal/log_reader.h"

namespace aether::recovery {

/// Looks at the first block of every segment: a life begins in a segment of its own. One read of 4 KiB each. A log that is
/// not there proves nothing. Errors: corruption (names the segment), io_error.
Result<void> check_control_age(const wal::LogReaderOptions& options, uint32_t epoch, os::Os& os);

}  // namespace aether::recovery
