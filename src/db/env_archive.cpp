// The archive of the log: what is copied when, and what becomes of writers when it cannot be.
#include <algorithm>

#include "base/no_memory.h"
#include "db/env_impl.h"

namespace aether::db {
namespace {

constexpr uint64_t kBehindFactor = 4;

}  // namespace

Result<void> EnvImpl::open_archive() {
  if (options_.archive_directory.empty()) return {};
  if (options_.archive_log_bytes_max == 0)
    options_.archive_log_bytes_max = kBehindFactor * options_.log_bytes_max;
  AETHER_TRY_ASSIGN(archiver_, Archiver::open(options_.archive_directory, reader_options(), os_));
  return {};
}

/// Below it the log is not needed any more by anybody but recovery.
LogPosition EnvImpl::start_bound() const noexcept {
  const LogPosition backup = backup_start_.load();
  return archiver_ == nullptr ? backup : std::min(backup, archiver_->through());
}

Result<void> EnvImpl::archive_before(const wal::LogTail& end) {
  Result<void> copied = archiver_->copy(end);
  const LogPosition now = log_->append_position();
  const LogPosition through = archiver_->through();
  archive_behind_ = !copied && now > through && now - through > options_.archive_log_bytes_max;
  return copied;
}

Result<ArchiveReport> EnvImpl::archive() {
  AETHER_TRY(check_open());
  AETHER_TRY(check_writable());
  if (archiver_ == nullptr) {
    return Error(Code::invalid_argument,
                 home_ + ": no archive_directory was given when the environment was opened");
  }
  os::LockGuard lock(checkpoint_mutex_);
  const ArchiveFigures before = archiver_->figures();
  AETHER_TRY(archive_before(log_->closed_end()));
  const ArchiveFigures now = archiver_->figures();
  return ArchiveReport{.directory = archiver_->directory(),
                       .segments = now.segments - before.segments,
                       .bytes = now.bytes - before.bytes,
                       .position = now.through,
                       .log_bytes = log_->append_position() - now.through};
}

/// Once a segment. Without threads it is done on the spot.
void EnvImpl::archive_soon() noexcept {
  const uint64_t segment = log_->current_segment();
  if (archive_asked_.load(std::memory_order_relaxed) == segment) [[likely]]
    return;
  archive_asked_.store(segment, std::memory_order_relaxed);
  if (!checkpointer_) {
    static_cast<void>(
        base::or_no_memory([this] { return archive(); }).has_value());  // Its figures tell.
    return;
  }
  os::LockGuard lock(checkpointer_mutex_);
  archive_wanted_ = true;
  checkpointer_wake_.notify_one();
}

/// Every writer that is refused asks for another try.
Result<void> EnvImpl::why_archive_behind() {
  archive_asked_.store(0, std::memory_order_relaxed);
  archive_soon();
  if (!archive_behind_.load(std::memory_order_relaxed)) return {};
  return Error(Code::no_space,
               "the log cannot be archived in " + archiver_->directory() + " (" +
                   archiver_->figures().last_error + ") and has grown to " +
                   std::to_string(log_bytes_used()) +
                   " bytes: see to that directory, then retry; or open the environment without "
                   "archive_directory, and make a new backup");
}

void EnvImpl::add_archive(EnvStats& stats) {
  stats.pages_repaired = pages_repaired_.load(std::memory_order_relaxed);
  stats.repair_failures = repair_failures_.load(std::memory_order_relaxed);
  if (archiver_ == nullptr) return;
  const ArchiveFigures figures = archiver_->figures();
  stats.archive_directory = archiver_->directory();
  stats.archive_position = figures.through;
  stats.archive_segments = figures.segments;
  stats.archive_bytes = figures.bytes;
  stats.archive_failures = figures.failures;
  stats.archive_error = figures.last_error;
}

}  // namespace aether::db
