#include "base/left_right.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <thread>
#include <vector>

namespace aether::base {
namespace {

using List = std::vector<uint64_t>;
using Edit = std::function<void(List&)>;
using Lists = LeftRight<List, Edit>;

Edit push(uint64_t value) {
  return [value](List& list) { list.push_back(value); };
}
constexpr auto yield = [] { std::this_thread::yield(); };

TEST(LeftRight, AnEditIsSeenFromItsPublishOn) {
  Lists lists(List{1});
  auto reader = lists.add_reader();
  ASSERT_TRUE(reader);
  EXPECT_EQ(*reader->read(), List({1}));
  lists.append(push(2));
  lists.append(push(3));
  EXPECT_TRUE(lists.has_unpublished());
  EXPECT_EQ(*reader->read(), List({1}));
  EXPECT_TRUE(lists.try_publish());
  EXPECT_EQ(*reader->read(), List({1, 2, 3}));
  EXPECT_FALSE(lists.has_unpublished());
  EXPECT_TRUE(lists.try_publish()) << "nothing to do";
  for (uint64_t i = 4; i < 100; ++i) {
    lists.append(push(i));
    ASSERT_TRUE(lists.try_publish());
    ASSERT_EQ(reader->read()->back(), i);
    ASSERT_EQ(reader->read()->size(), i);
  }
}

// Goal:   who was inside at the swap holds back the publish after it, and nobody else.
TEST(LeftRight, AReaderThatStaysStopsTheWriterAndNoOtherReader) {
  Lists lists(List{1});
  auto stays = lists.add_reader();
  auto other = lists.add_reader();
  {
    const auto guard = stays->read();
    lists.append(push(2));
    EXPECT_TRUE(lists.try_publish()) << "the other copy has no readers";
    EXPECT_EQ(*guard, List({1}));
    lists.append(push(3));
    uint64_t waits = 0;
    EXPECT_FALSE(lists.try_publish(7, [&] {
      ++waits;
      EXPECT_EQ(*other->read(), List({1, 2}));
    }));
    EXPECT_EQ(waits, 7u);
    EXPECT_EQ(*guard, List({1})) << "the copy that is being read was changed";
    EXPECT_FALSE(lists.try_publish());
    lists.append(push(4));
  }
  EXPECT_TRUE(lists.try_publish());
  EXPECT_EQ(*other->read(), List({1, 2, 3, 4}));
  EXPECT_EQ(*stays->read(), List({1, 2, 3, 4}));
}

TEST(LeftRight, WhoCameAfterTheSwapIsNotWaitedFor) {
  Lists lists(List{});
  auto reader = lists.add_reader();
  lists.append(push(1));
  ASSERT_TRUE(lists.try_publish());
  const auto guard = reader->read();
  lists.append(push(2));
  EXPECT_TRUE(lists.try_publish()) << "it reads the copy that stays";
  EXPECT_EQ(*guard, List({1}));
}

TEST(LeftRight, BothCopiesAreEqualOnceTheyAreSettled) {
  Lists lists(List{});
  auto reader = lists.add_reader();
  EXPECT_TRUE(lists.try_settle());
  for (uint64_t i = 0; i < 50; ++i) {
    for (uint64_t edit = 0; edit <= i % 4; ++edit) lists.append(push(i * 10 + edit));
    ASSERT_TRUE(lists.try_publish());
    if (i % 3 == 0) continue;
    if (i % 3 == 1) {
      const auto guard = reader->read();
      ASSERT_TRUE(lists.try_settle()) << "it came after the swap";
    } else {
      ASSERT_TRUE(lists.try_settle());
    }
    lists.look_at_both([&](const List& a, const List& b) {
      ASSERT_EQ(a, b);
      ASSERT_NE(&a, &b);
      ASSERT_EQ(a.back(), i * 10 + i % 4);
    });
  }
  const auto guard = reader->read();
  lists.append(push(1));
  ASSERT_TRUE(lists.try_publish());
  EXPECT_FALSE(lists.try_settle()) << "the reader has the copy that would be changed";
}

// Goal:   each edit is applied once to each copy, and gone when both have it.
TEST(LeftRight, AnEditIsAppliedToEachCopyOnce) {
  const auto token = std::make_shared<int>(0);
  Lists lists(List{});
  lists.append(push(0));
  ASSERT_TRUE(lists.try_publish());  // Copies the whole.
  ASSERT_TRUE(lists.try_settle());
  auto applied = std::make_shared<std::vector<const List*>>();
  lists.append([token, applied](List& list) { applied->push_back(&list); });
  ASSERT_TRUE(lists.try_publish());
  EXPECT_EQ(applied->size(), 1u);
  EXPECT_GT(token.use_count(), 1);
  lists.append(push(1));
  ASSERT_TRUE(lists.try_publish());
  ASSERT_EQ(applied->size(), 2u);
  EXPECT_NE((*applied)[0], (*applied)[1]);
  EXPECT_EQ(token.use_count(), 1) << "both have it";
}

TEST(LeftRight, AnEditThatThrowsLeavesWhatReadersSeeAndIsTriedAgain) {
  Lists lists(List{1});
  auto reader = lists.add_reader();
  lists.append(push(2));
  ASSERT_TRUE(lists.try_publish());
  int left = 2;
  lists.append(push(3));
  lists.append([&left](List& list) {
    list.push_back(4);
    if (left-- > 0) throw std::bad_alloc();
  });
  for (int i = 0; i < 2; ++i) {
    EXPECT_THROW(static_cast<void>(lists.try_publish()), std::bad_alloc);
    EXPECT_EQ(*reader->read(), List({1, 2}));
  }
  ASSERT_TRUE(lists.try_publish());
  EXPECT_EQ(*reader->read(), List({1, 2, 3, 4}));
  ASSERT_TRUE(lists.try_settle());
  lists.look_at_both([](const List& a, const List& b) { EXPECT_EQ(a, b); });
}

TEST(LeftRight, AGuardWithinAnotherShowsTheSame) {
  Lists lists(List{1});
  auto reader = lists.add_reader();
  {
    const auto outer = reader->read();
    lists.append(push(2));
    ASSERT_TRUE(lists.try_publish());
    {
      const auto inner = reader->read();
      EXPECT_EQ(&*inner, &*outer);
    }
    lists.append(push(3));
    EXPECT_FALSE(lists.try_publish()) << "the outer one is still there";
  }
  EXPECT_TRUE(lists.try_publish());
}

TEST(LeftRight, ReadersComeAndGo) {
  Lists lists(List{});
  {
    std::vector<Lists::Reader> readers;
    for (uint32_t i = 0; i < Lists::kReadersMax; ++i) {
      auto reader = lists.add_reader();
      ASSERT_TRUE(reader);
      readers.push_back(std::move(*reader));
    }
    EXPECT_FALSE(lists.add_reader());
    readers.pop_back();
    EXPECT_TRUE(lists.add_reader());
  }
  for (uint64_t i = 0; i < 3; ++i) {
    auto reader = lists.add_reader();
    const auto guard = reader->read();
    lists.append(push(i));
    EXPECT_TRUE(lists.try_publish());
  }
}

// Goal:   no reader sees an edit by half, none goes back, and the writer comes to its end.
// Method: an edit changes both ends of a long list; readers compare them.
TEST(ConcurrentLeftRight, NobodySeesHalfAnEditOrGoesBack) {
  constexpr uint64_t
      kEdits = 1000;  // A publish waits for readers, who may have lost their processor.
  struct Pair {
    uint64_t first = 0;
    std::vector<uint64_t> filler = std::vector<uint64_t>(50);
    uint64_t last = 0;
  };
  using PairEdit = std::function<void(Pair&)>;
  LeftRight<Pair, PairEdit> pairs(Pair{});
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0};
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      auto reader = pairs.add_reader();
      uint64_t newest = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        yield();
        const auto guard = reader->read();
        bool is_whole = guard->first == guard->last && guard->first >= newest;
        for (const uint64_t value : guard->filler) is_whole = is_whole && value == guard->first;
        if (!is_whole) wrong.fetch_add(1);
        newest = guard->first;
      }
    });
  }
  for (uint64_t i = 1; i <= kEdits; ++i) {
    pairs.append([](Pair& pair) {
      ++pair.first;
      for (uint64_t& value : pair.filler) ++value;
      ++pair.last;
    });
    if (i % 2 == 0) pairs.publish(yield);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
  ASSERT_TRUE(pairs.try_settle());
  pairs.look_at_both([&](const Pair& a, const Pair& b) {
    EXPECT_EQ(a.first, kEdits);
    EXPECT_EQ(b.last, kEdits);
  });
}

}  // namespace
}  // namespace aether::base
