#include "wal/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "wal/log_reader.h"

namespace aether::wal {
namespace {

using testing::HasSubstr;

// As Log::append does it: zeroed space, the record, then its length.
std::string written(const RecordSpec& spec) {
  std::string bytes(record_size(spec), '\0');
  write_record(spec, reinterpret_cast<std::byte*>(bytes.data()));
  base::store(bytes.data(), static_cast<uint32_t>(bytes.size()));
  return bytes;
}

struct PartText {
  PartHeader header;
  std::string data;
};

// A random record, with everything that its spec points to.
struct RandomRecord {
  explicit RandomRecord(std::mt19937_64& random) {
    auto text = [&random](uint64_t max) { return std::string(random() % (max + 1), 'x'); };
    for (uint64_t i = random() % 4; i > 0; --i) {
      parts.push_back({{.page_id = random(),
                        .gsn_before = random(),
                        .store = static_cast<StoreId>(random()),
                        .manager = ResourceManager::btree,
                        .op = static_cast<uint8_t>(random())},
                       text(40)});
    }
    undo_text = text(30);
    for (Lsn& lsn : vector.at) lsn = random() % 3 == 0 ? random() % 100000 : 0;
    for (Lsn& lsn : durable.at) lsn = random() % 50000;
    home = static_cast<uint32_t>(random() % kMaxStreams);
    txn = random();
    gsn = random();
    link();
  }
  RandomRecord(const RandomRecord&) = delete;

  void link() {
    pieces.reserve(parts.size());
    for (const PartText& part : parts) pieces.emplace_back(part.data);
    for (size_t i = 0; i < parts.size(); ++i) {
      part_specs.push_back({.header = parts[i].header, .data = {&pieces[i], 1}});
    }
    undo_pieces = {std::string_view(undo_text).substr(0, undo_text.size() / 2),
                   std::string_view(undo_text).substr(undo_text.size() / 2)};
    spec = {.type = RecordType::change,
            .flags = kFlagCommits,
            .txn = txn,
            .link = 77,
            .gsn = gsn,
            .vector = &vector,
            .durable = &durable,
            .home_stream = home,
            .parts = part_specs,
            .undo = undo_pieces};
  }

  std::vector<PartText> parts;
  std::string undo_text;
  LsnVector vector, durable;
  uint32_t home = 0;
  TxnId txn = 0;
  Gsn gsn = 0;
  std::vector<std::string_view> pieces;
  std::vector<PartSpec> part_specs;
  std::vector<std::string_view> undo_pieces;
  RecordSpec spec;
};

TEST(Record, ComesBackAsItWasWritten) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    const RandomRecord want(random);
    const std::string bytes = written(want.spec);
    const std::string followed = bytes + "next";
    ASSERT_EQ(bytes.size() % kRecordAlignment, 0u);

    const Result<RecordView> got = parse_record(followed, 3, 640);

    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(got->header.type, RecordType::change);
    EXPECT_EQ(got->header.flags, kFlagCommits);
    EXPECT_EQ(got->header.txn, want.txn);
    EXPECT_EQ(got->header.link, 77u);
    EXPECT_EQ(got->stream, 3u);
    EXPECT_EQ(got->lsn, 640u);
    EXPECT_EQ(got->end_lsn(), 640 + bytes.size());
    EXPECT_EQ(got->gsn, want.parts.empty() ? 0 : want.gsn);
    EXPECT_EQ(got->undo, want.undo_text);
    PartCursor cursor(*got);
    for (const PartText& part : want.parts) {
      const std::optional<PartView> found = cursor.next();
      ASSERT_TRUE(found);
      EXPECT_EQ(found->header.page_id, part.header.page_id);
      EXPECT_EQ(found->header.gsn_before, part.header.gsn_before);
      EXPECT_EQ(found->header.op, part.header.op);
      EXPECT_EQ(found->header.store, part.header.store);
      EXPECT_EQ(found->data, part.data);
    }
    EXPECT_FALSE(cursor.next());
  }
}

