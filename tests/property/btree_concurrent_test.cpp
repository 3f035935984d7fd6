// The store under many threads: writers of the same and of different rows, readers and cursors beside them, aborts,
// checkpoints, and a pool so small that eviction never rests. What the threads noted is what must be there.
//
// Replay: AETHER_SEED=<seed from the failure> btree_concurrent_test --gtest_filter=<name of the test>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "property/world.h"
#include "support/stamped_value.h"

namespace aether {
namespace {

using testing_support::base_seed;
using testing_support::kSlowdown;
using testing_support::name_of;
using testing_support::scramble;
using testing_support::stamp_of;
using testing_support::stamped_value;
using testing_support::World;

constexpr uint64_t kWriters = 4;

class BTreeConcurrent : public testing::TestWithParam<std::pair<uint32_t, IndexKind>> {
 protected:
  BTreeConcurrent() : world_(GetParam().first, 160, std::nullopt) {}

  void SetUp() override {
    world_.open();
    if (!HasFatalFailure()) store_.emplace(world_.store("main", GetParam().second));
  }

  static std::mt19937_64 random_of(uint64_t thread) {
    return std::mt19937_64(scramble(base_seed() * 64 + thread));
  }

  /// Neighbours in number are far apart in key order, so that threads meet in the same pages.
  static std::string key_of(uint64_t number) {
    return std::to_string(scramble(number) % 100000) + "/" + std::to_string(number);
  }

  /// Most values are small; one in 64 is kept outside its page.
  static std::string value_of(Bytes key, uint64_t stamp) {
    const uint64_t chance = scramble(stamp);
    const size_t bytes = chance % 64 == 0 ? 6000 + chance / 64 % 20000 : 16 + chance / 64 % 180;
    return stamped_value(key, stamp, bytes);
  }

  /// Runs `writers` to their end, with `helpers` beside them that go round until then.
  void run(const std::vector<std::function<void()>>& writers,
           const std::vector<std::function<void()>>& helpers) {
    std::vector<std::thread> beside;
    for (const std::function<void()>& helper : helpers) {
      beside.emplace_back([&, helper] {
        while (!stop_.load() && !testing::Test::HasFailure()) helper();
      });
    }
    std::vector<std::thread> threads;
    for (const std::function<void()>& writer : writers) threads.emplace_back(writer);
    for (std::thread& thread : threads) thread.join();
    stop_.store(true);
    for (std::thread& thread : beside) thread.join();
  }

  /// One checkpoint, then a rest twice as long: back to back they would leave a slow disk to nobody else.
  void checkpoint() {
    const auto begun = std::chrono::steady_clock::now();
    const Result<void> done = world_.env->checkpoint();
    EXPECT_TRUE(done.has_value()) << done.error().message();
    std::this_thread::sleep_for(2 * (std::chrono::steady_clock::now() - begun));
  }

  /// One pass of a cursor: keys strictly in order, every value whole.
  void walk(bool backwards) {
    Cursor cursor = store_->cursor();
    std::string last;
    bool has_last = false;
    Result<bool> more = backwards ? cursor.last() : cursor.first();
    for (; more && *more; more = backwards ? cursor.prev() : cursor.next()) {
      if (has_last) {
        EXPECT_TRUE(backwards ? cursor.key() < last : cursor.key() > last)
            << cursor.key() << " after " << last;
      }
      last = cursor.key();
      has_last = true;
      const Result<Bytes> value = cursor.value();
      if (!value && value.error().code() == Code::not_found) continue;  // Removed since.
      ASSERT_TRUE(value.has_value()) << value.error().message();
      ASSERT_TRUE(stamp_of(last, *value).has_value()) << last << ": " << value->size() << " bytes";
    }
    EXPECT_TRUE(more.has_value()) << more.error().message();
  }

  void read_some(uint64_t numbers) {
    thread_local std::mt19937_64 random = random_of(1000);
    std::string value;
    for (int i = 0; i < 100; ++i) {
      const std::string key = key_of(random() % numbers);
      const Result<void> got = store_->get(key, value);
      if (got) {
        ASSERT_TRUE(stamp_of(key, value).has_value()) << key << ": " << value.size() << " bytes";
      } else {
        ASSERT_EQ(got.error().code(), Code::not_found) << got.error().message();
      }
    }
  }

  std::vector<std::function<void()>> usual_helpers(uint64_t numbers) {
    return {[this] { walk(false); }, [this] { walk(true); },
            [this, numbers] { read_some(numbers); }, [this] { checkpoint(); }};
  }

