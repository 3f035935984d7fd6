#include "apps/aether/session.h"

#include <cstdio>

#include "apps/aether/text.h"
#include "db/documents.h"
#include "db/live_client.h"
#include "os/os.h"

namespace aether::cli {
namespace {

void print_error(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

// Rows are small and transactions are bounded by the batch; a large value must still fit one of them.
constexpr uint64_t kTransactionBytesMax = 4 * GiB;

}  // namespace

void Session::note(const std::string& text) const {
  if (!global_.quiet) print_error("aether: note: " + text + "\n");
}

void Session::complain(std::string_view message, std::string_view hint) const {
  const bool color = wants_color(global_.color, error_is_terminal());
  std::string text = color ? "\x1b[31maether:\x1b[0m " : "aether: ";
  text += one_line(message);
  text += '\n';
  if (!hint.empty()) text.append("hint: ").append(hint).append("\n");
  print_error(text);
}

Result<std::unique_ptr<DbEnv>> Session::open(EnvOptions options) const {
  options.pool_bytes = global_.pool_bytes;
  options.io_mode = global_.io_mode;
  if (options.archive_directory.empty()) options.archive_directory = global_.archive;
  options.transaction_bytes_max = std::max(options.transaction_bytes_max, kTransactionBytesMax);
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(global_.home, options);
  if (!env) return env;
  const RecoveryReport& report = (*env)->recovery_report();
  if (report.ran) {
    note("the environment was not closed: recovered in " + human_seconds(report.seconds) + " (" +
         with_commas(report.transactions_committed) + " transactions kept, " +
         with_commas(report.transactions_undone) + " unfinished ones rolled back)");
  }
  return env;
}

Result<std::unique_ptr<DbEnv>> Session::open_for_reading() const {
  EnvOptions options;
  options.create = false;
  options.read_only = true;
  Result<std::unique_ptr<DbEnv>> env = open(options);
  // `unsupported` also stands for a newer format: opening for writing then says so again.
  if (env || env.error().code() != Code::unsupported || global_.read_only) return env;
  options.read_only = false;
  return open(options);
}

Result<std::string> Session::ask_live(std::string_view verb) const {
  return db::ask_live(os::production(), global_.home, verb);
}

Result<std::string> Session::stat_document() const {
  Result<std::unique_ptr<DbEnv>> env = open_for_reading();
  if (env) {
    std::string document = db::stats_document((*env)->stats());
    AETHER_TRY((*env)->close());
    return document;
  }
  if (env.error().code() != Code::busy) return std::move(env).error();
  Result<std::string> answer = ask_live("stat");
  // It may have no channel: then that it is busy says more.
  if (!answer && answer.error().code() == Code::not_found) return std::move(env).error();
  return answer;
}

Result<std::unique_ptr<DbEnv>> Session::open_for_writing(bool create, EnvOptions options) const {
  if (global_.read_only) {
    return Error(Code::invalid_argument, "this verb writes; leave out --read-only");
  }
  options.create = create;
  return open(options);
}

Result<std::unique_ptr<DbEnv>> Session::open_for_archiving(const std::string& directory) const {
  EnvOptions options;
  options.archive_directory = directory;
  return open_for_writing(false, options);
}

Result<KvStore> Session::open_store(DbEnv& env, const std::string& name) {
  Result<KvStore> store = env.open_store(name, StoreOptions{.create = false});
  if (store || store.error().code() != Code::not_found) return store;
  std::string message = "no store " + in_quotes(name) + " in " + env.home();
  if (Result<std::vector<std::string>> names = env.list_stores()) {
    std::string list;
    for (const std::string& there : *names) list += (list.empty() ? "" : ", ") + escaped(there);
    message += list.empty() ? ": it has none yet" : "; there are: " + list;
  }
  return Error(Code::not_found, message);
}

}  // namespace aether::cli
