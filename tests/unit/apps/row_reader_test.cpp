#include "apps/aether/row_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/aether/db_dump_format.h"
#include "apps/aether/text.h"

namespace aether::cli {
namespace {

using testing::HasSubstr;

/// All of the input in one line: [database] key=value ... or the error's message.
std::string read_all(RowReader& reader) {
  std::string all;
  for (;;) {
    Result<RowReader::Event> event = reader.next();
    if (!event) return all + "error: " + std::string(event.error().message());
    if (*event == RowReader::Event::end) return all;
    if (*event == RowReader::Event::section) {
      all += "[" + reader.section().database + "] ";
    } else {
      all += escaped(reader.row().key) + "=" + escaped(reader.row().value) + " ";
    }
  }
}

std::string read_dump(const std::string& text) {
  return read_all(*make_db_dump_reader(LineReader::from_text(text)));
}
std::string read_tsv(const std::string& text, const TextOptions& options = {}) {
  return read_all(*make_tsv_reader(LineReader::from_text(text), options));
}
std::string read_jsonl(const std::string& text, const TextOptions& options = {}) {
  return read_all(*make_jsonl_reader(LineReader::from_text(text), options));
}

TEST(LineReader, HandsOutLinesAndTheLastOneWithoutAnEnd) {
  LineReader lines = LineReader::from_text("a\n\nbc");
  EXPECT_TRUE(*lines.next());
  EXPECT_EQ(lines.line(), "a");
  EXPECT_TRUE(*lines.next());
  EXPECT_EQ(lines.line(), "");
  EXPECT_TRUE(lines.line_was_ended());
  EXPECT_TRUE(*lines.next());
  EXPECT_EQ(lines.line(), "bc");
  EXPECT_FALSE(lines.line_was_ended());
  EXPECT_EQ(lines.line_number(), 3u);
  EXPECT_EQ(lines.bytes_consumed(), 5u);
  EXPECT_FALSE(*lines.next());
}

TEST(LineReader, RefusesALineBeyondTheLimit) {
  LineReader lines = LineReader::from_text("abc\nabcd\n", 3);
  EXPECT_TRUE(*lines.next());
  const Result<bool> second = lines.next();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::too_large);
  EXPECT_THAT(std::string(second.error().message()), HasSubstr("line 2"));
}

TEST(DbDump, ReadsBothFormatsAndSeveralDatabases) {
  EXPECT_EQ(read_dump("VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=1048576\nmaxreaders=126\n"
                      "db_pagesize=4096\nHEADER=END\n 6b31\n 00FF\n 6b32\n \nDATA=END\n"
                      "VERSION=3\nformat=print\ndatabase=two\ntype=hash\nHEADER=END\n"
                      " a b\\\\\\0a\n plain\nDATA=END\n"),
            "[] k1=\\x00\\xff k2= [two] a b\\\\\\x0a=plain ");
  EXPECT_EQ(read_dump("VERSION=3\nformat=print\nHEADER=END\nDATA=END\n"), "[] ");
  EXPECT_EQ(read_dump("VERSION=3\nformat=print\nHEADER=END\n k\n v\nDATA=END"), "[] k=v ")
      << "the last line may lack its end";
}

TEST(DbDump, WhatIsWrittenIsReadBack) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  for (const bool print : {false, true}) {
    std::string text;
    append_db_dump_header(text, "name", print);
    append_db_dump_item(text, every_byte, print);
    append_db_dump_item(text, "", print);
    append_db_dump_item(text, "", print);
    append_db_dump_item(text, "\\\\x", print);
    append_db_dump_end(text);
    EXPECT_EQ(read_dump(text), "[name] " + escaped(every_byte) + "= =" + escaped("\\\\x") + " ");
  }
}

// Goal:   a dump that was cut off anywhere is never taken for a whole one.
TEST(DbDump, EveryTruncationIsAnError) {
  const std::string
      text = "VERSION=3\nformat=bytevalue\nHEADER=END\n 6b31\n 7631\n 6b32\n 7632\nDATA=END";
  ASSERT_EQ(read_dump(text), "[] k1=v1 k2=v2 ");
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_THAT(read_dump(text.substr(0, size)), HasSubstr("error: ")) << size;
  }
}

