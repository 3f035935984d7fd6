#include "apps/aether/bench_device.h"

#include <memory>

#include "apps/aether/signals.h"
#include "apps/aether/zipf.h"
#include "os/os.h"
#include "wal/aligned_buffer.h"

namespace aether::cli {
namespace {

constexpr uint64_t kBlockBytes = 4 * KiB;
constexpr uint64_t kFillBytes = 1 * MiB;
constexpr uint64_t kFileBytes = 32 * MiB;

/// `step` until the time is over, timed.
template <typename Step>
Result<Timed> time_steps(double seconds, uint64_t most, Step step) {
  os::Os& os = os::production();
  Timed timed;
  const uint64_t begin = os.monotonic_ns();
  const uint64_t end = begin + static_cast<uint64_t>(seconds * 1e9);
  uint64_t now = begin;
  for (uint64_t i = 0; now < end && i < most && !stop_requested(); ++i) {
    AETHER_TRY(step(i));
    const uint64_t then = os.monotonic_ns();
    timed.ns.record(then - now);
    now = then;
  }
  timed.seconds = static_cast<double>(now - begin) / 1e9;
  return timed;
}

Result<Timed> time_writes(os::File& file, double seconds) {
  AETHER_TRY_ASSIGN(const wal::AlignedBuffer zeros, wal::AlignedBuffer::make(kFillBytes));
  for (uint64_t at = 0; at < kFileBytes; at += kFillBytes)
    AETHER_TRY(file.write_at(at, zeros.data(), kFillBytes));
  AETHER_TRY(file.sync());
  return time_steps(seconds, UINT64_MAX, [&](uint64_t i) -> Result<void> {
    *zeros.data() = static_cast<std::byte>(i);
    AETHER_TRY(file.write_at(i * kBlockBytes % kFileBytes, zeros.data(), kBlockBytes));
    return file.sync();
  });
}

}  // namespace

Result<Timed> time_synced_writes(const std::string& path, double seconds) {
  os::Os& os = os::production();
  AETHER_TRY_ASSIGN(
      const std::unique_ptr<os::File> file,
      os.open(path, {.write = true, .create = true, .exclusive = true, .direct = true}));
  Result<Timed> timed = time_writes(*file, seconds);
  AETHER_TRY(file->close());
  AETHER_TRY(os.remove(path));
  return timed;
}

Result<Timed> time_random_reads(const std::string& path, double seconds, uint64_t most) {
  os::Os& os = os::production();
  AETHER_TRY_ASSIGN(const std::unique_ptr<os::File> file, os.open(path, {.direct = true}));
  AETHER_TRY_ASSIGN(const uint64_t bytes, file->size());
  if (bytes < kBlockBytes) return Timed();
  AETHER_TRY_ASSIGN(const wal::AlignedBuffer buffer, wal::AlignedBuffer::make(kBlockBytes));
  Dice dice(bytes);
  return time_steps(seconds, most, [&](uint64_t) -> Result<void> {
    const uint64_t at = dice.below(bytes / kBlockBytes) * kBlockBytes;
    AETHER_TRY(file->read_at(at, buffer.data(), kBlockBytes));
    return {};
  });
}

}  // namespace aether::cli