  void expect_content(const std::map<std::string, uint64_t>& expected) {
    std::map<std::string, uint64_t> found;
    const Result<uint64_t> rows = store_->scan({}, [&](Bytes key, Bytes value) {
      const std::optional<uint64_t> stamp = stamp_of(key, value);
      EXPECT_TRUE(stamp.has_value()) << key << ": " << value.size() << " bytes";
      found[std::string(key)] = stamp.value_or(0);
      return true;
    });
    ASSERT_TRUE(rows.has_value()) << rows.error().message();
    EXPECT_EQ(*rows, found.size());
    for (const auto& [key, stamp] : expected) {
      EXPECT_TRUE(found.contains(key)) << key << " is lost; its stamp was " << stamp;
      if (found.contains(key)) {
        EXPECT_EQ(found[key], stamp) << key;
      }
    }
    for (const auto& [key, stamp] : found) {
      EXPECT_TRUE(expected.contains(key)) << key << " must not be there, with stamp " << stamp;
    }
  }

  /// The content is right now, and after closing and opening.
  void expect_content_twice(const std::map<std::string, uint64_t>& expected) {
    ASSERT_NO_FATAL_FAILURE(expect_content(expected));
    world_.verify();
    store_.reset();
    ASSERT_NO_FATAL_FAILURE(world_.close());
    ASSERT_NO_FATAL_FAILURE(world_.open());
    store_.emplace(world_.store("main", GetParam().second));
    ASSERT_NO_FATAL_FAILURE(expect_content(expected));
  }

  World world_;
  std::optional<KvStore> store_;
  std::atomic<bool> stop_{false};
};

/// A writer of rows that nobody else writes: it knows at every moment what they hold.
class OwnRows {
 public:
  OwnRows(DbEnv& env, KvStore store, std::mt19937_64 random, uint64_t thread, uint64_t numbers,
          std::string (*key_of)(uint64_t), std::string (*value_of)(Bytes, uint64_t))
      : env_(env),
        store_(store),
        random_(random),
        thread_(thread),
        numbers_(numbers),
        key_of_(key_of),
        value_of_(value_of) {}

  void step() {
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2: return write(nullptr, now_);
      case 3: return remove(nullptr, now_);
      case 4:
      case 5: return read();
      default: return transaction();
    }
  }

  const std::map<std::string, uint64_t>& rows() const { return now_; }

 private:
  std::string pick_key() { return key_of_(random_() % numbers_ * kWriters + thread_); }

  void write(Transaction* txn, std::map<std::string, uint64_t>& rows) {
    const std::string key = pick_key();
    const uint64_t stamp = ++stamp_ * kWriters + thread_;
    const std::string value = value_of_(key, stamp);
    const Result<void> put = txn != nullptr ? store_.put(*txn, key, value) : store_.put(key, value);
    ASSERT_TRUE(put.has_value()) << put.error().message();
    rows[key] = stamp;
  }

  void remove(Transaction* txn, std::map<std::string, uint64_t>& rows) {
    const std::string key = pick_key();
    const bool there = rows.erase(key) == 1;
    const Result<void> gone = txn != nullptr ? store_.remove(*txn, key) : store_.remove(key);
    ASSERT_EQ(gone.has_value(), there) << key;
    if (!there) {
      ASSERT_EQ(gone.error().code(), Code::not_found) << gone.error().message();
    }
  }

  void read() {
    const std::string key = pick_key();
    const Result<std::string> got = store_.get(key);
    const auto found = now_.find(key);
    ASSERT_EQ(got.has_value(), found != now_.end()) << key;
    if (!got) {
      ASSERT_EQ(got.error().code(), Code::not_found) << got.error().message();
      return;
    }
    ASSERT_EQ(stamp_of(key, *got), std::optional(found->second)) << key;
  }

  void transaction() {
    Result<Transaction> txn = env_.begin();
    ASSERT_TRUE(txn.has_value()) << txn.error().message();
    std::map<std::string, uint64_t> after = now_;
    for (uint64_t i = random_() % 12; i > 0 && !testing::Test::HasFatalFailure(); --i) {
      if (random_() % 3 == 0) {
        remove(&*txn, after);
      } else {
        write(&*txn, after);
      }
    }
    const bool commits = random_() % 2 == 0;
    const Result<void> ended = commits ? txn->commit() : txn->abort();
    ASSERT_TRUE(ended.has_value()) << ended.error().message();
    if (commits) now_ = std::move(after);
  }

