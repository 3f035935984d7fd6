// dump: the rows of one store or of all, in an exchange format.

#include <utility>

#include "apps/aether/db_dump_format.h"
#include "apps/aether/signals.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"
#include "base/json_writer.h"

namespace aether::cli {
namespace {

class Dumper {
 public:
  Dumper(Session& session, const DumpOptions& options, Output& out)
      : options_(options), out_(out), progress_(session.progress("dump", "rows")) {}

  Result<void> dump(const KvStore& store);
  void finish() { progress_.finish(); }
  uint64_t expiring() const noexcept { return expiring_; }

 private:
  Result<void> append_row(Bytes key, Bytes value, uint64_t expires_at_ms);
  Result<void> append_tsv(Bytes key, Bytes value);

  const DumpOptions& options_;
  Output& out_;
  Progress progress_;
  std::string text_;
  uint64_t rows_ = 0;
  uint64_t expiring_ = 0;  ///< Of those.
};

Result<void> Dumper::append_tsv(Bytes key, Bytes value) {
  const bool bad_key = key.find_first_of("\t\n") != Bytes::npos;
  if (bad_key || value.find('\n') != Bytes::npos) {
    return Error(
        Code::invalid_argument,
        std::string("the ") + (bad_key ? "key " : "value of key ") + in_quotes(key) +
            " holds a tab or a line end, which TSV cannot carry; use --type jsonl or db_dump");
  }
  text_.append(key).append("\t").append(value).append("\n");
  return {};
}

Result<void> Dumper::append_row(Bytes key, Bytes value, uint64_t expires_at_ms) {
  expiring_ += expires_at_ms != 0 ? 1 : 0;
  if (options_.type == FileType::tsv) return append_tsv(key, value);
  if (options_.type == FileType::jsonl) {
    base::JsonWriter json(text_);
    json.begin_object().bytes("key", key).bytes("value", value);
    if (expires_at_ms != 0) json.member("expires_at_ms", expires_at_ms);
    json.end_object();
    text_ += '\n';
  } else {
    append_db_dump_item(text_, key, options_.print);
    append_db_dump_item(text_, value, options_.print);
  }
  return {};
}

Result<void> Dumper::dump(const KvStore& store) {
  const bool sections = options_.type == FileType::db_dump;
  text_.clear();
  if (options_.all && store.name().find('\n') != std::string::npos) {
    return Error(Code::invalid_argument, "the name of store " + in_quotes(store.name()) +
                                             " holds a line end, which a dump header cannot carry; "
                                             "dump it alone with --store");
  }
  // db_load makes a database inside a file where a name is given: one store needs none.
  if (sections) append_db_dump_header(text_, options_.all ? store.name() : "", options_.print);

  Cursor cursor = store.cursor();
  Result<bool> there = cursor.first();
  while (there && *there && !stop_requested()) {
    AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
    AETHER_TRY_ASSIGN(const uint64_t expires_at_ms, cursor.expiry());
    AETHER_TRY(append_row(cursor.key(), value, expires_at_ms));
    AETHER_TRY(out_.write(text_));
    text_.clear();
    progress_.update(0, std::nullopt, ++rows_);
    there = cursor.next();
  }
  AETHER_TRY(std::move(there));
  if (stop_requested()) return {};  // Without DATA=END: readers see that it is cut off.
  if (sections) append_db_dump_end(text_);
  return out_.write(text_);
}

Result<void> dump_stores(Session& session, const DumpOptions& options, Output& out) {
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_reading());
  std::vector<std::string> names = {options.store};
  if (options.all) {
    AETHER_TRY_ASSIGN(names, env->list_stores());
  }
  Dumper dumper(session, options, out);
  for (const std::string& name : names) {
    AETHER_TRY_ASSIGN(const KvStore store, Session::open_store(*env, name));
    AETHER_TRY(dumper.dump(store));
  }
  dumper.finish();
  if (dumper.expiring() != 0 && options.type != FileType::jsonl) {
    session.note(counted(dumper.expiring(), "row") +
                 " will expire, which this type cannot carry: loaded again, they stay; use "
                 "--type jsonl");
  }
  return env->close();
}

}  // namespace

Result<ExitCode> run_dump(Session& session, const DumpOptions& options) {
  if (options.all && options.type != FileType::db_dump) {
    return Error(Code::invalid_argument,
                 "--all needs --type db_dump: the others hold one store a file");
  }
  if (options.output == "-") {
    AETHER_TRY(dump_stores(session, options, session.out()));
    return stop_requested() ? ExitCode::interrupted : ExitCode::ok;
  }
  AETHER_TRY_ASSIGN(Output file, Output::create(options.output));
  AETHER_TRY(dump_stores(session, options, file));
  if (stop_requested()) {
    session.note("interrupted; " + options.output + " was not written");
    return ExitCode::interrupted;
  }
  AETHER_TRY(file.finish());
  return ExitCode::ok;
}

}  // namespace aether::cli
