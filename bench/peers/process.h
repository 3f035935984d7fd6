/// What the operating system tells about a run, and runs in processes of their own.
///
/// The harness asks the kernel directly instead of going through src/os: it must not share a fault
/// with the engine that it measures, and it builds without the library.
///
/// Threads  `run_in_child` forks: call it from a process that has one thread. The rest: any.
#pragma once

#include <cstdint>
#include <string>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "json.h"

namespace aether::bench {

/// Of this process, since it began.
struct Usage {
  double cpu_seconds = 0;      ///< User and system, all threads.
  uint64_t bytes_read = 0;     ///< From the device, as the kernel charges them to the process.
  uint64_t bytes_written = 0;  ///< To the device or into dirty pages.
};
Usage usage_now();
/// In MiB: the largest resident size so far (maps included), and the one of this moment.
double peak_rss_mb();
double rss_mb();

/// A time stamp of a few nanoseconds' cost: on x86-64 the time stamp counter, which runs
/// steadily there; `drive` measures its rate.
inline uint64_t ticks() noexcept;
/// Nanoseconds of the monotonic clock.
uint64_t clock_ns() noexcept;
void sleep_seconds(double seconds);

/// Runs `work` in a forked child and returns the object that it made. A child that crashes, or runs
/// longer than `limit_seconds` and is killed, yields an error that says so; the parent goes on.
Result<JsonObject> run_in_child(double limit_seconds, FunctionRef<Result<JsonObject>()> work);

/// Ends this process at once, as the kernel does for want of memory; and is that what the error of run_in_child says?
void kill_self() noexcept;
bool was_killed(const Error& error);

/// Bytes that the files under `dir` occupy on the disk; holes count nothing.
uint64_t disk_bytes(const std::string& dir);
/// Lets go of what the page cache holds of the files under `dir`, so that a run starts cold.
Result<void> drop_page_cache(const std::string& dir);
Result<void> make_dir(const std::string& dir);
Result<void> remove_tree(const std::string& dir);
/// Copies the files of `from` into the new directory `to`, keeping holes, and syncs them, so that
/// no write-back of the copy disturbs the run that follows.
Result<void> copy_dir(const std::string& from, const std::string& to);
/// Processor, cores, memory and kernel in one line.
std::string machine_line();

}  // namespace aether::bench

#if defined(__x86_64__)
#include <x86intrin.h>
inline uint64_t aether::bench::ticks() noexcept { return __rdtsc(); }
#else
inline uint64_t aether::bench::ticks() noexcept { return clock_ns(); }
#endif
