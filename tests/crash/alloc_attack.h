// An environment whose every call meets failing allocations, and the model of what it must hold all the same.
//
// One call is tried again and again: its first allocation fails, then its second ..., each once and then with all after it
// failing too, until it succeeds with nothing having failed. After every answer `no_memory` the call must have changed
// nothing. A call that succeeds in spite of a failure cannot be tried again; the next of its kind begins where it was.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "aether/batch.h"
#include "aether/env.h"
#include "sim/failing_allocator.h"

namespace aether::crash {

namespace faults = sim::alloc_faults;

using Rows = std::map<std::string, std::string>;

/// Which of the failures are tried: all, or by chance one of so many.
struct Effort {
  bool all = std::getenv("AETHER_ALLOC") != nullptr;
  uint64_t stride(uint64_t otherwise) const { return all ? 1 : otherwise; }
};

struct Tally {
  uint64_t failures = 0;  ///< Answers of no_memory.
  uint64_t survived = 0;  ///< Calls that succeeded although an allocation had failed.
  uint64_t calls = 0;
};

class Attack {
 public:
  explicit Attack(uint64_t seed) : random_(seed) {}

  /// `call` under attack; `unchanged` is asked after every failure. Its answer: never no_memory.
  template <typename Call, typename Unchanged>
  auto on(const std::string& kind, Call call, Unchanged unchanged) -> decltype(call()) {
    uint64_t& first = first_of_[kind];
    if (first == 0) first = 1 + random_() % stride_;
    for (uint64_t n = first;; n += 1 + random_() % stride_ % 3) {
      for (const bool sticky : {false, true}) {
        ++tally_.calls;
        faults::arm({.number = n, .sticky = sticky});
        auto answer = call();
        const bool struck = faults::disarm();
        if (answer || answer.error().code() != Code::no_memory) {
          tally_.survived += struck ? 1 : 0;
          first = struck ? n + 1 : 0;
          return answer;
        }
        EXPECT_TRUE(struck) << kind << ": no_memory without a reason: " << answer.error().message();
        ++tally_.failures;
        unchanged();
        if (testing::Test::HasFailure()) {
          ADD_FAILURE() << kind << ", allocation " << n << (sticky ? " and all after it" : "");
          return answer;
        }
      }
    }
  }
  template <typename Call>
  auto on(const std::string& kind, Call call) -> decltype(call()) {
    return on(kind, call, [] {});
  }

  uint64_t pick(uint64_t below) { return random_() % below; }
  const Tally& tally() const { return tally_; }
  void forget() { first_of_.clear(); }
  /// 1: every allocation.
  void set_stride(uint64_t stride) { stride_ = stride; }

