#include "page/slotted_page.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "page_fixture.h"

namespace aether::page {
namespace {

using Model = std::map<std::string, std::string>;

testing::AssertionResult same(const SlottedPage& node, const Model& model) {
  if (node.count() != model.size()) {
    return testing::AssertionFailure() << node.count() << " slots, not " << model.size();
  }
  uint32_t slot = 0;
  for (const auto& [key, payload] : model) {
    if (key_at(node, slot) != key || node.payload(slot) != payload) {
      return testing::AssertionFailure() << "slot " << slot << " differs";
    }
    ++slot;
  }
  return testing::AssertionSuccess();
}

TEST(SlottedPage, AFreshNodeIsEmptyAndAllElseIsZero) {
  for (const uint32_t page_bytes : kPageSizes) {
    PageBuffer page(page_bytes);
    std::memset(page.bytes(), 0xAB, page_bytes);
    SlottedPage node = page.node();

    node.format(PageId{7}, 3, 0, "abc", "abd");

    EXPECT_TRUE(sound(node));
    EXPECT_EQ(node.count(), 0u);
    EXPECT_TRUE(node.is_leaf());
    EXPECT_EQ(node.prefix(), "ab");
    EXPECT_EQ(node.lower_fence(), Bytes("abc"));
    EXPECT_EQ(node.upper_fence(), Bytes("abd"));
    EXPECT_EQ(node.header().page.page_id, PageId{7});
    EXPECT_EQ(node.header().page.kind, PageKind::btree_leaf);
    EXPECT_EQ(node.used_bytes(), 6u);
    EXPECT_EQ(node.free_bytes(), page_bytes - 128 - 6);
    const std::string bytes = page.copy();
    EXPECT_EQ(std::count(bytes.begin() + 128, bytes.end() - 6, '\0'), page_bytes - 128 - 6);
  }
}

TEST(SlottedPage, AnAbsentFenceIsNotAnEmptyOne) {
  PageBuffer page(4096);
  SlottedPage node = page.node();
  node.format(PageId{1}, 1, 0, Bytes(""), std::nullopt);
  EXPECT_TRUE(sound(node));
  EXPECT_EQ(node.lower_fence(), Bytes(""));
  EXPECT_FALSE(node.upper_fence().has_value());
}

// A record without a byte, at the end of the largest page, has an offset that 16 bits cannot hold.
TEST(SlottedPage, TheEmptyRecordHasAPlaceInEveryPage) {
  for (const uint32_t page_bytes : kPageSizes) {
    PageBuffer page(page_bytes);
    SlottedPage node = page.node();
    node.format(PageId{1}, 1, 0, std::nullopt, std::nullopt);
    ASSERT_TRUE(put(node, "", ""));
    ASSERT_TRUE(put(node, "k", "v"));
    EXPECT_TRUE(sound(node));
    EXPECT_TRUE(same(node, {{"", ""}, {"k", "v"}}));
    node.replace_payload(0, "grown");
    EXPECT_TRUE(sound(node));
    node.replace_payload(0, "");
    EXPECT_TRUE(sound(node));
    EXPECT_TRUE(same(node, {{"", ""}, {"k", "v"}}));
    node.remove(0);
    EXPECT_TRUE(sound(node));
  }
}

TEST(SlottedPage, KeysThatDifferOnlyInZerosKeepTheirOrder) {
  PageBuffer page(4096);
  SlottedPage node = page.node();
  node.format(PageId{1}, 1, 0, std::nullopt, std::nullopt);
  std::vector<std::string> keys;
  for (size_t letters = 0; letters < 3; ++letters) {
    for (size_t zeros = 0; zeros < 9; ++zeros) {
      keys.push_back(std::string(letters, 'a') + std::string(zeros, '\0'));
      keys.push_back(keys.back() + "x");
    }
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::vector<std::string> shuffled = keys;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937_64(1));
  for (const std::string& key : shuffled) ASSERT_TRUE(put(node, key, key));

  ASSERT_TRUE(sound(node));
  for (uint32_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(key_at(node, i), keys[i]);
    EXPECT_EQ(node.lower_bound(keys[i]).slot, i);
    EXPECT_TRUE(node.lower_bound(keys[i]).exact);
  }
}

// Goal:   the search is right for every count, so for every place of the hints.
// Method: grow a node by one key at a time and ask for every key, and for keys between and beside
//         them.
TEST(SlottedPage, LowerBoundAgreesAtEveryCount) {
  const uint64_t seed = 42;
  Random random(seed);
  for (const bool leaf : {true, false}) {
    PageBuffer page(8192);
    SlottedPage node = page.node();
    node.format(PageId{1}, 1, leaf ? 0 : 1, std::nullopt, std::nullopt);
    std::vector<std::string> keys;
    for (int step = 0; step < 5000; ++step) {
      const std::string key = random.narrow_key(random.one_in(2) ? 3 : 12);
      if (!put(node, key, leaf ? std::string() : child_payload(static_cast<uint64_t>(step) * 8)))
        continue;
      keys.insert(std::lower_bound(keys.begin(), keys.end(), key), key);
      for (int probe = 0; probe < 200; ++probe) {
        const std::string wanted = random.narrow_key(random.one_in(2) ? 4 : 13);
        const auto expected = std::lower_bound(keys.begin(), keys.end(), wanted);
        const SlottedPage::Position at = node.lower_bound(wanted);
        ASSERT_EQ(at.slot, expected - keys.begin()) << "seed " << seed << " step " << step;
        ASSERT_EQ(at.exact, expected != keys.end() && *expected == wanted);
      }
    }
    ASSERT_GT(keys.size(), 200u);
    ASSERT_TRUE(sound(node));
  }
}

TEST(SlottedPage, LowerBoundAgreesInFullPagesOfEverySize) {
  for (const uint32_t page_bytes : kPageSizes) {
    for (const uint64_t seed : {1ull, 2ull, 3ull}) {
      Random random(seed);
      PageBuffer page(page_bytes);
      SlottedPage node = page.node();
      // Seeds take turns: random heads, all heads equal, all keys under a common prefix.
      const Fence lower = seed == 3 ? Fence("pre/") : std::nullopt;
      const Fence upper = seed == 3 ? Fence("pre0") : std::nullopt;
      node.format(PageId{1}, 1, 0, lower, upper);
      const std::string before = seed == 1 ? "" : seed == 2 ? "same" : "pre/";
      std::vector<std::string> keys;
      for (;;) {
        const std::string key = before + random.bytes(random.below(9));
        if (!node.fits(static_cast<uint32_t>(key.size()), 8)) break;
        if (put(node, key, "payload.")) keys.push_back(key);
      }
      std::sort(keys.begin(), keys.end());
      ASSERT_TRUE(sound(node)) << "seed " << seed;
      ASSERT_EQ(node.prefix(), seed == 3 ? "pre" : "");
      for (int probe = 0; probe < 20000; ++probe) {
        std::string wanted = before + random.bytes(random.below(9));
        if (probe % 2 == 0) wanted = keys[random.below(static_cast<uint32_t>(keys.size()))];
        if (probe % 8 == 0) wanted.push_back('\0');
        const auto expected = std::lower_bound(keys.begin(), keys.end(), wanted);
        const SlottedPage::Position at = node.lower_bound(wanted);
        ASSERT_EQ(at.slot, expected - keys.begin()) << page_bytes << " seed " << seed;
        ASSERT_EQ(at.exact, expected != keys.end() && *expected == wanted);
      }
    }
  }
}

TEST(SlottedPage, ChildrenAreFoundByKey) {
  PageBuffer page(4096);
  SlottedPage node = page.node();
  node.format(PageId{9}, 1, 2, Bytes("b"), Bytes("y"));
  node.header().leftmost = 1000;
  for (const char* separator : {"m", "f", "mm", "t"}) {
    ASSERT_TRUE(put(node, separator, child_payload(static_cast<uint64_t>(separator[0]) * 8)));
  }
  ASSERT_TRUE(sound(node));
  const auto word = [&](Bytes key, bool below = false) {
    return *node.child_word(node.child_index(key, below));
  };
  EXPECT_EQ(word("b"), 1000u);
  EXPECT_EQ(word("ezzz"), 1000u);
  EXPECT_EQ(word("f"), 'f' * 8u);
  EXPECT_EQ(word("f", true), 1000u);
  EXPECT_EQ(word("mla"), 'm' * 8u);
  EXPECT_EQ(word("mm", true), 'm' * 8u);
  EXPECT_EQ(word("xx"), 't' * 8u);
  for (uint32_t i = 0; i <= node.count(); ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(node.child_word(i)) % 8, 0u);
  }
  *node.child_word(1) = 77;
  EXPECT_EQ(node.payload(0), child_payload(77));
}

// Goal:   the child word of a removed separator is gone: an address in memory must not reach the disk.
// Method: remove what is not the newest record, whose bytes stay in the heap as garbage.
TEST(SlottedPage, ARemovedChildLeavesNoWordBehind) {
  PageBuffer page(4096);
  SlottedPage node = page.node();
  node.format(PageId{9}, 1, 2, Bytes("b"), Bytes("y"));
  const uint64_t address = 0x80007fa690c7c200;
  ASSERT_TRUE(put(node, "f", child_payload(address)));
  ASSERT_TRUE(put(node, "m", child_payload(8)));
  node.remove(0);
  ASSERT_TRUE(sound(node));
  const Bytes bytes(reinterpret_cast<const char*>(node.bytes()), node.page_bytes());
  EXPECT_EQ(bytes.find(child_payload(address)), Bytes::npos);
}

// Goal:   any sequence of changes leaves the node that a map would have, and a sound one.
TEST(SlottedPage, RandomChangesAgreeWithAMap) {
  for (const uint32_t page_bytes : kPageSizes) {
    const uint64_t seed = page_bytes;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    PageBuffer page(page_bytes);
    SlottedPage node = page.node();
    node.format(PageId{3}, 2, 0, Bytes("k"), Bytes("k\xff\xff"));
    Model model;
    const int steps = page_bytes == 4096 ? 6000 : 1500;
    for (int step = 0; step < steps; ++step) {
      const std::string key = std::string("k").append(random.narrow_key(7));
      if (key >= "k\xff\xff") continue;
      const std::string payload = random.bytes(random.below(random.one_in(4) ? 700 : 60));
      const SlottedPage::Position at = node.lower_bound(key);
      const auto size = static_cast<uint32_t>(payload.size());
      if (at.exact && random.one_in(3)) {
        node.remove(at.slot);
        model.erase(key);
      } else if (at.exact && node.fits_payload(at.slot, size)) {
        node.replace_payload(at.slot, payload);
        model[key] = payload;
      } else if (!at.exact && node.fits(static_cast<uint32_t>(key.size()), size)) {
        node.insert(at.slot, key, payload);
        model[key] = payload;
      } else if (node.count() > 0) {
        const uint32_t victim = random.below(node.count());
        model.erase(key_at(node, victim));
        node.remove(victim);
      }
      ASSERT_TRUE(sound(node)) << "step " << step;
      ASSERT_TRUE(same(node, model)) << "step " << step;
    }
    ASSERT_EQ(node.used_bytes() + node.free_bytes(), page_bytes - 128);
  }
}

TEST(SlottedPage, RandomChangesOfAnInnerNodeAgreeWithAMap) {
  const uint64_t seed = 11;
  Random random(seed);
  PageBuffer page(4096);
  SlottedPage node = page.node();
  node.format(PageId{3}, 2, 1, Bytes("x"), Bytes("xzz"));
  Model model;
  for (int step = 0; step < 6000; ++step) {
    const std::string key = std::string("x").append(random.narrow_key(40)).append("!");
    const SlottedPage::Position at = node.lower_bound(key);
    if (!at.exact && key > "x" && key < "xzz" && node.fits(static_cast<uint32_t>(key.size()), 8)) {
      model[key] = child_payload(random.word());
      node.insert(at.slot, key, model[key]);
    } else if (node.count() > 0) {
      const uint32_t victim = random.below(node.count());
      model.erase(key_at(node, victim));
      node.remove(victim);
    }
    ASSERT_TRUE(sound(node)) << "seed " << seed << " step " << step;
    ASSERT_TRUE(same(node, model)) << "seed " << seed << " step " << step;
  }
}

// The negative space of `fits`: it says yes up to the last byte, and the page can be filled to that
// byte.
TEST(SlottedPage, ANodeCanBeFilledToTheLastByte) {
  for (const uint32_t page_bytes : kPageSizes) {
    PageBuffer page(page_bytes);
    SlottedPage node = page.node();
    node.format(PageId{1}, 1, 0, std::nullopt, std::nullopt);
    ASSERT_TRUE(put(node, "a", std::string(100, 'x')));
    ASSERT_TRUE(put(node, "b", std::string(100, 'y')));
    node.remove(0);  // Garbage: the last byte is only found by compacting.
    const uint32_t rest = node.free_bytes() - 10 - 1;
    EXPECT_FALSE(node.fits(1, rest + 1));
    ASSERT_TRUE(node.fits(1, rest));
    ASSERT_TRUE(put(node, "c", std::string(rest, 'z')));
    EXPECT_EQ(node.free_bytes(), 0u);
    EXPECT_TRUE(sound(node));
    EXPECT_FALSE(node.fits_payload(0, 101));
    node.replace_payload(1, std::string(rest - 50, 'w'));
    node.replace_payload(0, std::string(150, 'v'));
    EXPECT_EQ(node.free_bytes(), 0u);
    EXPECT_TRUE(sound(node));
    EXPECT_TRUE(same(node, {{"b", std::string(150, 'v')}, {"c", std::string(rest - 50, 'w')}}));
  }
}

TEST(SlottedPage, TheLargestRecordFitsWhateverTheFences) {
  for (const uint32_t page_bytes : kPageSizes) {
    for (const uint8_t level : {uint8_t{0}, uint8_t{1}}) {
      const uint32_t longest = SlottedPage::max_key_bytes(page_bytes);
      PageBuffer page(page_bytes);
      SlottedPage node = page.node();
      const std::string lower(longest, 'a');
      const std::string upper(longest, 'c');
      node.format(PageId{1}, 1, level, Bytes(lower), Bytes(upper));
      const uint32_t payload = level == 0 ? SlottedPage::max_record_bytes(page_bytes) - longest : 8;
      EXPECT_TRUE(put(node, std::string(longest, 'b'), std::string(payload, 'p')));
      EXPECT_TRUE(sound(node));
    }
  }
}

TEST(SlottedPage, ASearchForAKeyOutsideTheFencesReturnsSomething) {
  PageBuffer page(4096);
  SlottedPage node = page.node();
  node.format(PageId{1}, 1, 0, Bytes("prefix/a"), Bytes("prefix/b"));
  ASSERT_TRUE(put(node, "prefix/abc", "1"));
  EXPECT_LE(node.lower_bound("").slot, 1u);
  EXPECT_LE(node.lower_bound("p").slot, 1u);
  EXPECT_LE(node.lower_bound("zzzzzzzzzzzz").slot, 1u);
}

// Goal:   damage inside a page that has the right checksum is found.
// Method: change every byte of a node in turn. Only what a node does not define (payloads, child
//         words, GSN, ids) may pass, and then every read must still be harmless.
TEST(SlottedPage, CheckNodeFindsChangedBytes) {
  for (const uint8_t level : {uint8_t{0}, uint8_t{1}}) {
    PageBuffer page(4096);
    SlottedPage node = page.node();
    node.format(PageId{1}, 1, level, Bytes("ka"), Bytes("kz"));
    for (const char* key : {"kb", "kcc", "kddddddd", "ke"}) {
      ASSERT_TRUE(put(node, key, child_payload(8)));
    }
    ASSERT_TRUE(sound(node));
    uint32_t found = 0;
    for (uint32_t at = 40; at < 4096; ++at) {
      page.bytes()[at] ^= std::byte{0x80};
      found += node.check_node() ? 0u : 1u;
      page.bytes()[at] ^= std::byte{0x80};
    }
    // What may pass: 4 payloads of 8 bytes, the 3 bytes of a key after its head, the last byte of
    // the upper fence; in the inner node also leftmost, and the padding of the records and fences.
    const uint32_t free_bytes = 4 * 8 + 3 + 1 + (level == 0 ? 0 : 8 + 3 * 7 + 1 + 4);
    EXPECT_EQ(found, 4096u - 40 - free_bytes);
    EXPECT_TRUE(sound(node));
  }
}

}  // namespace
}  // namespace aether::page
