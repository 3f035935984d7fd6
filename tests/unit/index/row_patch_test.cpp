#include "index/btree/row_patch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "index/btree/ops.h"
#include "page/leaf_record.h"
#include "page/slotted_page.h"
#include "tests/support/edited_value.h"

namespace aether::index {
namespace {

using page::RecordMeta;
using page::SlottedPage;
using testing::HasSubstr;

constexpr uint32_t kPageBytes = 4096;
const uint64_t kOld = RecordMeta(7, RecordMeta::kRemoved).word();
const uint64_t kNew = RecordMeta(9, 0).word();

std::string payload_of(uint64_t meta, std::string_view value) {
  return std::string(reinterpret_cast<const char*>(&meta), sizeof meta).append(value);
}

std::string patched(std::string payload, std::string_view patch) {
  EXPECT_TRUE(count_runs(patch, payload.size()).has_value());
  apply_patch(patch, reinterpret_cast<std::byte*>(payload.data()));
  return payload;
}

void expect_both_ways(const RowPatch& patch, const std::string& old, const std::string& value) {
  EXPECT_EQ(patched(payload_of(kOld, old), patch.forward()), payload_of(kNew, value));
  EXPECT_EQ(patched(payload_of(kNew, value), patch.back()), payload_of(kOld, old));
  EXPECT_EQ(patch.forward().size(), patch.back().size());
}

std::string run(uint16_t offset, std::string_view bytes) {
  const uint16_t head[] = {offset, static_cast<uint16_t>(bytes.size())};
  return std::string(reinterpret_cast<const char*>(head), sizeof head).append(bytes);
}

/// A part as in the log; keeps its bytes.
struct Part {
  Part(BTreeOp op, std::string_view key, std::string_view rest) {
    const auto length = static_cast<uint16_t>(key.size());
    bytes.append(reinterpret_cast<const char*>(&length), sizeof length).append(key).append(rest);
    view.header.store = 2;
    view.header.manager = wal::ResourceManager::btree;
    view.header.op = static_cast<uint8_t>(op);
    view.data = bytes;
  }
  std::string bytes;
  wal::PartView view;
};

// Goal:   a patch gives exactly the other payload, both ways, and is smaller than it.
// Method: random values of every size up to 80 and some longer ones, edited in a few places or replaced as a whole.
TEST(RowPatch, TurnsOnePayloadIntoTheOtherAndBack) {
  constexpr uint64_t kSeed = 11;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937_64 random(kSeed);
  RowPatch patch;
  uint64_t made = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string old(i % 4 == 0 ? random() % 4000 : random() % 80, '\0');
    for (char& c : old) c = static_cast<char>(random());
    const std::string value = testing_support::edited(old, random);
    if (!patch.make(payload_of(kOld, old), kNew, value)) continue;
    ++made;
    expect_both_ways(patch, old, value);
    EXPECT_LT(patch.forward().size(), payload_of(kOld, old).size());
    if (HasFailure()) return;
  }
  EXPECT_GT(made, 10'000u);
}

TEST(RowPatch, HoldsOnlyWhatChanges) {
  std::string old(300, 'o'), value = old;
  value[0] = 'n';
  value[150] = 'n';
  value[153] = 'n';  // A gap of two bytes is not worth another head.
  value[299] = 'n';
  RowPatch patch;
  ASSERT_TRUE(patch.make(payload_of(kOld, old), kNew, value));
  const std::string meta = payload_of(kNew, "");
  EXPECT_EQ(patch.forward(), meta + run(0, "n") + run(150, "noon") + run(299, "n"));
  EXPECT_EQ(patch.back(), payload_of(kOld, "") + run(0, "o") + run(150, "oooo") + run(299, "o"));
  EXPECT_EQ(count_runs(patch.forward(), 308), 3u);
}

TEST(RowPatch, TheSameValueIsAMetaWord) {
  RowPatch patch;
  ASSERT_TRUE(patch.make(payload_of(kOld, "value"), kNew, "value"));
  EXPECT_EQ(patch.forward(), payload_of(kNew, ""));
  EXPECT_EQ(count_runs(patch.forward(), 13), 0u);
  // Nothing is no bigger than a meta word.
  EXPECT_FALSE(patch.make(payload_of(kOld, ""), kNew, ""));
}

TEST(RowPatch, IsNotMadeWhereTheWholeRowIsNoLonger) {
  RowPatch patch;
  for (const size_t bytes : {1U, 4U, 5U, 8U, 100U, 2032U, 5000U}) {
    const std::string old(bytes, 'o');
    EXPECT_FALSE(patch.make(payload_of(kOld, old), kNew, std::string(bytes, 'n'))) << bytes;
    std::string first = old;
    first[0] = 'n';
    EXPECT_EQ(patch.make(payload_of(kOld, old), kNew, first), bytes > 5) << bytes;
  }
  // What changes must have room, however long the row is.
  for (const size_t changed : {RowPatch::kBytesMax - 13, RowPatch::kBytesMax - 12}) {
    const std::string old(20'000, 'o');
    const std::string value = std::string(changed, 'n').append(old.size() - changed, 'o');
    ASSERT_EQ(patch.make(payload_of(kOld, old), kNew, value), changed < RowPatch::kBytesMax - 12);
    if (changed < RowPatch::kBytesMax - 12) expect_both_ways(patch, old, value);
  }
}

TEST(RowPatch, DamagedOnesAreNone) {
  const std::string meta = payload_of(kNew, "");
  EXPECT_EQ(count_runs(meta + run(0, "ab") + run(3, "c"), 12), 2u);
  EXPECT_EQ(count_runs(meta + run(0, "ab") + run(4, "c"), 12), std::nullopt);  // Behind the row.
  EXPECT_EQ(count_runs(meta + run(0, "ab") + run(2, "c"), 12), std::nullopt);  // They touch.
  EXPECT_EQ(count_runs(meta + run(3, "a") + run(0, "c"), 12), std::nullopt);   // They descend.
  EXPECT_EQ(count_runs(meta + run(0, ""), 12), std::nullopt);                  // Empty.
  EXPECT_EQ(count_runs(meta + run(0xffff, "a"), 12), std::nullopt);
  EXPECT_EQ(count_runs(meta, 7), std::nullopt);  // A payload without a meta word.
  const std::string whole = meta + run(0, "ab") + run(3, "c");
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    const bool ends_between = cut == 8 || cut == 14;
    EXPECT_EQ(count_runs(whole.substr(0, cut), 12).has_value(), ends_between) << cut;
  }
}

TEST(RowPatch, RedoChangesTheRowAndRefusesWhatDoesNotFit) {
  alignas(64) static std::byte bytes[kPageBytes];
  SlottedPage node(bytes, kPageBytes);
  node.format(PageId{5}, 2, 0, std::nullopt, std::nullopt);
  node.insert(0, "key", payload_of(kOld, "a row of 19 bytes.."));
  const std::string meta = payload_of(kNew, "");
  const Part good(BTreeOp::patch, "key", meta + run(9, "20") + run(18, "!"));
  ASSERT_TRUE(redo_btree(bytes, kPageBytes, good.view).has_value());
  EXPECT_EQ(node.payload(0), payload_of(kNew, "a row of 20 bytes.!"));
  EXPECT_EQ(node.header().page.newest_txn, 9u);
  EXPECT_EQ(describe_btree(good.view), "patch key=key 2 runs, 19 bytes");

  const Part bad[] = {
      Part(BTreeOp::patch, "kez", meta),                  // No such row.
      Part(BTreeOp::patch, "key", meta.substr(1)),        // Cut short.
      Part(BTreeOp::patch, "key", meta + run(17, "abc"))  // Beyond the row.
  };
  for (const Part& part : bad) {
    const Result<void> done = redo_btree(bytes, kPageBytes, part.view);
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code(), Code::corruption);
    EXPECT_THAT(done.error().message(), HasSubstr("patch"));
    EXPECT_EQ(node.payload(0), payload_of(kNew, "a row of 20 bytes.!"));
  }

  // A child word is no row.
  node.format(PageId{5}, 2, 1, std::nullopt, std::nullopt);
  node.insert(0, "key", "12345678");
  EXPECT_FALSE(redo_btree(bytes, kPageBytes, Part(BTreeOp::patch, "key", meta).view).has_value());
}

}  // namespace
}  // namespace aether::index
