/// A backup of an open environment, while others write.
///
/// Why the copy is one: pages are copied as they lie in the data file, each at a moment of its own; what they lack up to
/// the end is in the log, which is copied from the redo position of the beginning to a durable end that is taken after the
/// last page. So a restore is a recovery from a crash at that end. Three things have to be cared for:
///   - the log is kept from the beginning on (EnvImpl::start_bound), whatever checkpoints there are;
///   - pages that bypass the log (large values, bulk loads) are logged as images meanwhile (PageWriter::log_images); what was
///     written before that is in the file, and its pages are taken along also if nothing refers to them yet;
///   - a page that is being written reads torn: it is read again. One that was never written is in the log, or the backup
///     fails.
///
/// Threads   One backup at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "aether/backup.h"
#include "aether/error.h"
#include "db/env_impl.h"
#include "recovery/backup_set.h"

namespace aether::db {

/// Counts bytes, tells of them, and holds to a rate.
class Pace {
 public:
  Pace(const BackupProgressCall& call, uint64_t bytes_per_second, os::Os& os)
      : call_(call), rate_(bytes_per_second), os_(os), begun_ns_(os.monotonic_ns()) {}
  void begin_phase(const char* phase, uint64_t bytes_total) {
    phase_ = phase;
    done_ = 0;
    total_ = bytes_total;
  }
  /// `moved` bytes were read or written, of which `input` of the phase. Errors: closed (the caller ended it).
  Result<void> add(uint64_t moved, uint64_t input);
  double seconds() const { return static_cast<double>(os_.monotonic_ns() - begun_ns_) / 1e9; }

 private:
  const BackupProgressCall& call_;
  const uint64_t rate_;
  os::Os& os_;
  const uint64_t begun_ns_;
  const char* phase_ = "";
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  uint64_t moved_ = 0;
};

class Backup {
 public:
  Backup(EnvImpl& env, const BackupOptions& options);
  ~Backup();
  Result<BackupReport> run();

 private:
  Result<void> open_parent();
  Result<void> make_directory();
  Result<void> copy_pages();
  Result<void> copy_group(uint64_t group);
  Result<void> copy_run(uint64_t first, uint64_t count,
                        const buffer::SpaceManager::UsedPages& used);
  Result<void> take_page(uint64_t id, std::byte* page, bool is_allocated);
  Result<bool> read_again(uint64_t id, std::byte* page);
  Result<bool> is_in_parent(const recovery::PageListEntry& entry, uint64_t& place);
  Result<void> flush_pages();
  Result<void> finish_write();
  Result<void> copy_log();
  Result<void> check_missing();
  Result<BackupReport> finish();

  EnvImpl& env_;
  const BackupOptions& options_;
  os::Os& os_;
  buffer::DataFile& data_;
  Pace pace_;
  recovery::Manifest manifest_;
  std::unique_ptr<recovery::PageListReader> parent_list_;
  const recovery::PageListEntry* parent_entry_ = nullptr;
  std::unique_ptr<recovery::PageListWriter> list_;
  std::unique_ptr<os::File> pages_;
  buffer::AlignedBuffer input_;
  buffer::AlignedBuffer output_;
  buffer::AlignedBuffer
      writing_;  ///< The output before, on its way to `pages_` while the next pages are read.
  std::unique_ptr<os::IoQueue> queue_;
  os::IoRequest write_;
  uint64_t buffered_ = 0;       ///< Pages in `output_`.
  uint64_t pages_written_ = 0;  ///< To `pages_`.
  uint64_t log_bytes_ = 0;
  std::vector<uint64_t>
      missing_;  ///< Allocated, but not in the file: their images must be in the log.
  bool made_ = false;
  bool done_ = false;
};

}  // namespace aether::db
