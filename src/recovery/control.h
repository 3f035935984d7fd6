/// CONTROL: where an environment begins. Two checksummed slots, written in turn; the newest valid one counts.
///
/// It says what the environment is (id, page size, streams), where recovery starts (the last checkpoint), and
/// which part of the log counts: one *fence* for each epoch that ended in a crash. A fence is made durable before
/// anything new is appended, so what one recovery has cut off can never come back in a later one.
///
/// docs/formats/control.md is the format.
/// Threads   One at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "os/os.h"
#include "wal/log_reader.h"
#include "wal/lsn_vector.h"

namespace aether::recovery {

/// Where one epoch's log ends for good.
struct Fence {
  uint32_t epoch = 0;
  LogPosition begin = 0;
  LogPosition end = 0;
  wal::LsnVector cut;
};

struct ControlState {
  // What the environment is: fixed when it is made.
  uint64_t environment_id = 0;
  uint32_t page_bytes = 0;
  uint32_t streams = 0;
  uint64_t segment_bytes = 0;
  // The last checkpoint.
  LogPosition redo_position = 0;  ///< Changes below it are in the data file.
  LogPosition start_position =
      0;  ///< Where recovery reads from: redo, or the oldest open transaction's first record.
  LogPosition known_durable = 0;  ///< The log is whole below it; a bad block there is damage.
  TxnId next_txn = 1;
  bool clean = false;  ///< Closed in order: nothing to recover.
  /// Of the last write of the file `tags` (buffer/page_tags.h); 0: there is none that counts, opening makes it.
  uint64_t tags_sequence = 0;
  // The life that may be writing now.
  uint32_t epoch = 0;
  LogPosition epoch_begin = 0;
  wal::LsnVector lsn;         ///< Where its streams began; after a clean close, where they ended.
  std::vector<Fence> fences;  ///< Of epochs whose log is still needed, oldest first.
};

/// The stretches of log that count, from the checkpoint on.
std::vector<wal::EpochExtent> log_extents(const ControlState& state);

class Control {
 public:
  /// Makes the file under a temporary name, durable, and renames it into place: from then on the environment
  /// exists. The caller has made all other files durable; the directory is synced here.
  static Result<void> create(const std::string& home, const ControlState& state, os::Os& os);
  /// Errors: not_found; corruption (no valid slot); unsupported (newer format).
  static Result<std::unique_ptr<Control>> open(const std::string& home, bool write, os::Os& os);

  const ControlState& state() const noexcept { return state_; }
  /// Makes `state` durable. Errors: io_error (final: the environment has failed), too_large (fences).
  Result<void> write(const ControlState& state);
  /// Reads both slots again, as they are on the disk; says which is damaged. Not beside `write`. After an opening for
  /// writing, both hold something.
  Result<std::vector<std::string>> check_slots();
  static constexpr uint64_t kFileBytes = 32 * KiB;
  /// Makes `state` durable in a new file that takes the old one's name, in both slots: for the first write after an
  /// opening. What was read may be in the system's memory only, after a failed sync; then it is the other slot that the
  /// disk has, and neither may be written over.
  Result<void> replace(const std::string& home, const ControlState& state, os::Os& os);

 private:
  Control(std::unique_ptr<os::File> file, ControlState state, uint64_t sequence) noexcept;
  std::unique_ptr<os::File> file_;
  ControlState state_;
  uint64_t sequence_;
};

inline constexpr const char* kControlName = "CONTROL";

}  // namespace aether::recovery
