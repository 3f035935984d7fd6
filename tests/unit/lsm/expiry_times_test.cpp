#include "lsm/expiry_times.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace aether::lsm {
namespace {

struct Given {
  uint64_t expiry_ms;
  uint64_t bytes;
};

ExpiryTimes::Amount exactly(const std::vector<Given>& given, uint64_t now_ms) {
  ExpiryTimes::Amount sum;
  for (const Given& each : given) {
    if (each.expiry_ms > now_ms) continue;
    ++sum.entries;
    sum.bytes += each.bytes;
  }
  return sum;
}

// Goal:   what has expired is told exactly while there are few times, and else to one part in 32 of what lies between them.
// Method: random times in ranges of all sizes, one far away among them, beside a list; the same after being written and read.
TEST(ExpiryTimes, TellWhatHasExpiredAboutRightly) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const uint64_t begin = 1'700'000'000'000;
    const uint64_t range = uint64_t{1} << seed % 40;
    ExpiryTimes times;
    std::vector<Given> given;
    for (int i = 0; i < 3000; ++i) {
      given.push_back({begin + random() % range, random() % 500});
      if (i == 1500) given.back().expiry_ms = ~uint64_t{0};
      times.add(given.back().expiry_ms, given.back().bytes);
    }
    const ExpiryTimes read = ExpiryTimes::decode(times.encode()).value();
    EXPECT_EQ(read.encode(), times.encode());
    EXPECT_EQ(times.all().entries, given.size());
    EXPECT_EQ(read.expired(~uint64_t{0}).bytes, exactly(given, ~uint64_t{0}).bytes);
    EXPECT_EQ(read.expired(begin - range / 16 - 1).entries, 0u);
    const uint64_t step = range <= 32 ? 0 : range / 16;
    for (int i = 0; i < 50; ++i) {
      const uint64_t now = begin + random() % range;
      const ExpiryTimes::Amount got = read.expired(now);
      EXPECT_LE(exactly(given, now - step).entries, got.entries);
      EXPECT_GE(exactly(given, now + step).entries, got.entries);
      EXPECT_LE(exactly(given, now - step).bytes, got.bytes);
      EXPECT_GE(exactly(given, now + step).bytes, got.bytes);
    }
  }
}

TEST(ExpiryTimes, RefuseWhatIsDamaged) {
  ExpiryTimes times;
  for (uint64_t i = 1; i <= 200; ++i) times.add(i * 1000, 10);
  const std::string whole = times.encode();
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto cut = ExpiryTimes::decode(Bytes(whole).substr(0, size));
    ASSERT_FALSE(cut.has_value()) << size;
    EXPECT_EQ(cut.error().code(), Code::corruption);
  }
  EXPECT_EQ(ExpiryTimes::decode(whole + "x").error().code(), Code::corruption);
  std::string newer = whole;
  newer[0] = 2;
  EXPECT_EQ(ExpiryTimes::decode(newer).error().code(), Code::unsupported);
  std::string shifted = whole;
  shifted[1] = 59;
  EXPECT_EQ(ExpiryTimes::decode(shifted).error().code(), Code::corruption);
}

}  // namespace
}  // namespace aether::lsm
