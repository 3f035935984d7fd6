/// The `aether` command: parses, runs one verb, turns the outcome into an exit code. docs/CLI.md.

#include <cstdio>
#include <utility>
#include <variant>

#include "apps/aether/exit_code.h"
#include "apps/aether/parse.h"
#include "apps/aether/session.h"
#include "apps/aether/signals.h"
#include "apps/aether/stream.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"

namespace aether::cli {
namespace {

Result<ExitCode> run_verb(Session& session, const Options& options) {
  switch (options.verb) {
    case Verb::load: return run_load(session, options.load);
    case Verb::dump: return run_dump(session, options.dump);
    case Verb::get: return run_get(session, options.get);
    case Verb::put: return run_put(session, options.put);
    case Verb::del: return run_del(session, options.del);
    case Verb::scan: return run_scan(session, options.scan);
    case Verb::stat: return run_stat(session, options.stat);
    case Verb::top: return run_top(session, options.top);
    case Verb::deadlock: return run_deadlock(session, options.deadlock);
    case Verb::verify: return run_verify(session, options.verify);
    case Verb::checkpoint: return run_checkpoint(session, options.checkpoint);
    case Verb::recover: return run_recover(session, options.recover);
    case Verb::backup: return run_backup(session, options.backup);
    case Verb::restore: return run_restore(session, options.restore);
    case Verb::archive: return run_archive(session, options.archive);
    case Verb::printlog: return run_printlog(session, options.printlog);
    case Verb::inspect: return run_inspect(session, options.inspect);
    case Verb::policy: return run_policy(session, options.policy);
    case Verb::bench: return run_bench(session, options.bench);
    case Verb::tune: return run_tune(session, options.tune);
  }
  return ExitCode::usage;
}

int run(const Options& options) {
  install_signal_handlers();
  Output out = Output::standard();
  Session session(options.global, out);
  Result<ExitCode> outcome = run_verb(session, options);
  // Rows that were found before something failed are data all the same.
  Result<void> finished = out.finish();
  if (outcome && !finished) outcome = std::move(finished).error();
  if (outcome) return static_cast<int>(*outcome);

  const ExitCode code = exit_code_of(outcome.error());
  if (stop_requested() && outcome.error().code() == Code::closed) {
    session.complain(outcome.error().message(), "");
    return static_cast<int>(ExitCode::interrupted);
  }
  if (code != ExitCode::broken_pipe) {
    session.complain(outcome.error().message(), hint_of(outcome.error()));
  }
  return static_cast<int>(code);
}

}  // namespace
}  // namespace aether::cli

int main(int argument_count, char** arguments) {
  const auto parsed = aether::cli::parse_command_line(argument_count, arguments);
  if (const auto* code = std::get_if<aether::cli::ExitCode>(&parsed))
    return static_cast<int>(*code);
  return aether::cli::run(std::get<aether::cli::Options>(parsed));
}
