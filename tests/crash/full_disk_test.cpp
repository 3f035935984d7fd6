// A file system of 64 MiB that is filled under load, gets space back, and goes on. Whatever part meets the end of the space
// (log, growth of the data file, values of their own pages, older versions, a checkpoint, opening): nothing that was
// acknowledged is lost, nothing that was refused shows, reads go on, and rows can be removed.
// ctest: timeout=900
//
//   AETHER_ROUNDS=20 full_disk_test    more rounds than one of each kind
//   AETHER_SEED=7 full_disk_test       the same choices
// Needs root, a loop device and mkfs.ext4; else it is skipped.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "aether/aether.hpp"
#include "support/loop_image.h"
#include "support/stamped_value.h"
#include "unit/os/temp_directory.h"

namespace aether {
namespace {

using testing_support::stamp_of;
using testing_support::stamped_value;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kDiskBytes = 64 * MiB;
constexpr uint64_t kShareBytes = 8 * MiB;  ///< What others leave of it: a round is short then.
constexpr int kWriters = 3;
constexpr const char* kBallast = "ballast";

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

EnvOptions options() {
  EnvOptions options;
  options.pool_bytes = 1 * MiB;
  options.log_streams = 2;
  options.log_segment_bytes = 256 * KiB;
  options.log_bytes_max = 1536 * KiB;
  options.version_bytes_max = 64 * KiB;
  options.live = false;
  return options;
}

/// What one writer knows of its rows. As a stamp, 0: the row is not there.
struct Rows {
  std::mutex mutex;
  std::map<std::string, uint64_t> acknowledged;  ///< Without those whose removal is.
  std::map<std::string, uint64_t> unknown;       ///< Written by a call that ended with `failed`.
  uint64_t next_stamp = 1;
};

struct Figures {
  std::atomic<uint64_t> written{0}, removed{0}, refused{0}, removed_when_full{0}, reads{0};
  std::atomic<uint64_t> restarts{0}, resumed{0}, opens_refused{0};
};

class FullDisk : public testing::Test {
 protected:
  void SetUp() override {
    std::string why_not = testing_support::own_mounts();
    if (why_not.empty()) why_not = disk_.mount(directory_.path(), kDiskBytes);
    if (!why_not.empty()) GTEST_SKIP() << why_not;
    disk_.fill("others", kShareBytes);
    open_again();
  }
  void TearDown() override { env_.reset(); }

  void open_again() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(disk_.path() + "/env", options());
    ASSERT_TRUE(env.has_value()) << env.error().message();
    env_ = *std::move(env);
    Result<KvStore> store = env_->open_store("rows");
    ASSERT_TRUE(store.has_value()) << store.error().message();
    store_.emplace(*store);
  }

  // --- the writers ---------------------------------------------------------------------------------------

  /// What became of a row that a call was to write: `stamp` 0 removes it.
  void note(Rows& rows, const std::string& key, uint64_t stamp, const Result<void>& done) {
    std::lock_guard lock(rows.mutex);
    if (done) {
      rows.acknowledged[key] = stamp;
      if (stamp == 0) rows.acknowledged.erase(key);
      rows.unknown.erase(key);
    } else if (done.error().code() == Code::failed) {
      rows.unknown[key] = stamp;
    }
  }

  /// Refused for lack of space: nothing of it may show.
  void check_refused(Rows& rows, const std::string& key) {
    uint64_t expected = 0;
    {
      std::lock_guard lock(rows.mutex);
      const auto found = rows.acknowledged.find(key);
      if (found != rows.acknowledged.end()) expected = found->second;
    }
    EXPECT_EQ(stamp_at(key).value_or(~uint64_t{0}), expected) << key << " was refused";
  }

  std::optional<uint64_t> stamp_at(const std::string& key) {
    const Result<std::string> value = store_->get(key);
    if (!value && value.error().code() == Code::not_found) return 0;
    EXPECT_TRUE(value.has_value()) << key << ": " << value.error().message();
    if (!value) return std::nullopt;
    const std::optional<uint64_t> stamp = stamp_of(key, *value);
    EXPECT_TRUE(stamp.has_value()) << key << " is damaged";
    return stamp;
  }

  Result<void> write_group(const std::vector<std::string>& keys, uint64_t stamp, size_t bytes) {
    AETHER_TRY_ASSIGN(Transaction txn, env_->begin());
    for (const std::string& key : keys)
      AETHER_TRY(store_->put(txn, key, stamped_value(key, stamp, bytes)));
    return txn.commit();
  }

