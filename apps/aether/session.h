/// What every verb shares: the global options, the output, notes for people, and opening environments.
///
/// Threads   One thread.
#pragma once

#include <memory>
#include <string>

#include "aether/env.h"
#include "aether/error.h"
#include "apps/aether/options.h"
#include "apps/aether/progress.h"
#include "apps/aether/stream.h"

namespace aether::cli {

class Session {
 public:
  Session(const GlobalOptions& global, Output& out) : global_(global), out_(out) {}

  const GlobalOptions& global() const noexcept { return global_; }
  Format format() const noexcept { return global_.format; }
  Output& out() noexcept { return out_; }
  bool colored_output() const { return wants_color(global_.color, output_is_terminal()); }
  Progress progress(std::string label, std::string unit) const {
    return Progress(std::move(label), std::move(unit), global_.progress, global_.quiet);
  }

  /// "aether: note: TEXT" on standard error, unless --quiet.
  void note(const std::string& text) const;
  /// "aether: MESSAGE" on standard error, and "hint: HINT" below it if there is one.
  void complain(std::string_view message, std::string_view hint) const;

  /// Opens the environment for verbs that only read: without changing a byte if it was closed cleanly;
  /// else recovering it first, which is noted (with --read-only: `unsupported`).
  /// Errors: those of DbEnv::open.
  Result<std::unique_ptr<DbEnv>> open_for_reading() const;
  /// The document that the process which has the environment open gives for `verb` (db/live_client.h).
  Result<std::string> ask_live(std::string_view verb) const;
  /// What `stat` says: of the process that has the environment open, or of one opened for it. Errors: busy (another process has
  /// it open and has no live channel).
  Result<std::string> stat_document() const;
  /// Opens for writing. `create`: makes the environment if there is none.
  Result<std::unique_ptr<DbEnv>> open_for_writing(bool create, EnvOptions options = {}) const;
  /// Opens for writing, with the log archived in `directory`.
  Result<std::unique_ptr<DbEnv>> open_for_archiving(const std::string& directory) const;
  /// Errors: not_found, with the names of the stores there are.
  static Result<KvStore> open_store(DbEnv& env, const std::string& name);

 private:
  Result<std::unique_ptr<DbEnv>> open(EnvOptions options) const;

  const GlobalOptions& global_;
  Output& out_;
};

}  // namespace aether::cli
