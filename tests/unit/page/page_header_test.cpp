#include "page/page_header.h"

#include <gmock/gmock.h>

#include "page_fixture.h"

namespace aether::page {
namespace {

using testing::HasSubstr;

constexpr uint64_t kEnvironment = 0xfeed;

PageBuffer sealed_page(PageId id) {
  PageBuffer page(4096);
  Random random(4);
  page.node().format(id, 1, 0, std::nullopt, std::nullopt);
  for (int i = 0; i < 20; ++i) put(page.node(), random.bytes(10), random.bytes(100));
  seal(page.bytes(), 4096, kEnvironment);
  return page;
}

std::string refusal(PageBuffer& page, Code code, PageId expected = PageId{5},
                    uint64_t environment = kEnvironment) {
  const Result<void> checked = check(page.bytes(), page.size(), environment, expected);
  if (checked) return "accepted";
  EXPECT_EQ(checked.error().code(), code);
  return std::string(checked.error().message());
}

TEST(PageHeader, ASealedPageIsAccepted) {
  PageBuffer page = sealed_page(PageId{5});
  EXPECT_TRUE(check(page.bytes(), 4096, kEnvironment, PageId{5}).has_value());
}

// Goal: damage on disk is reported with its place. Method: flip every bit of one page in turn.
TEST(PageHeader, EveryFlippedBitIsFound) {
  PageBuffer page = sealed_page(PageId{5});
  for (uint32_t bit = 0; bit < 4096 * 8; ++bit) {
    page.bytes()[bit / 8] ^= std::byte{1} << (bit % 8);
    const Result<void> checked = check(page.bytes(), 4096, kEnvironment, PageId{5});
    ASSERT_FALSE(checked.has_value()) << "bit " << bit;
    ASSERT_EQ(checked.error().code(), Code::corruption);
    ASSERT_THAT(std::string(checked.error().message()), HasSubstr("page 5 "));
    page.bytes()[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  EXPECT_TRUE(check(page.bytes(), 4096, kEnvironment, PageId{5}).has_value());
}

TEST(PageHeader, APageOfElsewhereIsRefused) {
  PageBuffer page = sealed_page(PageId{5});
  EXPECT_THAT(refusal(page, Code::corruption, PageId{6}), HasSubstr("it holds page 5"));
  EXPECT_THAT(refusal(page, Code::corruption, PageId{5}, kEnvironment + 1),
              HasSubstr("another environment"));
}

TEST(PageHeader, UnknownFieldsAreRefused) {
  PageBuffer page = sealed_page(PageId{5});
  PageHeader& header = page.node().header().page;
  header.flags = 1;
  seal(page.bytes(), 4096, kEnvironment);
  EXPECT_THAT(refusal(page, Code::unsupported), HasSubstr("newer"));
  header.flags = 0;
  header.kind = PageKind{99};
  seal(page.bytes(), 4096, kEnvironment);
  EXPECT_THAT(refusal(page, Code::corruption), HasSubstr("kind, 99"));
  header.kind = PageKind{0};
  seal(page.bytes(), 4096, kEnvironment);
  EXPECT_THAT(refusal(page, Code::corruption), HasSubstr("kind, 0"));
  header.kind = PageKind::btree_leaf;
  header.reserved = 1;
  seal(page.bytes(), 4096, kEnvironment);
  EXPECT_THAT(refusal(page, Code::corruption), HasSubstr("reserved"));
}

TEST(PageHeader, APageNeverWrittenIsNamedSo) {
  for (const uint32_t page_bytes : kPageSizes) {
    PageBuffer page(page_bytes);
    EXPECT_TRUE(is_zero(page.bytes(), page_bytes));
    EXPECT_THAT(refusal(page, Code::corruption), HasSubstr("never written"));
    for (const uint32_t at : {0u, 1u, page_bytes / 2, page_bytes - 1}) {
      page.bytes()[at] = std::byte{1};
      EXPECT_FALSE(is_zero(page.bytes(), page_bytes)) << at;
      page.bytes()[at] = std::byte{0};
    }
  }
}

}  // namespace
}  // namespace aether::page
