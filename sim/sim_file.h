/// Handles of a SimOs: an open file, and a queue of transfers. For sim_os.cpp; see sim_os.h.
#pragma once

#include <string>
#include <vector>

#include "sim/sim_os.h"

namespace aether::sim {

class SimFile final : public os::File {
 public:
  SimFile(SimOs& os, Inode inode, std::string path, os::OpenFlags flags)
      : os_(os), inode_(inode), path_(std::move(path)), flags_(flags) {}
  ~SimFile() override { let_go(); }
  SimFile(const SimFile&) = delete;
  SimFile& operator=(const SimFile&) = delete;

  Result<uint64_t> read_at(uint64_t offset, void* data, uint64_t size) override;
  Result<void> write_at(uint64_t offset, const void* data, uint64_t size) override;
  Result<void> sync() override;
  Result<uint64_t> size() override;
  Result<void> truncate(uint64_t size) override;
  Result<void> allocate(uint64_t offset, uint64_t size) override;
  Result<bool> try_lock() override;
  Result<void> close() override;
  const std::string& path() const noexcept override { return path_; }

 private:
  SimOs::Struck begin(StepKind kind, uint64_t offset = 0, uint64_t size = 0,
                      const void* data = nullptr);
  int write_lying(const SimOs::Struck& struck, uint64_t offset, const void* data, uint64_t size)
      AETHER_REQUIRES(os_.mutex_);
  /// EINVAL for a transfer that a device would refuse under O_DIRECT.
  int check(uint64_t offset, const void* data, uint64_t size) const;
  void write_some(uint64_t offset, const void* data, uint64_t size) AETHER_REQUIRES(os_.mutex_);
  void let_go();

  SimOs& os_;
  const Inode inode_;
  const std::string path_;
  const os::OpenFlags flags_;
  bool closed_ = false;
};

class SimQueue final : public os::IoQueue {
 public:
  explicit SimQueue(uint64_t seed) : random_(seed) {}

  Result<void> submit(std::span<os::IoRequest* const> requests) override;
  Result<void> complete(uint64_t at_least, std::vector<os::IoRequest*>& done) override;
  uint64_t in_flight() const noexcept override { return finished_.size(); }

 private:
  Random random_;
  std::vector<os::IoRequest*> finished_;  ///< Done, not yet handed out.
};

}  // namespace aether::sim