  /// Who refuses: the message, but for its numbers.
  void count_message(const Error& error) {
    std::string text(error.message());
    std::erase_if(text, [](char c) { return c >= '0' && c <= '9'; });
    std::lock_guard lock(messages_mutex_);
    ++messages_[text];
    ++figures_.refused;
  }

  /// False: nothing more can be written.
  bool answer(Rows& rows, const std::vector<std::string>& keys, uint64_t stamp,
              const Result<void>& done) {
    for (const std::string& key : keys) note(rows, key, stamp, done);
    if (done) {
      (stamp == 0 ? figures_.removed : figures_.written) += keys.size();
      return true;
    }
    if (done.error().code() == Code::failed) return false;
    EXPECT_EQ(done.error().code(), Code::no_space) << done.error().message();
    count_message(done.error());
    for (const std::string& key : keys) check_refused(rows, key);
    return done.error().code() == Code::no_space;
  }

  std::string any_key(Rows& rows, uint64_t draw) {
    std::lock_guard lock(rows.mutex);
    if (rows.acknowledged.empty()) return "";
    const auto from = rows.acknowledged.lower_bound(std::to_string(draw % 90 + 10));
    return from == rows.acknowledged.end() ? rows.acknowledged.begin()->first : from->first;
  }

  bool remove_one(Rows& rows, uint64_t draw) {
    const std::string key = any_key(rows, draw);
    if (key.empty()) return true;
    const Result<void> done = store_->remove(key);
    if (done && full_.load()) ++figures_.removed_when_full;
    if (!done && done.error().code() == Code::not_found) return answer(rows, {key}, 0, {});
    return answer(rows, {key}, 0, done);
  }

  /// Keys begin with two random digits, so that they fall anywhere in the tree.
  static std::string new_key(int writer, uint64_t stamp) {
    return std::to_string(
               testing_support::scramble(stamp * 8 + static_cast<uint64_t>(writer)) % 90 + 10) +
           "/" + std::to_string(writer) + "/" + std::to_string(stamp);
  }

  void write(int writer, uint64_t seed) {
    Rows& rows = rows_[static_cast<size_t>(writer)];
    std::mt19937_64 random(seed);
    while (!stop_) {
      const uint64_t stamp = rows.next_stamp++;
      const uint64_t choice = random() % 20;
      const size_t bytes = choice == 0 ? 30000 + random() % 60000 : 100 + random() % 3000;
      std::vector<std::string> keys{new_key(writer, stamp)};
      bool goes_on = true;
      if (choice < 3) {
        for (int more = 0; more < 4; ++more)
          keys.push_back(keys[0] + static_cast<char>('a' + more));
        goes_on = answer(rows, keys, stamp, write_group(keys, stamp, bytes / 4));
      } else {
        if (choice < 7) {
          const std::string old = any_key(rows, random());
          if (!old.empty()) keys[0] = old;
        }
        const uint64_t refused = figures_.refused;
        goes_on = answer(rows, keys, stamp,
                         store_->put(keys[0], stamped_value(keys[0], stamp, bytes)));
        if (goes_on && figures_.refused != refused) goes_on = remove_one(rows, random());
      }
      if (!goes_on) {
        ++stopped_;
        return;
      }
    }
  }

  void read(uint64_t seed) {
    std::mt19937_64 random(seed);
    Clock::time_point last = Clock::now();
    while (!stop_) {
      Rows& rows = rows_[random() % kWriters];
      const std::string key = any_key(rows, random());
      if (key.empty()) continue;
      if (!stamp_at(key)) return;  // It has failed the test.
      ++figures_.reads;
      const Clock::time_point now = Clock::now();
      longest_pause_ = std::max(longest_pause_, now - last);
      last = now;
    }
  }

  // --- a round -------------------------------------------------------------------------------------------

