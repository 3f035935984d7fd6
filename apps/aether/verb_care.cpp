// verify, checkpoint, policy: looking after an environment.

#include <cstdlib>
#include <utility>

#include "apps/aether/json_fields.h"
#include "apps/aether/report.h"
#include "apps/aether/table.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"
#include "base/json_writer.h"
#include "db/documents.h"
#include "os/os.h"

namespace aether::cli {
namespace {

Report report_of(const VerifyReport& verified, double seconds) {
  Report report;
  report.add("ok", verified.ok())
      .add("complete", verified.complete)
      .add("pages_checked", verified.pages_checked)
      .add("pages_free", verified.pages_free)
      .add("keys", verified.keys)
      .add_seconds("seconds", seconds);
  return report;
}

void append_problems_plain(std::string& text, const VerifyReport& verified) {
  text += "problems " + std::to_string(verified.problems.size()) + "\n";
  for (const VerifyProblem& problem : verified.problems) {
    text += "problem page " + std::to_string(problem.page_id);
    if (!problem.store.empty()) text += " store " + escaped(problem.store);
    text += ": " + one_line(problem.message) + "\n";
  }
}

Result<void> print_verified(Session& session, const VerifyReport& verified, double seconds) {
  const Report report = report_of(verified, seconds);
  std::string text;
  if (session.format() == Format::json) {
    base::JsonWriter json(text);
    json.begin_object();
    report.append_json(json);
    db::append_problems(json, verified.problems);
    json.end_object();
    text += '\n';
  } else if (session.format() == Format::table) {
    report.append_table(text, output_width(), session.colored_output());
    if (!verified.ok()) {
      Table table({{"page", true}, {"store"}, {"problem"}}, output_width(),
                  session.colored_output());
      for (const VerifyProblem& problem : verified.problems) {
        table.add(
            {std::to_string(problem.page_id), escaped(problem.store), one_line(problem.message)});
      }
      text += '\n';
      table.print(text);
    }
  } else {
    report.append_plain(text);
    append_problems_plain(text, verified);
  }
  return session.out().write(text);
}

/// As long as that mends something: what a damaged page leads to shows only when it is whole.
Result<void> repair_and_verify(Session& session, DbEnv& env,
                               FunctionRef<void(uint64_t, uint64_t)> show, VerifyReport& verified) {
  for (bool mended = true; mended && !verified.ok();) {
    const uint64_t before = env.stats().pages_repaired;
    for (const VerifyProblem& problem : verified.problems) {
      if (problem.page_id == 0) continue;
      const Result<void> repaired = env.repair_page(problem.page_id);
      if (!repaired) session.note(std::string(repaired.error().message()));
    }
    const uint64_t pages = env.stats().pages_repaired - before;
    mended = pages != 0;
    if (!mended) break;
    session.note(counted(pages, "page") + " made again");
    AETHER_TRY_ASSIGN(verified, env.verify(show));
  }
  return {};
}

ExitCode complain(Session& session, const VerifyReport& verified) {
  session.complain(
      counted(verified.problems.size(), "problem") + " found in " + session.global().home,
      "do not write to it; restore from a backup, or dump what can still be read");
  return ExitCode::problem;
}

/// What the process that has it open answers: how far it is, or its report.
struct OnlineState {
  uint64_t number = 0;
  bool running = false;
  uint64_t done = 0, total = 0;
  double seconds = 0;
  VerifyReport report;
};

uint64_t count_of(const JsonFields& fields, const char* name) {
  return std::strtoull(fields.text(name).c_str(), nullptr, 10);
}

Result<OnlineState> online_state(const std::string& home, std::string_view document) {
  AETHER_TRY_ASSIGN(const JsonFields all, JsonFields::read(document));
  OnlineState state{.number = count_of(all, "number"),
                    .running = all.text("running") == "true",
                    .done = count_of(all, "done"),
                    .total = count_of(all, "total"),
                    .seconds = 0,
                    .report = {}};
  if (state.running) return state;
  if (all.has("error")) {
    return Error(Code::failed, "the process that has " + home + " open could not verify it: " +
                                   all.text("error") + ": " + all.text("message"));
  }
  state.seconds = all.number("seconds");
  state.report.complete = all.text("complete") == "true";
  state.report.pages_checked = count_of(all, "pages_checked");
  state.report.pages_free = count_of(all, "pages_free");
  state.report.keys = count_of(all, "keys");
  for (const std::string_view problem : all.elements("problems")) {
    AETHER_TRY_ASSIGN(const JsonFields fields, JsonFields::read(problem));
    state.report.problems.push_back(
        {count_of(fields, "page_id"), fields.bytes("store"), fields.bytes("message")});
  }
  return state;
}

Result<std::string> ask_owner(const Session& session, std::string_view verb) {
  Result<std::string> answer = session.ask_live(verb);
  if (answer || answer.error().code() != Code::not_found) return answer;
  return Error(Code::not_found,
               session.global().home +
                   ": no process that has it open for writing answers; if none has, leave out "
                   "--online to verify it here");
}

Result<ExitCode> verify_online(Session& session) {
  constexpr uint64_t kBetweenLooksNs = 100'000'000;
  const std::string& home = session.global().home;
  Progress progress = session.progress("verify", "pages");
  AETHER_TRY_ASSIGN(std::string document, ask_owner(session, "verify"));
  AETHER_TRY_ASSIGN(OnlineState state, online_state(home, document));
  const uint64_t number = state.number;
  while (state.running) {
    progress.update(state.done, state.total, state.done);
    os::production().sleep_ns(kBetweenLooksNs);
    AETHER_TRY_ASSIGN(document, ask_owner(session, "verify_state"));
    AETHER_TRY_ASSIGN(state, online_state(home, document));
    if (state.number != number) {
      return Error(Code::closed, "the process that had " + home +
                                     " open has closed it meanwhile: verify it again");
    }
  }
  progress.update(state.report.pages_checked, state.report.pages_checked,
                  state.report.pages_checked);
  progress.finish();
  AETHER_TRY(print_verified(session, state.report, state.seconds));
  if (!state.report.complete)
    session.note("others wrote meanwhile: pages that nothing leads to were not looked for");
  return state.report.ok() ? ExitCode::ok : complain(session, state.report);
}

}  // namespace

Result<ExitCode> run_verify(Session& session, const VerifyOptions& options) {
  if (options.online) return verify_online(session);
  EnvOptions for_repair;
  for_repair.repair_from = options.from;
  AETHER_TRY_ASSIGN(
      const std::unique_ptr<DbEnv> env,
      options.repair ? session.open_for_writing(false, for_repair) : session.open_for_reading());
  Progress progress = session.progress("verify", "pages");
  const auto show = [&](uint64_t done, uint64_t total) { progress.update(done, total, done); };
  AETHER_TRY_ASSIGN(VerifyReport verified, env->verify(show));
  if (options.repair) AETHER_TRY(repair_and_verify(session, *env, show, verified));
  progress.update(verified.pages_checked, verified.pages_checked, verified.pages_checked);
  progress.finish();
  AETHER_TRY(print_verified(session, verified, progress.seconds()));
  if (!verified.ok()) return complain(session, verified);
  AETHER_TRY(env->close());
  return ExitCode::ok;
}

Result<ExitCode> run_checkpoint(Session& session, const CheckpointOptions& /*options*/) {
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_writing(false));
  const uint64_t begun = os::production().monotonic_ns();
  AETHER_TRY(env->checkpoint());
  const double seconds = static_cast<double>(os::production().monotonic_ns() - begun) / 1e9;
  const EnvStats stats = env->stats();
  AETHER_TRY(Report()
                 .add("checkpoint_position", stats.checkpoint_position)
                 .add_bytes("log_bytes_on_disk", stats.log_bytes_on_disk)
                 .add("page_writes", stats.page_writes)
                 .add_seconds("seconds", seconds)
                 .print(session));
  AETHER_TRY(env->close());
  return ExitCode::ok;
}

Result<ExitCode> run_policy(Session& session, const PolicyVerbOptions& options) {
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_writing(false));
  AETHER_TRY_ASSIGN(KvStore store, Session::open_store(*env, options.store));
  AETHER_TRY(store.set_merge_policy(options.policy));
  std::string policy;
  for (const StoreStats& each : env->stats().stores) {
    if (each.id == store.id()) policy = each.lsm.policy;
  }
  AETHER_TRY(env->close());
  AETHER_TRY(Report().add("store", options.store).add("policy", policy).print(session));
  return ExitCode::ok;
}

}  // namespace aether::cli
