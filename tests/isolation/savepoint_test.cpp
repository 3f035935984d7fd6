// Savepoints: going back inside a transaction, and what a crash right after it leaves.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "isolation/one_store_fixture.h"
#include "support/edited_value.h"

namespace aether {
namespace {

class SavepointTest : public OneStoreTest {
 protected:
  SavepointTest() : OneStoreTest(8 * MiB) {}
  static void back(Transaction& txn, const Savepoint& savepoint) { ok(txn.rollback_to(savepoint)); }
};

TEST_F(SavepointTest, TakesBackWhatCameAfter) {
  ASSERT_TRUE(store_->put("old", "1").has_value());
  ASSERT_TRUE(store_->put("gone", "1").has_value());
  Transaction txn = *env_->begin();
  put(txn, "kept", "1");
  const Savepoint savepoint = *txn.savepoint();
  put(txn, "old", "2");
  put(txn, "kept", "2");
  put(txn, "new", "2");
  ASSERT_TRUE(store_->remove(txn, "gone").has_value());
  back(txn, savepoint);
  const Rows expected{{"gone", "1"}, {"kept", "1"}, {"old", "1"}};
  EXPECT_EQ(rows(txn), expected);
  put(txn, "after", "3");
  ASSERT_TRUE(txn.commit().has_value());
  EXPECT_EQ(rows(), (Rows{{"after", "3"}, {"gone", "1"}, {"kept", "1"}, {"old", "1"}}));
}

TEST_F(SavepointTest, RowsTakenBackAreOthersToWrite) {
  ASSERT_TRUE(store_->put("row", "1").has_value());
  Transaction txn = *env_->begin();
  const Savepoint savepoint = *txn.savepoint();
  put(txn, "row", "2");
  EXPECT_EQ(store_->put("row", "3").error().code(), Code::conflict);
  back(txn, savepoint);
  EXPECT_TRUE(store_->put("row", "3").has_value());
  ASSERT_TRUE(txn.commit().has_value());
  EXPECT_EQ(*store_->get("row"), "3");
}

TEST_F(SavepointTest, StaysUsableAfterAFailedStatement) {
  Transaction txn = *env_->begin();
  put(txn, "a", "1");
  const Savepoint savepoint = *txn.savepoint();
  put(txn, "b", "1");
  EXPECT_EQ(store_->insert(txn, "a", "2").error().code(), Code::exists);
  back(txn, savepoint);
  back(txn, savepoint);  // It stays.
  put(txn, "c", "1");
  ASSERT_TRUE(txn.commit().has_value());
  EXPECT_EQ(rows(), (Rows{{"a", "1"}, {"c", "1"}}));
}

TEST_F(SavepointTest, ReleasedOrForeignOnesAreRefused) {
  Transaction txn = *env_->begin(), other = *env_->begin();
  const Savepoint outer = *txn.savepoint(), inner = *txn.savepoint();
  const Savepoint foreign = *other.savepoint();
  EXPECT_EQ(txn.rollback_to(foreign).error().code(), Code::invalid_argument);
  EXPECT_EQ(txn.rollback_to(Savepoint()).error().code(), Code::invalid_argument);
  ASSERT_TRUE(txn.release(inner).has_value());
  EXPECT_EQ(txn.release(inner).error().code(), Code::invalid_argument);
  const Savepoint again = *txn.savepoint();
  ASSERT_TRUE(txn.rollback_to(outer).has_value());
  EXPECT_EQ(txn.rollback_to(again).error().code(), Code::invalid_argument);
  ASSERT_TRUE(txn.release(outer).has_value());
  EXPECT_EQ(txn.rollback_to(outer).error().code(), Code::invalid_argument);
  ASSERT_TRUE(txn.commit().has_value());
  EXPECT_EQ(txn.savepoint().error().code(), Code::closed);
  EXPECT_EQ(txn.rollback_to(outer).error().code(), Code::closed);
}

TEST_F(SavepointTest, LargeValuesComeAndGo) {
  const std::string large(100'000, 'x'), other(90'000, 'y');
  ASSERT_TRUE(store_->put("row", large).has_value());
  for (int round = 0; round < 20; ++round) {
    Transaction txn = *env_->begin();
    const Savepoint savepoint = *txn.savepoint();
    put(txn, "row", other);
    put(txn, "new", other);
    ASSERT_TRUE(store_->remove(txn, "row").has_value());
    back(txn, savepoint);
    EXPECT_EQ(*store_->get(txn, "row"), large);
    put(txn, "other", "1");
    ASSERT_TRUE(txn.commit().has_value());
  }
  EXPECT_EQ(*store_->get("row"), large);
  // The pages of what was taken back are free again: verify counts them.
  const VerifyReport report = *env_->verify();
  for (const VerifyProblem& problem : report.problems) ADD_FAILURE() << problem.message;
}

TEST_F(SavepointTest, CursorsOfTheTransactionSeeTheRowsComeBack) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(store_->put(key, "1").has_value());
  Transaction txn = *env_->begin();
  Cursor cursor = store_->cursor(txn);
  ASSERT_TRUE(*cursor.first());
  const Savepoint savepoint = *txn.savepoint();
  ASSERT_TRUE(store_->remove(txn, "b").has_value());
  back(txn, savepoint);
  ASSERT_TRUE(*cursor.next());
  EXPECT_EQ(cursor.key(), "b");
}

TEST_F(SavepointTest, ACrashRightAfterGoingBackLosesOrKeepsTheWhole) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    const bool commits = seed % 2 == 0;
    std::mt19937_64 random(seed);
    const Rows before = rows();
    Rows model = before;
    std::vector<std::pair<Savepoint, Rows>> marks;
    Transaction txn = *env_->begin();
    for (int step = 0; step < 60; ++step) {
      const std::string key = std::to_string(random() % 20);
      const uint64_t dice = random() % 10;
      if (dice < 5) {
        std::string value(random() % 3 == 0 ? 5000 : random() % 200, 'v');
        if (model.contains(key) && random() % 2 == 0)
          value = testing_support::edited(model[key], random);
        put(txn, key, value);
        model[key] = value;
      } else if (dice < 7) {
        EXPECT_EQ(store_->remove(txn, key).has_value(), model.erase(key) == 1);
      } else if (dice < 9 || marks.empty()) {
        marks.emplace_back(*txn.savepoint(), model);
      } else {
        const size_t to = random() % marks.size();
        back(txn, marks[to].first);
        model = marks[to].second;
        marks.resize(to + 1);
      }
    }
    if (!marks.empty()) {
      back(txn, marks.back().first);
      model = marks.back().second;
    }
    EXPECT_EQ(rows(txn), model);
    if (commits) {
      ASSERT_TRUE(txn.commit().has_value());
    } else {
      // Durable as far as it goes: what recovery has to undo, CLRs among it.
      ASSERT_TRUE(store_->put("other" + std::to_string(seed), "1").has_value());
      model = before;
      model["other" + std::to_string(seed)] = "1";
    }
    std::unique_ptr<sim::SimOs> after = os_->crash({.seed = seed});
    { const Transaction gone = std::move(txn); }
    env_.reset();
    os_ = std::move(after);
    open();
    EXPECT_EQ(rows(), model);
    EXPECT_TRUE(env_->verify()->ok());
  }
}

}  // namespace
}  // namespace aether
