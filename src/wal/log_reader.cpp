#include "wal/log_reader.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/reached.h"
#include "wal/block.h"
#include "wal/forward_window.h"
#include "wal/segment.h"

namespace aether::wal {
namespace {

constexpr uint64_t kScanReadBytes = 1 * MiB;   // Forward reading.
constexpr uint64_t kUndoReadBytes = 64 * KiB;  // Single blocks, mostly small.

// Blocks lie between the segment's header and its end: a position at offset 0, where a block ended
// exactly with its segment, means the first slot.
LogPosition slot_at(LogPosition position, uint64_t segment_bytes) noexcept {
  return position % segment_bytes == 0 ? position + kSegmentHeaderBytes : position;
}

/// What the header of a segment file says.
enum class SegmentState : uint8_t {
  missing,  ///< No such file.
  damaged,  ///< No header with a checksum. Also: a crash while the file was being prepared.
  foreign,  ///< Another segment or epoch: a recycled file that was not begun again.
  ours,
};

/// One segment file at a time, read through a window.
class SegmentView {
 public:
  SegmentView(const LogReaderOptions& options, os::Os& os, uint64_t read_bytes,
              ForwardWindow::Ahead ahead)
      : options_(options), os_(os), window_(os, options.io_mode, read_bytes, ahead) {}

  std::string path(uint64_t segment) const {
    return options_.directory + "/" + segment_name(segment);
  }
  std::string place(LogPosition position) const {
    return "log segment " + path(position / options_.segment_bytes) + ", offset " +
           std::to_string(position % options_.segment_bytes);
  }

  /// Opens `segment` if it is not the open one, and reads its header.
  /// Errors: io_error; unsupported; corruption (of another environment or size).
  Result<SegmentState> open(uint64_t segment, uint32_t epoch);

  /// `size` bytes at `offset` of the open segment, fewer where the file ends. Valid until the next call.
  Result<std::string_view> bytes(uint64_t offset, uint64_t size) {
    return window_.bytes(offset, size);
  }
  /// The open segment has all its bytes.
  Result<bool> is_whole() {
    AETHER_TRY_ASSIGN(const uint64_t size, file_->size());
    return size >= options_.segment_bytes;
  }

 private:
  Result<void> read_header();

  const LogReaderOptions& options_;
  os::Os& os_;
  uint64_t segment_ = 0;  ///< The open one; 0: none.
  std::unique_ptr<os::File> file_;
  bool has_header_ = false;
  SegmentHeader header_;
  ForwardWindow window_;  ///< Of file_, so it goes first.
};

Result<SegmentState> SegmentView::open(uint64_t segment, uint32_t epoch) {
  if (segment_ != segment) {
    segment_ = 0;
    window_.forget();
    Result<std::unique_ptr<os::File>> file = os_.open(path(segment), {.direct = true});
    if (!file) {
      if (file.error().code() == Code::not_found) return SegmentState::missing;
      return std::move(file).error();
    }
    file_ = *std::move(file);
    window_.begin(*file_, options_.segment_bytes);
    AETHER_TRY(read_header());
    segment_ = segment;
  }
  if (!has_header_) return SegmentState::damaged;
  const bool same = header_.segment == segment && header_.epoch == epoch;
  return same ? SegmentState::ours : SegmentState::foreign;
}

Result<void> SegmentView::read_header() {
  AETHER_TRY_ASSIGN(const std::string_view head, bytes(0, kSegmentHeaderBytes));
  has_header_ = read_segment_header(head, header_);
  if (!has_header_) return {};
  if (header_.version != kSegmentVersion) {
    return Error(Code::unsupported, "log segment " + file_->path() + " has format " +
                                        std::to_string(header_.version) +
                                        "; use the version of Aether that wrote it");
  }
  if (header_.environment_id != options_.environment_id) {
    return Error(Code::corruption,
                 "log segment " + file_->path() + " belongs to another environment; take it away");
  }
  if (header_.segment_bytes != options_.segment_bytes) {
    return Error(Code::corruption, "log segment " + file_->path() + " was made for segments of " +
                                       std::to_string(header_.segment_bytes) +
                                       " bytes instead of " +
                                       std::to_string(options_.segment_bytes));
  }
  return {};
}

/// What was found where a block should be.
struct Found {
  std::string_view block;  ///< Whole and with its checksum; empty: none.
  bool torn = false;       ///< No such block, but something that began as it.
};

// The block of `epoch` at `position`. Opens the segment that it lies in.
Result<Found> find_block(SegmentView& view, const LogReaderOptions& options, LogPosition position,
                         uint32_t epoch) {
  AETHER_TRY_ASSIGN(const SegmentState state, view.open(position / options.segment_bytes, epoch));
  if (state != SegmentState::ours) return Found{};
  const uint64_t offset = position % options.segment_bytes;
  const uint64_t room = options.segment_bytes - offset;
  AETHER_TRY_ASSIGN(const std::string_view head, view.bytes(offset, kBlockAlignment));
  if (!claims_to_be(head, {options.environment_id, position, epoch})) return Found{};
  const uint64_t length = claimed_length(head, room);
  if (length == 0) return Found{.block = {}, .torn = true};
  AETHER_TRY_ASSIGN(const std::string_view block, view.bytes(offset, length));
  if (block.size() < length || !is_intact(block)) return Found{.block = {}, .torn = true};
  return Found{.block = block, .torn = false};
}

}  // namespace

void fill_block(Block& to, std::string_view bytes, const BlockContent& content, uint32_t streams) {
  const auto header = base::load<BlockHeader>(bytes.data());
  to.position = header.position;
  to.end = header.position + bytes.size();
  to.epoch = header.epoch;
  to.previous = header.previous;
  to.wall_ns = header.wall_ns;
  to.flags = header.flags;
  to.bytes = bytes;
  to.begin_lsn = to.end_lsn = {};
  to.chunks.clear();
  for (uint32_t s = 0; s < streams; ++s) {
    to.begin_lsn.at[s] = content.entries[s].lsn;
    to.end_lsn.at[s] = content.entries[s].lsn + content.entries[s].length;
    if (content.bytes[s].empty()) continue;
    to.chunks.push_back({.stream = s, .lsn = content.entries[s].lsn, .bytes = content.bytes[s]});
  }
}

struct LogReader::Impl {
  Impl(const LogReaderOptions& given, std::vector<EpochExtent> given_extents, os::Os& given_os)
      : options(given),
        extents(std::move(given_extents)),
        os(given_os),
        scan(options, os, kScanReadBytes, ForwardWindow::Ahead::yes),
        undo(options, os, kUndoReadBytes, ForwardWindow::Ahead::no) {}

