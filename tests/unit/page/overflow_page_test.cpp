#include "page/overflow_page.h"

#include <gmock/gmock.h>

#include "page_fixture.h"

namespace aether::page {
namespace {

constexpr uint64_t kEnvironment = 77;

/// An extent at page 100 with the beginning of `value`.
PageBuffer extent_of(std::string_view value, uint32_t page_bytes, uint32_t pages, uint64_t* took,
                     PageId next = kNoPage) {
  PageBuffer extent(pages * page_bytes);
  std::memset(extent.bytes(), 0xEE, extent.size());
  *took = fill_extent({extent.bytes(), extent.size()}, page_bytes, kEnvironment, PageId{100}, 3, 12,
                      next, value);
  return extent;
}

TEST(OverflowPage, ValuesComeBackThroughChainsOfExtents) {
  Random random(6);
  for (const uint32_t page_bytes : {4096u, 65536u}) {
    const uint32_t payload = overflow_payload_bytes(page_bytes);
    for (const uint32_t length :
         {1u, payload - 1, payload, payload + 1, 3 * payload, 7 * payload + 5}) {
      const std::string value = random.bytes(length);
      std::string out;
      uint64_t taken = 0;
      for (uint32_t pages = 1; taken < length; ++pages) {  // Extents of 1, 2, 3, ... pages.
        uint64_t took = 0;
        PageBuffer extent = extent_of(std::string_view(value).substr(taken), page_bytes, pages,
                                      &took, PageId{taken + pages * payload < length ? 200u : 0u});
        for (uint32_t i = 0; i < pages; ++i) {
          const std::byte* page = extent.bytes() + size_t{i} * page_bytes;
          ASSERT_TRUE(check(page, page_bytes, kEnvironment, PageId{100 + i}).has_value());
          ASSERT_TRUE(take_payload(page, page_bytes, PageId{100}, i, out).has_value());
        }
        const auto header = base::load<OverflowHeader>(extent.bytes());
        EXPECT_EQ(header.extent_pages, pages);
        EXPECT_EQ(header.page.gsn, 12u);
        EXPECT_EQ(header.page.store, 3u);
        taken += took;
        EXPECT_EQ(header.next_extent, taken < length ? 200u : 0u);
      }
      EXPECT_TRUE(out == value) << length;
    }
  }
}

TEST(OverflowPage, WhatIsBehindTheValueIsZero) {
  uint64_t took = 0;
  PageBuffer extent = extent_of("abc", 4096, 2, &took);
  EXPECT_EQ(took, 3u);
  EXPECT_TRUE(is_zero(extent.bytes() + 64 + 3, 4096 - 64 - 3));
  EXPECT_TRUE(is_zero(extent.bytes() + 4096 + 64, 4096 - 64));
  std::string out;
  ASSERT_TRUE(take_payload(extent.bytes() + 4096, 4096, PageId{100}, 1, out).has_value());
  EXPECT_EQ(out, "");
}

TEST(OverflowPage, WrongPagesAreRefused) {
  uint64_t took = 0;
  PageBuffer extent = extent_of(std::string(5000, 'v'), 4096, 2, &took);
  std::string out;
  const auto refused = [&](PageId first, uint32_t index) {
    const Result<void> taken = take_payload(extent.bytes(), 4096, first, index, out);
    return !taken && taken.error().code() == Code::corruption && out.empty();
  };
  EXPECT_TRUE(refused(PageId{99}, 1));  // The right page, but not that one of its extent.
  EXPECT_TRUE(refused(PageId{101}, 0));
  auto header = base::load<OverflowHeader>(extent.bytes());
  const auto with = [&](auto change) {
    OverflowHeader changed = header;
    change(changed);
    base::store(extent.bytes(), changed);
    return refused(PageId{100}, 0);
  };
  EXPECT_TRUE(with([](OverflowHeader& h) { h.page.kind = PageKind::btree_leaf; }));
  EXPECT_TRUE(with([](OverflowHeader& h) { h.used_bytes = 4096 - 64 + 1; }));
  EXPECT_TRUE(with([](OverflowHeader& h) { h.used_bytes = UINT32_MAX; }));
  EXPECT_TRUE(with([](OverflowHeader& h) { h.extent_pages = 0; }));
  EXPECT_TRUE(with([](OverflowHeader& h) { h.reserved = 1; }));
  EXPECT_FALSE(with([](OverflowHeader&) {}));
}

}  // namespace
}  // namespace aether::page