// A random change of a row in memory, and what its spec points to.
struct RandomRow {
  explicit RandomRow(std::mt19937_64& random) : other(random) {
    const auto text = [&random](uint64_t max) { return std::string(random() % (max + 1), 'r'); };
    const std::string key = text(300);
    const auto key_length = static_cast<uint16_t>(key.size());
    txn = random() >> kRowWriterShift;
    const uint64_t writer = txn << kRowWriterShift | random() % 256;
    data = std::string(reinterpret_cast<const char*>(&key_length), sizeof key_length) + key +
           std::string(reinterpret_cast<const char*>(&writer), sizeof writer) + text(200);
    pieces = {std::string_view(data).substr(0, 2), std::string_view(data).substr(2)};
    const bool commits = random() % 2 == 0;
    part = {.header = {.store = static_cast<StoreId>(random()),
                       .manager = ResourceManager::table,
                       .op = kRowOp},
            .data = pieces};
    spec = other.spec;
    spec.flags = static_cast<uint8_t>(kFlagRow | (commits ? kFlagCommits : 0));
    spec.txn = txn;
    spec.parts = {&part, 1};
    if (commits) {
      spec.link = kNoLsn;
      spec.undo = {};
    }
  }
  RandomRow(const RandomRow&) = delete;

  RandomRecord other;  ///< Its vectors and undo.
  TxnId txn = 0;
  std::string data;
  std::vector<std::string_view> pieces;
  PartSpec part;
  RecordSpec spec;
};

TEST(RowRecord, ComesBackAsAChangeOfOnePartWithoutAPage) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    const RandomRow want(random);
    RecordSpec general = want.spec;
    general.flags &= kFlagCommits;
    const std::string bytes = written(want.spec);
    const std::string general_bytes = written(general);
    EXPECT_LT(bytes.size(), general_bytes.size());

    const std::string followed = bytes + "next";
    const Result<RecordView> got = parse_record(followed, 3, 640);
    const Result<RecordView> same = parse_record(general_bytes, 3, 640);

    ASSERT_TRUE(got) << got.error().message();
    ASSERT_TRUE(same) << same.error().message();
    EXPECT_EQ(got->end_lsn(), 640 + bytes.size());
    EXPECT_EQ(got->header.type, RecordType::change);
    EXPECT_EQ(got->header.flags, same->header.flags);
    EXPECT_EQ(got->header.txn, want.txn);
    EXPECT_EQ(got->header.link, same->header.link);
    EXPECT_EQ(got->header.vector_count, same->header.vector_count);
    EXPECT_EQ(got->header.part_count, 1);
    EXPECT_EQ(got->vector, same->vector);
    EXPECT_EQ(got->gsn, same->gsn);
    EXPECT_EQ(got->undo, same->undo);
    PartCursor cursor(*got);
    const std::optional<PartView> part = cursor.next();
    ASSERT_TRUE(part);
    EXPECT_EQ(part->header.page_id, 0u);
    EXPECT_EQ(part->header.store, want.part.header.store);
    EXPECT_EQ(part->header.manager, ResourceManager::table);
    EXPECT_EQ(part->header.op, kRowOp);
    EXPECT_EQ(part->header.length, want.data.size());
    EXPECT_EQ(part->data, want.data);
    EXPECT_FALSE(cursor.next());
  }
}

/// What the log takes for a small row decides what a load of them writes (docs/LSM.md).
TEST(RowRecord, ALoneRowOf116BytesHas144) {
  const std::string data = std::string("\x10\0", 2) + std::string(16 + 8 + 100, 'x');
  const std::string_view piece = data;
  const PartSpec part{.header = {.store = 7}, .data = {&piece, 1}};
  constexpr auto kFlags = static_cast<uint8_t>(kFlagRow | kFlagCommits);
  constexpr TxnId kTxn = 0x78787878787878;
  EXPECT_EQ(record_size({.flags = kFlags, .txn = kTxn, .gsn = 1, .parts = {&part, 1}}), 144u);
}

TEST(RowRecord, CutShortAnywhereIsCorruption) {
  std::mt19937_64 random(7);
  const std::string bytes = written(RandomRow(random).spec);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Result<RecordView> got = parse_record(std::string_view(bytes).substr(0, size), 2, 4096);
    ASSERT_FALSE(got) << "size " << size;
    EXPECT_EQ(got.error().code(), Code::corruption);
  }
}

