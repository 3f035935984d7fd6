/// The verbs of the command. Each prints its own data; errors go up to main, which prints them.
///
/// Threads   One thread.
#pragma once

#include "aether/error.h"
#include "apps/aether/exit_code.h"
#include "apps/aether/options.h"
#include "apps/aether/session.h"

namespace aether::cli {

Result<ExitCode> run_load(Session& session, const LoadOptions& options);
Result<ExitCode> run_dump(Session& session, const DumpOptions& options);
Result<ExitCode> run_get(Session& session, const GetOptions& options);
Result<ExitCode> run_put(Session& session, const PutOptions& options);
Result<ExitCode> run_del(Session& session, const DelOptions& options);
Result<ExitCode> run_scan(Session& session, const ScanOptions& options);
Result<ExitCode> run_stat(Session& session, const StatOptions& options);
Result<ExitCode> run_top(Session& session, const TopOptions& options);
Result<ExitCode> run_deadlock(Session& session, const DeadlockOptions& options);
Result<ExitCode> run_verify(Session& session, const VerifyOptions& options);
Result<ExitCode> run_checkpoint(Session& session, const CheckpointOptions& options);
Result<ExitCode> run_recover(Session& session, const RecoverOptions& options);
Result<ExitCode> run_backup(Session& session, const BackupVerbOptions& options);
Result<ExitCode> run_restore(Session& session, const RestoreVerbOptions& options);
Result<ExitCode> run_archive(Session& session, const ArchiveVerbOptions& options);
Result<ExitCode> run_printlog(Session& session, const PrintlogOptions& options);
Result<ExitCode> run_inspect(Session& session, const InspectOptions& options);
Result<ExitCode> run_policy(Session& session, const PolicyVerbOptions& options);
Result<ExitCode> run_bench(Session& session, const BenchOptions& options);
Result<ExitCode> run_tune(Session& session, const TuneOptions& options);

}  // namespace aether::cli
