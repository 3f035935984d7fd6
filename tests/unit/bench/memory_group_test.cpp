// Where a memory group could be made: the texts of /proc, and a directory that looks like a group.
#include "peers/memory_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace aether::bench {
namespace {

constexpr const char* kMounts =
    "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
    "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";

TEST(MemoryGroup, ItsOwnGroupComesBeforeThoseAbove) {
  EXPECT_THAT(memory_group_places(kMounts, "4:memory:/other\n0::/user.slice/bench.scope\n"),
              testing::ElementsAre("/sys/fs/cgroup/unified/user.slice/bench.scope",
                                   "/sys/fs/cgroup/unified/user.slice", "/sys/fs/cgroup/unified"));
}

TEST(MemoryGroup, AProcessInTheRootHasTheRoot) {
  EXPECT_THAT(memory_group_places(kMounts, "0::/\n"),
              testing::ElementsAre("/sys/fs/cgroup/unified"));
}

TEST(MemoryGroup, WithoutVersionTwoThereIsNone) {
  EXPECT_THAT(memory_group_places("cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n", "0::/\n"),
              testing::IsEmpty());
  EXPECT_THAT(memory_group_places("", ""), testing::IsEmpty());
}

TEST(MemoryGroup, OnlyAGroupThatLendsTheControllerServes) {
  const std::filesystem::path dir = std::filesystem::path(testing::TempDir()) /
                                    ("memory-group-" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  const auto lend = [&dir](const char* controllers) {
    std::ofstream(dir / "cgroup.subtree_control") << controllers << '\n';
    return lends_memory(dir.string());
  };
  EXPECT_FALSE(lends_memory(dir.string()));
  EXPECT_FALSE(lend("cpu io"));
  EXPECT_FALSE(lend("memory_recursiveprot"));
  EXPECT_TRUE(lend("cpuset cpu io memory pids"));
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace aether::bench
