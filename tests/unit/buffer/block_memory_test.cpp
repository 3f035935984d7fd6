#include "buffer/block_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace aether::buffer {
namespace {

TEST(BlockMemory, ASlotIsAtMostASixteenthTooLarge) {
  EXPECT_EQ(BlockMemory::slot_bytes(BlockMemory::kBytesMin), 0u) << "the heap's";
  EXPECT_EQ(BlockMemory::slot_bytes(BlockMemory::kBytesMax + 1), 0u) << "the heap's";
  for (uint64_t bytes = BlockMemory::kBytesMin + 1; bytes <= BlockMemory::kBytesMax; ++bytes) {
    const uint64_t slot = BlockMemory::slot_bytes(bytes);
    ASSERT_GE(slot, bytes);
    ASSERT_LT((slot - bytes) * 16, bytes);
    ASSERT_EQ(slot % 64, 0u);
    ASSERT_EQ(BlockMemory::slot_bytes(slot), slot) << bytes;
  }
}

// Goal:   no two slots in use share a byte, and what is given back serves again.
// Method: slots of many sizes come and go at random, each full of a mark of its own that is looked at when it goes.
TEST(BlockMemory, SlotsAreApart) {
  struct Taken {
    unsigned char* at;
    uint64_t slot;
    unsigned char mark;
  };
  std::mt19937_64 random(3);
  std::vector<Taken> all;
  const BlockMemory::Owner memory = BlockMemory::make();
  uint64_t in_use = 0;
  const auto give_one = [&] {
    std::swap(all[random() % all.size()], all.back());
    const Taken last = all.back();
    all.pop_back();
    for (uint64_t i = 0; i < last.slot; i += 61) ASSERT_EQ(last.at[i], last.mark);
    in_use -= last.slot;
    memory->give(last.at);
  };
  for (int round = 0; round < 20'000; ++round) {
    if (all.size() > 300 || (!all.empty() && random() % 3 == 0)) {
      give_one();
      continue;
    }
    const uint64_t slot = BlockMemory::slot_bytes(
        BlockMemory::kBytesMin + 1 + random() % (BlockMemory::kBytesMax - BlockMemory::kBytesMin));
    auto* const at = static_cast<unsigned char*>(memory->take(slot));
    ASSERT_NE(at, nullptr);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(at) % 64, 0u);
    const auto mark = static_cast<unsigned char>(random());
    std::memset(at, mark, slot);
    all.push_back({at, slot, mark});
    in_use += slot;
  }
  EXPECT_GE(memory->held_bytes(), in_use);
  while (!all.empty()) give_one();
  EXPECT_LE(memory->held_bytes(), BlockMemory::kChunkBytes) << "one chunk to spare";
}

TEST(BlockMemory, OutlivesItsOwnerWhileASlotIsInUse) {
  BlockMemory::Owner owner = BlockMemory::make();
  BlockMemory* const memory = owner.get();
  void* const taken = memory->take(BlockMemory::slot_bytes(20'000));
  ASSERT_NE(taken, nullptr);
  owner.reset();
  std::memset(taken, 1, 20'000);
  memory->give(taken);  // Leaks, or frees twice, if it is wrong: the sanitizer tells.
}

}  // namespace
}  // namespace aether::buffer
