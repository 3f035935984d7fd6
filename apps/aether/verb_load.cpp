// load: rows from a file into stores, through transactions of a bounded size. Whatever goes wrong, what
// was committed is said exactly, and how to go on from there.

#include <utility>

#include "apps/aether/report.h"
#include "apps/aether/row_reader.h"
#include "apps/aether/signals.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"

namespace aether::cli {
namespace {

// A transaction also ends when its rows have this many bytes, so that memory does not follow row size.
constexpr uint64_t kBatchBytesMax = 16 * MiB;
// With --atomic the whole input is one transaction: memory is then what bounds it.
constexpr uint64_t kAtomicBytesMax = 64 * GiB;
constexpr const char* kNothing = "no rows were committed";

class Loader {
 public:
  Loader(Session& session, const LoadOptions& options, DbEnv& env, RowReader& rows)
      : session_(session),
        options_(options),
        env_(env),
        rows_(rows),
        progress_(session.progress("load", "rows")) {}

  /// Reads and writes until the input ends, something fails or a stop is requested.
  Result<void> run();
  /// What was committed, and how to load the rest.
  std::string committed_text() const;
  Result<void> print_report();
  void end_progress() { progress_.finish(); }

 private:
  Result<void> begin_section();
  Result<void> take_row();
  Result<void> write(const Row& row);
  Result<void> refuse_duplicate(const Row& row);
  Result<void> commit();
  bool batch_is_full() const noexcept;

  Session& session_;
  const LoadOptions& options_;
  DbEnv& env_;
  RowReader& rows_;
  Progress progress_;
  std::optional<KvStore> store_;
  std::optional<Transaction> txn_;
  uint64_t sections_ = 0;
  std::string last_key_;

