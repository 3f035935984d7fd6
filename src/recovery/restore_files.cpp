#include "recovery/restore_files.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "buffer/data_file.h"
#include "os/directories.h"
#include "page/page_header.h"
#include "recovery/backup_set.h"
#include "recovery/control.h"
#include "wal/archive.h"
#include "wal/block.h"
#include "wal/segment.h"

namespace aether::recovery {
namespace {

constexpr uint64_t kBatchBytes = 1 * MiB;
constexpr const char* kMark = "restore.unfinished";

Result<void> remove_if_there(os::Os& os, const std::string& path) {
  Result<void> removed = os.remove(path);
  if (!removed && removed.error().code() == Code::not_found) return {};
  return removed;
}

class Restorer {
 public:
  Restorer(const RestoreOptions& options, os::Os& os) : options_(options), os_(os) {}
  Result<RestoreReport> run();

 private:
  // What to restore.
  Result<void> choose();
  bool is_within(const Manifest& manifest) const noexcept;
  // The home.
  Result<void> prepare_home();
  // Pages.
  Result<void> restore_pages();
  Result<void> restore_batch(BackupPages& pages, std::span<const PageListEntry> entries,
                             std::byte* memory);
  // Log.
  Result<void> restore_log();
  Result<std::vector<wal::ArchiveEntry>> log_files() const;
  enum class Verdict : uint8_t { whole, part, beyond };
  Verdict judge(const wal::Block& block) const noexcept;
  Result<void> put_block(const wal::Block& block, bool whole);
  Result<void> blank_uncounted(const wal::Block& block);
  Result<void> open_segment(uint64_t segment);
  void finish_control();
  Result<void> close_segment();
  void trim_block(std::byte* block) noexcept;
  Result<void> check_reached() const;
  Result<void> step(const char* phase, uint64_t bytes);

  std::string path(const char* name) const { return options_.home + "/" + name; }

