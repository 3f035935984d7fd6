// get, put, del, scan: single rows and ranges of them.

#include <algorithm>
#include <utility>

#include "apps/aether/clock_text.h"
#include "apps/aether/report.h"
#include "apps/aether/row_printer.h"
#include "apps/aether/signals.h"
#include "apps/aether/text.h"
#include "apps/aether/verbs.h"
#include "base/json_writer.h"
#include "os/os.h"

namespace aether::cli {
namespace {

/// A key or value as given on the command line.
Result<std::string> given_bytes(const std::string& text, bool hex, const char* what) {
  if (!hex) return text;
  Result<std::string> bytes = from_hex(text);
  if (!bytes)
    return std::move(bytes).error().with_context(std::string("the ") + what + " with --hex");
  return bytes;
}

Error no_such_key(const std::string& key, const std::string& store) {
  return Error(Code::not_found, "no key " + in_quotes(key) + " in store " + in_quotes(store));
}

Result<void> print_value(Session& session, const GetOptions& options, Bytes key, Bytes value) {
  if (options.raw) return session.out().write(value);
  if (session.format() != Format::plain) {
    RowPrinter printer(session, {.hex = options.hex});
    AETHER_TRY(printer.print(key, value));
    return printer.finish();
  }
  std::string text;
  if (options.hex) {
    append_hex(text, value);
  } else {
    append_escaped(text, value);
  }
  text += '\n';
  return session.out().write(text);
}

/// What put and del say in JSON; the other formats say nothing, as nothing needs to be said.
Result<void> print_done(Session& session, const char* done, Bytes key) {
  if (session.format() != Format::json || session.global().quiet) return {};
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().bytes("key", key).member(done, true).end_object();
  text += '\n';
  return session.out().write(text);
}

Result<std::string> value_to_put(const PutOptions& options) {
  const bool from_file = !options.value_file.empty();
  if (from_file == options.value.has_value()) {
    return Error(Code::invalid_argument,
                 from_file ? "give VALUE or --value-file, not both"
                           : "put needs a VALUE, - for standard input, or --value-file FILE");
  }
  if (!from_file && *options.value != "-") return given_bytes(*options.value, options.hex, "value");
  AETHER_TRY_ASSIGN(std::string bytes,
                    read_whole(from_file ? options.value_file : "-", kMaxValueBytes));
  if (stop_requested()) return Error(Code::closed, "interrupted; nothing was stored");
  return bytes;
}

/// Milliseconds since 1970; 0: it stays. Errors: invalid_argument.
Result<uint64_t> expiry_to_put(const PutOptions& options) {
  constexpr uint64_t kNsPerMs = 1'000'000;
  constexpr uint64_t kMsPerSecond = 1000;
  if (options.ttl_seconds != 0) {
    const uint64_t now = os::production().wall_ns() / kNsPerMs;
    const uint64_t seconds_max = (~uint64_t{0} - now) / kMsPerSecond;
    return now + std::min(options.ttl_seconds, seconds_max) * kMsPerSecond;
  }
  if (options.expires.empty()) return uint64_t{0};
  AETHER_TRY_ASSIGN(uint64_t expires_ns, parse_time(options.expires));
  constexpr uint64_t kNsPerSecond = 1'000'000'000;
  // A second without a fraction ends with this; here it is its begin that is meant.
  if (expires_ns % kNsPerSecond == kNsPerSecond - 1) expires_ns -= kNsPerSecond - 1;
  return std::max<uint64_t>(1, expires_ns / kNsPerMs);
}

Result<void> show_value(Session& session, const GetOptions& options, const KvStore& store,
                        Bytes key) {
  AETHER_TRY_ASSIGN(const std::string value, store.get(key));
  return print_value(session, options, key, value);
}

Result<void> show_expiry(Session& session, const KvStore& store, Bytes key) {
  AETHER_TRY_ASSIGN(const uint64_t expires_at_ms, store.expiry(key));
  std::string text;
  if (session.format() == Format::json) {
    base::JsonWriter json(text);
    json.begin_object().bytes("key", key).member("expires_at_ms", expires_at_ms).end_object();
  } else {
    constexpr uint64_t kNsPerMs = 1'000'000;
    constexpr uint64_t kShownMax = ~uint64_t{0} / 2 / kNsPerMs;
    text = expires_at_ms == 0 ? "never" : time_text(std::min(expires_at_ms, kShownMax) * kNsPerMs);
  }
  text += '\n';
  return session.out().write(text);
}

/// The bounds of a scan, both kept as bytes: `end` empty means none.
struct Bounds {
  std::string begin;
  std::string end;
};

Result<Bounds> bounds_of(const RangeOptions& options) {
  Bounds bounds;
  if (options.prefix) {
    AETHER_TRY_ASSIGN(const std::string prefix,
                      given_bytes(*options.prefix, options.hex, "prefix"));
    std::string storage;
    const Range range = Range::prefix(prefix, storage);
    bounds = {std::string(range.begin), std::string(range.end)};
  }
  if (options.from) {
    AETHER_TRY_ASSIGN(std::string from, given_bytes(*options.from, options.hex, "value of --from"));
    bounds.begin = std::max(bounds.begin, std::move(from));
  }
  if (options.to) {
    AETHER_TRY_ASSIGN(std::string to, given_bytes(*options.to, options.hex, "value of --to"));
    if (to.empty()) {
      return Error(Code::invalid_argument,
                   "--to is empty: no key lies before it; leave it out for none");
    }
    bounds.end = bounds.end.empty() ? std::move(to) : std::min(bounds.end, std::move(to));
  }
  return bounds;
}

/// Walks the rows between `bounds`; `visit` returns false to stop. A cursor holds no latch between two
/// steps, so a slow reader of our output holds nobody up.
Result<void> walk(const KvStore& store, const Bounds& bounds, bool reverse,
                  FunctionRef<Result<bool>(Cursor&)> visit) {
  Cursor cursor = store.cursor();
  Result<bool> there = [&]() -> Result<bool> {
    if (!reverse) return cursor.seek(bounds.begin);
    if (bounds.end.empty()) return cursor.last();
    AETHER_TRY_ASSIGN(const bool found, cursor.seek_for_prev(bounds.end));
    return found && cursor.key() == bounds.end ? cursor.prev() : Result<bool>(found);
  }();
  while (there && *there) {
    const Bytes key = cursor.key();
    if (reverse ? key < bounds.begin : (!bounds.end.empty() && key >= bounds.end)) return {};
    AETHER_TRY_ASSIGN(const bool more, visit(cursor));
    if (!more) return {};
    there = reverse ? cursor.prev() : cursor.next();
  }
  if (!there) return std::move(there).error();
  return {};
}

Result<void> print_count(Session& session, uint64_t count) {
  if (session.format() == Format::plain) return session.out().write(std::to_string(count) + "\n");
  std::string text;
  if (session.format() == Format::json) {
    base::JsonWriter json(text);
    json.begin_object().member("count", count).end_object();
    text += '\n';
  } else {
    text = with_commas(count) + "\n";
  }
  return session.out().write(text);
}

}  // namespace

Result<ExitCode> run_get(Session& session, const GetOptions& options) {
  AETHER_TRY_ASSIGN(const std::string key, given_bytes(options.key, options.hex, "key"));
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_reading());
  {
    AETHER_TRY_ASSIGN(const KvStore store, Session::open_store(*env, options.store));
    Result<void> shown = options.expires ? show_expiry(session, store, key)
                                         : show_value(session, options, store, key);
    if (!shown && shown.error().code() == Code::not_found) return no_such_key(key, options.store);
    AETHER_TRY(std::move(shown));
  }
  AETHER_TRY(env->close());
  return ExitCode::ok;
}

