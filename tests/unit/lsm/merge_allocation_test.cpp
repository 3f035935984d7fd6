// Merges allocate nothing in the steady state: counted by replacing the operator that all allocations of C++ go through. Not
// under sanitizers, which have one of their own.
#if !defined(AETHER_ASAN) && !defined(AETHER_TSAN)
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <random>

#include "lsm/merge.h"
#include "support/entry_list.h"

namespace {
thread_local uint64_t allocations = 0;
}

// Not inlined: g++ takes memory from one and to the other, where only one of them is inlined, for a mistake.
[[gnu::noinline]] void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace aether::lsm {
namespace {

class Counting final : public MergeOutput {
 public:
  Result<void> add(const Entry& entry) override {
    bytes += entry.key.size() + entry.value.size();
    return {};
  }
  Result<void> leave_out_value_apart(const Entry& entry) override { return add(entry); }
  uint64_t bytes = 0;
};

TEST(Merge, AllocatesNothingInTheSteadyState) {
  std::mt19937_64 random(1);
  std::vector<std::vector<testing::OwnedEntry>> runs(5);
  for (size_t i = 0; i < runs.size(); ++i) {
    for (int key = 0; key < 4000; ++key) {
      if (random() % 2 == 0) continue;
      const EntryKind kinds[] = {EntryKind::value, EntryKind::tombstone, EntryKind::value_apart};
      for (TxnId writer = 2; writer > random() % 3; --writer) {
        runs[i].push_back({.key = "a key of more than 16 bytes " + std::to_string(100000 + key),
                           .writer = (runs.size() - i) * 10 + writer,
                           .kind = kinds[random() % 3],
                           .expiry_ms = random() % 3 * 50,
                           .value = "value"});
      }
    }
  }
  std::vector<MergeSource> sources;
  for (const auto& run : runs) {
    sources.push_back(
        {testing::cursor_over(run), {{"a key", "a key of more than 16 bytes 2", 25}}});
  }
  std::vector<txn::SnapshotBounds> snapshots(2);
  snapshots[0].low = snapshots[0].next = 15;
  snapshots[1].low = snapshots[1].next = 35;
  const std::vector<OlderKeys::Range> older = {{"a", "b"}};
  Merge merge(std::move(sources), {OpenSnapshots(snapshots), OlderKeys(older), 60});
  Counting out;
  ASSERT_TRUE(merge.begin().has_value());
  ASSERT_TRUE(merge.step(1000, out).has_value());
  const uint64_t before = allocations;
  while (!merge.has_ended()) ASSERT_TRUE(merge.step(1000, out).has_value());
  EXPECT_EQ(allocations, before);
  EXPECT_GT(merge.entries_read(), 8000u);
  EXPECT_GT(out.bytes, 0u);
}

}  // namespace
}  // namespace aether::lsm

#endif
