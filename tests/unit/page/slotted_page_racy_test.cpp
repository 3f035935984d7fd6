// The methods marked [racy] on bytes that are no node. Run under the address sanitizer: the pages
// lie in allocations of their exact size, so that any access outside is seen.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "page/slotted_page.h"
#include "page_fixture.h"

namespace aether::page {
namespace {

/// Calls every racy method; the sum depends on all bytes that they return.
uint64_t read_all(const SlottedPage& node, Bytes key, uint32_t some_slot) {
  uint64_t sum = 0;
  const auto touch = [&sum](Bytes bytes) {
    for (const char c : bytes) sum += static_cast<uint8_t>(c);
  };
  touch(node.prefix());
  if (const Fence lower = node.lower_fence()) touch(*lower);
  if (const Fence upper = node.upper_fence()) touch(*upper);
  const uint32_t count = node.count();
  const SlottedPage::Position at = node.lower_bound(key);
  EXPECT_LE(at.slot, node.page_bytes() / 10);
  for (const uint32_t slot : {at.slot, some_slot, count, 0u, ~0u}) {
    touch(node.suffix(slot));
    touch(node.payload(slot));
    sum += *node.child_word(slot);
    std::string full;
    node.key(slot, full);
    touch(full);
  }
  for (const bool below : {false, true}) sum += *node.child_word(node.child_index(key, below));
  return sum;
}

TEST(SlottedPageRacy, ReadsOfRandomBytesStayInThePage) {
  const uint64_t seed = 17;
  Random random(seed);
  uint64_t sum = 0;
  for (const uint32_t page_bytes : kPageSizes) {
    PageBuffer page(page_bytes);
    for (int round = 0; round < 400; ++round) {
      for (uint32_t i = 0; i < page_bytes; i += 8) {
        const uint64_t word = random.word();
        std::memcpy(page.bytes() + i, &word, 8);
      }
      if (round % 4 == 1) std::memset(page.bytes(), 0xFF, page_bytes);
      if (round % 4 == 2) std::memset(page.bytes() + 56, 0xFF, 16);
      if (round % 4 == 3) page.node().header().level = 0;
      for (int i = 0; i < 10; ++i) {
        const std::string key = random.one_in(4) ? std::string(random.below(9), '\xff')
                                                 : random.bytes(random.below(30));
        sum += read_all(page.node(), key, random.below(70000));
      }
      EXPECT_FALSE(page.node().check_node().has_value());
    }
  }
  EXPECT_NE(sum, 0u);
}

// Nearly sound nodes reach further into the search than random bytes do.
TEST(SlottedPageRacy, ReadsOfDamagedNodesStayInThePage) {
  const uint64_t seed = 18;
  Random random(seed);
  uint64_t sum = 0;
  for (const uint8_t level : {uint8_t{0}, uint8_t{1}}) {
    PageBuffer page(4096);
    SlottedPage node = page.node();
    node.format(PageId{1}, 1, level, Bytes("k"), Bytes("k\xff"));
    for (int i = 0; i < 300; ++i) {
      put(node, std::string("k").append(random.narrow_key(9)).append("."), child_payload(0));
    }
    const std::string whole = page.copy();
    for (int round = 0; round < 30000; ++round) {
      std::memcpy(page.bytes(), whole.data(), whole.size());
      for (uint32_t changes = 1 + random.below(4); changes > 0; --changes) {
        page.bytes()[40 + random.below(random.one_in(2) ? 100 : 4056)] = static_cast<std::byte>(
            random.word());
      }
      sum += read_all(node, std::string("k").append(random.narrow_key(9)), random.below(500));
      sum += node.check_node() ? 1 : 0;  // Either answer is right; it must come.
    }
  }
  EXPECT_NE(sum, 0u);
}

#if !defined( \
    AETHER_TSAN)  // A race by design: the buffer pool's validation is what makes it harmless.
TEST(SlottedPageRacy, ReadsWhileAnotherThreadChangesThePage) {
  PageBuffer page(4096);
  SlottedPage node = page.node();
  node.format(PageId{1}, 1, 0, std::nullopt, std::nullopt);
  std::atomic<bool> stop{false};
  std::thread writer([&stop, node]() mutable {
    Random random(2);
    while (!stop.load()) {
      const std::string key = std::string("a").append(random.narrow_key(8));
      const SlottedPage::Position at = node.lower_bound(key);
      if (!at.exact && node.fits(static_cast<uint32_t>(key.size()), 8)) {
        node.insert(at.slot, key, child_payload(random.word()));
      } else if (node.count() > 0) {
        node.remove(random.below(node.count()));
      }
      if (random.one_in(1000)) node.format(PageId{1}, 1, random.one_in(2), Bytes("a"), Bytes("ab"));
      if (random.one_in(100)) node.format(PageId{1}, 1, 0, std::nullopt, std::nullopt);
    }
  });
  Random random(1);
  uint64_t sum = 0;
  for (int i = 0; i < 100000; ++i) {
    sum += read_all(node, std::string("a").append(random.narrow_key(8)), random.below(300));
  }
  stop = true;
  writer.join();
  EXPECT_NE(sum, 0u);
}
#endif

}  // namespace
}  // namespace aether::page
