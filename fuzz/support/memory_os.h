/// Files in memory and nothing else: as little as a parser needs, so that a fuzzer makes 10^5 of them a second. What a crash
/// may leave is sim/'s.
///
/// Threads   One; `spawn` runs the body before it returns.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "os/os.h"

namespace aether::fuzz {

class MemoryOs : public os::Os {
 public:
  /// No file grows beyond it: no_space.
  static constexpr uint64_t kFileBytesMax = 16 * MiB;

  std::map<std::string, std::string> files;

  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenFlags flags) override;
  Result<void> create_directory(const std::string&) override { return {}; }
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  /// Every path that begins with it and a slash is in the directory.
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override { return files.count(path) != 0; }
  Result<void> sync_directory(const std::string&) override { return {}; }
  Result<std::unique_ptr<os::IoQueue>> make_io_queue(uint32_t depth, IoMode mode) override;
  uint64_t monotonic_ns() override { return now_ns_ += 1000; }
  uint64_t wall_ns() override { return now_ns_ += 1000; }
  void sleep_ns(uint64_t nanoseconds) override { now_ns_ += nanoseconds; }
  uint64_t random() override { return kRandom; }
  uint64_t process_id() override { return 1; }
  uint32_t core_count() override { return 1; }
  Result<std::unique_ptr<os::Thread>> spawn(const std::string& name,
                                            std::function<void()> body) override;

  static constexpr uint64_t kRandom = 0x1122334455667788;

 private:
  uint64_t now_ns_ = 1'000'000'000;
};

}  // namespace aether::fuzz
