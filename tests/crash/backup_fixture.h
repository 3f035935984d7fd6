// An environment on the simulated disk whose every commit is a point that a restore may be asked for: the rows after each
// are remembered beside the log position and the LSNs at which it was durable.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aether/backup.h"
#include "aether/batch.h"
#include "aether/env.h"
#include "sim/random.h"
#include "sim/sim_os.h"

namespace aether::crash {

using Table = std::map<std::string, std::string>;

inline constexpr const char* kEnv = "/env";
inline constexpr const char* kArchive = "/archive";

struct Point {
  uint64_t position = 0;
  uint64_t wall_ns = 0;
  Table rows;
};

inline EnvOptions backup_options(bool archive) {
  EnvOptions options{.pool_bytes = 512 * KiB,
                     .page_bytes = 4 * KiB,
                     .log_streams = 2,
                     .log_segment_bytes = 256 * KiB,
                     .log_bytes_max = 1 * MiB,
                     .io_mode = IoMode::threads,
                     .background_threads = false};
  if (archive) options.archive_directory = kArchive;
  return options;
}

inline std::string text_of(const Error& error) {
  return std::string(to_string(error.code())) + ": " + std::string(error.message());
}

inline Result<Table> read_table(DbEnv& env) {
  AETHER_TRY_ASSIGN(KvStore store, env.open_store("rows"));
  Table rows;
  AETHER_TRY(store.scan({}, [&](Bytes key, Bytes value) {
    rows[std::string(key)] = std::string(value);
    return true;
  }));
  return rows;
}

/// One life after another of an environment that is written to by one thread.
class Writer {
 public:
  explicit Writer(sim::SimOs& os, bool archive = true, uint64_t seed = 1)
      : os_(os), options_(backup_options(archive)), random_(seed) {
    open();
  }
  EnvOptions& options() { return options_; }
  DbEnv& env() { return *env_; }
  bool is_open() const { return env_ != nullptr; }
  void open() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(kEnv, options_, os_);
    ASSERT_TRUE(env.has_value()) << text_of(env.error());
    env_ = *std::move(env);
    ASSERT_TRUE(env_->open_store("rows").has_value());
  }
  void close() {
    const Result<void> closed = env_->close();
    ASSERT_TRUE(closed.has_value()) << text_of(closed.error());
    env_.reset();
  }
  void drop() { env_.reset(); }
  /// A commit of some rows, small and large, put and removed. Remembered as a point.
  Result<void> commit() {
    Table after = rows_;
    const Result<void> done = commit_some(after);
    if (!done) return done.error().clone();
    rows_ = std::move(after);
    const EnvStats stats = env_->stats();
    points_.push_back({stats.log_position, os_.wall_ns(), rows_});
    return {};
  }
  void commits(int count) {
    for (int i = 0; i < count; ++i) {
      const Result<void> done = commit();
      ASSERT_TRUE(done.has_value()) << text_of(done.error());
    }
  }
  BackupReport backup(const std::string& to, const std::string& parent = {}) {
    BackupOptions options;
    options.directory = to;
    options.parent = parent;
    Result<BackupReport> done = env_->backup(options);
    EXPECT_TRUE(done.has_value()) << text_of(done.error());
    return done ? *done : BackupReport();
  }
  const Table& rows() const { return rows_; }
  const std::vector<Point>& points() const { return points_; }

 private:
  Result<void> commit_some(Table& after) {
    AETHER_TRY_ASSIGN(KvStore store, env_->open_store("rows"));
    AETHER_TRY_ASSIGN(Transaction txn, env_->begin());
    const uint64_t count = 1 + random_.below(6);
    for (uint64_t i = 0; i < count; ++i) {
      const std::string key = "key" + std::to_string(random_.below(200));
      if (random_.percent(15)) {
        const Result<void> removed = store.remove(txn, key);
        if (!removed && removed.error().code() != Code::not_found) return removed.error().clone();
        after.erase(key);
        continue;
      }
      const uint64_t bytes = random_.percent(6) ? 3000 + random_.below(20000) : random_.below(400);
      const std::string value = std::to_string(++written_) + std::string(bytes, 'v');
      AETHER_TRY(store.put(txn, key, value));
      after[key] = value;
    }
    return txn.commit();
  }

  sim::SimOs& os_;
  EnvOptions options_;
  sim::Random random_;
  std::unique_ptr<DbEnv> env_;
  Table rows_;
  std::vector<Point> points_;
  uint64_t written_ = 0;
};

inline RestoreOptions restore_options(std::vector<std::string> backups, const std::string& home,
                                      bool archive) {
  RestoreOptions options;
  options.backups = std::move(backups);
  if (archive) options.archives = {kArchive};
  options.home = home;
  options.pool_bytes = 512 * KiB;
  options.io_mode = IoMode::threads;
  options.background_threads = false;
  return options;
}

/// Empty: the environment at `home` is sound and holds `wanted`; and takes a row more.
inline std::string difference(sim::SimOs& os, const std::string& home, const Table& wanted) {
  EnvOptions options = backup_options(false);
  options.create = false;
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home, options, os);
  if (!env) return "open: " + text_of(env.error());
  const Result<VerifyReport> verified = (*env)->verify();
  if (!verified) return "verify: " + text_of(verified.error());
  if (!verified->ok())
    return "verify: page " + std::to_string(verified->problems[0].page_id) + ": " +
           verified->problems[0].message;
  const Result<Table> found = read_table(**env);
  if (!found) return "read: " + text_of(found.error());
  if (*found != wanted) {
    for (const auto& [key, value] : wanted) {
      const auto at = found->find(key);
      if (at == found->end()) return "missing " + key;
      if (at->second != value)
        return key + " is " + at->second.substr(0, 8) + ", not " + value.substr(0, 8);
    }
    return "too many rows";
  }
  const Result<void> put = (*env)->open_store("rows")->put("more", "row");
  return put ? std::string() : "write: " + text_of(put.error());
}

}  // namespace aether::crash
