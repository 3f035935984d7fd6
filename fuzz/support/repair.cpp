#include "fuzz/support/repair.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/checksum.h"
#include "buffer/page_tags.h"
#include "fuzz/support/target.h"
#include "page/page_header.h"
#include "recovery/control.h"
#include "tests/support/small_env.h"
#include "wal/block.h"
#include "wal/segment.h"

namespace aether::fuzz {
namespace {

constexpr uint64_t kUnit = 4096;
constexpr uint64_t kUnitsOfData = 40;  // What a small environment has allocated, and a little more.
constexpr uint64_t kControlSlotBytes = 16 * KiB;
constexpr uint64_t kControlMagic = 0x314c'5443'4854'4541;
constexpr uint64_t kAreaPagesMax = 128;

std::string path_of(const char* name) { return std::string(small::kHome) + "/" + name; }

/// Where the bytes of an edit go in a piece of `size` bytes.
void overwrite(std::string& piece, uint64_t at, std::string_view bytes) {
  at %= piece.size();
  const size_t count = std::min(bytes.size(), piece.size() - at);
  std::copy_n(bytes.data(), count, piece.data() + at);
}

}  // namespace

Editor::Editor(sim::SimOs& os) : os_(os) {
  const auto control = recovery::Control::open(small::kHome, false, os);
  FUZZ_REQUIRE(control);
  const recovery::ControlState& state = (*control)->state();
  environment_id_ = state.environment_id;
  segment_bytes_ = state.segment_bytes;
  tags_sequence_ = state.tags_sequence;
  segment_ = path_of("log/") + wal::segment_name(state.start_position / segment_bytes_);
  // After an orderly close nothing is read from where the next epoch begins: then the last one there is.
  if (!os.read_file(segment_)) {
    const auto segments = wal::list_segments(path_of("log"), os);
    FUZZ_REQUIRE(segments && !segments->empty());
    segment_ = path_of("log/") + wal::segment_name(segments->back());
  }
}

std::string Editor::read(const std::string& path, uint64_t offset, uint64_t size) {
  std::string bytes(size, '\0');
  const auto file = os_.open(path, {});
  FUZZ_REQUIRE_SAYING(file, path);
  const Result<uint64_t> got = (*file)->read_at(offset, bytes.data(), size);
  FUZZ_REQUIRE(got);
  return bytes;
}

void Editor::write(const std::string& path, uint64_t offset, std::string_view bytes) {
  const auto file = os_.open(path, {.write = true});
  FUZZ_REQUIRE(file);
  FUZZ_REQUIRE((*file)->write_at(offset, bytes.data(), bytes.size()));
  FUZZ_REQUIRE((*file)->sync());
}

void Editor::apply(const Edit& edit) {
  switch (edit.kind) {
    case FileKind::data: return edit_data(edit);
    case FileKind::log: return edit_log(edit);
    case FileKind::control: return edit_control(edit);
    case FileKind::doublewrite: return edit_doublewrite(edit);
  }
}

void Editor::replace_page(uint64_t page, std::string bytes) {
  page::seal(bytes.data(), kUnit, environment_id_);
  write(path_of("data"), page * kUnit, bytes);
  make_tag_right(page, bytes);
}

void Editor::make_tag_right(uint64_t page, const std::string& bytes) {
  if (tags_sequence_ == 0) return;
  const auto tags = buffer::PageTags::open(path_of("tags"), environment_id_, true, tags_sequence_,
                                           os_);
  FUZZ_REQUIRE(tags);
  FUZZ_REQUIRE((*tags)->replace(PageId{page}, bytes.data()));
  FUZZ_REQUIRE((*tags)->write([] { return Result<void>(); }));
}

void Editor::edit_data(const Edit& edit) {
  const uint64_t offset = edit.unit % kUnitsOfData * kUnit;
  std::string page = read(path_of("data"), offset, kUnit);
  overwrite(page, edit.at, edit.bytes);
  if (edit.repair) return replace_page(offset / kUnit, page);
  write(path_of("data"), offset, page);
}

void Editor::edit_log(const Edit& edit) {
  std::string head = read(segment_, 0, 64 * kUnit);
  // Blocks from the start: unit 0 is the header, unit n the n-th block.
  uint64_t offset = 0;
  uint64_t length = kUnit;
  for (uint64_t unit = edit.unit % 48; unit > 0; --unit) {
    const uint64_t next = offset + length;
    if (next + kUnit > head.size()) break;
    const auto block = base::load<wal::BlockHeader>(head.data() + next);
    if (block.magic != wal::kBlockMagic) break;
    offset = next;
    length = std::clamp<uint64_t>(block.length / kUnit * kUnit, kUnit, head.size() - next);
  }
  std::string piece = head.substr(offset, length);
  overwrite(piece, edit.at, edit.bytes);
  auto* bytes = reinterpret_cast<std::byte*>(piece.data());
  if (edit.repair && offset == 0) {
    wal::write_segment_header(base::load<wal::SegmentHeader>(bytes), bytes);
  } else if (edit.repair) {
    const uint64_t claimed = base::load<wal::BlockHeader>(bytes).length;
    if (claimed >= sizeof(wal::BlockHeader) && claimed <= piece.size())
      wal::seal_block(bytes, claimed);
  }
  write(segment_, offset, piece);
}

void Editor::edit_control(const Edit& edit) {
  const uint64_t offset = edit.unit % 2 * kControlSlotBytes;
  std::string slot = read(path_of("CONTROL"), offset, kControlSlotBytes);
  // Nearly all of a slot is reserved: edits go where something is.
  overwrite(slot, edit.at % 512, edit.bytes);
  if (edit.repair)
    base::store(slot.data(), base::checksum(slot.data() + 8, slot.size() - 8, kControlMagic));
  write(path_of("CONTROL"), offset, slot);
}

void Editor::edit_doublewrite(const Edit& edit) {
  if (!os_.read_file(path_of("doublewrite"))) return;
  const std::string path = path_of("doublewrite");
  std::string area = read(path, 0, kUnit * (1 + kAreaPagesMax));
  const auto count = std::min<uint64_t>(base::load<uint32_t>(area.data() + 36), kAreaPagesMax);
  const uint64_t unit = edit.unit % (count + 1);
  std::string piece = area.substr(unit * kUnit, unit == 0 ? 48 : kUnit);
  overwrite(piece, edit.at, edit.bytes);
  if (edit.repair && unit > 0) page::seal(piece.data(), kUnit, environment_id_);
  std::copy(piece.begin(), piece.end(), area.data() + unit * kUnit);
  if (edit.repair) {
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= count; ++i) sum = base::checksum(area.data() + i * kUnit, 8, sum);
    base::store(area.data() + 40, sum);
    base::store(area.data(), base::checksum(area.data() + 8, 40, environment_id_));
  }
  write(path, 0, std::string_view(area).substr(0, kUnit));
  if (unit > 0) write(path, unit * kUnit, piece);
}

}  // namespace aether::fuzz
