// A look inside, from the files alone. A page whose checksum is wrong is decoded all the same: SlottedPage's readers
// touch nothing outside the page whatever its bytes say, and everything else here is copied out by offset.
#include "db/introspection.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/printable.h"
#include "buffer/data_file.h"
#include "buffer/space_manager.h"
#include "index/btree/ops.h"
#include "os/os.h"
#include "page/leaf_record.h"
#include "page/overflow_page.h"
#include "page/page_header.h"
#include "page/slotted_page.h"
#include "page/space_map_page.h"
#include "recovery/control.h"
#include "table/table_log.h"
#include "wal/log_reader.h"

namespace aether::db {
namespace {

constexpr size_t kValueShown = 64;
constexpr const char* kLockName = "/LOCK";
constexpr const char* kDataName = "/data";
constexpr const char* kLogName = "/log";

std::string number(uint64_t n) { return std::to_string(n); }

// --- Opening -----------------------------------------------------------------------------------------

/// The environment's directory, held so that nobody opens it meanwhile, and what CONTROL says.
struct Home {
  std::unique_ptr<os::File> lock;
  recovery::ControlState control;
};

Result<std::unique_ptr<os::File>> lock_home(os::Os& os, const std::string& home) {
  Result<std::unique_ptr<os::File>> file = os.open(home + kLockName, {});
  if (!file) {
    if (file.error().code() == Code::not_found)
      return std::unique_ptr<os::File>();  // A copy without it.
    return std::move(file).error();
  }
  AETHER_TRY_ASSIGN(const bool locked, (*file)->try_lock());
  if (locked) return *std::move(file);
  char text[32] = {};
  AETHER_TRY_ASSIGN(const uint64_t got, (*file)->read_at(0, text, sizeof text));
  const std::string pid(text,
                        std::find_if(text, text + got, [](char c) { return c < '0' || c > '9'; }));
  return Error(Code::busy, home + ": the environment is open in " +
                               (pid.empty() ? std::string("another process") : "process " + pid) +
                               "; look at it when that one has closed it");
}

Result<Home> open_home(os::Os& os, const std::string& home) {
  AETHER_TRY_ASSIGN(const bool is_there, os.exists(home + "/" + recovery::kControlName));
  if (!is_there)
    return Error(Code::not_found, home + " is not an Aether environment: it has no CONTROL");
  Home result;
  AETHER_TRY_ASSIGN(result.lock, lock_home(os, home));
  AETHER_TRY_ASSIGN(const std::unique_ptr<recovery::Control> control,
                    recovery::Control::open(home, false, os));
  result.control = control->state();
  return result;
}

// --- The log -----------------------------------------------------------------------------------------

/// The stretches of log on disk. Recovery begins at the last checkpoint; whoever looks wants what lies before it in
/// the same segment as well, which is still there.
std::vector<wal::EpochExtent> extents_on_disk(const recovery::ControlState& control) {
  const LogPosition segment = control.start_position / control.segment_bytes *
                              control.segment_bytes;
  std::vector<wal::EpochExtent> extents;
  for (const recovery::Fence& fence : control.fences) {
    if (fence.end <= segment || fence.begin == fence.end) continue;
    extents.push_back({fence.epoch, std::max(segment, fence.begin), fence.end, fence.cut});
  }
  extents.push_back({control.epoch, std::max(segment, control.epoch_begin), std::nullopt, {}});
  return extents;
}

const char* word_for(wal::RecordType type) noexcept {
  switch (type) {
    case wal::RecordType::filler: return "filler";
    case wal::RecordType::change: return "change";
    case wal::RecordType::clr: return "clr";
    case wal::RecordType::commit: return "commit";
    case wal::RecordType::end: return "end";
    case wal::RecordType::prepare: return "prepare";
  }
  return "unknown";
}

/// "allocate 5 pages from 17, 1 page from 40".
std::string describe_space(const wal::PartView& part) {
  if (part.header.op == static_cast<uint8_t>(buffer::SpaceOp::format)) return "format space map";
  if (part.header.op == static_cast<uint8_t>(buffer::SpaceOp::image)) return "image of the page";
  std::string text = part.header.op == static_cast<uint8_t>(buffer::SpaceOp::allocate) ? "allocate"
                                                                                       : "free";
  const uint64_t group_begin = part.header.page_id - 1;  // The map is the group's second page.
  base::ByteReader reader(part.data);
  for (const char* between = " "; reader.remaining() > 0; between = ", ") {
    const auto first = reader.read<uint32_t>();
    const auto count = reader.read<uint32_t>();
    if (!reader.ok()) return text + between + "(cut short)";
    text += between + number(count) + (count == 1 ? " page from " : " pages from ") +
            number(group_begin + first);
  }
  return text;
}

std::string describe_part(const wal::PartView& part) {
  std::string what;
  switch (part.header.manager) {
    case wal::ResourceManager::space: what = describe_space(part); break;
    case wal::ResourceManager::btree:
      what = "store " + number(part.header.store) + " " + index::describe_btree(part);
      break;
    case wal::ResourceManager::table:
      return "store " + number(part.header.store) + " row " + table::describe(part);
    default: what = "resource manager " + number(static_cast<uint64_t>(part.header.manager)); break;
  }
  return "page " + number(part.header.page_id) + ": " + what;
}

/// What must be durable for the record to count: " needs 0:4096 2:80", stream and LSN.
std::string describe_vector(std::string_view vector) {
  std::string text;
  base::ByteReader reader(vector);
  while (reader.remaining() >= sizeof(uint64_t)) {
    const auto element = reader.read<uint64_t>();
    text += (text.empty() ? " needs " : " ") + number(element >> 56) + ":" +
            number(element & ~(uint64_t{0xff} << 56));
  }
  return text;
}

LogLine describe(const wal::RecordView& record, const wal::Block& block,
                 const wal::EpochExtent* extent) {
  LogLine line;
  line.position = block.position;
  line.epoch = block.epoch;
  line.stream = record.stream;
  line.lsn = record.lsn;
  line.txn = record.header.txn;
  line.type = word_for(record.header.type);
  if (record.header.type == wal::RecordType::change &&
      (record.header.flags & wal::kFlagCommits) != 0) {
    line.type += "+commit";
  }
  wal::PartCursor cursor(record);
  while (const std::optional<wal::PartView> part = cursor.next()) {
    if (!line.detail.empty()) line.detail += "; ";
    line.detail += describe_part(*part);
    if (part->header.page_id != raw(kNoPage)) line.pages.push_back(part->header.page_id);
  }
  if (record.header.part_count > 0) line.detail += " gsn " + number(record.gsn);
  if (record.header.link != kNoLsn) {
    line.detail += (record.header.type == wal::RecordType::clr ? " undo_next " : " previous ") +
                   number(record.header.link);
  }
  line.detail += describe_vector(record.vector);
  // Of the last epoch the cut is not known before its end.
  if (extent != nullptr && extent->end && !record.covered_by(extent->cut))
    line.detail += " (lost: does not count)";
  if (!line.detail.empty() && line.detail.front() == ' ') line.detail.erase(0, 1);
  return line;
}

/// False: the visitor has had enough.
Result<bool> print_block(const wal::Block& block, const wal::EpochExtent* extent,
                         FunctionRef<bool(const LogLine&)> visit) {
  for (const wal::Chunk& chunk : block.chunks) {
    wal::RecordCursor records(chunk);
    for (;;) {
      AETHER_TRY_ASSIGN(const std::optional<wal::RecordView> record, records.next());
      if (!record) break;
      if (!visit(describe(*record, block, extent))) return false;
    }
  }
  return true;
}

// --- Pages -------------------------------------------------------------------------------------------

std::string word_for(page::PageKind kind) {
  switch (kind) {
    case page::PageKind::file_header: return "file_header";
    case page::PageKind::space_map: return "space_map";
    case page::PageKind::btree_inner: return "btree_inner";
    case page::PageKind::btree_leaf: return "btree_leaf";
    case page::PageKind::overflow: return "overflow";
  }
  return "unknown (" + number(static_cast<uint64_t>(kind)) + ")";
}

class PageDecoder {
 public:
  PageDecoder(std::byte* page, uint32_t page_bytes, PageDump& dump)
      : page_(page), page_bytes_(page_bytes), dump_(dump) {}
  void decode();