Result<ExitCode> run_put(Session& session, const PutOptions& options) {
  AETHER_TRY_ASSIGN(const std::string key, given_bytes(options.key, options.hex, "key"));
  AETHER_TRY_ASSIGN(const std::string value, value_to_put(options));
  AETHER_TRY_ASSIGN(const uint64_t expires_at_ms, expiry_to_put(options));
  const aether::PutOptions how{.expires_at_ms = expires_at_ms};
  EnvOptions creation;
  creation.page_bytes = options.page_bytes;
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_writing(true, creation));
  AETHER_TRY_ASSIGN(KvStore store, env->open_store(options.store, options.creation));
  Result<void> stored = options.no_overwrite ? store.insert(key, value, how)
                                             : store.put(key, value, how);
  if (!stored && stored.error().code() == Code::exists) {
    return Error(Code::exists, "key " + in_quotes(key) + " is in store " +
                                   in_quotes(options.store) +
                                   " already; leave out --no-overwrite to replace its value");
  }
  AETHER_TRY(std::move(stored));
  AETHER_TRY(env->close());
  AETHER_TRY(print_done(session, "stored", key));
  return ExitCode::ok;
}

namespace {

Result<ExitCode> remove_range(Session& session, const DelOptions& options) {
  AETHER_TRY_ASSIGN(const Bounds bounds, bounds_of(options));
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_writing(false));
  AETHER_TRY_ASSIGN(KvStore store, Session::open_store(*env, options.store));
  AETHER_TRY_ASSIGN(const uint64_t removed,
                    store.remove_range({.begin = bounds.begin, .end = bounds.end}));
  AETHER_TRY(env->close());
  AETHER_TRY(Report().add("rows_removed", removed).print(session));
  return ExitCode::ok;
}

}  // namespace

Result<ExitCode> run_del(Session& session, const DelOptions& options) {
  if (!options.key) return remove_range(session, options);
  AETHER_TRY_ASSIGN(const std::string key, given_bytes(*options.key, options.hex, "key"));
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_writing(false));
  AETHER_TRY_ASSIGN(KvStore store, Session::open_store(*env, options.store));
  Result<void> removed = store.remove(key);
  if (!removed && removed.error().code() == Code::not_found) return no_such_key(key, options.store);
  AETHER_TRY(std::move(removed));
  AETHER_TRY(env->close());
  AETHER_TRY(print_done(session, "removed", key));
  return ExitCode::ok;
}

Result<ExitCode> run_scan(Session& session, const ScanOptions& options) {
  AETHER_TRY_ASSIGN(const Bounds bounds, bounds_of(options));
  AETHER_TRY_ASSIGN(const std::unique_ptr<DbEnv> env, session.open_for_reading());
  {
    AETHER_TRY_ASSIGN(const KvStore store, Session::open_store(*env, options.store));
    RowPrinter printer(session, {.hex = options.hex, .keys_only = options.keys_only});
    uint64_t count = 0;
    const auto visit = [&](Cursor& cursor) -> Result<bool> {
      if (count == options.limit || stop_requested()) return false;
      ++count;
      if (options.count) return true;
      Bytes value;
      if (!options.keys_only) {
        AETHER_TRY_ASSIGN(value, cursor.value());
      }
      AETHER_TRY(printer.print(cursor.key(), value));
      return true;
    };
    AETHER_TRY(walk(store, bounds, options.reverse, visit));
    AETHER_TRY(options.count ? print_count(session, count) : printer.finish());
  }
  AETHER_TRY(env->close());
  return stop_requested() ? ExitCode::interrupted : ExitCode::ok;
}

}  // namespace aether::cli
