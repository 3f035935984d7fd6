#include "apps/aether/text.h"

#include <gtest/gtest.h>

namespace aether::cli {
namespace {

TEST(Text, DecodesEveryCodePointThatItEncodes) {
  for (uint32_t code_point = 0; code_point <= 0x10ffff; ++code_point) {
    if (code_point >= 0xd800 && code_point <= 0xdfff) continue;
    std::string bytes;
    append_utf8(bytes, code_point);
    size_t at = 0;
    ASSERT_EQ(decode_utf8(bytes, at), static_cast<int32_t>(code_point));
    ASSERT_EQ(at, bytes.size());
  }
}

TEST(Text, RefusesWhatIsNotUtf8) {
  // Lone continuation, cut sequences, overlong forms, a surrogate, beyond the last code point.
  for (const char* bytes : {"\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc0\x80", "\xe0\x80\x80",
                            "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3("}) {
    EXPECT_FALSE(is_utf8(bytes)) << escaped(bytes);
    size_t at = 0;
    EXPECT_LT(decode_utf8(bytes, at), 0);
    EXPECT_EQ(at, 0u);
  }
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("Reykjavík 東京"));
}

TEST(Text, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(escaped("Zürich"), "Zürich");
  EXPECT_EQ(escaped(Bytes("a\0b\n\t\x1b[31m", 10)), "a\\x00b\\x0a\\x09\\x1b[31m");
  EXPECT_EQ(escaped("back\\slash"), "back\\\\slash");
  EXPECT_EQ(escaped("\xff\xc3("), "\\xff\\xc3(");
  EXPECT_EQ(escaped("\xc2\x85"), "\\xc2\\x85");           // A control character beyond ASCII.
  EXPECT_EQ(escaped("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // Turns the direction of what follows.
  EXPECT_EQ(one_line("a\\x00\n"), "a\\x00\\x0a");
}

TEST(Text, QuotesAreCutBetweenCharacters) {
  EXPECT_EQ(in_quotes("abc"), "\"abc\"");
  EXPECT_EQ(in_quotes("abcdé", 5), "\"abcd...\" (6 bytes)");
}

TEST(Text, HexRoundTripsAndNamesTheWrongDigit) {
  std::string digits;
  append_hex(digits, Bytes("\x00\x7f\xff", 3));
  EXPECT_EQ(digits, "007fff");
  EXPECT_EQ(*from_hex("007FfF"), std::string("\x00\x7f\xff", 3));
  EXPECT_EQ(*from_hex(""), "");
  EXPECT_EQ(from_hex("abc").error().code(), Code::invalid_argument);
  EXPECT_NE(from_hex("0g").error().message().find("\"g\" as digit 2"), std::string_view::npos);
}

TEST(Text, WidthsCountColumnsNotBytes) {
  EXPECT_EQ(display_width("Reykjavík"), 9u);
  EXPECT_EQ(display_width("東京"), 4u);
  EXPECT_EQ(display_width("e\xcc\x81"), 1u);  // An accent of its own.
  EXPECT_EQ(fitted("Reykjavík", 9), "Reykjavík");
  EXPECT_EQ(fitted("Reykjavík", 8), "Reykjav…");
  EXPECT_EQ(fitted("東京都", 4), "東…");
  EXPECT_EQ(fitted("abc", 0), "");
}

TEST(Text, NumbersForPeople) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(135233), "135,233");
  EXPECT_EQ(counted(1, "row"), "1 row");
  EXPECT_EQ(counted(1000, "row"), "1,000 rows");
  EXPECT_EQ(human_bytes(1023), "1023 bytes");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(10160692), "9.7 MiB");
  EXPECT_EQ(human_bytes(MiB - 1), "1.0 MiB");  // Never "1024.0 KiB".
  EXPECT_EQ(human_seconds(0.00085), "850 us");
  EXPECT_EQ(human_seconds(0.0123), "12.3 ms");
  EXPECT_EQ(human_seconds(4.211), "4.21 s");
  EXPECT_EQ(human_seconds(200), "3 min 20 s");
  EXPECT_EQ(human_rate(10, 0), "-");
  EXPECT_EQ(human_rate(10, 4), "2.5");
  EXPECT_EQ(to_text(0.1), "0.1");
}

}  // namespace
}  // namespace aether::cli
