/// The last block of the log: the only one that may not be durable when recovery finds it.
///
/// A killed process may have left it in the system's memory; after a sync that failed it may be there for good: the
/// system takes it for written, and no later sync saves it. So recovery writes it anew, and a crash that tears it
/// meanwhile finds the copy: `log/tail` is the block's bytes and nothing else, a new file under the old name each time
/// (docs/formats/log.md). A copy of another epoch or place means nothing.
///
/// Threads   One.
#pragma once

#include "aether/error.h"
#include "base/ids.h"
#include "os/os.h"
#include "wal/log_reader.h"

namespace aether::recovery {

/// Puts the copy of a block of `epoch` back in its place, if no intact block is there. Before the log is read.
Result<void> restore_log_tail(const wal::LogReaderOptions& options, uint32_t epoch, os::Os& os);

/// Makes the block at `position`, the last one of `epoch`, durable, though what is read of it may not be.
Result<void> secure_log_tail(const wal::LogReaderOptions& options, LogPosition position,
                             uint32_t epoch, os::Os& os);

}  // namespace aether::recovery
