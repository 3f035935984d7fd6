#include "buffer/data_file.h"

#include <gtest/gtest.h>

#include "sim/sim_os.h"

namespace aether::buffer {
namespace {

constexpr uint32_t kPageBytes = 4096;

// The last of a full file system is the log's: data does not grow into it, whatever the step, and keeps nothing.
TEST(DataFile, LeavesTheEndOfTheSpaceToTheLog) {
  sim::SimOs os({.capacity_bytes = 4 * MiB});
  const std::unique_ptr<DataFile> data = *DataFile::create("/data", kPageBytes, 7, os);
  data->leave_free(1 * MiB, os);
  ASSERT_EQ(data->capacity_pages(), 256u);
  ASSERT_TRUE(data->ensure_capacity(257).has_value());
  EXPECT_EQ(data->capacity_pages(), 512u) << "a step";
  ASSERT_TRUE(data->ensure_capacity(700).has_value());
  EXPECT_EQ(data->capacity_pages(), 768u) << "the last one";
  const uint64_t used = os.total_bytes();
  const Result<void> refused = data->ensure_capacity(769);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::no_space);
  EXPECT_NE(refused.error().message().find("the log needs"), std::string_view::npos);
  EXPECT_EQ(data->capacity_pages(), 768u);
  EXPECT_EQ(os.total_bytes(), used);
  // A little more: just what is needed, not a step.
  os.set_capacity(4 * MiB + 8 * kPageBytes);
  ASSERT_TRUE(data->ensure_capacity(770).has_value());
  EXPECT_EQ(data->capacity_pages(), 770u);
}

}  // namespace
}  // namespace aether::buffer
