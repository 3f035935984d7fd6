// Typed keys and values over any index. What it does with bytes is held by tests/conformance.
#include "aether/generic_kv_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "examples/locked_map.h"
#include "index/rax/rax.h"
#include "index/skiplist/skiplist.h"

namespace aether {
namespace {

using index::OrderedIndex;
using index::Rax;
using index::SeekOp;
using index::Skiplist;

static_assert(OrderedIndex<GenericKvStore<LockedMap>>);
static_assert(OrderedIndex<GenericKvStore<Rax, std::string, std::string>>);
static_assert(OrderedIndex<GenericKvStore<GenericKvStore<Skiplist>>>);

template <typename T>
Code code_of(const Result<T>& result) {
  return result ? Code{} : result.error().code();
}

template <typename T>
std::string encoded(const T& value) {
  std::string room;
  return std::string(Codec<T>::encode(value, room));
}

/// Ascending; each comes back as it was, and the bytes of each are below the next one's.
template <typename T>
void expect_ordered(const std::vector<T>& ascending) {
  for (size_t i = 0; i < ascending.size(); ++i) {
    const std::string bytes = encoded(ascending[i]);
    const auto back = Codec<T>::decode(bytes);
    ASSERT_TRUE(back.has_value()) << back.error().message();
    ASSERT_EQ(*back, ascending[i]);
    if (i > 0) {
      ASSERT_LT(encoded(ascending[i - 1]), bytes) << i;
    }
  }
}

enum class Colour : int16_t { ultraviolet = -300, red = 1, green = 2 };

TEST(Codec, BytesCompareAsValuesDo) {
  expect_ordered<bool>({false, true});
  expect_ordered<uint8_t>({0, 1, 127, 128, 255});
  expect_ordered<int8_t>({-128, -1, 0, 1, 127});
  expect_ordered<int16_t>({-32768, -256, -255, -1, 0, 1, 255, 256, 32767});
  expect_ordered<uint32_t>({0, 255, 256, 65535, 65536, UINT32_MAX});
  expect_ordered<int64_t>({INT64_MIN, -1'000'000'007, -1, 0, 1, 1'000'000'007, INT64_MAX});
  expect_ordered<uint64_t>({0, 1, uint64_t{1} << 63, UINT64_MAX});
  expect_ordered<Colour>({Colour::ultraviolet, Colour::red, Colour::green});
  const double infinity = std::numeric_limits<double>::infinity();
  expect_ordered<double>({-infinity, -1e300, -1.5, -1e-300, 0.0, 1e-300, 1.5, 1e300, infinity});
  expect_ordered<float>({-3.5f, -0.25f, 0.0f, 0.25f, 3.5f});
  EXPECT_LT(encoded(-0.0), encoded(0.0));
  EXPECT_GT(encoded(std::nan("")), encoded(infinity));
}

// Strings with zeros, prefixes of each other, before a part that would turn the order if it were compared too early.
TEST(Codec, PartsOfATupleCountOneAfterTheOther) {
  using Key = std::tuple<std::string, int32_t, std::string>;
  std::vector<Key> keys;
  const std::string letters("\0\x01\xff", 3);
  std::vector<std::string> words{""};
  for (size_t i = 0; i < words.size() && words[i].size() < 3; ++i) {
    for (const char letter : letters) words.push_back(words[i] + letter);
  }
  for (const std::string& word : words) {
    for (const int32_t number : {-1, 0, 256}) {
      for (const char* last : {"", "z"}) keys.emplace_back(word, number, last);
    }
  }
  std::sort(keys.begin(), keys.end());
  expect_ordered(keys);
}

TEST(Codec, BytesThatAreNoneOfTheTypeAreCorruption) {
  EXPECT_EQ(code_of(Codec<uint32_t>::decode("123")), Code::corruption);
  using Key = std::tuple<std::string, uint16_t>;
  const std::string good = encoded(Key("a", 7));
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_EQ(code_of(Codec<Key>::decode(good.substr(0, length))), Code::corruption) << length;
  }
  EXPECT_EQ(code_of(Codec<Key>::decode(good + "x")), Code::corruption);
  EXPECT_EQ(code_of(Codec<Key>::decode(Bytes("a\0\x02zz", 5))), Code::corruption);
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {  // Any bytes: an answer, and no read beyond them.
    std::string bytes(random() % 12, '\0');
    for (char& byte : bytes) byte = "\0\x01\xff\x02"[random() % 4];
    const Result<Key> key = Codec<Key>::decode(bytes);
    if (key) {
      ASSERT_EQ(encoded(*key), bytes);
    }
  }
}

template <typename I>
class TypedStore : public testing::Test {};
using Indexes = testing::Types<LockedMap, Rax, Skiplist>;
TYPED_TEST_SUITE(TypedStore, Indexes);

struct Point {
  int32_t x = 0;
  int32_t y = 0;
  bool operator==(const Point&) const = default;
};

TYPED_TEST(TypedStore, WritesReadsAndWalksByValue) {
  GenericKvStore<TypeParam, int64_t, Point> store;
  EXPECT_EQ(code_of(store.get(1)), Code::not_found);
  EXPECT_EQ(*store.contains(1), false);
  for (const int64_t key : {-5, 3, -1, 0, 7}) {
    ASSERT_TRUE(store.insert(key, {static_cast<int32_t>(key), 0}).has_value());
  }
  EXPECT_EQ(code_of(store.insert(3, {})), Code::exists);
  EXPECT_EQ(code_of(store.update(4, {})), Code::not_found);
  EXPECT_EQ(code_of(store.remove(4)), Code::not_found);
  ASSERT_TRUE(store.update(3, {3, 33}).has_value());
  ASSERT_TRUE(store.remove(0).has_value());
  EXPECT_EQ(*store.contains(3), true);
  EXPECT_EQ(*store.get(3), (Point{3, 33}));
  Point into;
  ASSERT_TRUE(store.get(-5, into).has_value());
  EXPECT_EQ(into, (Point{-5, 0}));
  int visits = 0;
  ASSERT_TRUE(store.visit(7, [&](Point point) { visits += point.x; }).has_value());
  EXPECT_EQ(visits, 7);

  std::vector<int64_t> seen;
  const auto collect = [&seen](int64_t key, Point point) {
    EXPECT_EQ(point.x, key);
    seen.push_back(key);
    return true;
  };
  EXPECT_EQ(*store.scan({}, collect), 4u);
  EXPECT_EQ(seen, (std::vector<int64_t>{-5, -1, 3, 7}));
  seen.clear();
  EXPECT_EQ(*store.scan({.begin = -1, .end = 7}, collect), 2u);
  EXPECT_EQ(seen, (std::vector<int64_t>{-1, 3}));
  seen.clear();
  EXPECT_EQ(*store.scan({.begin = -4, .end = {}, .reverse = true}, collect), 3u);
  EXPECT_EQ(seen, (std::vector<int64_t>{7, 3, -1}));
  EXPECT_EQ(*store.scan({}, [](int64_t, Point) { return false; }), 1u);

  auto cursor = store.cursor();
  EXPECT_FALSE(cursor.positioned());
  EXPECT_EQ(code_of(cursor.value()), Code::invalid_argument);
  ASSERT_TRUE(*cursor.seek(SeekOp::greater, -1));
  EXPECT_EQ(cursor.key(), 3);
  ASSERT_TRUE(*cursor.prev());
  auto moved = std::move(cursor);
  EXPECT_EQ(moved.key(), -1);
  EXPECT_EQ(*moved.value(), (Point{-1, 0}));
  EXPECT_FALSE(*moved.seek(8));
  EXPECT_FALSE(moved.positioned());
  EXPECT_TRUE(*moved.next());
  EXPECT_EQ(moved.key(), -5);
}

// Nothing is below the empty string, and it is a bound like others.
TYPED_TEST(TypedStore, AnEmptyBoundIsABound) {
  GenericKvStore<TypeParam, std::string, uint16_t> store;
  ASSERT_TRUE(store.put("", 1).has_value());
  ASSERT_TRUE(store.put("a", 2).has_value());
  const auto any = [](Bytes, uint16_t) { return true; };
  EXPECT_EQ(*store.scan(KeyRange<std::string>{}, any), 2u);
  EXPECT_EQ(*store.scan(KeyRange<std::string>{.begin = {}, .end = ""}, any), 0u);
  EXPECT_EQ(*store.scan(KeyRange<std::string>{.begin = "", .end = "a"}, any), 1u);
  std::string end;
  EXPECT_EQ(*store.scan(Range::prefix("a", end), any), 1u);
}

// What others have put into the index in another form is told, and does not hide what comes after it.
TYPED_TEST(TypedStore, RowsOfAnotherFormAreCorruption) {
  GenericKvStore<TypeParam, uint32_t, uint32_t> store;
  ASSERT_TRUE(store.put(1, 10).has_value());
  ASSERT_TRUE(store.put(3, 30).has_value());
  ASSERT_TRUE(store.index().put(encoded(uint32_t{2}), "no number").has_value());
  EXPECT_EQ(code_of(store.get(2)), Code::corruption);
  EXPECT_EQ(code_of(store.visit(2, [](uint32_t) { FAIL(); })), Code::corruption);
  EXPECT_EQ(*store.contains(2), true);
  EXPECT_EQ(code_of(store.scan({}, [](uint32_t, uint32_t) { return true; })), Code::corruption);
  auto cursor = store.cursor();
  ASSERT_TRUE(*cursor.seek(2));
  EXPECT_EQ(code_of(cursor.value()), Code::corruption);

  ASSERT_TRUE(store.remove(2).has_value());
  ASSERT_TRUE(store.index().put(encoded(uint32_t{1}) + "x", encoded(uint32_t{4})).has_value());
  ASSERT_TRUE(*cursor.seek(1));
  EXPECT_EQ(code_of(cursor.next()), Code::corruption);
  EXPECT_FALSE(cursor.positioned());
  ASSERT_TRUE(*cursor.next());
  EXPECT_EQ(cursor.key(), 3u);
}

TEST(GenericKvStore, MakesItsIndexFromArguments) {
  GenericKvStore<Rax> store(index::RaxOptions{.memory_bytes_max = 64 * KiB});
  const std::string large(100'000, 'v');
  const Result<void> refused = store.put("k", large);
  ASSERT_EQ(code_of(refused), Code::no_memory);
  EXPECT_FALSE(*store.contains("k"));
}

}  // namespace
}  // namespace aether
