/// A simulated machine whose disk lies: syncs of some files say that they worked, and did nothing.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "sim/sim_os.h"

namespace aether::oracle {

class LyingOs final : public os::Os {
 public:
  /// Once it begins, it lies about files and directories whose path contains `about`; empty: about none.
  LyingOs(sim::SimOs& os, std::string about) : os_(os), about_(std::move(about)) {}

  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenFlags flags) override {
    AETHER_TRY_ASSIGN(std::unique_ptr<os::File> file, os_.open(path, flags));
    return std::unique_ptr<os::File>(new File(std::move(file), *this));
  }
  void begin() { begun_ = true; }

  Result<void> sync_directory(const std::string& path) override {
    return lies_about(path + "/") ? Result<void>() : os_.sync_directory(path);
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
  class File final : public os::File {
   public:
    File(std::unique_ptr<os::File> file, const LyingOs& owner)
        : file_(std::move(file)), owner_(owner) {}
    Result<uint64_t> read_at(uint64_t offset, void* data, uint64_t size) override {
      return file_->read_at(offset, data, size);
    }
    Result<void> write_at(uint64_t offset, const void* data, uint64_t size) override {
      return file_->write_at(offset, data, size);
    }
    Result<void> sync() override {
      return owner_.lies_about(path()) ? Result<void>() : file_->sync();
    }
    Result<uint64_t> size() override { return file_->size(); }
    Result<void> truncate(uint64_t size) override { return file_->truncate(size); }
    Result<void> allocate(uint64_t offset, uint64_t size) override {
      return file_->allocate(offset, size);
    }
    Result<bool> try_lock() override { return file_->try_lock(); }
    Result<void> close() override { return file_->close(); }
    const std::string& path() const noexcept override { return file_->path(); }

   private:
    std::unique_ptr<os::File> file_;
    const LyingOs& owner_;
  };

  bool lies_about(const std::string& path) const {
    return begun_ && !about_.empty() && path.find(about_) != std::string::npos;
  }

  sim::SimOs& os_;
  const std::string about_;
  bool begun_ = false;
};

}  // namespace aether::oracle