  void start(uint64_t seed) {
    stop_ = false;
    stopped_ = 0;
    full_ = false;
    for (int writer = 0; writer < kWriters; ++writer)
      threads_.emplace_back([=, this] { write(writer, seed + static_cast<uint64_t>(writer)); });
    threads_.emplace_back([=, this] { read(seed + 77); });
  }
  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  /// Until `done` or too long.
  template <typename Done>
  void wait_until(const char* what, Done done) {
    const Clock::time_point end = Clock::now() + std::chrono::seconds(60);
    while (!done() && !HasFailure()) {
      ASSERT_LT(Clock::now(), end) << what << "; refused " << figures_.refused << ", stopped "
                                   << stopped_ << ", free " << disk_.free_bytes();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  bool has_failed() const { return env_->stats().state == "failed"; }

  void fill_up(uint64_t kind, std::mt19937_64& random) {
    const uint64_t before = figures_.refused;
    const uint64_t written = figures_.written;
    if (kind != 0) {
      wait_until("writing", [&] { return figures_.written > written + 200 || stopped_ > 0; });
      disk_.fill(kBallast, random() % (1 * MiB));
    }
    full_ = true;
    std::optional<Transaction> old;  // Holds versions back, which go to files.
    if (kind == 2) old.emplace(*env_->begin({.read_only = true}));
    wait_until("the disk to be full",
               [&] { return figures_.refused > before + 30 || stopped_ == kWriters; });
    if (kind == 3 && stopped_ == 0) {
      const Result<void> done = env_->checkpoint();
      EXPECT_TRUE(done || done.error().code() == Code::failed) << done.error().message();
    }
    const uint64_t reads = figures_.reads;
    wait_until("reads", [&] { return figures_.reads > reads + 20; });
  }

  void close_and_open(bool on_a_full_disk) {
    const Result<void> closed = env_->close();
    const bool fine = closed || closed.error().code() == Code::failed;
    EXPECT_TRUE(fine) << closed.error().message();
    env_.reset();
    if (on_a_full_disk) {
      disk_.fill(kBallast, 0);
      const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(disk_.path() + "/env", options());
      if (!env) {
        ++figures_.opens_refused;
        EXPECT_EQ(env.error().code(), Code::no_space) << env.error().message();
      }
    }
    disk_.release(kBallast);
    open_again();
  }

  /// Everything acknowledged is there, everything unknown is old or new and from now on what it is.
  void check_all() {
    for (Rows& rows : rows_) {
      for (const auto& [key, stamp] : rows.unknown) {
        const uint64_t found = stamp_at(key).value_or(~uint64_t{0});
        const auto acknowledged = rows.acknowledged.find(key);
        const uint64_t old = acknowledged == rows.acknowledged.end() ? 0 : acknowledged->second;
        EXPECT_TRUE(found == stamp || found == old) << key << " holds " << found;
        rows.acknowledged[key] = found;
      }
      rows.unknown.clear();
      std::erase_if(rows.acknowledged, [&](const auto& row) {
        EXPECT_EQ(stamp_at(row.first).value_or(~uint64_t{0}), row.second) << row.first;
        return row.second == 0;
      });
    }
    uint64_t expected = 0;
    for (const Rows& rows : rows_) expected += rows.acknowledged.size();
    const Result<uint64_t> found = store_->scan({}, [](Bytes, Bytes) { return true; });
    ASSERT_TRUE(found.has_value()) << found.error().message();
    EXPECT_EQ(*found, expected);
    const Result<VerifyReport> report = env_->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const VerifyProblem& problem : report->problems)
      ADD_FAILURE() << "page " << problem.page_id << ": " << problem.message;
  }

  /// Rows go until a fraction is left, so that the next round has something to fill.
  void thin_out(std::mt19937_64& random) {
    for (Rows& rows : rows_) {
      std::vector<std::string> keys;
      for (const auto& [key, stamp] : rows.acknowledged) {
        if (random() % 4 != 0) keys.push_back(key);
      }
      for (size_t from = 0; from < keys.size(); from += 64) {
        WriteBatch batch;
        for (size_t i = from; i < std::min(from + 64, keys.size()); ++i) {
          batch.remove(*store_, keys[i]);
          rows.acknowledged.erase(keys[i]);
          ++figures_.removed;
        }
        const Result<void> done = env_->write(batch);
        ASSERT_TRUE(done.has_value()) << done.error().message();
      }
    }
  }

  void play(uint64_t kind, uint64_t seed) {
    std::mt19937_64 random(seed);
    start(seed);
    fill_up(kind, random);
    const bool restart = stopped_ > 0;
    if (!restart) {
      // Space comes back, nobody does anything: writing goes on.
      disk_.release(kBallast);
      if (kind == 0) {
        stop();
        thin_out(random);
        start(seed + 1000);
      }
      full_ = false;
      const uint64_t written = figures_.written;
      wait_until("writing to go on",
                 [&] { return figures_.written > written + 50 || stopped_ > 0; });
      EXPECT_EQ(stopped_, 0) << "it failed after it had space again";
      ++figures_.resumed;
    }
    stop();
    if (restart) {
      ++figures_.restarts;
      EXPECT_TRUE(has_failed());
    }
    if (restart || kind == 4) close_and_open(kind == 4);
    disk_.release(kBallast);
    if (HasFatalFailure()) return;
    check_all();
    thin_out(random);
  }

  testing_support::TempDirectory directory_;
  testing_support::LoopImage disk_;
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
  std::array<Rows, kWriters> rows_;
  Figures figures_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> full_{false};
  std::atomic<int> stopped_{0};
  Clock::duration longest_pause_{};
  std::mutex messages_mutex_;
  std::map<std::string, uint64_t> messages_;
};

TEST_F(FullDisk, NothingIsLostAndReadsGoOn) {
  const uint64_t rounds = number_from_environment("AETHER_ROUNDS", 5);
  const uint64_t seed = number_from_environment("AETHER_SEED", std::random_device()());
  for (uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round) + " with AETHER_SEED=" + std::to_string(seed));
    play(round % 5, seed + round * 10007);
    if (HasFailure()) break;
  }
  stop();
  std::printf(
      "%llu rounds: %llu rows written, %llu removed (%llu while the disk was full), %llu "
      "calls refused; %llu reads, the longest pause %.0f ms; %llu rounds went on by "
      "themselves, %llu after a restart; %llu opens refused\n",
      static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(figures_.written),
      static_cast<unsigned long long>(figures_.removed),
      static_cast<unsigned long long>(figures_.removed_when_full),
      static_cast<unsigned long long>(figures_.refused),
      static_cast<unsigned long long>(figures_.reads),
      std::chrono::duration<double>(longest_pause_).count() * 1e3,
      static_cast<unsigned long long>(figures_.resumed),
      static_cast<unsigned long long>(figures_.restarts),
      static_cast<unsigned long long>(figures_.opens_refused));
  for (const auto& [message, count] : messages_)
    std::printf("%6llu  %s\n", static_cast<unsigned long long>(count), message.c_str());
}

