#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "os/os.h"
#include "tests/unit/os/temp_directory.h"
#include "tests/unit/os/unwilling_kernel.h"

namespace aether::os {
namespace {

using testing_support::TempDirectory;

constexpr uint64_t kBlock = kDirectAlignment;

// Memory as O_DIRECT wants it.
class Buffer {
 public:
  explicit Buffer(uint64_t blocks)
      : bytes_(static_cast<char*>(std::aligned_alloc(kBlock, blocks * kBlock)), &std::free) {
    std::memset(bytes_.get(), 0, blocks * kBlock);
  }
  char* at(uint64_t block) { return bytes_.get() + block * kBlock; }

 private:
  std::unique_ptr<char, decltype(&std::free)> bytes_;
};

// "Concurrent": the thread sanitizer runs these.
class IoQueueConcurrent : public testing::TestWithParam<IoMode> {
 protected:
  // Null, and the test skipped, where the kernel refuses a ring.
  std::unique_ptr<IoQueue> make(uint32_t depth) {
    auto queue = production().make_io_queue(depth, GetParam());
    if (!queue && queue.error().code() == Code::unsupported) return nullptr;
    EXPECT_TRUE(queue) << queue.error().message();
    return queue ? *std::move(queue) : nullptr;
  }
  std::unique_ptr<File> open(const std::string& name, OpenFlags flags) {
    auto file = production().open(t_ / name, flags);
    EXPECT_TRUE(file) << file.error().message();
    return *std::move(file);
  }
  void run_against_model(bool direct, uint64_t seed);
  void run_with_short_transfers(bool direct, uint64_t seed);

