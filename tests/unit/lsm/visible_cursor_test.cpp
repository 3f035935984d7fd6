#include "lsm/visible_cursor.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "support/run_history.h"

namespace aether::lsm {
namespace {

using testing::EntryListCursor;
using testing::History;
using testing::HistoryMaker;
using testing::pointers;
using testing::read;
using testing::RunContents;
using testing::sources_of;

using Model = std::map<std::string, std::string>;

/// Random moves, both ways and round, beside a map of what the reader has to find.
void walk(VisibleCursor& cursor, const Model& model, const std::vector<std::string>& keys,
          std::mt19937_64& random) {
  auto at = model.end();
  bool is_somewhere = false;
  for (int i = 0; i < 120; ++i) {
    const std::string& key = keys[random() % keys.size()];
    Result<bool> moved = false;
    const auto to_prev_of = [&](Model::const_iterator place) {
      is_somewhere = place != model.begin();
      if (is_somewhere) at = std::prev(place);
    };
    const auto to = [&](Model::const_iterator place) {
      at = place;
      is_somewhere = at != model.end();
    };
    const uint64_t move = random() % 12;
    if (move == 0) {
      moved = cursor.first();
      to(model.begin());
    } else if (move == 1) {
      moved = cursor.last();
      to_prev_of(model.end());
    } else if (move == 2) {
      moved = cursor.seek(key);
      to(model.lower_bound(key));
    } else if (move == 3) {
      moved = cursor.seek_for_prev(key);
      to_prev_of(model.upper_bound(key));
    } else if (move % 2 == 0) {
      moved = cursor.next();
      to(is_somewhere ? std::next(at) : model.begin());
    } else {
      moved = cursor.prev();
      to_prev_of(is_somewhere ? at : model.end());
    }
    ASSERT_TRUE(moved.has_value());
    ASSERT_EQ(*moved, is_somewhere) << "step " << i << ", move " << move;
    ASSERT_EQ(cursor.positioned(), is_somewhere);
    if (!is_somewhere) continue;
    ASSERT_EQ(std::string(cursor.key()), at->first) << "step " << i << ", move " << move;
    ASSERT_EQ(std::string(cursor.value()), at->second);
  }
}

// Histories with snapshots, removals, range removals, expiry: every reader finds, in any order of moves, what the simplest
// reading finds key by key.
TEST(VisibleCursor, ShowsWhatTheReaderSees) {
  size_t shown = 0;
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history = HistoryMaker(seed).make();
    std::vector<RunContents> runs = std::move(history.inputs);
    for (RunContents& run : history.older) runs.push_back(std::move(run));
    std::mt19937_64 random(seed);
    std::vector<const txn::SnapshotBounds*> readers = {nullptr};
    for (const auto& snapshot : history.snapshots) readers.push_back(&snapshot);
    for (const txn::SnapshotBounds* reader : readers) {
      Model model;
      for (const std::string& key : history.keys) {
        if (const auto value = read(pointers(runs), key, reader, history.now_ms)) {
          model[key] = *value;
        }
      }
      shown += model.size();
      VisibleCursor cursor(
          sources_of(runs),
          [reader](TxnId writer) { return reader == nullptr || reader->sees(writer); },
          history.now_ms);
      walk(cursor, model, history.keys, random);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(shown, 1000u);
}

// A million tombstones before the first hit: passed, not piled up.
TEST(VisibleCursor, PassesManyTombstones) {
  std::vector<RunContents> runs(1);
  for (int i = 0; i < 1000000; ++i) {
    runs[0].entries.push_back(
        {.key = std::to_string(10000000 + i), .writer = 1, .kind = EntryKind::tombstone});
  }
  runs[0].entries.push_back({.key = "2", .writer = 1, .value = "hit"});
  VisibleCursor cursor(
      sources_of(runs), [](TxnId) { return true; }, 0);
  ASSERT_TRUE(*cursor.first());
  EXPECT_EQ(cursor.key(), "2");
  EXPECT_EQ(cursor.value(), "hit");
  EXPECT_FALSE(*cursor.prev());
  EXPECT_TRUE(*cursor.prev());
  EXPECT_EQ(cursor.value(), "hit");
}

TEST(RangeTombstoneMap, TheNewestCounts) {
  std::vector<RangeTombstoneMap::Given> given;
  given.push_back({{"b", "f", 5}, 1});
  given.push_back({{"d", "h", 3}, 0});
  given.push_back({{"d", "e", 9}, 0});
  const RangeTombstoneMap map(given);
  EXPECT_FALSE(map.removes("a", 9, 1));
  EXPECT_TRUE(map.removes("b", 1, 4));
  EXPECT_FALSE(map.removes("b", 1, 5));
  EXPECT_FALSE(map.removes("b", 0, 1));
  EXPECT_TRUE(map.removes("b", 2, 100));
  EXPECT_TRUE(map.removes("d", 0, 8));
  EXPECT_FALSE(map.removes("e", 0, 8));
  EXPECT_TRUE(map.removes("g", 1, 100));
  EXPECT_FALSE(map.removes("h", 9, 1));
}

}  // namespace
}  // namespace aether::lsm