  uint64_t rows_read_ = 0;  ///< Of the input, skipped ones included: what --skip counts.
  uint64_t rows_written_ = 0;
  uint64_t rows_kept_ = 0;  ///< Not written, as the key was there.
  uint64_t value_bytes_ = 0;
  uint64_t batch_rows_ = 0;
  uint64_t batch_bytes_ = 0;
  uint64_t transactions_ = 0;
  uint64_t rows_committed_ = 0;  ///< rows_read_ at the last commit.
  bool outcome_unknown_ = false;
};

bool Loader::batch_is_full() const noexcept {
  if (options_.atomic) return false;
  return batch_rows_ >= options_.batch || batch_bytes_ >= kBatchBytesMax;
}

Result<void> Loader::run() {
  for (;;) {
    Result<RowReader::Event> event = rows_.next();
    if (stop_requested()) {
      // The input ended where it stood, perhaps within a row: only the rows before it count.
      // --atomic promised all or nothing.
      return options_.atomic ? Result<void>() : commit();
    }
    if (!event) return std::move(event).error();
    if (*event == RowReader::Event::end) return commit();
    AETHER_TRY(*event == RowReader::Event::section ? begin_section() : take_row());
    progress_.update(rows_.lines().bytes_consumed(), rows_.lines().total_bytes(), rows_read_);
  }
}

Result<void> Loader::begin_section() {
  ++sections_;
  if (sections_ > 1 && options_.store) {
    return rows_.lines().error_at(
        0,
        "the file holds several databases, and --store names one place for "
        "all; leave out --store to load each into a store of its name");
  }
  if (!options_.atomic) AETHER_TRY(commit());
  const std::string& named = rows_.section().database;
  const std::string name = options_.store ? *options_.store : named.empty() ? kDefaultStore : named;
  AETHER_TRY_ASSIGN(store_, env_.open_store(name, options_.creation));
  last_key_.clear();
  return {};
}

/// A dump with duplicates=1 has several rows of one key; a store keeps one. Which one is not ours to
/// choose without a word. (db_dump writes the rows of a key side by side.)
Result<void> Loader::refuse_duplicate(const Row& row) {
  if (!rows_.section().duplicates || options_.existing != Existing::unspecified) return {};
  if (rows_written_ > 0 && last_key_ == row.key) {
    return rows_.lines().error_at(
        0, "key " + in_quotes(row.key) +
               " has a second value, and a store keeps "
               "one a key; say --existing overwrite (the last) or keep (the first)");
  }
  last_key_ = row.key;
  return {};
}

Result<void> Loader::take_row() {
  ++rows_read_;
  if (rows_read_ <= options_.skip) {
    rows_committed_ = rows_read_;
    return {};
  }
  const Row& row = rows_.row();
  AETHER_TRY(refuse_duplicate(row));
  if (!txn_) {
    AETHER_TRY_ASSIGN(
        txn_, env_.begin(TxnOptions{.durability = options_.durability, .env_durability = false}));
  }
  if (Result<void> written = write(row); !written) {
    Error error = std::move(written).error();
    const Code code = error.code();
    if (code != Code::too_large && code != Code::invalid_argument && code != Code::exists)
      return error;
    // The engine refused these bytes: say where they stand.
    return rows_.lines().error_at(0, std::string(error.message()), code);
  }
  ++batch_rows_;
  batch_bytes_ += row.key.size() + row.value.size();
  return batch_is_full() ? commit() : Result<void>();
}

Result<void> Loader::write(const Row& row) {
  const Existing existing = options_.existing;
  if (existing == Existing::overwrite || existing == Existing::unspecified) {
    AETHER_TRY(store_->put(*txn_, row.key, row.value, {.expires_at_ms = row.expires_at_ms}));
  } else {
    Result<void> inserted = store_->insert(*txn_, row.key, row.value,
                                           {.expires_at_ms = row.expires_at_ms});
    if (!inserted && inserted.error().code() == Code::exists) {
      if (existing == Existing::keep) {
        ++rows_kept_;
        return {};
      }
      return Error(Code::exists, "key " + in_quotes(row.key) + " is in store " +
                                     in_quotes(store_->name()) +
                                     " already; --existing overwrite or keep says what to do");
    }
    AETHER_TRY(std::move(inserted));
  }
  ++rows_written_;
  value_bytes_ += row.key.size() + row.value.size();
  return {};
}

Result<void> Loader::commit() {
  if (!txn_) {
    rows_committed_ = rows_read_;
    return {};
  }
  Result<void> committed = txn_->commit();
  txn_.reset();
  if (!committed) {
    outcome_unknown_ = committed.error().code() == Code::failed;
    return committed;
  }
  ++transactions_;
  rows_committed_ = rows_read_;
  batch_rows_ = batch_bytes_ = 0;
  return {};
}

std::string Loader::committed_text() const {
  if (options_.atomic)
    return outcome_unknown_ ? "either all rows or none were committed" : kNothing;
  const std::string skip = "--skip " + std::to_string(rows_committed_);
  if (outcome_unknown_) {
    return "the first " + counted(rows_committed_, "row") +
           " were committed, and perhaps one more transaction; rerun with " + skip;
  }
  if (rows_committed_ == 0) return kNothing;
  return "the first " + counted(rows_committed_, "row") + " of the input " +
         (rows_committed_ == 1 ? "was" : "were") + " committed, the rest not; rerun with " + skip +
         ", or load with --atomic for all or nothing";
}

Result<void> Loader::print_report() {
  if (session_.global().quiet && session_.format() == Format::plain) return {};
  const double seconds = progress_.seconds();
  Report report;
  report.add("rows", rows_written_)
      .add("rows_kept", rows_kept_)
      .add("rows_skipped", std::min(options_.skip, rows_read_))
      .add("transactions", transactions_)
      .add_bytes("bytes", value_bytes_)
      .add_seconds("seconds", seconds)
      .add("rows_per_second",
           seconds > 0 ? static_cast<uint64_t>(static_cast<double>(rows_written_) / seconds) : 0);
  return report.print(session_);
}

/// The exit code for what ended a load: data that cannot be stored are bad input, not a wrong call.
ExitCode code_of_failure(const Error& error) {
  if (error.code() == Code::invalid_argument || error.code() == Code::too_large) {
    return ExitCode::bad_input;
  }
  return exit_code_of(error);
}

Result<ExitCode> load_into(Session& session, const LoadOptions& options, RowReader& rows) {
  EnvOptions creation;
  creation.page_bytes = options.page_bytes;
  if (options.atomic) creation.transaction_bytes_max = kAtomicBytesMax;
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_writing(true, creation));
  Result<void> outcome;
  std::string committed;
  {
    Loader loader(session, options, *env, rows);
    outcome = loader.run();
    loader.end_progress();
    committed = loader.committed_text();
    if (outcome && !stop_requested()) AETHER_TRY(loader.print_report());
  }
  // Closed in any case: with durability `none`, this makes the commits durable.
  Result<void> closed = env->close();
  if (!outcome) {
    session.complain(std::string(outcome.error().message()) + "; " + committed,
                     hint_of(outcome.error()));
    return code_of_failure(outcome.error());
  }
  AETHER_TRY(std::move(closed));
  if (!stop_requested()) return ExitCode::ok;
  session.complain("interrupted: " + committed, "");
  return ExitCode::interrupted;
}

}  // namespace

Result<ExitCode> run_load(Session& session, const LoadOptions& options) {
  // The input is opened first: a wrong name or type must not leave an empty environment behind.
  Result<std::unique_ptr<RowReader>> rows = open_rows(options.input, options.type, options.text);
  if (!rows && rows.error().code() == Code::invalid_argument) {
    session.complain(rows.error().message(), "");
    return ExitCode::bad_input;
  }
  if (!rows) return std::move(rows).error();
  return load_into(session, options, **rows);
}

}  // namespace aether::cli
