/// A simulated machine whose disk lies: syncs of some files say that they worked, and did nothing.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "sim/forwarding_os.h"

namespace aether::oracle {

class LyingOs final : public sim::ForwardingOs {
 public:
  /// Once it begins, it lies about files and directories whose path contains `about`; empty: about none.
  LyingOs(os::Os& os, std::string about) : ForwardingOs(os), about_(std::move(about)) {}
  void begin() { begun_ = true; }

  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenFlags flags) override {
    AETHER_TRY_ASSIGN(std::unique_ptr<os::File> file, ForwardingOs::open(path, flags));
    return std::unique_ptr<os::File>(new File(std::move(file), *this));
  }
  Result<void> sync_directory(const std::string& path) override {
    return lies_about(path + "/") ? Result<void>() : ForwardingOs::sync_directory(path);
  }

 private:
  class File final : public sim::ForwardingFile {
   public:
    File(std::unique_ptr<os::File> file, const LyingOs& owner)
        : ForwardingFile(std::move(file)), owner_(owner) {}
    Result<void> sync() override {
      return owner_.lies_about(path()) ? Result<void>() : ForwardingFile::sync();
    }

   private:
    const LyingOs& owner_;
  };

  bool lies_about(const std::string& path) const {
    return begun_ && !about_.empty() && path.find(about_) != std::string::npos;
  }

  const std::string about_;
  bool begun_ = false;
};

}  // namespace aether::oracle
