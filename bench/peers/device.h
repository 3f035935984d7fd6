/// What the disk itself can do: the floor under durable commits and under reads larger than memory.
///
/// append  One thread appends 4 KiB and calls fdatasync, in a file that was written with zeros
///         before, so that a sync has no metadata to write; buffered, or with O_DIRECT.
/// read    Each thread reads random 4 KiB blocks with O_DIRECT, one at a time, in a file as large
///         as the data.
#pragma once

#include <string>

#include "aether/error.h"
#include "workload.h"

namespace aether::bench {

enum class AppendForm : uint8_t { buffered, direct };

/// Both leave their file in `dir`. Errors: io_error; unsupported where the file system takes no
/// O_DIRECT.
Result<Measured> run_device_append(AppendForm form, const RunOptions& options,
                                   const std::string& dir);
Result<Measured> run_device_read(const RunOptions& options, const std::string& dir);

}  // namespace aether::bench
