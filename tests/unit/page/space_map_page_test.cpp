#include "page/space_map_page.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "page_fixture.h"

namespace aether::page {
namespace {

TEST(SpaceMapPage, AFreshMapHoldsWhatIsAlwaysAllocated) {
  for (const uint32_t page_bytes : kPageSizes) {
    const uint64_t group = pages_per_group(page_bytes);
    PageBuffer page(page_bytes);
    SpaceMapPage map(page.bytes(), page_bytes);

    map.format(PageId{17});
    EXPECT_TRUE(map.check_map().has_value());
    EXPECT_EQ(map.header().page.page_id, PageId{1});
    EXPECT_EQ(map.count_allocated(), 2u);
    EXPECT_EQ(map.find_free(0, 1), 2u);

    map.format(PageId{3 * group + 5});
    EXPECT_TRUE(map.check_map().has_value());
    EXPECT_EQ(map.header().page.page_id, PageId{3 * group + 1});
    EXPECT_EQ(map.header().first_page, 3 * group);
    EXPECT_EQ(map.count_allocated(), 1u);
    EXPECT_EQ(map.find_free(0, 1), 0u);
    EXPECT_EQ(map.find_free(0, 2), 2u);
    EXPECT_EQ(map_page_of(PageId{3 * group - 1}, page_bytes), PageId{2 * group + 1});
  }
}

TEST(SpaceMapPage, RandomChangesAgreeWithAVectorOfBits) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    PageBuffer page(4096);
    SpaceMapPage map(page.bytes(), 4096);
    map.format(kNoPage);
    const auto bits = static_cast<uint32_t>(pages_per_group(4096));
    std::vector<bool> model(bits);
    model[0] = model[1] = true;
    for (int step = 0; step < 3000; ++step) {
      const uint32_t bit = random.below(bits + 10);
      const uint32_t count = random.below(random.one_in(3) ? 400 : 5);
      const bool allocate = !random.one_in(3);
      bool legal = bit + count <= bits && (allocate || bit > 1 || count == 0);
      for (uint32_t i = bit; legal && i < bit + count; ++i) legal = model[i] != allocate;
      const std::string before = page.copy();

      const Result<void> done = allocate ? map.set(bit, count) : map.clear(bit, count);
      ASSERT_EQ(done.has_value(), legal) << "step " << step;
      if (legal) {
        std::fill_n(model.begin() + bit, count, allocate);
      } else {
        ASSERT_EQ(done.error().code(), Code::corruption);
        ASSERT_TRUE(page.copy() == before) << "a refused change must change nothing";
      }

      const uint32_t from = random.below(bits);
      const uint32_t wanted = 1 + random.below(300);
      const auto found = std::search_n(model.begin() + from, model.end(), wanted, false);
      const std::optional<uint32_t> got = map.find_free(from, wanted);
      ASSERT_EQ(got.has_value(), found != model.end()) << "step " << step;
      if (got) {
        ASSERT_EQ(*got, found - model.begin()) << "step " << step;
      }
    }
    for (uint32_t i = 0; i < bits; ++i) ASSERT_EQ(map.test(i), model[i]) << i;
    EXPECT_EQ(map.count_allocated(), std::count(model.begin(), model.end(), true));
    EXPECT_TRUE(map.check_map().has_value());
  }
}

TEST(SpaceMapPage, TheEdges) {
  PageBuffer page(4096);
  SpaceMapPage map(page.bytes(), 4096);
  map.format(kNoPage);
  const auto bits = static_cast<uint32_t>(pages_per_group(4096));
  EXPECT_FALSE(map.find_free(0, 0).has_value());
  EXPECT_FALSE(map.find_free(bits, 1).has_value());
  EXPECT_FALSE(map.find_free(UINT32_MAX, 1).has_value());
  EXPECT_FALSE(map.find_free(0, UINT32_MAX).has_value());
  EXPECT_EQ(map.find_free(0, bits - 2), 2u);
  EXPECT_FALSE(map.find_free(0, bits - 1).has_value());
  EXPECT_TRUE(map.test(UINT32_MAX));
  EXPECT_FALSE(map.set(2, UINT32_MAX).has_value());
  EXPECT_TRUE(map.set(2, bits - 2).has_value());
  EXPECT_FALSE(map.find_free(0, 1).has_value());
  EXPECT_EQ(map.count_allocated(), bits);
  EXPECT_TRUE(map.clear(bits - 1, 1).has_value());
  EXPECT_EQ(map.find_free(0, 1), bits - 1);
  EXPECT_FALSE(map.clear(0, 1).has_value());
  EXPECT_FALSE(map.clear(1, 1).has_value());
  EXPECT_FALSE(map.clear(0, bits).has_value());
}

TEST(SpaceMapPage, CheckMapFindsDamage) {
  PageBuffer page(4096);
  SpaceMapPage map(page.bytes(), 4096);
  const auto refused_with = [&](auto change) {
    map.format(kNoPage);
    change(map.header());
    return !map.check_map().has_value();
  };
  EXPECT_FALSE(refused_with([](SpaceMapHeader&) {}));
  EXPECT_TRUE(refused_with([](SpaceMapHeader& h) { h.bits = 8; }));
  EXPECT_TRUE(refused_with([](SpaceMapHeader& h) { h.first_page = 8; }));
  EXPECT_TRUE(refused_with([](SpaceMapHeader& h) { h.page.page_id = PageId{2}; }));
  EXPECT_TRUE(refused_with([](SpaceMapHeader& h) { h.page.kind = PageKind::overflow; }));
  EXPECT_TRUE(refused_with([](SpaceMapHeader& h) { h.reserved2 = 8; }));
  EXPECT_TRUE(refused_with([&](SpaceMapHeader&) { page.bytes()[64] = std::byte{1}; }));
  EXPECT_TRUE(refused_with([&](SpaceMapHeader&) { page.bytes()[64] = std::byte{2}; }));
}

}  // namespace
}  // namespace aether::page
