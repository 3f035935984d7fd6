/// What the disk itself can do: the floor under durable commits and under reads larger than memory.
///
/// append  One thread appends 4 KiB and calls fdatasync, in a file that was written with zeros
///         before, so that a sync has no metadata to write; buffered, or with O_DIRECT.
/// read    Each thread reads random 4 KiB blocks with O_DIRECT in a file as large as the data: one at a time, or many
///         in flight (io_uring; a step is the end of one read, and its latency the time since the one before).
#pragma once

#include <string>

#include "aether/error.h"
#include "workload.h"

namespace aether::bench {

/// Reads in flight a thread, for dev-randread-32.
inline constexpr unsigned kDeviceDepth = 32;

enum class AppendForm : uint8_t { buffered, direct };

/// Both leave their file in `dir`. Errors: io_error; unsupported where the file system takes no
/// O_DIRECT, or the kernel gives no ring to a `depth` above 1.
Result<Measured> run_device_append(AppendForm form, const RunOptions& options,
                                   const std::string& dir);
Result<Measured> run_device_read(const RunOptions& options, unsigned depth, const std::string& dir);

}  // namespace aether::bench
