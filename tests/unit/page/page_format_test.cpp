// Holds docs/formats/page.md to its word: builds the page that the document shows and compares the
// bytes.
#include <gmock/gmock.h>

#include <fstream>

#include "page/leaf_record.h"
#include "page/overflow_page.h"
#include "page/slotted_page.h"
#include "page/space_map_page.h"
#include "page_fixture.h"

namespace aether::page {
namespace {

constexpr uint64_t kEnvironment = 0x0123456789abcdef;

/// Rows of 16 bytes that are not all zero, as the document prints them.
std::string dump(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t row = 0; row < bytes.size(); row += 16) {
    const std::string part = bytes.substr(row, 16);
    if (part.find_first_not_of('\0') == std::string::npos) continue;
    for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[row >> shift & 15];
    for (const char c : part) {
      out += ' ';
      out += kDigits[static_cast<uint8_t>(c) >> 4];
      out += kDigits[static_cast<uint8_t>(c) & 15];
    }
    out += '\n';
  }
  return out;
}

/// The hex rows of the document: indented by 4, then 4 hex digits and 16 bytes.
std::string documented_rows() {
  std::ifstream file(AETHER_SOURCE_DIR "/docs/formats/page.md");
  std::string out;
  for (std::string line; std::getline(file, line);) {
    if (line.size() < 56 || line.substr(0, 4) != "    ") continue;
    const std::string row = line.substr(4, 52);
    if (row.find_first_not_of("0123456789abcdef ") == std::string::npos && row[4] == ' ' &&
        row.find(' ') == 4) {
      out += row + '\n';
    }
  }
  return out;
}

TEST(PageFormat, TheDocumentShowsThePageThatIsWritten) {
  PageBuffer page(4096);
  SlottedPage node = page.node();
  node.format(PageId{5}, 2, 0, Bytes("apple"), Bytes("apricot"));
  const auto record = [](TxnId txn, uint8_t flags, const std::string& value) {
    return child_payload(RecordMeta(txn, flags).word()) + value;
  };
  ASSERT_TRUE(put(node, "apple", record(7, 0, "red")));
  ASSERT_TRUE(put(node, "apple tree", record(9, RecordMeta::kRemoved, "")));
  ASSERT_TRUE(put(node, "apply", record(8, 0, "verb")));
  node.header().page.gsn = 0x1234;
  node.header().page.newest_txn = 9;
  seal(page.bytes(), page.size(), kEnvironment);

  ASSERT_TRUE(sound(node));
  EXPECT_EQ(documented_rows(), dump(page.copy()));
}

TEST(PageFormat, FieldsLieWhereTheDocumentSays) {
  EXPECT_EQ(offsetof(PageHeader, flags), 29u);
  EXPECT_EQ(offsetof(PageHeader, reserved), 30u);
  EXPECT_EQ(offsetof(NodeHeader, leftmost), 40u);
  EXPECT_EQ(offsetof(NodeHeader, heap_begin), 48u);
  EXPECT_EQ(offsetof(NodeHeader, garbage), 52u);
  EXPECT_EQ(offsetof(NodeHeader, count), 56u);
  EXPECT_EQ(offsetof(NodeHeader, prefix_length), 58u);
  EXPECT_EQ(offsetof(NodeHeader, lower_offset), 60u);
  EXPECT_EQ(offsetof(NodeHeader, upper_offset), 64u);
  EXPECT_EQ(offsetof(NodeHeader, level), 68u);
  EXPECT_EQ(offsetof(NodeHeader, has_lower), 69u);
  EXPECT_EQ(offsetof(NodeHeader, has_upper), 70u);
  EXPECT_EQ(offsetof(NodeHeader, reserved), 71u);
  EXPECT_EQ(offsetof(Slot, offset), 4u);
  EXPECT_EQ(offsetof(Slot, key_length), 6u);
  EXPECT_EQ(offsetof(Slot, payload_length), 8u);
  EXPECT_EQ(offsetof(OverflowHeader, next_extent), 40u);
  EXPECT_EQ(offsetof(OverflowHeader, extent_pages), 48u);
  EXPECT_EQ(offsetof(OverflowHeader, index), 52u);
  EXPECT_EQ(offsetof(OverflowHeader, used_bytes), 56u);
  EXPECT_EQ(offsetof(SpaceMapHeader, first_page), 40u);
  EXPECT_EQ(offsetof(SpaceMapHeader, bits), 48u);
  EXPECT_EQ(offsetof(OverflowReference, first_page), 8u);
}

}  // namespace
}  // namespace aether::page