TEST(RowRecord, SaysWhatIsWrong) {
  const auto message = [](uint8_t type, uint8_t flags, uint16_t key_length) {
    std::string bytes(48, '\0');
    base::store(bytes.data(), static_cast<uint32_t>(bytes.size()));
    bytes[4] = static_cast<char>(type);
    bytes[5] = static_cast<char>(flags);
    base::store(bytes.data() + 18, key_length);
    const Result<RecordView> got = parse_record(bytes, 0, 64);
    return got ? std::string("ok") : std::string(got.error().message());
  };
  constexpr uint8_t kLone = kFlagRow | kFlagCommits;
  constexpr uint8_t kChange = 2;
  EXPECT_EQ(message(kChange, kLone, 20), "ok");
  EXPECT_THAT(message(kChange, kLone, 21), HasSubstr("its row is cut short"));
  EXPECT_THAT(message(kChange, kLone | 1 << 5, 20), HasSubstr("its row is cut short"));  // Padding.
  // A vector of seven elements.
  EXPECT_THAT(message(kChange, kLone | 7 << 2, 20), HasSubstr("ends behind the record"));
  EXPECT_THAT(message(4, kLone, 20), HasSubstr("unknown flags"));  // A commit is no row.
}

TEST(Record, LeavesTheLengthWordAlone) {
  std::string bytes(24, '\0');
  base::store(bytes.data(), uint32_t{0xdeadbeef});
  write_record({.type = RecordType::commit, .txn = 9}, reinterpret_cast<std::byte*>(bytes.data()));
  EXPECT_EQ(base::load<uint32_t>(bytes.data()), 0xdeadbeef);
  EXPECT_EQ(base::load<TxnId>(bytes.data() + 8), 9u);
}

TEST(Record, ACommitWithoutDependenciesIsAHeader) {
  EXPECT_EQ(record_size({.type = RecordType::commit}), sizeof(RecordHeader));
}

TEST(Record, ListsOnlyForeignStreamsThatAreNotDurable) {
  const LsnVector vector{{800, 900, 1000, 0, 0, 0, 0, 64}};
  const LsnVector durable{{800, 0, 0, 0, 0, 0, 0, 0}};
  const std::string bytes = written(
      {.type = RecordType::commit, .vector = &vector, .durable = &durable, .home_stream = 1});
  const Result<RecordView> got = parse_record(bytes, 1, 64);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(got->header.vector_count, 2);  // Stream 0 is durable, stream 1 is its own.

  LsnVector cut{{0, 0, 1000, 0, 0, 0, 0, 64}};
  EXPECT_TRUE(got->covered_by(cut));
  cut.at[7] = 63;
  EXPECT_FALSE(got->covered_by(cut));
  cut.at[7] = 64;
  cut.at[2] = 999;
  EXPECT_FALSE(got->covered_by(cut));
}

TEST(Record, AFillerMayHoldAnything) {
  std::string bytes(64, '\xff');
  base::store(bytes.data(), RecordHeader{.length = 64, .type = RecordType::filler});
  const Result<RecordView> got = parse_record(bytes, 0, 64);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_TRUE(got->parts.empty());
  EXPECT_EQ(got->end_lsn(), 128u);
}

TEST(Record, CutShortAnywhereIsCorruption) {
  std::mt19937_64 random(7);
  const std::string bytes = written(RandomRecord(random).spec);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Result<RecordView> got = parse_record(std::string_view(bytes).substr(0, size), 2, 4096);
    ASSERT_FALSE(got) << "size " << size;
    EXPECT_EQ(got.error().code(), Code::corruption);
    EXPECT_THAT(std::string(got.error().message()), HasSubstr("LSN 4096 of stream 2"));
  }
}

