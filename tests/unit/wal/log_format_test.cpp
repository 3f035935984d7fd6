// docs/formats/log.md shows bytes; these are they.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/unit/wal/wal_fixture.h"

namespace aether::wal {
namespace {

std::string hex_lines(std::string_view bytes, uint64_t offset) {
  std::string lines;
  for (size_t row = 0; row < bytes.size(); row += 16) {
    char text[24];
    std::snprintf(text, sizeof text, "    %04x", static_cast<unsigned>(offset + row));
    lines += text;
    for (size_t i = row; i < std::min(row + 16, bytes.size()); ++i) {
      std::snprintf(text, sizeof text, "%s%02x", i % 8 == 0 ? "  " : " ",
                    static_cast<unsigned char>(bytes[i]));
      lines += text;
    }
    lines += '\n';
  }
  return lines;
}

// The segment that the document describes: one stream, one change and its commit, and a lone put of a row in memory.
std::string example_segment() {
  // A clock that stands still but for a microsecond a look: the block says when it was built.
  const auto disk = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 1});
  EXPECT_TRUE(disk->create_directory(kDirectory));
  const auto log = make_log(*disk, tiny_options(), first_start());
  const std::string_view data[] = {"key=new"};
  const std::string_view undo[] = {"old"};
  const PartSpec part{.header = {.page_id = 5,
                                 .gsn_before = 0x33,
                                 .store = 2,
                                 .manager = ResourceManager::btree,
                                 .op = 1},
                      .data = data};
  const Result<Reservation> change = log->append(
      0, {.type = RecordType::change, .txn = 9, .gsn = 0x34, .parts = {&part, 1}, .undo = undo});
  EXPECT_TRUE(change);
  EXPECT_TRUE(log->append(0, {.type = RecordType::commit, .txn = 9, .link = change->begin}));
  const std::string_view row[] = {{"\3\0", 2}, "key", {"\0\xa\0\0\0\0\0\0", 8}, "new"};
  const PartSpec put{.header = {.store = 4}, .data = row};
  EXPECT_TRUE(log->append(
      0, {.flags = kFlagRow | kFlagCommits, .txn = 10, .gsn = 0x35, .parts = {&put, 1}}));
  EXPECT_TRUE(log->flush());
  return *disk->read_file(segment_path(1));
}

TEST(LogFormat, TheDocumentShowsTheBytesThatAreWritten) {
  std::ifstream file(AETHER_SOURCE_DIR "/docs/formats/log.md");
  std::stringstream document;
  document << file.rdbuf();
  const std::string segment = example_segment();
  const std::string header = hex_lines(std::string_view(segment).substr(0, 48), 0);
  const std::string block = hex_lines(std::string_view(segment).substr(4096, 224), 4096);
  EXPECT_NE(document.str().find(header), std::string::npos) << "is now:\n" << header;
  EXPECT_NE(document.str().find(block), std::string::npos) << "is now:\n" << block;
}

}  // namespace
}  // namespace aether::wal
