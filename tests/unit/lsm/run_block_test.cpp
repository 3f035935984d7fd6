#include "lsm/run_block.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "lsm/run_codec.h"
#include "lsm/run_format.h"
#include "lsm/varint.h"

namespace aether::lsm {
namespace {

TEST(Varint, EveryLengthComesBack) {
  for (uint32_t bits = 0; bits <= 64; ++bits) {
    const uint64_t value = bits == 64 ? std::numeric_limits<uint64_t>::max()
                                      : (uint64_t{1} << bits) - 1;
    std::string bytes;
    append_varint(bytes, value);
    uint64_t read = 0;
    EXPECT_EQ(read_varint(bytes.data(), bytes.data() + bytes.size(), read),
              bytes.data() + bytes.size());
    EXPECT_EQ(read, value);
    EXPECT_EQ(read_varint(bytes.data(), bytes.data() + bytes.size() - 1, read), nullptr);
  }
  const std::string too_long(11, '\xff');
  uint64_t read = 0;
  EXPECT_EQ(read_varint(too_long.data(), too_long.data() + too_long.size(), read), nullptr);
}

std::string block_of(const std::vector<std::string>& keys, uint32_t interval) {
  BlockBuilder builder(interval);
  for (const std::string& key : keys)
    builder.add({.key = key, .writer = 4, .kind = EntryKind::value, .expiry_ms = 0, .value = key});
  return builder.take();
}

/// As the cache keeps it. Empty: it is malformed.
std::string headed(const std::string& block) {
  BlockView view;
  if (!view.attach(block)) return {};
  std::string bytes(view.head_bytes(), '\0');
  if (!view.write_head(bytes.data())) return {};
  return bytes.append(block);
}

TEST(RunBlock, ABlockOfNothing) {
  const std::string block = BlockBuilder(16).take();
  BlockCursor cursor;
  ASSERT_TRUE(cursor.attach(block));
  EXPECT_EQ(cursor.first(), BlockCursor::At::nothing);
  EXPECT_EQ(cursor.last(), BlockCursor::At::nothing);
  EXPECT_EQ(cursor.seek_at_least("a", 1), BlockCursor::At::nothing);
}

TEST(RunBlock, KeysAreFoundWithoutBeingPutTogether) {
  const std::vector<std::string> keys{"",        std::string("\0", 1),
                                      "a",       "ab",
                                      "abc",     "abcd",
                                      "abce",    "abd",
                                      "b",       "bab",
                                      "bb",      "c",
                                      "ca",      "\xff",
                                      "\xff\xff"};
  for (const uint32_t form : {1u, 2u, 3u, 16u, 101u, 102u, 103u, 116u}) {
    const bool has_head = form > 100;
    const std::string bytes = block_of(keys, form % 100);
    const std::string with_head = headed(bytes);
    ASSERT_FALSE(with_head.empty());
    BlockView view;
    ASSERT_TRUE(view.attach(bytes));
    if (has_head) view.attach_headed(with_head);
    RawEntry found;
    const auto sees = [](TxnId) { return true; };
    for (const std::string& key : keys) {
      ASSERT_EQ(view.find(key, sees, found), BlockView::Answer::found) << key;
      EXPECT_EQ(found.value, key);
    }
    for (const std::string& key : {std::string("aa"), std::string("abca"), std::string("abf"),
                                   std::string("ba"), std::string("d"), std::string("\xff\xfe"),
                                   std::string("\xff\xff\xff"), std::string("\0\0", 2)}) {
      EXPECT_EQ(view.find(key, sees, found), BlockView::Answer::absent) << key;
    }
  }
}

// Goal:   with a head a search comes to where it comes without, also where all keys begin alike, or are versions of one.
TEST(RunBlock, AHeadChangesNoAnswer) {
  constexpr uint64_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 300; ++round) {
    const std::string beginning(random() % 12, 'p');
    std::map<std::string, int> versions;
    for (uint64_t i = 1 + random() % 40; i > 0; --i) {
      std::string key = beginning;
      for (uint64_t length = random() % 11; length > 0; --length)
        key.push_back("\0ab\xff"[random() % (random() % 2 == 0 ? 2 : 4)]);
      ++versions[key];
    }
    BlockBuilder builder(static_cast<uint32_t>(1 + random() % 5));
    for (const auto& [key, count] : versions) {
      for (int writer = count; writer > 0; --writer)
        builder.add({.key = key, .writer = static_cast<TxnId>(writer), .value = "v"});
    }
    const std::string bytes = builder.take();
    const std::string with_head = headed(bytes);
    BlockCursor plain;
    ASSERT_TRUE(plain.attach(bytes));
    BlockCursor cursor;
    cursor.attach_headed(with_head);
    for (const auto& [key, count] : versions) {
      for (const std::string& wanted :
           {key, key + '\0', key + "zzzzzzzzz", key.substr(0, key.size() / 2), std::string("q")}) {
        for (const TxnId writer : {kEveryWriter, TxnId{1}, TxnId{0}}) {
          ASSERT_EQ(cursor.seek_at_least(wanted, writer), plain.seek_at_least(wanted, writer));
          ASSERT_EQ(cursor.entry().key, plain.entry().key);
          ASSERT_EQ(cursor.seek_at_most(wanted, writer), plain.seek_at_most(wanted, writer));
          ASSERT_EQ(cursor.entry().key, plain.entry().key);
          ASSERT_EQ(cursor.entry().writer, plain.entry().writer);
        }
      }
    }
  }
}

/// Bytes that no builder made: every answer is allowed but one from outside of them. The sanitizers look.
TEST(RunBlock, DamagedBytesAreMalformedOrRead) {
  std::mt19937_64 random(7);
  const std::string whole = block_of({"a", "ab", "abc", "b", "ba", "c"}, 2);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = whole;
    for (uint64_t edits = 1 + random() % 4; edits > 0; --edits)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    BlockView view;
    if (!view.attach(bytes)) continue;
    RawEntry found;
    view.find(
        "ab", [](TxnId writer) { return writer == 4; }, found);
    view.last_at_most("b", kEveryWriter, found);
    BlockCursor cursor;
    ASSERT_TRUE(cursor.attach(bytes));
    int steps = 0;
    for (auto at = cursor.first(); at == BlockCursor::At::entry && steps < 100; ++steps)
      at = cursor.next();
    for (auto at = cursor.last(); at == BlockCursor::At::entry && steps < 200; ++steps)
      at = cursor.prev();
    cursor.seek_at_least("ac", 3);
    cursor.seek_at_most("ac", 3);
    const std::string with_head = headed(bytes);
    if (with_head.empty()) continue;
    cursor.attach_headed(with_head);
    cursor.seek_at_least("ac", 3);
    cursor.seek_at_most("ac", 3);
  }
}

