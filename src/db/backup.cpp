#include "db/backup.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "os/directories.h"
#include "page/page_header.h"
#include "page/space_map_page.h"

namespace aether::db {
namespace {

using recovery::PageListEntry;

constexpr uint64_t kRunBytes = 1 * MiB;
constexpr int kReadsMax = 1000;
constexpr uint64_t kReadAgainNs = 100'000;

}  // namespace

Result<void> Pace::add(uint64_t moved, uint64_t input) {
  done_ += input;
  moved_ += moved;
  if (call_ && !call_({phase_, done_, std::max(done_, total_)}))
    return Error(Code::closed, "the backup was ended before it was through");
  if (rate_ == 0) return {};
  const auto due_ns = static_cast<uint64_t>(static_cast<double>(moved_) /
                                            static_cast<double>(rate_) * 1e9);
  const uint64_t passed_ns = os_.monotonic_ns() - begun_ns_;
  if (due_ns > passed_ns) os_.sleep_ns(due_ns - passed_ns);
  return {};
}

Backup::Backup(EnvImpl& env, const BackupOptions& options)
    : env_(env),
      options_(options),
      os_(env.os()),
      data_(env.services().pool.data()),
      pace_(options.progress, options.bytes_per_second, env.os()),
      input_(kRunBytes),
      output_(kRunBytes),
      writing_(kRunBytes) {}

/// What is not finished is taken away again, as far as that goes: without a manifest it is no backup in any case.
Backup::~Backup() {
  static_cast<void>(finish_write().has_value());  // Its memory is ours.
  if (!made_ || done_) return;
  list_.reset();
  pages_.reset();
  const std::string log = options_.directory + "/" + recovery::kBackupLogName;
  if (const auto names = os_.list(log)) {
    for (const std::string& name : *names) {
      std::string path = log;
      path.append("/").append(name);
      static_cast<void>(os_.remove(path).has_value());
    }
  }
  for (const char* name : {recovery::kBackupLogName, recovery::kPagesName, recovery::kPageListName,
                           "MANIFEST.new", recovery::kManifestName})
    static_cast<void>(os_.remove(options_.directory + "/" + name).has_value());
}

Result<BackupReport> Backup::run() {
  AETHER_TRY(open_parent());
  AETHER_TRY(make_directory());
  AETHER_TRY_ASSIGN(manifest_.control, env_.begin_backup());
  manifest_.begin_wall_ns = os_.wall_ns();
  AETHER_TRY(copy_pages());
  AETHER_TRY(copy_log());
  AETHER_TRY(check_missing());
  return finish();
}

Result<void> Backup::open_parent() {
  manifest_.backup_id = os_.random();
  if (options_.parent.empty()) return {};
  AETHER_TRY_ASSIGN(const recovery::Manifest parent, recovery::read_manifest(options_.parent, os_));
  if (parent.control.environment_id != data_.environment_id()) {
    return Error(Code::invalid_argument, options_.parent + " is a backup of environment " +
                                             recovery::id_text(parent.control.environment_id) +
                                             ", not of " + env_.home());
  }
  manifest_.kind = recovery::BackupKind::incremental;
  manifest_.ancestors = parent.ancestors;
  manifest_.ancestors.push_back(parent.backup_id);
  AETHER_TRY_ASSIGN(parent_list_, recovery::PageListReader::open(options_.parent, parent, os_));
  AETHER_TRY_ASSIGN(parent_entry_, parent_list_->next());
  return {};
}

Result<void> Backup::make_directory() {
  AETHER_TRY(os::make_directory(os_, options_.directory));
  AETHER_TRY_ASSIGN(const std::vector<std::string> names, os_.list(options_.directory));
  if (!names.empty()) {
    const bool is_backup = std::find(names.begin(), names.end(), recovery::kManifestName) !=
                           names.end();
    return Error(Code::exists, options_.directory +
                                   (is_backup ? " holds a backup already"
                                              : " is not empty (an interrupted backup?)") +
                                   ": name an empty or a new directory");
  }
  made_ = true;
  AETHER_TRY_ASSIGN(queue_, os_.make_io_queue(1, env_.options().io_mode));
  AETHER_TRY(os::make_directory(os_, options_.directory + "/" + recovery::kBackupLogName));
  AETHER_TRY_ASSIGN(list_, recovery::PageListWriter::create(options_.directory, os_));
  AETHER_TRY_ASSIGN(pages_,
                    os_.open(options_.directory + "/" + recovery::kPagesName,
                             {.write = true, .create = true, .exclusive = true, .direct = true}));
  return {};
}

// --- Pages -----------------------------------------------------------------------------------------------

Result<void> Backup::copy_pages() {
  buffer::SpaceManager& space = env_.services().space;
  const uint64_t used = space.page_count() - space.free_count();
  pace_.begin_phase("pages", used * data_.page_bytes());
  for (uint64_t group = 0; group < space.group_count(); ++group) AETHER_TRY(copy_group(group));
  AETHER_TRY(flush_pages());
  AETHER_TRY(finish_write());
  AETHER_TRY(list_->finish());
  AETHER_TRY(pages_->sync());
  return pages_->close();
}

Result<void> Backup::copy_group(uint64_t group) {
  const uint64_t per_group = page::pages_per_group(data_.page_bytes());
  const uint64_t run_max = kRunBytes / data_.page_bytes();
  const buffer::SpaceManager::UsedPages used = env_.services().space.used_pages(group);
  for (uint64_t bit = 0; bit < per_group;) {
    const uint64_t first = bit;
    const auto take = [&](uint64_t at) { return used.allocated[at] || used.taken[at]; };
    while (bit < per_group && bit - first < run_max && take(bit)) ++bit;
    if (bit == first) {
      ++bit;
      continue;
    }
    AETHER_TRY(copy_run(group * per_group + first, bit - first, used));
  }
  return {};
}

Result<void> Backup::copy_run(uint64_t first, uint64_t count,
                              const buffer::SpaceManager::UsedPages& used) {
  const uint64_t page_bytes = data_.page_bytes();
  const uint64_t per_group = page::pages_per_group(data_.page_bytes());
  AETHER_TRY_ASSIGN(const uint64_t got,
                    data_.file().read_at(first * page_bytes, input_.data(), count * page_bytes));
  if (got < count * page_bytes)
    std::memset(input_.data() + got, 0, count * page_bytes - got);  // Room not made yet.
  for (uint64_t i = 0; i < count; ++i) {
    if (first + i == 0) continue;  // The file's header: a restore makes its own.
    AETHER_TRY(take_page(first + i, input_.data() + i * page_bytes,
                         used.allocated[(first + i) % per_group]));
  }
  return pace_.add(count * page_bytes, count * page_bytes);
}

/// True: the page is whole. It may be on its way to the disk just now.
Result<bool> Backup::read_again(uint64_t id, std::byte* page) {
  const uint32_t page_bytes = data_.page_bytes();
  for (int tries = 0; tries < kReadsMax; ++tries) {
    if (data_.check(PageId{id}, page)) return true;
    if (page::is_zero(page, page_bytes)) return false;
    if (tries > 2) os_.sleep_ns(kReadAgainNs);
    AETHER_TRY(data_.read_raw(PageId{id}, page));
  }
  return false;
}

Result<void> Backup::take_page(uint64_t id, std::byte* page, bool is_allocated) {
  AETHER_TRY_ASSIGN(const bool whole, read_again(id, page));
  if (!whole) {
    // Reserved only: nothing that counts was written there before images were logged.
    if (is_allocated) missing_.push_back(id);
    return {};
  }
  const auto header = base::load<page::PageHeader>(page);
  PageListEntry entry{.page_id = id, .gsn = header.gsn, .checksum = header.checksum};
  AETHER_TRY_ASSIGN(const bool unchanged, is_in_parent(entry, entry.place));
  if (unchanged) return list_->add(entry);
  entry.place = (uint64_t{manifest_.ancestors.size()} << 48) | manifest_.pages_held++;
  std::memcpy(output_.data() + buffered_ * data_.page_bytes(), page, data_.page_bytes());
  if (++buffered_ == kRunBytes / data_.page_bytes()) AETHER_TRY(flush_pages());
  return list_->add(entry);
}

/// The whole page's checksum decides, not its GSN alone: whatever changed a page, logged or not, shows in it.
Result<bool> Backup::is_in_parent(const PageListEntry& entry, uint64_t& place) {
  while (parent_entry_ != nullptr && parent_entry_->page_id < entry.page_id) {
    AETHER_TRY_ASSIGN(parent_entry_, parent_list_->next());
  }
  if (parent_entry_ == nullptr || parent_entry_->page_id != entry.page_id ||
      parent_entry_->gsn != entry.gsn || parent_entry_->checksum != entry.checksum)
    return false;
  place = parent_entry_->place;
  return true;
}

Result<void> Backup::flush_pages() {
  if (buffered_ == 0) return {};
  AETHER_TRY(finish_write());
  std::swap(output_, writing_);
  const uint64_t bytes = buffered_ * data_.page_bytes();
  write_ = {};
  write_.kind = os::IoRequest::Kind::write;
  write_.file = pages_.get();
  write_.offset = pages_written_ * data_.page_bytes();
  write_.data = writing_.data();
  write_.size = bytes;
  os::IoRequest* const request = &write_;
  AETHER_TRY(queue_->submit({&request, 1}));
  pages_written_ += buffered_;
  buffered_ = 0;
  return pace_.add(bytes, 0);
}

Result<void> Backup::finish_write() {
  if (queue_ == nullptr || queue_->in_flight() == 0) return {};
  std::vector<os::IoRequest*> done;
  AETHER_TRY(queue_->complete(1, done));
  return std::move(write_.result);
}

// --- Log -------------------------------------------------------------------------------------------------

/// The end comes after the last page was read: no page knows more than the log.
Result<void> Backup::copy_log() {
  wal::Log& log = env_.services().log;
  AETHER_TRY_ASSIGN(const wal::LogTail end, log.flush_to_end());
  manifest_.end = end.position;
  manifest_.end_lsn = end.cut;
  manifest_.end_wall_ns = os_.wall_ns();
  std::vector<wal::EpochExtent> extents = recovery::log_extents(manifest_.control);
  extents.back().end = std::max(end.position, extents.back().begin);
  extents.back().cut = end.cut;
  pace_.begin_phase("log", end.position - manifest_.control.start_position);
  wal::ArchiveCopied copied;
  AETHER_TRY(wal::copy_to_archive(
      env_.log_to_read(), extents, options_.directory + "/" + recovery::kBackupLogName, os_,
      [this](uint64_t bytes) { return pace_.add(2 * bytes, bytes); }, copied));
  log_bytes_ = copied.bytes;
  AETHER_TRY_ASSIGN(const std::vector<wal::ArchiveEntry> entries,
                    wal::list_archive(options_.directory + "/" + recovery::kBackupLogName, os_));
  for (const wal::ArchiveEntry& entry : entries)  // A clock may have been set back.
    manifest_.end_wall_ns = std::max(manifest_.end_wall_ns, entry.header.end_wall_ns);
  return {};
}

/// A page that is in use but was never written is made by the log. If it is not, the file has lost it.
Result<void> Backup::check_missing() {
  if (missing_.empty()) return {};
  AETHER_TRY_ASSIGN(const std::vector<wal::ArchiveEntry> entries,
                    wal::list_archive(options_.directory + "/" + recovery::kBackupLogName, os_));
  std::set<uint64_t> missing(missing_.begin(), missing_.end());
  for (const wal::ArchiveEntry& entry : entries) {
    AETHER_TRY_ASSIGN(const auto file, wal::ArchiveFile::open(entry.path, os_));
    std::set<LogPosition> blocks;
    for (const uint64_t id : missing) {
      AETHER_TRY_ASSIGN(const std::vector<LogPosition> some, file->blocks_of(PageId{id}));
      blocks.insert(some.begin(), some.end());
    }
    for (const LogPosition position : blocks) {
      AETHER_TRY_ASSIGN(const wal::Block* block, file->read(position));
      AETHER_TRY(wal::visit_parts(*block, [&](const wal::RecordView&, const wal::PartView& part) {
        if (part.header.gsn_before == wal::kFormatGsn) missing.erase(part.header.page_id);
        return Result<void>();
      }));
    }
  }
  if (missing.empty()) return {};
  return Error(Code::corruption, data_.file().path() + ": page " +
                                     std::to_string(*missing.begin()) + " and " +
                                     std::to_string(missing.size() - 1) +
                                     " more are in use, but cannot be read: run `aether verify`");
}

Result<BackupReport> Backup::finish() {
  manifest_.capacity_pages = data_.capacity_pages();
  manifest_.list_entries = list_->entries();
  manifest_.list_checksum = list_->checksum();
  AETHER_TRY(recovery::write_manifest(options_.directory, manifest_, os_));
  done_ = true;
  BackupReport report;
  report.id = recovery::id_text(manifest_.backup_id);
  if (!manifest_.ancestors.empty())
    report.parent_id = recovery::id_text(manifest_.ancestors.back());
  report.pages = manifest_.list_entries;
  report.pages_copied = manifest_.pages_held;
  report.page_bytes = manifest_.pages_held * data_.page_bytes();
  report.log_bytes = log_bytes_;
  report.position = manifest_.end;
  report.lsn = manifest_.end_lsn.at;
  report.wall_ns = manifest_.end_wall_ns;
  report.seconds = pace_.seconds();
  return report;
}

// --- The environment's part --------------------------------------------------------------------------------

/// From here on the log is kept, and pages that bypass it are in it.
Result<recovery::ControlState> EnvImpl::begin_backup() {
  // Images first: then a page that was written without one was written before the copy begins.
  AETHER_TRY(log_->flush());
  AETHER_TRY(checkpoint_now(~LogPosition{0}, false));
  os::LockGuard lock(checkpoint_mutex_);
  recovery::ControlState state = control_->state();
  backup_start_ = state.start_position;
  return state;
}

Result<BackupReport> EnvImpl::backup(const BackupOptions& options) {
  AETHER_TRY(check_open());
  AETHER_TRY(check_writable());
  if (options.directory.empty()) return Error(Code::invalid_argument, "a backup needs a directory");
  if (backup_runs_.exchange(true))
    return Error(Code::busy, home_ + ": a backup is running: one at a time");
  writer_->log_images(true);
  Result<BackupReport> report = Backup(*this, options).run();
  writer_->log_images(false);
  backup_start_ = ~LogPosition{0};
  backup_runs_ = false;
  return report;
}

}  // namespace aether::db
