/// A machine that is another one but for what a subclass changes: disks that lie, or put writes elsewhere.
///
/// Threads   As the machine behind it, which must outlive this one and the files it has opened.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "os/os.h"

namespace aether::sim {

class ForwardingFile : public os::File {
 public:
  explicit ForwardingFile(std::unique_ptr<os::File> file) : file_(std::move(file)) {}
  Result<uint64_t> read_at(uint64_t offset, void* data, uint64_t size) override {
    return file_->read_at(offset, data, size);
  }
  Result<void> write_at(uint64_t offset, const void* data, uint64_t size) override {
    return file_->write_at(offset, data, size);
  }
  Result<void> sync() override { return file_->sync(); }
  Result<uint64_t> size() override { return file_->size(); }
  Result<void> truncate(uint64_t size) override { return file_->truncate(size); }
  Result<void> allocate(uint64_t offset, uint64_t size) override {
    return file_->allocate(offset, size);
  }
  Result<bool> try_lock() override { return file_->try_lock(); }
  Result<void> close() override { return file_->close(); }
  const std::string& path() const noexcept override { return file_->path(); }

 protected:
  os::File& behind() noexcept { return *file_; }

 private:
  std::unique_ptr<os::File> file_;
};

class ForwardingOs : public os::Os {
 public:
  explicit ForwardingOs(os::Os& os) : os_(os) {}

  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenFlags flags) override {
    return os_.open(path, flags);
  }
  Result<void> create_directory(const std::string& path) override {
    return os_.create_directory(path);
  }
  Result<void> remove(const std::string& path) override { return os_.remove(path); }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return os_.rename(from, to);
  }
  Result<std::vector<std::string>> list(const std::string& path) override { return os_.list(path); }
  Result<bool> exists(const std::string& path) override { return os_.exists(path); }
  Result<uint64_t> free_bytes(const std::string& path) override { return os_.free_bytes(path); }
  Result<void> sync_directory(const std::string& path) override { return os_.sync_directory(path); }
  Result<std::unique_ptr<os::IoQueue>> make_io_queue(uint32_t depth, IoMode mode) override {
    return os_.make_io_queue(depth, mode);
  }
  uint64_t monotonic_ns() override { return os_.monotonic_ns(); }
  uint64_t wall_ns() override { return os_.wall_ns(); }
  void sleep_ns(uint64_t nanoseconds) override { os_.sleep_ns(nanoseconds); }
  uint64_t random() override { return os_.random(); }
  uint64_t process_id() override { return os_.process_id(); }
  uint32_t core_count() override { return os_.core_count(); }
  Result<std::unique_ptr<os::Thread>> spawn(const std::string& name,
                                            std::function<void()> body) override {
    return os_.spawn(name, std::move(body));
  }

 private:
  os::Os& os_;
};

}  // namespace aether::sim