TEST(RunCodec, WhatIsCompressedComesBackAndDamageIsNoticedOrHarmless) {
  std::string text;
  for (int i = 0; i < 800; ++i) text.append("entry ").append(std::to_string(i * i));
  const std::string dictionary = Dictionary::train({text, text}, 2048);
  ASSERT_FALSE(dictionary.empty());
  const std::unique_ptr<Dictionary> opened = Dictionary::open(dictionary);
  ASSERT_NE(opened, nullptr);
  for (const BlockCodec wanted : {BlockCodec::lz4, BlockCodec::zstd, BlockCodec::zstd_dictionary}) {
    Compressor compressor;
    if (wanted == BlockCodec::zstd_dictionary) {
      ASSERT_TRUE(compressor.use_dictionary(dictionary, 3));
    }
    std::string bytes;
    const BlockCodec codec = compressor.compress(
        wanted == BlockCodec::lz4 ? wanted : BlockCodec::zstd, 3, text, bytes);
    ASSERT_EQ(codec, wanted);
    std::string back(text.size(), '\0');
    ASSERT_TRUE(decompress(codec, bytes, back, opened.get()));
    EXPECT_EQ(back, text);
    std::string shorter(text.size() - 1, '\0');
    EXPECT_FALSE(decompress(codec, bytes, shorter, opened.get()));
    for (size_t at = 0; at < bytes.size(); ++at) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
      static_cast<void>(decompress(codec, damaged, back, opened.get()));
    }
  }
  EXPECT_FALSE(decompress(BlockCodec::zstd_dictionary, "x", {text.data(), 1}, nullptr));
  std::string noise(5000, '\0');
  std::mt19937_64 random(3);
  for (char& byte : noise) byte = static_cast<char>(random());
  Compressor compressor;
  std::string bytes;
  EXPECT_EQ(compressor.compress(BlockCodec::lz4, 0, noise, bytes), BlockCodec::none);
}

TEST(RunFormat, ABlockIsThatOfItsRunAndPlace) {
  const std::string frame = frame_block(5, 4096, BlockKind::data, BlockCodec::none, 3, "abc");
  BlockFrame opened;
  const char* wrong = nullptr;
  ASSERT_TRUE(open_frame(5, 4096, BlockKind::data, frame, opened, wrong));
  EXPECT_EQ(opened.stored, "abc");
  EXPECT_FALSE(open_frame(6, 4096, BlockKind::data, frame, opened, wrong));
  EXPECT_FALSE(open_frame(5, 4097, BlockKind::data, frame, opened, wrong));
  EXPECT_FALSE(open_frame(5, 4096, BlockKind::index, frame, opened, wrong));
  for (size_t at = 0; at < frame.size() * 8; ++at) {
    std::string damaged = frame;
    damaged[at / 8] = static_cast<char>(damaged[at / 8] ^ 1 << at % 8);
    EXPECT_FALSE(open_frame(5, 4096, BlockKind::data, damaged, opened, wrong)) << at;
  }
}

/// docs/formats/run.md shows these bytes.
TEST(RunFormat, TheExampleOfTheDocument) {
  BlockBuilder builder(16);
  builder.add(
      {.key = "apple", .writer = 7, .kind = EntryKind::value, .expiry_ms = 0, .value = "red"});
  builder.add(
      {.key = "apply", .writer = 9, .kind = EntryKind::tombstone, .expiry_ms = 0, .value = {}});
  const std::string block = builder.take();
  const std::string expected(
      "\x00\x05\x09\x07\x03"
      "applered"
      "\x04\x01\x0a\x09y"
      "\0\0\0\0\1\0\0\0",
      5 + 8 + 5 + 8);
  EXPECT_EQ(block, expected);
}

}  // namespace
}  // namespace aether::lsm
