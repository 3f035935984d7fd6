#include "wal/forward_window.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "sim/sim_os.h"

namespace aether::wal {
namespace {

constexpr uint64_t kRead = 64 * KiB;
constexpr uint64_t kFileBytes = 700 * KiB;  // No multiple of what is read at once.

class ForwardWindowTest : public testing::TestWithParam<ForwardWindow::Ahead> {
 protected:
  ForwardWindowTest() {
    std::mt19937_64 random(3);
    content_.resize(kFileBytes);
    for (char& c : content_) c = static_cast<char>(random());
    for (const char* name : {"/one", "/two"}) {
      auto file = *os_.open(name, {.write = true, .create = true});
      EXPECT_TRUE(file->write_at(0, content_.data(), content_.size()).has_value());
      files_.push_back(std::move(file));
    }
  }
  void expect(ForwardWindow& window, uint64_t offset, uint64_t size) {
    const Result<std::string_view> got = window.bytes(offset, size);
    ASSERT_TRUE(got.has_value()) << got.error().message();
    const std::string_view all(content_);
    ASSERT_TRUE(*got == all.substr(std::min<uint64_t>(offset, all.size()), size))
        << size << " bytes at " << offset << " gave " << got->size();
  }

  sim::SimOs os_;
  std::string content_;
  std::vector<std::unique_ptr<os::File>> files_;
};

// Heads and then bodies of blocks of every size, as the log's reader asks for them.
TEST_P(ForwardWindowTest, BlocksOneBehindTheOther) {
  for (const uint64_t step : {4u, 12u, 20u, 60u, 64u}) {
    ForwardWindow window(os_, IoMode::automatic, kRead, GetParam());
    window.begin(*files_[0], kFileBytes);
    for (uint64_t at = 0; at < kFileBytes; at += step * KiB) {
      expect(window, at, 4 * KiB);
      expect(window, at, step * KiB);
    }
  }
}

TEST_P(ForwardWindowTest, AnyPlaceInAnyOrder) {
  std::mt19937_64 random(4);
  ForwardWindow window(os_, IoMode::automatic, kRead, GetParam());
  window.begin(*files_[0], kFileBytes);
  uint64_t at = 0;
  for (unsigned i = 0; i < 3000; ++i) {
    if (i % 500 == 499) window.begin(*files_[i / 500 % 2], kFileBytes);
    at = random() % 10 == 0
             ? random() % kFileBytes / 4096 * 4096
             : std::min((at + random() % (3 * kRead)) / 4096 * 4096, kFileBytes - 4096);
    ASSERT_NO_FATAL_FAILURE(expect(window, at, std::min(4096 + random() % kRead, kFileBytes - at)));
  }
}

TEST_P(ForwardWindowTest, NothingBehindTheEndIsRead) {
  uint64_t end = 0;
  os_.on_step([&](const sim::Step& step) {
    if (step.kind == sim::StepKind::read) end = std::max(end, step.offset + step.size);
  });
  ForwardWindow window(os_, IoMode::automatic, kRead, GetParam());
  window.begin(*files_[0], 4 * kRead);
  for (uint64_t at = 0; at < 4 * kRead; at += 8 * KiB) expect(window, at, 8 * KiB);
  EXPECT_EQ(end, 4 * kRead);
}

TEST_P(ForwardWindowTest, AFailedReadIsAnErrorAndTheNextTryIsFree) {
  ForwardWindow window(os_, IoMode::automatic, kRead, GetParam());
  window.begin(*files_[0], kFileBytes);
  expect(window, 0, kRead);
  os_.add_fault({.kind = sim::StepKind::read, .nth = 2});
  uint64_t failures = 0;
  for (uint64_t at = kRead; at < 6 * kRead;) {
    const Result<std::string_view> got = window.bytes(at, 16 * KiB);
    if (got) {
      expect(window, at, 16 * KiB);
      at += 16 * KiB;
    } else {
      EXPECT_EQ(got.error().code(), Code::io_error);
      ++failures;
    }
  }
  EXPECT_EQ(failures, 1u);
}

INSTANTIATE_TEST_SUITE_P(Both, ForwardWindowTest,
                         testing::Values(ForwardWindow::Ahead::no, ForwardWindow::Ahead::yes),
                         [](const auto& each) {
                           return each.param == ForwardWindow::Ahead::yes ? "Ahead" : "Plain";
                         });

}  // namespace
}  // namespace aether::wal
