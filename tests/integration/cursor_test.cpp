// Cursors and scans: both ways, at the ends, between keys, over rows that change meanwhile, and with bounds that a
// hostile user would choose.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "integration/contract_fixture.h"

namespace aether::contract {
namespace {

using Keys = std::vector<std::string>;

class Cursors : public testing::TestWithParam<uint32_t>, public Place {
 protected:
  void SetUp() override {
    options = small_options(GetParam());
    ASSERT_TRUE(ok(open()));
  }
  void put(const Keys& keys) {
    for (const std::string& key : keys) ASSERT_TRUE(ok(store().put(key, "v" + key)));
  }
  /// Enough rows for several leaves.
  Keys put_many() {
    Keys keys;
    for (int i = 0; i < 3000; ++i) keys.push_back(key_of(i));
    for (const std::string& key : keys) EXPECT_TRUE(ok(store().put(key, std::string(60, 'v'))));
    return keys;
  }
  Keys scan(const Range& range) {
    Keys keys;
    const Result<uint64_t> count = store().scan(range, [&](Bytes key, Bytes) {
      keys.emplace_back(key);
      return true;
    });
    EXPECT_TRUE(ok(count));
    EXPECT_EQ(count.value(), keys.size());
    return keys;
  }
};

INSTANTIATE_TEST_SUITE_P(Pages, Cursors, testing::Values(4096u, 16384u),
                         testing::PrintToStringParamName());

/// It stands on `key`, with the value that `put` gave it.
testing::AssertionResult stands_on(Cursor& cursor, const std::string& key) {
  if (!cursor.positioned()) return testing::AssertionFailure() << "it is not positioned";
  if (cursor.key() != key) return testing::AssertionFailure() << "it stands on " << cursor.key();
  const Result<Bytes> value = cursor.value();
  if (!value) return ok(value);
  if (*value != "v" + key) return testing::AssertionFailure() << "its value is " << *value;
  return testing::AssertionSuccess();
}

// --- places ----------------------------------------------------------------------------------------------

TEST_P(Cursors, OfAnEmptyStoreGoNowhere) {
  ASSERT_TRUE(ok(store().put("gone", "v")));
  ASSERT_TRUE(ok(store().remove("gone")));
  Cursor cursor = store().cursor();
  EXPECT_FALSE(cursor.positioned());
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(answers(cursor.first(), false));
    EXPECT_TRUE(answers(cursor.last(), false));
    EXPECT_TRUE(answers(cursor.next(), false));
    EXPECT_TRUE(answers(cursor.prev(), false));
    EXPECT_TRUE(answers(cursor.seek("a"), false));
    EXPECT_TRUE(answers(cursor.seek(""), false));
    EXPECT_TRUE(answers(cursor.seek_for_prev("z"), false));
    EXPECT_FALSE(cursor.positioned());
    EXPECT_TRUE(fails(cursor.value(), Code::invalid_argument, "seek first"));
  }
  EXPECT_EQ(scan({}), Keys());
  EXPECT_EQ(scan({.begin = {}, .end = {}, .reverse = true}), Keys());
}

TEST_P(Cursors, LeaveTheEndsAndComeBackFromTheOther) {
  put({"a", "b", "c"});
  Cursor cursor = store().cursor();
  ASSERT_TRUE(answers(cursor.next(), true));  // Unpositioned: as first().
  EXPECT_TRUE(stands_on(cursor, "a"));
  EXPECT_TRUE(answers(cursor.prev(), false));
  EXPECT_FALSE(cursor.positioned());
  ASSERT_TRUE(answers(cursor.prev(), true));  // Unpositioned: as last().
  EXPECT_TRUE(stands_on(cursor, "c"));
  EXPECT_TRUE(answers(cursor.next(), false));
  EXPECT_FALSE(cursor.positioned());
  ASSERT_TRUE(answers(cursor.next(), true));
  EXPECT_TRUE(stands_on(cursor, "a"));
  ASSERT_TRUE(answers(cursor.seek("b"), true));
  EXPECT_TRUE(answers(cursor.seek("d"), false));
  EXPECT_FALSE(cursor.positioned()) << "a seek that finds nothing leaves it nowhere";
}

// Goal:   seeks find what a std::set would, at keys, between them and beyond both ends, from leaf to leaf.
TEST_P(Cursors, SeekAsASetDoes) {
  std::set<std::string> keys;
  for (int i = 0; i < 2000; ++i) keys.insert(key_of(3 * i));
  for (const std::string& key : keys) ASSERT_TRUE(ok(store().put(key, "v" + key)));
  Cursor cursor = store().cursor();
  for (int i = -2; i < 6002; ++i) {
    for (const std::string& at : {key_of(i), key_of(i) + std::string(1, '\0')}) {
      const auto above = keys.lower_bound(at);
      ASSERT_TRUE(answers(cursor.seek(at), above != keys.end())) << at;
      ASSERT_TRUE(above == keys.end() || stands_on(cursor, *above)) << at;
      const auto beyond = keys.upper_bound(at);
      ASSERT_TRUE(answers(cursor.seek_for_prev(at), beyond != keys.begin())) << at;
      ASSERT_TRUE(beyond == keys.begin() || stands_on(cursor, *std::prev(beyond))) << at;
    }
  }
  ASSERT_TRUE(answers(cursor.seek(""), true));
  EXPECT_TRUE(stands_on(cursor, *keys.begin()));
  EXPECT_TRUE(answers(cursor.seek_for_prev(""), false));
}

TEST_P(Cursors, MaySeekTheirOwnKey) {
  put({"a", "b"});
  Cursor cursor = store().cursor();
  ASSERT_TRUE(answers(cursor.last(), true));
  ASSERT_TRUE(answers(cursor.seek(cursor.key()), true));
  EXPECT_TRUE(stands_on(cursor, "b"));
  ASSERT_TRUE(answers(cursor.seek_for_prev(cursor.key()), true));
  EXPECT_TRUE(stands_on(cursor, "b"));
}

TEST_P(Cursors, TurnRoundAnywhere) {
  const Keys keys = put_many();
  Cursor cursor = store().cursor();
  ASSERT_TRUE(answers(cursor.first(), true));
  for (size_t i = 1; i + 1 < keys.size(); i += 2) {  // Two on, one back, one on.
    ASSERT_TRUE(answers(cursor.next(), true));
    ASSERT_TRUE(answers(cursor.next(), true));
    ASSERT_TRUE(answers(cursor.prev(), true));
    ASSERT_EQ(cursor.key(), keys[i]);
    ASSERT_TRUE(answers(cursor.next(), true));
    ASSERT_EQ(cursor.key(), keys[i + 1]);
  }
}

// --- rows that change meanwhile --------------------------------------------------------------------------

TEST_P(Cursors, GoOnFromARowThatWasRemoved) {
  put({"a", "b", "c", "d", "e"});
  Cursor cursor = store().cursor();
  ASSERT_TRUE(answers(cursor.seek("c"), true));
  ASSERT_TRUE(ok(store().remove("c")));
  EXPECT_TRUE(cursor.positioned());
  EXPECT_EQ(cursor.key(), "c");
  ASSERT_TRUE(answers(cursor.next(), true));
  EXPECT_TRUE(stands_on(cursor, "d"));
  ASSERT_TRUE(ok(store().remove("d")));
  ASSERT_TRUE(answers(cursor.prev(), true));
  EXPECT_TRUE(stands_on(cursor, "b"));
  ASSERT_TRUE(ok(store().remove("e")));
  EXPECT_TRUE(answers(cursor.next(), false));
}

TEST_P(Cursors, MeetWhatIsAddedAheadAndNotWhatIsBehind) {
  put({"b", "d"});
  Cursor cursor = store().cursor();
  ASSERT_TRUE(answers(cursor.first(), true));
  put({"a", "c", "e"});
  for (const char* key : {"c", "d", "e"}) {
    ASSERT_TRUE(answers(cursor.next(), true));
    EXPECT_TRUE(stands_on(cursor, key));
  }
  EXPECT_TRUE(answers(cursor.next(), false));
}

// Goal:   the way most people empty a range: remove where the cursor stands, go on; alone and in a transaction.
TEST_P(Cursors, RemovingWhereTheyStandEmptiesTheStore) {
  for (const bool forward : {true, false}) {
    for (const bool inside : {false, true}) {
      const Keys keys = put_many();
      Transaction txn = begin();
      Cursor cursor = inside ? store().cursor(txn) : store().cursor();
      size_t removed = 0;
      for (Result<bool> more = forward ? cursor.first() : cursor.last(); more.value();
           more = forward ? cursor.next() : cursor.prev()) {
        ASSERT_EQ(cursor.key(), keys[forward ? removed : keys.size() - 1 - removed]);
        ASSERT_TRUE(ok(inside ? store().remove(txn, cursor.key()) : store().remove(cursor.key())));
        ++removed;
      }
      EXPECT_EQ(removed, keys.size());
      ASSERT_TRUE(ok(txn.commit()));
      EXPECT_EQ(scan({}), Keys());
      EXPECT_TRUE(whole());
    }
  }
}

TEST_P(Cursors, ValuesAreThoseOfTheMove) {
  const std::string large(100000, 'L');
  put({"small"});
  ASSERT_TRUE(ok(store().put("large", large)));
  Cursor cursor = store().cursor();
  ASSERT_TRUE(answers(cursor.seek("small"), true));
  ASSERT_TRUE(ok(store().put("small", "changed")));
  EXPECT_TRUE(stands_on(cursor, "small"));
  ASSERT_TRUE(answers(cursor.seek("small"), true));
  EXPECT_EQ(cursor.value().value(), "changed");

  ASSERT_TRUE(answers(cursor.seek("large"), true));
  ASSERT_TRUE(ok(store().put("large", std::string(50000, 'M'))));
  EXPECT_TRUE(cursor.value().value() == large);
  ASSERT_TRUE(ok(store().remove("large")));
  EXPECT_TRUE(cursor.value().value() == large);
  ASSERT_TRUE(answers(cursor.next(), true));
  EXPECT_EQ(cursor.value().value(), "changed");
}

// --- transactions ----------------------------------------------------------------------------------------

TEST_P(Cursors, OfATransactionSeeItsWritesAndEndWithIt) {
  put({"a", "b", "c"});
  for (const bool commits : {false, true}) {
    Transaction txn = begin();
    Cursor cursor = store().cursor(txn);
    ASSERT_TRUE(ok(store().remove(txn, "b")));
    ASSERT_TRUE(ok(store().put(txn, "bb", "vbb")));
    ASSERT_TRUE(answers(cursor.first(), true));
    ASSERT_TRUE(answers(cursor.next(), true));
    EXPECT_TRUE(stands_on(cursor, "bb"));
    ASSERT_TRUE(answers(cursor.prev(), true));
    EXPECT_TRUE(stands_on(cursor, "a"));
    ASSERT_TRUE(ok(commits ? txn.commit() : txn.abort()));
    EXPECT_TRUE(fails(cursor.next(), Code::closed));
    EXPECT_TRUE(fails(cursor.prev(), Code::closed));
    EXPECT_TRUE(fails(cursor.first(), Code::closed));
    EXPECT_TRUE(fails(cursor.last(), Code::closed));
    EXPECT_TRUE(fails(cursor.seek("a"), Code::closed));
    EXPECT_TRUE(fails(cursor.seek_for_prev("a"), Code::closed));
    EXPECT_TRUE(fails(cursor.value(), Code::closed));
    EXPECT_EQ(scan({}), commits ? Keys({"a", "bb", "c"}) : Keys({"a", "b", "c"}));
  }
}

// Goal:   a cursor follows its transaction when that is moved; a cursor that was moved away is closed.
TEST_P(Cursors, MayBeMovedAndTheirTransactionToo) {
  put({"a", "b"});
  Transaction txn = begin();
  Cursor cursor = store().cursor(txn);
  ASSERT_TRUE(answers(cursor.first(), true));
  Transaction there = std::move(txn);
  Cursor moved = std::move(cursor);
  EXPECT_TRUE(stands_on(moved, "a"));
  ASSERT_TRUE(answers(moved.next(), true));
  EXPECT_TRUE(stands_on(moved, "b"));
  EXPECT_FALSE(cursor.positioned());  // NOLINT(bugprone-use-after-move): that is what is tested.
  EXPECT_EQ(cursor.key(), "");
  EXPECT_TRUE(fails(cursor.next(), Code::closed));
  EXPECT_TRUE(fails(cursor.value(), Code::closed));
  cursor = store().cursor();
  EXPECT_TRUE(answers(cursor.first(), true));
  ASSERT_TRUE(ok(there.commit()));
}

// --- scans -----------------------------------------------------------------------------------------------

TEST_P(Cursors, ScansTakeTheBeginAndLeaveTheEnd) {
  put({"", "a", "b", "bb", "c"});
  struct Case {
    Bytes begin;
    Bytes end;
    Keys expected;
  };
  const Case cases[] = {
      {"", "", {"", "a", "b", "bb", "c"}},
      {"", "a", {""}},
      {"", "b", {"", "a"}},
      {"a", "", {"a", "b", "bb", "c"}},
      {"a", "c", {"a", "b", "bb"}},
      {"b", Bytes("b\0", 2), {"b"}},
      {"ba", "bz", {"bb"}},
      {"b", "b", {}},
      {"c", "a", {}},
      {"d", "", {}},
      {"d", "e", {}},
      {"aa", "ab", {}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE("[" + std::string(one.begin) + ", " + std::string(one.end) + ")");
    EXPECT_EQ(scan({.begin = one.begin, .end = one.end}), one.expected);
    EXPECT_EQ(scan({.begin = one.begin, .end = one.end, .reverse = true}),
              Keys(one.expected.rbegin(), one.expected.rend()));
  }
}

TEST_P(Cursors, PrefixesMayEndInFF) {
  const Keys keys = {"a", "a\xff", "a\xff\xff", "a\xff\xffz",
                     "b", "\xff",  "\xff\xff",  "\xff\xff\xff"};
  put(keys);
  const std::pair<std::string, Keys> cases[] = {
      {"", keys},
      {"a", {"a", "a\xff", "a\xff\xff", "a\xff\xffz"}},
      {"a\xff", {"a\xff", "a\xff\xff", "a\xff\xffz"}},
      {"a\xff\xff", {"a\xff\xff", "a\xff\xffz"}},
      {"b", {"b"}},
      {"c", {}},
      {"\xff", {"\xff", "\xff\xff", "\xff\xff\xff"}},
      {"\xff\xff\xff", {"\xff\xff\xff"}},
      {"\xff\xff\xff\xff", {}},
  };
  for (const auto& [prefix, expected] : cases) {
    std::string storage;
    Range range = Range::prefix(prefix, storage);
    EXPECT_EQ(scan(range), expected);
    range.reverse = true;
    EXPECT_EQ(scan(range), Keys(expected.rbegin(), expected.rend()));
  }
}

TEST_P(Cursors, AVisitorStopsAScanAndItsRowCounts) {
  put_many();
  for (const bool reverse : {false, true}) {
    for (const uint64_t stop_after : {1u, 2u, 1000u}) {
      uint64_t calls = 0;
      const Result<uint64_t> count = store().scan(
          {.begin = {}, .end = {}, .reverse = reverse},
          [&](Bytes, Bytes) { return ++calls < stop_after; });
      EXPECT_EQ(count.value(), stop_after);
      EXPECT_EQ(calls, stop_after);
    }
  }
}

// Goal:   no latch is held while a scan's visitor runs: it may read and write, also the rows that come next.
TEST_P(Cursors, AScansVisitorMayUseTheStore) {
  const Keys keys = put_many();
  uint64_t seen = 0;
  const Result<uint64_t> count = store().scan({}, [&](Bytes key, Bytes) {
    EXPECT_TRUE(ok(store().get(key)));
    EXPECT_TRUE(ok(store().remove(key)));
    EXPECT_TRUE(ok(store("other").put(std::to_string(++seen), key)));
    return true;
  });
  EXPECT_EQ(count.value(), keys.size());
  EXPECT_EQ(scan({}), Keys());
  EXPECT_TRUE(whole());
}

TEST_P(Cursors, ScansMeetValuesOfAllSizes) {
  const std::string values[] = {"", "v", std::string(GetParam() / 3, 'w'),
                                std::string(3 * GetParam(), 'x'), std::string(2 * MiB, 'y')};
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(ok(store().put(key_of(i), values[i % 5])));
  int i = 0;
  const Result<uint64_t> count = store().scan({}, [&](Bytes key, Bytes value) {
    EXPECT_EQ(key, key_of(i));
    EXPECT_TRUE(value == values[i++ % 5]) << key;
    return true;
  });
  EXPECT_EQ(count.value(), 50u);
}

// Goal:   a scan puts the key of each row together, however long its leaf's prefix and the key are.
// Method: behind beginnings of 0 to 20 bytes all keys of up to 3 letters of two, and each followed by up to 40 bytes more; values of up
//         to 8 bytes. Settled by a reopening, and seen both ways.
TEST_P(Cursors, ScansPutKeysOfAllLengthsTogether) {
  std::map<std::string, std::string> rows;
  for (size_t prefix = 0; prefix <= 20; ++prefix) {
    for (size_t bits = 2; bits < 16; ++bits) {
      std::string key(prefix, 'p');
      for (size_t rest = bits; rest > 1; rest /= 2) key.push_back(rest % 2 == 0 ? 'a' : 'z');
      for (size_t more = 0; more <= 40; more += 1 + more / 4)
        rows[key + std::string(more, '0')] = std::string(more % 9, static_cast<char>('A' + bits));
    }
  }
  for (const auto& [key, value] : rows) ASSERT_TRUE(ok(store().put(key, value)));
  ASSERT_TRUE(ok(open()));
  for (const bool reverse : {false, true}) {
    std::vector<std::pair<std::string, std::string>> found;
    ASSERT_TRUE(
        ok(store().scan({.begin = {}, .end = {}, .reverse = reverse}, [&](Bytes key, Bytes value) {
          found.emplace_back(key, value);
          return true;
        })));
    if (reverse) std::reverse(found.begin(), found.end());
    EXPECT_TRUE(std::equal(found.begin(), found.end(), rows.begin(), rows.end(),
                           [](const auto& one, const auto& other) {
                             return one.first == other.first && one.second == other.second;
                           }));
  }
}

// Goal:   a scan that goes from leaf to leaf shows each row with its own key and value.
// Method: groups of keys that share long beginnings, so that leaves have other prefixes than their neighbours; among them rows that
//         were removed, and values with pages of their own, also as a leaf's first. Settled by a reopening. From every 37th key, either
//         way, all of it and up to bounds.
TEST_P(Cursors, ScansAgreeWithAMapOverLeavesOfEveryPrefix) {
  std::map<std::string, std::string> rows;
  for (int i = 0; i < 4000; ++i) {
    const int group = i % 7;
    const std::string key = std::string(static_cast<size_t>(group) * 9 + 1,
                                        static_cast<char>('a' + group)) +
                            key_of(i * 7919 % 4000);
    const bool is_large = i % 97 == 0 || (i > 1000 && i < 1040);
    rows[key] = std::string(is_large ? 3 * GetParam() : 40, static_cast<char>('A' + i % 26));
    ASSERT_TRUE(ok(store().put(key, rows[key])));
  }
  int number = 0;
  for (auto row = rows.begin(); row != rows.end();) {
    const bool goes = ++number % 5 == 0;
    if (goes) {
      ASSERT_TRUE(ok(store().remove(row->first)));
    }
    row = goes ? rows.erase(row) : std::next(row);
  }
  ASSERT_TRUE(ok(open()));
  const auto check = [&](const std::string& begin, const std::string& end, bool reverse) {
    std::map<std::string, std::string> found;
    std::string last;
    const Result<uint64_t> count = store().scan(
        {.begin = begin, .end = end, .reverse = reverse}, [&](Bytes key, Bytes value) {
          EXPECT_TRUE(last.empty() || (reverse ? key < last : key > last)) << key;
          last.assign(key);
          found.emplace(key, value);
          return true;
        });
    ASSERT_TRUE(ok(count));
    const auto from = rows.lower_bound(begin);
    const auto to = end.empty() ? rows.end() : rows.lower_bound(end);
    EXPECT_EQ(*count, found.size());
    EXPECT_TRUE(found == (std::map<std::string, std::string>(from, to)))
        << begin << " to " << end << (reverse ? " downwards" : "");
  };
  number = 0;
  for (auto row = rows.begin(); row != rows.end(); ++row) {
    if (++number % 37 != 0) continue;
    const auto later = std::next(row,
                                 std::min<std::ptrdiff_t>(300, std::distance(row, rows.end()) - 1));
    for (const bool reverse : {false, true}) {
      check(row->first, later->first, reverse);
      if (number % 370 == 0) check(reverse ? "" : row->first, reverse ? row->first : "", reverse);
    }
  }
}

}  // namespace
}  // namespace aether::contract
