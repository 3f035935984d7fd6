#include "apps/aether/towers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

namespace aether::cli {
namespace {

using testing::HasSubstr;

std::string drawn(std::string_view document, size_t width) {
  const Result<JsonFields> store = JsonFields::read(document);
  EXPECT_TRUE(store.has_value());
  Result<std::string> text = towers_of(*store, {.put_bytes = 2048, .written_bytes = 0}, width);
  EXPECT_TRUE(text.has_value());
  return text ? *std::move(text) : "";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

constexpr std::string_view kRuns =
    R"({"name":"events","index":"lsm","policy":"hanoi","nursery_bytes":1000,"sealed_generations":1,)"
    R"("merge_debt_bytes":4096,"write_amplification":3.5,"read_amplification":1.25,)"
    R"("space_amplification_max":1.1,"flushes":7,"merges":3,"sorted_runs":[)"
    R"({"level":0,"bytes":1000,"merging":false},{"level":0,"bytes":1000,"merging":true},)"
    R"({"level":2,"bytes":4000,"merging":false}]})";

TEST(Towers, ALevelIsAPegAndARunADiscAsLongAsItIsLarge) {
  const std::string text = drawn(kRuns, 80);
  const std::vector<std::string> lines = lines_of(text);
  ASSERT_EQ(lines.size(), 10u) << text;
  EXPECT_THAT(lines[0], HasSubstr("events: hanoi, put 2.0 KiB/s"));
  EXPECT_THAT(lines[1],
              HasSubstr("write 3.5, read 1.25 runs a get, space 1.1 at most; 7 flushes, 3 merges"));
  // Memory, levels 0 to 2: pegs of 20 columns, of which the largest disc takes 18.
  EXPECT_EQ(lines[3], "         |                   |                   |                   |");
  EXPECT_EQ(lines[5], "   ~~~~~~~~~~~~~~      ==============            |                   |");
  EXPECT_EQ(lines[6],
            "   ==============      ~~~~~~~~~~~~~~            |           ==================");
  EXPECT_THAT(lines[8], HasSubstr("memory"));
  EXPECT_THAT(lines[8], HasSubstr("level 2"));
  EXPECT_THAT(lines[9], HasSubstr("2.0 KiB"));
}

TEST(Towers, NarrowTerminalsAndStrangeFiguresAreDrawnAllTheSame) {
  for (const size_t width : {size_t{1}, size_t{40}, size_t{1000}}) {
    EXPECT_THAT(drawn(kRuns, width), HasSubstr("=")) << width;
  }
  const std::string text = drawn(
      R"({"name":"x","index":"lsm","sealed_generations":18446744073709551615,)"
      R"("sorted_runs":[{"level":18446744073709551615,"bytes":0},{"bytes":18446744073709551615}]})",
      100);
  EXPECT_THAT(text, HasSubstr("level 64"));
}

TEST(Towers, OtherKindsHaveNone) { EXPECT_EQ(drawn(R"({"name":"x","index":"btree"})", 80), ""); }

}  // namespace
}  // namespace aether::cli
