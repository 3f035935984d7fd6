/// What a disk gives, one request at a time: the floor under durable commits and under reads that miss the pool.
///
/// Threads   One thread.
#pragma once

#include <cstdint>
#include <string>

#include "aether/error.h"
#include "base/histogram.h"

namespace aether::cli {

/// Operations of one kind, each timed in nanoseconds.
struct Timed {
  base::Histogram ns;
  double seconds = 0;
  double per_second() const noexcept {
    return seconds > 0 ? static_cast<double>(ns.count()) / seconds : 0;
  }
};

/// Writes 4 KiB and syncs, again and again, in a new file `path` that was filled with zeros before; removes it. Ends early
/// where a stop is requested, as the other one does.
Result<Timed> time_synced_writes(const std::string& path, double seconds);
/// Reads 4 KiB at random places of the file `path`, past the kernel's cache where the file system allows that. At most
/// `most` reads.
Result<Timed> time_random_reads(const std::string& path, double seconds,
                                uint64_t most = UINT64_MAX);

}  // namespace aether::cli
