// Many keys in one call: the answers of single gets, of one moment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "integration/contract_fixture.h"

namespace aether::contract {
namespace {

using Values = std::vector<std::optional<std::string>>;

std::vector<Bytes> views(const std::vector<std::string>& keys) {
  return {keys.begin(), keys.end()};
}

TEST(MultiGet, VisitsEveryKeyInItsOrder) {
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(ok(store.put(key_of(i), std::to_string(i))));
  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.push_back(key_of((i * 7919) % 6000));  // Some are not there.
  keys.push_back(keys[3]);                                                  // One comes twice.
  keys.emplace_back();
  size_t next = 0;
  ASSERT_TRUE(ok(store.multi_get(views(keys), [&](size_t index, const Bytes* value) {
    ASSERT_EQ(index, next++);
    const Result<std::string> single = store.get(keys[index]);  // The visitor may use the store.
    ASSERT_EQ(value != nullptr, single.has_value()) << keys[index];
    if (value != nullptr) {
      EXPECT_EQ(*value, *single);
    }
  })));
  EXPECT_EQ(next, keys.size());

  const Result<Values> values = store.multi_get(views(keys));
  ASSERT_TRUE(ok(values));
  EXPECT_EQ(values->size(), keys.size());
  EXPECT_EQ((*values)[0], "0");
  EXPECT_EQ((*values)[100], (*values)[3]);
  EXPECT_EQ((*values)[101], std::nullopt);
}

TEST(MultiGet, OfNothingAndOfAnEmptyStore) {
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  EXPECT_TRUE(ok(store.multi_get({}, [](size_t, const Bytes*) { FAIL(); })));
  const std::vector<Bytes> keys{"a", ""};
  EXPECT_EQ(*store.multi_get(keys), (Values{std::nullopt, std::nullopt}));
  ASSERT_TRUE(ok(store.put("", "of the empty key")));
  ASSERT_TRUE(ok(store.put("a", "")));
  EXPECT_EQ(*store.multi_get(keys), (Values{"", "of the empty key"}));
}

// What does not lie in the leaf, and what the snapshot does not see any more.
TEST(MultiGet, LargeOlderAndRemovedValues) {
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  std::vector<std::string> keys;
  for (int i = 0; i < 40; ++i) {
    keys.push_back(key_of(i));
    const size_t bytes = i % 5 == 0 ? 20'000 : 20;
    ASSERT_TRUE(ok(store.put(keys.back(), std::string(bytes, static_cast<char>('a' + i % 26)))));
  }
  Transaction before = place.begin();
  Transaction newest = place.begin({.isolation = Isolation::read_committed});
  const Values old = *store.multi_get(views(keys));
  for (int i = 0; i < 40; i += 2) ASSERT_TRUE(ok(store.put(keys[i], "new")));
  for (int i = 1; i < 40; i += 4) ASSERT_TRUE(ok(store.remove(keys[i])));
  ASSERT_TRUE(ok(store.put(before, keys[3], "its own")));

  Values own = old;
  own[3] = "its own";
  EXPECT_EQ(*store.multi_get(before, views(keys)), own);
  Values now = old;
  for (int i = 0; i < 40; i += 2) now[i] = "new";
  for (int i = 1; i < 40; i += 4) now[i] = std::nullopt;
  EXPECT_EQ(*store.multi_get(views(keys)), now);
  EXPECT_EQ(*store.multi_get(newest, views(keys)), now);
}

// From the smallest pool, where pages come one by one, and from one in which a batch of keys is one batch of reads.
void from_a_pool_that_is_too_small(uint64_t frames) {
  constexpr int kRows = 10'000;
  Place place;
  place.options.pool_bytes = frames * 4096;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  for (int i = 0; i < kRows; ++i) {
    ASSERT_TRUE(ok(store.put(key_of(i), std::string(60, static_cast<char>('a' + i % 26)))));
  }
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> keys;
    std::vector<int> numbers;
    for (int i = 0; i < 64; ++i) {
      numbers.push_back(static_cast<int>(random() % kRows));
      keys.push_back(key_of(numbers.back()));
    }
    const Result<Values> values = store.multi_get(views(keys));
    ASSERT_TRUE(ok(values));
    for (int i = 0; i < 64; ++i) {
      ASSERT_EQ((*values)[i], std::string(60, static_cast<char>('a' + numbers[i] % 26)));
    }
  }
  EXPECT_GT(place.env->stats().page_reads, 1000u);  // It was too small.
}
TEST(MultiGet, FromAPoolThatIsMuchTooSmall) { from_a_pool_that_is_too_small(80); }
TEST(MultiGet, FromAPoolThatHoldsAQuarter) { from_a_pool_that_is_too_small(130); }

// After opening nothing is in memory, inner nodes neither: a level comes with each batch.
TEST(MultiGet, OfATreeOfWhichNothingIsInMemory) {
  constexpr int kRows = 30'000;
  Place place;
  ASSERT_TRUE(ok(place.open()));
  {
    KvStore store = place.store();
    for (int i = 0; i < kRows; ++i) ASSERT_TRUE(ok(store.put(key_of(i), std::string(60, 'v'))));
  }
  ASSERT_TRUE(ok(place.env->close()));
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  const uint64_t before = place.env->stats().page_reads;
  std::vector<std::string> keys;
  for (int i = 0; i < 64; ++i) keys.push_back(key_of((i * 7919) % kRows));
  const Result<Values> values = store.multi_get(views(keys));
  ASSERT_TRUE(ok(values));
  for (const std::optional<std::string>& value : *values) EXPECT_EQ(value, std::string(60, 'v'));
  const uint64_t reads = place.env->stats().page_reads - before;
  EXPECT_GE(reads, 64u);
  EXPECT_LE(reads, 64u + 20u) << "each page once";
}

// What a serializable transaction has read by it counts at the commit, also what was not there.
TEST(MultiGet, IsARememberedReadOfASerializableTransaction) {
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(ok(store.put(key_of(2 * i), "0")));
  std::vector<std::string> keys;
  for (int i = 0; i < 60; ++i) keys.push_back(key_of(i));  // Every other one is not there.
  const TxnOptions how{.isolation = Isolation::serializable};
  for (const int changed : {0, 17, 41, 58, 1000}) {
    Transaction reader = place.begin(how);
    ASSERT_TRUE(ok(store.multi_get(reader, views(keys))));
    ASSERT_TRUE(ok(store.put(reader, "its own", "1")));
    Transaction writer = place.begin(how);
    ASSERT_TRUE(ok(store.put(writer, key_of(changed), "1")));
    ASSERT_TRUE(ok(writer.commit()));
    if (changed < 60) {
      EXPECT_TRUE(fails(reader.commit(), Code::conflict)) << changed;
    } else {
      EXPECT_TRUE(ok(reader.commit()));
    }
  }
}

TEST(MultiGet, RefusesWhatGetRefuses) {
  Place place;
  ASSERT_TRUE(ok(place.open()));
  Place elsewhere;
  ASSERT_TRUE(ok(elsewhere.open()));
  KvStore store = place.store();
  const std::vector<Bytes> keys{"a"};
  Transaction foreign = elsewhere.begin();
  EXPECT_TRUE(fails(store.multi_get(foreign, keys), Code::invalid_argument, elsewhere.home));
  Transaction ended = place.begin();
  ASSERT_TRUE(ok(ended.commit()));
  EXPECT_TRUE(fails(store.multi_get(ended, keys), Code::closed));
  KvStore dropped = place.store("dropped");
  ASSERT_TRUE(ok(place.env->drop_store("dropped")));
  EXPECT_TRUE(fails(dropped.multi_get(keys), Code::not_found, "has been dropped"));
  const std::string long_key(100'000, 'k');  // As get: no such key.
  const std::vector<Bytes> long_keys{long_key};
  EXPECT_EQ(*store.multi_get(long_keys), Values{std::nullopt});
  ASSERT_TRUE(ok(place.env->close()));
  EXPECT_TRUE(fails(store.multi_get(keys), Code::closed));
}

// Writers move units between rows, by transactions and by splits that a growing tree brings. The sum of one call's answers
// is that of one moment, whatever happens meanwhile.
void sums_stay(Isolation isolation, bool alone) {
  constexpr int kRows = 48;
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  std::vector<std::string> keys;
  for (int i = 0; i < kRows; ++i) {
    keys.push_back(key_of(i * 100));
    ASSERT_TRUE(ok(store.put(keys.back(), "1000")));
  }
  std::atomic<int> writing{2};
  std::vector<std::thread> threads;
  for (uint32_t w = 0; w < 2; ++w) {
    threads.emplace_back([&, w] {
      std::mt19937 random(w);
      for (int i = 0; i < 1500; ++i) {
        Transaction txn = place.begin();
        const std::string& from = keys[random() % kRows];
        const std::string& to = keys[random() % kRows];
        const auto add = [&](const std::string& key, int units) -> Result<void> {
          AETHER_TRY_ASSIGN(const std::string value, store.get(txn, key));
          return store.put(txn, key, std::to_string(std::stoi(value) + units));
        };
        // Between the rows, so that their leaves split.
        static_cast<void>(
            store.put(txn, key_of(static_cast<int>(random() % 4800)) + "x", std::string(40, 'x')));
        if (add(from, -1) && add(to, 1)) {
          ASSERT_TRUE(ok(txn.commit()));
        }
      }
      writing.fetch_sub(1);
    });
  }
  const std::vector<Bytes> wanted = views(keys);
  while (writing.load() > 0) {
    Transaction txn = place.begin({.isolation = isolation, .read_only = true});
    int sum = 0;
    size_t visited = 0;
    const auto add = [&](size_t index, const Bytes* value) {
      ASSERT_EQ(index, visited++);
      ASSERT_NE(value, nullptr);
      sum += std::stoi(std::string(*value));
    };
    ASSERT_TRUE(ok(alone ? store.multi_get(wanted, add) : store.multi_get(txn, wanted, add)));
    ASSERT_EQ(visited, wanted.size());
    if (isolation == Isolation::snapshot) {
      ASSERT_EQ(sum, kRows * 1000);
    }
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(MultiGetConcurrent, AloneItSeesOneMoment) { sums_stay(Isolation::snapshot, true); }
TEST(MultiGetConcurrent, InATransactionItSeesItsMoment) { sums_stay(Isolation::snapshot, false); }
TEST(MultiGetConcurrent, AtReadCommittedItSeesWholeRows) {
  sums_stay(Isolation::read_committed, false);
}

}  // namespace
}  // namespace aether::contract
