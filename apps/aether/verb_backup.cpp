// backup, restore, archive: copies of an environment, and what is made of them.

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "aether/backup.h"
#include "apps/aether/clock_text.h"
#include "apps/aether/report.h"
#include "apps/aether/signals.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"

namespace aether::cli {
namespace {

std::string lsn_text(const LogVector& lsn) {
  std::string text;
  for (size_t s = 0; s < lsn.size(); ++s) {
    if (lsn[s] == 0) continue;
    text += (text.empty() ? "" : ",") + std::to_string(s) + ":" + std::to_string(lsn[s]);
  }
  return text;
}

Result<LogVector> parse_lsns(const std::string& text) {
  LogVector lsn{};
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    uint64_t stream = 0, value = 0;
    const auto first = std::from_chars(at, end, stream);
    const bool parted = first.ec == std::errc() && first.ptr != end && *first.ptr == ':';
    const auto second = parted ? std::from_chars(first.ptr + 1, end, value) : first;
    const bool ends = second.ptr == end || *second.ptr == ',';
    if (!parted || second.ec != std::errc() || !ends || stream >= lsn.size() || value == 0) {
      return Error(Code::invalid_argument,
                   "--until-lsn takes STREAM:LSN,... as 0:81920,1:4096, not " + in_quotes(text));
    }
    lsn[stream] = value;
    at = second.ptr == end ? end : second.ptr + 1;
  }
  return lsn;
}

/// Draws, and ends the work at SIGINT.
BackupProgressCall show(Progress& progress) {
  return [&progress](const BackupProgress& now) {
    progress.update(now.bytes_done, now.bytes_total, now.bytes_done);
    return !stop_requested();
  };
}

Report report_of(const BackupReport& done) {
  Report report;
  report.add("id", done.id)
      .add("parent_id", done.parent_id)
      .add("pages", done.pages)
      .add("pages_copied", done.pages_copied)
      .add_bytes("page_bytes", done.page_bytes)
      .add_bytes("log_bytes", done.log_bytes)
      .add("position", done.position)
      .add("lsn", lsn_text(done.lsn))
      .add("time", time_text(done.wall_ns))
      .add_seconds("seconds", done.seconds);
  return report;
}

Report report_of(const RestoreReport& done) {
  Report report;
  report.add("backup_id", done.backup_id)
      .add("environment", done.environment)
      .add("pages", done.pages)
      .add_bytes("log_bytes", done.log_bytes)
      .add("position", done.position)
      .add("lsn", lsn_text(done.lsn))
      .add("time", done.wall_ns == 0 ? "" : time_text(done.wall_ns))
      .add("transactions_undone", done.transactions_undone)
      .add("transactions_prepared", done.transactions_prepared)
      .add_seconds("seconds", done.seconds);
  return report;
}

Report report_of(const BackupContents& found) {
  Report report;
  report.add("directory", found.directory)
      .add("id", found.id)
      .add("parent_id", found.parent_id)
      .add("environment", found.environment)
      .add("pages", found.pages)
      .add("pages_held", found.pages_held)
      .add("begin_position", found.begin_position)
      .add("position", found.position)
      .add("lsn", lsn_text(found.lsn))
      .add("time", time_text(found.wall_ns));
  return report;
}

Report report_of(const ArchiveStretch& found) {
  Report report;
  report.add("environment", found.environment)
      .add("files", found.files)
      .add_bytes("bytes", found.bytes)
      .add("begin_position", found.begin_position)
      .add("end_position", found.end_position)
      .add("begin_time", time_text(found.begin_wall_ns))
      .add("end_time", time_text(found.end_wall_ns));
  return report;
}

/// One after another: an object a line, or figures with an empty line between them.
template <typename T>
Result<void> print_all(Session& session, const std::vector<T>& all) {
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0 && session.format() != Format::json) AETHER_TRY(session.out().write("\n"));
    AETHER_TRY(report_of(all[i]).print(session));
  }
  return {};
}

Result<ExitCode> look_at_backups(Session& session, const BackupVerbOptions& options) {
  if (options.list) {
    AETHER_TRY_ASSIGN(const auto found, list_backups(options.directories));
    AETHER_TRY(print_all(session, found));
    return ExitCode::ok;
  }
  Progress progress = session.progress("verify", "bytes");
  AETHER_TRY_ASSIGN(const auto found, verify_backup(options.directories, show(progress)));
  progress.finish();
  AETHER_TRY(print_all(session, found));
  return ExitCode::ok;
}

}  // namespace

Result<ExitCode> run_backup(Session& session, const BackupVerbOptions& options) {
  if (options.verify || options.list) return look_at_backups(session, options);
  if (options.directories.size() != 1) {
    return Error(Code::invalid_argument,
                 "a backup goes to one directory; several are for --verify and --list");
  }
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_writing(false));
  Progress progress = session.progress("backup", "bytes");
  BackupOptions backup;
  backup.directory = options.directories.front();
  backup.parent = options.parent;
  backup.bytes_per_second = options.rate;
  backup.progress = show(progress);
  AETHER_TRY_ASSIGN(const BackupReport done, env->backup(backup));
  progress.finish();
  AETHER_TRY(report_of(done).print(session));
  AETHER_TRY(env->close());
  return ExitCode::ok;
}

Result<ExitCode> run_restore(Session& session, const RestoreVerbOptions& options) {
  Progress progress = session.progress("restore", "bytes");
  RestoreOptions restoring;
  restoring.backups = options.backups;
  if (!session.global().archive.empty()) restoring.archives = {session.global().archive};
  restoring.home = session.global().home;
  restoring.pool_bytes = session.global().pool_bytes;
  restoring.io_mode = session.global().io_mode;
  restoring.progress = show(progress);
  if (!options.until_time.empty()) {
    AETHER_TRY_ASSIGN(restoring.until.wall_ns, parse_time(options.until_time));
  }
  restoring.until.position = options.until_position;
  AETHER_TRY_ASSIGN(restoring.until.lsn, parse_lsns(options.until_lsn));
  AETHER_TRY_ASSIGN(const RestoreReport done, restore(restoring));
  progress.finish();
  AETHER_TRY(report_of(done).print(session));
  return ExitCode::ok;
}

Result<ExitCode> run_archive(Session& session, const ArchiveVerbOptions& options) {
  if (options.copy) {
    AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env,
                      session.open_for_archiving(options.directory));
    AETHER_TRY(env->close());  // In order: what was left of the log goes there.
  }
  uint64_t below = options.prune_position.value_or(0);
  if (!options.prune_before.empty()) {
    AETHER_TRY_ASSIGN(const auto backups, list_backups({options.prune_before}));
    below = std::max(below, backups.front().begin_position);
  }
  if (below != 0) {
    AETHER_TRY_ASSIGN(const uint64_t removed, prune_archive(options.directory, below));
    session.note(counted(removed, "file") + " removed");
  }
  AETHER_TRY_ASSIGN(const auto found, archive_contents(options.directory, options.verify));
  if (found.empty()) {
    return Error(Code::not_found, options.directory + " holds no archived log");
  }
  AETHER_TRY(print_all(session, found));
  if (found.size() == 1) return ExitCode::ok;
  session.complain("log is missing between " + counted(found.size(), "stretch") + "es",
                   "restores do not go over a gap: make a new backup");
  return ExitCode::problem;
}

}  // namespace aether::cli
