#include <gmock/gmock.h>

#include "page/slotted_page.h"
#include "page_fixture.h"

namespace aether::page {
namespace {

void fill(SlottedPage node, uint8_t level, Random& random) {
  node.format(PageId{5}, 9, level, Bytes("m"), Bytes("n"));
  node.header().page.newest_txn = 0x123456789a;
  node.header().page.gsn = 77;
  node.header().leftmost = level == 0 ? 0 : 0x1111;
  for (int i = 0; i < 2000; ++i) {
    put(node, std::string("m").append(random.bytes(1 + random.below(9))),
        child_payload(random.word()));
  }
}

TEST(SlottedPageImage, RestoresANodeByteForByte) {
  for (const uint32_t page_bytes : kPageSizes) {
    for (const uint8_t level : {uint8_t{0}, uint8_t{2}}) {
      Random random(page_bytes);
      PageBuffer page(page_bytes);
      SlottedPage node = page.node();
      fill(node, level, random);
      const std::string image = node.image();
      EXPECT_LT(image.size(), page_bytes);
      EXPECT_LE(image.size(), 65535u);

      PageBuffer other(page_bytes);
      std::memset(other.bytes(), 0xCD, page_bytes);
      other.node().header().page.page_id = PageId{5};
      other.node().header().page.gsn = 77;
      ASSERT_TRUE(other.node().load_image(image).has_value());
      EXPECT_TRUE(page.copy() == other.copy());
    }
  }
}

TEST(SlottedPageImage, OfAPageWithGarbageIsCompact) {
  Random random(3);
  PageBuffer page(4096);
  SlottedPage node = page.node();
  fill(node, 0, random);
  for (uint32_t i = 0; i < node.count(); ++i) node.remove(i);
  ASSERT_GT(node.header().garbage, 0u);
  const std::string bytes = page.copy();

  const std::string image = node.image();
  EXPECT_TRUE(page.copy() == bytes) << "making an image changed the page";
  PageBuffer other(4096);
  ASSERT_TRUE(other.node().load_image(image).has_value());
  EXPECT_EQ(other.node().header().garbage, 0u);
  EXPECT_EQ(other.node().header().page.newest_txn, 0x123456789au);
  ASSERT_EQ(other.node().count(), node.count());
  for (uint32_t i = 0; i < node.count(); ++i) {
    EXPECT_EQ(key_at(other.node(), i), key_at(node, i));
    EXPECT_EQ(other.node().payload(i), node.payload(i));
  }
}

// Goal:   bytes of the log that passed their checksum and are still wrong never make an unsound
//         node.
// Method: cut an image at every length, change its bytes at random; what is accepted must pass the
//         check, and what is refused must leave the page as it was.
TEST(SlottedPageImage, DamagedImagesAreRefused) {
  const uint64_t seed = 8;
  Random random(seed);
  PageBuffer page(4096);
  fill(page.node(), 0, random);
  const std::string image = page.node().image();
  PageBuffer other(4096);
  other.node().format(PageId{1}, 1, 0, std::nullopt, std::nullopt);
  const std::string before = other.copy();
  for (size_t length = 0; length < image.size(); ++length) {
    const Result<void> loaded = other.node().load_image(Bytes(image).substr(0, length));
    ASSERT_FALSE(loaded.has_value()) << length;
    ASSERT_EQ(loaded.error().code(), Code::corruption);
  }
  EXPECT_FALSE(other.node().load_image(image + "x").has_value());
  EXPECT_TRUE(other.copy() == before);
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = image;
    for (uint32_t changes = 1 + random.below(3); changes > 0; --changes) {
      const uint32_t limit = random.one_in(2) ? 120 : static_cast<uint32_t>(image.size());
      damaged[random.below(limit)] = static_cast<char>(random.word());
    }
    other.node().format(PageId{1}, 1, 0, std::nullopt, std::nullopt);
    if (other.node().load_image(damaged)) {
      ASSERT_TRUE(sound(other.node())) << "seed " << seed << " round " << i;
    } else {
      ASSERT_TRUE(other.copy() == before) << "seed " << seed << " round " << i;
    }
    other.node().format(PageId{1}, 1, 0, std::nullopt, std::nullopt);
    ASSERT_FALSE(other.node().load_image(random.bytes(random.below(5000))).has_value());
  }
}

}  // namespace
}  // namespace aether::page
