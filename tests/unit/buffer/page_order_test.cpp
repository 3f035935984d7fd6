#include "buffer/page_order.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "buffer/frame.h"

namespace aether::buffer {
namespace {

TEST(PageOrder, IsThatOfTheFile) {
  std::vector<Frame> frames(20);
  std::vector<PageWriter::Target> targets;
  for (size_t i = 0; i < frames.size(); ++i) {
    frames[i].page_id = PageId{i * 7 % 20 + 1};
    targets.push_back({&frames[i], nullptr});
  }
  sort_by_page(targets);
  for (size_t i = 0; i < targets.size(); ++i)
    EXPECT_EQ(targets[i].frame->page_id.load(), PageId{i + 1});
}

// Goal:   a checkpoint sorts the frames of a pool in which others load and evict pages: each stays one of its targets.
// Method: a thread gives the frames other pages all the time. (Sorted by what the frames say at the moment, this crashed.)
TEST(PageOrderConcurrent, KeepsEveryTargetWhilePagesComeAndGo) {
  std::vector<Frame> frames(200);
  std::vector<PageWriter::Target> all;
  for (Frame& frame : frames) all.push_back({&frame, nullptr});
  std::atomic<bool> stop{false};
  std::thread evictor([&] {
    for (uint64_t i = 1; !stop; i = i * 6364136223846793005u + 1442695040888963407u)
      frames[(i >> 33) % frames.size()].page_id.store(PageId{i >> 50}, std::memory_order_relaxed);
  });
  for (int round = 0; round < 3000; ++round) {
    std::vector<PageWriter::Target> targets = all;
    sort_by_page(targets);
    std::set<Frame*> seen;
    for (const PageWriter::Target& target : targets) seen.insert(target.frame);
    if (seen.size() != frames.size()) ADD_FAILURE() << "round " << round;
  }
  stop = true;
  evictor.join();
}

}  // namespace
}  // namespace aether::buffer