TEST(DbDump, MalformedInputIsNamedWithItsPlace) {
  const std::string head = "VERSION=3\nformat=bytevalue\nHEADER=END\n";
  const std::string print = "VERSION=3\nformat=print\nHEADER=END\n";
  EXPECT_THAT(read_dump("VERSION=9\n"), HasSubstr("line 1, column 1: expected VERSION=3"));
  EXPECT_THAT(read_dump("VERSION=3\r\n"), HasSubstr("carriage returns"));
  EXPECT_THAT(read_dump("VERSION=3\nHEADER=END\n"), HasSubstr("no format= line"));
  EXPECT_THAT(read_dump("VERSION=3\nformat=xml\n"), HasSubstr("line 2, column 8"));
  EXPECT_THAT(read_dump("VERSION=3\nnonsense\n"), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(read_dump("VERSION=3\n"), HasSubstr("ends after line 1"));
  EXPECT_THAT(read_dump(head + " 6b3\n"), HasSubstr("line 4"));
  EXPECT_THAT(read_dump(head + " 6x\n"), HasSubstr("line 4, column 3"));
  EXPECT_THAT(read_dump(head + "6b31\n"), HasSubstr("begins with a space"));
  EXPECT_THAT(read_dump(head + " 6b31\nDATA=END\n"), HasSubstr("line 5, column 1"));
  EXPECT_THAT(read_dump(print + " a\\b\n b\n"), HasSubstr("line 4, column 3"));
  EXPECT_THAT(read_dump(print + " a\\\n b\n"), HasSubstr("format=bytevalue"));
  EXPECT_THAT(read_dump(head + "DATA=END\nrest\n"), HasSubstr("line 5"));
  EXPECT_THAT(read_dump("VERSION=3\nformat=print\ntype=recno\nHEADER=END\n"),
              HasSubstr("db_dump -k"));
  EXPECT_EQ(
      read_dump("VERSION=3\nformat=print\ntype=recno\nkeys=1\nHEADER=END\n 1\n v\nDATA=END\n"),
      "[] 1=v ");
}

TEST(Tsv, KeyIsTheFirstColumnAndTheValueTheRest) {
  EXPECT_EQ(read_tsv("k1\ta\tb\nk2\t\n\tv"), "[] k1=a\\x09b k2= =v ");
  EXPECT_EQ(read_tsv(""), "[] ");
  EXPECT_EQ(read_tsv("k\tv\r\n"), "[] k=v\\x0d ") << "bytes stay as they are";
}

TEST(Tsv, KeysOfSeveralColumns) {
  TextOptions options;
  options.key_columns = {3, 1};
  options.key_separator = ":";
  EXPECT_EQ(read_tsv("a\tb\tc\td\n", options), "[] c:a=b\\x09d ");
  options.whole_line = true;
  EXPECT_EQ(read_tsv("a\tb\tc\n", options), "[] c:a=a\\x09b\\x09c ");
  EXPECT_THAT(read_tsv("a\tb\n", options),
              HasSubstr("line 1, column 4: expected at least 3 columns"));
}

TEST(Tsv, HeadingIsNoRowAndALineWithoutATabIsAnError) {
  TextOptions options;
  options.heading = true;
  EXPECT_EQ(read_tsv("name\tcount\nk\tv\n", options), "[] k=v ");
  EXPECT_EQ(read_tsv("", options), "[] ");
  EXPECT_EQ(
      read_tsv("k\tv\nlonely\n"),
      "[] k=v error: text, line 2, column 7: expected a tab between key and value, found the line "
      "end");
}

TEST(Jsonl, ReadsPairsOfTextAndBytes) {
  EXPECT_EQ(
      read_jsonl(
          "{\"key\":\"a\",\"value\":\"\\u00e9\"}\n\n{\"value_hex\":\"00ff\",\"key_hex\":\"\"}\n"),
      "[] a=é =\\x00\\xff ");
}

TEST(Jsonl, AFieldIsTheKeyAndTheLineTheValue) {
  TextOptions options;
  options.key_field = "id";
  EXPECT_EQ(read_jsonl("{\"id\":17,\"x\":[]}\n{\"x\":1,\"id\":\"a\"}\n", options),
            "[] 17={\"id\":17,\"x\":[]} a={\"x\":1,\"id\":\"a\"} ");
  EXPECT_THAT(read_jsonl("{\"x\":1}\n", options), HasSubstr("line 1: expected a member \"id\""));
  EXPECT_THAT(read_jsonl("{\"id\":{}}\n", options), HasSubstr("column 7: expected a string"));
  EXPECT_THAT(read_jsonl("{\"id\":1,\"id\":2}\n", options), HasSubstr("found a second"));
}

TEST(Jsonl, MalformedInputIsNamedWithItsPlace) {
  EXPECT_THAT(read_jsonl("{\"key\":\"a\"}\n"), HasSubstr("expected a member \"value\""));
  EXPECT_THAT(read_jsonl("{\"value\":\"a\"}\n"), HasSubstr("expected a member \"key\""));
  EXPECT_THAT(read_jsonl("{\"key\":\"a\",\"value\":5}\n"),
              HasSubstr("column 20: expected a string"));
  EXPECT_THAT(read_jsonl("{\"key\":\"a\",\"valu\":\"\"}\n"), HasSubstr("column 12: expected only"));
  EXPECT_THAT(read_jsonl("{\"key\":\"a\",\"key_hex\":\"61\",\"value\":\"\"}\n"),
              HasSubstr("a second"));
  EXPECT_THAT(read_jsonl("{\"key_hex\":\"6\",\"value\":\"\"}\n"),
              HasSubstr("pairs of hexadecimal"));
  EXPECT_THAT(read_jsonl("{\"key\":\"a\",\n"), HasSubstr("line 1, column 12"));
}

TEST(Rows, TypesAreToldByTheirBeginning) {
  EXPECT_EQ(detect_type("VERSION=3\n"), FileType::db_dump);
  EXPECT_EQ(detect_type("\n {\"key\""), FileType::jsonl);
  EXPECT_EQ(detect_type("a\tb\n"), FileType::tsv);
  EXPECT_EQ(detect_type("a b\nc\td\n"), FileType::automatic);
  EXPECT_EQ(detect_type(""), FileType::automatic);
}

}  // namespace
}  // namespace aether::cli