 private:
  void field(const char* name, std::string value) {
    dump_.fields.emplace_back(name, std::move(value));
  }
  void field(const char* name, uint64_t value) { field(name, number(value)); }
  void decode_file_header();
  void decode_space_map();
  void decode_node();
  void decode_leaf_entries(const page::SlottedPage& node);
  void decode_inner_entries(const page::SlottedPage& node);
  void decode_overflow();

  std::byte* page_;
  const uint32_t page_bytes_;
  PageDump& dump_;
};

void PageDecoder::decode() {
  const auto header = base::load<page::PageHeader>(page_);
  dump_.gsn = header.gsn;
  dump_.store = header.store;
  if (page::is_zero(page_, page_bytes_)) {
    dump_.kind = "never_written";
    return;
  }
  dump_.kind = word_for(header.kind);
  if (raw(header.page_id) != dump_.page_id) field("page_id_inside", raw(header.page_id));
  field("newest_txn", header.newest_txn);
  switch (header.kind) {
    case page::PageKind::file_header: return decode_file_header();
    case page::PageKind::space_map: return decode_space_map();
    case page::PageKind::btree_inner:
    case page::PageKind::btree_leaf: return decode_node();
    case page::PageKind::overflow: return decode_overflow();
  }
}

/// docs/formats/page.md, "File header".
void PageDecoder::decode_file_header() {
  constexpr size_t kMagicAt = 40;
  field("magic", base::printable({reinterpret_cast<const char*>(page_) + kMagicAt, 8}));
  field("format_version", base::load<uint32_t>(page_ + kMagicAt + 8));
  field("page_bytes", base::load<uint32_t>(page_ + kMagicAt + 12));
}

void PageDecoder::decode_space_map() {
  page::SpaceMapPage map(page_, page_bytes_);
  const auto header = base::load<page::SpaceMapHeader>(page_);
  const Result<void> checked = map.check_map();
  field("check", checked ? "ok" : std::string(checked.error().message()));
  field("first_page", header.first_page);
  field("pages", header.bits);
  field("allocated", map.count_allocated());
  const auto bits = static_cast<uint32_t>(
      page::pages_per_group(page_bytes_));  // Not what the page says.
  for (uint32_t bit = 0; bit < bits;) {
    if (!map.test(bit)) {
      ++bit;
      continue;
    }
    const uint32_t begin = bit;
    while (bit < bits && map.test(bit)) ++bit;
    const std::string first = number(header.first_page + begin);
    dump_.entries.emplace_back(
        bit - begin == 1 ? first : first + "-" + number(header.first_page + bit - 1), "allocated");
  }
}

void PageDecoder::decode_node() {
  page::SlottedPage node(page_, page_bytes_);
  const auto header = base::load<page::NodeHeader>(page_);
  const Result<void> checked = node.check_node();
  const auto fence = [](const page::Fence& bound) {
    return bound ? "'" + base::printable(*bound) + "'" : "none";
  };
  field("check", checked ? "ok" : std::string(checked.error().message()));
  field("level", header.level);
  field("count", header.count);
  field("lower_fence", fence(node.lower_fence()));
  field("upper_fence", fence(node.upper_fence()));
  field("prefix", "'" + base::printable(node.prefix()) + "'");
  field("heap_begin", header.heap_begin);
  field("garbage", header.garbage);
  if (checked) field("free_bytes", node.free_bytes());
  if (node.is_leaf()) {
    decode_leaf_entries(node);
  } else {
    decode_inner_entries(node);
  }
}

void PageDecoder::decode_leaf_entries(const page::SlottedPage& node) {
  std::string key;
  for (uint32_t slot = 0; slot < node.count(); ++slot) {
    node.key(slot, key);
    const page::Bytes payload = node.payload(slot);
    if (payload.size() < page::kMetaBytes) {
      dump_.entries.emplace_back(key, "payload of " + number(payload.size()) + " bytes, too short");
      continue;
    }
    const page::RecordMeta meta = page::meta_of(payload);
    const page::Bytes value = page::value_of(payload);
    std::string text = "txn " + number(meta.txn());
    if (meta.removed()) text += " removed";
    if (meta.expires()) text += " expires " + number(page::expiry_of(payload));
    if (meta.overflow() && value.size() == sizeof(page::OverflowReference)) {
      const auto reference = base::load<page::OverflowReference>(value.data());
      text += " overflow " + number(reference.value_bytes) + " bytes at page " +
              number(reference.first_page);
    } else {
      text += (meta.overflow() ? " overflow (damaged) " : " ") + number(value.size()) + " bytes: ";
      text += value.substr(0, kValueShown);
      if (value.size() > kValueShown) text += "...";
    }
    dump_.entries.emplace_back(key, std::move(text));
  }
}

void PageDecoder::decode_inner_entries(const page::SlottedPage& node) {
  std::string key;
  for (uint32_t i = 0; i <= node.count(); ++i) {
    if (i > 0) node.key(i - 1, key);
    dump_.entries.emplace_back(key, "page " + number(base::load<uint64_t>(node.child_word(i))));
  }
}

void PageDecoder::decode_overflow() {
  const auto header = base::load<page::OverflowHeader>(page_);
  field("extent_first_page", raw(header.page.page_id) - header.index);
  field("extent_pages", header.extent_pages);
  field("index", header.index);
  field("next_extent", header.next_extent);
  field("used_bytes", header.used_bytes);
  const uint32_t used = std::min(header.used_bytes, page::overflow_payload_bytes(page_bytes_));
  const std::string_view payload(reinterpret_cast<const char*>(page_) + sizeof header, used);
  field("payload", "'" + base::printable(payload.substr(0, kValueShown)) +
                       (used > kValueShown ? "...'" : "'"));
}

/// What the space map says of the page.
std::string allocation_of(os::File& file, const recovery::ControlState& control, PageId id) {
  const uint32_t page_bytes = control.page_bytes;
  const PageId map_id = page::map_page_of(id, page_bytes);
  buffer::AlignedBuffer bytes(page_bytes);
  const Result<uint64_t> got = file.read_at(raw(map_id) * page_bytes, bytes.data(), page_bytes);
  if (!got || *got < page_bytes) return "unknown: the space map cannot be read";
  if (page::is_zero(bytes.data(), page_bytes)) return "no: its group is not in use yet";
  if (!page::check(bytes.data(), page_bytes, control.environment_id, map_id))
    return "unknown: the space map is damaged";
  const page::SpaceMapPage map(bytes.data(), page_bytes);
  return map.test(static_cast<uint32_t>(raw(id) % page::pages_per_group(page_bytes))) ? "yes"
                                                                                      : "no";
}

}  // namespace

Result<void> print_log(os::Os& os, const std::string& home,
                       FunctionRef<bool(const LogLine&)> visit) {
  constexpr uint64_t kBlockBytesMax = 1 * MiB;
  AETHER_TRY_ASSIGN(const Home opened, open_home(os, home));
  const recovery::ControlState& control = opened.control;
  const wal::LogReaderOptions options{
      .directory = home + kLogName,
      .environment_id = control.environment_id,
      .streams = control.streams,
      .segment_bytes = control.segment_bytes,
      .block_bytes_max = std::min(kBlockBytesMax, control.segment_bytes / 4),
      .known_durable = control.known_durable};
  const std::vector<wal::EpochExtent> extents = extents_on_disk(control);
  AETHER_TRY_ASSIGN(const auto reader, wal::LogReader::open(options, extents, os));
  for (;;) {
    AETHER_TRY_ASSIGN(const wal::Block* block, reader->next());
    if (block == nullptr) return {};
    const wal::EpochExtent* extent = nullptr;
    for (const wal::EpochExtent& candidate : extents) {
      if (candidate.epoch == block->epoch) extent = &candidate;
    }
    AETHER_TRY_ASSIGN(const bool more, print_block(*block, extent, visit));
    if (!more) return {};
  }
}

Result<PageDump> inspect_page(os::Os& os, const std::string& home, uint64_t page_id) {
  AETHER_TRY_ASSIGN(const Home opened, open_home(os, home));
  const uint32_t page_bytes = opened.control.page_bytes;
  // Not buffer::DataFile: it refuses the file when page 0 is damaged, and then there is most to look at.
  AETHER_TRY_ASSIGN(const std::unique_ptr<os::File> file,
                    os.open(home + kDataName, {.direct = true}));
  AETHER_TRY_ASSIGN(const uint64_t file_bytes, file->size());
  const uint64_t pages = (file_bytes + page_bytes - 1) / page_bytes;
  if (page_id >= pages) {
    return Error(Code::invalid_argument, home + kDataName + " has " + number(pages) +
                                             " pages, counted from 0: there is no page " +
                                             number(page_id));
  }
  buffer::AlignedBuffer bytes(page_bytes);
  AETHER_TRY_ASSIGN(const uint64_t got,
                    file->read_at(page_id * page_bytes, bytes.data(), page_bytes));

  PageDump dump;
  dump.page_id = page_id;
  const PageId id{page_id};
  const Result<void> checked = page::check(bytes.data(), page_bytes, opened.control.environment_id,
                                           id);
  dump.checksum_ok = checked.has_value();
  if (!checked) dump.fields.emplace_back("problem", std::string(checked.error().message()));
  if (got < page_bytes) dump.fields.emplace_back("cut_off_after_bytes", number(got));
  dump.fields.emplace_back("allocated", allocation_of(*file, opened.control, id));
  PageDecoder(bytes.data(), page_bytes, dump).decode();
  return dump;
}

}  // namespace aether::db