  const EpochExtent& extent() const { return extents[index]; }
  LogPosition slot() const { return slot_at(position, options.segment_bytes); }
  LogPosition next_segment_slot() const {
    return (slot() / options.segment_bytes + 1) * options.segment_bytes + kSegmentHeaderBytes;
  }

  void begin_extent();
  Result<bool> next_in_extent();
  Result<bool> at_fence();
  Result<void> accept(LogPosition at, std::string_view bytes);
  Result<void> check_end();
  Result<void> check_last_segment();
  Result<std::optional<LogPosition>> find_later_block(LogPosition from);
  Error damaged(LogPosition at, const std::string& evidence);

  const LogReaderOptions options;
  const std::vector<EpochExtent> extents;
  os::Os& os;
  SegmentView scan;  ///< next()
  SegmentView undo;  ///< read_block()

  size_t index = 0;                     ///< Of the extent being read.
  bool begun = false;                   ///< position belongs to extent `index`.
  LogPosition position = 0;             ///< After the last block.
  std::optional<LogPosition> previous;  ///< The last block of this extent.
  LsnVector cut;                        ///< Ends of the streams so far.
  bool torn = false;
  Block block;

  Block undo_block;
  uint32_t undo_epoch = 0;
};

void LogReader::Impl::begin_extent() {
  position = extent().begin;
  previous.reset();
  torn = false;
  begun = true;
}

// False: the extent has ended.
Result<bool> LogReader::Impl::next_in_extent() {
  if (extent().end) {
    AETHER_TRY_ASSIGN(const bool ended, at_fence());
    if (ended) return false;
  }
  for (const LogPosition at : {slot(), next_segment_slot()}) {
    AETHER_TRY_ASSIGN(const Found found, find_block(scan, options, at, extent().epoch));
    torn |= found.torn;
    if (found.block.empty()) continue;
    if (at != slot()) AETHER_REACHED("wal.segment_not_filled");
    AETHER_TRY(accept(at, found.block));
    return true;
  }
  AETHER_TRY(check_end());
  return false;
}

Result<bool> LogReader::Impl::at_fence() {
  const LogPosition fence = slot_at(*extent().end, options.segment_bytes);
  if (slot() < fence) return false;
  if (slot() > fence) {
    return Error(Code::corruption,
                 scan.place(*previous) + ": the block reaches over the end of epoch " +
                     std::to_string(extent().epoch) + " at position " + std::to_string(fence));
  }
  if (!previous) {  // Nothing was read, so nothing contradicts the fence.
    cut = extent().cut;
    return true;
  }
  for (uint32_t s = 0; s < options.streams; ++s) {
    if (cut.at[s] == extent().cut.at[s]) continue;
    return Error(Code::corruption, scan.place(*previous) + ": stream " + std::to_string(s) +
                                       " ends at LSN " + std::to_string(cut.at[s]) +
                                       ", but epoch " + std::to_string(extent().epoch) +
                                       " was closed at LSN " + std::to_string(extent().cut.at[s]));
  }
  return true;
}

// An intact block of the right place and epoch: does it follow the one before?
Result<void> LogReader::Impl::accept(LogPosition at, std::string_view bytes) {
  const auto header = base::load<BlockHeader>(bytes.data());
  const bool follows = previous ? header.previous == *previous : header.previous < extent().begin;
  if (!follows) {
    return damaged(slot(), "the block at " + scan.place(at) + " follows one at position " +
                               std::to_string(header.previous) + " that is not there");
  }
  AETHER_TRY_ASSIGN(const BlockContent content,
                    parse_block(bytes, options.streams, scan.place(at)));
  for (uint32_t s = 0; s < options.streams; ++s) {
    const ChunkEntry& entry = content.entries[s];
    // Inside an extent a stream goes on where it ended; from one epoch to the next it may only grow.
    const bool continues = previous ? entry.lsn == cut.at[s] : entry.lsn >= cut.at[s];
    if (!continues) {
      return Error(Code::corruption, scan.place(at) + ": stream " + std::to_string(s) +
                                         " goes on at LSN " + std::to_string(entry.lsn) +
                                         " after it ended at LSN " + std::to_string(cut.at[s]));
    }
  }
  for (uint32_t s = 0; s < options.streams; ++s) {
    cut.at[s] = content.entries[s].lsn + content.entries[s].length;
  }
  fill_block(block, bytes, content, options.streams);
  previous = at;
  position = block.end;
  torn = false;
  return {};
}

// No block follows: is this the end of the log, or is something lost?
Result<void> LogReader::Impl::check_end() {
  if (extent().end) {
    return damaged(slot(), "epoch " + std::to_string(extent().epoch) + " goes on to position " +
                               std::to_string(*extent().end));
  }
  if (slot() < options.known_durable) {
    AETHER_REACHED("wal.durable_block_missing");
    return damaged(slot(),
                   "the log was durable up to position " + std::to_string(options.known_durable));
  }
  AETHER_TRY(check_last_segment());
  AETHER_TRY_ASSIGN(const std::optional<LogPosition> later, find_later_block(slot()));
  if (later) {
    AETHER_REACHED("wal.hole_before_a_later_block");
    return damaged(slot(), "the later block at " + scan.place(*later) + " is intact");
  }
  if (torn) AETHER_REACHED("wal.torn_tail_cut");
  return {};
}

// A segment is used only when its name, its header and all its bytes are durable. So one that the log had come into must be
// there, and whole: a file that somebody has removed or cut off is no end of the log.
Result<void> LogReader::Impl::check_last_segment() {
  if (slot() % options.segment_bytes <= kSegmentHeaderBytes) return {};  // Perhaps not begun.
  AETHER_TRY_ASSIGN(const SegmentState state,
                    scan.open(slot() / options.segment_bytes, extent().epoch));
  if (state != SegmentState::ours) return damaged(slot(), "the log had come that far");
  AETHER_TRY_ASSIGN(const bool whole, scan.is_whole());
  if (!whole) return damaged(slot(), "the segment had all its bytes when it was begun");
  return {};
}

// An intact block of this epoch at or behind `from`, whatever its segment's header says.
Result<std::optional<LogPosition>> LogReader::Impl::find_later_block(LogPosition from) {
  AETHER_TRY_ASSIGN(const std::vector<uint64_t> segments, list_segments(options.directory, os));
  for (const uint64_t segment : segments) {
    const LogPosition begin = segment * options.segment_bytes;
    if (begin + options.segment_bytes <= from) continue;
    AETHER_TRY_ASSIGN(const SegmentState state, scan.open(segment, extent().epoch));
    if (state == SegmentState::missing) continue;
    uint64_t offset = std::max(from, begin + kSegmentHeaderBytes) - begin;
    for (; offset < options.segment_bytes; offset += kBlockAlignment) {
      AETHER_TRY_ASSIGN(const std::string_view head, scan.bytes(offset, kBlockAlignment));
      if (head.size() < sizeof(BlockHeader)) break;  // The file ends here.
      const LogPosition at = begin + offset;
      // Wherever it stands: one that belongs elsewhere was written there, so its own place and this one have lost theirs.
      const LogPosition claimed = base::load<BlockHeader>(head.data()).position;
      const BlockIdentity later{options.environment_id, claimed, extent().epoch};
      if (claimed < from || !claims_to_be(head, later)) continue;
      const uint64_t length = claimed_length(head, options.segment_bytes - offset);
      if (length == 0) continue;
      AETHER_TRY_ASSIGN(const std::string_view whole, scan.bytes(offset, length));
      if (whole.size() == length && is_intact(whole)) return std::optional<LogPosition>(at);
    }
  }
  return std::optional<LogPosition>();
}

Error LogReader::Impl::damaged(LogPosition at, const std::string& evidence) {
  std::string what = "no intact block";
  const Result<SegmentState> state = scan.open(at / options.segment_bytes, extent().epoch);
  if (state && *state == SegmentState::missing) what = "the file is missing";
  if (state && *state == SegmentState::damaged) what = "the segment's header is damaged";
  if (state && *state == SegmentState::foreign) what = "the header is another segment's";
  return Error(Code::corruption, scan.place(at) + ": " + what + ", although " + evidence +
                                     "; changes from here on are lost: restore from a backup");
}

LogReader::LogReader() = default;
LogReader::~LogReader() = default;

Result<std::unique_ptr<LogReader>> LogReader::open(const LogReaderOptions& options,
                                                   std::vector<EpochExtent> extents, os::Os& os) {
  if (options.streams < 1 || options.streams > kMaxStreams ||
      options.segment_bytes < 2 * kBlockAlignment || options.segment_bytes % kBlockAlignment != 0) {
    return Error(Code::invalid_argument, "log reader: streams or segment_bytes out of range");
  }
  for (const EpochExtent& extent : extents) {
    if (extent.begin % kBlockAlignment != 0 || extent.begin < options.segment_bytes) {
      return Error(Code::corruption, "the log cannot begin at position " +
                                         std::to_string(extent.begin) + ": no block starts there");
    }
    if (extent.end && *extent.end < extent.begin) {
      return Error(Code::corruption,
                   "epoch " + std::to_string(extent.epoch) + " of the log ends before it begins");
    }
  }
  std::unique_ptr<LogReader> reader(new LogReader());
  reader->impl_ = std::make_unique<Impl>(options, std::move(extents), os);
  return reader;
}

Result<const Block*> LogReader::next() {
  Impl& impl = *impl_;
  while (impl.index < impl.extents.size()) {
    if (!impl.begun) impl.begin_extent();
    AETHER_TRY_ASSIGN(const bool found, impl.next_in_extent());
    if (found) return &impl.block;
    // The last extent stays the current one: a further call looks again and finds the same end.
    if (impl.index + 1 == impl.extents.size()) break;
    ++impl.index;
    impl.begun = false;
  }
  return static_cast<const Block*>(nullptr);
}

LogPosition LogReader::end() const noexcept { return impl_->position; }
const LsnVector& LogReader::cut() const noexcept { return impl_->cut; }
bool LogReader::tail_was_torn() const noexcept { return impl_->torn; }

Result<const Block*> LogReader::read_block(LogPosition position, uint32_t epoch) {
  Impl& impl = *impl_;
  Block& block = impl.undo_block;
  // Undo walks a transaction backwards: the record before is often in the same block.
  if (block.end != 0 && block.position == position && impl.undo_epoch == epoch) {
    return static_cast<const Block*>(&block);
  }
  block.end = 0;
  if (position % kBlockAlignment != 0 || position < impl.options.segment_bytes) {
    return Error(Code::corruption, "no log block starts at position " + std::to_string(position));
  }
  AETHER_TRY_ASSIGN(const Found found, find_block(impl.undo, impl.options, position, epoch));
  if (found.block.empty()) {
    return Error(Code::corruption, impl.undo.place(position) + ": no intact block of epoch " +
                                       std::to_string(epoch) + ", although it was read before");
  }
  AETHER_TRY_ASSIGN(const BlockContent content,
                    parse_block(found.block, impl.options.streams, impl.undo.place(position)));
  fill_block(block, found.block, content, impl.options.streams);
  impl.undo_epoch = epoch;
  return static_cast<const Block*>(&block);
}

Result<std::optional<RecordView>> RecordCursor::next() {
  if (chunk_.bytes.empty()) return std::optional<RecordView>();
  AETHER_TRY_ASSIGN(const RecordView record, parse_record(chunk_.bytes, chunk_.stream, chunk_.lsn));
  chunk_.bytes.remove_prefix(record.header.length);
  chunk_.lsn += record.header.length;
  return std::optional<RecordView>(record);
}

}  // namespace aether::wal