TEST(Record, NamesTheFieldThatIsWrong) {
  const auto message = [](RecordHeader header) {
    std::string bytes(32, '\0');
    base::store(bytes.data(), header);
    const Result<RecordView> got = parse_record(bytes, 0, 64);
    return got ? std::string("ok") : std::string(got.error().message());
  };
  const RecordHeader good{.length = 24, .type = RecordType::commit};
  EXPECT_EQ(message(good), "ok");
  RecordHeader bad = good;
  bad.length = 0;
  EXPECT_THAT(message(bad), HasSubstr("length is 0"));
  bad.length = 28;
  EXPECT_THAT(message(bad), HasSubstr("length is 28"));
  bad.length = 40;
  EXPECT_THAT(message(bad), HasSubstr("length is 40 of 32"));
  bad = good;
  bad.type = static_cast<RecordType>(7);
  EXPECT_THAT(message(bad), HasSubstr("unknown type 7"));
  bad = good;
  bad.flags = 0x80;
  EXPECT_THAT(message(bad), HasSubstr("flags"));
  bad = good;
  bad.vector_count = 1;
  EXPECT_THAT(message(bad), HasSubstr("vector"));
  bad = good;
  bad.part_count = 1;
  EXPECT_THAT(message(bad), HasSubstr("part 0 of 1"));
}

// True if `inner` lies within `outer` or is empty.
bool inside(std::string_view inner, std::string_view outer) {
  return inner.empty() || (inner.data() >= outer.data() &&
                           inner.data() + inner.size() <= outer.data() + outer.size());
}

// Whatever the bytes: an error, or views that lie within them, and parts that add up.
void expect_safe(std::string_view bytes) {
  const Result<RecordView> got = parse_record(bytes, 0, 64);
  if (!got) {
    EXPECT_EQ(got.error().code(), Code::corruption);
    return;
  }
  EXPECT_TRUE(inside(got->vector, bytes) && inside(got->parts, bytes) && inside(got->undo, bytes));
  static_cast<void>(got->covered_by(LsnVector{}));
  PartCursor cursor(*got);
  uint32_t parts = 0;
  while (const std::optional<PartView> part = cursor.next()) {
    EXPECT_TRUE(inside(part->data, bytes));
    ++parts;
  }
  EXPECT_EQ(parts, got->header.type == RecordType::filler ? 0u : got->header.part_count);
}

TEST(Record, ParseSurvivesAnyBytes) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(random() % 120, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (bytes.size() >= 8 && random() % 2 == 0) {  // Past the first checks, into the body.
      base::store(bytes.data(), static_cast<uint32_t>(bytes.size() & ~size_t{7}));
      bytes[4] = static_cast<char>(1 + random() % 5);
      bytes[5] = random() % 2 == 0 ? '\0' : static_cast<char>(random() | kFlagRow);
      bytes[6] = static_cast<char>(random() % 4);
      bytes[7] = static_cast<char>(random() % 4);
    }
    expect_safe(bytes);
  }
}

TEST(Record, ParseSurvivesAnyFlippedByte) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    for (const std::string& good :
         {written(RandomRecord(random).spec), written(RandomRow(random).spec)}) {
      for (size_t i = 0; i < good.size(); ++i) {
        std::string bytes = good;
        bytes[i] = static_cast<char>(random());
        expect_safe(bytes);
      }
    }
  }
}

TEST(RecordCursor, WalksAChunkAndStopsAtDamage) {
  std::string bytes = written({.type = RecordType::commit, .txn = 1});
  bytes += written({.type = RecordType::end, .txn = 2});
  bytes += written({.type = RecordType::clr, .txn = 3});
  base::store(bytes.data() + 48, uint32_t{1000});
  RecordCursor cursor({.stream = 1, .lsn = 640, .bytes = bytes});

  const Result<std::optional<RecordView>> first = cursor.next();
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->lsn, 640u);
  EXPECT_EQ((*first)->header.txn, 1u);
  const Result<std::optional<RecordView>> second = cursor.next();
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((*second)->lsn, 664u);
  EXPECT_EQ((*second)->header.type, RecordType::end);
  const Result<std::optional<RecordView>> third = cursor.next();
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code(), Code::corruption);
  EXPECT_THAT(std::string(third.error().message()), HasSubstr("LSN 688 of stream 1"));
}

}  // namespace
}  // namespace aether::wal