  DbEnv& env_;
  KvStore store_;
  std::mt19937_64 random_;
  const uint64_t thread_;
  const uint64_t numbers_;
  std::string (*key_of_)(uint64_t);
  std::string (*value_of_)(Bytes, uint64_t);
  uint64_t stamp_ = 0;
  std::map<std::string, uint64_t> now_;
};

// Goal:   threads that write different rows of the same pages do not disturb each other.
// Method: each thread keeps a map of its own rows and reads them back all along; the union is the content.
TEST_P(BTreeConcurrent, WritersOfDifferentRows) {
  SCOPED_TRACE("AETHER_SEED=" + std::to_string(base_seed()));
  const uint64_t numbers = 1200;
  const uint64_t steps = 4000 / kSlowdown;
  std::deque<OwnRows> owners;
  std::vector<std::function<void()>> writers;
  for (uint64_t thread = 0; thread < kWriters; ++thread) {
    OwnRows& rows = owners.emplace_back(*world_.env, *store_, random_of(thread), thread, numbers,
                                        &key_of, &value_of);
    writers.push_back([&rows] {
      for (uint64_t i = 0; i < steps && !HasFailure(); ++i) rows.step();
    });
  }
  run(writers, usual_helpers(numbers * kWriters));
  ASSERT_FALSE(HasFailure());
  std::map<std::string, uint64_t> all;
  for (const OwnRows& rows : owners) all.insert(rows.rows().begin(), rows.rows().end());
  expect_content_twice(all);
}

// Goal:   first updater wins: a row that a transaction has written is its own until it ends, and an abort under
//         contention brings back exactly what was there.
// Method: who holds a row notes its stamp before it commits; the notes are the content at the end.
TEST_P(BTreeConcurrent, TransactionsOnTheSameRows) {
  SCOPED_TRACE("AETHER_SEED=" + std::to_string(base_seed()));
  constexpr uint64_t kNumbers = 300;
  const uint64_t steps = 2500 / kSlowdown;
  std::vector<std::atomic<uint64_t>> notes(kNumbers);  // 0: not there.
  std::atomic<uint64_t> conflicts{0};
  const auto transaction = [&](std::mt19937_64& random, uint64_t& stamp) {
    Result<Transaction> txn = world_.env->begin();
    ASSERT_TRUE(txn.has_value()) << txn.error().message();
    std::map<uint64_t, uint64_t> written;
    for (uint64_t i = 1 + random() % 4; i > 0; --i) {
      const uint64_t number = random() % kNumbers;
      const std::string key = key_of(number);
      const bool removes = random() % 4 == 0;
      stamp += kWriters;
      const Result<void> done = removes ? store_->remove(*txn, key)
                                        : store_->put(*txn, key, value_of(key, stamp));
      if (done) {
        written[number] = removes ? 0 : stamp;
      } else if (done.error().code() == Code::conflict) {
        conflicts.fetch_add(1);
        break;
      } else {
        ASSERT_EQ(done.error().code(), Code::not_found) << done.error().message();
      }
    }
    if (random() % 3 == 0) {
      const Result<void> aborted = txn->abort();
      ASSERT_TRUE(aborted.has_value()) << aborted.error().message();
      return;
    }
    for (const auto& [number, note] : written) notes[number].store(note);
    const Result<void> committed = txn->commit();
    ASSERT_TRUE(committed.has_value()) << committed.error().message();
  };
  std::vector<std::function<void()>> writers;
  for (uint64_t thread = 0; thread < kWriters; ++thread) {
    writers.push_back([&, thread] {
      std::mt19937_64 random = random_of(thread);
      uint64_t stamp = kWriters + thread;
      for (uint64_t i = 0; i < steps && !HasFailure(); ++i) transaction(random, stamp);
    });
  }
  run(writers, usual_helpers(kNumbers));
  ASSERT_FALSE(HasFailure());
  std::map<std::string, uint64_t> all;
  for (uint64_t number = 0; number < kNumbers; ++number) {
    if (notes[number] != 0) all[key_of(number)] = notes[number];
  }
  expect_content_twice(all);
  RecordProperty("conflicts", std::to_string(conflicts.load()));
}

// Goal:   puts and removes of the same rows, each alone: the last one to come stays, whole.
// Method: the content of a row at the end is the last word of one of the threads.
TEST_P(BTreeConcurrent, SingleWritesOfTheSameRows) {
  SCOPED_TRACE("AETHER_SEED=" + std::to_string(base_seed()));
  constexpr uint64_t kNumbers = 200;
  const uint64_t steps = 6000 / kSlowdown;
  std::vector<std::map<uint64_t, uint64_t>> last(kWriters);  // Number to stamp; 0: removed.
  std::vector<std::function<void()>> writers;
  for (uint64_t thread = 0; thread < kWriters; ++thread) {
    writers.push_back([&, thread] {
      std::mt19937_64 random = random_of(thread);
      uint64_t stamp = kWriters + thread;
      for (uint64_t i = 0; i < steps && !HasFailure(); ++i) {
        const uint64_t number = random() % kNumbers;
        const std::string key = key_of(number);
        const bool removes = random() % 3 == 0;
        stamp += kWriters;
        const Result<void> done = removes ? store_->remove(key)
                                          : store_->put(key, value_of(key, stamp));
        if (done) {
          last[thread][number] = removes ? 0 : stamp;
        } else {
          // A large value is written in a transaction of its own, so it may be in the way of others.
          const Code code = done.error().code();
          ASSERT_TRUE(code == Code::conflict || (removes && code == Code::not_found))
              << done.error().message();
        }
      }
    });
  }
  run(writers, usual_helpers(kNumbers));
  ASSERT_FALSE(HasFailure());
  for (uint64_t number = 0; number < kNumbers; ++number) {
    const std::string key = key_of(number);
    const Result<std::string> got = store_->get(key);
    const uint64_t stamp = got ? stamp_of(key, *got).value_or(~uint64_t{0}) : 0;
    bool said = false;
    bool written = false;
    for (const std::map<uint64_t, uint64_t>& words : last) {
      const auto found = words.find(number);
      written = written || found != words.end();
      said = said || (found != words.end() && found->second == stamp);
    }
    EXPECT_TRUE(said || (!written && stamp == 0)) << key << " has stamp " << stamp;
  }
  world_.verify();
}

// Goal:   a scan misses no row that is there all the time, and sees none twice, while the pages under it split, merge,
//         are evicted and come back.
// Method: every eighth row never changes; writers fill and empty the gaps; every scan must meet all of them in order.
TEST_P(BTreeConcurrent, ScansMeetEveryRowThatStays) {
  SCOPED_TRACE("AETHER_SEED=" + std::to_string(base_seed()));
  constexpr uint64_t kStaying = 400;
  constexpr uint64_t kSpacing = 8;
  const uint64_t rounds = kSlowdown > 1 ? 2 : 5;
  const auto name = [](uint64_t number) { return std::to_string(1000000 + number); };
  std::vector<std::string> staying;
  for (uint64_t i = 0; i < kStaying; ++i) {
    staying.push_back(name(i * kSpacing));
    ASSERT_TRUE(store_->put(staying.back(), value_of(staying.back(), i + 1)).has_value());
  }
  std::vector<std::function<void()>> writers;
  for (uint64_t thread = 0; thread < kWriters; ++thread) {
    writers.push_back([&, thread] {
      std::mt19937_64 random = random_of(thread);
      for (uint64_t round = 0; round < rounds; ++round) {
        std::vector<std::string> mine;
        for (uint64_t i = 0; i < kStaying * kSpacing; ++i) {
          if (i % kSpacing == thread + 1) mine.push_back(name(i) + std::string(random() % 90, '.'));
        }
        if (thread % 2 == 1) std::shuffle(mine.begin(), mine.end(), random);
        for (const std::string& key : mine) {
          const Result<void> put = store_->put(key, value_of(key, random()));
          ASSERT_TRUE(put.has_value()) << put.error().message();
        }
        if (thread < 2) std::reverse(mine.begin(), mine.end());
        for (const std::string& key : mine) {
          const Result<void> removed = store_->remove(key);
          ASSERT_TRUE(removed.has_value()) << removed.error().message();
        }
        if (HasFailure()) return;
      }
    });
  }
  std::atomic<uint64_t> scans{0};
  const auto scan = [&](bool reverse) {
    size_t met = 0;
    const Result<uint64_t> rows = store_->scan(
        {.begin = {}, .end = {}, .reverse = reverse}, [&](Bytes key, Bytes value) {
          if (!stamp_of(key, value)) ADD_FAILURE() << key << ": a damaged value";
          if (met < kStaying && key == staying[reverse ? kStaying - 1 - met : met]) ++met;
          return true;
        });
    EXPECT_TRUE(rows.has_value()) << rows.error().message();
    EXPECT_EQ(met, kStaying) << "the scan missed a row" << (reverse ? ", backwards" : "");
    scans.fetch_add(1);
  };
  run(writers, {[&] { scan(false); }, [&] { scan(true); }, [this] { checkpoint(); }});
  ASSERT_FALSE(HasFailure());
  EXPECT_GT(scans.load(), 0u);
  std::map<std::string, uint64_t> all;
  for (uint64_t i = 0; i < kStaying; ++i) all[staying[i]] = i + 1;
  expect_content_twice(all);
}

INSTANTIATE_TEST_SUITE_P(
    Pages, BTreeConcurrent,
    testing::Values(std::pair(4096u, IndexKind::btree), std::pair(16384u, IndexKind::btree),
                    std::pair(4096u, IndexKind::skiplist), std::pair(4096u, IndexKind::rax),
                    std::pair(4096u, IndexKind::lsm), std::pair(4096u, IndexKind::rax_paged)),
    [](const auto& tested) {
      return std::to_string(tested.param.first / 1024) + "KiB" + name_of(tested.param.second);
    });

}  // namespace
}  // namespace aether
