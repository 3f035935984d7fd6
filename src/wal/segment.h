/// Segment files: named by number, preallocated, zero-filled, and used again when the log lets go of them.
///
///   (none) ──create──► preparing ──fill, sync──► prepared ──take──► in use ──release_before──► spare ─┐
///                          ▲                                                      │                   │
///                          └───────────────────── recycle: rename, new header ────┼───────────────────┘
///                                                                                 └──► removed
///
/// A segment is used only when its header and its name are durable, and all its bytes are written: later
/// an fdatasync has only data to write, no metadata. Old blocks in a recycled file are harmless: position
/// and epoch are part of a block's identity.
///
/// Threads   Any method from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "os/os.h"
#include "os/sync.h"
#include "wal/aligned_buffer.h"

namespace aether::wal {

inline constexpr uint64_t kSegmentMagic = 0x31474f4c48544541;  ///< "AETHLOG1"
inline constexpr uint32_t kSegmentVersion = 1;
inline constexpr uint64_t kSegmentHeaderBytes = os::kDirectAlignment;

/// The first bytes of a segment file; the rest of kSegmentHeaderBytes is zero.
struct SegmentHeader {
  uint64_t checksum = 0;  ///< XXH3-64 of bytes 8..4095, seeded with the environment's id.
  uint64_t magic = kSegmentMagic;
  uint32_t version = kSegmentVersion;
  uint32_t epoch = 0;
  uint64_t environment_id = 0;
  uint64_t segment = 0;
  uint64_t segment_bytes = 0;
};
static_assert(sizeof(SegmentHeader) == 48);
static_assert(offsetof(SegmentHeader, magic) == 8);
static_assert(offsetof(SegmentHeader, version) == 16);
static_assert(offsetof(SegmentHeader, epoch) == 20);
static_assert(offsetof(SegmentHeader, environment_id) == 24);
static_assert(offsetof(SegmentHeader, segment) == 32);
static_assert(offsetof(SegmentHeader, segment_bytes) == 40);

/// Writes `header` with its checksum to the kSegmentHeaderBytes zeroed bytes at `to`.
void write_segment_header(SegmentHeader header, std::byte* to) noexcept;
/// True if `bytes`, the first kSegmentHeaderBytes of a file, are a header with its checksum.
bool read_segment_header(std::string_view bytes, SegmentHeader& header) noexcept;

/// "000000000000002a.log" for 42.
std::string segment_name(uint64_t segment);
/// Numbers of the segment files in `directory`, ascending. Other names are ignored.
Result<std::vector<uint64_t>> list_segments(const std::string& directory, os::Os& os);

struct SegmentOptions {
  std::string directory;
  uint64_t environment_id = 0;
  uint64_t segment_bytes = 0;
  uint32_t epoch = 0;
  bool fill = true;  ///< As LogOptions::fill_segments.
};

class SegmentFiles {
 public:
  /// `first`: the first number that this life will use. Files of that number or above are left over from
  /// preparing ahead: they become spares or are removed. Errors: io_error.
  static Result<std::unique_ptr<SegmentFiles>> open(const SegmentOptions& options, uint64_t first,
                                                    os::Os& os);

  /// The file of segment `number`, ready for blocks; prepares it if nobody has.
  /// Errors: io_error, no_space, no_memory. What was half done is removed.
  Result<std::unique_ptr<os::File>> take(uint64_t number);
  /// One step of preparing `number` ahead, of about a millisecond. False: it is ready.
  Result<bool> prepare_step(uint64_t number);
  /// Recycles or removes the files below `number`. Errors: io_error; the files stay on the list.
  Result<void> release_before(uint64_t number);

  uint64_t created() const noexcept { return created_.load(std::memory_order_relaxed); }
  uint64_t recycled() const noexcept { return recycled_.load(std::memory_order_relaxed); }

 private:
  struct Preparation {
    uint64_t number = 0;
    std::set<uint64_t> place;  ///< The number once more: its place in `in_use_`.
    std::unique_ptr<os::File> file;
    uint64_t filled = 0;  ///< Bytes that are written, or need not be.
    bool done = false;
    AlignedBuffer zeros;
  };
  static constexpr size_t kSparesMax = 2;

  SegmentFiles(const SegmentOptions& options, os::Os& os) : options_(options), os_(os) {}
  std::string path_of(uint64_t number) const;
  Result<void> discard_leftovers(const std::vector<uint64_t>& leftovers);
  Result<bool> step(uint64_t number) AETHER_REQUIRES(mutex_);
  Result<void> start(uint64_t number) AETHER_REQUIRES(mutex_);
  Result<bool> try_recycle(uint64_t number) AETHER_REQUIRES(mutex_);
  Result<void> create(uint64_t number) AETHER_REQUIRES(mutex_);
  Result<void> write_header(os::File& file, uint64_t number);
  void abandon(uint64_t number) noexcept AETHER_REQUIRES(mutex_);

  const SegmentOptions options_;
  os::Os& os_;
  os::Mutex mutex_;
  std::set<uint64_t> in_use_
      AETHER_GUARDED_BY(mutex_);  ///< On disk and not spare, older epochs too.
  std::set<uint64_t> spares_ AETHER_GUARDED_BY(mutex_);
  uint64_t last_taken_ AETHER_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<Preparation> preparation_ AETHER_GUARDED_BY(mutex_);
  std::atomic<uint64_t> created_{0};
  std::atomic<uint64_t> recycled_{0};
};

}  // namespace aether::wal
