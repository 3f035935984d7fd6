#include "recovery/control.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "aether/version.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/format_version.h"
#include "base/planted.h"
#include "base/reached.h"
#include "buffer/data_file.h"

namespace aether::recovery {
namespace {

constexpr uint64_t kMagic = 0x314c'5443'4854'4541;  // "AETHCTL1"
constexpr uint64_t kSlotBytes = 16 * KiB;
constexpr uint64_t kSlots = 2;

/// The fixed part of a slot; the fences follow. `checksum` covers the whole slot from the next field on.
struct SlotHeader {
  uint64_t checksum = 0;
  uint64_t magic = kMagic;
  uint32_t format_version = kFormatVersion;
  uint32_t page_bytes = 0;
  uint64_t sequence = 0;
  uint64_t environment_id = 0;
  uint64_t segment_bytes = 0;
  uint32_t streams = 0;
  uint32_t clean = 0;
  LogPosition redo_position = 0;
  LogPosition start_position = 0;
  LogPosition known_durable = 0;
  TxnId next_txn = 0;
  LogPosition epoch_begin = 0;
  uint32_t epoch = 0;
  uint32_t fence_count = 0;
  wal::LsnVector lsn;
};
static_assert(sizeof(SlotHeader) == 168);

struct SlotFence {
  uint32_t epoch = 0;
  uint32_t reserved = 0;
  LogPosition begin = 0;
  LogPosition end = 0;
  wal::LsnVector cut;
};
static_assert(sizeof(SlotFence) == 88);

/// Behind the fences stands tags_sequence.
constexpr uint64_t kFencesMax = (kSlotBytes - sizeof(SlotHeader) - sizeof(uint64_t)) /
                                sizeof(SlotFence);
static_assert(kFencesMax == 184);

uint64_t slot_checksum(const std::byte* slot) noexcept {
  return base::checksum(slot + sizeof(uint64_t), kSlotBytes - sizeof(uint64_t), kMagic);
}

void encode(const ControlState& state, uint64_t sequence, std::byte* slot) noexcept {
  std::memset(slot, 0, kSlotBytes);
  SlotHeader header;
  header.page_bytes = state.page_bytes;
  header.sequence = sequence;
  header.environment_id = state.environment_id;
  header.segment_bytes = state.segment_bytes;
  header.streams = state.streams;
  header.clean = state.clean ? 1 : 0;
  header.redo_position = state.redo_position;
  header.start_position = state.start_position;
  header.known_durable = state.known_durable;
  header.next_txn = state.next_txn;
  header.epoch_begin = state.epoch_begin;
  header.epoch = state.epoch;
  header.fence_count = static_cast<uint32_t>(state.fences.size());
  header.lsn = state.lsn;
  std::byte* to = slot + sizeof header;
  for (const Fence& fence : state.fences) {
    base::store(to, SlotFence{fence.epoch, 0, fence.begin, fence.end, fence.cut});
    to += sizeof(SlotFence);
  }
  base::store(to, state.tags_sequence);
  base::store(slot, header);
  header.checksum = slot_checksum(slot);
  base::store(slot, header);
}

/// No log ever comes to it: what lies beyond is nonsense, and sums of it would not fit 64 bits.
constexpr LogPosition kPositionMax = uint64_t{1} << 62;
constexpr uint64_t kSegmentBytesMax = 1 * GiB;

bool is_plausible(const ControlState& state) noexcept {
  const auto below = [](LogPosition position) { return position < kPositionMax; };
  for (const Fence& fence : state.fences) {
    if (!below(fence.begin) || !below(fence.end)) return false;
  }
  return below(state.redo_position) && below(state.start_position) && below(state.known_durable) &&
         below(state.epoch_begin) && state.epoch < UINT32_MAX;
}

struct Decoded {
  ControlState state;
  uint64_t sequence = 0;
};

/// Nothing: the slot is not valid. Errors: unsupported.
Result<std::optional<Decoded>> decode(const std::byte* slot, const std::string& path) {
  const auto header = base::load<SlotHeader>(slot);
  if (header.magic != kMagic || header.checksum != slot_checksum(slot))
    return std::optional<Decoded>();
  AETHER_TRY(base::check_format_version(path, header.format_version));
  const bool page_ok = header.page_bytes >= 4 * KiB && header.page_bytes <= 64 * KiB &&
                       (header.page_bytes & (header.page_bytes - 1)) == 0;
  const bool sizes_ok = header.fence_count <= kFencesMax && header.streams >= 1 &&
                        header.streams <= wal::kMaxStreams && header.segment_bytes >= 64 * KiB &&
                        header.segment_bytes <= kSegmentBytesMax &&
                        (header.segment_bytes & (header.segment_bytes - 1)) == 0;
  if (!page_ok || !sizes_ok) return std::optional<Decoded>();
  Decoded result;
  result.sequence = header.sequence;
  ControlState& state = result.state;
  state.environment_id = header.environment_id;
  state.page_bytes = header.page_bytes;
  state.streams = header.streams;
  state.segment_bytes = header.segment_bytes;
  state.redo_position = header.redo_position;
  state.start_position = header.start_position;
  state.known_durable = header.known_durable;
  state.next_txn = header.next_txn;
  state.clean = header.clean != 0;
  state.epoch = header.epoch;
  state.epoch_begin = header.epoch_begin;
  state.lsn = header.lsn;
  const std::byte* from = slot + sizeof header;
  for (uint32_t i = 0; i < header.fence_count; ++i, from += sizeof(SlotFence)) {
    const auto fence = base::load<SlotFence>(from);
    state.fences.push_back({fence.epoch, fence.begin, fence.end, fence.cut});
  }
  state.tags_sequence = base::load<uint64_t>(from);
  if (!is_plausible(state)) return std::optional<Decoded>();
  return std::optional<Decoded>(std::move(result));
}

Result<void> check_fences(const ControlState& state) {
  if (state.fences.size() <= kFencesMax) return {};
  return Error(Code::too_large, "CONTROL: more than " + std::to_string(kFencesMax) +
                                    " recoveries in a row were interrupted");
}

/// CONTROL is the old file or the new one, whole and durable, whatever happens in between.
Result<void> write_new_file(const std::string& home, const buffer::AlignedBuffer& slots,
                            os::Os& os) {
  const std::string path = home + "/" + kControlName;
  const std::string temporary = path + ".new";
  AETHER_TRY_ASSIGN(
      auto file,
      os.open(temporary, {.write = true, .create = true, .exclusive = false, .direct = false}));
  AETHER_TRY(file->truncate(0));
  AETHER_TRY(file->write_at(0, slots.data(), slots.size()));
  AETHER_TRY(file->sync());
  AETHER_TRY(file->close());
  AETHER_TRY(os.rename(temporary, path));
  if (AETHER_PLANTED("control.skip_directory_sync")) return {};
  return os.sync_directory(home);
}

}  // namespace

std::vector<wal::EpochExtent> log_extents(const ControlState& state) {
  std::vector<wal::EpochExtent> extents;
  const LogPosition start = state.start_position;
  for (const Fence& fence : state.fences) {
    if (fence.end <= start || fence.begin == fence.end) continue;
    extents.push_back(
        {fence.epoch, start > fence.begin ? start : fence.begin, fence.end, fence.cut});
  }
  extents.push_back(
      {state.epoch, start > state.epoch_begin ? start : state.epoch_begin, std::nullopt, {}});
  return extents;
}

Control::Control(std::unique_ptr<os::File> file, ControlState state, uint64_t sequence) noexcept
    : file_(std::move(file)), state_(std::move(state)), sequence_(sequence) {}

Result<void> Control::create(const std::string& home, const ControlState& state, os::Os& os) {
  buffer::AlignedBuffer slots(kSlotBytes * kSlots);
  // In the slot of its number: the next write goes to the other one.
  encode(state, 1, slots.data() + 1 % kSlots * kSlotBytes);
  return write_new_file(home, slots, os);
}

Result<void> Control::replace(const std::string& home, const ControlState& state, os::Os& os) {
  AETHER_TRY(check_fences(state));
  buffer::AlignedBuffer slots(kSlotBytes * kSlots);
  for (uint64_t number = sequence_ + 1; number <= sequence_ + kSlots; ++number) {
    encode(state, number, slots.data() + number % kSlots * kSlotBytes);
  }
  AETHER_TRY(write_new_file(home, slots, os));
  // Under its name: path() is what messages print.
  AETHER_TRY_ASSIGN(file_,
                    os.open(home + "/" + kControlName,
                            {.write = true, .create = false, .exclusive = false, .direct = true}));
  sequence_ += kSlots;
  state_ = state;
  return {};
}

Result<std::unique_ptr<Control>> Control::open(const std::string& home, bool write, os::Os& os) {
  const std::string path = home + "/" + kControlName;
  AETHER_TRY_ASSIGN(
      auto file,
      os.open(path, {.write = write, .create = false, .exclusive = false, .direct = true}));
  buffer::AlignedBuffer slots(kSlotBytes * kSlots);
  AETHER_TRY_ASSIGN(const uint64_t got, file->read_at(0, slots.data(), slots.size()));
  AETHER_MAYBE(got < slots.size());  // A cut file: the slot that is there may do.
  std::optional<Decoded> newest;
  uint32_t damaged = 0;
  for (uint64_t i = 0; i < kSlots; ++i) {
    AETHER_TRY_ASSIGN(std::optional<Decoded> slot, decode(slots.data() + i * kSlotBytes, path));
    damaged += slot ? 0 : 1;
    const bool is_better = slot && (!newest || (slot->sequence > newest->sequence) !=
                                                   AETHER_PLANTED("control.take_oldest"));
    if (is_better) newest = std::move(slot);
  }
  if (damaged != 0 && newest) AETHER_REACHED("recovery.one_slot_of_control");
  if (!newest) {
    return Error(Code::corruption,
                 path + ": neither slot is valid: restore the environment from a backup");
  }
  return std::unique_ptr<Control>(
      new Control(std::move(file), std::move(newest->state), newest->sequence));
}

Result<std::vector<std::string>> Control::check_slots() {
  buffer::AlignedBuffer slots(kSlotBytes * kSlots);
  AETHER_TRY_ASSIGN(const uint64_t got, file_->read_at(0, slots.data(), slots.size()));
  AETHER_MAYBE(got < slots.size());
  std::vector<std::string> problems;
  uint64_t newest = 0;
  for (uint64_t i = 0; i < kSlots; ++i) {
    const Result<std::optional<Decoded>> slot = decode(slots.data() + i * kSlotBytes,
                                                       file_->path());
    if (slot && *slot) {
      newest = std::max(newest, (*slot)->sequence);
      continue;
    }
    std::string message = file_->path();
    message.append(": slot ").append(std::to_string(i)).append(" is damaged");
    problems.push_back(std::move(message));
  }
  if (problems.empty() && newest != sequence_)
    problems.push_back(file_->path() + ": its last write is not there (a lost write)");
  return problems;
}

Result<void> Control::write(const ControlState& state) {
  AETHER_TRY(check_fences(state));
  ControlState written = state;  // What is in memory follows the disk, whatever memory there is.
  buffer::AlignedBuffer slot(kSlotBytes);
  encode(state, sequence_ + 1, slot.data());
  const uint64_t place = AETHER_PLANTED("control.same_slot") ? 0 : sequence_ + 1;
  AETHER_TRY(file_->write_at(place % kSlots * kSlotBytes, slot.data(), kSlotBytes));
  if (!AETHER_PLANTED("control.skip_sync")) AETHER_TRY(file_->sync());
  ++sequence_;
  state_ = std::move(written);
  return {};
}

}  // namespace aether::recovery
