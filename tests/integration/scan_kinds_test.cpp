// Scans of stores of all kinds over rows of every sort: what the index shows as it is goes straight to the visitor, and what does not is
// looked at by itself; and visitors that change what they scan.
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {
namespace {

using Rows = std::map<std::string, std::string>;

constexpr int kKeys = 4000;

class ScanKinds : public testing::TestWithParam<IndexKind> {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(
        "/env", {.pool_bytes = 8 * MiB, .background_threads = false}, os_);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    env_ = *std::move(env);
    Result<KvStore> opened = env_->open_store(
        "rows", {.index = GetParam(), .lsm = {.nursery_bytes = 64 * KiB, .block_bytes = 4 * KiB}});
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    store_ = *opened;
    past_ms_ = os_.wall_ns() / 1'000'000 - 1;
  }
  static void ok(const Result<void>& done) {
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  static std::string key(int number) {
    std::string digits = std::to_string(number);
    return "key" + std::string(5 - digits.size(), '0') + digits;
  }
  /// Plain ones mostly; one in nine is removed, expires, has done so, or may have a large value.
  void change(int number) {
    const std::string at = key(number);
    const std::string value = std::to_string(random_()) + std::string(random_() % 60, 'v');
    switch (random_() % 9) {
      case 0:
        if (rows_.erase(at) != 0) ok(store_->remove(at));
        return;
      case 1:
        ok(store_->put(at, value, {.expires_at_ms = past_ms_ + 1'000'000'000}));
        rows_[at] = value;
        return;
      case 2:
        ok(store_->put(at, value, {.expires_at_ms = past_ms_}));
        rows_.erase(at);
        return;
      case 3:
        rows_[at] = random_() % 16 == 0 ? std::string(40'000, static_cast<char>('a' + number % 26))
                                        : value;
        ok(store_->put(at, rows_[at]));
        return;
      default: ok(store_->put(at, value)); rows_[at] = value;
    }
  }
  void fill() {
    for (int i = 0; i < 2 * kKeys; ++i) change(static_cast<int>(random_() % kKeys));
  }
  template <typename Scan>
  static Rows found(const Range& range, Scan scan) {
    Rows result;
    std::string last;
    const Result<uint64_t> visited = scan(range, [&](Bytes at, Bytes value) {
      EXPECT_TRUE(last.empty() || (range.reverse ? at < last : at > last)) << at;
      last.assign(at);
      return result.emplace(at, value).second;
    });
    EXPECT_TRUE(visited.has_value()) << visited.error().message();
    EXPECT_TRUE(!visited.has_value() || *visited == result.size());
    return result;
  }
  static Rows within(const Rows& rows, const Range& range) {
    return {rows.lower_bound(std::string(range.begin)),
            range.end.empty() ? rows.end() : rows.lower_bound(std::string(range.end))};
  }

  sim::SimOs os_{sim::SimOptions{.seed = 1}};
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
  Rows rows_;
  uint64_t past_ms_ = 0;
  std::mt19937_64 random_{7};
};

std::string name_of(const testing::TestParamInfo<IndexKind>& kind) {
  constexpr const char* kNames[] = {"btree", "skiplist", "rax", "lsm", "rax_paged"};
  return kNames[static_cast<size_t>(kind.param) - 1];
}
INSTANTIATE_TEST_SUITE_P(Of, ScanKinds,
                         testing::Values(IndexKind::btree, IndexKind::skiplist, IndexKind::rax,
                                         IndexKind::lsm, IndexKind::rax_paged),
                         name_of);

// Goal:   rows of every sort, in memory and in runs, some changed after the moment that a transaction sees: its scans show that moment,
//         and those without one what there is.
TEST_P(ScanKinds, ShowEachRowAsItsMomentHasIt) {
  fill();
  Result<Transaction> txn = env_->begin();
  ASSERT_TRUE(txn.has_value());
  ASSERT_FALSE(store_->get(*txn, "no such key").has_value());  // From here on it sees what is now.
  const Rows then = rows_;
  for (int i = 0; i < kKeys / 4; ++i) change(static_cast<int>(random_() % kKeys));
  for (int i = 0; i < 60; ++i) {
    const int from = static_cast<int>(random_() % kKeys);
    const std::string begin = i == 0 ? "" : key(from);
    const std::string end = i == 0 ? "" : key(from + static_cast<int>(random_() % 400));
    for (const bool reverse : {false, true}) {
      const Range range{.begin = begin, .end = end, .reverse = reverse};
      EXPECT_TRUE(found(range, [&](const Range& of,
                                   auto visitor) { return store_->scan(*txn, of, visitor); }) ==
                  within(then, range))
          << begin << " to " << end;
      EXPECT_TRUE(
          found(range, [&](const Range& of, auto visitor) { return store_->scan(of, visitor); }) ==
          within(rows_, range))
          << begin << " to " << end;
    }
  }
}

// Goal:   what a visitor writes ahead with the transaction of its scan, the scan meets.
TEST_P(ScanKinds, AVisitorMeetsWhatItWroteAhead) {
  fill();
  Result<Transaction> txn = env_->begin();
  ASSERT_TRUE(txn.has_value());
  uint64_t visits = 0;
  auto expected = rows_.begin();
  const Result<uint64_t> visited = store_->scan(*txn, {}, [&](Bytes at, Bytes value) {
    EXPECT_TRUE(expected != rows_.end() && at == expected->first && value == expected->second)
        << at;
    const std::string here(at);
    if (++visits % 7 == 0) {
      const auto next = std::next(expected);
      if (next != rows_.end() && visits % 2 == 0) {
        ok(store_->remove(*txn, next->first));
        rows_.erase(next);
      } else if (next != rows_.end()) {
        next->second = "another";
        ok(store_->put(*txn, next->first, next->second));
      }
      ok(store_->put(*txn, here + "+", "new"));
      rows_[here + "+"] = "new";
      ok(store_->remove(*txn, here));
      rows_.erase(here);
    }
    expected = rows_.upper_bound(here);
    return !testing::Test::HasFailure();
  });
  ASSERT_TRUE(visited.has_value()) << visited.error().message();
  EXPECT_EQ(*visited, visits);
  EXPECT_TRUE(expected == rows_.end());
  ok(txn->commit());
  EXPECT_TRUE(found({}, [&](const Range& of, auto visitor) { return store_->scan(of, visitor); }) ==
              rows_);
}

// Goal:   a scan whose transaction ends under it shows no more rows, and says why.
TEST_P(ScanKinds, AVisitorMayEndTheTransaction) {
  fill();
  for (const uint64_t last : {1u, 2u, 300u}) {
    Result<Transaction> txn = env_->begin();
    ASSERT_TRUE(txn.has_value());
    uint64_t visits = 0;
    const Result<uint64_t> visited = store_->scan(*txn, {}, [&](Bytes, Bytes) {
      if (++visits == last) ok(txn->commit());
      return true;
    });
    ASSERT_FALSE(visited.has_value());
    EXPECT_EQ(visited.error().code(), Code::closed);
    EXPECT_EQ(visits, last);
  }
}

}  // namespace
}  // namespace aether
