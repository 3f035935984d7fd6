#include "os/ring_memory.h"

#include <gtest/gtest.h>

#include <cstring>

namespace aether::os {
namespace {

TEST(RingMemory, ShowsTheSameBytesTwice) {
  constexpr uint64_t kBytes = 64 * 1024;
  Result<RingMemory> ring = RingMemory::map(kBytes);
  ASSERT_TRUE(ring) << ring.error().message();
  std::byte* const data = ring->data();
  for (uint64_t i = 0; i < 2 * kBytes; ++i) ASSERT_EQ(data[i], std::byte{0});

  std::memcpy(data + kBytes - 3, "abcdef", 6);  // Over the seam.
  EXPECT_EQ(std::memcmp(data, "def", 3), 0);
  EXPECT_EQ(std::memcmp(data + 2 * kBytes - 3, "abc", 3), 0);
  data[kBytes + 100] = std::byte{7};
  EXPECT_EQ(data[100], std::byte{7});
}

TEST(RingMemory, MovesItsMapping) {
  Result<RingMemory> ring = RingMemory::map(64 * 1024);
  ASSERT_TRUE(ring) << ring.error().message();
  std::byte* const data = ring->data();
  RingMemory other = *std::move(ring);
  EXPECT_EQ(other.data(), data);
  EXPECT_EQ(ring->data(), nullptr);
  other = RingMemory();
  EXPECT_EQ(other.data(), nullptr);
}

TEST(RingMemory, SaysThatThereIsNoMemory) {
  const Result<RingMemory> ring = RingMemory::map(uint64_t{1} << 60);
  ASSERT_FALSE(ring);
  EXPECT_EQ(ring.error().code(), Code::no_memory);
}

}  // namespace
}  // namespace aether::os
