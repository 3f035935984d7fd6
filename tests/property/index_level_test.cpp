// A program's own index, and each of ours, as a level beside a real run: readers and merges find what they find in lists.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "examples/locked_map.h"
#include "index/rax/rax.h"
#include "index/skiplist/skiplist.h"
#include "lsm/index_entries.h"
#include "lsm/merge.h"
#include "lsm/visible_cursor.h"
#include "support/run_history.h"
#include "support/run_world.h"

namespace aether::lsm {
namespace {

using testing::cursor_over;
using testing::History;
using testing::HistoryMaker;
using testing::owned;
using testing::OwnedEntry;
using testing::pointers;
using testing::read;
using testing::RunContents;
using testing::sources_of;
using testing_support::OwnEntry;
using testing_support::RunWorld;
using txn::SnapshotBounds;

template <typename I>
void fill(I& index, const RunContents& contents) {
  // In another order than they lie in.
  for (size_t i = contents.entries.size(); i-- > 0;) {
    ASSERT_TRUE(put_entry(index, contents.entries[i].borrow()).has_value());
  }
}

/// The contents of a history's generations, in turn as a level in the program's own map, a radix tree, a skiplist and a run.
class Levels {
 public:
  Levels(RunWorld& world, const std::vector<RunContents>& newest_first) : world_(world) {
    for (const RunContents& contents : newest_first) {
      switch (levels_.size() % 4) {
        case 0: add<LockedMap>(contents); break;
        case 1: add_run(contents); break;
        case 2: add<index::Rax>(contents); break;
        default: add<index::Skiplist>(contents);
      }
    }
  }
  ~Levels() {
    for (const auto& run : runs_) EXPECT_TRUE(world_.free(*run).has_value());
  }
  Levels(const Levels&) = delete;
  Levels& operator=(const Levels&) = delete;

  std::vector<MergeSource> sources() const {
    std::vector<MergeSource> sources;
    for (const auto& make : levels_) sources.push_back(make());
    return sources;
  }

 private:
  template <typename I>
  void add(const RunContents& contents) {
    auto index = std::make_shared<I>();
    fill(*index, contents);
    levels_.push_back([index, ranges = contents.ranges] {
      return MergeSource{entries_of(std::as_const(*index)), ranges};
    });
  }
  void add_run(const RunContents& contents) {
    std::vector<OwnEntry> entries;
    for (const OwnedEntry& entry : contents.entries) {
      entries.push_back({entry.key, entry.writer, entry.kind, entry.expiry_ms, entry.value});
    }
    RunOptions options;
    options.run_id = ++last_run_;
    options.store = 9;
    const Result<RunReference> reference = world_.write(entries, options);
    ASSERT_TRUE(reference.has_value()) << reference.error().message();
    runs_.push_back(world_.open(*reference));
    levels_.push_back([run = runs_.back(), ranges = contents.ranges] {
      return MergeSource{std::make_unique<EntryCursorOf<RunCursor>>(RunCursor(run)), ranges};
    });
  }