// Goal:   with no free block at all the log goes round in the segments it has; who would need more is refused, and the rest
//         goes on.
// Method: rows are written again for 16 segments' worth; then a transaction that stays open keeps the log.
TEST_F(FullDisk, TheLogGoesRoundWithoutFreeSpace) {
  constexpr uint64_t kRowsOfBatch = 20;
  const auto key = [](uint64_t row) { return "key" + std::to_string(row); };
  const auto put = [&](uint64_t stamp) {
    WriteBatch batch;
    for (uint64_t row = 0; row < kRowsOfBatch; ++row)
      batch.put(*store_, key(row), stamped_value(key(row), stamp, 2000));
    return env_->write(batch);
  };
  ASSERT_TRUE(store_->put("open", "before").has_value());
  ASSERT_TRUE(store_->put("to go", "before").has_value());
  uint64_t stamp = 1;
  // Into the second segment: one alone cannot go round, and the next one is made in the background.
  for (; stamp < 70; ++stamp) ASSERT_TRUE(put(stamp).has_value());
  disk_.fill(kBallast, 0);
  for (; stamp < 210; ++stamp) {
    const Result<void> done = put(stamp);
    ASSERT_TRUE(done.has_value()) << stamp << ": " << done.error().message();
  }
  ASSERT_LT(disk_.free_bytes(), 256 * KiB);
  Transaction open = *env_->begin({.isolation = Isolation::read_committed});
  ASSERT_TRUE(store_->put(open, "open", "stays!").has_value());
  Result<void> done;
  while (done && stamp < 1000) done = put(stamp++);
  ASSERT_FALSE(done.has_value()) << "the log has no bound";
  EXPECT_EQ(done.error().code(), Code::no_space);
  EXPECT_NE(done.error().message().find("/log: the file system has no room"), std::string::npos)
      << done.error().message();
  EXPECT_EQ(stamp_at(key(7)), stamp - 2) << "what was refused shows";
  EXPECT_TRUE(store_->remove("to go").has_value()) << "no row can be removed";
  ASSERT_TRUE(open.commit().has_value());
  for (const uint64_t end = stamp + 30; stamp < end; ++stamp) {
    const Result<void> again = put(stamp);
    ASSERT_TRUE(again.has_value()) << again.error().message();
  }
  // What is there is enough to close, and to open again.
  ASSERT_TRUE(env_->close().has_value());
  env_.reset();
  open_again();
  EXPECT_EQ(stamp_at(key(7)), stamp - 1);
  EXPECT_EQ(*store_->get("open"), "stays!");
  EXPECT_EQ(store_->get("to go").error().code(), Code::not_found);
  ASSERT_TRUE(put(stamp).has_value());
}

}  // namespace
}  // namespace aether
