#include "lsm/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>

#include "support/entry_list.h"
#include "support/run_history.h"

namespace aether::lsm {
namespace {

using testing::History;
using testing::HistoryMaker;
using testing::owned;
using testing::OwnedEntry;
using testing::pointers;
using testing::read;
using testing::RunContents;
using testing::sources_of;
using txn::SnapshotBounds;

class Collected final : public MergeOutput {
 public:
  Result<void> add(const Entry& entry) override {
    if (entry.kind == EntryKind::range_tombstone) {
      run.ranges.push_back({std::string(entry.key), std::string(entry.value), entry.writer});
    } else {
      run.entries.push_back(owned(entry));
    }
    return {};
  }
  Result<void> leave_out_value_apart(const Entry& entry) override {
    EXPECT_TRUE(left_out.insert(std::string(entry.value)).second) << "left out twice";
    return {};
  }
  RunContents run;
  std::set<std::string> left_out;
};

/// All in one step, as one part.
RunContents merge_all(const std::vector<RunContents>& newest_first, MergeRules rules) {
  Merge merge(sources_of(newest_first), std::move(rules));
  Collected out;
  EXPECT_TRUE(merge.begin().has_value());
  EXPECT_TRUE(merge.step(~uint64_t{0}, out).has_value());
  EXPECT_TRUE(merge.has_ended());
  EXPECT_TRUE(merge.end_part(out).has_value());
  return out.run;
}

std::vector<OlderKeys::Range> ranges_of(const std::vector<RunContents>& runs) {
  std::vector<OlderKeys::Range> ranges;
  for (const RunContents& run : runs) {
    std::optional<OlderKeys::Range> range;
    const auto take_in = [&range](const std::string& from, const std::string& to) {
      if (!range) range = OlderKeys::Range{from, to};
      range->smallest = std::min(range->smallest, from);
      range->largest = std::max(range->largest, to);
    };
    for (const OwnedEntry& entry : run.entries) take_in(entry.key, entry.key);
    for (const RangeTombstone& tombstone : run.ranges) take_in(tombstone.begin, tombstone.end);
    if (range) ranges.push_back(*range);
  }
  return ranges;
}

/// Every open snapshot and later readers, now and when more has expired, find after the merge what they found before.
void expect_same_answers(const History& history, const std::vector<RunContents>& parts) {
  std::vector<const RunContents*> before = pointers(history.inputs);
  std::vector<const RunContents*> after = pointers(parts);
  for (const RunContents& run : history.older) {
    before.push_back(&run);
    after.push_back(&run);
  }
  std::vector<const SnapshotBounds*> readers = {nullptr};
  for (const SnapshotBounds& snapshot : history.snapshots) readers.push_back(&snapshot);
  for (const SnapshotBounds* reader : readers) {
    for (const uint64_t now_ms : {history.now_ms, history.now_ms + 200}) {
      for (const std::string& key : history.keys) {
        ASSERT_EQ(read(after, key, reader, now_ms), read(before, key, reader, now_ms))
            << "key " << ::testing::PrintToString(key) << ", at " << now_ms
            << (reader == nullptr ? ", later reader" : ", snapshot");
      }
    }
  }
}

/// Nothing stays that nobody needs.
void expect_nothing_to_spare(const History& history, const MergeRules& rules,
                             const std::vector<RunContents>& parts) {
  const size_t later = history.snapshots.size();
  for (const RunContents& part : parts) {
    for (size_t i = 0; i < part.entries.size(); ++i) {
      const OwnedEntry& entry = part.entries[i];
      size_t newer = later + 1;
      if (i > 0 && part.entries[i - 1].key == entry.key) {
        newer = rules.snapshots.first_to_see(part.entries[i - 1].writer);
      }
      ASSERT_LT(rules.snapshots.first_to_see(entry.writer), newer) << "a newer one is seen by all";
      ASSERT_FALSE(entry.borrow().has_expired(history.now_ms)) << "should be a tombstone";
      if (entry.kind != EntryKind::tombstone) continue;
      const bool hides_here = i + 1 < part.entries.size() && part.entries[i + 1].key == entry.key;
      const bool all_see_it = rules.snapshots.first_to_see(entry.writer) == 0;
      ASSERT_TRUE(hides_here || rules.older.may_have(entry.key) || !all_see_it)
          << "a tombstone that hides nothing";
    }
    for (const RangeTombstone& range : part.ranges) {
      ASSERT_TRUE(rules.snapshots.first_to_see(range.writer) > 0 ||
                  rules.older.may_have_between(range.begin, range.end));
    }
  }
}

/// No part reaches into another.
void expect_disjoint(const std::vector<RunContents>& parts) {
  std::string reached;
  bool is_first = true;
  for (const RunContents& part : parts) {
    std::string smallest;
    std::string largest;  // Without: keys and ranges end before it.
    bool has_any = false;
    const auto take_in = [&](const std::string& from, const std::string& to) {
      smallest = has_any ? std::min(smallest, from) : from;
      largest = has_any ? std::max(largest, to) : to;
      has_any = true;
    };
    for (const OwnedEntry& entry : part.entries) take_in(entry.key, entry.key + '\0');
    for (const RangeTombstone& range : part.ranges) take_in(range.begin, range.end);
    if (!has_any) continue;
    ASSERT_TRUE(is_first || reached <= smallest);
    reached = largest;
    is_first = false;
  }
}

// Random histories with snapshots, removals, range removals and expiry; in steps of any size, cut into parts anywhere, begun
// again behind any part: every reader finds what he found before, and nothing stays that nobody needs.
TEST(Merge, EveryReaderFindsWhatHeFoundBefore) {
  size_t values_apart = 0;
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const History history = HistoryMaker(seed).make();
    values_apart += history.values_apart;
    MergeRules rules{OpenSnapshots(history.snapshots), OlderKeys(ranges_of(history.older)),
                     history.now_ms};
    std::mt19937_64 random(seed * 7);
    const bool has_parts = random() % 2 == 0;
    std::vector<RunContents> parts;
    auto merge = std::make_unique<Merge>(sources_of(history.inputs), rules);
    ASSERT_TRUE(merge->begin().has_value());
    Collected out;
    std::set<std::string> left_out;
    for (;;) {
      const Result<uint64_t> read_bytes = merge->step(1 + random() % 20, out);
      ASSERT_TRUE(read_bytes.has_value());
      const bool has_ended = merge->has_ended();
      ASSERT_TRUE(*read_bytes > 0 || has_ended);
      if (has_ended || (has_parts && random() % 3 == 0)) {
        const Result<bool> has_any = merge->end_part(out);
        ASSERT_TRUE(has_any.has_value());
        ASSERT_EQ(*has_any, !out.run.entries.empty() || !out.run.ranges.empty());
        parts.push_back(std::move(out.run));
        left_out.insert(out.left_out.begin(), out.left_out.end());
        out = Collected();
        if (has_ended) {
          ASSERT_FALSE(*merge->end_part(out)) << "there is one last part";
          break;
        }
        if (random() % 2 == 0) {  // A restart.
          const std::string last_key(merge->last_key());
          merge = std::make_unique<Merge>(sources_of(history.inputs), rules);
          ASSERT_TRUE(merge->begin_after(last_key).has_value());
        }
      }
    }
    expect_same_answers(history, parts);
    expect_nothing_to_spare(history, rules, parts);
    expect_disjoint(parts);
    for (const RunContents& run : history.inputs) {
      for (const OwnedEntry& entry : run.entries) {
        if (entry.kind != EntryKind::value_apart) continue;
        const bool stays = std::any_of(parts.begin(), parts.end(), [&](const RunContents& part) {
          return std::find(part.entries.begin(), part.entries.end(), entry) != part.entries.end();
        });
        ASSERT_NE(stays, left_out.count(entry.value) == 1) << "a value lost, or kept for ever";
      }
    }
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(values_apart, 0u);
}

OwnedEntry value(const char* key, TxnId writer, uint64_t expiry_ms = 0) {
  return {.key = key, .writer = writer, .expiry_ms = expiry_ms, .value = key};
}
OwnedEntry tombstone(const char* key, TxnId writer, uint64_t expiry_ms = 0) {
  return {.key = key, .writer = writer, .kind = EntryKind::tombstone, .expiry_ms = expiry_ms};
}
MergeRules at(uint64_t now_ms, std::vector<OlderKeys::Range> older = {}) {
  return {OpenSnapshots(), OlderKeys(std::move(older)), now_ms};
}

/// HanoiDB's rule, to show what the tests below are about: what has expired, tombstones too, is dropped by any merge, and other
/// tombstones are dropped where one of two inputs has ended.
RunContents merge_as_hanoidb(const std::vector<RunContents>& newest_first, uint64_t now_ms) {
  RunContents out;
  std::map<std::string, std::pair<size_t, OwnedEntry>> newest;
  for (size_t i = newest_first.size(); i-- > 0;) {
    for (const OwnedEntry& entry : newest_first[i].entries) newest[entry.key] = {i, entry};
  }
  for (const auto& [key, found] : newest) {
    const OwnedEntry& entry = found.second;
    if (entry.borrow().has_expired(now_ms)) continue;
    bool is_other_at_end = false;
    for (size_t i = 0; i < newest_first.size(); ++i) {
      const auto& entries = newest_first[i].entries;
      if (i != found.first && (entries.empty() || entries.back().key < key)) is_other_at_end = true;
    }
    if (entry.kind == EntryKind::tombstone && entry.expiry_ms == 0 && is_other_at_end) continue;
    out.entries.push_back(entry);
  }
  return out;
}

// An older version that lives longer, in a run that is not part of the merge, must not come back when a newer one expires.
TEST(Merge, WhatExpiredStillHidesWhatIsOlder) {
  const std::vector<RunContents> inputs = {{{value("k", 9, 500)}, {}}, {{value("a", 7)}, {}}};
  const RunContents older{{value("k", 1)}, {}};
  const std::vector<const RunContents*> before = {&inputs[0], &inputs[1], &older};
  ASSERT_EQ(read(before, "k", nullptr, 600), std::nullopt);

  const RunContents theirs = merge_as_hanoidb(inputs, 600);
  EXPECT_EQ(read({&theirs, &older}, "k", nullptr, 600), "k") << "their rule does bring it back";

  const RunContents ours = merge_all(inputs, at(600, {{"k", "k"}}));
  EXPECT_EQ(read({&ours, &older}, "k", nullptr, 600), std::nullopt);
  EXPECT_THAT(ours.entries, ::testing::ElementsAre(value("a", 7), tombstone("k", 9)));
}

TEST(Merge, ATombstoneWithAnExpiryHidesWhatIsOlderForEver) {
  const std::vector<RunContents> inputs = {{{tombstone("k", 9, 500)}, {}}, {{value("a", 7)}, {}}};
  const RunContents older{{value("k", 1)}, {}};
  const RunContents theirs = merge_as_hanoidb(inputs, 600);
  EXPECT_EQ(read({&theirs, &older}, "k", nullptr, 600), "k");
  const RunContents ours = merge_all(inputs, at(600, {{"a", "z"}}));
  EXPECT_EQ(read({&ours, &older}, "k", nullptr, 600), std::nullopt);
}

// Where inputs interleave and nothing older is there, all tombstones go: a store shrinks when its keys are removed.
TEST(Merge, TombstonesGoAtTheLastLevelHoweverTheInputsLie) {
  std::vector<RunContents> inputs(2);
  for (const char* key : {"b", "d", "f"}) inputs[0].entries.push_back(tombstone(key, 9));
  for (const char* key : {"a", "b", "d", "f", "z"}) inputs[1].entries.push_back(value(key, 1));
  EXPECT_EQ(merge_as_hanoidb(inputs, 0).entries.size(), 5u) << "their tombstones stay";
  const RunContents ours = merge_all(inputs, at(0));
  EXPECT_THAT(ours.entries, ::testing::ElementsAre(value("a", 1), value("z", 1)));
  // One input alone, and keys that older runs do not have.
  const RunContents alone = merge_all({inputs[0]}, at(0, {{"c", "e"}}));
  EXPECT_THAT(alone.entries, ::testing::ElementsAre(tombstone("d", 9)));
}

TEST(Merge, ASnapshotKeepsItsVersionAndWhatHidesIt) {
  SnapshotBounds old_one;
  old_one.low = old_one.next = 5;
  const std::vector<RunContents> inputs = {{{tombstone("k", 9)}, {}},
                                           {{value("k", 7), value("k", 4), value("k", 3)}, {}}};
  const MergeRules rules{OpenSnapshots({old_one}), OlderKeys(), 0};
  EXPECT_THAT(merge_all(inputs, rules).entries,
              ::testing::ElementsAre(tombstone("k", 9), value("k", 4)));
  EXPECT_THAT(merge_all(inputs, at(0)).entries, ::testing::IsEmpty());
}

// Range tombstones remove what is older, within a run by writer; are cut where a part ends; go where nothing older is.
TEST(Merge, RangeTombstonesRemoveAndAreCut) {
  std::vector<RunContents> inputs(2);
  inputs[0] = {{value("b", 9), value("c", 5)}, {{"b", "d", 8}}};
  inputs[1] = {{value("a", 1), value("b", 1), value("c", 2), value("d", 1)}, {{"a", "b", 1}}};
  EXPECT_THAT(merge_all(inputs, at(0)).entries,
              ::testing::ElementsAre(value("a", 1), value("b", 9), value("d", 1)));
  EXPECT_THAT(merge_all(inputs, at(0)).ranges, ::testing::IsEmpty());

  Merge merge(sources_of(inputs), at(0, {{"c", "z"}}));
  Collected first;
  Collected second;
  ASSERT_TRUE(merge.begin().has_value());
  ASSERT_TRUE(merge.step(3, first).has_value());
  ASSERT_TRUE(*merge.end_part(first));
  ASSERT_TRUE(merge.step(1000, second).has_value());
  ASSERT_TRUE(*merge.end_part(second));
  EXPECT_THAT(first.run.entries, ::testing::ElementsAre(value("a", 1), value("b", 9)));
  EXPECT_THAT(first.run.ranges, ::testing::IsEmpty()) << "below c nothing older is";
  ASSERT_EQ(second.run.ranges.size(), 1u);
  EXPECT_EQ(second.run.ranges[0].begin, std::string("b\0", 2));
  EXPECT_EQ(second.run.ranges[0].end, "d");
}

TEST(Merge, StepsReadAboutWhatIsDue) {
  std::vector<RunContents> runs(1);
  for (int i = 0; i < 1000; ++i) {
    runs[0].entries.push_back(
        {.key = "key " + std::to_string(10000 + i), .writer = 1, .value = std::string(100, 'v')});
  }
  Merge merge(sources_of(runs), at(0));
  Collected out;
  ASSERT_TRUE(merge.begin().has_value());
  uint64_t sum = 0;
  while (!merge.has_ended()) {
    const uint64_t got = *merge.step(500, out);
    EXPECT_TRUE((got >= 500 && got <= 609) || merge.has_ended()) << got;
    sum += got;
  }
  EXPECT_EQ(sum, 109u * 1000);
  EXPECT_EQ(merge.bytes_read(), sum);
  EXPECT_EQ(merge.entries_read(), 1000u);
  EXPECT_EQ(merge.entries_written(), 1000u);
}

TEST(OlderKeys, KnowsWhichKeysMayBeThere) {
  const OlderKeys older({{"m", "p"}, {"c", "e"}, {"d", "f"}, {"z", "z"}});
  for (const char* key : {"c", "e", "f", "m", "n", "p", "z"})
    EXPECT_TRUE(older.may_have(key)) << key;
  for (const char* key : {"", "b", "fa", "l", "pa", "y", "za"}) {
    EXPECT_FALSE(older.may_have(key)) << key;
  }
  EXPECT_TRUE(older.may_have_between("a", "ca"));
  EXPECT_FALSE(older.may_have_between("a", "c"));
  EXPECT_TRUE(older.may_have_between("p", "q"));
  EXPECT_FALSE(older.may_have_between("pa", "z"));
  EXPECT_FALSE(OlderKeys().may_have("a"));
}

TEST(OpenSnapshots, ALaterOneSeesAllThatAnEarlierOneSees) {
  SnapshotBounds first;
  first.low = 10;
  first.next = 20;
  first.open = {10, 15};
  SnapshotBounds second;
  second.low = 15;
  second.next = 30;
  second.open = {15, 25};
  const OpenSnapshots open({first, second});
  EXPECT_EQ(open.first_to_see(9), 0u);
  EXPECT_EQ(open.first_to_see(12), 0u);
  EXPECT_EQ(open.first_to_see(10), 1u);
  EXPECT_EQ(open.first_to_see(21), 1u);
  EXPECT_EQ(open.first_to_see(15), 2u);
  EXPECT_EQ(open.first_to_see(40), 2u);
}

}  // namespace
}  // namespace aether::lsm
