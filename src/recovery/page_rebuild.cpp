#include "recovery/page_rebuild.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "page/page_header.h"
#include "recovery/backup_set.h"
#include "wal/archive.h"

namespace aether::recovery {
namespace {

/// A change of the page.
struct Change {
  Gsn gsn = 0;
  uint32_t epoch = 0;
  std::string vector;  ///< The record's, packed.
  wal::PartHeader header;
  std::string data;
};

class Rebuild {
 public:
  Rebuild(PageId page, const RebuildSources& sources, const ResourceManagers& managers,
          std::byte* to, os::Os& os)
      : page_(page), sources_(sources), managers_(managers), to_(to), os_(os) {}
  Result<Gsn> run();

 private:
  Result<void> find_base();
  Result<void> read_archives();
  Result<void> read_own_log();
  Result<void> take(const wal::Block& block);
  Result<void> apply();
  Error impossible(const std::string& why) const {
    return Error(Code::corruption,
                 "page " + std::to_string(raw(page_)) + " cannot be made again: " + why);
  }

  const PageId page_;
  const RebuildSources& sources_;
  const ResourceManagers& managers_;
  std::byte* const to_;
  os::Os& os_;
  std::vector<wal::ArchiveEntry> entries_;
  bool has_base_ = false;
  bool has_backup_ = false;
  LogPosition position_ = 0;  ///< All log from where it is needed up to here has been looked at.
  std::optional<wal::LsnVector> lsn_;
  std::map<uint32_t, wal::LsnVector> cuts_;
  std::vector<Change> changes_;
};

/// Only the newest backup matters: a page that it does not have began its life after it.
Result<void> Rebuild::find_base() {
  std::vector<BackupMember> members;
  for (const std::string& directory : sources_.backups) {
    Result<Manifest> manifest = read_manifest(directory, os_);
    if (!manifest || manifest->control.environment_id != sources_.log.environment_id) continue;
    members.push_back({directory, *std::move(manifest)});
  }
  std::sort(members.begin(), members.end(), [](const BackupMember& a, const BackupMember& b) {
    return a.manifest.end > b.manifest.end;
  });
  for (const BackupMember& member : members) {
    // One that is damaged, or has lost its ancestors, is passed over: an older one, or a copy of it, may do.
    std::vector<std::string> directories{member.directory};
    std::set<uint64_t> ids{member.manifest.backup_id};
    for (const BackupMember& other : members) {
      if (ids.insert(other.manifest.backup_id).second) directories.push_back(other.directory);
    }
    const Result<BackupSet> set = BackupSet::open(directories, os_);
    if (!set) continue;
    const Result<BackupChain> chain = set->chain(set->members().front());
    if (!chain) continue;
    const Result<std::optional<PageListEntry>> entry = find_page(member, page_, os_);
    if (!entry) continue;
    if (*entry) {
      const Result<std::unique_ptr<BackupPages>> pages = BackupPages::open(*chain, os_);
      if (!pages || !(*pages)->read({&**entry, 1}, to_)) continue;
      has_base_ = true;
    }
    has_backup_ = true;
    position_ = member.manifest.control.redo_position;
    AETHER_TRY_ASSIGN(entries_, wal::list_archive(member.directory + "/" + kBackupLogName, os_));
    const bool has_log = std::any_of(
        entries_.begin(), entries_.end(),
        [&](const wal::ArchiveEntry& file) { return file.header.end > position_; });
    if (!has_log) {  // The pages are as of its end.
      position_ = member.manifest.end;
      lsn_ = member.manifest.end_lsn;
    }
    return {};
  }
  return {};
}

Result<void> Rebuild::take(const wal::Block& block) {
  return wal::visit_parts(block, [&](const wal::RecordView& record, const wal::PartView& part) {
    if (part.header.page_id == raw(page_)) {
      changes_.push_back({record.gsn, block.epoch, std::string(record.vector), part.header,
                          std::string(part.data)});
    }
    return Result<void>();
  });
}

Result<void> Rebuild::read_archives() {
  for (const std::string& archive : sources_.archives) {
    AETHER_TRY_ASSIGN(const auto some, wal::list_archive(archive, os_));
    entries_.insert(entries_.end(), some.begin(), some.end());
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const wal::ArchiveEntry& a, const wal::ArchiveEntry& b) {
              return a.header.begin != b.header.begin ? a.header.begin < b.header.begin
                                                      : a.header.end > b.header.end;
            });
  for (const wal::ArchiveEntry& entry : entries_) {
    const wal::ArchiveHeader& header = entry.header;
    if (header.environment_id != sources_.log.environment_id || header.end <= position_) continue;
    // The first one: it must begin at or before the position, or be the first of its segment behind it.
    const bool is_first = !lsn_ && (position_ == 0 || header.begin <= position_ ||
                                    header.segment * header.segment_bytes <= position_);
    const bool follows = lsn_ && (header.begin < position_ || header.begin_lsn == *lsn_);
    if (!is_first && !follows) break;  // What is missing may be in the environment's own log.
    AETHER_TRY_ASSIGN(const auto file, wal::ArchiveFile::open(entry.path, os_));
    AETHER_TRY_ASSIGN(const std::vector<LogPosition> blocks, file->blocks_of(page_));
    for (const LogPosition at : blocks) {
      if (at < position_) continue;
      AETHER_TRY_ASSIGN(const wal::Block* block, file->read(at));
      AETHER_TRY(take(*block));
    }
    position_ = header.end;
    lsn_ = header.end_lsn;
    cuts_[header.epoch].raise(header.end_lsn);
  }
  return {};
}

Result<void> Rebuild::read_own_log() {
  std::vector<wal::EpochExtent> extents;
  for (wal::EpochExtent extent : sources_.extents) {
    if (*extent.end <= position_ || *extent.end <= extent.begin) continue;
    extent.begin = std::max(extent.begin, position_);
    cuts_[extent.epoch].raise(extent.cut);
    extents.push_back(extent);
  }
  if (extents.empty()) return {};
  AETHER_TRY_ASSIGN(const auto reader, wal::LogReader::open(sources_.log, extents, os_));
  for (;;) {
    AETHER_TRY_ASSIGN(const wal::Block* block, reader->next());
    if (block == nullptr) return {};
    const bool follows = lsn_ ? block->begin_lsn == *lsn_
                              : !has_backup_ || block->position / sources_.log.segment_bytes <=
                                                    position_ / sources_.log.segment_bytes;
    if (!follows) {
      return impossible("the log between position " + std::to_string(position_) + " and position " +
                        std::to_string(block->position) + " is needed, and is in no archive");
    }
    lsn_ = block->end_lsn;
    position_ = block->end;
    AETHER_TRY(take(*block));
  }
}

Result<void> Rebuild::apply() {
  std::stable_sort(changes_.begin(), changes_.end(),
                   [](const Change& a, const Change& b) { return a.gsn < b.gsn; });
  auto& header = *reinterpret_cast<page::PageHeader*>(to_);
  Gsn done = has_base_ ? header.gsn : 0;
  bool readable = has_base_;
  bool checked = false;
  for (const Change& change : changes_) {
    wal::RecordView view{};
    view.vector = change.vector;
    if (!view.covered_by(cuts_.at(change.epoch)) || (readable && change.gsn <= done)) continue;
    const auto index = static_cast<size_t>(change.header.manager);
    if (index >= managers_.size() || managers_[index] == nullptr)
      return impossible("the log names an unknown resource manager");
    const ResourceManager& manager = *managers_[index];
    if (change.header.gsn_before == wal::kFormatGsn) {
      std::memset(to_, 0, sources_.page_bytes);
      header.page_id = page_;
      readable = checked = true;
    } else if (!readable) {
      continue;  // Of a life whose beginning is not there: a later one may be whole.
    } else if (change.header.gsn_before != done) {
      return impossible("its changes between GSN " + std::to_string(done) + " and GSN " +
                        std::to_string(change.header.gsn_before) + " are in no log");
    } else if (!checked) {
      AETHER_TRY(manager.check(to_, sources_.page_bytes));
      checked = true;
    }
    AETHER_TRY(manager.redo(to_, sources_.page_bytes, {change.header, change.data}));
    header.page_id = page_;
    header.gsn = done = change.gsn;
  }
  if (readable) return {};
  return impossible(has_backup_ ? "the newest backup does not have it, nor the log its beginning"
                                : "there is no backup of it, and the log does not reach back to "
                                  "its beginning");
}

Result<Gsn> Rebuild::run() {
  AETHER_TRY(find_base());
  AETHER_TRY(read_archives());
  AETHER_TRY(read_own_log());
  // Nothing may be missing at the end either: a page that lacks its newest changes would pass every check.
  if (lsn_ && !sources_.extents.back().cut.covered_by(*lsn_)) {
    return impossible("the log from position " + std::to_string(position_) +
                      " on is needed, and is in no archive");
  }
  AETHER_TRY(apply());
  page::seal(to_, sources_.page_bytes, sources_.log.environment_id);
  return reinterpret_cast<const page::PageHeader*>(to_)->gsn;
}

}  // namespace

Result<Gsn> rebuild_page(PageId page, const RebuildSources& sources,
                         const ResourceManagers& managers, std::byte* to, os::Os& os) {
  return Rebuild(page, sources, managers, to, os).run();
}

std::vector<std::string> find_backups(const std::string& directory, os::Os& os) {
  std::vector<std::string> found;
  const auto is_backup = [&](const std::string& path) {
    const Result<bool> there = os.exists(path + "/" + kManifestName);
    return there && *there;
  };
  if (is_backup(directory)) found.push_back(directory);
  if (const auto names = os.list(directory)) {
    for (const std::string& name : *names) {
      std::string path = directory;
      path.append("/").append(name);
      if (is_backup(path)) found.push_back(std::move(path));
    }
  }
  return found;
}

}  // namespace aether::recovery
