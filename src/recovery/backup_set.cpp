// Backups read, chained and checked.
#include "recovery/backup_set.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/bytes.h"
#include "buffer/data_file.h"
#include "page/page_header.h"

namespace aether::recovery {
namespace {

constexpr uint64_t kReadBytes = 1 * MiB;

/// How far a check is; may end it.
class Steps {
 public:
  Steps(const BackupProgressCall& call, uint64_t total) : call_(call), total_(total) {}
  Result<void> add(const char* phase, uint64_t bytes) {
    done_ += bytes;
    if (call_ && !call_({phase, done_, std::max(done_, total_)}))
      return Error(Code::closed, "the check was ended before it was through");
    return {};
  }

 private:
  const BackupProgressCall& call_;
  const uint64_t total_;
  uint64_t done_ = 0;
};

Result<void> verify_pages(const BackupMember& member, const BackupChain& chain, Steps& steps,
                          os::Os& os) {
  const Manifest& manifest = member.manifest;
  AETHER_TRY_ASSIGN(const auto pages, BackupPages::open(chain, os));
  AETHER_TRY_ASSIGN(const auto list, PageListReader::open(member.directory, manifest, os));
  const auto generation = static_cast<uint32_t>(manifest.ancestors.size());
  const uint64_t batch = std::max<uint64_t>(1, kReadBytes / pages->page_bytes());
  buffer::AlignedBuffer memory(batch * pages->page_bytes());
  std::vector<PageListEntry> run;
  uint64_t held = 0;
  for (;;) {
    AETHER_TRY_ASSIGN(const PageListEntry* entry, list->next());
    if (!run.empty() && (entry == nullptr || run.size() == batch)) {
      AETHER_TRY(pages->read(run, memory.data()));
      AETHER_TRY(steps.add("pages", run.size() * pages->page_bytes()));
      run.clear();
    }
    if (entry == nullptr) break;
    if (entry->generation() != generation) {
      if (entry->slot() < chain[entry->generation()]->manifest.pages_held) continue;
    } else if (entry->slot() == held) {
      ++held;
      run.push_back(*entry);
      continue;
    }
    return Error(Code::corruption, member.directory + "/" + kPageListName + ": page " +
                                       std::to_string(entry->page_id) + " has no place");
  }
  if (held == manifest.pages_held) return {};
  return Error(Code::corruption,
               member.directory + "/" + kPagesName + ": it holds pages that are not in the list");
}

Result<void> verify_log(const BackupMember& member, Steps& steps, os::Os& os) {
  const Manifest& manifest = member.manifest;
  AETHER_TRY_ASSIGN(const std::vector<wal::ArchiveEntry> entries,
                    wal::list_archive(member.directory + "/" + kBackupLogName, os));
  for (const wal::ArchiveEntry& entry : entries) {
    AETHER_TRY_ASSIGN(const auto file, wal::ArchiveFile::open(entry.path, os));
    AETHER_TRY(file->verify());
    AETHER_TRY(steps.add("log", entry.header.end - entry.header.begin));
  }
  wal::ArchiveReader::Start start{manifest.control.start_position, std::nullopt};
  if (entries.empty()) start.lsn = manifest.end_lsn;
  AETHER_TRY_ASSIGN(const auto reader,
                    wal::ArchiveReader::open(entries, manifest.control.environment_id, start, os));
  for (bool more = true; more;) {
    AETHER_TRY_ASSIGN(const wal::Block* block, reader->next());
    more = block != nullptr;
  }
  if (reader->lsn() && *reader->lsn() == manifest.end_lsn) return {};
  return Error(Code::corruption, member.directory + "/" + kBackupLogName +
                                     ": its log ends before position " +
                                     std::to_string(manifest.end) + ": files are missing");
}

}  // namespace

std::string id_text(uint64_t id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

BackupContents contents_of(const BackupMember& member) {
  const Manifest& manifest = member.manifest;
  BackupContents contents;
  contents.directory = member.directory;
  contents.id = id_text(manifest.backup_id);
  if (!manifest.ancestors.empty()) contents.parent_id = id_text(manifest.ancestors.back());
  contents.environment = id_text(manifest.control.environment_id);
  contents.pages = manifest.list_entries;
  contents.pages_held = manifest.pages_held;
  contents.begin_position = manifest.control.start_position;
  contents.position = manifest.end;
  contents.lsn = manifest.end_lsn.at;
  contents.wall_ns = manifest.end_wall_ns;
  return contents;
}

Result<BackupSet> BackupSet::open(const std::vector<std::string>& directories, os::Os& os) {
  if (directories.empty()) return Error(Code::invalid_argument, "no backup is given");
  BackupSet set;
  for (const std::string& directory : directories) {
    AETHER_TRY_ASSIGN(Manifest manifest, read_manifest(directory, os));
    for (const BackupMember& other : set.members_) {
      if (other.manifest.backup_id == manifest.backup_id) {
        return Error(Code::invalid_argument,
                     directory + " and " + other.directory + " are the same backup");
      }
      if (other.manifest.control.environment_id != manifest.control.environment_id) {
        return Error(Code::invalid_argument, directory + " is of environment " +
                                                 id_text(manifest.control.environment_id) +
                                                 ", but " + other.directory + " is of " +
                                                 id_text(other.manifest.control.environment_id));
      }
    }
    set.members_.push_back({directory, std::move(manifest)});
  }
  return set;
}

Result<BackupChain> BackupSet::chain(const BackupMember& member) const {
  BackupChain chain;
  for (const uint64_t ancestor : member.manifest.ancestors) {
    const auto found = std::find_if(
        members_.begin(), members_.end(),
        [&](const BackupMember& other) { return other.manifest.backup_id == ancestor; });
    const bool fits = found != members_.end() && found->manifest.ancestors.size() == chain.size() &&
                      found->manifest.control.page_bytes == member.manifest.control.page_bytes;
    if (!fits) {
      return Error(Code::not_found, member.directory + " builds on backup " + id_text(ancestor) +
                                        " (number " + std::to_string(chain.size()) +
                                        " of its chain, from 0), which is not among those given");
    }
    chain.push_back(&*found);
  }
  chain.push_back(&member);
  return chain;
}

Result<std::unique_ptr<BackupPages>> BackupPages::open(const BackupChain& chain, os::Os& os) {
  auto pages = std::make_unique<BackupPages>();
  pages->page_bytes_ = chain.back()->manifest.control.page_bytes;
  pages->environment_id_ = chain.back()->manifest.control.environment_id;
  for (const BackupMember* member : chain) {
    const std::string path = member->directory + "/" + kPagesName;
    AETHER_TRY_ASSIGN(auto file, os.open(path, {.direct = true}));
    AETHER_TRY_ASSIGN(const uint64_t size, file->size());
    const uint64_t wanted = member->manifest.pages_held * pages->page_bytes_;
    if (size != wanted) {
      return Error(Code::corruption, path + ": it has " + std::to_string(size) +
                                         " bytes instead of " + std::to_string(wanted));
    }
    pages->files_.push_back(std::move(file));
  }
  return pages;
}

Result<void> BackupPages::read(std::span<const PageListEntry> entries, std::byte* to) {
  os::File& file = *files_[entries.front().generation()];
  const uint64_t bytes = entries.size() * page_bytes_;
  AETHER_TRY_ASSIGN(const uint64_t got,
                    file.read_at(entries.front().slot() * page_bytes_, to, bytes));
  if (got < bytes) return Error(Code::corruption, file.path() + ": it is cut off");
  for (const PageListEntry& entry : entries) {
    Result<void> checked = page::check(to, page_bytes_, environment_id_, PageId{entry.page_id});
    const auto header = base::load<page::PageHeader>(to);
    if (checked && (header.checksum != entry.checksum || header.gsn != entry.gsn))
      checked = Error(Code::corruption, "page " + std::to_string(entry.page_id) +
                                            " is not the one that the list says");
    if (!checked) return std::move(checked).error().with_context(file.path());
    to += page_bytes_;
  }
  return {};
}

Result<std::optional<PageListEntry>> find_page(const BackupMember& member, PageId page,
                                               os::Os& os) {
  AETHER_TRY_ASSIGN(const auto list, PageListReader::open(member.directory, member.manifest, os));
  for (;;) {
    AETHER_TRY_ASSIGN(const PageListEntry* entry, list->next());
    if (entry == nullptr) return std::optional<PageListEntry>();
    if (entry->page_id == raw(page)) return std::optional<PageListEntry>(*entry);
  }
}

}  // namespace aether::recovery

namespace aether {

Result<std::vector<BackupContents>> list_backups(const std::vector<std::string>& directories,
                                                 os::Os& os) {
  AETHER_TRY_ASSIGN(const recovery::BackupSet set, recovery::BackupSet::open(directories, os));
  std::vector<BackupContents> all;
  for (const recovery::BackupMember& member : set.members())
    all.push_back(recovery::contents_of(member));
  return all;
}

Result<std::vector<BackupContents>> list_backups(const std::vector<std::string>& directories) {
  return list_backups(directories, os::production());
}

Result<std::vector<BackupContents>> verify_backup(const std::vector<std::string>& directories,
                                                  const BackupProgressCall& progress, os::Os& os) {
  AETHER_TRY_ASSIGN(const recovery::BackupSet set, recovery::BackupSet::open(directories, os));
  uint64_t total = 0;
  for (const recovery::BackupMember& member : set.members())
    total += member.manifest.pages_held * member.manifest.control.page_bytes;
  recovery::Steps steps(progress, total);
  std::vector<BackupContents> all;
  for (const recovery::BackupMember& member : set.members()) {
    AETHER_TRY_ASSIGN(const recovery::BackupChain chain, set.chain(member));
    AETHER_TRY(recovery::verify_pages(member, chain, steps, os));
    AETHER_TRY(recovery::verify_log(member, steps, os));
    all.push_back(recovery::contents_of(member));
    AETHER_TRY_ASSIGN(const auto files, wal::list_archive(member.directory + "/log", os));
    all.back().log_files = files.size();
  }
  return all;
}

Result<std::vector<BackupContents>> verify_backup(const std::vector<std::string>& directories,
                                                  const BackupProgressCall& progress) {
  return verify_backup(directories, progress, os::production());
}

}  // namespace aether