  inline static uint64_t last_run_ = 0;
  RunWorld& world_;
  std::vector<std::function<MergeSource()>> levels_;
  std::vector<std::shared_ptr<const Run>> runs_;
};

/// The same moves on both, which must answer alike.
void walk_alike(MergingCursor& one, MergingCursor& other, const std::vector<std::string>& keys,
                std::mt19937_64& random) {
  bool is_there = false;
  for (int i = 0; i < 80; ++i) {
    const std::string& key = keys[random() % keys.size()];
    const uint64_t move = is_there ? random() % 12 : random() % 4;
    const auto go = [&](MergingCursor& cursor) {
      return move == 0       ? cursor.first()
             : move == 1     ? cursor.last()
             : move == 2     ? cursor.seek(key)
             : move == 3     ? cursor.seek_for_prev(key)
             : move % 2 == 0 ? cursor.next()
                             : cursor.prev();
    };
    const Result<bool> moved = go(one);
    const Result<bool> wanted = go(other);
    ASSERT_TRUE(moved.has_value()) << moved.error().message();
    ASSERT_EQ(*moved, *wanted) << "move " << move;
    is_there = *moved;
    if (!is_there) continue;
    ASSERT_EQ(owned(one.entry()), owned(other.entry()));
    ASSERT_EQ(one.source(), other.source());
  }
}

MergingCursor merging(std::vector<MergeSource> sources) {
  std::vector<std::unique_ptr<EntryCursor>> cursors;
  for (MergeSource& source : sources) cursors.push_back(std::move(source.cursor));
  return MergingCursor(std::move(cursors));
}

TEST(IndexLevel, ServesReadersBesideRuns) {
  size_t shown = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RunWorld world;
    History history = HistoryMaker(seed).make();
    std::vector<RunContents> all = history.inputs;
    all.insert(all.end(), history.older.begin(), history.older.end());
    const Levels levels(world, all);
    std::mt19937_64 random(seed);
    MergingCursor cursor = merging(levels.sources());
    MergingCursor model = merging(sources_of(all));
    walk_alike(cursor, model, history.keys, random);
    if (::testing::Test::HasFatalFailure()) return;

    std::vector<const SnapshotBounds*> readers = {nullptr};
    for (const SnapshotBounds& snapshot : history.snapshots) readers.push_back(&snapshot);
    for (const SnapshotBounds* reader : readers) {
      std::map<std::string, std::string> wanted;
      for (const std::string& key : history.keys) {
        if (const auto value = read(pointers(all), key, reader, history.now_ms)) {
          wanted[key] = *value;
        }
      }
      std::map<std::string, std::string> found;
      VisibleCursor visible(
          levels.sources(),
          [reader](TxnId writer) { return reader == nullptr || reader->sees(writer); },
          history.now_ms);
      Result<bool> moved = visible.first();
      for (; moved && *moved; moved = visible.next()) found.emplace(visible.key(), visible.value());
      ASSERT_TRUE(moved.has_value()) << moved.error().message();
      ASSERT_EQ(found, wanted);
      shown += found.size();
    }
  }
  EXPECT_GT(shown, 500u);
}

/// A level in the program's own index is what a merge makes.
class IntoIndex final : public MergeOutput {
 public:
  Result<void> add(const Entry& entry) override {
    if (entry.kind != EntryKind::range_tombstone) return put_entry(map, entry);
    ranges.push_back({std::string(entry.key), std::string(entry.value), entry.writer});
    return {};
  }
  Result<void> leave_out_value_apart(const Entry&) override {
    ++left_out;
    return {};
  }
  LockedMap map;
  std::vector<RangeTombstone> ranges;
  size_t left_out = 0;
};

class IntoList final : public MergeOutput {
 public:
  Result<void> add(const Entry& entry) override {
    if (entry.kind == EntryKind::range_tombstone) {
      run.ranges.push_back({std::string(entry.key), std::string(entry.value), entry.writer});
    } else {
      run.entries.push_back(owned(entry));
    }
    return {};
  }
  Result<void> leave_out_value_apart(const Entry&) override {
    ++left_out;
    return {};
  }
  RunContents run;
  size_t left_out = 0;
};

void merge_all(std::vector<MergeSource> sources, const History& history, MergeOutput& output) {
  MergeRules rules;
  rules.now_ms = history.now_ms;
  Merge merge(std::move(sources), std::move(rules));
  ASSERT_TRUE(merge.begin().has_value());
  ASSERT_TRUE(merge.step(~uint64_t{0}, output).has_value());
  ASSERT_TRUE(merge.has_ended());
  ASSERT_TRUE(merge.end_part(output).has_value());
}

TEST(IndexLevel, IsMergedWithRunsAndTakesWhatComesOut) {
  size_t merged = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RunWorld world;
    const History history = HistoryMaker(seed).make();
    const Levels levels(world, history.inputs);
    IntoIndex out;
    IntoList wanted;
    merge_all(levels.sources(), history, out);
    merge_all(sources_of(history.inputs), history, wanted);
    if (::testing::Test::HasFatalFailure()) return;
    EXPECT_EQ(out.left_out, wanted.left_out);
    EXPECT_EQ(out.ranges.size(), wanted.run.ranges.size());

    std::vector<OwnedEntry> entries;
    const auto cursor = entries_of(std::as_const(out.map));
    Result<bool> moved = cursor->first();
    for (; moved && *moved; moved = cursor->next()) entries.push_back(owned(cursor->entry()));
    ASSERT_TRUE(moved.has_value()) << moved.error().message();
    ASSERT_EQ(entries, wanted.run.entries);
    merged += entries.size();
  }
  EXPECT_GT(merged, 100u);
}

TEST(IndexLevel, ARowThatIsNoEntryIsCorruption) {
  std::string key;
  append_row_key(key, "k", 7);
  const auto first_of = [](Bytes row_key, Bytes row_value) {
    LockedMap map;
    EXPECT_TRUE(map.put(row_key, row_value).has_value());
    const Result<bool> moved = entries_of(std::as_const(map))->first();
    return moved ? Code{} : moved.error().code();
  };
  EXPECT_EQ(first_of(key, Bytes("\x01\0v", 3)), Code{});
  EXPECT_EQ(first_of(key, ""), Code::corruption);
  EXPECT_EQ(first_of(key, "\x01"), Code::corruption);
  EXPECT_EQ(first_of(key, Bytes("\x03\0v", 3)), Code::corruption);
  EXPECT_EQ(first_of(key, Bytes("\x05\0v", 3)), Code::corruption);
  EXPECT_EQ(first_of("k", Bytes("\x01\0v", 3)), Code::corruption);
  EXPECT_EQ(first_of(key.substr(0, key.size() - 1), Bytes("\x01\0v", 3)), Code::corruption);
  EXPECT_EQ(first_of(key + "x", Bytes("\x01\0v", 3)), Code::corruption);

  LockedMap map;
  const Result<void> refused = put_entry(
      map,
      {.key = "a", .writer = 1, .kind = EntryKind::range_tombstone, .expiry_ms = 0, .value = "b"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::invalid_argument);
}

}  // namespace
}  // namespace aether::lsm
