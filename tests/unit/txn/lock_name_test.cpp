#include "txn/lock_name.h"

#include <gtest/gtest.h>

namespace aether::txn {
namespace {

constexpr LockMode kModes[] = {LockMode::is, LockMode::ix, LockMode::s, LockMode::six, LockMode::x};

TEST(LockModes, TheTablesAreThoseOfTheLiterature) {
  constexpr bool kYes = true, kNo = false;
  constexpr bool kMayMeet[5][5] = {
      {kYes, kYes, kYes, kYes, kNo},  // IS
      {kYes, kYes, kNo, kNo, kNo},    // IX
      {kYes, kNo, kYes, kNo, kNo},    // S
      {kYes, kNo, kNo, kNo, kNo},     // SIX
      {kNo, kNo, kNo, kNo, kNo},      // X
  };
  constexpr auto is = LockMode::is, ix = LockMode::ix, s = LockMode::s, six = LockMode::six,
                 x = LockMode::x;
  constexpr LockMode kSupremum[5][5] = {
      {is, ix, s, six, x},     {ix, ix, six, six, x}, {s, six, s, six, x},
      {six, six, six, six, x}, {x, x, x, x, x},
  };
  for (size_t a = 0; a < 5; ++a) {
    for (size_t b = 0; b < 5; ++b) {
      const std::string pair = std::string(to_string(kModes[a])) + ", " + to_string(kModes[b]);
      EXPECT_EQ(compatible(kModes[a], kModes[b]), kMayMeet[a][b]) << pair;
      EXPECT_EQ(supremum(kModes[a], kModes[b]), kSupremum[a][b]) << pair;
      EXPECT_EQ(covers(kModes[a], kModes[b]), kSupremum[a][b] == kModes[a]) << pair;
    }
    EXPECT_TRUE(compatible(LockMode::none, kModes[a]) && compatible(kModes[a], LockMode::none));
    EXPECT_EQ(supremum(LockMode::none, kModes[a]), kModes[a]);
  }
}

// A supremum conflicts with exactly what one of the two conflicts with, or more; never with less.
TEST(LockModes, ASupremumKeepsEveryConflict) {
  for (const LockMode a : kModes) {
    for (const LockMode b : kModes) {
      for (const LockMode other : kModes) {
        EXPECT_LE(compatible(supremum(a, b), other), compatible(a, other) && compatible(b, other));
      }
    }
  }
}

TEST(LockModes, WhatLiesBelowIsCoveredByTheStrongOnes) {
  for (const LockMode wanted : kModes) {
    const bool reads = wanted == LockMode::is || wanted == LockMode::s;
    EXPECT_TRUE(covers_below(LockMode::x, wanted));
    EXPECT_EQ(covers_below(LockMode::s, wanted), reads);
    EXPECT_EQ(covers_below(LockMode::six, wanted), reads);
    EXPECT_FALSE(covers_below(LockMode::is, wanted) || covers_below(LockMode::ix, wanted));
    EXPECT_EQ(intention_of(wanted), reads ? LockMode::is : LockMode::ix);
  }
}

TEST(LockNames, OverlapIsAtSharedKeysOfOneStore) {
  const LockName b_d = LockName::range(1, "b", "d"), from_d = LockName::range(1, "d", "");
  EXPECT_TRUE(overlap(b_d, LockName::key(1, "b")));
  EXPECT_TRUE(overlap(LockName::key(1, "czzz"), b_d));
  EXPECT_FALSE(overlap(b_d, LockName::key(1, "d")));
  EXPECT_FALSE(overlap(b_d, LockName::key(1, "a")));
  EXPECT_FALSE(overlap(b_d, LockName::key(2, "b")));
  EXPECT_TRUE(overlap(from_d, LockName::key(1, "zzz")));
  EXPECT_FALSE(overlap(from_d, b_d));
  EXPECT_FALSE(overlap(b_d, from_d));
  EXPECT_TRUE(overlap(b_d, LockName::range(1, "", "")));
  EXPECT_TRUE(overlap(LockName::range(1, "", "bb"), b_d));
  EXPECT_FALSE(overlap(LockName::range(1, "", "b"), b_d));
  EXPECT_TRUE(overlap(LockName::key(1, ""), LockName::range(1, "", "a")));
  EXPECT_FALSE(overlap(LockName::key(1, "a"), LockName::key(1, "b")));
}

TEST(LockNames, AreReadable) {
  EXPECT_EQ(to_string(LockName::environment()), "the environment");
  EXPECT_EQ(to_string(LockName::of_store(3)), "store 3");
  EXPECT_EQ(to_string(LockName::key(3, std::string_view("a'\0\\", 4))),
            R"(key 'a\x27\x00\x5c' of store 3)");
  EXPECT_EQ(to_string(LockName::range(3, "a", "b")), "keys 'a' to 'b' of store 3");
  EXPECT_EQ(to_string(LockName::range(3, "a", "")), "keys 'a' to the end of store 3");
  EXPECT_EQ(to_string(LockName::key(1, std::string(1000, 'k'))),
            "key '" + std::string(32, 'k') + "...' of store 1");
}

}  // namespace
}  // namespace aether::txn
