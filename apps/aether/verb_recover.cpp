// recover: after a crash; or back to an earlier moment, of a backup and the archived log.

#include <filesystem>
#include <string>
#include <utility>

#include "apps/aether/clock_text.h"
#include "apps/aether/report.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"
#include "os/directories.h"
#include "os/os.h"

namespace aether::cli {
namespace {

Report report_of(const RecoveryReport& recovered) {
  Report report;
  report.add("ran", recovered.ran)
      .add_bytes("log_bytes_read", recovered.log_bytes_read)
      .add("records_read", recovered.records_read)
      .add("records_redone", recovered.records_redone)
      .add("pages_redone", recovered.pages_redone)
      .add("pages_restored", recovered.pages_restored)
      .add("transactions_committed", recovered.transactions_committed)
      .add("transactions_undone", recovered.transactions_undone)
      .add("records_undone", recovered.records_undone)
      .add_seconds("seconds", recovered.seconds);
  return report;
}

EnvOptions options_of(const GlobalOptions& global) {
  EnvOptions options;
  options.create = false;
  options.pool_bytes = global.pool_bytes;
  options.io_mode = global.io_mode;
  options.archive_directory = global.archive;
  return options;
}

/// Whether recovery is needed, without changing a byte.
Result<ExitCode> say_whether_needed(Session& session) {
  EnvOptions options = options_of(session.global());
  options.read_only = true;
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(session.global().home, options);
  bool needed = false;
  if (env) {
    AETHER_TRY((*env)->close());
  } else {
    // A newer format is `unsupported` as well; only the other reason mentions recovery.
    needed = env.error().code() == Code::unsupported &&
             env.error().message().find("recover") != std::string_view::npos;
    if (!needed) return std::move(env).error();
  }
  AETHER_TRY(Report().add("recovery_needed", needed).print(session));
  return needed ? ExitCode::problem : ExitCode::ok;
}

/// Where `recover --until` puts things, beside the environment, so that a rename moves them.
struct Places {
  std::string home;
  std::string made;  ///< As of that moment, until it is in its place.
  std::string kept;  ///< What was there before.
};

Places places_of(const std::string& home) {
  std::filesystem::path path = std::filesystem::absolute(home).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // It ended in '/'.
  return {path.string(), path.string() + ".until", path.string() + ".before"};
}

/// Two renames. Between them there is no environment: called again, `recover --until` does the second.
Result<void> exchange(os::Os& os, const Places& places, bool home_is_there) {
  const std::string parent = os::parent_of(places.home);
  if (home_is_there) {
    AETHER_TRY(os.rename(places.home, places.kept));
    AETHER_TRY(os.sync_directory(parent));
  }
  AETHER_TRY(os.rename(places.made, places.home));
  return os.sync_directory(parent);
}

/// What the environment's own log has beyond the archive. A damaged environment is no obstacle: it is gone back from.
Result<void> archive_the_rest(Session& session) {
  Result<std::unique_ptr<DbEnv>> env = session.open_for_archiving(session.global().archive);
  if (env) return (*env)->close();
  if (env.error().code() != Code::corruption) return std::move(env).error();
  session.note("it cannot be opened, so what its log has beyond the archive is left out: " +
               std::string(env.error().message()));
  return {};
}

/// As of a moment, in the place of what is there. Pages of the environment hold what came later, so it is made again from a
/// backup before that moment and the log after it (docs/decisions/0013-backup-and-archive.md).
Result<ExitCode> recover_until(Session& session, const RecoverOptions& options) {
  if (options.from.empty() || session.global().archive.empty()) {
    return Error(
        Code::invalid_argument,
        "to go back an environment is made again, from a backup before that moment (--from "
        "BACKUP) and the log since (--archive DIR): name both");
  }
  if (Result<uint64_t> moment = parse_time(options.until); !moment)
    return std::move(moment).error();
  os::Os& os = os::production();
  const Places places = places_of(session.global().home);
  AETHER_TRY_ASSIGN(const bool home_is_there, os.exists(places.home));
  AETHER_TRY_ASSIGN(const bool kept_is_there, os.exists(places.kept));
  if (home_is_there && kept_is_there) {
    return Error(Code::exists, places.kept +
                                   " is there already, of an earlier recover --until: move it "
                                   "away, or remove it");
  }
  if (home_is_there) {
    AETHER_TRY(archive_the_rest(session));
    GlobalOptions global = session.global();
    global.home = places.made;
    Session making(global, session.out());
    RestoreVerbOptions restoring;
    restoring.backups = options.from;
    restoring.until_time = options.until;
    Result<ExitCode> made = run_restore(making, restoring);
    if (!made && made.error().code() == Code::exists) {
      return std::move(made).error().with_context(
          "an earlier recover --until was ended when it had made " + places.made +
          ": remove that, and call it again");
    }
    if (!made) return made;
  } else if (kept_is_there) {
    session.note("an earlier recover --until goes on: what it has made takes its place");
  } else {
    return Error(Code::not_found, places.home + ": there is no environment");
  }
  AETHER_TRY(exchange(os, places, home_is_there));
  session.note("what was there before lies in " + places.kept +
               ": remove it when you are sure; the environment has a new id and needs a backup and "
               "an archive directory of its own");
  return ExitCode::ok;
}

}  // namespace

Result<ExitCode> run_recover(Session& session, const RecoverOptions& options) {
  if (options.dry_run) return say_whether_needed(session);
  if (session.global().read_only) {
    return Error(Code::invalid_argument, "recover writes; use recover --dry-run with --read-only");
  }
  if (!options.until.empty()) return recover_until(session, options);
  EnvOptions all = options_of(session.global());
  all.redo_on_demand = false;
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, DbEnv::open(session.global().home, all));
  AETHER_TRY(report_of(env->recovery_report()).print(session));
  AETHER_TRY(env->close());
  return ExitCode::ok;
}

}  // namespace aether::cli
