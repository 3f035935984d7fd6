#include "lsm/merging_cursor.h"

#include <gtest/gtest.h>

#include <random>

#include "support/entry_list.h"

namespace aether::lsm {
namespace {

using testing::cursor_over;
using testing::EntryListCursor;
using testing::owned;
using testing::OwnedEntry;

/// A short key over few letters: many are the same, or prefixes of others; beginnings with and without zeros.
std::string random_key(std::mt19937_64& random) {
  constexpr char kLetters[] = {'\0', 'a', '\xff'};
  std::string key = random() % 2 == 0 ? "" : "some begin";
  for (uint64_t length = random() % 4; length > 0; --length) key += kLetters[random() % 3];
  return key;
}

struct Sources {
  std::vector<std::vector<OwnedEntry>> newest_first;
  std::vector<OwnedEntry> merged;  ///< The value names the source.

  explicit Sources(std::mt19937_64& random) : newest_first(random() % 9) {
    for (size_t i = 0; i < newest_first.size(); ++i) {
      std::vector<OwnedEntry>& entries = newest_first[i];
      for (uint64_t left = random() % 12; left > 0; --left) {
        entries.push_back(
            {.key = random_key(random), .writer = random() % 100, .value = std::to_string(i)});
      }
      std::sort(entries.begin(), entries.end(), [](const OwnedEntry& a, const OwnedEntry& b) {
        return compare_places(a.key, a.writer, b.key, b.writer) < 0;
      });
      merged.insert(merged.end(), entries.begin(), entries.end());
    }
    std::stable_sort(merged.begin(), merged.end(),
                     [](const OwnedEntry& a, const OwnedEntry& b) { return a.key < b.key; });
  }
  MergingCursor cursor() const {
    std::vector<std::unique_ptr<EntryCursor>> cursors;
    for (const auto& entries : newest_first) cursors.push_back(cursor_over(entries));
    return MergingCursor(std::move(cursors));
  }
};

// Every move, in any order, turns included, against one sorted list: by key, then the newest source, then as the source has it.
TEST(MergingCursor, IsOneSortedListBothWays) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Sources sources(random);
    MergingCursor cursor = sources.cursor();
    EntryListCursor model(sources.merged);
    bool is_there = false;
    for (int i = 0; i < 300; ++i) {
      const std::string key = random_key(random);
      Result<bool> moved = false;
      Result<bool> wanted = false;
      const uint64_t move = random() % 12;
      if (move == 0) {
        moved = cursor.first();
        wanted = model.first();
      } else if (move == 1) {
        moved = cursor.last();
        wanted = model.last();
      } else if (move == 2) {
        moved = cursor.seek(key);
        wanted = model.seek(key);
      } else if (move == 3) {
        moved = cursor.seek_for_prev(key);
        wanted = model.seek_for_prev(key);
      } else if (!is_there) {
        continue;
      } else if (move % 2 == 0) {
        moved = cursor.next();
        wanted = model.next();
      } else {
        moved = cursor.prev();
        wanted = model.prev();
      }
      ASSERT_TRUE(moved.has_value());
      is_there = *moved;
      ASSERT_EQ(is_there, *wanted) << "move " << move;
      ASSERT_EQ(cursor.valid(), is_there);
      if (!is_there) continue;
      ASSERT_EQ(owned(cursor.entry()), owned(model.entry())) << "move " << move;
      ASSERT_EQ(std::to_string(cursor.source()), cursor.entry().value);
    }
  }
}

TEST(MergingCursor, OfNothingIsNowhere) {
  MergingCursor cursor({});
  EXPECT_FALSE(cursor.valid());
  EXPECT_FALSE(*cursor.first());
  EXPECT_FALSE(*cursor.seek("a"));
  EXPECT_FALSE(*cursor.last());
}

/// Fails at the n-th move.
class FailingCursor {
 public:
  FailingCursor(const std::vector<OwnedEntry>& entries, int moves)
      : inner_(entries), moves_(moves) {}
  Result<bool> first() { return or_fail(inner_.first()); }
  Result<bool> last() { return or_fail(inner_.last()); }
  Result<bool> seek(Bytes key) { return or_fail(inner_.seek(key)); }
  Result<bool> seek_for_prev(Bytes key) { return or_fail(inner_.seek_for_prev(key)); }
  Result<bool> next() { return or_fail(inner_.next()); }
  Result<bool> prev() { return or_fail(inner_.prev()); }
  const Entry& entry() const noexcept { return inner_.entry(); }

 private:
  Result<bool> or_fail(Result<bool> result) {
    return --moves_ == 0 ? Result<bool>(Error(Code::corruption, "block 7")) : std::move(result);
  }
  EntryListCursor inner_;
  int moves_;
};

// A damaged source is an error at the move that meets it, and the cursor is nowhere then; never a list with a gap.
TEST(MergingCursor, ASourcesErrorIsAnError) {
  std::vector<OwnedEntry> entries;
  for (const char* key : {"a", "b", "c", "d"}) entries.push_back({.key = key, .writer = 1});
  for (int failing = 1; failing <= 6; ++failing) {
    std::vector<std::unique_ptr<EntryCursor>> cursors;
    cursors.push_back(cursor_over(entries));
    cursors.push_back(
        std::make_unique<EntryCursorOf<FailingCursor>>(FailingCursor(entries, failing)));
    MergingCursor cursor(std::move(cursors));
    bool has_failed = false;
    Result<bool> moved = cursor.first();
    for (int turn = 0; !has_failed; ++turn) {
      if (!moved) {
        has_failed = true;
        EXPECT_EQ(moved.error().code(), Code::corruption);
        EXPECT_FALSE(cursor.valid());
      } else if (!*moved) {
        break;
      } else {
        moved = turn == 4 ? cursor.prev() : cursor.next();
      }
    }
    EXPECT_TRUE(has_failed) << failing;
    EXPECT_TRUE(cursor.first().has_value());
  }
}

}  // namespace
}  // namespace aether::lsm