  const RestoreOptions& options_;
  os::Os& os_;
  std::optional<BackupSet> set_;
  const BackupMember* member_ = nullptr;
  BackupChain chain_;
  ControlState control_;  ///< Of the new environment.
  std::unique_ptr<buffer::DataFile> data_;
  std::unique_ptr<os::File> segment_;
  wal::AlignedBuffer block_;
  std::map<uint32_t, wal::LsnVector> cuts_;  ///< By epoch of the old log: where it ended.
  // In the old log:
  uint64_t old_segment_ = 0;
  LogPosition position_ = 0;
  // In the new one; 0: no block yet.
  uint64_t new_segment_ = 0;
  LogPosition previous_ = 0;
  LogPosition new_start_ = 0;
  LogPosition new_redo_ = 0;
  LogPosition new_end_ = 0;
  wal::LsnVector cut_;
  uint64_t wall_ns_ = 0;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  uint64_t log_bytes_ = 0;
};

Result<void> Restorer::step(const char* phase, uint64_t bytes) {
  done_ += bytes;
  if (options_.progress && !options_.progress({phase, done_, std::max(done_, total_)}))
    return Error(Code::closed, "the restore was ended before it was through: call it again");
  return {};
}

// --- What to restore -------------------------------------------------------------------------------------

bool Restorer::is_within(const Manifest& manifest) const noexcept {
  const RestorePoint& until = options_.until;
  if (until.wall_ns && manifest.end_wall_ns > *until.wall_ns) return false;
  if (until.position && manifest.end > *until.position) return false;
  for (uint32_t s = 0; s < wal::kMaxStreams; ++s) {
    if (until.lsn[s] != 0 && manifest.end_lsn.at[s] > until.lsn[s]) return false;
  }
  return true;
}

/// The newest backup that is not beyond the point: the least log to redo.
Result<void> Restorer::choose() {
  AETHER_TRY_ASSIGN(set_, BackupSet::open(options_.backups, os_));
  const BackupMember* oldest = nullptr;
  for (const BackupMember& member : set_->members()) {
    if (oldest == nullptr || member.manifest.end < oldest->manifest.end) oldest = &member;
    if (!is_within(member.manifest)) continue;
    if (member_ == nullptr || member.manifest.end > member_->manifest.end) member_ = &member;
  }
  if (member_ == nullptr) {
    return Error(Code::not_found, "every backup that is given ends after the point; the oldest, " +
                                      oldest->directory + ", ends at log position " +
                                      std::to_string(oldest->manifest.end) +
                                      ": give an older one, or a later point");
  }
  AETHER_TRY_ASSIGN(chain_, set_->chain(*member_));
  total_ = member_->manifest.list_entries * member_->manifest.control.page_bytes;
  control_ = member_->manifest.control;
  control_.environment_id = os_.random();
  return {};
}

// --- The home --------------------------------------------------------------------------------------------

Result<void> Restorer::prepare_home() {
  AETHER_TRY(os::make_directory(os_, options_.home));
  AETHER_TRY_ASSIGN(const std::vector<std::string> names, os_.list(options_.home));
  const auto holds = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (!names.empty() && (holds(kControlName) || !holds(kMark))) {
    return Error(Code::exists,
                 options_.home +
                     (holds(kControlName) ? " holds an environment already" : " is not empty") +
                     ": restore into an empty or a new directory");
  }
  // A mark first: what an interrupted restore leaves can be told from what is somebody's.
  AETHER_TRY_ASSIGN(const auto mark, os_.open(path(kMark), {.write = true, .create = true}));
  AETHER_TRY(mark->sync());
  AETHER_TRY(os_.sync_directory(options_.home));
  if (holds("log")) {
    AETHER_TRY_ASSIGN(const std::vector<std::string> files, os_.list(path("log")));
    for (const std::string& file : files) AETHER_TRY(remove_if_there(os_, path("log/") + file));
  }
  for (const char* name : {"data", "CONTROL.new", "log"})
    AETHER_TRY(remove_if_there(os_, path(name)));
  return os::make_directory(os_, path("log"));
}

// --- Pages -----------------------------------------------------------------------------------------------

Result<void> Restorer::restore_pages() {
  const Manifest& manifest = member_->manifest;
  const uint32_t page_bytes = control_.page_bytes;
  AETHER_TRY_ASSIGN(const auto pages, BackupPages::open(chain_, os_));
  AETHER_TRY_ASSIGN(const auto list, PageListReader::open(member_->directory, manifest, os_));
  AETHER_TRY_ASSIGN(
      data_, buffer::DataFile::create(path("data"), page_bytes, control_.environment_id, os_));
  AETHER_TRY(data_->ensure_capacity(manifest.capacity_pages));
  buffer::AlignedBuffer memory(kBatchBytes);
  std::vector<PageListEntry> batch;
  for (;;) {
    AETHER_TRY_ASSIGN(const PageListEntry* entry, list->next());
    if (!batch.empty() && (entry == nullptr || batch.size() == kBatchBytes / page_bytes)) {
      AETHER_TRY(restore_batch(*pages, batch, memory.data()));
      AETHER_TRY(step("pages", batch.size() * page_bytes));
      batch.clear();
    }
    if (entry == nullptr) break;
    batch.push_back(*entry);
  }
  return data_->sync();
}

/// Reads what lies side by side in the backups at once, and writes what lies side by side in the data file at once.
Result<void> Restorer::restore_batch(BackupPages& pages, std::span<const PageListEntry> entries,
                                     std::byte* memory) {
  const uint32_t page_bytes = control_.page_bytes;
  const auto run_length = [&](size_t from, auto follows) {
    size_t count = 1;
    while (from + count < entries.size() &&
           follows(entries[from + count - 1], entries[from + count]))
      ++count;
    return count;
  };
  for (size_t i = 0; i < entries.size();) {
    const size_t count = run_length(
        i, [](const PageListEntry& a, const PageListEntry& b) { return a.place + 1 == b.place; });
    AETHER_TRY(pages.read(entries.subspan(i, count), memory + i * page_bytes));
    i += count;
  }
  for (size_t i = 0; i < entries.size(); ++i)
    page::seal(memory + i * page_bytes, page_bytes, control_.environment_id);
  for (size_t i = 0; i < entries.size();) {
    const size_t count = run_length(i, [](const PageListEntry& a, const PageListEntry& b) {
      return a.page_id + 1 == b.page_id;
    });
    AETHER_TRY(data_->write(PageId{entries[i].page_id}, memory + i * page_bytes, count));
    i += count;
  }
  return {};
}

// --- Log -------------------------------------------------------------------------------------------------

Result<std::vector<wal::ArchiveEntry>> Restorer::log_files() const {
  std::vector<wal::ArchiveEntry> files;
  const auto add = [&](const std::string& directory) -> Result<uint64_t> {
    AETHER_TRY_ASSIGN(const std::vector<wal::ArchiveEntry> some, wal::list_archive(directory, os_));
    files.insert(files.end(), some.begin(), some.end());
    return some.size();
  };
  AETHER_TRY(add(member_->directory + "/" + kBackupLogName));
  for (const std::string& archive : options_.archives) {
    AETHER_TRY_ASSIGN(const uint64_t count, add(archive));
    if (count == 0)
      return Error(Code::not_found, archive + " holds no archived log: is it the right directory?");
  }
  return files;
}

/// A position is between blocks, a time takes whole blocks; LSNs may part a block: its records need of other streams only
/// what was durable before it, or what they say.
Restorer::Verdict Restorer::judge(const wal::Block& block) const noexcept {
  const RestorePoint& until = options_.until;
  if (until.position && block.end > *until.position) return Verdict::beyond;
  if (until.wall_ns && block.wall_ns > *until.wall_ns) return Verdict::beyond;
  for (uint32_t s = 0; s < control_.streams; ++s) {
    if (until.lsn[s] != 0 && block.end_lsn.at[s] > until.lsn[s]) return Verdict::part;
  }
  return Verdict::whole;
}

Result<void> Restorer::restore_log() {
  const Manifest& manifest = member_->manifest;
  AETHER_TRY_ASSIGN(std::vector<wal::ArchiveEntry> files, log_files());
  wal::ArchiveReader::Start start{control_.start_position, std::nullopt};
  AETHER_TRY_ASSIGN(const auto own, wal::list_archive(member_->directory + "/log", os_));
  if (own.empty()) start = {manifest.end, manifest.end_lsn};
  for (const wal::ArchiveEntry& file : files) {
    if (file.header.environment_id != manifest.control.environment_id) continue;
    control_.epoch = std::max(control_.epoch, file.header.epoch);
    cuts_[file.header.epoch].raise(file.header.end_lsn);
  }
  AETHER_TRY_ASSIGN(
      const auto reader,
      wal::ArchiveReader::open(std::move(files), manifest.control.environment_id, start, os_));
  position_ = start.position;
  cut_ = manifest.end_lsn;
  for (;;) {
    AETHER_TRY_ASSIGN(const wal::Block* block, reader->next());
    if (block == nullptr) break;
    const Verdict verdict = judge(*block);
    if (verdict == Verdict::beyond) break;
    if (block->position >= manifest.end && (block->flags & wal::kFlagImagesLogged) == 0) {
      return Error(Code::not_found,
                   "the log goes on to position " + std::to_string(block->position) +
                       ", where the environment was open without an archive: large values and "
                       "bulk loads are missing from there on; the last point is position " +
                       std::to_string(position_));
    }
    AETHER_TRY(put_block(*block, verdict == Verdict::whole));
    AETHER_TRY(step("log", block->end - block->position));
    if (verdict == Verdict::part) break;
  }
  AETHER_TRY(close_segment());
  AETHER_TRY(os_.sync_directory(path("log")));
  if (!manifest.end_lsn.covered_by(cut_)) {
    return Error(Code::corruption, member_->directory + "/log ends at position " +
                                       std::to_string(position_) + " instead of " +
                                       std::to_string(manifest.end) + ": files are missing");
  }
  return check_reached();
}

Result<void> Restorer::check_reached() const {
  const RestorePoint& until = options_.until;
  const auto short_of = [&](const std::string& what) {
    return Error(Code::not_found, "the log that is given ends at position " +
                                      std::to_string(position_) + ", before " + what +
                                      ": give the archive that goes on, or another point");
  };
  if (until.position &&
      position_<*until.position&& * until.position / control_.segment_bytes> position_ /
              control_.segment_bytes +
          1) {
    return short_of("position " + std::to_string(*until.position));
  }
  for (uint32_t s = 0; s < control_.streams; ++s) {
    if (until.lsn[s] == 0 || cut_.at[s] >= until.lsn[s]) continue;
    bool others = false;  // One of them may have been what stopped it.
    for (uint32_t o = 0; o < control_.streams; ++o)
      others = others || (o != s && until.lsn[o] != 0 && cut_.at[o] >= until.lsn[o]);
    if (!others)
      return short_of("LSN " + std::to_string(until.lsn[s]) + " of stream " + std::to_string(s));
  }
  return {};
}

/// All of the old epochs become one: what did not count in its own, because it needs what a crash took away, is made filler,
/// and segments follow each other without a gap. So it needs no fences, however often the old environment was opened.
Result<void> Restorer::put_block(const wal::Block& block, bool whole) {
  const uint64_t segment = block.position / control_.segment_bytes;
  if (segment_ == nullptr || old_segment_ != segment) {
    AETHER_TRY(open_segment(segment_ == nullptr ? segment : new_segment_ + 1));
    old_segment_ = segment;
  }
  const uint64_t bytes = block.bytes.size();
  if (block_.bytes() < bytes) {
    AETHER_TRY_ASSIGN(block_, wal::AlignedBuffer::make(bytes));
  }
  std::memcpy(block_.data(), block.bytes.data(), bytes);
  AETHER_TRY(blank_uncounted(block));
  if (new_end_ == 0) control_.lsn = block.begin_lsn;
  cut_ = block.end_lsn;
  if (!whole) trim_block(block_.data());
  const LogPosition position = new_segment_ * control_.segment_bytes +
                               block.position % control_.segment_bytes;
  auto header = base::load<wal::BlockHeader>(block_.data());
  header.environment_id = control_.environment_id;
  header.position = position;
  header.previous = previous_;
  header.epoch = control_.epoch;
  base::store(block_.data(), header);
  wal::seal_block(block_.data(), bytes);
  AETHER_TRY(segment_->write_at(position % control_.segment_bytes, block_.data(), bytes));
  if (block.position >= member_->manifest.control.redo_position && new_redo_ == 0)
    new_redo_ = position;
  if (new_end_ == 0) new_start_ = position;
  previous_ = position;
  new_end_ = position + bytes;
  position_ = block.end;
  wall_ns_ = block.wall_ns;
  log_bytes_ += bytes;
  return {};
}

/// In the copy of `block`.
Result<void> Restorer::blank_uncounted(const wal::Block& block) {
  const wal::LsnVector& cut = cuts_.at(block.epoch);
  for (const wal::Chunk& chunk : block.chunks) {
    wal::RecordCursor cursor(chunk);
    for (;;) {
      AETHER_TRY_ASSIGN(const std::optional<wal::RecordView> record, cursor.next());
      if (!record) break;
      if (record->covered_by(cut)) continue;
      const uint64_t offset = static_cast<uint64_t>(chunk.bytes.data() - block.bytes.data()) +
                              (record->lsn - chunk.lsn);
      block_.data()[offset + offsetof(wal::RecordHeader, type)] = static_cast<std::byte>(
          wal::RecordType::filler);
    }
  }
  return {};
}

/// Leaves out the records that end beyond the point.
void Restorer::trim_block(std::byte* block) noexcept {
  const uint64_t length = base::load<wal::BlockHeader>(block).length;
  uint64_t from = wal::block_overhead(control_.streams);
  uint64_t to = from;
  for (uint32_t s = 0; s < control_.streams; ++s) {
    std::byte* const place = block + sizeof(wal::BlockHeader) + s * sizeof(wal::ChunkEntry);
    auto entry = base::load<wal::ChunkEntry>(place);
    uint64_t kept = 0;
    const uint64_t limit = options_.until.lsn[s] == 0 ? UINT64_MAX : options_.until.lsn[s];
    while (kept < entry.length) {  // The reader has walked these records: their lengths are right.
      const uint64_t size = base::load<uint32_t>(block + from + kept);
      if (entry.lsn + kept + size > limit) break;
      kept += size;
    }
    std::memmove(block + to, block + from, kept);
    from += entry.length;
    to += kept;
    entry.length = static_cast<uint32_t>(kept);
    base::store(place, entry);
    cut_.at[s] = entry.lsn + kept;
  }
  std::memset(block + to, 0, length - to);
}

Result<void> Restorer::open_segment(uint64_t segment) {
  AETHER_TRY(close_segment());
  AETHER_TRY_ASSIGN(segment_, os_.open(path("log/") + wal::segment_name(segment),
                                       {.write = true, .create = true, .direct = true}));
  AETHER_TRY(segment_->allocate(0, control_.segment_bytes));
  AETHER_TRY_ASSIGN(const wal::AlignedBuffer header,
                    wal::AlignedBuffer::make(wal::kSegmentHeaderBytes));
  wal::write_segment_header({.epoch = control_.epoch,
                             .environment_id = control_.environment_id,
                             .segment = segment,
                             .segment_bytes = control_.segment_bytes},
                            header.data());
  AETHER_TRY(segment_->write_at(0, header.data(), wal::kSegmentHeaderBytes));
  new_segment_ = segment;
  return {};
}

Result<void> Restorer::close_segment() {
  if (segment_ == nullptr) return {};
  AETHER_TRY(segment_->sync());
  AETHER_TRY(segment_->close());
  segment_.reset();
  return {};
}

void Restorer::finish_control() {
  control_.fences.clear();
  control_.clean = false;
  if (new_end_ == 0) {  // No log at all: as if it began in a segment that is not there yet.
    control_.lsn = cut_;
    new_end_ = base::align_up(position_, control_.segment_bytes);
    new_start_ = new_end_;
  }
  control_.start_position = new_start_;
  control_.redo_position = new_redo_ == 0 ? new_end_ : new_redo_;
  control_.epoch_begin = new_start_ / control_.segment_bytes * control_.segment_bytes;
  control_.known_durable = new_end_;
}

// --- All of it -------------------------------------------------------------------------------------------

Result<RestoreReport> Restorer::run() {
  AETHER_TRY(choose());
  AETHER_TRY(prepare_home());
  AETHER_TRY(restore_pages());
  AETHER_TRY(restore_log());
  finish_control();
  AETHER_TRY(os_.sync_directory(options_.home));
  AETHER_TRY(Control::create(options_.home, control_, os_));
  AETHER_TRY(remove_if_there(os_, path(kMark)));
  AETHER_TRY(os_.sync_directory(options_.home));
  RestoreReport report;
  report.backup_id = id_text(member_->manifest.backup_id);
  report.environment = id_text(control_.environment_id);
  report.pages = member_->manifest.list_entries;
  report.log_bytes = log_bytes_;
  report.position = position_;
  report.lsn = cut_.at;
  report.wall_ns = wall_ns_;
  return report;
}

}  // namespace

Result<RestoreReport> restore_files(const RestoreOptions& options, os::Os& os) {
  return Restorer(options, os).run();
}

}  // namespace aether::recovery