 private:
  std::mt19937_64 random_;
  std::map<std::string, uint64_t> first_of_;
  Tally tally_;
  uint64_t stride_ = 1;
};

/// On a file system in memory where there is one: a sync costs nothing there, and nothing is cut here.
class QuickDirectory {
 public:
  QuickDirectory() {
    const std::filesystem::path shm = "/dev/shm";
    const auto base = std::filesystem::is_directory(shm) ? shm
                                                         : std::filesystem::temp_directory_path();
    std::string name = (base / "aether_alloc_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << name;
    path_ = name;
  }
  ~QuickDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  QuickDirectory(const QuickDirectory&) = delete;
  QuickDirectory& operator=(const QuickDirectory&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

inline EnvOptions small_options() {
  EnvOptions options;
  options.pool_bytes = 1 * MiB;
  options.log_streams = 2;
  options.log_segment_bytes = 256 * KiB;
  options.log_bytes_max = 1 * MiB;
  options.transaction_bytes_max = 256 * KiB;
  options.version_bytes_max = 64 * KiB;
  options.io_mode = IoMode::threads;
  options.background_threads = false;
  options.live = false;
  return options;
}

inline std::string key_of(uint64_t i) {
  char text[40];
  std::snprintf(text, sizeof text, "key-%06llu-of-some-length", static_cast<unsigned long long>(i));
  return text;
}

/// An open environment with one store, "rows", and what that must hold.
class Subject {
 public:
  explicit Subject(std::string home, const EnvOptions& options = small_options())
      : home_(std::move(home)), options_(options) {
    open();
  }
  void open() {
    Result<std::unique_ptr<DbEnv>> opened = DbEnv::open(home_, options_);
    ASSERT_TRUE(opened) << opened.error().message();
    adopt(*std::move(opened));
  }
  void adopt(std::unique_ptr<DbEnv> env) {
    env_ = std::move(env);
    Result<KvStore> store = env_->open_store("rows");
    ASSERT_TRUE(store) << store.error().message();
    store_.emplace(*store);
  }
  /// A write was answered: `after` is what it makes of the rows. `failed` is for a log that had no memory to go on: the
  /// environment has failed cleanly, and opened again it has all of the write or nothing.
  void settle(const Result<void>& done, Rows after) {
    if (done) {
      rows_ = std::move(after);
      return;
    }
    ASSERT_EQ(done.error().code(), Code::failed) << done.error().message();
    ++failures_;
    drop();
    open();
    Rows found = scan();
    ASSERT_TRUE(found == rows_ || found == after) << "half of a write";
    rows_ = std::move(found);
  }
  /// How often the environment has failed.
  uint64_t failures() const { return failures_; }

  void close() {
    const Result<void> closed = env_->close();
    EXPECT_TRUE(closed) << closed.error().message();
    drop();
  }
  void drop() {
    store_.reset();
    env_.reset();
  }

  DbEnv& env() { return *env_; }
  KvStore& store() { return *store_; }
  Rows& rows() { return rows_; }
  const std::string& home() const { return home_; }
  const EnvOptions& options() const { return options_; }

  /// The row of `key` is what the model says.
  void check(const std::string& key) {
    const Result<std::string> got = store_->get(key);
    const auto row = rows_.find(key);
    if (row == rows_.end()) {
      ASSERT_FALSE(got) << key << ": a row that must not be there";
      ASSERT_EQ(got.error().code(), Code::not_found) << got.error().message();
    } else {
      ASSERT_TRUE(got) << key << ": " << got.error().message();
      ASSERT_TRUE(*got == row->second) << key << ": another value";
    }
  }
  Rows scan() {
    Rows found;
    const Result<uint64_t> scanned = store_->scan({}, [&](Bytes key, Bytes value) {
      found.emplace(key, value);
      return true;
    });
    EXPECT_TRUE(scanned) << scanned.error().message();
    return found;
  }
  void check_all() {
    const Rows found = scan();
    ASSERT_EQ(found.size(), rows_.size());
    ASSERT_TRUE(found == rows_) << "rows differ from the model";
  }
  void check_whole() {
    check_all();
    const Result<VerifyReport> report = env_->verify();
    ASSERT_TRUE(report) << report.error().message();
    for (const VerifyProblem& problem : report->problems) ADD_FAILURE() << problem.message;
  }
  /// Nothing holds anything: no transaction, snapshot or lock is left, and a write goes through.
  void check_idle() {
    if (!env_->prepared().value().empty()) return;  // They hold what they hold.
    Result<Transaction> txn = env_->begin();        // Finishes rollbacks that lacked memory.
    ASSERT_TRUE(txn) << txn.error().message();
    const Result<void> locked = store_->lock_store(*txn, LockMode::exclusive);
    ASSERT_TRUE(locked) << locked.error().message();
    ASSERT_TRUE(txn->abort());
    const EnvStats stats = env_->stats();
    ASSERT_EQ(stats.txn_active, 0u);
    ASSERT_EQ(stats.snapshots, 0u);
  }

 private:
  const std::string home_;
  const EnvOptions options_;
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
  Rows rows_;
  uint64_t failures_ = 0;
};

}  // namespace aether::crash
