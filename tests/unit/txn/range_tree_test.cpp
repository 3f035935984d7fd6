#include "txn/range_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace aether::txn {
namespace {

struct TreeFixture {
  std::vector<std::unique_ptr<RangeLock>> ranges;
  RangeTree tree;

  void insert(std::string begin, std::string end) {
    ranges.push_back(std::make_unique<RangeLock>());
    ranges.back()->begin = std::move(begin);
    ranges.back()->end = std::move(end);
    tree.insert(*ranges.back());
  }
  void erase(size_t i) {
    tree.erase(*ranges[i]);
    ranges.erase(ranges.begin() + static_cast<ptrdiff_t>(i));
  }
  std::multiset<std::string> found(const LockName& name) const {
    std::multiset<std::string> result;
    tree.visit_overlapping(name, [&](const RangeLock& range) {
      result.insert(range.begin + "-" + range.end);
      return false;
    });
    return result;
  }
  std::multiset<std::string> expected(const LockName& name) const {
    std::multiset<std::string> result;
    for (const auto& range : ranges) {
      if (overlap(LockName::range(name.store, range->begin, range->end), name)) {
        result.insert(range->begin + "-" + range->end);
      }
    }
    return result;
  }
};

// Few letters, so that bounds often meet; an empty end one time in eight.
std::string random_key(std::mt19937_64& random, size_t length_max) {
  std::string key(random() % (length_max + 1), 'a');
  for (char& c : key) c = static_cast<char>('a' + random() % 4);
  return key;
}

// Goal:   the tree answers as a list would, whatever went in and out before.
// Method: 20,000 random insertions, removals and questions, each compared with the list.
TEST(RangeTree, AnswersLikeAList) {
  constexpr uint64_t kSeed = 20'260'101;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937_64 random(kSeed);
  TreeFixture t;
  for (int round = 0; round < 20'000; ++round) {
    const std::string a = random_key(random, 3), b = random_key(random, 3);
    const bool endless = random() % 8 == 0 || a == b;
    const std::string begin = std::min(a, b), end = endless ? "" : std::max(a, b);
    switch (random() % 4) {
      case 0:
        if (t.ranges.size() < 60) t.insert(begin, end);
        break;
      case 1:
        if (!t.ranges.empty()) t.erase(random() % t.ranges.size());
        break;
      case 2: ASSERT_EQ(t.found(LockName::key(1, a)), t.expected(LockName::key(1, a))) << a; break;
      default:
        ASSERT_EQ(t.found(LockName::range(1, begin, end)),
                  t.expected(LockName::range(1, begin, end)))
            << begin << "-" << end;
    }
  }
  while (!t.ranges.empty()) t.erase(t.ranges.size() - 1);
  EXPECT_TRUE(t.tree.empty());
}

TEST(RangeTree, StopsWhereItIsTold) {
  TreeFixture t;
  for (const char* begin : {"a", "b", "c"}) t.insert(begin, "");
  int visited = 0;
  EXPECT_TRUE(t.tree.visit_overlapping(LockName::key(1, "z"), [&](const RangeLock& range) {
    ++visited;
    return range.begin == "b";
  }));
  EXPECT_EQ(visited, 2);
}

}  // namespace
}  // namespace aether::txn
