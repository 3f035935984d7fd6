/// A control group (version 2) that holds a process to an amount of memory, its share of the page cache included.
///
/// Engines that read files through the page cache have no other bound: "data 8 times memory" would be a lie.
/// A group is made under a group that lends its memory controller to its children already; nothing else is changed.
///
/// Threads  One.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "aether/error.h"

namespace aether::bench {

class MemoryGroup {
 public:
  /// A new group of at most `bytes`. Errors: unsupported (says what this machine or user lacks).
  static Result<MemoryGroup> make(uint64_t bytes);
  MemoryGroup(MemoryGroup&& other) noexcept : dir_(std::exchange(other.dir_, {})) {}
  MemoryGroup& operator=(MemoryGroup&&) = delete;
  /// Every process in it must have ended.
  ~MemoryGroup();

  /// Moves the calling process in. Errors: io_error.
  Result<void> enter() const;

 private:
  explicit MemoryGroup(std::string dir) : dir_(std::move(dir)) {}
  std::string dir_;
};

/// Directories of groups in which one could be made, the process's own first, then those above it. `mounts` and `own`
/// are the texts of /proc/self/mounts and /proc/self/cgroup.
std::vector<std::string> memory_group_places(const std::string& mounts, const std::string& own);

/// Does the group at `dir` lend its memory controller to its children?
bool lends_memory(const std::string& dir);

}  // namespace aether::bench
