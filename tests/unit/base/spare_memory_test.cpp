// Memory that is at hand for the next object of its size.
#include "base/spare_memory.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace aether::base {
namespace {

#if !defined(AETHER_ASAN)  // Which is to see each object's life.
TEST(SpareMemory, WhatWentLastIsTheNextOfItsSize) {
  void* const first = take_memory(200);
  give_memory(first, 200);
  void* const second = take_memory(195);  // As many steps of 16.
  EXPECT_EQ(second, first);
  give_memory(second, 195);
}
#endif

TEST(SpareMemory, NoTwoOwnersOfOneBlock) {
  std::vector<std::pair<void*, size_t>> taken;
  std::set<void*> all;
  for (size_t bytes = 0; bytes < 4096; bytes += 37) {
    for (int twice = 0; twice < 2; ++twice) {
      void* const block = take_memory(bytes);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % alignof(std::max_align_t), 0u);
      std::memset(block, 0x5a, bytes);
      ASSERT_TRUE(all.insert(block).second) << bytes;
      taken.emplace_back(block, bytes);
    }
  }
  for (const auto& [block, bytes] : taken) give_memory(block, bytes);
  give_memory(nullptr, 64);
}

TEST(SpareMemory, OneThreadTakesAnotherGives) {
  constexpr int kBlocks = 1000;
  std::vector<void*> blocks;
  for (int i = 0; i < kBlocks; ++i) blocks.push_back(take_memory(512));
  std::thread([&] {
    for (void* block : blocks) give_memory(block, 512);
    void* const again = take_memory(512);
    give_memory(again, 512);
  }).join();  // Its spare goes with it.
}

}  // namespace
}  // namespace aether::base