  TempDirectory t_;
};

#define AETHER_MAKE_OR_SKIP(queue, depth)             \
  const std::unique_ptr<IoQueue> queue = make(depth); \
  if (queue == nullptr) GTEST_SKIP() << "no io_uring here"

// A batch: transfers of 1-4 blocks in different places, each a read or a write.
struct Batch {
  std::vector<IoRequest> requests;
  std::vector<IoRequest*> pointers;
};

Batch random_batch(std::mt19937_64& random, File& file, uint64_t blocks, Buffer& memory,
                   std::vector<uint64_t>& model) {
  Batch batch;
  for (uint64_t at = random() % 8; at + 4 <= blocks; at += 4 + random() % 16) {
    IoRequest request;
    const uint64_t count = 1 + random() % 4;
    request.kind = random() % 2 == 0 ? IoRequest::Kind::read : IoRequest::Kind::write;
    request.file = &file;
    request.offset = at * kBlock;
    request.data = memory.at(at);
    request.size = count * kBlock;
    request.user_data = at;
    for (uint64_t i = at; request.kind == IoRequest::Kind::write && i < at + count; ++i) {
      model[i] = random();
      std::memcpy(memory.at(i), &model[i], sizeof model[i]);
      std::memcpy(memory.at(i) + kBlock - 8, &model[i], sizeof model[i]);
    }
    batch.requests.push_back(std::move(request));
  }
  for (IoRequest& request : batch.requests) batch.pointers.push_back(&request);
  std::shuffle(batch.pointers.begin(), batch.pointers.end(), random);
  return batch;
}

void IoQueueConcurrent::run_against_model(bool direct, uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  constexpr uint64_t kBlocks = 256;
  constexpr int kBatches = 150;  // Some 20 transfers each.
  AETHER_MAKE_OR_SKIP(queue, 8);
  const auto file = open("a", {.write = true, .create = true, .direct = direct});
  ASSERT_TRUE(file->allocate(0, kBlocks * kBlock));
  std::mt19937_64 random(seed);
  Buffer memory(kBlocks);
  std::vector<uint64_t> model(kBlocks, 0);
  for (int round = 0; round < kBatches; ++round) {
    Batch batch = random_batch(random, *file, kBlocks, memory, model);
    ASSERT_TRUE(queue->submit(batch.pointers));
    std::vector<IoRequest*> done;
    while (done.size() < batch.requests.size()) {
      ASSERT_EQ(queue->in_flight(), batch.requests.size() - done.size());
      const size_t before = done.size();
      const uint64_t at_least = 1 + random() % queue->in_flight();
      ASSERT_TRUE(queue->complete(at_least, done));
      ASSERT_GE(done.size(), before + at_least);
    }
    ASSERT_EQ(queue->in_flight(), 0u);
    std::sort(done.begin(), done.end());
    ASSERT_EQ(std::unique(done.begin(), done.end()), done.end());
    for (const IoRequest* request : done) {
      ASSERT_TRUE(request->result) << request->result.error().message();
      ASSERT_EQ(request->transferred, request->size);
      ASSERT_EQ(request->offset, request->user_data * kBlock);
      for (uint64_t i = 0; i < request->size / kBlock; ++i) {
        uint64_t first = 0;
        uint64_t last = 0;
        std::memcpy(&first, memory.at(request->user_data + i), 8);
        std::memcpy(&last, memory.at(request->user_data + i) + kBlock - 8, 8);
        ASSERT_EQ(first, model[request->user_data + i]) << "block " << request->user_data + i;
        ASSERT_EQ(last, model[request->user_data + i]) << "block " << request->user_data + i;
      }
    }
  }
}

// Goal:   thousands of transfers, many at a time and beyond the depth, all arrive where they belong.
// Method: a model of what each block holds; batches in random order, collected in random portions.
TEST_P(IoQueueConcurrent, BufferedBatchesEqualTheModel) { run_against_model(false, 11); }
TEST_P(IoQueueConcurrent, DirectBatchesEqualTheModel) { run_against_model(true, 12); }

// Goal: a kernel that moves one block at a time is not noticed, whichever way the transfers go.
void IoQueueConcurrent::run_with_short_transfers(bool direct, uint64_t seed) {
  testing_support::Kernel& kernel = testing_support::kernel;
  kernel.reset();
  kernel.transfer_bytes_max = kBlock;
  run_against_model(direct, seed);
  kernel.transfer_bytes_max = SIZE_MAX;
  if (IsSkipped()) return;
  EXPECT_GT(kernel.transfers_cut + kernel.ring_transfers_cut, 100u);
  if (GetParam() == IoMode::uring) {
    EXPECT_GT(kernel.ring_transfers_cut, 100u);
  }
}

TEST_P(IoQueueConcurrent, CompletesShortTransfers) { run_with_short_transfers(false, 21); }
TEST_P(IoQueueConcurrent, CompletesShortDirectTransfers) { run_with_short_transfers(true, 22); }

TEST_P(IoQueueConcurrent, ReadsEndWhereTheFileEnds) {
  for (const bool direct : {false, true}) {
    AETHER_MAKE_OR_SKIP(queue, 4);
    const auto file = open("end", {.write = true, .create = true, .direct = direct});
    ASSERT_TRUE(file->truncate(kBlock + 100));
    Buffer memory(8);
    std::vector<IoRequest> requests(3);
    for (uint64_t i = 0; i < 3; ++i) {
      requests[i].file = file.get();
      requests[i].offset = i * kBlock;
      requests[i].data = memory.at(2 * i);
      requests[i].size = 2 * kBlock;
    }
    requests[2].size = 0;  // Nothing to do is done at once.
    std::vector<IoRequest*> pointers{&requests[0], &requests[1], &requests[2]};
    ASSERT_TRUE(queue->submit(pointers));
    std::vector<IoRequest*> done;
    ASSERT_TRUE(queue->complete(3, done));
    for (const IoRequest& each : requests) ASSERT_TRUE(each.result);
    EXPECT_EQ(requests[0].transferred, kBlock + 100);
    EXPECT_EQ(requests[1].transferred, 100u);
    EXPECT_EQ(requests[2].transferred, 0u);
  }
}

TEST_P(IoQueueConcurrent, AFailedTransferLeavesTheOthersAlone) {
  AETHER_MAKE_OR_SKIP(queue, 4);
  const auto good = open("good", {.write = true, .create = true});
  const auto read_only = open("good", {});
  std::vector<IoRequest> requests(3);
  std::vector<IoRequest*> pointers;
  std::string bytes = "0123456789";
  for (uint64_t i = 0; i < 3; ++i) {
    requests[i].kind = IoRequest::Kind::write;
    requests[i].file = i == 1 ? read_only.get() : good.get();
    requests[i].offset = i * 10;
    requests[i].data = bytes.data();
    requests[i].size = bytes.size();
    pointers.push_back(&requests[i]);
  }
  ASSERT_TRUE(queue->submit(pointers));
  std::vector<IoRequest*> done;
  ASSERT_TRUE(queue->complete(3, done));
  ASSERT_EQ(done.size(), 3u);
  EXPECT_TRUE(requests[0].result);
  ASSERT_FALSE(requests[1].result);
  EXPECT_EQ(requests[1].result.error().code(), Code::io_error);
  EXPECT_THAT(std::string(requests[1].result.error().message()),
              testing::HasSubstr(t_ / "good" + " at offset 10 (10 bytes)"));
  EXPECT_TRUE(requests[2].result);

  // A request that failed can be used again.
  requests[1].file = good.get();
  done.clear();
  ASSERT_TRUE(queue->submit({&pointers[1], 1}));
  ASSERT_TRUE(queue->complete(1, done));
  EXPECT_TRUE(requests[1].result);
  EXPECT_EQ(requests[1].transferred, 10u);
}

TEST_P(IoQueueConcurrent, CompleteAsksForNoMoreThanThereIs) {
  AETHER_MAKE_OR_SKIP(queue, 4);
  std::vector<IoRequest*> done;
  ASSERT_TRUE(queue->complete(5, done));
  EXPECT_TRUE(done.empty());
  ASSERT_TRUE(queue->complete(0, done));
  EXPECT_TRUE(done.empty());
}

// The queue is one thread's at a time, not one thread's for ever: also when the first has ended.
TEST_P(IoQueueConcurrent, PassesFromThreadToThread) {
  AETHER_MAKE_OR_SKIP(queue, 16);
  const auto file = open("a", {.write = true, .create = true});
  ASSERT_TRUE(file->allocate(0, 64 * kBlock));
  Buffer memory(64);
  std::vector<IoRequest> requests(64);
  std::vector<IoRequest*> pointers;
  for (uint64_t i = 0; i < requests.size(); ++i) {
    requests[i].kind = i % 2 == 0 ? IoRequest::Kind::read : IoRequest::Kind::write;
    requests[i].file = file.get();
    requests[i].offset = i * kBlock;
    requests[i].data = memory.at(i);
    requests[i].size = kBlock;
    pointers.push_back(&requests[i]);
  }
  bool submitted = false;
  std::thread([&] { submitted = queue->submit(pointers).has_value(); }).join();
  ASSERT_TRUE(submitted);
  std::vector<IoRequest*> done;
  ASSERT_TRUE(queue->complete(64, done));
  EXPECT_EQ(done.size(), 64u);
  for (const IoRequest& each : requests) {
    EXPECT_TRUE(each.result) << each.result.error().message();
  }
}

// Dropping a queue must not leave anybody writing into memory that is then freed.
TEST_P(IoQueueConcurrent, CanBeDroppedWithWorkInFlight) {
  const auto file = open("a", {.write = true, .create = true});
  ASSERT_TRUE(file->allocate(0, 64 * kBlock));
  for (int round = 0; round < 20; ++round) {
    Buffer memory(64);
    std::vector<IoRequest> requests(64);
    std::vector<IoRequest*> pointers;
    for (uint64_t i = 0; i < requests.size(); ++i) {
      requests[i].file = file.get();
      requests[i].offset = i * kBlock;
      requests[i].data = memory.at(i);
      requests[i].size = kBlock;
      pointers.push_back(&requests[i]);
    }
    AETHER_MAKE_OR_SKIP(queue, 64);
    ASSERT_TRUE(queue->submit(pointers));
    EXPECT_EQ(queue->in_flight(), 64u);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, IoQueueConcurrent,
                         testing::Values(IoMode::uring, IoMode::threads, IoMode::automatic),
                         [](const testing::TestParamInfo<IoMode>& mode) {
                           if (mode.param == IoMode::uring) return "uring";
                           return mode.param == IoMode::threads ? "threads" : "automatic";
                         });

}  // namespace
}  // namespace aether::os
