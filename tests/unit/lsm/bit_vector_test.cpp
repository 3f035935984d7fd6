#include "lsm/filter/bit_vector.h"

#include <gtest/gtest.h>

#include <random>

namespace aether::lsm {
namespace {

// Goal:   rank, select and next_one are what counting says.
// Method: sizes around every boundary of the directory, and densities from none to all; every position of the small ones.
TEST(BitVector, CountsAsCountingDoes) {
  std::mt19937_64 random(1);
  for (const uint64_t size : {0ul, 1ul, 63ul, 64ul, 65ul, 511ul, 512ul, 513ul, 65535ul, 65536ul,
                              65537ul, 200000ul, 1000001ul}) {
    for (const uint32_t percent : {0u, 1u, 30u, 99u, 100u}) {
      BitList list;
      for (uint64_t i = 0; i < size; ++i) list.push(random() % 100 < percent);
      const uint64_t ones = list.ones();
      std::string bytes = "x";  // At an odd address.
      list.write(true, bytes);
      const BitVector bits(bytes.data() + 1, size, true, ones);
      BitVector with_places = bits;
      with_places.keep_places();
      const uint64_t stride = size < 70000 ? 1 : 97;
      uint64_t before = 0;
      uint64_t last_one = 0;
      for (uint64_t i = 0; i < size; ++i) {
        const bool bit = list.get(i);
        if (i % stride == 0) {
          ASSERT_EQ(bits.get(i), bit) << size << " at " << i;
          ASSERT_EQ(bits.rank(i), before) << size << " at " << i;
        }
        if (!bit) continue;
        if (before % stride == 0) {
          ASSERT_EQ(bits.select(before), i) << size << ", one " << before;
          ASSERT_EQ(with_places.select(before), i) << size << ", one " << before;
        }
        if (i % stride == 0) {
          ASSERT_EQ(bits.next_one(before == 0 ? 0 : last_one + 1, size), i);
          ASSERT_EQ(bits.next_one(i, i), size);
        }
        last_one = i;
        ++before;
      }
      EXPECT_EQ(bits.rank(size), ones);
      EXPECT_EQ(bits.rank(size + 1000), ones);
      EXPECT_EQ(bits.select(ones), size);
      EXPECT_EQ(with_places.select(ones), size);
      EXPECT_EQ(bits.next_one(size, size), size);
    }
  }
}

// Goal:   places are kept only of what says the truth and has no wide gaps; else selects are as they were.
// Method: two ones far apart; and counts of ones that are not those of the bits.
TEST(BitVector, NoPlacesOfWhatIsNoTrie) {
  BitList list;
  list.grow(100'000);
  list.set(3);
  list.set(99'998);
  std::string bytes;
  list.write(true, bytes);
  for (const uint64_t ones : {1u, 2u, 3u, 90u}) {
    bytes.resize(BitVector::bytes_for(100'000, true, ones));
    const BitVector bits(bytes.data(), 100'000, true, ones);
    BitVector with_places = bits;
    with_places.keep_places();
    for (uint64_t rank = 0; rank < 100; ++rank)
      ASSERT_EQ(with_places.select(rank), bits.select(rank)) << rank << " of " << ones;
  }
}

TEST(BitVector, TheDirectoryTakesAtMostFourPercent) {
  const uint64_t bits = 10'000'000;
  const uint64_t bytes = BitVector::bytes_for(bits, true, bits);
  EXPECT_LE(static_cast<double>(bytes), 1.04 * static_cast<double>(bits) / 8);
}

TEST(BitList, AppendsAtAnyPlace) {
  std::mt19937_64 random(2);
  BitList all;
  std::vector<bool> expected;
  for (int part = 0; part < 200; ++part) {
    BitList list;
    for (uint64_t i = random() % 200; i > 0; --i) {
      const bool bit = random() % 2 == 0;
      list.push(bit);
      expected.push_back(bit);
    }
    all.append(list);
  }
  ASSERT_EQ(all.size(), expected.size());
  for (uint64_t i = 0; i < all.size(); ++i) ASSERT_EQ(all.get(i), expected[i]) << i;
}

}  // namespace
}  // namespace aether::lsm
