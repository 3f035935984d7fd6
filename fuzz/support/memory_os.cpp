#include "fuzz/support/memory_os.h"

#include <algorithm>
#include <cerrno>

namespace aether::fuzz {
namespace {

class MemoryFile final : public os::File {
 public:
  MemoryFile(std::string path, std::string& bytes) : path_(std::move(path)), bytes_(bytes) {}

  Result<uint64_t> read_at(uint64_t offset, void* data, uint64_t size) override {
    if (offset > INT64_MAX) return Error(Code::io_error, path_ + ": no such offset", EINVAL);
    const uint64_t there = offset < bytes_.size() ? bytes_.size() - offset : 0;
    const uint64_t got = std::min(size, there);
    if (got > 0) std::copy_n(bytes_.data() + offset, got, static_cast<char*>(data));
    return got;
  }
  Result<void> write_at(uint64_t offset, const void* data, uint64_t size) override {
    AETHER_TRY(grow_to(offset, size));
    std::copy_n(static_cast<const char*>(data), size, bytes_.data() + offset);
    return {};
  }
  Result<void> sync() override { return {}; }
  Result<uint64_t> size() override { return uint64_t{bytes_.size()}; }
  Result<void> truncate(uint64_t size) override {
    AETHER_TRY(grow_to(0, size));
    bytes_.resize(size);
    return {};
  }
  Result<void> allocate(uint64_t offset, uint64_t size) override { return grow_to(offset, size); }
  Result<bool> try_lock() override { return true; }
  Result<void> close() override { return {}; }
  const std::string& path() const noexcept override { return path_; }

 private:
  Result<void> grow_to(uint64_t offset, uint64_t size) {
    if (offset > MemoryOs::kFileBytesMax || size > MemoryOs::kFileBytesMax - offset)
      return Error(Code::no_space, path_ + ": too large", ENOSPC);
    if (bytes_.size() < offset + size) bytes_.resize(offset + size);
    return {};
  }

  const std::string path_;
  std::string& bytes_;
};

class MemoryQueue final : public os::IoQueue {
 public:
  Result<void> submit(std::span<os::IoRequest* const> requests) override {
    for (os::IoRequest* request : requests) {
      if (request->kind == os::IoRequest::Kind::read) {
        Result<uint64_t> got = request->file->read_at(request->offset, request->data,
                                                      request->size);
        request->transferred = got ? *got : 0;
        request->result = got ? Result<void>() : Result<void>(std::move(got).error());
      } else {
        request->result = request->file->write_at(request->offset, request->data, request->size);
        request->transferred = request->result ? request->size : 0;
      }
      done_.push_back(request);
    }
    return {};
  }
  Result<void> complete(uint64_t, std::vector<os::IoRequest*>& done) override {
    done.insert(done.end(), done_.begin(), done_.end());
    done_.clear();
    return {};
  }
  uint64_t in_flight() const noexcept override { return done_.size(); }

 private:
  std::vector<os::IoRequest*> done_;
};

class EndedThread final : public os::Thread {
 public:
  void join() override {}
};

}  // namespace

Result<std::unique_ptr<os::File>> MemoryOs::open(const std::string& path, os::OpenFlags flags) {
  const auto found = files.find(path);
  if (found == files.end() && !flags.create)
    return Error(Code::not_found, path + ": no such file", ENOENT);
  if (found != files.end() && flags.exclusive)
    return Error(Code::exists, path + ": it is there", EEXIST);
  return std::unique_ptr<os::File>(std::make_unique<MemoryFile>(path, files[path]));
}

Result<void> MemoryOs::remove(const std::string& path) {
  if (files.erase(path) == 0) return Error(Code::not_found, path + ": no such file", ENOENT);
  return {};
}

Result<void> MemoryOs::rename(const std::string& from, const std::string& to) {
  const auto found = files.find(from);
  if (found == files.end()) return Error(Code::not_found, from + ": no such file", ENOENT);
  std::string bytes = std::move(found->second);
  files.erase(found);
  files[to] = std::move(bytes);
  return {};
}

Result<std::vector<std::string>> MemoryOs::list(const std::string& path) {
  std::vector<std::string> names;
  const std::string prefix = path + "/";
  for (const auto& [name, bytes] : files) {
    if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
  }
  return names;
}

Result<std::unique_ptr<os::IoQueue>> MemoryOs::make_io_queue(uint32_t, IoMode) {
  return std::unique_ptr<os::IoQueue>(std::make_unique<MemoryQueue>());
}

Result<std::unique_ptr<os::Thread>> MemoryOs::spawn(const std::string&,
                                                    std::function<void()> body) {
  body();
  return std::unique_ptr<os::Thread>(std::make_unique<EndedThread>());
}

}  // namespace aether::fuzz
